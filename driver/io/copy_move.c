// SPDX-License-Identifier: GPL-2.0
/*
 * The copy path's steps that touch the caller's memory or the bounce buffers.
 *
 * Nothing is held while the caller's memory is faulted in, which may take
 * forever, and only the caller does it: a pass copies with page faults off, and
 * where that is not enough it gives back all that it has and begins anew
 * (invariant 12). Memory that a worker will need is pinned before.
 */
#include <linux/bvec.h>
#include <linux/dma-mapping.h>
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "io/bounce.h"
#include "io/copy_move.h"
#include "io/copy_op.h"
#include "io/pages.h"

/* Pin the rest of the caller's memory, so that a worker can go on. */
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
 * nvdio_copy_memory() - fault in, or pin, the caller's memory
 * @op: operation that holds nothing
 *
 * That may take forever, and the controller may go meanwhile.
 *
 * Context: the caller; may sleep without a limit, but is killable.
 * Return: 0.
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
 * nvdio_copy_fill() - copy the data of the pass from the caller's memory
 * @op: write with buffers
 *
 * Bytes for blocks that are written in part are kept in @op->edge, since these
 * blocks are read into the buffers first.
 *
 * Context: the caller's address space, or its memory is pinned.
 * Return: 0.
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
		const u32 head = nvdio_copy_head(op, c), tail = nvdio_copy_tail(op, c);
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
		return nvdio_copy_need_memory(op);
	}
	op->faults = 0;
	if (op->last)
		nvdio_copy_unpin(op);
	op->step = rmw ? NVDIO_COPY_EDGES : NVDIO_COPY_SEND;
	return 0;
}

/**
 * nvdio_copy_merge() - put the caller's bytes into blocks that were read
 * @op: write after nvdio_copy_edges()
 *
 * Context: any.
 * Return: 0.
 */
int nvdio_copy_merge(struct nvdio_copy *op)
{
	const struct nvdio_copy_chunk *first = &op->chunks[0];
	const struct nvdio_copy_chunk *last = &op->chunks[op->nr - 1];
	const u32 head = nvdio_copy_head(op, first), tail = nvdio_copy_tail(op, last);
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

/* Count bytes that were moved. */
static void copy_advance(struct nvdio_copy *op, size_t bytes)
{
	op->pos += bytes;
	op->left -= bytes;
	if (bytes)
		op->faults = 0;
}

/**
 * nvdio_copy_out() - copy what was read to the caller's memory
 * @op: read whose commands are complete
 *
 * Context: the caller's address space, or its memory is pinned.
 * Return: 0.
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
		return nvdio_copy_need_memory(op);
	/* Between two passes others that wait for a buffer have their turn. */
	if (nvdio_bounce_wanted(op->ns))
		nvdio_copy_release(op);
	return 0;
}

/**
 * nvdio_copy_done() - end a pass of a write
 * @op: write whose commands are complete
 *
 * Context: any.
 * Return: 0.
 */
int nvdio_copy_done(struct nvdio_copy *op)
{
	unsigned int i;

	for (i = 0; i < op->nr; i++)
		copy_advance(op, op->chunks[i].len);
	/* The next claim must not be waited for with buffers held. */
	nvdio_copy_release(op);
	op->step = NVDIO_COPY_CLAIM;
	return 0;
}
