// SPDX-License-Identifier: GPL-2.0
/* A controller's bounce buffers, and those that wait for one; see bounce.h. */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pure/dptr.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/stats.h"
#include "io/bounce.h"

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
