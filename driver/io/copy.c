// SPDX-License-Identifier: GPL-2.0
/*
 * The copy path: reads and writes at any byte offset, of any length, from and
 * to any memory, through bounce buffers.
 *
 * An operation goes on in passes. A pass takes some bounce buffers, as many as
 * are free, and moves as much as fits into them, in steps: plan (copy_plan.c:
 * claim the blocks, take buffers), move (copy_move.c: copy from or to the
 * caller's memory), send (copy_send.c), end. Here is who runs them. The caller
 * runs as many as it can without waiting. What has to be waited for, a claim, a
 * buffer, the end of a command, resumes the operation with the next step: it
 * wakes the caller if that waits, and queues a worker otherwise, for which the
 * caller's memory was pinned. No task waits on behalf of an operation.
 *
 * A write claims its blocks for a pass (claim.h), exclusively if some are
 * written in part; these are read first. The order in which things are held is
 * that of the steps: claim, buffer, tag (invariant 12).
 *
 * Each step sets @op->step to what comes after it before it hands anything on,
 * since another task may go on from there at once; after NVDIO_COPY_WAIT @op is
 * not the caller's any more, and may be gone. Otherwise it returns 0, and
 * @op->step is next, or -EAGAIN: nothing was done that this step must undo.
 */
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "io/bounce.h"
#include "io/claim.h"
#include "io/copy.h"
#include "io/copy_move.h"
#include "io/copy_op.h"
#include "io/copy_plan.h"
#include "io/copy_send.h"

/*
 * Run steps until one has to be waited for.
 * Return: 0 when all is done; NVDIO_COPY_WAIT, and @op now belongs to another
 * task; or -EAGAIN under @nowait, at a step with which a worker may go on.
 */
static int copy_run(struct nvdio_copy *op, bool nowait)
{
	int ret = 0;

	if (unlikely(op->error) && nvdio_copy_ends_later(op))
		return NVDIO_COPY_WAIT;

	while (!ret && !op->error && op->left) {
		switch (op->step) {
		case NVDIO_COPY_CLAIM:
			ret = nvdio_copy_claim(op, nowait);
			break;
		case NVDIO_COPY_DRAIN:
			ret = nvdio_copy_drain(op);
			break;
		case NVDIO_COPY_BUFFERS:
			ret = nvdio_copy_buffers(op, nowait);
			break;
		case NVDIO_COPY_FILL:
			ret = nvdio_copy_fill(op);
			break;
		case NVDIO_COPY_EDGES:
			ret = nvdio_copy_edges(op, nowait);
			break;
		case NVDIO_COPY_MERGE:
			ret = nvdio_copy_merge(op);
			break;
		case NVDIO_COPY_SEND:
			ret = nvdio_copy_send(op, nowait);
			break;
		case NVDIO_COPY_OUT:
			ret = nvdio_copy_out(op);
			break;
		case NVDIO_COPY_DONE:
			ret = nvdio_copy_done(op);
			break;
		case NVDIO_COPY_MEMORY:
			ret = nvdio_copy_memory(op);
			break;
		}
	}
	return ret;
}

static void copy_work(struct work_struct *work)
{
	struct nvdio_copy *op = container_of(to_delayed_work(work),
					     struct nvdio_copy, work);
	struct nvdio_completion done;

	if (copy_run(op, false))
		return;
	nvdio_copy_finish(op, &done);
	nvdio_complete(&done);
}

static void copy_claim_resume(struct nvdio_claim *claim)
{
	nvdio_copy_resume(container_of(claim, struct nvdio_copy, claim), 0);
}

static void copy_bounce_resume(struct nvdio_bounce_waiter *waiter)
{
	struct nvdio_copy *op = container_of(waiter, struct nvdio_copy, waiter);

	this_cpu_inc(op->ns->stats->bounce_buffers);
	op->chunks[op->held++].bounce = waiter->bounce;
	nvdio_copy_resume(op, 0);
}

/* Set up an operation. Return: the operation, or ERR_PTR(). */
static struct nvdio_copy *copy_alloc(struct nvdio_ns *ns, struct kiocb *iocb,
				     const struct iov_iter *iter, size_t len,
				     bool write, bool partial)
{
	const gfp_t gfp = iocb->ki_flags & IOCB_NOWAIT ?
			  GFP_NOWAIT | __GFP_NOWARN : GFP_KERNEL;
	size_t edge = partial ? 2 * (ns->lba_mask + 1) : 0;
	struct nvdio_copy *op;

	op = kmalloc(struct_size(op, edge, edge), gfp);
	if (!op)
		return ERR_PTR(gfp & __GFP_NOWARN ? -EAGAIN : -ENOMEM);
	memset(op, 0, offsetof(struct nvdio_copy, chunks));
	op->iocb = iocb;
	op->ns = ns;
	op->sync = is_sync_kiocb(iocb);
	op->write = write;
	op->fua = write && ns->fua && iocb_is_dsync(iocb);
	op->pos = iocb->ki_pos;
	op->left = len;
	op->len = len;
	op->step = write ? NVDIO_COPY_CLAIM : NVDIO_COPY_BUFFERS;
	op->claim.resume = copy_claim_resume;
	op->waiter.resume = copy_bounce_resume;
	init_completion(&op->wake);
	INIT_DELAYED_WORK(&op->work, copy_work);

	op->iter = *iter;
	iov_iter_truncate(&op->iter, len);
	return op;
}

/*
 * An asynchronous operation that may not wait here.
 * Return: NVDIO_COPY_WAIT if a worker goes on with it, which it does if it is
 * too late to take it back, or the operation would not get far without one.
 */
static int copy_hand_on(struct nvdio_copy *op, bool partial)
{
	if (!partial && op->left == op->len)
		return -EAGAIN;
	nvdio_copy_resume(op, 0);
	return NVDIO_COPY_WAIT;
}

/**
 * nvdio_copy_rw() - read or write through bounce buffers
 * @ns: namespace
 * @iocb: any position
 * @iter: memory
 * @len: bytes, more than 0, inside of the namespace, at most what @iter has
 * @write: write, not read
 *
 * A write is atomic, block by block, against all other writers. When it is
 * complete the controller has the data.
 *
 * Context: may sleep, but under IOCB_NOWAIT only to bring in user pages.
 * Return: @len or -errno if @iocb is synchronous; otherwise -EIOCBQUEUED, or
 * @len or -errno if it is over already.
 */
ssize_t nvdio_copy_rw(struct nvdio_ns *ns, struct kiocb *iocb,
		      struct iov_iter *iter, size_t len, bool write)
{
	const bool partial = write && ((iocb->ki_pos | len) & ns->lba_mask);
	bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	struct nvdio_completion done;
	struct nvdio_copy *op;
	bool sync;
	int ret;

	/*
	 * What does not fit into one command may take several passes: look for
	 * holes in the memory before the first of them has written anything.
	 */
	if (write && len > nvdio_copy_max(ns) - (iocb->ki_pos & ns->lba_mask) &&
	    fault_in_iov_iter_readable(iter, len))
		return -EFAULT;
	if (!nvdio_ctrl_enter(ns->ctrl))
		return -ENODEV;
	op = copy_alloc(ns, iocb, iter, len, write, partial);
	if (IS_ERR(op)) {
		nvdio_ctrl_exit(ns->ctrl);
		ret = PTR_ERR(op);
		goto out;
	}
	this_cpu_inc(ns->stats->copy);
	sync = op->sync;
	/* A partial write would have to wait for what it reads. */
	ret = partial && sync && nowait ? -EAGAIN : copy_run(op, nowait);
	while (sync && (ret == NVDIO_COPY_WAIT ||
			(ret == -EAGAIN && op->left < len))) {
		if (ret == NVDIO_COPY_WAIT)
			wait_for_completion_io(&op->wake);
		ret = copy_run(op, false);
	}
	if (!sync && ret == -EAGAIN)
		ret = copy_hand_on(op, partial);
	if (ret == NVDIO_COPY_WAIT)
		return -EIOCBQUEUED;
	if (ret)
		nvdio_copy_fail(op, ret);
	nvdio_copy_finish(op, &done);
	ret = done.res;
	if (done.res > 0) {
		iocb->ki_pos += done.res;
		iov_iter_advance(iter, done.res);
		return done.res;
	}
out:
	if (ret == -EAGAIN)
		this_cpu_inc(ns->stats->nowait_eagain);
	return ret;
}
