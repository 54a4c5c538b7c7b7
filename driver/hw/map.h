/* SPDX-License-Identifier: GPL-2.0 */
/* DMA mapping of one contiguous range of memory for one command. */
#ifndef NVDIO_MAP_H
#define NVDIO_MAP_H

#include <linux/dma-mapping.h>
#include <linux/io.h>

#include "core/compat.h"
#include "core/request.h"
#include "hw/queue.h"

/**
 * nvdio_dma_map_one() - map contiguous memory for one command
 * @q: live queue, sq_lock held, so the device cannot go away
 * @page: first page
 * @offset: bytes from the start of @page
 * @len: bytes
 * @dir: direction
 * @flags: NVDIO_REQ_UNMAP is added if the memory has to be unmapped
 *
 * Context: sq_lock held; does not sleep.
 * Return: bus address, or DMA_MAPPING_ERROR.
 */
static __always_inline dma_addr_t
nvdio_dma_map_one(struct nvdio_queue *q, struct page *page, size_t offset,
		  size_t len, enum dma_data_direction dir, u8 *flags)
{
	dma_addr_t dma;

	if (likely(q->linear))
		return page_to_phys(page) + offset + q->dma_offset;
	dma = dma_map_page(q->dev, page, offset, len, dir);
	/* DMA API debugging expects dma_mapping_error() to be called. */
	if (unlikely(dma_mapping_error(q->dev, dma)))
		return DMA_MAPPING_ERROR;
	if (nvdio_dma_need_unmap(q->dev))
		*flags |= NVDIO_REQ_UNMAP;
	return dma;
}

#endif /* NVDIO_MAP_H */
