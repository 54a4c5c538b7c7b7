/* SPDX-License-Identifier: GPL-2.0 */
/* Mapping one contiguous range of memory for one command. */
#ifndef NVDIO_MAP_H
#define NVDIO_MAP_H

#include <linux/dma-mapping.h>
#include <linux/io.h>

#include "core/compat.h"
#include "core/request.h"
#include "hw/queue.h"

/**
 * nvdio_dma_map_one() - map contiguous memory for one command
 * @q: queue, sq_lock held and live, so that the device is ours
 * @page: page that @offset counts from
 * @offset: bytes
 * @len: bytes
 * @dir: direction
 * @flags: NVDIO_REQ_UNMAP is added if the mapping has to be undone
 *
 * Context: any.
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
	/* By the API's own test, which DMA API debugging waits for. */
	if (unlikely(dma_mapping_error(q->dev, dma)))
		return DMA_MAPPING_ERROR;
	if (nvdio_dma_need_unmap(q->dev))
		*flags |= NVDIO_REQ_UNMAP;
	return dma;
}

#endif /* NVDIO_MAP_H */
