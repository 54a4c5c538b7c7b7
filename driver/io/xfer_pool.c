// SPDX-License-Identifier: GPL-2.0
/* Allocation of transfers: a preallocated pool per queue, else the heap. */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pure/dptr.h"
#include "pure/tag_chain.h"
#include "pure/tags.h"
#include "core/ns.h"
#include "hw/desc_page.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/xfer_op.h"
#include "io/xfer_pool.h"

/* Preallocated transfers per queue; when all are in use, more are allocated. */
#define NVDIO_POOL_XFERS	128

/**
 * struct nvdio_xfer_pool - the preallocated transfers of a queue
 * @tags: free transfers
 * @lists: descriptor memory of all of them
 * @lists_dma: bus address of @lists
 * @links: link array of @tags
 * @slots: the transfers with their arrays
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
 * nvdio_xfer_pool_alloc() - preallocate the transfers of a queue
 * @q: queue; @pool is set
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
	pool->lists = dma_alloc_coherent(q->dev, NVDIO_POOL_XFERS *
					 NVDIO_XFER_LIST_BYTES,
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
		slot->xfer.inline_desc = (struct nvdio_desc_mem) {
			.virt = pool->lists + i * NVDIO_XFER_LIST_BYTES,
			.dma = pool->lists_dma + i * NVDIO_XFER_LIST_BYTES,
			.bytes = NVDIO_XFER_LIST_BYTES,
		};
	}
	q->pool = pool;
	return 0;
}

/**
 * nvdio_xfer_pool_free_dma() - free the DMA memory of a pool at unbind
 * @q: queue; none of its transfers is in use
 *
 * Context: may sleep.
 */
void nvdio_xfer_pool_free_dma(struct nvdio_queue *q)
{
	if (!q->pool || !q->pool->lists)
		return;
	dma_free_coherent(q->dev, NVDIO_POOL_XFERS * NVDIO_XFER_LIST_BYTES,
			  q->pool->lists, q->pool->lists_dma);
	q->pool->lists = NULL;
}

/**
 * nvdio_xfer_pool_free() - free the rest of a pool
 * @q: queue that no open file can reach
 *
 * Context: may sleep.
 */
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
	return xfer;

free:
	kvfree(xfer->pages);
	kfree(xfer);
	return NULL;
}

/**
 * nvdio_xfer_get_pooled() - get a preallocated transfer
 * @ns: namespace
 *
 * Context: any but interrupt; takes sq_lock.
 * Return: a transfer with room for NVDIO_XFER_PAGES pages, and descriptor memory; or
 * NULL.
 */
struct nvdio_xfer *nvdio_xfer_get_pooled(struct nvdio_ns *ns)
{
	struct nvdio_queue *q = nvdio_ns_queue(ns, false);
	u32 tag;

	spin_lock(&q->sq_lock);
	tag = nvdio_tags_get(&q->pool->tags);
	spin_unlock(&q->sq_lock);
	return tag == NVDIO_TAG_NONE ? NULL : &q->pool->slots[tag].xfer;
}

/**
 * nvdio_xfer_get() - get a transfer
 * @ns: namespace
 * @max_pages: number of pages or bvecs that it must have room for, at least 1
 * @need_pages: pages, not bvecs
 * @gfp: how to allocate one if none of the pool is free or large enough
 *
 * Context: as @gfp allows; takes sq_lock.
 * Return: a transfer whose arrays and descriptor memory are set up, or NULL.
 */
struct nvdio_xfer *nvdio_xfer_get(struct nvdio_ns *ns, unsigned int max_pages,
				  bool need_pages, gfp_t gfp)
{
	struct nvdio_xfer *xfer = NULL;

	if (max_pages <= NVDIO_XFER_PAGES)
		xfer = nvdio_xfer_get_pooled(ns);
	return xfer ?: xfer_alloc(max_pages, need_pages, gfp);
}

/**
 * nvdio_xfer_put_lists() - free the descriptor memory of a transfer
 * @xfer: transfer without commands in flight
 *
 * After this and nvdio_dma_unmap(), nvdio_ctrl_enter() is no longer needed to
 * release the transfer.
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
 * nvdio_xfer_put() - return a transfer
 * @xfer: unmapped and unpinned
 *
 * Context: any; task if its arrays may come from vmalloc().
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
