// SPDX-License-Identifier: GPL-2.0
/*
 * The copy path: reads and writes at any byte offset, of any length, from and
 * to any memory, through bounce buffers.
 *
 * A read or write goes on in rounds. A round takes some bounce buffers, as many
 * as are free, and moves as much as fits into them; the buffers are kept for
 * the next round. Between the steps of a round nobody sleeps on behalf of the
 * operation: the last command of a step wakes the caller if he waits, and a
 * worker otherwise, which borrows the caller's address space for the copying.
 *
 * A write of partial blocks first claims its blocks (rmw.h), and reads those
 * that it will only change in part.
 */
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "copy.h"
#include "copy_op.h"

/**
 * nvdio_copy_kick() - let the caller, or a worker, go on with the next step
 * @op: operation; no longer ours on return
 *
 * Context: any.
 */
void nvdio_copy_kick(struct nvdio_copy *op)
{
	if (op->sync)
		complete(&op->wake);
	else
		queue_delayed_work(op->ns->ctrl->wq, &op->work, 0);
}

static void copy_claim_kick(struct nvdio_rmw *claim)
{
	nvdio_copy_kick(container_of(claim, struct nvdio_copy, claim));
}

static void copy_bounce_kick(struct nvdio_bounce_waiter *waiter)
{
	nvdio_copy_kick(container_of(waiter, struct nvdio_copy, waiter));
}

/**
 * nvdio_copy_keep_mm() - a worker may have to go on: keep what it will need
 * @op: operation
 *
 * Context: the caller, or a worker that has his address space.
 */
void nvdio_copy_keep_mm(struct nvdio_copy *op)
{
	if (!op->sync && !op->mm && user_backed_iter(&op->iter)) {
		op->mm = current->mm;
		mmgrab(op->mm);
	}
}

/**
 * nvdio_copy_finish() - all is over: give everything back
 * @op: operation with no command in flight; freed
 * @done: set to what the result is
 *
 * Context: any.
 */
void nvdio_copy_finish(struct nvdio_copy *op, struct nvdio_done *done)
{
	struct nvdio_ns *ns = op->ns;

	done->iocb = op->iocb;
	done->res = op->error ?: op->len;
	if (op->error) {
		this_cpu_sub(ns->stats->copy, 1);
	} else {
		nvdio_stats_bytes(ns->stats, op->write, op->len);
	}
	if (op->claimed)
		nvdio_rmw_release(ns, &op->claim);
	while (op->held)
		nvdio_bounce_put(ns, op->chunks[--op->held].bounce);
	if (op->mm)
		mmdrop(op->mm);
	kfree(op->iov);
	kfree(op);
	nvdio_ctrl_exit(ns->ctrl);
}

/*
 * Do steps until one has to be waited for. @op->step is set before anything
 * is sent, since another task may go on from there at once; after
 * NVDIO_COPY_WAIT @op is not ours any more.
 * Return: 0 when all is done; NVDIO_COPY_WAIT; or -EAGAIN under @nowait if
 * nothing was done.
 */
static int copy_run(struct nvdio_copy *op, bool nowait)
{
	struct nvdio_ns *ns = op->ns;
	int ret = 0;

	while (!ret) {
		switch (op->step) {
		case NVDIO_COPY_CLAIM:
			if (!nvdio_rmw_claim(ns, &op->claim))
				return NVDIO_COPY_WAIT;
			op->claimed = true;
			op->step = NVDIO_COPY_DRAIN;
			break;
		case NVDIO_COPY_DRAIN:
			if (nvdio_rmw_drained(ns, &op->claim)) {
				op->step = NVDIO_COPY_ROUND;
			} else if (op->sync) {
				schedule_timeout_uninterruptible(1);
			} else {
				queue_delayed_work(ns->ctrl->wq, &op->work, 1);
				return NVDIO_COPY_WAIT;
			}
			break;
		case NVDIO_COPY_ROUND:
			if (op->error || !op->left)
				return 0;
			ret = nvdio_copy_plan(op, nowait);
			if (ret)
				break;
			op->step = op->write ? NVDIO_COPY_FILL : NVDIO_COPY_OUT;
			if (op->rmw)
				ret = nvdio_copy_read_edges(op);
			else if (!op->write)
				ret = nvdio_copy_send_round(op, nowait);
			break;
		case NVDIO_COPY_FILL:
			if (!op->error)
				nvdio_copy_from_caller(op);
			if (op->error)
				return 0;
			op->step = NVDIO_COPY_WRITTEN;
			ret = nvdio_copy_send_round(op, nowait);
			break;
		case NVDIO_COPY_OUT:
			nvdio_copy_to_caller(op);
			nvdio_copy_round_done(op);
			break;
		case NVDIO_COPY_WRITTEN:
			nvdio_copy_round_done(op);
			break;
		}
	}
	if (ret == -EAGAIN) {
		op->step = NVDIO_COPY_ROUND;
		if (op->left < op->len) {
			/* Too late to take it back: a worker may wait. */
			nvdio_copy_kick(op);
			ret = NVDIO_COPY_WAIT;
		}
	}
	return ret;
}

static void copy_work(struct work_struct *work)
{
	struct nvdio_copy *op = container_of(to_delayed_work(work),
					     struct nvdio_copy, work);
	struct mm_struct *mm = op->mm;
	struct nvdio_done done;
	int ret;

	if (mm) {
		if (mmget_not_zero(mm)) {
			kthread_use_mm(mm);
		} else {
			/* The process is gone, and its memory with it. */
			nvdio_copy_fail(op, -EFAULT);
			mm = NULL;
		}
	}
	ret = copy_run(op, false);
	if (mm) {
		kthread_unuse_mm(mm);
		/*
		 * Not mmput(): if ours is the last reference, it would wait
		 * for the process's aio requests, and this is one.
		 */
		mmput_async(mm);
	}
	if (ret)
		return;
	nvdio_copy_finish(op, &done);
	nvdio_complete(&done);
}

/* Set up an operation. Return: the operation, or ERR_PTR(). */
static struct nvdio_copy *copy_alloc(struct nvdio_ns *ns, struct kiocb *iocb,
				     const struct iov_iter *iter, size_t len,
				     bool write)
{
	gfp_t gfp = iocb->ki_flags & IOCB_NOWAIT ? GFP_NOWAIT | __GFP_NOWARN :
						   GFP_KERNEL;
	u64 end = iocb->ki_pos + len;
	struct nvdio_copy *op;

	op = kmalloc(sizeof(*op), gfp);
	if (!op)
		goto nomem;
	memset(op, 0, offsetof(struct nvdio_copy, chunks));
	op->iocb = iocb;
	op->ns = ns;
	op->sync = is_sync_kiocb(iocb);
	op->write = write;
	op->fua = write && ns->fua && iocb_is_dsync(iocb);
	op->pos = iocb->ki_pos;
	op->left = len;
	op->len = len;
	op->rmw = write && ((op->pos | end) & ns->lba_mask);
	op->step = op->rmw ? NVDIO_COPY_CLAIM : NVDIO_COPY_ROUND;
	if (op->rmw) {
		op->claim.slba = op->pos >> ns->lba_shift;
		op->claim.nlb = ((end - 1) >> ns->lba_shift) -
				op->claim.slba + 1;
		op->claim.kick = copy_claim_kick;
	}
	op->waiter.kick = copy_bounce_kick;
	init_completion(&op->wake);
	INIT_DELAYED_WORK(&op->work, copy_work);

	op->iter = *iter;
	if (!op->sync && iter_is_iovec(iter)) {
		/* An aio caller's iovecs are gone when we return. */
		op->iov = dup_iter(&op->iter, (struct iov_iter *)iter, gfp);
		if (!op->iov) {
			kfree(op);
			goto nomem;
		}
	}
	iov_iter_truncate(&op->iter, len);
	if (!write || op->rmw)
		nvdio_copy_keep_mm(op);
	return op;

nomem:
	return ERR_PTR(iocb->ki_flags & IOCB_NOWAIT ? -EAGAIN : -ENOMEM);
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
	const bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	struct nvdio_done done;
	struct nvdio_copy *op;
	bool sync;
	int ret;

	/*
	 * What does not fit into one command may take several rounds: look for
	 * holes in the memory before the first of them has written anything.
	 */
	if (write && len > nvdio_copy_max(ns) - (iocb->ki_pos & ns->lba_mask) &&
	    fault_in_iov_iter_readable(iter, len))
		return -EFAULT;
	if (!nvdio_ctrl_enter(ns->ctrl))
		return -ENODEV;
	op = copy_alloc(ns, iocb, iter, len, write);
	if (IS_ERR(op)) {
		nvdio_ctrl_exit(ns->ctrl);
		ret = PTR_ERR(op);
		goto out;
	}
	this_cpu_inc(ns->stats->copy);
	sync = op->sync;
	if (op->rmw && !sync) {
		nvdio_copy_kick(op);
		return -EIOCBQUEUED;
	}
	/* A partial write would have to wait for what it reads. */
	ret = op->rmw && nowait ? -EAGAIN : copy_run(op, nowait);
	while (sync && ret == NVDIO_COPY_WAIT) {
		wait_for_completion_io(&op->wake);
		ret = copy_run(op, false);
	}
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
