// SPDX-License-Identifier: GPL-2.0
/*
 * The zero-copy path, for what most programs send most of the time: one range
 * of memory that is contiguous for the controller and fits into one command.
 * Everything else goes on in dio.c. Here each instruction counts; nothing is
 * allocated, and one hold of one lock sends the command (invariant 4).
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>

#include "compat.h"
#include "copy.h"
#include "ctrl.h"
#include "dio.h"
#include "direct.h"
#include "pages.h"
#include "rmw.h"

/**
 * struct nvdio_span - contiguous memory
 * @page: page that it begins in, or an earlier page of the same folio
 * @offset: bytes from the beginning of @page
 * @nr_pinned: pages that are pinned, from @page on; 0: not ours to unpin
 */
struct nvdio_span {
	struct page *page;
	u32 offset;
	u32 nr_pinned;
};

/* NVMe Base 2.0, 4.1.1: PRP1 may have an offset of whole dwords. */
#define NVDIO_DMA_MASK	3

/*
 * Find the one span behind the first @len bytes of @iter.
 * Return: 1; 0 if there is more than one; or -errno.
 */
static int nvdio_direct_span(struct nvdio_ns *ns, const struct iov_iter *iter,
			     size_t len, bool dest, struct nvdio_span *span)
{
	unsigned long addr;
	int ret;

	if (iov_iter_is_bvec(iter)) {
		/* Registered buffers: pinned by their owner until we are done. */
		const struct bio_vec *bv = iter->bvec;

		span->page = bv->bv_page;
		span->offset = bv->bv_offset + iter->iov_offset;
		span->nr_pinned = 0;
		if (unlikely(span->offset & NVDIO_DMA_MASK))
			return -EINVAL;
		return bv->bv_len >= iter->iov_offset + len;
	}

	if (likely(iter_is_ubuf(iter))) {
		addr = (unsigned long)iter->ubuf + iter->iov_offset;
	} else if (iter_is_iovec(iter) &&
		   iter_iov(iter)->iov_len >= iter->iov_offset + len) {
		addr = (unsigned long)iter_iov(iter)->iov_base +
		       iter->iov_offset;
	} else {
		return 0;
	}
	if (unlikely(addr & NVDIO_DMA_MASK))
		return -EINVAL;
	if (offset_in_page(addr) + len > 2 * PAGE_SIZE)
		return 0;
	ret = nvdio_pages_pin_run(ns, addr, len, dest, &span->page);
	if (ret <= 0)
		return ret;
	span->offset = offset_in_page(addr);
	span->nr_pinned = ret;
	return 1;
}

/*
 * Wait for what stood in the way of a command.
 * Return: 0 to try again, or -errno.
 */
static noinline int nvdio_direct_wait(struct nvdio_ns *ns,
				      struct nvdio_queue *q, int why,
				      const struct kiocb *iocb, u64 slba,
				      u32 nlb)
{
	if (why == -ENODEV)
		return why;
	if (iocb->ki_flags & IOCB_NOWAIT) {
		nvdio_stat_inc(ns, nowait_eagain);
		return -EAGAIN;
	}
	if (why == -EBUSY)
		return nvdio_queue_wait(q);
	nvdio_rmw_wait(ns, slba, nlb);
	return 0;
}

/*
 * Send one span as one command.
 * Return: -EIOCBQUEUED, or an error; nothing was sent then.
 */
static int nvdio_direct_one(struct nvdio_ns *ns, struct kiocb *iocb,
			    const struct nvdio_span *span, u32 len, bool write)
{
	const enum dma_data_direction dir = write ? DMA_TO_DEVICE :
						    DMA_FROM_DEVICE;
	const bool polled = iocb->ki_flags & IOCB_HIPRI;
	const u64 slba = nvdio_ns_lba(ns, iocb->ki_pos);
	const u32 nlb = len >> ns->lba_shift;
	struct nvdio_request *req;
	struct nvme_command *cmd;
	struct nvdio_queue *q;
	dma_addr_t dma;
	u8 flags;
	int ret;

again:
	q = nvdio_ns_queue(ns, polled);
	spin_lock(&q->sq_lock);
	if (unlikely(q->state != NVDIO_QUEUE_LIVE || ns->dead)) {
		ret = q->state == NVDIO_QUEUE_FROZEN ? -EBUSY : -ENODEV;
		goto wait;
	}
	if (write && nvdio_rmw_blocks(ns, slba, nlb)) {
		ret = -EINPROGRESS;
		goto wait;
	}
	req = nvdio_queue_request(q);
	if (unlikely(!req)) {
		ret = -EBUSY;
		goto wait;
	}
	dma = dma_map_page(q->dev, span->page, span->offset, len, dir);
	if (unlikely(dma_mapping_error(q->dev, dma))) {
		nvdio_queue_release(q, req);
		spin_unlock(&q->sq_lock);
		return -ENOMEM;
	}

	flags = write ? NVDIO_REQ_WRITE : 0;
	if (nvdio_dma_need_unmap(q->dev))
		flags |= NVDIO_REQ_UNMAP;
	if (span->nr_pinned) {
		flags |= NVDIO_REQ_PINNED;
		req->page = span->page;
		req->nr_pages = span->nr_pinned;
	}
	req->iocb = iocb;
	req->end = NULL;
	req->dma = dma;
	req->len = len;
	req->flags = flags;
	req->ns = ns;
	req->slba = slba;

	cmd = nvdio_queue_slot(q);
	cmd->rw.opcode = write ? nvme_cmd_write : nvme_cmd_read;
	cmd->rw.nsid = cpu_to_le32(ns->nsid);
	cmd->rw.cdw2 = 0;
	cmd->rw.cdw3 = 0;
	cmd->rw.metadata = 0;
	cmd->rw.dptr.prp1 = cpu_to_le64(dma);
	if ((dma & NVDIO_MPS_MASK) + len <= 2 * NVDIO_MPS) {
		cmd->rw.flags = 0;
		cmd->rw.dptr.prp2 =
			(dma & NVDIO_MPS_MASK) + len <= NVDIO_MPS ? 0 :
			cpu_to_le64((dma | NVDIO_MPS_MASK) + 1);
	} else {
		cmd->rw.flags = NVME_CMD_SGL_METABUF;
		/* Data block descriptor (type 0) and length. */
		cmd->rw.dptr.prp2 = cpu_to_le64(len);
	}
	cmd->rw.slba = cpu_to_le64(slba);
	cmd->rw.length = cpu_to_le16(nlb - 1);
	cmd->rw.control = write && ns->fua && iocb_is_dsync(iocb) ?
			  cpu_to_le16(NVME_RW_FUA) : 0;
	cmd->rw.dsmgmt = 0;
	cmd->rw.reftag = 0;
	cmd->rw.lbat = 0;
	cmd->rw.lbatm = 0;

	nvdio_stat_inc(ns, direct);
	nvdio_stat_inc(ns, segments_mapped);
	if (write)
		nvdio_stat_add(ns, write_bytes, len);
	else
		nvdio_stat_add(ns, read_bytes, len);

	/* For ->iopoll: the queue outlives the request, the request does not. */
	if (polled)
		iocb->private = q;
	nvdio_queue_send(q, req);
	spin_unlock(&q->sq_lock);
	return -EIOCBQUEUED;

wait:
	spin_unlock(&q->sq_lock);
	ret = nvdio_direct_wait(ns, q, ret, iocb, slba, nlb);
	if (!ret)
		goto again;
	return ret;
}

static ssize_t nvdio_direct_async(struct nvdio_ns *ns, struct kiocb *iocb,
				  struct iov_iter *iter, size_t len, bool write)
{
	struct nvdio_span span;
	int ret;

	if (likely(len <= ns->one_max)) {
		ret = nvdio_direct_span(ns, iter, len, !write, &span);
		if (unlikely(ret < 0))
			return ret;
		if (likely(ret)) {
			if (!write && span.nr_pinned &&
			    !nvdio_pages_run_is_dirty(span.page,
						      span.nr_pinned))
				nvdio_pages_dirty_run(span.page,
						      span.nr_pinned);
			ret = nvdio_direct_one(ns, iocb, &span, len, write);
			if (unlikely(ret != -EIOCBQUEUED) && span.nr_pinned)
				nvdio_pages_unpin_run(ns, span.page,
						      span.nr_pinned);
			return ret;
		}
	}
	return nvdio_dio_rw(ns, iocb, iter, len, write);
}

/**
 * nvdio_direct_rw() - read or write without a copy
 * @ns: namespace
 * @iocb: ki_pos is a multiple of the LBA size
 * @iter: memory
 * @len: bytes, more than 0, a multiple of the LBA size, inside of the
 *	namespace, at most what @iter has
 * @write: write, not read
 *
 * Context: may sleep, but under IOCB_NOWAIT only to bring in user pages.
 * Return: @len or -errno if @iocb is synchronous; -EIOCBQUEUED, or -errno and
 * nothing was sent, otherwise. -EINVAL: memory that is not dword aligned.
 * -EFAULT: memory that cannot be pinned.
 */
ssize_t nvdio_direct_rw(struct nvdio_ns *ns, struct kiocb *iocb,
			struct iov_iter *iter, size_t len, bool write)
{
	struct nvdio_sync sync;
	ssize_t ret;

	if (likely(!is_sync_kiocb(iocb)))
		return nvdio_direct_async(ns, iocb, iter, len, write);

	nvdio_sync_init(&sync, iocb);
	ret = nvdio_direct_async(ns, &sync.iocb, iter, len, write);
	if (ret == -EIOCBQUEUED)
		ret = nvdio_sync_wait(&sync);
	if (ret > 0)
		iocb->ki_pos += ret;
	return ret;
}
