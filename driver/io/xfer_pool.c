// SPDX-License-Identifier: GPL-2.0
/* Transfers: a queue's preallocated ones, and those allocated one by one. */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pure/dptr.h"
#include "pure/tags.h"
#include "core/ns.h"
#include "hw/desc_page.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/xfer_op.h"
#include "io/xfer_pool.h"

/* Preallocated dios to a queue; more in flight are allocated one by one. */
#define NVDIO_POOL_XFERS	128

/**
 * struct nvdio_xfer_pool - the preallocated dios of a queue
 * @tags: which are free
 * @lists: list memory of all
 * @lists_dma: its address
 * @links: memory of @tags
 * @slots: the dios with their arrays
 */
struct nvdio_xfer_pool {
	struct nvdio_tags tags;
	void *lists;
	dma_addr_t lists_dma;
	u16 links[NVDIO_POOL_XFERS];
	struct nvdio_xfer_slot {
		struct nvdio_xfer xfer;
		struct page *pages[NVDIO_XFER_PAGES];
		struct scatterlist sgl[NVDIO_XFER_PAGES];
	} slots[NVDIO_POOL_XFERS];
};

/**
 * nvdio_xfer_pool_alloc() - set aside a queue's dios
 * @q: queue; gets the pool
 * @node: NUMA node
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int nvdio_xfer_pool_alloc(struct nvdio_queue *q, int node)
{
	struct nvdio_xfer_pool *pool;
	unsigned int i;

	pool = kvzalloc_node(sizeof(*pool), GFP_KERNEL, node);
	if (!pool)
		return -ENOMEM;
	pool->lists = dma_alloc_coherent(q->dev,
					 NVDIO_POOL_XFERS * NVDIO_XFER_LIST_BYTES,
					 &pool->lists_dma, GFP_KERNEL);
	if (!pool->lists) {
		kvfree(pool);
		return -ENOMEM;
	}
	nvdio_tags_init(&pool->tags, pool->links, NVDIO_POOL_XFERS);
	for (i = 0; i < NVDIO_POOL_XFERS; i++) {
		struct nvdio_xfer_slot *slot = &pool->slots[i];

		slot->xfer.pool_queue = q;
		slot->xfer.pages = slot->pages;
		slot->xfer.max_pages = NVDIO_XFER_PAGES;
		slot->xfer.sg.sgl = slot->sgl;
		slot->xfer.sg.max = NVDIO_XFER_PAGES;
		slot->xfer.inline_desc = (struct nvdio_desc_mem) {
			.virt = pool->lists + i * NVDIO_XFER_LIST_BYTES,
			.dma = pool->lists_dma + i * NVDIO_XFER_LIST_BYTES,
			.bytes = NVDIO_XFER_LIST_BYTES,
		};
	}
	q->pool = pool;
	return 0;
}

/* Free what the device sees; at unbind, when no xfer is in use any more. */
void nvdio_xfer_pool_free_dma(struct nvdio_queue *q)
{
	if (!q->pool || !q->pool->lists)
		return;
	dma_free_coherent(q->dev, NVDIO_POOL_XFERS * NVDIO_XFER_LIST_BYTES,
			  q->pool->lists, q->pool->lists_dma);
	q->pool->lists = NULL;
}

/* Free the rest. */
void nvdio_xfer_pool_free(struct nvdio_queue *q)
{
	kvfree(q->pool);
	q->pool = NULL;
}

static struct nvdio_xfer *xfer_alloc(unsigned int max_pages, bool need_pages,
				     gfp_t gfp)
{
	struct nvdio_xfer *xfer;

	xfer = kzalloc(sizeof(*xfer), gfp);
	if (!xfer)
		 return NULL;
	if (need_pages) {
		xfer->pages = kvmalloc_array(max_pages, sizeof(*xfer->pages),
					     gfp);
		if (!xfer->pages)
			 goto free;
	}
	xfer->sg.sgl = kvmalloc_array(max_pages, sizeof(*xfer->sg.sgl), gfp);
	if (!xfer->sg.sgl)
		 goto free;
	xfer->max_pages = max_pages;
	xfer->sg.max = max_pages;
	return xfer;

free:
	kvfree(xfer->pages);
	kfree(xfer);
	return NULL;
}

/**
 * nvdio_xfer_get() - get a xfer
 * @ns: namespace; the caller has called nvdio_ctrl_enter()
 * @max_pages: pages or bvecs that it shall have room for, at least 1
 * @need_pages: pages, not bvecs
 * @gfp: how to allocate one if there is no preallocated one, or none that is
 *	large enough
 *
 * Context: as @gfp says.
 * Return: a xfer whose arrays and list memory are set up, or NULL.
 */
struct nvdio_xfer *nvdio_xfer_get(struct nvdio_ns *ns, unsigned int max_pages,
				  bool need_pages, gfp_t gfp)
{
	if (max_pages <= NVDIO_XFER_PAGES) {
		struct nvdio_queue *q = nvdio_ns_queue(ns, false);
		u32 tag;

		spin_lock(&q->sq_lock);
		tag = nvdio_tags_get(&q->pool->tags);
		spin_unlock(&q->sq_lock);
		if (tag != NVDIO_TAG_NONE)
			return &q->pool->slots[tag].xfer;
	}
	return xfer_alloc(max_pages, need_pages, gfp);
}

/**
 * nvdio_xfer_put_lists() - give back the list memory of a xfer
 * @xfer: whose commands are over
 *
 * After this, and nvdio_dma_unmap(), the rest of a xfer may be released without
 * nvdio_ctrl_enter().
 *
 * Context: any.
 */
void nvdio_xfer_put_lists(struct nvdio_xfer *xfer)
{
	while (xfer->lists) {
		struct nvdio_desc_page *list = xfer->lists;

		xfer->lists = list->next;
		nvdio_desc_page_put(xfer->ns->ctrl, list);
	}
}

/**
 * nvdio_xfer_put() - give back a xfer
 * @xfer: unmapped, unpinned
 *
 * Context: any.
 */
void nvdio_xfer_put(struct nvdio_xfer *xfer)
{
	nvdio_xfer_put_lists(xfer);
	if (xfer->pool_queue) {
		struct nvdio_xfer_pool *pool = xfer->pool_queue->pool;
		struct nvdio_xfer_slot *slot;

		slot = container_of(xfer, struct nvdio_xfer_slot, xfer);
		nvdio_tags_put(&pool->tags, slot - pool->slots);
		return;
	}
	kvfree(xfer->pages);
	kvfree(xfer->sg.sgl);
	kfree(xfer);
}
