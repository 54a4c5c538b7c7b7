/* SPDX-License-Identifier: GPL-2.0 */
/* DMA mapping of a whole read or write, and the commands' data pointers. */
#ifndef NVDIO_DMA_H
#define NVDIO_DMA_H

#include <linux/dma-mapping.h>
#include <linux/io.h>

#include "core/compat.h"
#include "io/xfer.h"

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

/**
 * nvdio_cmd_dptr_run() - the data pointer of contiguous memory
 * @cmd: command; its flags are set, too
 * @dma: bus address, dword aligned
 * @len: bytes; more than two pages only where the controller has SGLs
 *
 * PRP1 and PRP2 (NVMe Base 2.0, 4.1.1), else one SGL Data Block descriptor
 * (4.1.2): address, length, type 0.
 */
static __always_inline void nvdio_cmd_dptr_run(struct nvme_command *cmd,
					       dma_addr_t dma, u32 len)
{
	const u32 end = (dma & NVDIO_MPS_MASK) + len;

	cmd->common.flags = 0;
	cmd->common.dptr.prp1 = cpu_to_le64(dma);
	cmd->common.dptr.prp2 = 0;
	if (end > 2 * NVDIO_MPS) {
		cmd->common.flags = NVME_CMD_SGL_METABUF;
		cmd->common.dptr.prp2 = cpu_to_le64(len);
	} else if (end > NVDIO_MPS) {
		cmd->common.dptr.prp2 = cpu_to_le64((dma | NVDIO_MPS_MASK) + 1);
	}
}

int nvdio_dma_map(struct nvdio_xfer *xfer, bool whole, bool nowait);
int nvdio_dma_map_next(struct nvdio_xfer *xfer, bool whole, bool nowait);
void nvdio_dma_unmap_table(struct nvdio_ctrl *ctrl, struct sg_table *sgt,
			   enum dma_data_direction dir);
int nvdio_dma_map_table(struct nvdio_ctrl *ctrl, struct sg_table *sgt,
			enum dma_data_direction dir, unsigned long attrs,
			bool nowait);
int nvdio_dma_wait_one(struct nvdio_ctrl *ctrl, struct page *page,
		       size_t offset, size_t len, enum dma_data_direction dir,
		       bool nowait);
void nvdio_dma_unmap(struct nvdio_xfer *xfer);
int nvdio_dma_command(struct nvdio_xfer *xfer, gfp_t gfp, u32 *bytes,
		      union nvme_data_ptr *dptr, bool *sgl);

#endif /* NVDIO_DMA_H */
