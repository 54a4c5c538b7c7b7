/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Batches: many reads, writes and flushes that are one request to the caller.
 *
 * All commands of a batch go to one queue. What is left of it is counted under that
 * queue's cq_lock, so that an I/O costs no atomic operation, and none of them has an
 * end function: io/complete.c counts those that succeed itself
 * (NVDIO_REQ_COUNTED). The descriptors are sent a chunk after the other, each in one
 * hold of sq_lock.
 *
 * No tag is held while sq_lock is not: whoever waits holds nothing that others need
 * (invariant 12).
 */
#ifndef NVDIO_BATCH_H
#define NVDIO_BATCH_H

#include <linux/fs.h>
#include <linux/types.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "io/batch_end.h"
#include "io/batch_hold.h"
#include "io/batch_run.h"

struct nvdio_queue;

int nvdio_batch_send_rest(struct nvdio_batch_run *run, u32 i, bool nowait);
int nvdio_batch_send_ring_rest(struct nvdio_batch_run *run, u32 i);
bool nvdio_batch_sent_rest(struct nvdio_batch_run *run);

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
static inline u32 nvdio_batch_most(const struct nvdio_ctrl *ctrl)
{
	return ctrl->bounces ? 0 :
	       min_t(u32, ctrl->io_depth - 1, NVDIO_BATCH_MAX);
}

/* The parts of @run that are the same for batches and rings. */
static __always_inline void nvdio_batch_init(struct nvdio_batch_run *run,
					     struct nvdio_ns *ns,
					     const struct nvdio_span *span,
					     const struct file *file,
					     fmode_t mode,
					     struct nvdio_queue *q)
{
	run->ns = ns;
	run->q = q;
	run->mode = mode;
	run->file = file;
	run->span = span;
	run->sent = 0;
	run->bad = 0;
	run->done = 0;
	run->base = 0;
	run->failed = 0;
	run->registered = false;
}

/**
 * nvdio_batch_begin() - begin a batch
 * @run: filled in, except for the chunk
 * @ns: namespace
 * @span: what of it @file reaches, stays as long as @run; NULL: all, as it is a node
 * @file: open node or range
 * @q: queue
 * @op: batch, with @end and @results; stays until it has ended
 * @nr: number of I/Os, 1 to nvdio_batch_most()
 * @nowait: nothing is sent unless there are tags for all of them
 *
 * The caller may set @registered.
 *
 * Context: any.
 */
static __always_inline void nvdio_batch_begin(struct nvdio_batch_run *run,
					      struct nvdio_ns *ns,
					      const struct nvdio_span *span,
					      const struct file *file,
					      struct nvdio_queue *q,
					      struct nvdio_batch_op *op, u32 nr,
					      bool nowait)
{
	op->queue = q;
	op->left = nr;
	op->bad = 0;
	op->last = nr - 1;
	op->failed = false;
	op->lost = false;

	nvdio_batch_init(run, ns, span, file, file->f_mode, q);
	run->op = op;
	run->owner = op;
	run->flags = NVDIO_REQ_COUNTED;
	run->want = nowait ? nr : 0;
}

/**
 * nvdio_batch_begin_ring() - begin to send I/Os of a ring
 * @run: filled in, except for the chunk
 * @ns: namespace
 * @span: as for nvdio_batch_begin()
 * @file: likewise
 * @mode: what may be done
 * @q: queue
 * @ring: struct nvdio_ring; stays until all has ended that is sent
 *
 * Each ends by itself (io/ring_end.h), so that there is no nvdio_batch_sent().
 *
 * Context: any.
 */
static __always_inline void nvdio_batch_begin_ring(struct nvdio_batch_run *run,
						   struct nvdio_ns *ns,
						   const struct nvdio_span *span,
						   const struct file *file,
						   fmode_t mode,
						   struct nvdio_queue *q,
						   void *ring)
{
	nvdio_batch_init(run, ns, span, file, mode, q);
	run->op = NULL;
	run->owner = ring;
	run->flags = NVDIO_REQ_RING;
	run->want = 0;
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
static inline int nvdio_batch_send(struct nvdio_batch_run *run, bool nowait)
{
	const u32 i = nvdio_batch_hold(run, 0);

	return likely(i == run->nr) ? 0 : nvdio_batch_send_rest(run, i, nowait);
}

/**
 * nvdio_batch_send_ring() - send a chunk of a ring
 * @run: from nvdio_batch_begin_ring(), with a chunk without registered memory
 *
 * Context: may sleep.
 * Return: 0, and all of it was sent or has failed; or -ENODEV, if nothing has been
 * sent since nvdio_batch_begin_ring().
 */
static inline int nvdio_batch_send_ring(struct nvdio_batch_run *run)
{
	const u32 i = nvdio_batch_hold_ring(run, 0);

	return likely(i == run->nr) ? 0 : nvdio_batch_send_ring_rest(run, i);
}

/**
 * nvdio_batch_sent() - all chunks of a batch were sent
 * @run: batch
 *
 * Unless something of it was not sent, it may have ended: nothing of it is touched
 * then.
 *
 * Context: task.
 * Return: true if it has ended without a call of @end; it is the caller's again.
 */
static inline bool nvdio_batch_sent(struct nvdio_batch_run *run)
{
	return unlikely(run->bad + run->done) && nvdio_batch_sent_rest(run);
}

#endif /* NVDIO_BATCH_H */
