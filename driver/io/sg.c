// SPDX-License-Identifier: GPL-2.0
/* Building scatterlists in which contiguous memory is one entry. */
#include <linux/bvec.h>
#include <linux/io.h>
#include <linux/mm.h>

#include "pure/dptr.h"
#include "io/sg.h"

/**
 * nvdio_sg_add() - add contiguous memory
 * @sg: scatterlist with at least one unused entry
 * @page: first page
 * @offset: bytes from the start of @page
 * @len: bytes, more than 0; with the bytes before them in the page at most
 *	@sg->max_len
 *
 * Context: any.
 */
void nvdio_sg_add(struct nvdio_sg *sg, struct page *page, size_t offset,
		  size_t len)
{
	phys_addr_t addr = page_to_phys(page) + offset;
	struct scatterlist *last = &sg->sgl[sg->nents - 1];

	if (sg->nents && addr == sg->end) {
		const u32 tail = offset_in_page(addr);

		if (last->length + len <= sg->max_len) {
			last->length += len;
			sg->end += len;
			return;
		}
		/* Split on a page boundary instead, as PRPs require. */
		last->length -= tail;
		sg->end -= tail;
		addr -= tail;
		offset -= tail;
		len += tail;
	}
	if (sg->nents && ((addr | sg->end) & NVDIO_MPS_MASK))
		sg->gaps = true;
	nvdio_sg_set(&sg->sgl[sg->nents++], page, offset, len);
	sg->end = addr + len;
}

/**
 * nvdio_sg_add_pages() - add pages
 * @sg: scatterlist with an unused entry for each page
 * @pages: pages that hold @offset + @len bytes
 * @offset: offset of the data in the first page
 * @len: bytes, more than 0
 *
 * Context: any.
 */
void nvdio_sg_add_pages(struct nvdio_sg *sg, struct page **pages,
			size_t offset, size_t len)
{
	const unsigned int max = DIV_ROUND_UP(offset + len, PAGE_SIZE);
	unsigned int i, nr, end;

	for (i = 0; i < max; i += nr) {
		struct page *first = pages[i], *next = first + 1;
		struct page **p = pages + i + 1;
		size_t bytes;

		/*
		 * Collect adjacent pages first, so that a huge page is one
		 * step.
		 */
		end = min(max, i + sg->max_len / (unsigned int)PAGE_SIZE);
		while (p < pages + end && *p == next) {
			next++;
			p++;
		}
		nr = p - (pages + i);
		bytes = min(nr * PAGE_SIZE - offset, len);
		nvdio_sg_add(sg, first, offset, bytes);
		len -= bytes;
		offset = 0;
	}
}

/* Number of bytes of a bvec, from @skip on, that become one entry. */
static size_t bvec_bytes(const struct bio_vec *bv, size_t skip, size_t len,
			 u32 max_len)
{
	/* Split on a page boundary, as PRPs require. */
	const size_t max = max_len - offset_in_page(bv->bv_offset + skip);

	return min3(len, bv->bv_len - skip, max);
}

/**
 * nvdio_sg_bvecs() - number of entries needed for bvecs
 * @iter: BVEC
 * @len: bytes, at most what @iter has
 * @max_len: maximum bytes of an entry, a multiple of the page size
 *
 * Context: any.
 * Return: number of entries for the first @len bytes.
 */
unsigned int nvdio_sg_bvecs(const struct iov_iter *iter, size_t len,
			    u32 max_len)
{
	const struct bio_vec *bv = iter->bvec;
	size_t skip = iter->iov_offset;
	unsigned int nr = 0;

	while (len) {
		size_t bytes = bvec_bytes(bv, skip, len, max_len);

		len -= bytes;
		skip += bytes;
		nr++;
		if (skip == bv->bv_len) {
			skip = 0;
			bv++;
		}
	}
	return nr;
}

/**
 * nvdio_sg_add_bvecs() - add the memory of a BVEC iterator
 * @sg: scatterlist with nvdio_sg_bvecs() unused entries
 * @iter: BVEC; advanced
 * @len: bytes, more than 0, at most what @iter has
 *
 * Context: any.
 */
void nvdio_sg_add_bvecs(struct nvdio_sg *sg, struct iov_iter *iter, size_t len)
{
	const struct bio_vec *bv = iter->bvec;
	size_t skip = iter->iov_offset;

	iov_iter_advance(iter, len);
	while (len) {
		size_t bytes = bvec_bytes(bv, skip, len, sg->max_len);

		if (bytes)
			nvdio_sg_add(sg, bv->bv_page, bv->bv_offset + skip,
				     bytes);
		len -= bytes;
		skip += bytes;
		if (skip == bv->bv_len) {
			skip = 0;
			bv++;
		}
	}
}
