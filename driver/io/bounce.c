// SPDX-License-Identifier: GPL-2.0
/* The pool of bounce buffers of a controller, and its waiters; see bounce.h. */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pure/dptr.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/stats.h"
#include "core/trace.h"
#include "io/bounce.h"

/**
 * struct nvdio_bounce_pool - the bounce buffers of a controller
 * @lock: protects @free and @waiting
 * @free: free buffers; empty while there are waiters
 * @waiting: waiters, in order of arrival
 * @nr: number of buffers
 * @bufs: the buffers
 */
struct nvdio_bounce_pool {
	spinlock_t lock;		/* protects @free and @waiting */
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

	/* Zeroed: a short transfer must not reveal old contents. */
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
 * nvdio_bounce_pool_free() - free the bounce buffers of a controller
 * @ctrl: controller whose copy path is idle
 *
 * Context: may sleep.
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
 * nvdio_bounce_pool_alloc() - allocate and map the bounce buffers
 * @ctrl: controller
 * @nr: number of buffers, at least 1
 *
 * Memory may be fragmented when a controller is bound late. One buffer is
 * required. The others are allocated without much effort: with fewer of them,
 * I/O without O_DIRECT is slower but still correct.
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

	/* Optional buffers must not use up memory either. */
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
			 "allocated only %u of %u bounce buffers\n",
			 pool->nr, wanted);
	return 0;
}

/**
 * nvdio_bounce_get() - take a bounce buffer, or queue for one
 * @ns: namespace; the caller has called nvdio_ctrl_enter()
 * @waiter: queued if there is no free buffer, to be handed one in order of
 *	arrival; may be NULL
 *
 * A returned buffer is handed to the first waiter rather than made free; the
 * waiter uses it or returns it. So no wakeup can be lost (invariant 12).
 * Waiters hold neither a buffer nor a tag.
 *
 * Context: any.
 * Return: a buffer; or NULL: @waiter, and anything its owner may free, then no
 * longer belongs to the caller.
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
		trace_nvdio_bounce_wait(ns->ctrl->instance, ns->nsid, waiter);
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
 * nvdio_bounce_get_wait() - take a bounce buffer, sleeping if necessary
 * @ns: namespace; the caller has called nvdio_ctrl_enter()
 *
 * Context: may sleep. The caller holds neither a buffer nor a tag; it may hold
 * a claim.
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
 * nvdio_bounce_wanted() - are there waiters for bounce buffers?
 * @ns: namespace; the caller has called nvdio_ctrl_enter()
 *
 * For holders of buffers that can do without them for a while.
 *
 * Context: any, without a lock; a hint.
 * Return: true if there are.
 */
bool nvdio_bounce_wanted(struct nvdio_ns *ns)
{
	return !list_empty_careful(&ns->ctrl->bounce->waiting);
}

/**
 * nvdio_bounce_put() - return a bounce buffer
 * @ns: namespace
 * @bounce: buffer that the controller no longer uses
 *
 * Context: any; the resume function of a waiter may be called.
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
		trace_nvdio_bounce_got(ns->ctrl->instance, ns->nsid, waiter);
		waiter->bounce = bounce;
		waiter->resume(waiter);
	}
}
