/* SPDX-License-Identifier: GPL-2.0 */
/*
 * DMA mapping of whole transfers, the data pointers of their commands, and
 * unmapping.
 */
#ifndef NVDIO_DMA_H
#define NVDIO_DMA_H

#include <linux/dma-mapping.h>
#include <linux/io.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/xfer_op.h"

int nvdio_dma_map(struct nvdio_xfer *xfer, bool whole, bool nowait);
int nvdio_dma_map_p2p(struct nvdio_xfer *xfer, bool nowait);
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

/**
 * nvdio_dma_unmap_one() - undo nvdio_dma_map_one()
 * @q: queue
 * @req: request with NVDIO_REQ_UNMAP
 *
 * Context: any.
 */
static inline void nvdio_dma_unmap_one(const struct nvdio_queue *q,
				       const struct nvdio_request *req)
{
	dma_unmap_page(q->dev, req->dma, req->len,
		       req->flags & NVDIO_REQ_WRITE ? DMA_TO_DEVICE :
						      DMA_FROM_DEVICE);
	this_cpu_sub(req->ns->stats->segments_mapped, 1);
}

#endif /* NVDIO_DMA_H */
