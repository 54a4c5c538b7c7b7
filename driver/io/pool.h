/* SPDX-License-Identifier: GPL-2.0 */
/* Memory set aside at bind time: dios, list pages, bounce buffers. */
#ifndef NVDIO_POOL_H
#define NVDIO_POOL_H

#include "io/xfer.h"

struct nvdio_ctrl;

/**
 * struct nvdio_desc_page - 4 KiB of list memory
 * @next: the same command's next piece
 * @mem: the memory
 */
struct nvdio_desc_page {
	struct nvdio_desc_page *next;
	struct nvdio_desc_mem mem;
};

/**
 * struct nvdio_bounce - a bounce buffer, mapped as long as it lives
 * @link: in the pool's list while it is free
 * @virt: memory
 * @dma: its address for the controller
 * @prps: PRP list of the whole buffer, from its second page on
 * @prps_dma: address of @prps
 */
struct nvdio_bounce {
	struct list_head link;
	void *virt;
	dma_addr_t dma;
	__le64 *prps;
	dma_addr_t prps_dma;
};

/**
 * struct nvdio_bounce_waiter - somebody who found no bounce buffer
 * @link: in the pool's list of those who wait
 * @bounce: set to a buffer before @resume is called
 * @resume: called once, in any context
 */
struct nvdio_bounce_waiter {
	struct list_head link;
	struct nvdio_bounce *bounce;
	void (*resume)(struct nvdio_bounce_waiter *waiter);
};

/* Bounce buffers' size; the copy path moves at most so much in a command. */
#define NVDIO_BOUNCE_BYTES	(128U << 10)

int nvdio_xfer_pool_alloc(struct nvdio_queue *q, int node);
void nvdio_xfer_pool_free(struct nvdio_queue *q);
void nvdio_xfer_pool_free_dma(struct nvdio_queue *q);
struct nvdio_xfer *nvdio_xfer_get(struct nvdio_ns *ns, unsigned int max_pages,
				  bool need_pages, gfp_t gfp);
void nvdio_xfer_put_lists(struct nvdio_xfer *xfer);
void nvdio_xfer_put(struct nvdio_xfer *xfer);

struct nvdio_desc_page *nvdio_desc_page_get(struct nvdio_ctrl *ctrl, gfp_t gfp);
void nvdio_desc_page_put(struct nvdio_ctrl *ctrl, struct nvdio_desc_page *list);

int nvdio_bounce_pool_alloc(struct nvdio_ctrl *ctrl, unsigned int nr);
void nvdio_bounce_pool_free(struct nvdio_ctrl *ctrl);
struct nvdio_bounce *nvdio_bounce_get(struct nvdio_ns *ns,
				      struct nvdio_bounce_waiter *waiter);
struct nvdio_bounce *nvdio_bounce_get_wait(struct nvdio_ns *ns);
bool nvdio_bounce_wanted(struct nvdio_ns *ns);
void nvdio_bounce_put(struct nvdio_ns *ns, struct nvdio_bounce *bounce);

#endif /* NVDIO_POOL_H */
