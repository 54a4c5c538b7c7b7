/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounce buffers of the copy path: set aside and mapped at bind time, shared by
 * a controller's namespaces, handed to waiters in the order in which they came.
 */
#ifndef NVDIO_BOUNCE_H
#define NVDIO_BOUNCE_H

#include "core/ctrl.h"
#include "core/ns.h"

/**
 * struct nvdio_bounce - a bounce buffer, mapped as long as it lives
 * @link: in the pool's list while it is free
 * @virt: memory
 * @dma: its address for the controller
 * @prps: PRPs of all its pages; a command's list begins at any of them
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

int nvdio_bounce_pool_alloc(struct nvdio_ctrl *ctrl, unsigned int nr);
void nvdio_bounce_pool_free(struct nvdio_ctrl *ctrl);
struct nvdio_bounce *nvdio_bounce_get(struct nvdio_ns *ns,
				      struct nvdio_bounce_waiter *waiter);
struct nvdio_bounce *nvdio_bounce_get_wait(struct nvdio_ns *ns);
bool nvdio_bounce_wanted(struct nvdio_ns *ns);
void nvdio_bounce_put(struct nvdio_ns *ns, struct nvdio_bounce *bounce);

#endif /* NVDIO_BOUNCE_H */
