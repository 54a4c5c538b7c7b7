/* SPDX-License-Identifier: GPL-2.0 */
/* Allocation of transfers: a preallocated pool per queue, else the heap. */
#ifndef NVDIO_XFER_POOL_H
#define NVDIO_XFER_POOL_H

#include "core/ns.h"
#include "hw/queue.h"
#include "io/xfer_op.h"

int nvdio_xfer_pool_alloc(struct nvdio_queue *q, int node);
void nvdio_xfer_pool_free(struct nvdio_queue *q);
void nvdio_xfer_pool_free_dma(struct nvdio_queue *q);
struct nvdio_xfer *nvdio_xfer_get(struct nvdio_ns *ns, unsigned int max_pages,
				  bool need_pages, gfp_t gfp);
void nvdio_xfer_put_lists(struct nvdio_xfer *xfer);
void nvdio_xfer_put(struct nvdio_xfer *xfer);

#endif /* NVDIO_XFER_POOL_H */
