// SPDX-License-Identifier: GPL-2.0
/*
 * Batches from their beginning on: what they may do, and what their descriptors have
 * to wait for; see batch.h. batch_hold.c sends what need not wait.
 */
#include <linux/fs.h>

#include "pure/tags.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/batch.h"
#include "io/batch_fill.h"
#include "io/batch_hold.h"
#include "io/complete.h"

/**
 * nvdio_batch_most() - most I/Os of a batch
 * @ctrl: controller
 *
 * A batch that is sent without waiting needs a tag for each. Where mapping may
 * bounce, nothing can be mapped under sq_lock.
 *
 * Context: any.
 * Return: number; 0 if there are no batches.
 */
u32 nvdio_batch_most(const struct nvdio_ctrl *ctrl)
{
	return ctrl->bounces ? 0 :
	       min_t(u32, ctrl->io_depth - 1, NVDIO_BATCH_MAX);
}

/* Begin with the parts of @run that are the same for batches and rings. */
static __always_inline void batch_init(struct nvdio_batch_run *run,
				       struct nvdio_ns *ns, fmode_t mode,
				       struct nvdio_queue *q)
{
	const bool may_read = mode & FMODE_READ;
	const bool may_write = mode & FMODE_WRITE;

	run->ns = ns;
	run->q = q;
	run->limits.read_size = may_read ? nvdio_ns_size(ns) : 0;
	run->limits.write_size = may_write ? READ_ONCE(ns->write_size) : 0;
	run->limits.lba_mask = ns->lba_mask;
	run->limits.len_max = ns->limits.max_bytes;
	run->limits.atomic_max = READ_ONCE(ns->atomic_max);
	run->limits.atomic_boundary = READ_ONCE(ns->atomic_boundary);
	run->limits.may_read = may_read;
	run->limits.may_write = may_write;
	run->limits.read_only = nvdio_ns_read_only(ns);
	run->sent = 0;
	run->bad = 0;
	run->done = 0;
	run->base = 0;
	run->nr = 0;
	run->failed = 0;
	run->registered = false;
}

/**
 * nvdio_batch_begin() - begin a batch
 * @run: filled in, except for the chunk
 * @ns: namespace
 * @file: open node
 * @q: queue
 * @op: batch, with @end and @results; stays until it has ended
 * @nr: number of I/Os, 1 to nvdio_batch_most()
 * @nowait: nothing is sent unless there are tags for all of them
 *
 * Context: any.
 */
void nvdio_batch_begin(struct nvdio_batch_run *run, struct nvdio_ns *ns,
		       const struct file *file, struct nvdio_queue *q,
		       struct nvdio_batch_op *op, u32 nr, bool nowait)
{
	op->queue = q;
	op->left = nr;
	op->bad = 0;
	op->kept = NVDIO_TAG_NONE;
	op->last = nr - 1;
	op->failed = false;

	batch_init(run, ns, file->f_mode, q);
	run->op = op;
	run->owner = op;
	run->flags = NVDIO_REQ_COUNTED;
	run->want = nowait ? nr : 0;
}

/**
 * nvdio_batch_begin_ring() - begin to send I/Os of a ring
 * @run: filled in, except for the chunk
 * @ns: namespace
 * @mode: what may be done
 * @q: queue
 * @ring: struct nvdio_ring; stays until all has ended that is sent
 *
 * Each ends by itself (io/ring_end.h), so that there is no nvdio_batch_sent().
 *
 * Context: any.
 */
void nvdio_batch_begin_ring(struct nvdio_batch_run *run, struct nvdio_ns *ns,
			    fmode_t mode, struct nvdio_queue *q, void *ring)
{
	batch_init(run, ns, mode, q);
	run->op = NULL;
	run->owner = ring;
	run->flags = NVDIO_REQ_RING;
	run->want = 0;
}

/*
 * Send descriptor @i, waiting for what it needs.
 * Return: 0, whether it was sent or has failed; or, if nothing of the batch was sent,
 * -EAGAIN under @nowait, or -ENODEV.
 */
static int batch_wait(struct nvdio_batch_run *run, u32 i, bool nowait)
{
	const struct nvdio_io *io = &run->io[i];
	const u8 lba_shift = run->ns->lba_shift;
	struct nvdio_queue *q = run->q;
	struct nvdio_request *req;
	int ret;

	if (!nvdio_batch_is_valid(run, i))
		return 0;
	req = nvdio_req_get(q, run->ns, io->off >> lba_shift,
			    io->op == NVDIO_IO_WRITE ? io->len >> lba_shift : 0,
			    nowait);
	if (IS_ERR(req)) {
		ret = PTR_ERR(req);
		/* Those that needed no command may be repeated. */
		if (!run->sent)
			return ret;
		nvdio_batch_fail(run, i, ret);
		return 0;
	}
	ret = nvdio_batch_fill(run, i, req, nvdio_queue_sqe(q));
	if (ret) {
		nvdio_batch_fail(run, i, ret);
		nvdio_req_abandon(q, req);
		return 0;
	}
	run->sent++;
	nvdio_queue_submit(q, req);
	if (q->sq_tail != q->sq_db_written)
		nvdio_queue_ring(q);
	nvdio_queue_unlock(q);
	return 0;
}

/*
 * There were not enough tags for a batch that must not wait, or the queue is not
 * live.
 */
static int batch_no_room(struct nvdio_batch_run *run)
{
	struct nvdio_queue *q = run->q;

	if (nvdio_ns_gone(run->ns))
		return -ENODEV;
	spin_lock(&q->sq_lock);
	/* Commands may be waiting for the doorbell. */
	if (q->state == NVDIO_QUEUE_LIVE && q->sq_tail != q->sq_db_written)
		nvdio_queue_ring(q);
	spin_unlock(&q->sq_lock);
	return nvdio_queue_reap_some(q) ? 0 : -EAGAIN;
}

/**
 * nvdio_batch_send() - send a chunk
 * @run: batch, with its next chunk
 * @nowait: do not wait, unless something was sent already
 *
 * Context: may sleep: a batch of which something was sent cannot be left to another
 * task. It then waits for nothing that depends on the caller.
 * Return: 0, and all of it was sent or has failed; or, if nothing of the batch was
 * sent, -EAGAIN under @nowait, or -ENODEV.
 */
int nvdio_batch_send(struct nvdio_batch_run *run, bool nowait)
{
	u32 i = nvdio_batch_hold(run, 0);
	int ret;

	if (unlikely(i < run->nr && run->want)) {
		ret = batch_no_room(run);
		if (ret)
			return ret;
		i = nvdio_batch_hold(run, 0);
		if (run->want)
			return nvdio_ns_gone(run->ns) ? -ENODEV : -EAGAIN;
	}
	while (unlikely(i < run->nr)) {
		ret = batch_wait(run, i, nowait && !run->sent);
		if (ret)
			return ret;
		i = nvdio_batch_hold(run, i + 1);
	}
	return 0;
}

/* Send what nvdio_batch_send_ring() has left, from @i on. Return: as that. */
static noinline int batch_ring_rest(struct nvdio_batch_run *run, u32 i)
{
	int ret;

	while (i < run->nr) {
		ret = batch_wait(run, i, false);
		if (ret)
			return ret;
		i = nvdio_batch_hold_ring(run, i + 1);
	}
	return 0;
}

/**
 * nvdio_batch_send_ring() - send a chunk of a ring
 * @run: from nvdio_batch_begin_ring(), with a chunk without registered memory
 *
 * Context: may sleep.
 * Return: 0, and all of it was sent or has failed; or -ENODEV, if nothing has been
 * sent since nvdio_batch_begin_ring().
 */
int nvdio_batch_send_ring(struct nvdio_batch_run *run)
{
	const u32 i = nvdio_batch_hold_ring(run, 0);

	return likely(i == run->nr) ? 0 : batch_ring_rest(run, i);
}

/**
 * nvdio_batch_sent() - all chunks of a batch were sent
 * @run: batch
 *
 * Unless something of it was not sent, it may have ended: nothing of it is touched
 * then.
 *
 * Context: task.
 * Return: true if it has ended without a call of @end; it is the caller's again, and
 * @kept_q is set.
 */
bool nvdio_batch_sent(struct nvdio_batch_run *run)
{
	const u32 rest = run->bad + run->done;
	struct nvdio_batch_op *op = run->op;
	struct nvdio_queue *q = run->q;
	bool ended;

	if (likely(!rest))
		return false;
	spin_lock_irq(&q->cq_lock);
	op->bad += run->bad;
	op->left -= rest;
	ended = !op->left;
	spin_unlock_irq(&q->cq_lock);
	if (ended)
		op->kept_q = q;
	return ended;
}
