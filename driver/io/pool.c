// SPDX-License-Identifier: GPL-2.0
/* Memory set aside at bind time: dios, list pages, bounce buffers. */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pure/tags.h"
#include "core/ctrl.h"
#include "io/pool.h"

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

/**
 * nvdio_desc_page_get() - get 4 KiB of list memory
 * @ctrl: controller; the caller has called nvdio_ctrl_enter()
 * @gfp: how
 *
 * Return: the memory, or NULL.
 */
struct nvdio_desc_page *nvdio_desc_page_get(struct nvdio_ctrl *ctrl, gfp_t gfp)
{
	struct nvdio_desc_page *list = kmalloc(sizeof(*list), gfp);
	dma_addr_t dma;

	if (!list)
		return NULL;
	list->mem.virt = dma_pool_alloc(ctrl->lists, gfp, &dma);
	if (!list->mem.virt) {
		kfree(list);
		return NULL;
	}
	list->mem.dma = dma;
	list->mem.bytes = NVDIO_MPS;
	return list;
}

/* Give back list memory that no command uses any more. Context: any. */
void nvdio_desc_page_put(struct nvdio_ctrl *ctrl, struct nvdio_desc_page *list)
{
	dma_pool_free(ctrl->lists, list->mem.virt, list->mem.dma);
	kfree(list);
}

/**
 * struct nvdio_bounce_pool - the bounce buffers of a controller
 * @lock: guards @free and @waiting
 * @free: those that are not in use; none if somebody waits
 * @waiting: who found none, in the order in which they came
 * @nr: number of buffers
 * @bufs: all of them
 */
struct nvdio_bounce_pool {
	spinlock_t lock;		/* for @free and @waiting */
	struct list_head free;
	struct list_head waiting;
	unsigned int nr;
	struct nvdio_bounce bufs[];
};

static int bounce_alloc(struct nvdio_ctrl *ctrl, struct nvdio_bounce *bounce,
			gfp_t gfp)
{
	struct device *dev = ctrl->dev.parent;
	struct page *page;
	unsigned int i;

	/* Zeroed: a short transfer must not show what was there before. */
	page = alloc_pages_node(dev_to_node(dev), gfp | __GFP_ZERO | __GFP_COMP,
				get_order(NVDIO_BOUNCE_BYTES));
	if (!page)
		return -ENOMEM;
	bounce->dma = dma_map_page(dev, page, 0, NVDIO_BOUNCE_BYTES,
				   DMA_BIDIRECTIONAL);
	if (dma_mapping_error(dev, bounce->dma)) {
		__free_pages(page, get_order(NVDIO_BOUNCE_BYTES));
		return -ENOMEM;
	}
	bounce->virt = page_address(page);
	bounce->prps = dma_alloc_coherent(dev, NVDIO_MPS, &bounce->prps_dma,
					  gfp);
	if (!bounce->prps)
		return -ENOMEM;
	for (i = 0; i < NVDIO_BOUNCE_BYTES / NVDIO_MPS; i++)
		bounce->prps[i] = cpu_to_le64(bounce->dma + i * NVDIO_MPS);
	return 0;
}

static void bounce_free(struct nvdio_ctrl *ctrl, struct nvdio_bounce *bounce)
{
	struct device *dev = ctrl->dev.parent;

	if (bounce->prps)
		dma_free_coherent(dev, NVDIO_MPS, bounce->prps,
				  bounce->prps_dma);
	if (!bounce->virt)
		return;
	dma_unmap_page(dev, bounce->dma, NVDIO_BOUNCE_BYTES, DMA_BIDIRECTIONAL);
	free_pages((unsigned long)bounce->virt, get_order(NVDIO_BOUNCE_BYTES));
}

/**
 * nvdio_bounce_pool_free() - free a controller's bounce buffers
 * @ctrl: controller whose copy path is idle
 */
void nvdio_bounce_pool_free(struct nvdio_ctrl *ctrl)
{
	struct nvdio_bounce_pool *pool = ctrl->bounce;
	unsigned int i;

	if (!pool)
		return;
	ctrl->bounce = NULL;
	for (i = 0; i < pool->nr; i++)
		bounce_free(ctrl, &pool->bufs[i]);
	kvfree(pool);
}

/**
 * nvdio_bounce_pool_alloc() - allocate and map a controller's bounce buffers
 * @ctrl: controller
 * @nr: how many, at least 1
 *
 * Memory may be in small pieces when a controller is bound late. One buffer is
 * needed; nothing is forced for more of them, and fewer make I/O without
 * O_DIRECT slower, but not wrong.
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int nvdio_bounce_pool_alloc(struct nvdio_ctrl *ctrl, unsigned int nr)
{
	const unsigned int wanted = nr;
	struct nvdio_bounce_pool *pool;
	unsigned int i;
	int ret = 0;

	/* What is not forced must not take everything, either. */
	nr = clamp(totalram_pages() / 4 / (NVDIO_BOUNCE_BYTES >> PAGE_SHIFT),
		   1UL, (unsigned long)nr);
	pool = kvzalloc(struct_size(pool, bufs, nr), GFP_KERNEL);
	if (!pool)
		return -ENOMEM;
	spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->free);
	INIT_LIST_HEAD(&pool->waiting);
	ctrl->bounce = pool;
	for (i = 0; i < nr; i++) {
		struct nvdio_bounce *bounce = &pool->bufs[i];

		ret = bounce_alloc(ctrl, bounce, i ? GFP_KERNEL |
						     __GFP_NORETRY |
						     __GFP_NOWARN :
						     GFP_KERNEL);
		if (ret) {
			bounce_free(ctrl, bounce);
			break;
		}
		list_add_tail(&bounce->link, &pool->free);
		pool->nr = i + 1;
	}
	if (!pool->nr) {
		nvdio_bounce_pool_free(ctrl);
		return ret;
	}
	if (pool->nr < wanted)
		dev_warn(&ctrl->dev,
			 "memory for %u bounce buffers only, not %u\n",
			 pool->nr, wanted);
	return 0;
}

/**
 * nvdio_bounce_get() - take a bounce buffer, or be given the next
 * @ns: namespace; the caller has called nvdio_ctrl_enter()
 * @waiter: to be given a buffer when one comes back, in the order in which they
 *	asked; or NULL
 *
 * A buffer that comes back is not free for anybody, but handed to who waits
 * longest, who may use it or put it: so no wakeup can be lost (invariant 12).
 * Who waits holds no buffer and no tag.
 *
 * Context: any.
 * Return: a buffer; or NULL, and @waiter, and what its owner may free, is not
 * the caller's any more.
 */
struct nvdio_bounce *nvdio_bounce_get(struct nvdio_ns *ns,
				      struct nvdio_bounce_waiter *waiter)
{
	struct nvdio_bounce_pool *pool = ns->ctrl->bounce;
	struct nvdio_bounce *bounce;
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	bounce = list_first_entry_or_null(&pool->free, struct nvdio_bounce,
					  link);
	if (bounce) {
		list_del(&bounce->link);
		this_cpu_inc(ns->stats->bounce_buffers);
	} else if (waiter) {
		list_add_tail(&waiter->link, &pool->waiting);
	}
	spin_unlock_irqrestore(&pool->lock, flags);
	return bounce;
}

struct bounce_task {
	struct nvdio_bounce_waiter waiter;
	struct completion given;
};

static void bounce_wake(struct nvdio_bounce_waiter *waiter)
{
	complete(&container_of(waiter, struct bounce_task, waiter)->given);
}

/**
 * nvdio_bounce_get_wait() - take a bounce buffer, sleeping for it if need be
 * @ns: namespace; the caller has called nvdio_ctrl_enter()
 *
 * Context: may sleep. The caller holds no buffer and no tag; it may hold a
 * claim.
 * Return: a buffer.
 */
struct nvdio_bounce *nvdio_bounce_get_wait(struct nvdio_ns *ns)
{
	struct bounce_task task = { .waiter.resume = bounce_wake };
	struct nvdio_bounce *bounce;

	init_completion(&task.given);
	bounce = nvdio_bounce_get(ns, &task.waiter);
	if (bounce)
		return bounce;
	wait_for_completion_io(&task.given);
	this_cpu_inc(ns->stats->bounce_buffers);
	return task.waiter.bounce;
}

/**
 * nvdio_bounce_wanted() - does anybody wait for a bounce buffer?
 * @ns: namespace; the caller has called nvdio_ctrl_enter()
 *
 * Who has some, and could do without for a while, asks.
 *
 * Context: any.
 */
bool nvdio_bounce_wanted(struct nvdio_ns *ns)
{
	return !list_empty_careful(&ns->ctrl->bounce->waiting);
}

/**
 * nvdio_bounce_put() - give back a bounce buffer
 * @ns: namespace
 * @bounce: buffer that the controller does not use any more
 *
 * Context: any.
 */
void nvdio_bounce_put(struct nvdio_ns *ns, struct nvdio_bounce *bounce)
{
	struct nvdio_bounce_pool *pool = ns->ctrl->bounce;
	struct nvdio_bounce_waiter *waiter;
	unsigned long flags;

	spin_lock_irqsave(&pool->lock, flags);
	this_cpu_dec(ns->stats->bounce_buffers);
	waiter = list_first_entry_or_null(&pool->waiting,
					  struct nvdio_bounce_waiter, link);
	if (waiter)
		list_del(&waiter->link);
	else
		list_add(&bounce->link, &pool->free);
	spin_unlock_irqrestore(&pool->lock, flags);
	if (waiter) {
		waiter->bounce = bounce;
		waiter->resume(waiter);
	}
}
