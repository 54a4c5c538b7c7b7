// SPDX-License-Identifier: GPL-2.0
/*
 * The steps of the copy path; see copy.c and enum nvdio_copy_step.
 *
 * Each step sets @op->step to what comes after it before it hands anything on,
 * since another task may go on from there at once; after NVDIO_COPY_WAIT @op is
 * not the caller's any more, and may be gone. The other answers are 0, and
 * @op->step is next, or -EAGAIN: nothing was done that this step must undo.
 *
 * Nothing is held while the caller's memory is brought in, which may take for
 * ever, and nobody but the caller does it: a round copies with page faults off,
 * and where that does not do gives back all that it has and begins anew
 * (invariant 12). Memory that a worker will need is pinned before.
 */
#include <linux/bvec.h>
#include <linux/dma-mapping.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "pure/cmd.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/bounce.h"
#include "io/claim.h"
#include "io/copy_op.h"
#include "io/drain.h"
#include "io/pages.h"

/* Memory that goes away again so often is not to be had. */
#define NVDIO_COPY_FAULTS	100

/* Bytes of a chunk's first block, if that is not written from its beginning. */
static u32 chunk_head(const struct nvdio_copy *op,
		      const struct nvdio_copy_chunk *c)
{
	return c->skip ? min(op->ns->lba_mask + 1 - c->skip, c->len) : 0;
}

/* Bytes of its last block, if that is written from its beginning, in part. */
static u32 chunk_tail(const struct nvdio_copy *op,
		      const struct nvdio_copy_chunk *c)
{
	const u32 end = c->skip + c->len;

	return !c->skip || end > op->ns->lba_mask ? end & op->ns->lba_mask : 0;
}

/**
 * nvdio_copy_release() - give back what a round holds
 * @op: operation with no command in flight
 *
 * Context: any.
 */
void nvdio_copy_release(struct nvdio_copy *op)
{
	while (op->held)
		nvdio_bounce_put(op->ns, op->chunks[--op->held].bounce);
	if (op->claimed)
		nvdio_claim_release(op->ns, &op->claim);
	op->claimed = false;
}

/* Would a worker need memory of the caller that is not pinned? */
static bool copy_must_pin(const struct nvdio_copy *op)
{
	return !op->sync && user_backed_iter(&op->iter) &&
	       iov_iter_count(&op->iter);
}

/* All that the round has goes back; then the memory is brought in. */
static int copy_need_memory(struct nvdio_copy *op)
{
	if (!user_backed_iter(&op->iter) || op->faults++ > NVDIO_COPY_FAULTS) {
		nvdio_copy_fail(op, -EFAULT);
		return 0;
	}
	nvdio_copy_release(op);
	op->step = NVDIO_COPY_MEMORY;
	return 0;
}

/**
 * nvdio_copy_claim() - claim the blocks that a round of a write may write
 * @op: write
 * @nowait: do not wait for it, if the caller of the operation has to
 *
 * Context: any.
 */
int nvdio_copy_claim(struct nvdio_copy *op, bool nowait)
{
	struct nvdio_ns *ns = op->ns;
	const u32 skip = op->pos & ns->lba_mask;
	const size_t len = min_t(size_t, op->left,
				 NVDIO_COPY_CHUNKS * nvdio_copy_max(ns) - skip);
	const u64 end = op->pos + len;
	/* A round that does not come to the end ends with a block. */
	const bool rmw = skip || (len == op->left && end & ns->lba_mask);
	const u64 slba = op->pos >> ns->lba_shift;

	nvdio_claim_set(&op->claim, slba,
			((end - 1) >> ns->lba_shift) - slba + 1, rmw);
	if (nowait && op->sync) {
		if (!nvdio_claim_try(ns, &op->claim))
			return -EAGAIN;
		op->claimed = true;
		op->step = rmw ? NVDIO_COPY_DRAIN : NVDIO_COPY_BUFFERS;
		return 0;
	}
	/* Whoever may be told to wait, or go through several rounds. */
	if (copy_must_pin(op)) {
		if (rmw || skip + op->left > nvdio_copy_max(ns) ||
		    !nvdio_claim_try(ns, &op->claim))
			return copy_need_memory(op);
		op->claimed = true;
		op->step = NVDIO_COPY_BUFFERS;
		return 0;
	}
	op->claimed = true;
	op->step = rmw ? NVDIO_COPY_DRAIN : NVDIO_COPY_BUFFERS;
	return nvdio_claim_take(ns, &op->claim) ? 0 : NVDIO_COPY_WAIT;
}

/**
 * nvdio_copy_drain() - wait for older writes to claimed blocks
 * @op: write with an exclusive claim
 *
 * Context: task; may sleep if the caller of the operation waits for it.
 */
int nvdio_copy_drain(struct nvdio_copy *op)
{
	switch (nvdio_claim_drain(op->ns, &op->claim)) {
	case NVDIO_DRAINED:
		op->step = NVDIO_COPY_BUFFERS;
		return 0;
	case NVDIO_DRAIN_WAIT:
		return NVDIO_COPY_WAIT;
	default:
		break;
	}
	if (op->sync) {
		schedule_timeout_uninterruptible(1);
		return 0;
	}
	nvdio_copy_resume(op, 1);
	return NVDIO_COPY_WAIT;
}

/* Take one bounce buffer, and more if there are some that nobody waits for. */
static int copy_take_buffers(struct nvdio_copy *op, unsigned int want,
			     bool nowait)
{
	struct nvdio_ns *ns = op->ns;
	struct nvdio_bounce *bounce;

	if (!op->held) {
		if (nowait)
			bounce = nvdio_bounce_get(ns, NULL);
		else if (op->sync)
			bounce = nvdio_bounce_get_wait(ns);
		else
			bounce = nvdio_bounce_get(ns, &op->waiter);
		/* After this @op is ours only if there is a buffer. */
		if (!bounce)
			return nowait ? -EAGAIN : NVDIO_COPY_WAIT;
		op->chunks[op->held++].bounce = bounce;
	}
	while (op->held < want) {
		bounce = nvdio_bounce_get(ns, NULL);
		if (!bounce)
			break;
		op->chunks[op->held++].bounce = bounce;
	}
	return 0;
}

/**
 * nvdio_copy_buffers() - take bounce buffers and say what goes through each
 * @op: operation with bytes left
 * @nowait: do not wait for a buffer
 *
 * Context: may sleep, unless @nowait.
 */
int nvdio_copy_buffers(struct nvdio_copy *op, bool nowait)
{
	const u32 max = nvdio_copy_max(op->ns);
	struct nvdio_ns *ns = op->ns;
	size_t left = op->left;
	u64 pos = op->pos;
	u64 want;
	int ret;

	/* A read's memory is needed in the end, a write's perhaps never. */
	if (copy_must_pin(op) && !op->write)
		return copy_need_memory(op);
	want = DIV_ROUND_UP_ULL((pos & ns->lba_mask) + left, max);
	ret = copy_take_buffers(op, min(want, NVDIO_COPY_CHUNKS),
				nowait || copy_must_pin(op));
	if (ret == -EAGAIN && !nowait)
		return copy_need_memory(op);
	if (ret)
		return ret;
	for (op->nr = 0; left && op->nr < min(op->held, NVDIO_COPY_CHUNKS);
	     op->nr++) {
		struct nvdio_copy_chunk *c = &op->chunks[op->nr];

		c->slba = pos >> ns->lba_shift;
		c->skip = pos & ns->lba_mask;
		c->len = min_t(size_t, left, max - c->skip);
		c->bytes = ALIGN(c->skip + c->len, ns->lba_mask + 1);
		pos += c->len;
		left -= c->len;
	}
	op->last = !left;
	op->next = 0;
	op->step = op->write ? NVDIO_COPY_FILL : NVDIO_COPY_SEND;
	return 0;
}

/* Pin what is left of the caller's memory, so that a worker can go on. */
static int copy_pin(struct nvdio_copy *op)
{
	gfp_t gfp = op->iocb->ki_flags & IOCB_NOWAIT ?
		    GFP_NOWAIT | __GFP_NOWARN : GFP_KERNEL;
	size_t left = iov_iter_count(&op->iter), len = left;
	struct page *pages[16];
	unsigned int most;

	most = iov_iter_npages(&op->iter, INT_MAX);
	op->bvecs = kvmalloc_array(most, sizeof(*op->bvecs), gfp);
	if (!op->bvecs)
		return gfp & __GFP_NOWARN ? -EAGAIN : -ENOMEM;
	while (left) {
		size_t offset, i = 0;
		ssize_t bytes;

		bytes = nvdio_pages_extract(op->ns, &op->iter, left, pages,
					    min(ARRAY_SIZE(pages),
						most - op->nr_bvecs), &offset);
		if (bytes < 0)
			return bytes;
		left -= bytes;
		while (bytes) {
			size_t n = min_t(size_t, bytes, PAGE_SIZE - offset);

			bvec_set_page(&op->bvecs[op->nr_bvecs++], pages[i++], n,
				      offset);
			bytes -= n;
			offset = 0;
		}
	}
	iov_iter_bvec(&op->iter, op->write ? ITER_SOURCE : ITER_DEST, op->bvecs,
		      op->nr_bvecs, len);
	return 0;
}

/**
 * nvdio_copy_unpin() - the caller's memory is not needed any more
 * @op: operation
 *
 * Context: may sleep, unless nothing is pinned.
 */
void nvdio_copy_unpin(struct nvdio_copy *op)
{
	unsigned int i;

	this_cpu_sub(op->ns->stats->pages_pinned, op->nr_bvecs);
	for (i = 0; i < op->nr_bvecs; i++)
		unpin_user_page_range_dirty_lock(op->bvecs[i].bv_page, 1,
						 !op->write);
	op->nr_bvecs = 0;
	kvfree(op->bvecs);
	op->bvecs = NULL;
}

/**
 * nvdio_copy_memory() - bring in the caller's memory
 * @op: operation that holds nothing
 *
 * It may take for ever, and the controller go meanwhile.
 *
 * Context: the caller; may sleep for as long as it likes, unless killed.
 */
int nvdio_copy_memory(struct nvdio_copy *op)
{
	const size_t len = min_t(size_t, op->left,
				 NVDIO_COPY_CHUNKS * NVDIO_BOUNCE_BYTES);
	struct nvdio_ctrl *ctrl = op->ns->ctrl;
	int ret = 0;

	nvdio_ctrl_exit(ctrl);
	if (!op->sync)
		ret = copy_pin(op);
	else if (op->write ? fault_in_iov_iter_readable(&op->iter, len) :
			     fault_in_iov_iter_writeable(&op->iter, len) ||
		 fatal_signal_pending(current))
		ret = -EFAULT;
	if (!nvdio_ctrl_enter(ctrl)) {
		op->away = true;
		ret = -ENODEV;
	}
	op->step = op->write ? NVDIO_COPY_CLAIM : NVDIO_COPY_BUFFERS;
	if (ret)
		nvdio_copy_fail(op, ret);
	cond_resched();
	return 0;
}

/**
 * nvdio_copy_fill() - copy the round's data from the caller's memory
 * @op: write with buffers
 *
 * Bytes for blocks that are written in part are kept in @op->edge, since these
 * blocks are read into the buffers first.
 *
 * Context: the caller's address space.
 */
int nvdio_copy_fill(struct nvdio_copy *op)
{
	const u32 lba = op->ns->lba_mask + 1;
	size_t copied = 0, want = 0;
	bool rmw = false;
	unsigned int i;

	pagefault_disable();
	for (i = 0; i < op->nr && copied == want; i++) {
		struct nvdio_copy_chunk *c = &op->chunks[i];
		const u32 head = chunk_head(op, c), tail = chunk_tail(op, c);
		u8 *whole = c->bounce->virt + (head ? lba : 0);

		want += c->len;
		if (head)
			copied += copy_from_iter(op->edge, head, &op->iter);
		if (c->len > head + tail)
			copied += copy_from_iter(whole, c->len - head - tail,
						 &op->iter);
		if (tail)
			copied += copy_from_iter(op->edge + lba, tail,
						 &op->iter);
		rmw |= head || tail;
	}
	pagefault_enable();
	if (copied != want) {
		iov_iter_revert(&op->iter, copied);
		return copy_need_memory(op);
	}
	op->faults = 0;
	if (op->last)
		nvdio_copy_unpin(op);
	op->step = rmw ? NVDIO_COPY_EDGES : NVDIO_COPY_SEND;
	return 0;
}

static enum nvdio_end copy_end(struct nvdio_request *req, u16 status,
			       struct nvdio_completion *done)
{
	struct nvdio_copy *op = req->owner;

	if (unlikely(status)) {
		this_cpu_inc(op->ns->stats->errors);
		nvdio_copy_fail(op, nvdio_status_to_errno(status));
	}
	if (!atomic_dec_and_test(&op->pending))
		return NVDIO_END_NONE;
	if (op->step == NVDIO_COPY_DONE && op->last && !op->sync &&
	    !op->bvecs) {
		/* Nothing is left that would need a task. */
		nvdio_copy_finish(op, done);
		return NVDIO_END_KIOCB;
	}
	nvdio_copy_resume(op, 0);
	return NVDIO_END_NONE;
}

/*
 * Send one command for whole blocks of a bounce buffer, @off bytes into it.
 * Return: 0 or -errno.
 */
static int copy_send(struct nvdio_copy *op, struct nvdio_bounce *bounce,
		     u32 off, u64 slba, u32 bytes, bool write, bool nowait)
{
	struct nvdio_ns *ns = op->ns;
	struct nvdio_request *req;
	struct nvme_command *cmd;
	struct nvdio_queue *q;

	dma_sync_single_for_device(ns->ctrl->dev.parent, bounce->dma + off, bytes,
				   write ? DMA_TO_DEVICE : DMA_FROM_DEVICE);
	q = nvdio_ns_queue(ns, false);
	/* No blocks to wait for: a write has a claim to them. */
	req = nvdio_req_get(q, ns, slba, 0, nowait);
	if (IS_ERR(req))
		return PTR_ERR(req);
	atomic_inc(&op->pending);
	nvdio_req_fill(req, op, copy_end, ns, slba, bytes,
		       write ? NVDIO_REQ_WRITE : 0);
	cmd = nvdio_queue_sqe(q);
	nvdio_cmd_rw(cmd, write, ns->nsid, slba, 0,
		     nvdio_rw_cdw12(bytes >> ns->lba_shift,
				    write && op->fua ? NVME_RW_FUA : 0), 0);
	nvdio_cmd_dptr_prps(cmd, bounce->dma, bounce->prps_dma, off, bytes);
	nvdio_queue_submit(q, req);
	nvdio_queue_unlock(q);
	return 0;
}

/*
 * What becomes of a step that sends commands, the next of which got @ret. One
 * of @op->pending is the sender's, so that the step ends once.
 */
static int copy_sent(struct nvdio_copy *op, int ret,
		     enum nvdio_copy_step this_step)
{
	if (ret == -EAGAIN) {
		/* Not yet on its way: a worker, which may wait, goes on here. */
		op->step = this_step;
		if (!op->next)
			return ret;
		nvdio_copy_resume(op, 0);
		return NVDIO_COPY_WAIT;
	}
	if (ret)
		nvdio_copy_fail(op, ret);
	return atomic_dec_and_test(&op->pending) ? 0 : NVDIO_COPY_WAIT;
}

/**
 * nvdio_copy_edges() - read the blocks that the round will change in part
 * @op: write with an exclusive claim
 * @nowait: do not wait for a tag
 *
 * Context: may sleep, unless @nowait.
 */
int nvdio_copy_edges(struct nvdio_copy *op, bool nowait)
{
	const struct nvdio_copy_chunk *first = &op->chunks[0];
	const struct nvdio_copy_chunk *last = &op->chunks[op->nr - 1];
	const u32 lba = op->ns->lba_mask + 1;
	int ret = 0;

	if (!op->next)
		atomic_set(&op->pending, 1);
	op->step = NVDIO_COPY_MERGE;
	if (!op->next && chunk_head(op, first)) {
		ret = copy_send(op, first->bounce, 0, first->slba, lba, false,
				nowait);
		if (!ret)
			op->next = 1;
	}
	if (!ret && chunk_tail(op, last))
		ret = copy_send(op, last->bounce, last->bytes - lba,
				last->slba + (last->bytes - lba) / lba, lba,
				false, nowait);
	return copy_sent(op, ret, NVDIO_COPY_EDGES);
}

/**
 * nvdio_copy_merge() - put the caller's bytes into blocks that were read
 * @op: write after nvdio_copy_edges()
 *
 * Context: any.
 */
int nvdio_copy_merge(struct nvdio_copy *op)
{
	const struct nvdio_copy_chunk *first = &op->chunks[0];
	const struct nvdio_copy_chunk *last = &op->chunks[op->nr - 1];
	const u32 head = chunk_head(op, first), tail = chunk_tail(op, last);
	const u32 lba = op->ns->lba_mask + 1;
	struct device *dev = op->ns->ctrl->dev.parent;

	op->next = 0;
	op->step = NVDIO_COPY_SEND;
	if (head) {
		dma_sync_single_for_cpu(dev, first->bounce->dma, lba,
					DMA_FROM_DEVICE);
		memcpy(first->bounce->virt + first->skip, op->edge, head);
	}
	if (tail) {
		const u32 at = last->bytes - lba;

		dma_sync_single_for_cpu(dev, last->bounce->dma + at, lba,
					DMA_FROM_DEVICE);
		memcpy(last->bounce->virt + at, op->edge + lba, tail);
	}
	return 0;
}

/**
 * nvdio_copy_send() - send the round's commands
 * @op: operation; a write with its data in the buffers
 * @nowait: do not wait for a tag
 *
 * Context: may sleep, unless @nowait.
 */
int nvdio_copy_send(struct nvdio_copy *op, bool nowait)
{
	int ret = 0;

	if (!op->next)
		atomic_set(&op->pending, 1);
	op->step = op->write ? NVDIO_COPY_DONE : NVDIO_COPY_OUT;
	while (op->next < op->nr) {
		struct nvdio_copy_chunk *c = &op->chunks[op->next];

		ret = copy_send(op, c->bounce, 0, c->slba, c->bytes, op->write,
				nowait);
		if (ret)
			break;
		op->next++;
	}
	return copy_sent(op, ret, NVDIO_COPY_SEND);
}

/* Go on behind bytes that were moved. */
static void copy_advance(struct nvdio_copy *op, size_t bytes)
{
	op->pos += bytes;
	op->left -= bytes;
	if (bytes)
		op->faults = 0;
}

/**
 * nvdio_copy_out() - copy what was read to the caller's memory
 * @op: read whose commands are over
 *
 * Context: the caller's address space.
 */
int nvdio_copy_out(struct nvdio_copy *op)
{
	struct device *dev = op->ns->ctrl->dev.parent;
	bool all = true;
	unsigned int i;

	op->step = NVDIO_COPY_BUFFERS;
	pagefault_disable();
	for (i = 0; i < op->nr && all; i++) {
		struct nvdio_copy_chunk *c = &op->chunks[i];
		size_t n;

		dma_sync_single_for_cpu(dev, c->bounce->dma, c->bytes,
					DMA_FROM_DEVICE);
		n = copy_to_iter(c->bounce->virt + c->skip, c->len, &op->iter);
		copy_advance(op, n);
		all = n == c->len;
	}
	pagefault_enable();
	if (!all)
		return copy_need_memory(op);
	/* Between two rounds it is the turn of those who wait for a buffer. */
	if (nvdio_bounce_wanted(op->ns))
		nvdio_copy_release(op);
	return 0;
}

/**
 * nvdio_copy_done() - a round of a write is over
 * @op: write
 *
 * Context: any.
 */
int nvdio_copy_done(struct nvdio_copy *op)
{
	unsigned int i;

	for (i = 0; i < op->nr; i++)
		copy_advance(op, op->chunks[i].len);
	/* The next round's claim must not be waited for with buffers. */
	nvdio_copy_release(op);
	op->step = NVDIO_COPY_CLAIM;
	return 0;
}
