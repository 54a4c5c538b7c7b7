/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Bounce buffers of the copy path: allocated and mapped at bind, shared by the
 * namespaces of a controller, handed to waiters in order of arrival.
 */
#ifndef NVDIO_BOUNCE_H
#define NVDIO_BOUNCE_H

#include "core/ctrl.h"
#include "core/ns.h"

/**
 * struct nvdio_bounce - a bounce buffer, mapped for its whole lifetime
 * @link: entry in the pool's list of free buffers
 * @virt: CPU address
 * @dma: bus address
 * @prps: PRP list of all its pages; a command may use it from any entry on
 * @prps_dma: bus address of @prps
 */
struct nvdio_bounce {
	struct list_head link;
	void *virt;
	dma_addr_t dma;
	__le64 *prps;
	dma_addr_t prps_dma;
};

/**
 * struct nvdio_bounce_waiter - a waiter for a bounce buffer
 * @link: entry in the pool's list of waiters
 * @bounce: set to a buffer before @resume is called
 * @resume: called once, in any context
 */
struct nvdio_bounce_waiter {
	struct list_head link;
	struct nvdio_bounce *bounce;
	void (*resume)(struct nvdio_bounce_waiter *waiter);
};

/* Size of a bounce buffer, and so of the largest command of the copy path. */
#define NVDIO_BOUNCE_BYTES	(128U << 10)

int nvdio_bounce_pool_alloc(struct nvdio_ctrl *ctrl, unsigned int nr);
void nvdio_bounce_pool_free(struct nvdio_ctrl *ctrl);
struct nvdio_bounce *nvdio_bounce_get(struct nvdio_ns *ns,
				      struct nvdio_bounce_waiter *waiter);
struct nvdio_bounce *nvdio_bounce_get_wait(struct nvdio_ns *ns);
bool nvdio_bounce_wanted(struct nvdio_ns *ns);
void nvdio_bounce_put(struct nvdio_ns *ns, struct nvdio_bounce *bounce);

#endif /* NVDIO_BOUNCE_H */
