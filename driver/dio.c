// SPDX-License-Identifier: GPL-2.0
/*
 * Zero-copy reads and writes of more than one contiguous range, or of more
 * than one command.
 *
 * All pages are pinned before the first command is sent, so that a buffer with
 * a hole is refused before anything has moved (invariant 11). They are mapped
 * by then, too, if there is room for all of them. If not, they are mapped in
 * windows, one after the other. The commands of a window share one mapping,
 * which ends with the last of them. A window's end, and mapping the next, is
 * work: the first never waits, so that others get its room, the second may.
 */
#include <linux/mm.h>

#include "copy.h"
#include "ctrl.h"
#include "dio.h"
#include "dma.h"
#include "pages.h"
#include "pool.h"

/*
 * An interrupt lets go of so many pages at most, for each may be a folio of its
 * own, whether its neighbours in the scatterlist are contiguous or not; and
 * unmaps, and frees the list memory of, as many pages' bytes at most.
 */
#define NVDIO_IRQ_PAGES		256
#define NVDIO_IRQ_BYTES		(NVDIO_IRQ_PAGES * PAGE_SIZE)

static void dio_work(struct work_struct *work);

/**
 * nvdio_dio_release() - undo nvdio_dio_prepare()
 * @dio: whose commands are all over; gone on return
 *
 * Pages are not dirtied here.
 *
 * Context: any.
 */
void nvdio_dio_release(struct nvdio_dio *dio)
{
	nvdio_dma_unmap(dio);
	if (dio->once)
		nvdio_pages_unpin_sg(dio->ns, &dio->sg, dio->nr_pages);
	else if (dio->pinned)
		nvdio_pages_unpin(dio->ns, dio->pages, dio->nr_pages);
	nvdio_dio_put(dio);
}

/* The last command is over: release all and say what to complete. */
static void dio_finish(struct nvdio_dio *dio, struct nvdio_done *done)
{
	struct nvdio_ns *ns = dio->ns;

	done->iocb = dio->iocb;
	done->res = dio->len;
	if (unlikely(dio->error)) {
		done->res = dio->error;
		this_cpu_inc(ns->stats->errors);
		nvdio_stats_bytes(ns->stats, dio->write, -(s64)dio->len);
	}
	nvdio_dio_release(dio);
	nvdio_ctrl_exit(ns->ctrl);
}

/*
 * May an interrupt release all, under the lock that dio_end() is called with?
 * Arrays from vmalloc() may not be freed there.
 */
static bool dio_ends_at_once(const struct nvdio_dio *dio)
{
	return !dio->sleeps && dio->nr_pages <= NVDIO_IRQ_PAGES &&
	       dio->len <= NVDIO_IRQ_BYTES &&
	       !is_vmalloc_addr(dio->sg.sgl) && !is_vmalloc_addr(dio->pages) &&
	       (!dio->dirty || nvdio_pages_sg_is_dirty(&dio->sg));
}

static bool dio_end(struct nvdio_request *req, u16 status,
		    struct nvdio_done *done)
{
	struct nvdio_dio *dio = req->owner;

	if (unlikely(status))
		cmpxchg(&dio->error, 0, nvdio_status_to_errno(status));
	if (!atomic_dec_and_test(&dio->pending))
		return false;
	if (!dio_ends_at_once(dio)) {
		dio->step = NVDIO_DIO_ENDED;
		queue_work(dio->ns->ctrl->finish_wq, &dio->work);
		return false;
	}
	dio_finish(dio, done);
	return true;
}

static void dio_fill(struct nvdio_dio *dio, struct nvdio_request *req,
		     struct nvme_command *cmd, u64 slba, u32 bytes,
		     const union nvme_data_ptr *dptr, bool sgl)
{
	struct nvdio_ns *ns = dio->ns;

	req->owner = dio;
	req->end = dio_end;
	req->len = bytes;
	req->flags = dio->write ? NVDIO_REQ_WRITE : 0;
	req->ns = ns;
	req->slba = slba;

	memset(cmd, 0, sizeof(*cmd));
	cmd->rw.opcode = dio->write ? nvme_cmd_write : nvme_cmd_read;
	cmd->rw.flags = sgl ? NVME_CMD_SGL_METABUF : 0;
	cmd->rw.nsid = cpu_to_le32(ns->nsid);
	cmd->rw.dptr = *dptr;
	cmd->rw.slba = cpu_to_le64(slba);
	cmd->rw.length = cpu_to_le16((bytes >> ns->lba_shift) - 1);
	cmd->rw.control = dio->fua ? cpu_to_le16(NVME_RW_FUA) : 0;
}

/*
 * Send what is left of the window. The caller holds one of @dio->pending,
 * which the last command takes over.
 * Return: 0 if all was sent, and @dio may be gone; else -EAGAIN (under
 * @nowait), -ENODEV, -ENOMEM or -EINVAL, and the caller still holds its part.
 */
static int dio_send(struct nvdio_dio *dio, bool nowait)
{
	const gfp_t gfp = nowait ? GFP_NOWAIT | __GFP_NOWARN : GFP_KERNEL;
	struct nvdio_ns *ns = dio->ns;
	bool last;

	do {
		struct nvdio_cursor start = dio->cur;
		u64 slba = nvdio_ns_lba(ns, dio->pos);
		union nvme_data_ptr dptr;
		struct nvdio_request *req;
		struct nvdio_queue *q;
		u32 bytes;
		bool sgl;
		int ret;

		ret = nvdio_dma_command(dio, gfp, &bytes, &dptr, &sgl);
		if (unlikely(ret))
			return ret == -ENOMEM && nowait ? -EAGAIN : ret;

		q = dio->poll_queue ?: nvdio_ns_queue(ns, false);
		req = nvdio_req_get(q, ns, slba, dio->write ?
				    bytes >> ns->lba_shift : 0, nowait);
		if (IS_ERR(req)) {
			dio->cur = start;
			return PTR_ERR(req);
		}
		last = bytes == dio->left;
		if (!last)
			atomic_inc(&dio->pending);
		dio->pos += bytes;
		dio->left -= bytes;
		dio_fill(dio, req, nvdio_queue_slot(q), slba, bytes, &dptr,
			 sgl);
		nvdio_queue_send(q, req);
		nvdio_queue_unlock(q);
	} while (!last);
	return 0;
}

/* Sending came to an end too early, but something had been sent. */
static void dio_send_failed(struct nvdio_dio *dio, int error)
{
	struct nvdio_done done;

	cmpxchg(&dio->error, 0, error);
	if (!atomic_dec_and_test(&dio->pending))
		return;
	if (dio->dirty)
		nvdio_pages_dirty_sg(&dio->sg);
	dio_finish(dio, &done);
	nvdio_complete(&done);
}

static void dio_work(struct work_struct *work)
{
	struct nvdio_dio *dio = container_of(work, struct nvdio_dio, work);
	struct nvdio_done done;
	int ret = 0;

	if (dio->step == NVDIO_DIO_ENDED) {
		nvdio_dma_unmap(dio);
		if (dio->rest && !dio->error) {
			dio->step = NVDIO_DIO_NEXT;
			queue_work(dio->ns->ctrl->map_wq, &dio->work);
			return;
		}
		if (dio->dirty)
			nvdio_pages_dirty_sg(&dio->sg);
		dio_finish(dio, &done);
		nvdio_complete(&done);
		return;
	}
	if (dio->step == NVDIO_DIO_NEXT) {
		atomic_set(&dio->pending, 1);
		ret = nvdio_dma_map_next(dio, false, false);
	}
	if (!ret)
		ret = dio_send(dio, false);
	if (ret)
		dio_send_failed(dio, ret);
}

/* Pin, or list, all pages and build the scatterlist. */
static int dio_extract(struct nvdio_dio *dio, struct iov_iter *iter)
{
	size_t left = dio->len;

	if (iov_iter_is_bvec(iter)) {
		nvdio_sg_add_bvecs(&dio->sg, iter, left);
		return 0;
	}
	dio->pinned = user_backed_iter(iter);
	/* Of an IOVEC, two segments may share a page, which is pinned twice. */
	dio->once = iter_is_ubuf(iter);
	while (left) {
		struct page **pages = dio->pages + dio->nr_pages;
		size_t offset;
		ssize_t bytes;

		if (dio->nr_pages == dio->max_pages)
			return -EINVAL;
		bytes = nvdio_pages_extract(dio->ns, iter, left, pages,
					    dio->max_pages - dio->nr_pages,
					    &offset);
		if (bytes < 0)
			return bytes;
		nvdio_sg_add_pages(&dio->sg, pages, offset, bytes);
		dio->nr_pages += DIV_ROUND_UP(offset + bytes, PAGE_SIZE);
		left -= bytes;
	}
	return 0;
}

/**
 * nvdio_dio_aligned() - does all memory begin and end on a dword?
 * @iter: UBUF, IOVEC, KVEC or BVEC
 * @len: bytes, at most what @iter has
 *
 * PRPs and SGLs demand it.
 */
bool nvdio_dio_aligned(const struct iov_iter *iter, size_t len)
{
	size_t skip = iter->iov_offset;
	unsigned long bits = 0, i;

	if (iter_is_ubuf(iter))
		return !(((unsigned long)iter->ubuf + skip) & 3);
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
	return !(bits & 3);
}

/**
 * nvdio_dio_prepare() - pin and map memory
 * @ns: namespace; on success nvdio_ctrl_enter() was called
 * @iter: UBUF, IOVEC, KVEC or BVEC; advanced, also in part on error
 * @len: bytes, more than 0, at most what @iter has
 * @write: the controller will read the memory
 * @limits: what commands may look like; lives as long as the dio
 * @whole: map all of it, however long there is no room for that
 * @gfp: how to allocate what is not preallocated
 *
 * User pages that the controller will write to are dirty on return.
 *
 * Context: may sleep, under GFP_NOWAIT only to bring in user pages.
 * Return: a dio ready for nvdio_dma_command(), to be undone with
 * nvdio_dio_release(); or ERR_PTR(): -E2BIG if commands cannot describe the
 * memory; -EAGAIN, for want of room to map it, only under GFP_NOWAIT.
 */
struct nvdio_dio *nvdio_dio_prepare(struct nvdio_ns *ns, struct iov_iter *iter,
				    size_t len, bool write,
				    const struct nvdio_dptr_limits *limits,
				    bool whole, gfp_t gfp)
{
	const bool bvec = iov_iter_is_bvec(iter);
	struct nvdio_dio *dio;
	unsigned int nr;
	int ret;

	nr = bvec ? nvdio_sg_bvecs(iter, len, ns->ctrl->max_map) :
		    iov_iter_npages(iter, INT_MAX);
	dio = nvdio_dio_get(ns, nr, !bvec, gfp);
	if (!dio)
		return ERR_PTR(-ENOMEM);
	dio->ns = ns;
	dio->limits = limits;
	dio->error = 0;
	dio->write = write;
	dio->pinned = false;
	dio->once = false;
	dio->dirty = !write && user_backed_iter(iter);
	dio->need_unmap = false;
	dio->sleeps = false;
	dio->inline_list_used = false;
	dio->step = NVDIO_DIO_SEND;
	dio->nr_pages = 0;
	dio->sg.nents = 0;
	dio->sg.gaps = false;
	dio->sg.max_len = ns->ctrl->max_map;
	dio->left = len;
	dio->rest = 0;
	dio->len = len;
	dio->lists = NULL;
	dio->poll_queue = NULL;

	/*
	 * User memory first, which may not come for ever: neither the
	 * controller nor room to map it is kept from others meanwhile.
	 */
	ret = dio_extract(dio, iter);
	if (ret)
		goto release;
	if (dio->dirty)
		nvdio_pages_dirty_sg(&dio->sg);
	ret = -ENODEV;
	if (!nvdio_ctrl_enter(ns->ctrl))
		goto release;
	ret = nvdio_dma_map(dio, whole, !gfpflags_allow_blocking(gfp));
	if (!ret)
		return dio;
	nvdio_ctrl_exit(ns->ctrl);
release:
	nvdio_dio_release(dio);
	return ERR_PTR(ret);
}

/**
 * nvdio_dio_rw() - read or write without a copy, whatever the memory
 * @ns: namespace
 * @iocb: with ki_complete set
 * @iter: memory
 * @len: bytes
 * @write: write, not read
 *
 * Context and arguments as nvdio_direct_rw().
 * Return: -EIOCBQUEUED, or -errno and nothing was sent.
 */
ssize_t nvdio_dio_rw(struct nvdio_ns *ns, struct kiocb *iocb,
		     struct iov_iter *iter, size_t len, bool write)
{
	const bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	struct nvdio_dio *dio;
	size_t before;
	int ret;

	if (!iov_iter_is_bvec(iter) && !iter_is_ubuf(iter) &&
	    !iter_is_iovec(iter) && !iov_iter_is_kvec(iter))
		return nvdio_copy_rw(ns, iocb, iter, len, write);
	if (!nvdio_dio_aligned(iter, len))
		return -EINVAL;

	before = iov_iter_count(iter);
	dio = nvdio_dio_prepare(ns, iter, len, write, &ns->limits, false,
				nowait ? GFP_NOWAIT | __GFP_NOWARN :
					 GFP_KERNEL);
	if (IS_ERR(dio)) {
		ret = PTR_ERR(dio);
		if (ret == -E2BIG) {
			iov_iter_revert(iter, before - iov_iter_count(iter));
			return nvdio_copy_rw(ns, iocb, iter, len, write);
		}
		if (nowait && ret == -ENOMEM)
			ret = -EAGAIN;
		goto out;
	}
	dio->iocb = iocb;
	atomic_set(&dio->pending, 1);
	dio->fua = write && ns->fua && iocb_is_dsync(iocb);
	dio->pos = iocb->ki_pos;
	INIT_WORK(&dio->work, dio_work);
	if (iocb->ki_flags & IOCB_HIPRI) {
		dio->poll_queue = nvdio_ns_queue(ns, true);
		iocb->private = dio->poll_queue;
	}

	this_cpu_inc(ns->stats->direct);
	nvdio_stats_bytes(ns->stats, write, len);
	ret = dio_send(dio, nowait);
	if (likely(!ret))
		return -EIOCBQUEUED;

	if (dio->left + dio->rest < len) {
		/* Too late to take it back. */
		if (ret == -EAGAIN)
			queue_work(ns->ctrl->send_wq, &dio->work);
		else
			dio_send_failed(dio, ret);
		return -EIOCBQUEUED;
	}
	this_cpu_sub(ns->stats->direct, 1);
	nvdio_stats_bytes(ns->stats, write, -(s64)len);
	nvdio_dio_release(dio);
	nvdio_ctrl_exit(ns->ctrl);
out:
	if (ret == -EAGAIN)
		this_cpu_inc(ns->stats->nowait_eagain);
	return ret;
}
