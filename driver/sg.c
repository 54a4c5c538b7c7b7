// SPDX-License-Identifier: GPL-2.0
/* Building scatterlists in which contiguous memory is one entry. */
#include <linux/bvec.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "dptr.h"
#include "sg.h"

/* Longer entries would overflow the u32 arithmetic of those who split them. */
#define NVDIO_SG_MAX_LEN	SZ_1G

/**
 * nvdio_sg_add() - add contiguous memory
 * @sg: has room for one entry more
 * @page: first page
 * @offset: bytes from the beginning of @page
 * @len: bytes, more than 0
 *
 * Context: any.
 */
void nvdio_sg_add(struct nvdio_sg *sg, struct page *page, size_t offset,
		  size_t len)
{
	phys_addr_t addr = page_to_phys(page) + offset;
	struct scatterlist *last = &sg->sgl[sg->nents - 1];

	if (sg->nents && addr == sg->end &&
	    last->length + len <= NVDIO_SG_MAX_LEN) {
		last->length += len;
		sg->end += len;
		return;
	}
	if (sg->nents && ((addr | sg->end) & NVDIO_MPS_MASK))
		sg->gaps = true;
	sg_set_page(&sg->sgl[sg->nents++], page, len, offset);
	sg->end = addr + len;
}

/**
 * nvdio_sg_add_pages() - add pages
 * @sg: has room for as many entries as there are pages
 * @pages: enough of them for @offset + @len bytes
 * @offset: where in the first page the data begin
 * @len: bytes, more than 0
 *
 * Context: any.
 */
void nvdio_sg_add_pages(struct nvdio_sg *sg, struct page **pages,
			size_t offset, size_t len)
{
	const unsigned int max = DIV_ROUND_UP(offset + len, PAGE_SIZE);
	unsigned int i, nr;

	for (i = 0; i < max; i += nr) {
		struct page *first = pages[i];
		size_t bytes;

		/* Neighbours first, so that a huge page is one step. */
		for (nr = 1; i + nr < max && pages[i + nr] == first + nr; nr++)
			;
		bytes = min(nr * PAGE_SIZE - offset, len);
		nvdio_sg_add(sg, first, offset, bytes);
		len -= bytes;
		offset = 0;
	}
}

/**
 * nvdio_sg_bvecs() - count the bvecs behind an iterator
 * @iter: BVEC
 * @len: bytes, at most what @iter has
 *
 * Return: number of bvecs that the first @len bytes touch.
 */
unsigned int nvdio_sg_bvecs(const struct iov_iter *iter, size_t len)
{
	const struct bio_vec *bv = iter->bvec;
	size_t skip = iter->iov_offset;
	unsigned int nr = 0;

	while (len) {
		len -= min_t(size_t, len, bv->bv_len - skip);
		skip = 0;
		bv++;
		nr++;
	}
	return nr;
}

/**
 * nvdio_sg_add_bvecs() - add what is behind an iterator of kernel pages
 * @sg: has room for nvdio_sg_bvecs() entries
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
		size_t bytes = min_t(size_t, len, bv->bv_len - skip);

		if (bytes)
			nvdio_sg_add(sg, bv->bv_page, bv->bv_offset + skip,
				     bytes);
		len -= bytes;
		skip = 0;
		bv++;
	}
}
