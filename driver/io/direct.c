// SPDX-License-Identifier: GPL-2.0
/*
 * The zero-copy fast path: one range of memory that is contiguous for the
 * controller, or two pages, in one command. Everything else continues in xfer.c.
 *
 * Step 2 of a read (docs/driver.md, "One read"): is it a case for the fast path?
 * If so, direct_one() goes through all the steps until the command is
 * submitted: admit.h, cmd.h, queue.h. Its completion is in complete.c.
 *
 * Instructions count here. Nothing is allocated, and the command is submitted
 * in one hold of one lock (invariant 4). The functions are shaped so that their
 * arguments stay in registers: for a registered buffer, no variable on the
 * stack has its address taken.
 */
#include <linux/mm.h>
#include <linux/pfn.h>

#include "pure/cmd.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/direct.h"
#include "io/direct_end.h"
#include "io/dma.h"
#include "io/map_find.h"
#include "io/pages.h"
#include "io/xfer.h"

/* Of direct_submit(), besides NVDIO_REQ_*: the mapped memory is in one page. */
#define DIRECT_ONE_PAGE		0x10000

/*
 * Submit @req as a command whose data pointer is @mapped's, or else that of
 * contiguous memory at bus address @dma, or, with NVDIO_REQ_PRPS in @kind, @req's.
 * @kind is constant.
 * What the end of the command has to undo is in @req and @flags.
 *
 * Context: sq_lock held since @req was taken; released on return.
 */
static __always_inline ssize_t
direct_submit(struct nvdio_ns *ns, struct nvdio_queue *q,
	      struct nvdio_request *req, struct kiocb *iocb, dma_addr_t dma,
	      const struct nvdio_mapped *mapped, size_t len,
	      nvdio_end_fn *end, unsigned int flags, const unsigned int kind,
	      const bool write)
{
	const u16 control = write && ns->fua && iocb_is_dsync(iocb) ?
			    NVME_RW_FUA : 0;
	struct nvdio_stats __percpu *stats = ns->stats;
	const u8 lba_shift = ns->lba_shift;
	const u64 slba = iocb->ki_pos >> lba_shift;
	const u16 tail = q->sq_tail;
	struct nvme_command *cmd;

	nvdio_req_fill(req, iocb, end, ns, slba, len, flags);

	cmd = &q->sqes[tail];
	nvdio_cmd_rw(cmd, write, ns->nsid, slba, 0,
		     nvdio_rw_cdw12(len >> lba_shift, control), 0);
	if (mapped && kind & DIRECT_ONE_PAGE)
		nvdio_cmd_dptr_map_page(cmd, &mapped->map->table,
					mapped->offset >> NVDIO_MPS_SHIFT,
					mapped->offset & NVDIO_MPS_MASK);
	else if (mapped)
		nvdio_cmd_dptr_map(cmd, &mapped->map->table, mapped->offset,
				   len);
	else if (kind & NVDIO_REQ_PRPS)
		nvdio_cmd_dptr(cmd, &req->dptr, false);
	else
		nvdio_cmd_dptr_run(cmd, dma, len);

	if (mapped)
		this_cpu_inc(stats->direct_mapped);
	else
		this_cpu_inc(stats->direct);
	if (write)
		this_cpu_add(stats->write_bytes, len);
	else
		this_cpu_add(stats->read_bytes, len);

	/*
	 * For ->iopoll, which may run after @req has ended; the queue stays. To
	 * store it costs less than to ask whether somebody polls.
	 */
	iocb->private = q;
	nvdio_queue_submit_sqe(q, req, cmd, tail, write);
	nvdio_queue_unlock(q);
	return -EIOCBQUEUED;
}

/*
 * Submit @req as a command for mapped memory, in which nothing has to be done
 * for the memory now, and nothing when the command has ended.
 *
 * Context: as direct_submit().
 */
static __always_inline ssize_t
direct_send_mapped(struct nvdio_ns *ns, struct nvdio_queue *q,
		   struct nvdio_request *req, struct kiocb *iocb,
		   const struct nvdio_mapped *mapped, size_t len,
		   const unsigned int kind, const bool write)
{
	req->map = mapped->map;
	req->offset = mapped->offset;
	return direct_submit(ns, q, req, iocb, 0, mapped, len, NULL,
			     NVDIO_REQ_MAPPED | (write ? NVDIO_REQ_WRITE : 0),
			     kind, write);
}

/*
 * Submit @req as a command for contiguous memory at bus address @dma; @nr_pinned
 * pages of it, from @page on, are pinned. @flags: NVDIO_REQ_UNMAP or 0.
 *
 * Context: sq_lock held since @req was taken; released on return.
 */
static __always_inline ssize_t
direct_send_at(struct nvdio_ns *ns, struct nvdio_queue *q,
	       struct nvdio_request *req, struct kiocb *iocb,
	       struct page *page, dma_addr_t dma, size_t len,
	       unsigned int nr_pinned, unsigned int flags, const bool write)
{
	if (write)
		flags |= NVDIO_REQ_WRITE;
	if (nr_pinned) {
		flags |= NVDIO_REQ_PINNED;
		req->page = page;
		req->nr_pages = nr_pinned;
	}
	req->dma = dma;
	return direct_submit(ns, q, req, iocb, dma, NULL, len, NULL, flags, 0,
			     write);
}

/*
 * Submit @req as a command for contiguous memory at physical address @phys;
 * @nr_pinned pages of it are pinned.
 *
 * Context: sq_lock held since @req was taken; released on return.
 * Return: -EIOCBQUEUED; or -ENOMEM: the memory could not be mapped, nothing was
 * submitted, and @req was returned.
 */
static __always_inline ssize_t
direct_send(struct nvdio_ns *ns, struct nvdio_queue *q,
	    struct nvdio_request *req, struct kiocb *iocb, phys_addr_t phys,
	    size_t len, unsigned int nr_pinned, bool write)
{
	const enum dma_data_direction dir = write ? DMA_TO_DEVICE :
						    DMA_FROM_DEVICE;
	struct page *page = pfn_to_page(PHYS_PFN(phys));
	unsigned int flags = 0;
	dma_addr_t dma;

	/* Under sq_lock: teardown takes it before the device goes. */
	dma = nvdio_dma_map_one(q, page, offset_in_page(phys), len, dir,
				&flags);
	if (unlikely(dma == DMA_MAPPING_ERROR)) {
		nvdio_req_abandon(q, req);
		return -ENOMEM;
	}
	if (flags & NVDIO_REQ_UNMAP)
		this_cpu_inc(ns->stats->segments_mapped);
	return write ?
	       direct_send_at(ns, q, req, iocb, page, dma, len, nr_pinned,
			      flags, true) :
	       direct_send_at(ns, q, req, iocb, page, dma, len, nr_pinned,
			      flags, false);
}

/*
 * Submit one command for two pages that are apart: PRP1 and PRP2. The data start
 * at physical address @first, continue at the start of the page at @second, and the
 * pages are pinned if @pinned. Only where bus addresses are computed.
 * Return: -EIOCBQUEUED; or 0: there is no request at once, and nothing was done.
 */
static __always_inline ssize_t
direct_send_two(struct nvdio_ns *ns, struct nvdio_queue *q, struct kiocb *iocb,
		phys_addr_t first, phys_addr_t second, size_t len,
		const bool pinned, const bool write)
{
	const unsigned int flags = NVDIO_REQ_PRPS |
				   (pinned ? NVDIO_REQ_PINNED : 0) |
				   (write ? NVDIO_REQ_WRITE : 0);
	struct nvdio_request *req;

	req = nvdio_req_try_get(q, ns, iocb->ki_pos >> ns->lba_shift,
				write ? len >> ns->lba_shift : 0);
	if (unlikely(!req))
		return 0;
	req->dptr.prp1 = cpu_to_le64(first + q->dma_offset);
	req->dptr.prp2 = cpu_to_le64(second + q->dma_offset);
	return direct_submit(ns, q, req, iocb, 0, NULL, len,
			     pinned ? nvdio_direct_two_end : NULL, flags,
			     NVDIO_REQ_PRPS, write);
}

/*
 * Slow path: wait until the queue can accept the command, or, with @no_room,
 * until the memory can be mapped.
 */
static noinline ssize_t direct_wait(struct nvdio_ns *ns,
				    struct kiocb *iocb, phys_addr_t phys,
				    size_t len, unsigned int nr_pinned,
				    bool write, bool no_room)
{
	const enum dma_data_direction dir = write ? DMA_TO_DEVICE :
						    DMA_FROM_DEVICE;
	const u64 nlb = write ? len >> ns->lba_shift : 0;
	const bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	struct page *page = pfn_to_page(PHYS_PFN(phys));
	ssize_t ret = 0;

	for (;;) {
		struct nvdio_request *req;
		struct nvdio_queue *q;

		if (no_room)
			ret = nvdio_dma_wait_one(ns->ctrl, page,
						 offset_in_page(phys), len, dir,
						 nowait);
		if (ret)
			break;
		q = nvdio_ns_queue(ns, iocb->ki_flags & IOCB_HIPRI);
		req = nvdio_req_get(q, ns, iocb->ki_pos >> ns->lba_shift, nlb,
				    nowait);
		ret = PTR_ERR_OR_ZERO(req);
		if (ret)
			break;
		ret = direct_send(ns, q, req, iocb, phys, len, nr_pinned,
				  write);
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
 * The rest of direct_one(), with @req: what is in several pages, or not mapped.
 * Mapped memory holds its pages: pins are not needed any more then.
 */
static noinline ssize_t direct_api_run(struct nvdio_ns *ns,
				       struct nvdio_queue *q,
				       struct nvdio_request *req,
				       struct kiocb *iocb, phys_addr_t phys,
				       size_t len, unsigned int nr_pinned,
				       bool write)
{
	struct page *page = pfn_to_page(PHYS_PFN(phys));
	struct nvdio_mapped mapped;

	if (q->pfns && len <= ns->map_max &&
	    nvdio_map_find_run(q, page, offset_in_page(phys), len, !write,
			       &mapped)) {
		direct_send_mapped(ns, q, req, iocb, &mapped, len, 0, write);
		if (nr_pinned)
			nvdio_pages_unpin_run(ns, page, nr_pinned);
		return -EIOCBQUEUED;
	}
	if (direct_send(ns, q, req, iocb, phys, len, nr_pinned, write) ==
	    -EIOCBQUEUED)
		return -EIOCBQUEUED;
	return direct_wait(ns, iocb, phys, len, nr_pinned, write, true);
}

/*
 * Submit contiguous memory as one command. It starts at physical address @phys;
 * @nr_pinned pages of it, from @page on, are pinned, and are unpinned on error; if
 * none are, @page is not looked at. Where the DMA API is called, which costs more
 * than a look for mapped memory, it may be mapped.
 * Return: -EIOCBQUEUED, or -errno with nothing submitted.
 */
static __always_inline ssize_t
direct_one(struct nvdio_ns *ns, struct nvdio_queue *q, struct kiocb *iocb,
	   struct page *page, phys_addr_t phys, size_t len,
	   unsigned int nr_pinned, const bool write)
{
	struct nvdio_mapped mapped;
	struct nvdio_request *req;
	u32 tag;

	tag = nvdio_tag_try_get(q, ns, iocb->ki_pos >> ns->lba_shift,
				write ? len >> ns->lba_shift : 0);
	if (unlikely(tag == NVDIO_TAG_NONE))
		return direct_wait(ns, iocb, phys, len, nr_pinned, write,
				   false);
	req = &q->reqs[tag];
	if (likely(q->linear))
		return direct_send_at(ns, q, req, iocb, page,
				      phys + q->dma_offset, len, nr_pinned, 0,
				      write);
	if (!q->pfns || PAGE_SIZE != NVDIO_MPS ||
	    offset_in_page(phys) + len > PAGE_SIZE ||
	    unlikely(!nvdio_map_find_phys(q, phys, !write, &mapped)))
		return direct_api_run(ns, q, req, iocb, phys, len, nr_pinned,
				      write);
	/* What is in a page is no more than map_max. */
	direct_send_mapped(ns, q, req, iocb, &mapped, len, DIRECT_ONE_PAGE,
			   write);
	if (nr_pinned)
		nvdio_pages_unpin_run(ns, page, nr_pinned);
	return -EIOCBQUEUED;
}

/*
 * Submit memory that is not contiguous as one command, if it is mapped.
 * Return: -EIOCBQUEUED; or 0: it is not, or not dword aligned, or the queue has no
 * room.
 */
static __always_inline ssize_t
direct_bvec_mapped(struct nvdio_ns *ns, struct kiocb *iocb,
		   struct iov_iter *iter, size_t len, const bool write)
{
	struct nvdio_request *req;
	struct nvdio_mapped mapped;
	struct nvdio_queue *q;
	u32 tag;

	q = nvdio_ns_queue(ns, iocb->ki_flags & IOCB_HIPRI);
	if (!READ_ONCE(q->pfns) || len > ns->map_max ||
	    (iter->bvec->bv_offset + iter->iov_offset) & NVDIO_DMA_MASK)
		return 0;
	tag = nvdio_tag_try_get(q, ns, iocb->ki_pos >> ns->lba_shift,
				write ? len >> ns->lba_shift : 0);
	if (tag == NVDIO_TAG_NONE)
		return 0;
	req = &q->reqs[tag];
	if (q->pfns && nvdio_map_find_bvec(q, iter, len, !write, &mapped))
		return direct_send_mapped(ns, q, req, iocb, &mapped, len, 0,
					  write);
	nvdio_req_abandon(q, req);
	return 0;
}

/*
 * Submit two pieces of memory as one command, if two PRPs can describe them, and
 * bus addresses are computed.
 * Return: -EIOCBQUEUED; or 0: they cannot, or there is no request at once.
 */
static __always_inline ssize_t direct_bvec_two(struct nvdio_ns *ns,
					       struct kiocb *iocb,
					       struct iov_iter *iter,
					       size_t len, const bool write)
{
	const struct bio_vec *bv = iter->bvec;
	const size_t offset = bv->bv_offset + iter->iov_offset;
	/* Bytes in the first piece, which may be empty; 0 is no less than any. */
	const size_t part = bv->bv_len - iter->iov_offset;
	struct nvdio_queue *q;

	q = nvdio_ns_queue(ns, iocb->ki_flags & IOCB_HIPRI);
	if (!q->linear || len > min(ns->limits.max_bytes, 2 * NVDIO_MPS) ||
	    part >= len || part - 1 >= NVDIO_MPS ||
	    offset & NVDIO_DMA_MASK || (offset + part) & NVDIO_MPS_MASK ||
	    bv[1].bv_offset & NVDIO_MPS_MASK || len - part > NVDIO_MPS ||
	    bv[1].bv_len < len - part)
		return 0;
	return direct_send_two(ns, q, iocb, page_to_phys(bv->bv_page) + offset,
			       bvec_phys(&bv[1]), len, false, write);
}

/* Memory that is not contiguous: mapped, in two pages, or a case for xfer.c. */
static noinline ssize_t direct_read_pieces(struct nvdio_ns *ns,
					   struct kiocb *iocb,
					   struct iov_iter *iter, size_t len)
{
	return direct_bvec_mapped(ns, iocb, iter, len, false) ?:
	       direct_bvec_two(ns, iocb, iter, len, false) ?:
	       nvdio_xfer_rw(ns, iocb, iter, len, false);
}

static noinline ssize_t direct_write_pieces(struct nvdio_ns *ns,
					    struct kiocb *iocb,
					    struct iov_iter *iter, size_t len)
{
	return direct_bvec_mapped(ns, iocb, iter, len, true) ?:
	       direct_bvec_two(ns, iocb, iter, len, true) ?:
	       nvdio_xfer_rw(ns, iocb, iter, len, true);
}

/* Is the memory of a BVEC iterator not one range that a command can take? */
static __always_inline bool bvec_in_pieces(const struct nvdio_ns *ns,
					   const struct iov_iter *iter,
					   size_t len)
{
	const struct bio_vec *bv = iter->bvec;
	const size_t skip = iter->iov_offset;

	return unlikely(len > ns->single_max || bv->bv_len < skip + len ||
			(bv->bv_offset + skip) & NVDIO_DMA_MASK);
}

/*
 * Registered buffers stay pinned by their owner until completion. What is left to
 * other functions is found out first, while the arguments are in the registers in
 * which they take them.
 */
static __always_inline ssize_t direct_bvec(struct nvdio_ns *ns,
					   struct kiocb *iocb,
					   struct iov_iter *iter,
					   size_t len, const bool write)
{
	const struct bio_vec *bv = iter->bvec;
	struct nvdio_queue *q;

	q = nvdio_ns_queue(ns, iocb->ki_flags & IOCB_HIPRI);
	if (bvec_in_pieces(ns, iter, len))
		return write ? direct_write_pieces(ns, iocb, iter, len) :
			       direct_read_pieces(ns, iocb, iter, len);
	return direct_one(ns, q, iocb, NULL, bvec_phys(bv) + iter->iov_offset,
			  len, 0, write);
}

/**
 * nvdio_direct_read_bvec() - read without copying, BVEC iterators
 * @iocb: has ki_complete; ki_pos is a multiple of the LBA size
 * @iter: memory
 * @len: bytes, more than 0, a multiple of the LBA size, within the namespace,
 *	at most what @iter has
 * @ns: namespace
 *
 * Context: may sleep; under IOCB_NOWAIT only to fault in user pages.
 * Return: -EIOCBQUEUED, or -errno with nothing submitted. -EINVAL: memory is
 * not dword aligned. -EFAULT: memory cannot be pinned.
 */
ssize_t nvdio_direct_read_bvec(struct kiocb *iocb, struct iov_iter *iter,
			       size_t len, struct nvdio_ns *ns)
{
	return direct_bvec(ns, iocb, iter, len, false);
}

/**
 * nvdio_direct_write_bvec() - write without copying, BVEC iterators
 * @iocb: as for nvdio_direct_read_bvec()
 * @iter: memory
 * @len: as for nvdio_direct_read_bvec()
 * @ns: namespace
 *
 * Context: as nvdio_direct_read_bvec().
 * Return: as nvdio_direct_read_bvec().
 */
ssize_t nvdio_direct_write_bvec(struct kiocb *iocb, struct iov_iter *iter,
				size_t len, struct nvdio_ns *ns)
{
	return direct_bvec(ns, iocb, iter, len, true);
}

/*
 * Submit memory at address @addr as one command, if it is mapped: where there is
 * no request to be had at once, or nothing is known of the address.
 * Return: as direct_user_mapped().
 */
static noinline ssize_t direct_user_learn(struct nvdio_ns *ns,
					  struct nvdio_queue *q,
					  struct kiocb *iocb,
					  unsigned long addr, size_t len,
					  bool write)
{
	const u64 slba = iocb->ki_pos >> ns->lba_shift;
	const u64 nlb = write ? len >> ns->lba_shift : 0;
	struct nvdio_mapped mapped;
	bool learnt = false;

	for (;;) {
		enum nvdio_map_found found;
		struct nvdio_request *req;

		req = nvdio_req_get(q, ns, slba, nlb,
				    iocb->ki_flags & IOCB_NOWAIT);
		if (IS_ERR(req)) {
			if (PTR_ERR(req) == -EAGAIN)
				this_cpu_inc(ns->stats->nowait_eagain);
			return PTR_ERR(req);
		}
		found = nvdio_map_find_user(q, addr, len, !write, &mapped);
		if (found == NVDIO_MAP_HIT)
			return direct_send_mapped(ns, q, req, iocb, &mapped,
						  len, 0, write);
		nvdio_req_abandon(q, req);
		if (found == NVDIO_MAP_NONE || learnt ||
		    !nvdio_map_learn(q, addr))
			return 0;
		learnt = true;
	}
}

/*
 * Submit memory at address @addr as one command, if it is mapped.
 * Return: -EIOCBQUEUED; or 0: it is not mapped; or -errno.
 */
static __always_inline ssize_t
direct_user_mapped(struct nvdio_ns *ns, struct nvdio_queue *q,
		   struct kiocb *iocb, unsigned long addr, size_t len,
		   const bool write)
{
	enum nvdio_map_found found;
	struct nvdio_mapped mapped;
	struct nvdio_request *req;
	u32 tag;

	if (unlikely(len > ns->map_max))
		return 0;
	tag = nvdio_tag_try_get(q, ns, iocb->ki_pos >> ns->lba_shift,
				write ? len >> ns->lba_shift : 0);
	if (likely(tag != NVDIO_TAG_NONE)) {
		req = &q->reqs[tag];
		found = nvdio_map_find_user(q, addr, len, !write, &mapped);
		if (likely(found == NVDIO_MAP_HIT))
			return direct_send_mapped(ns, q, req, iocb, &mapped,
						  len, 0, write);
		nvdio_req_abandon(q, req);
		if (found == NVDIO_MAP_NONE)
			return 0;
	}
	return direct_user_learn(ns, q, iocb, addr, len, write);
}

/* Are the segments of @iter, up to @len bytes, one range of addresses? */
static noinline bool one_range(const struct iov_iter *iter, size_t len)
{
	const struct iovec *iov = iter_iov(iter);
	const void __user *end = iov->iov_base + iov->iov_len;
	size_t have = iov->iov_len - iter->iov_offset;

	while (have < len) {
		iov++;
		if (!iov->iov_len)
			continue;
		if (iov->iov_base != end)
			return false;
		end += iov->iov_len;
		have += iov->iov_len;
	}
	return true;
}

/*
 * Submit two pinned pages that are apart, as one command if bus addresses are
 * computed and there is a request at once. Otherwise they are unpinned, and xfer.c
 * pins them again.
 */
static noinline ssize_t direct_user_two(struct nvdio_ns *ns,
					struct kiocb *iocb,
					struct iov_iter *iter,
					struct page *first, struct page *second,
					unsigned long addr, size_t len,
					bool write)
{
	struct page *pages[2] = { first, second };
	struct nvdio_queue *q;
	phys_addr_t phys;

	q = nvdio_ns_queue(ns, iocb->ki_flags & IOCB_HIPRI);
	/* What is two pages for the CPU must be two for the controller. */
	if (q->linear && PAGE_SIZE == NVDIO_MPS) {
		phys = page_to_phys(first) + offset_in_page(addr);
		if (!write)
			nvdio_pages_dirty(pages, 2);
		if (likely(write ?
			   direct_send_two(ns, q, iocb, phys,
					   page_to_phys(second), len, true,
					   true) :
			   direct_send_two(ns, q, iocb, phys,
					   page_to_phys(second), len, true,
					   false)))
			return -EIOCBQUEUED;
	}
	nvdio_pages_unpin(ns, pages, 2);
	return nvdio_xfer_rw(ns, iocb, iter, len, write);
}

/* User memory at address @addr that is not mapped: in at most two pages? */
static __always_inline ssize_t
direct_user_pin(struct nvdio_ns *ns, struct nvdio_queue *q, struct kiocb *iocb,
		struct iov_iter *iter, unsigned long addr, size_t len,
		const bool write)
{
	struct page *pages[2] __uninitialized, *page;
	int nr;

	if (len > ns->single_max || offset_in_page(addr) + len > 2 * PAGE_SIZE)
		return nvdio_xfer_rw(ns, iocb, iter, len, write);
	nr = nvdio_pages_pin_two(ns, addr, len, !write, pages);
	if (unlikely(nr < 0))
		/* Memory of a device. */
		return nr == -EREMOTEIO ?
		       nvdio_xfer_rw(ns, iocb, iter, len, write) : nr;
	page = pages[0];
	if (nr > 1 && pages[1] != page + 1)
		return direct_user_two(ns, iocb, iter, page, pages[1], addr,
				       len, write);
	if (!write && unlikely(!nvdio_pages_run_is_dirty(page, nr)))
		nvdio_pages_dirty_run(page, nr);
	return direct_one(ns, q, iocb, page,
			  page_to_phys(page) + offset_in_page(addr), len, nr,
			  write);
}

static noinline ssize_t direct_read_pin(struct kiocb *iocb,
					struct iov_iter *iter, size_t len,
					struct nvdio_ns *ns, unsigned long addr,
					struct nvdio_queue *q)
{
	return direct_user_pin(ns, q, iocb, iter, addr, len, false);
}

static noinline ssize_t direct_write_pin(struct kiocb *iocb,
					 struct iov_iter *iter, size_t len,
					 struct nvdio_ns *ns,
					 unsigned long addr,
					 struct nvdio_queue *q)
{
	return direct_user_pin(ns, q, iocb, iter, addr, len, true);
}

/* User memory at address @addr, where some memory is mapped: perhaps this. */
static noinline ssize_t direct_read_mapped(struct kiocb *iocb,
					   struct iov_iter *iter, size_t len,
					   struct nvdio_ns *ns,
					   unsigned long addr,
					   struct nvdio_queue *q)
{
	return direct_user_mapped(ns, q, iocb, addr, len, false) ?:
	       direct_read_pin(iocb, iter, len, ns, addr, q);
}

static noinline ssize_t direct_write_mapped(struct kiocb *iocb,
					    struct iov_iter *iter, size_t len,
					    struct nvdio_ns *ns,
					    unsigned long addr,
					    struct nvdio_queue *q)
{
	return direct_user_mapped(ns, q, iocb, addr, len, true) ?:
	       direct_write_pin(iocb, iter, len, ns, addr, q);
}

/*
 * User memory at address @addr: one range in at most two pages, or mapped. The
 * arguments stay in the registers in which the functions that do it take them.
 */
static __always_inline ssize_t direct_range(struct kiocb *iocb,
					    struct iov_iter *iter, size_t len,
					    struct nvdio_ns *ns,
					    unsigned long addr,
					    const bool write)
{
	struct nvdio_queue *q;

	if (unlikely(addr & NVDIO_DMA_MASK))
		return -EINVAL;
	q = nvdio_ns_queue(ns, iocb->ki_flags & IOCB_HIPRI);
	if (unlikely(READ_ONCE(q->pfns)))
		return write ?
		       direct_write_mapped(iocb, iter, len, ns, addr, q) :
		       direct_read_mapped(iocb, iter, len, ns, addr, q);
	return write ? direct_write_pin(iocb, iter, len, ns, addr, q) :
		       direct_read_pin(iocb, iter, len, ns, addr, q);
}

/**
 * nvdio_direct_read_user() - read without copying, UBUF iterators
 * @iocb: as for nvdio_direct_read_bvec()
 * @iter: memory
 * @len: as for nvdio_direct_read_bvec()
 * @ns: namespace
 *
 * Context: as nvdio_direct_read_bvec().
 * Return: as nvdio_direct_read_bvec().
 */
ssize_t nvdio_direct_read_user(struct kiocb *iocb, struct iov_iter *iter,
			       size_t len, struct nvdio_ns *ns)
{
	return direct_range(iocb, iter, len, ns,
			    (unsigned long)iter->ubuf + iter->iov_offset,
			    false);
}

/**
 * nvdio_direct_write_user() - write without copying, UBUF iterators
 * @iocb: as for nvdio_direct_read_bvec()
 * @iter: memory
 * @len: as for nvdio_direct_read_bvec()
 * @ns: namespace
 *
 * Context: as nvdio_direct_read_bvec().
 * Return: as nvdio_direct_read_bvec().
 */
ssize_t nvdio_direct_write_user(struct kiocb *iocb, struct iov_iter *iter,
				size_t len, struct nvdio_ns *ns)
{
	return direct_range(iocb, iter, len, ns,
			    (unsigned long)iter->ubuf + iter->iov_offset,
			    true);
}

/**
 * nvdio_direct_segments() - read or write without copying, other iterators
 * @iocb: as for nvdio_direct_read_bvec()
 * @iter: memory, not described by one address; it may be one range yet
 * @len: as for nvdio_direct_read_bvec()
 * @ns: namespace
 * @write: direction
 *
 * Context: as nvdio_direct_read_bvec().
 * Return: as nvdio_direct_read_bvec().
 */
ssize_t nvdio_direct_segments(struct kiocb *iocb, struct iov_iter *iter,
			      size_t len, struct nvdio_ns *ns, bool write)
{
	unsigned long addr;

	if (!iter_is_iovec(iter) ||
	    (iter_iov(iter)->iov_len < iter->iov_offset + len &&
	     !one_range(iter, len)))
		return nvdio_xfer_rw(ns, iocb, iter, len, write);
	addr = (unsigned long)iter_iov(iter)->iov_base + iter->iov_offset;
	return write ? direct_range(iocb, iter, len, ns, addr, true) :
		       direct_range(iocb, iter, len, ns, addr, false);
}
