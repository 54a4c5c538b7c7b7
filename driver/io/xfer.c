// SPDX-License-Identifier: GPL-2.0
/*
 * Zero-copy reads and writes (transfers) of more than one contiguous range, or
 * of more than one command. Where bus addresses are computed, what fits into one
 * command needs no scatterlist (prps.c); what follows is about the rest.
 *
 * All pages are pinned before the first command is submitted, so that a buffer
 * with a hole is refused before any data move (invariant 11). All of it is
 * mapped by then as well, if there is enough mapping space. Otherwise it is
 * mapped in windows, one after the other. The commands of a window share one
 * mapping, which is undone when the last of them has ended. Ending a window and
 * mapping the next are separate work: ending never waits, so that others get
 * the space, while mapping may.
 */
#include <linux/mm.h>

#include "pure/cmd.h"
#include "pure/dptr.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/copy.h"
#include "io/dma.h"
#include "io/pages.h"
#include "io/prps.h"
#include "io/retry.h"
#include "io/sg.h"
#include "io/xfer.h"
#include "io/xfer_op.h"
#include "io/xfer_p2p.h"
#include "io/xfer_pool.h"

/*
 * Limits for what is released in an interrupt: pages, each of which may belong
 * to a folio of its own whatever the scatterlist looks like, and bytes to unmap
 * and to free descriptor memory for.
 */
#define NVDIO_IRQ_PAGES		256
#define NVDIO_IRQ_BYTES		(NVDIO_IRQ_PAGES * PAGE_SIZE)

/* Of a request of nvdio_xfer_end(): @dptr is an SGL. */
#define XFER_SGL	NVDIO_REQ_PRIVATE

static void xfer_work(struct work_struct *work);

/**
 * nvdio_xfer_release() - undo nvdio_xfer_prepare()
 * @xfer: transfer without commands in flight; freed
 *
 * Does not dirty pages, and does not call nvdio_ctrl_exit().
 *
 * Context: any if xfer_ends_at_once() holds, otherwise task.
 */
void nvdio_xfer_release(struct nvdio_xfer *xfer)
{
	nvdio_dma_unmap(xfer);
	if (xfer->pinned_once)
		nvdio_pages_unpin_sg(xfer->ns, &xfer->sg, xfer->nr_pages);
	else if (xfer->pinned)
		nvdio_pages_unpin(xfer->ns, xfer->pages, xfer->nr_pages);
	nvdio_xfer_put(xfer);
}

/* Release a transfer whose last command has ended, and fill in @done. */
static void xfer_finish(struct nvdio_xfer *xfer, struct nvdio_completion *done)
{
	struct nvdio_ns *ns = xfer->ns;

	done->iocb = xfer->iocb;
	done->res = xfer->len;
	if (unlikely(xfer->error)) {
		done->res = xfer->error;
		this_cpu_inc(ns->stats->errors);
		nvdio_stats_bytes(ns->stats, xfer->write, -(s64)xfer->len);
	}
	nvdio_xfer_release(xfer);
	nvdio_ctrl_exit(ns->ctrl);
}

/*
 * May the transfer be released in an interrupt, under cq_lock? Arrays from
 * vmalloc() must not be freed there.
 */
static bool xfer_ends_at_once(const struct nvdio_xfer *xfer)
{
	return !xfer->sleeps && xfer->nr_pages <= NVDIO_IRQ_PAGES &&
	       xfer->len <= NVDIO_IRQ_BYTES &&
	       (xfer->pool_queue || (!is_vmalloc_addr(xfer->sg.sgl) &&
				     !is_vmalloc_addr(xfer->pages))) &&
	       (!xfer->dirty ||
		(xfer->one ? nvdio_pages_are_dirty(xfer->pages, xfer->nr_pages) :
			     nvdio_pages_sg_is_dirty(&xfer->sg)));
}

/* Dirty the pages that are clean, if the controller writes to them. May sleep. */
static void xfer_dirty(const struct nvdio_xfer *xfer)
{
	if (!xfer->dirty)
		return;
	if (xfer->one)
		nvdio_pages_dirty(xfer->pages, xfer->nr_pages);
	else
		nvdio_pages_dirty_sg(&xfer->sg);
}

/**
 * nvdio_xfer_end() - nvdio_end_fn of a transfer's commands
 * @req: request
 * @status: as for nvdio_end_fn
 * @done: as for nvdio_end_fn
 *
 * Context: as nvdio_end_fn.
 * Return: as nvdio_end_fn.
 */
enum nvdio_end nvdio_xfer_end(struct nvdio_request *req, u16 status,
			      struct nvdio_completion *done)
{
	struct nvdio_xfer *xfer = req->owner;

	if (unlikely(status)) {
		if (nvdio_retry(req, status))
			return NVDIO_END_LATER;
		cmpxchg(&xfer->error, 0, nvdio_status_to_errno(status));
	}
	if (!atomic_dec_and_test(&xfer->pending))
		return NVDIO_END_NONE;
	if (!xfer_ends_at_once(xfer)) {
		xfer->step = NVDIO_XFER_ENDED;
		queue_work(xfer->ns->ctrl->finish_wq, &xfer->work);
		return NVDIO_END_NONE;
	}
	xfer_finish(xfer, done);
	return NVDIO_END_KIOCB;
}

static __always_inline void xfer_cmd(const struct nvdio_xfer *xfer,
				     struct nvme_command *cmd, u64 slba,
				     u32 bytes,
				     const union nvme_data_ptr *dptr, bool sgl)
{
	const struct nvdio_ns *ns = xfer->ns;

	nvdio_cmd_rw(cmd, xfer->write, ns->nsid, slba, 0,
		     nvdio_rw_cdw12(bytes >> ns->lba_shift,
				    xfer->fua ? NVME_RW_FUA : 0), 0);
	nvdio_cmd_dptr(cmd, dptr, sgl);
}

/**
 * nvdio_xfer_refill() - build the SQE of a transfer's command again
 * @req: request, as xfer_fill() has left it
 * @cmd: SQE
 *
 * Context: the queue's sq_lock is held.
 */
void nvdio_xfer_refill(const struct nvdio_request *req,
		       struct nvme_command *cmd)
{
	xfer_cmd(req->owner, cmd, req->slba, req->len, &req->dptr,
		 req->flags & XFER_SGL);
}

static void xfer_fill(struct nvdio_xfer *xfer, struct nvdio_request *req,
		      struct nvme_command *cmd, u64 slba, u32 bytes,
		      const union nvme_data_ptr *dptr, bool sgl)
{
	req->dptr = *dptr;
	nvdio_req_fill(req, xfer, nvdio_xfer_end, xfer->ns, slba, bytes,
		       (xfer->write ? NVDIO_REQ_WRITE : 0) |
		       (sgl ? XFER_SGL : 0));
	xfer_cmd(xfer, cmd, slba, bytes, dptr, sgl);
}

/*
 * Submit the rest of the window. The caller holds one count of @xfer->pending,
 * which the last command takes over.
 * Return: 0 if everything was submitted, and @xfer may be gone; otherwise
 * -EAGAIN (under @nowait), -ENODEV, -ENOMEM or -EINVAL, and the caller still
 * holds its count.
 */
static int xfer_send(struct nvdio_xfer *xfer, bool nowait)
{
	const gfp_t gfp = nowait ? GFP_NOWAIT | __GFP_NOWARN : GFP_KERNEL;
	struct nvdio_ns *ns = xfer->ns;
	bool last;

	do {
		struct nvdio_cursor start = xfer->cur;
		u64 slba = nvdio_ns_lba(ns, xfer->pos);
		union nvme_data_ptr dptr;
		struct nvdio_request *req;
		struct nvme_command *cmd;
		struct nvdio_queue *q;
		u32 bytes;
		bool sgl;
		int ret;

		ret = nvdio_dma_command(xfer, gfp, &bytes, &dptr, &sgl);
		if (unlikely(ret))
			return ret == -ENOMEM && nowait ? -EAGAIN : ret;

		q = xfer->poll_queue ?: nvdio_ns_queue(ns, false);
		req = nvdio_req_get(q, ns, slba, xfer->write ?
				    bytes >> ns->lba_shift : 0, nowait);
		if (IS_ERR(req)) {
			xfer->cur = start;
			return PTR_ERR(req);
		}
		last = bytes == xfer->left;
		if (!last)
			atomic_inc(&xfer->pending);
		xfer->pos += bytes;
		xfer->left -= bytes;
		cmd = nvdio_queue_sqe(q);
		xfer_fill(xfer, req, cmd, slba, bytes, &dptr, sgl);
		nvdio_queue_submit_sqe(q, req, cmd, q->sq_tail, xfer->write);
		nvdio_queue_unlock(q);
	} while (!last);
	return 0;
}

/* Submission failed after part of the transfer had been submitted. */
static void xfer_send_failed(struct nvdio_xfer *xfer, int error)
{
	struct nvdio_completion done;

	cmpxchg(&xfer->error, 0, error);
	if (!atomic_dec_and_test(&xfer->pending))
		return;
	xfer_dirty(xfer);
	xfer_finish(xfer, &done);
	nvdio_complete(&done);
}

static void xfer_work(struct work_struct *work)
{
	struct nvdio_xfer *xfer = container_of(work, struct nvdio_xfer, work);
	struct nvdio_completion done;
	int ret = 0;

	if (xfer->step == NVDIO_XFER_ENDED) {
		nvdio_dma_unmap(xfer);
		if (xfer->rest && !xfer->error) {
			xfer->step = NVDIO_XFER_NEXT;
			queue_work(xfer->ns->ctrl->map_wq, &xfer->work);
			return;
		}
		xfer_dirty(xfer);
		xfer_finish(xfer, &done);
		nvdio_complete(&done);
		return;
	}
	if (xfer->step == NVDIO_XFER_NEXT) {
		atomic_set(&xfer->pending, 1);
		ret = nvdio_dma_map_next(xfer, false, false);
	}
	if (!ret)
		ret = xfer_send(xfer, false);
	if (ret)
		xfer_send_failed(xfer, ret);
}

/* Pin or collect all pages, and build the scatterlist. */
static int xfer_extract(struct nvdio_xfer *xfer, struct iov_iter *iter)
{
	size_t left = xfer->len;

	if (iov_iter_is_bvec(iter)) {
		nvdio_sg_add_bvecs(&xfer->sg, iter, left);
		return 0;
	}
	xfer->pinned = user_backed_iter(iter);
	/* Two segments of an IOVEC may share a page, which is pinned twice. */
	xfer->pinned_once = iter_is_ubuf(iter);
	while (left) {
		struct page **pages = xfer->pages + xfer->nr_pages;
		size_t offset;
		ssize_t bytes;

		if (xfer->nr_pages == xfer->max_pages)
			return -EINVAL;
		bytes = nvdio_pages_extract(xfer->ns, iter, left, pages,
					    xfer->max_pages - xfer->nr_pages,
					    &offset);
		if (bytes < 0)
			return bytes;
		nvdio_sg_add_pages(&xfer->sg, pages, offset, bytes);
		xfer->nr_pages += DIV_ROUND_UP(offset + bytes, PAGE_SIZE);
		left -= bytes;
	}
	return 0;
}

/**
 * nvdio_xfer_aligned() - is all memory dword aligned?
 * @iter: UBUF, IOVEC, KVEC or BVEC
 * @len: bytes, at most what @iter has
 *
 * PRPs and SGLs require it.
 *
 * Context: any.
 * Return: true if all segments start and end on dwords.
 */
bool nvdio_xfer_aligned(const struct iov_iter *iter, size_t len)
{
	size_t skip = iter->iov_offset;
	unsigned long bits = 0, i;

	if (iter_is_ubuf(iter))
		return !(((unsigned long)iter->ubuf + skip) &
			 NVDIO_DMA_MASK);
	for (i = 0; len; i++) {
		size_t seg;

		if (iov_iter_is_bvec(iter)) {
			const struct bio_vec *bv = &iter->bvec[i];

			seg = min_t(size_t, len, bv->bv_len - skip);
			if (seg)
				bits |= (bv->bv_offset + skip) | seg;
		} else {
			/* A kvec has the layout of an iovec. */
			const struct iovec *iov = iter_iov(iter) + i;

			seg = min_t(size_t, len, iov->iov_len - skip);
			if (seg)
				bits |= ((unsigned long)iov->iov_base + skip) |
					seg;
		}
		len -= seg;
		skip = 0;
	}
	return !(bits & NVDIO_DMA_MASK);
}

/**
 * nvdio_xfer_prepare() - pin and map memory
 * @ns: namespace; on success nvdio_ctrl_enter() has been called
 * @iter: UBUF, IOVEC, KVEC or BVEC; advanced, on error possibly in part
 * @len: bytes, more than 0, at most what @iter has
 * @write: the controller will read the memory
 * @limits: limits of commands; must outlive the transfer
 * @whole: map all of it, however long that has to wait for mapping space
 * @gfp: how to allocate what is not preallocated
 *
 * User pages that the controller will write to are dirty on return.
 *
 * Context: may sleep; under GFP_NOWAIT only to fault in user pages.
 * Return: a transfer ready for nvdio_dma_command(), to be undone with
 * nvdio_xfer_release() and nvdio_ctrl_exit(); or ERR_PTR(): -E2BIG if commands
 * cannot describe the memory; -EAGAIN if there is no mapping space, only under
 * GFP_NOWAIT; or another -errno.
 */
struct nvdio_xfer *nvdio_xfer_prepare(struct nvdio_ns *ns,
				      struct iov_iter *iter, size_t len,
				      bool write,
				      const struct nvdio_dptr_limits *limits,
				      bool whole, gfp_t gfp)
{
	const bool bvec = iov_iter_is_bvec(iter);
	struct nvdio_xfer *xfer;
	unsigned int nr;
	int ret;

	nr = bvec ? nvdio_sg_bvecs(iter, len, ns->ctrl->max_map_bytes) :
		    iov_iter_npages(iter, INT_MAX);
	xfer = nvdio_xfer_get(ns, nr, !bvec, gfp);
	if (!xfer)
		return ERR_PTR(-ENOMEM);
	nvdio_xfer_set(xfer, ns, len, write, limits);
	xfer->dirty = !write && user_backed_iter(iter);

	/*
	 * User memory first: faulting it in may take forever, and must not keep
	 * the controller or mapping space from others.
	 */
	ret = xfer_extract(xfer, iter);
	if (ret)
		goto release;
	xfer_dirty(xfer);
	ret = -ENODEV;
	if (!nvdio_ctrl_enter(ns->ctrl))
		goto release;
	ret = nvdio_dma_map(xfer, whole, !gfpflags_allow_blocking(gfp));
	if (!ret)
		return xfer;
	nvdio_ctrl_exit(ns->ctrl);
release:
	nvdio_xfer_release(xfer);
	return ERR_PTR(ret);
}

/* Pin the pages of a range, and dirty them; @one is set if they may be in a list. */
static int xfer_pin_one(struct nvdio_xfer *xfer, unsigned long addr)
{
	const size_t offset = offset_in_page(addr);
	const u32 nr = DIV_ROUND_UP(offset + xfer->len, PAGE_SIZE);
	int ret;

	ret = nvdio_pages_pin(xfer->ns, addr, nr, !xfer->write, xfer->pages);
	if (unlikely(ret))
		return ret;
	xfer->nr_pages = nr;
	xfer->pinned = true;
	xfer->dirty = !xfer->write;
	/* A large folio is one step for a scatterlist, and many for a list. */
	xfer->one = !PageCompound(xfer->pages[0]);
	if (!xfer->one) {
		nvdio_sg_add_pages(&xfer->sg, xfer->pages, offset, xfer->len);
		xfer->pinned_once = true;
	}
	xfer_dirty(xfer);
	return 0;
}

/*
 * Build the data pointer of pinned pages, or map their scatterlist. The caller has
 * called nvdio_ctrl_enter(): lists are in memory that unbinding frees.
 */
static int xfer_map_one(struct nvdio_xfer *xfer, unsigned long addr)
{
	const size_t offset = offset_in_page(addr);

	if (xfer->one && nvdio_prps_pages(xfer, offset))
		return 0;
	if (xfer->one) {
		xfer->one = false;
		nvdio_sg_add_pages(&xfer->sg, xfer->pages, offset, xfer->len);
		xfer->pinned_once = true;
	}
	return nvdio_dma_map(xfer, false, true);
}

/*
 * Prepare a transfer of one command, without a scatterlist where possible: bvecs, or
 * a range of user memory, where bus addresses are computed.
 * Return: as nvdio_xfer_prepare(), or NULL, with nothing done: a case for that.
 */
static struct nvdio_xfer *xfer_prepare_one(struct nvdio_ns *ns,
					   const struct iov_iter *iter,
					   size_t len, bool write)
{
	const bool bvec = iov_iter_is_bvec(iter);
	struct nvdio_xfer *xfer;
	unsigned long addr = 0;
	int ret;

	if (!ns->ctrl->linear || len > ns->limits.max_bytes)
		return NULL;
	if (bvec) {
		if (len > NVDIO_PRPS_BYTES)
			return NULL;
	} else {
		if (!iter_is_ubuf(iter) || PAGE_SIZE != NVDIO_MPS)
			return NULL;
		addr = (unsigned long)iter->ubuf + iter->iov_offset;
		if (addr & NVDIO_DMA_MASK || offset_in_page(addr) + len >
					     NVDIO_XFER_PAGES * PAGE_SIZE)
			return NULL;
	}
	xfer = nvdio_xfer_get_pooled(ns);
	if (unlikely(!xfer))
		return NULL;
	nvdio_xfer_set(xfer, ns, len, write, &ns->limits);
	xfer->dirty = false;
	/* User memory first, as in nvdio_xfer_prepare(). */
	ret = bvec ? 0 : xfer_pin_one(xfer, addr);
	if (unlikely(ret))
		goto release;
	ret = -ENODEV;
	if (unlikely(!nvdio_ctrl_enter(ns->ctrl)))
		goto release;
	if (bvec) {
		xfer->one = nvdio_prps_bvecs(xfer, iter);
		if (likely(xfer->one))
			return xfer;
		nvdio_ctrl_exit(ns->ctrl);
		nvdio_xfer_put(xfer);
		return NULL;
	}
	ret = xfer_map_one(xfer, addr);
	if (likely(!ret))
		return xfer;
	nvdio_ctrl_exit(ns->ctrl);
release:
	nvdio_xfer_release(xfer);
	return ERR_PTR(ret);
}

/*
 * If preparing a transfer of an iterator that had @before bytes has @failed because
 * it is memory of a device, prepare it as that.
 */
static noinline struct nvdio_xfer *
xfer_prepare_other(struct nvdio_ns *ns, struct iov_iter *iter, size_t len,
		   bool write, size_t before, bool nowait,
		   struct nvdio_xfer *failed)
{
	if (PTR_ERR(failed) != -EREMOTEIO)
		return failed;
	iov_iter_revert(iter, before - iov_iter_count(iter));
	return nvdio_xfer_prepare_p2p(ns, iter, len, write, nowait);
}

/* Tie a transfer that is ready to be submitted to its kiocb. */
static void xfer_init(struct nvdio_xfer *xfer, struct kiocb *iocb)
{
	struct nvdio_ns *ns = xfer->ns;

	xfer->iocb = iocb;
	atomic_set(&xfer->pending, 1);
	xfer->fua = xfer->write && ns->fua && iocb_is_dsync(iocb);
	xfer->pos = iocb->ki_pos;
	INIT_WORK(&xfer->work, xfer_work);
	if (iocb->ki_flags & IOCB_HIPRI) {
		xfer->poll_queue = nvdio_ns_queue(ns, true);
		iocb->private = xfer->poll_queue;
	}
}

/**
 * nvdio_xfer_rw() - slow path of the functions of direct.h
 * @ns: namespace
 * @iocb: with ki_complete
 * @iter: memory
 * @len: bytes
 * @write: write, not read
 *
 * Memory that commands cannot describe goes to the copy path.
 *
 * Context: as nvdio_direct_read_bvec().
 * Return: -EIOCBQUEUED, or -errno with nothing submitted.
 */
ssize_t nvdio_xfer_rw(struct nvdio_ns *ns, struct kiocb *iocb,
		      struct iov_iter *iter, size_t len, bool write)
{
	const bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	const size_t before = iov_iter_count(iter);
	struct nvdio_xfer *xfer;
	int ret;

	xfer = xfer_prepare_one(ns, iter, len, write);
	if (xfer)
		goto prepared;
	if (!iov_iter_is_bvec(iter) && !iter_is_ubuf(iter) &&
	    !iter_is_iovec(iter) && !iov_iter_is_kvec(iter))
		return nvdio_copy_rw(ns, iocb, iter, len, write);
	if (!nvdio_xfer_aligned(iter, len))
		return -EINVAL;

	xfer = nvdio_xfer_prepare(ns, iter, len, write, &ns->limits, false,
				  nowait ? GFP_NOWAIT | __GFP_NOWARN :
					   GFP_KERNEL);
prepared:
	if (IS_ERR(xfer)) {
		xfer = xfer_prepare_other(ns, iter, len, write, before, nowait,
					  xfer);
		if (!IS_ERR(xfer))
			goto mapped;
		ret = PTR_ERR(xfer);
		if (ret == -E2BIG) {
			iov_iter_revert(iter, before - iov_iter_count(iter));
			return nvdio_copy_rw(ns, iocb, iter, len, write);
		}
		if (nowait && ret == -ENOMEM)
			ret = -EAGAIN;
		goto out;
	}
mapped:
	xfer_init(xfer, iocb);
	this_cpu_inc(ns->stats->direct);
	nvdio_stats_bytes(ns->stats, write, len);
	ret = xfer_send(xfer, nowait);
	if (likely(!ret))
		return -EIOCBQUEUED;

	if (xfer->left + xfer->rest < len) {
		/* Part of it is in flight: a worker submits the rest. */
		if (ret == -EAGAIN)
			queue_work(ns->ctrl->send_wq, &xfer->work);
		else
			xfer_send_failed(xfer, ret);
		return -EIOCBQUEUED;
	}
	this_cpu_sub(ns->stats->direct, 1);
	nvdio_stats_bytes(ns->stats, write, -(s64)len);
	nvdio_xfer_release(xfer);
	nvdio_ctrl_exit(ns->ctrl);
out:
	if (ret == -EAGAIN)
		this_cpu_inc(ns->stats->nowait_eagain);
	return ret;
}
