/* SPDX-License-Identifier: GPL-2.0 */
/* Allocation of transfers: a preallocated pool per queue, else the heap. */
#ifndef NVDIO_XFER_POOL_H
#define NVDIO_XFER_POOL_H

#include "core/ctrl.h"
#include "core/ns.h"
#include "hw/queue.h"
#include "io/xfer_op.h"

int nvdio_xfer_pool_alloc(struct nvdio_queue *q, int node);
void nvdio_xfer_pool_free(struct nvdio_queue *q);
void nvdio_xfer_pool_free_dma(struct nvdio_queue *q);
struct nvdio_xfer *nvdio_xfer_get_pooled(struct nvdio_ns *ns);
struct nvdio_xfer *nvdio_xfer_get(struct nvdio_ns *ns, unsigned int max_pages,
				  bool need_pages, gfp_t gfp);
void nvdio_xfer_put_lists(struct nvdio_xfer *xfer);
void nvdio_xfer_put(struct nvdio_xfer *xfer);

/**
 * nvdio_xfer_set() - make it a transfer of which nothing is done yet
 * @xfer: transfer of nvdio_xfer_get()
 * @ns: namespace
 * @len: bytes
 * @write: the controller will read the memory
 * @limits: limits of commands; must outlive the transfer
 *
 * Context: any.
 */
static __always_inline void
nvdio_xfer_set(struct nvdio_xfer *xfer, struct nvdio_ns *ns, size_t len,
	       bool write, const struct nvdio_dptr_limits *limits)
{
	xfer->ns = ns;
	xfer->limits = limits;
	xfer->error = 0;
	xfer->write = write;
	xfer->pinned = false;
	xfer->pinned_once = false;
	xfer->need_unmap = false;
	xfer->sleeps = false;
	xfer->inline_desc_used = false;
	xfer->one = false;
	xfer->step = NVDIO_XFER_SEND;
	xfer->nr_pages = 0;
	xfer->sg.nents = 0;
	xfer->sg.gaps = false;
	xfer->sg.max_len = ns->ctrl->max_map_bytes;
	xfer->left = len;
	xfer->rest = 0;
	xfer->len = len;
	xfer->lists = NULL;
	xfer->poll_queue = NULL;
}

#endif /* NVDIO_XFER_POOL_H */
