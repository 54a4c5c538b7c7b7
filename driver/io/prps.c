// SPDX-License-Identifier: GPL-2.0
/*
 * Data pointers of transfers of one command, where bus addresses are computed
 * (nvdio_dma_is_linear()): one pass over bvecs or pages writes the PRP list, and no
 * scatterlist is built. What PRPs cannot describe, or what is better described by
 * an SGL of several descriptors, is left to dptr.c.
 */
#include <linux/bvec.h>
#include <linux/io.h>
#include <linux/mm.h>

#include "pure/dptr.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "io/prps.h"
#include "io/xfer_op.h"

/*
 * Set the data pointer. The data start at bus address @first and are @segs contiguous
 * ranges; @nr PRPs after the first are in the list.
 * Return: false if an SGL is preferred, as nvdio_dptr_plan() would decide, but has
 * several descriptors.
 */
static bool prps_end(struct nvdio_xfer *xfer, u64 first, u32 nr, u32 segs)
{
	const struct nvdio_dptr_limits *limits = xfer->limits;
	const __le64 *list = xfer->inline_desc.virt;

	xfer->sgl = limits->max_descs && nr > 1 &&
		    xfer->len / segs >= limits->sgl_threshold;
	if (unlikely(xfer->sgl)) {
		xfer->dptr.sgl = (struct nvme_sgl_desc) {
			.addr = cpu_to_le64(first),
			.length = cpu_to_le32(xfer->len),
			.type = NVME_SGL_FMT_DATA_DESC << 4,
		};
		return segs == 1;
	}
	xfer->dptr.prp1 = cpu_to_le64(first);
	xfer->dptr.prp2 = nr > 1 ? cpu_to_le64(xfer->inline_desc.dma) :
			  nr ? *list : 0;
	return true;
}

/* What registered buffers of small pages look like, except at their ends. */
static __always_inline bool whole_page(const struct bio_vec *bv)
{
	return bv->bv_len == NVDIO_MPS && !bv->bv_offset;
}

/**
 * nvdio_prps_bvecs() - build the data pointer for bvecs
 * @xfer: transfer with descriptor memory; @len, @limits and @ns are set
 * @iter: BVEC, not advanced; has @xfer->len bytes
 *
 * Context: any.
 * Return: true if @dptr and @sgl of @xfer are set; false if the memory is not dword
 * aligned, or has gaps, or too many pages.
 */
bool nvdio_prps_bvecs(struct nvdio_xfer *xfer, const struct iov_iter *iter)
{
	const u64 bus = xfer->ns->ctrl->dma_offset;
	const struct bio_vec *bv = iter->bvec;
	__le64 *const list = xfer->inline_desc.virt;
	__le64 *const limit = list + xfer->inline_desc.bytes / sizeof(*list);
	__le64 *entry = list;
	size_t left = xfer->len;
	size_t part = min(left, bv->bv_len - iter->iov_offset);
	u64 addr = bvec_phys(bv) + iter->iov_offset + bus, end;
	const u64 first = addr;
	u32 segs = 1;

	if (first & NVDIO_DMA_MASK || !part)
		return false;
	for (;;) {
		end = addr + part;
		left -= part;
		/* The first page of @addr is there already. */
		addr = (addr & ~(u64)NVDIO_MPS_MASK) + NVDIO_MPS;
		for (; addr < end; addr += NVDIO_MPS) {
			if (entry == limit)
				return false;
			*entry++ = cpu_to_le64(addr);
		}
		for (bv++; left >= NVDIO_MPS && whole_page(bv) &&
		     entry < limit && PAGE_ALIGNED(end); bv++) {
			addr = page_to_phys(bv->bv_page) + bus;
			segs += addr != end;
			end = addr + NVDIO_MPS;
			*entry++ = cpu_to_le64(addr);
			left -= NVDIO_MPS;
		}
		if (!left)
			break;
		addr = bvec_phys(bv) + bus;
		part = min_t(size_t, left, bv->bv_len);
		if (!part || (addr | end) & NVDIO_MPS_MASK || entry == limit)
			return false;
		segs += addr != end;
		*entry++ = cpu_to_le64(addr);
	}
	return prps_end(xfer, first, entry - list, segs);
}

/**
 * nvdio_prps_pages() - build the data pointer for pages
 * @xfer: preallocated transfer; @pages, @nr_pages, @len, @limits and @ns are set
 * @offset: offset of the data in the first page, a multiple of 4
 *
 * Only where PAGE_SIZE is NVDIO_MPS.
 *
 * Context: any.
 * Return: true if @dptr and @sgl of @xfer are set; false if an SGL of several
 * descriptors is to be preferred.
 */
bool nvdio_prps_pages(struct nvdio_xfer *xfer, size_t offset)
{
	const u64 bus = xfer->ns->ctrl->dma_offset;
	struct page **const pages = xfer->pages;
	__le64 *list = xfer->inline_desc.virt;
	const u32 nr = xfer->nr_pages;
	u64 first = page_to_phys(pages[0]) + bus, last = first;
	u32 segs = 1, i;

	static_assert(NVDIO_XFER_PAGES <=
		      NVDIO_XFER_LIST_BYTES / sizeof(__le64) + 1);
	for (i = 1; i < nr; i++) {
		const u64 addr = page_to_phys(pages[i]) + bus;

		segs += addr != last + PAGE_SIZE;
		*list++ = cpu_to_le64(addr);
		last = addr;
	}
	return prps_end(xfer, first + offset, nr - 1, segs);
}
