/* SPDX-License-Identifier: GPL-2.0 */
/* Building scatterlists in which contiguous memory is one entry. */
#ifndef NVDIO_SG_H
#define NVDIO_SG_H

#include <linux/scatterlist.h>
#include <linux/uio.h>

/**
 * struct nvdio_sg - a scatterlist under construction
 * @sgl: entries; there is no end mark
 * @nents: number of entries in use
 * @max_len: maximum bytes of an entry, a multiple of the page size
 * @end: physical address of the end of the last entry
 * @gaps: there is a discontinuity that is not page aligned
 */
struct nvdio_sg {
	struct scatterlist *sgl;
	unsigned int nents;
	u32 max_len;
	phys_addr_t end;
	bool gaps;
};

/**
 * nvdio_sg_set() - set an entry
 * @entry: entry, whatever its contents
 * @page: first page
 * @offset: bytes from the start of @page
 * @len: bytes
 *
 * Overwrites all of it, unlike sg_set_page(): the previous use may have left an
 * end mark, and flags from which the DMA API would conclude how to unmap it.
 *
 * Context: any.
 */
static inline void nvdio_sg_set(struct scatterlist *entry, struct page *page,
				unsigned int offset, unsigned int len)
{
	*entry = (struct scatterlist){
		.page_link = (unsigned long)page,
		.offset = offset,
		.length = len,
	};
}

void nvdio_sg_add(struct nvdio_sg *sg, struct page *page, size_t offset,
		  size_t len);
void nvdio_sg_add_pages(struct nvdio_sg *sg, struct page **pages,
			size_t offset, size_t len);
void nvdio_sg_add_bvecs(struct nvdio_sg *sg, struct iov_iter *iter, size_t len);
unsigned int nvdio_sg_bvecs(const struct iov_iter *iter, size_t len,
			    u32 max_len);

#endif /* NVDIO_SG_H */
