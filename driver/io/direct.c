// SPDX-License-Identifier: GPL-2.0
/*
 * The zero-copy fast path: one range of memory that is contiguous for the
 * controller and fits into one command. Everything else continues in xfer.c.
 *
 * Instructions count here. Nothing is allocated, and the command is submitted
 * in one hold of one lock (invariant 4). The functions are shaped so that their
 * arguments stay in registers: for a registered buffer, no variable on the
 * stack has its address taken.
 */
#include <linux/mm.h>

#include "pure/cmd.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/map.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/direct.h"
#include "io/dma.h"
#include "io/pages.h"
#include "io/sync.h"
#include "io/xfer.h"

/*
 * Submit @req as a command for contiguous memory that starts *@offset bytes
 * from the start of *@page; @nr_pinned pages of it are pinned.
 *
 * Context: sq_lock held since @req was taken; released on return.
 * Return: -EIOCBQUEUED; or -ENOMEM: the memory could not be mapped, nothing was
 * submitted, and @req was returned.
 */
static __always_inline ssize_t
direct_send(struct nvdio_ns *ns, struct nvdio_queue *q,
	    struct nvdio_request *req, struct kiocb *iocb,
	    struct page **page, size_t *offset, size_t len,
	    unsigned int nr_pinned, const bool write)
{
	const enum dma_data_direction dir = write ? DMA_TO_DEVICE :
						    DMA_FROM_DEVICE;
	const u16 control = write && ns->fua && iocb_is_dsync(iocb) ?
			    NVME_RW_FUA : 0;
	const u64 slba = iocb->ki_pos >> ns->lba_shift;
	struct nvdio_stats __percpu *stats;
	u8 flags = write ? NVDIO_REQ_WRITE : 0;
	struct nvme_command *cmd;
	dma_addr_t dma;

	/* Map under sq_lock: teardown takes it before the device goes away. */
	if (unlikely(!q->linear)) {
		/*
		 * Saved in @req so that they occupy no registers across the
		 * call.
		 */
		req->page = *page;
		req->dma = *offset;
	}
	dma = nvdio_dma_map_one(q, *page, *offset, len, dir, &flags);
	if (unlikely(dma == DMA_MAPPING_ERROR)) {
		*page = req->page;
		*offset = req->dma;
		nvdio_req_put(q, req);
		nvdio_queue_unlock(q);
		return -ENOMEM;
	}

	stats = ns->stats;
	if (unlikely(flags & NVDIO_REQ_UNMAP))
		this_cpu_inc(stats->segments_mapped);
	if (nr_pinned) {
		flags |= NVDIO_REQ_PINNED;
		req->page = *page;
		req->nr_pages = nr_pinned;
	}
	req->dma = dma;
	nvdio_req_fill(req, iocb, NULL, ns, slba, len, flags);

	cmd = nvdio_queue_sqe(q);
	nvdio_cmd_rw(cmd, write, ns->nsid, slba, 0,
		     nvdio_rw_cdw12(len >> ns->lba_shift, control), 0);
	nvdio_cmd_dptr_run(cmd, dma, len);

	this_cpu_inc(stats->direct);
	nvdio_stats_bytes(stats, write, len);

	/* For ->iopoll, which may run after @req has ended; the queue stays. */
	if (iocb->ki_flags & IOCB_HIPRI)
		iocb->private = q;
	nvdio_queue_submit_sqe(q, req, cmd, write);
	nvdio_queue_unlock(q);
	return -EIOCBQUEUED;
}

/*
 * Slow path: wait until the queue can accept the command, or, with @no_room,
 * until the memory can be mapped.
 */
static noinline ssize_t direct_wait(struct nvdio_ns *ns,
				    struct kiocb *iocb, struct page *page,
				    size_t offset, size_t len,
				    unsigned int nr_pinned, bool write,
				    bool no_room)
{
	const enum dma_data_direction dir = write ? DMA_TO_DEVICE :
						    DMA_FROM_DEVICE;
	const u64 nlb = write ? len >> ns->lba_shift : 0;
	const bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	ssize_t ret = 0;

	for (;;) {
		struct nvdio_request *req;
		struct nvdio_queue *q;

		if (no_room)
			ret = nvdio_dma_wait_one(ns->ctrl, page, offset, len,
						 dir, nowait);
		if (ret)
			break;
		q = nvdio_ns_queue(ns, iocb->ki_flags & IOCB_HIPRI);
		req = nvdio_req_get(q, ns, iocb->ki_pos >> ns->lba_shift, nlb,
				    nowait);
		ret = PTR_ERR_OR_ZERO(req);
		if (ret)
			break;
		ret = direct_send(ns, q, req, iocb, &page, &offset, len,
				  nr_pinned, write);
		if (ret == -EIOCBQUEUED)
			return ret;
		no_room = true;
		ret = 0;
	}
	if (ret == -EAGAIN)
		this_cpu_inc(ns->stats->nowait_eagain);
	if (nr_pinned)
		nvdio_pages_unpin_run(ns, page, nr_pinned);
	return ret;
}

/*
 * Submit contiguous memory as one command. It starts @offset bytes from the
 * start of @page; @nr_pinned pages of it are pinned, and are unpinned on error.
 * Return: -EIOCBQUEUED, or -errno with nothing submitted.
 */
static __always_inline ssize_t
direct_one(struct nvdio_ns *ns, struct kiocb *iocb, struct page *page,
	   size_t offset, size_t len, unsigned int nr_pinned,
	   const bool write)
{
	struct nvdio_request *req;
	struct nvdio_queue *q;
	ssize_t ret;

	q = nvdio_ns_queue(ns, iocb->ki_flags & IOCB_HIPRI);
	req = nvdio_req_try_get(q, ns, iocb->ki_pos >> ns->lba_shift,
				write ? len >> ns->lba_shift : 0);
	if (likely(req)) {
		ret = direct_send(ns, q, req, iocb, &page, &offset, len,
				  nr_pinned, write);
		if (likely(ret == -EIOCBQUEUED))
			return ret;
	}
	return direct_wait(ns, iocb, page, offset, len, nr_pinned, write,
			   !!req);
}

/* Unregistered user memory: one segment in at most two pages. */
static __always_inline ssize_t direct_user(struct nvdio_ns *ns,
					   struct kiocb *iocb,
					   struct iov_iter *iter,
					   size_t len, const bool write)
{
	struct page *page;
	unsigned long addr;
	int nr;

	if (likely(iter_is_ubuf(iter)))
		addr = (unsigned long)iter->ubuf + iter->iov_offset;
	else if (iter_is_iovec(iter) &&
		 iter_iov(iter)->iov_len >= iter->iov_offset + len)
		addr = (unsigned long)iter_iov(iter)->iov_base +
		       iter->iov_offset;
	else
		return nvdio_xfer_rw(ns, iocb, iter, len, write);
	if (unlikely(addr & NVDIO_DMA_MASK))
		return -EINVAL;
	if (len > ns->single_max || offset_in_page(addr) + len > 2 * PAGE_SIZE)
		return nvdio_xfer_rw(ns, iocb, iter, len, write);
	nr = nvdio_pages_pin_run(ns, addr, len, !write, &page);
	if (unlikely(nr <= 0))
		return nr ?: nvdio_xfer_rw(ns, iocb, iter, len, write);
	if (!write && unlikely(!nvdio_pages_run_is_dirty(page, nr)))
		nvdio_pages_dirty_run(page, nr);
	return direct_one(ns, iocb, page, offset_in_page(addr), len, nr,
			  write);
}

/**
 * nvdio_direct_read_user() - nvdio_direct_rw() for reads, non-BVEC iterators
 * @ns: namespace
 * @iocb: with ki_complete
 * @iter: memory
 * @len: bytes
 *
 * Context: as nvdio_direct_rw().
 * Return: as nvdio_direct_rw().
 */
ssize_t nvdio_direct_read_user(struct nvdio_ns *ns, struct kiocb *iocb,
			       struct iov_iter *iter, size_t len)
{
	return direct_user(ns, iocb, iter, len, false);
}

/**
 * nvdio_direct_write_user() - nvdio_direct_rw() for writes, non-BVEC iterators
 * @ns: namespace
 * @iocb: with ki_complete
 * @iter: memory
 * @len: bytes
 *
 * Context: as nvdio_direct_rw().
 * Return: as nvdio_direct_rw().
 */
ssize_t nvdio_direct_write_user(struct nvdio_ns *ns, struct kiocb *iocb,
				struct iov_iter *iter, size_t len)
{
	return direct_user(ns, iocb, iter, len, true);
}

/* Registered buffers stay pinned by their owner until completion. */
static __always_inline ssize_t direct_bvec(struct nvdio_ns *ns,
					   struct kiocb *iocb,
					   struct iov_iter *iter,
					   size_t len, const bool write)
{
	const struct bio_vec *bv = iter->bvec;
	const size_t skip = iter->iov_offset;
	const size_t offset = bv->bv_offset + skip;

	if (unlikely(len > ns->single_max || bv->bv_len < skip + len ||
		     offset & NVDIO_DMA_MASK))
		return nvdio_xfer_rw(ns, iocb, iter, len, write);
	return direct_one(ns, iocb, bv->bv_page, offset, len, 0, write);
}

/**
 * nvdio_direct_read_bvec() - nvdio_direct_rw() for reads, BVEC iterators
 * @ns: namespace
 * @iocb: with ki_complete
 * @iter: BVEC
 * @len: bytes
 *
 * Context: as nvdio_direct_rw().
 * Return: as nvdio_direct_rw().
 */
ssize_t nvdio_direct_read_bvec(struct nvdio_ns *ns, struct kiocb *iocb,
			       struct iov_iter *iter, size_t len)
{
	return direct_bvec(ns, iocb, iter, len, false);
}

/**
 * nvdio_direct_write_bvec() - nvdio_direct_rw() for writes, BVEC iterators
 * @ns: namespace
 * @iocb: with ki_complete
 * @iter: BVEC
 * @len: bytes
 *
 * Context: as nvdio_direct_rw().
 * Return: as nvdio_direct_rw().
 */
ssize_t nvdio_direct_write_bvec(struct nvdio_ns *ns, struct kiocb *iocb,
				struct iov_iter *iter, size_t len)
{
	return direct_bvec(ns, iocb, iter, len, true);
}

/**
 * nvdio_direct_sync() - nvdio_direct_rw() for synchronous callers
 * @ns: namespace
 * @iocb: without ki_complete; replaced by a kiocb whose completion wakes the
 *	caller
 * @iter: memory; advanced by the number of bytes returned
 * @len: bytes
 * @write: write, not read
 *
 * Context: as nvdio_direct_rw().
 * Return: bytes or -errno.
 */
ssize_t nvdio_direct_sync(struct nvdio_ns *ns, struct kiocb *iocb,
			  struct iov_iter *iter, size_t len, bool write)
{
	const size_t before = iov_iter_count(iter);
	struct nvdio_sync sync __uninitialized;
	size_t moved;
	ssize_t ret;

	nvdio_sync_init(&sync, iocb);
	ret = nvdio_direct_rw(ns, &sync.iocb, iter, len, write);
	if (ret == -EIOCBQUEUED)
		ret = nvdio_sync_wait(&sync);
	if (ret > 0) {
		iocb->ki_pos += ret;
		/*
		 * Some paths have advanced it already; in-kernel callers care.
		 */
		moved = before - iov_iter_count(iter);
		if (!iter_is_ubuf(iter) && moved != ret)
			iov_iter_advance(iter, ret - moved);
	}
	return ret;
}
