// SPDX-License-Identifier: GPL-2.0
/*
 * Life of mapped memory: from its pages to where I/O finds it, and back.
 *
 * The last reference hides it from I/O; then it is waited until no request in
 * use names it; then it is unmapped and its pages are let go (invariant 2). None
 * of this is done where the reference is dropped: that may be munmap(), with the
 * mmap_lock held. Unbinding does it for all maps up to the unmapping, since
 * then there is no I/O, and their pages stay as long as their references.
 */
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "pure/pfn_index.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/complete.h"
#include "io/map.h"
#include "io/map_dma.h"
#include "io/map_dmabuf.h"
#include "io/map_index.h"
#include "io/map_pages.h"
#include "io/map_watch.h"
#include "uapi/nvdio.h"

/*
 * Of the module: maps may end after their controller is unbound. Its work does not
 * wait for commands but comes again, so that a controller that keeps many of
 * them does not keep others' maps from ending.
 */
static struct workqueue_struct *map_wq;

/* Also of the module; its work waits for a mmap_lock (invariant 12). */
static struct workqueue_struct *watch_wq;

/* Those without a reference, of all controllers. */
static atomic_t maps_ending;
static DECLARE_WAIT_QUEUE_HEAD(maps_ended);

/* Most jiffies between two looks at the requests of a hidden map: of a caller, of work. */
#define MAP_DELAY_MAX	(HZ / 10U)
#define MAP_WORK_DELAY_MAX	((unsigned int)HZ)

/* Is a request of the queue in use for @map? */
static bool drain_named(struct nvdio_queue *q, const struct nvdio_map *map)
{
	bool ret = false;
	u32 tag;

	/* It may have no other poller. */
	if (q->vector < 0)
		nvdio_queue_poll_all(q);
	spin_lock_irq(&q->cq_lock);
	for (tag = 0; !ret && tag < READ_ONCE(q->tags.fresh); tag++) {
		const struct nvdio_request *req = &q->reqs[tag];

		/* Pairs with nvdio_queue_submit_sqe(). */
		ret = smp_load_acquire(&req->state) != NVDIO_REQ_IDLE &&
		      READ_ONCE(req->flags) & NVDIO_REQ_MAPPED &&
		      READ_ONCE(req->map) == map;
	}
	spin_unlock_irq(&q->cq_lock);
	return ret;
}

/* Does no request name a hidden map? Then none will. */
static bool map_drained(const struct nvdio_map *map)
{
	const struct nvdio_ctrl *ctrl = map->ctrl;
	unsigned int i;

	for (i = 0; i < ctrl->nr_alloc; i++)
		if (drain_named(ctrl->io[i], map))
			return false;
	return true;
}

/*
 * Wait until no request names a hidden map.
 * Return: false if the task was killed.
 */
static bool map_drain(const struct nvdio_map *map)
{
	unsigned int delay = 1;

	while (!map_drained(map)) {
		if (fatal_signal_pending(current))
			return false;
		schedule_timeout_killable(delay);
		delay = min(2 * delay, MAP_DELAY_MAX);
	}
	return true;
}

/* Get its pages, or its dma-buf; see nvdio_map_create(). */
static int memory_get(struct nvdio_map *map, unsigned long from)
{
	int ret;

	if (map->flags & NVDIO_MAP_DMABUF)
		return nvdio_map_dmabuf_get(map, from);
	/* Before they are pinned, so that no change is missed. */
	if (map->flags & NVDIO_MAP_USER) {
		ret = nvdio_map_watch(map, from, watch_wq);
		if (ret)
			return ret;
	}
	ret = nvdio_map_pages_get(map, from);
	if (ret)
		nvdio_map_unwatch(map);
	else
		nvdio_map_watch_first(map);
	return ret;
}

static void memory_put(struct nvdio_map *map)
{
	nvdio_map_unwatch(map);
	nvdio_map_pages_put(map);
	nvdio_map_dmabuf_put(map);
}

/* Take a map apart that nothing refers to. */
static void map_free(struct nvdio_map *map)
{
	struct nvdio_ctrl *ctrl = map->ctrl;
	struct nvdio_maps *maps = &ctrl->maps;

	mutex_lock(&maps->lock);
	if (map->mapped)
		nvdio_map_dma_undo(map);
	list_del(&map->link);
	xa_erase(&maps->ids, map->id);
	mutex_unlock(&maps->lock);
	memory_put(map);
	mutex_lock(&maps->lock);
	maps->nr--;
	maps->bytes -= (u64)nvdio_map_pages(map) << PAGE_SHIFT;
	mutex_unlock(&maps->lock);
	if (map->mm)
		mmdrop(map->mm);
	kfree_rcu(map, rcu);
	if (atomic_dec_and_test(&maps->ending))
		wake_up_all(&maps->settled);
	put_device(&ctrl->dev);
	if (atomic_dec_and_test(&maps_ending))
		wake_up_all(&maps_ended);
}

static void map_hide(struct nvdio_map *map)
{
	mutex_lock(&map->ctrl->maps.lock);
	nvdio_map_hide(map);
	mutex_unlock(&map->ctrl->maps.lock);
}

static void map_work(struct work_struct *work)
{
	struct nvdio_map *map = container_of(to_delayed_work(work),
					     struct nvdio_map, work);

	map_hide(map);
	if (map_drained(map)) {
		map_free(map);
		return;
	}
	map->delay = clamp(2 * map->delay, 1U, MAP_WORK_DELAY_MAX);
	queue_delayed_work(map_wq, &map->work, map->delay);
}

static void map_last(struct kref *ref)
{
	struct nvdio_map *map = container_of(ref, struct nvdio_map, ref);

	atomic_inc(&map->ctrl->maps.ending);
	atomic_inc(&maps_ending);
}

/**
 * nvdio_map_get() - take a reference to a map
 * @map: map to which the caller has one
 *
 * Context: any.
 */
void nvdio_map_get(struct nvdio_map *map)
{
	kref_get(&map->ref);
}

/**
 * nvdio_map_put() - drop a reference to a map
 * @map: map
 *
 * If it is the last one the map ends soon.
 *
 * Context: any task; takes no lock.
 */
void nvdio_map_put(struct nvdio_map *map)
{
	if (kref_put(&map->ref, map_last))
		queue_delayed_work(map_wq, &map->work, 0);
}

/**
 * nvdio_map_del() - delete the identifier of a map, and drop a reference
 * @map: map, to which the caller has a reference
 * @file: open node of the caller
 *
 * If the map ends with this, it has ended on return, unless the caller is killed:
 * then it ends soon.
 *
 * Context: may sleep, for as long as commands take.
 * Return: 0; -ENOENT if its identifier has been deleted already, or belongs to
 * another address space and another file.
 */
int nvdio_map_del(struct nvdio_map *map, const struct file *file)
{
	struct nvdio_maps *maps = &map->ctrl->maps;
	bool had;

	mutex_lock(&maps->lock);
	had = map->owner && (map->mm == current->mm || map->owner == file);
	if (had)
		WRITE_ONCE(map->owner, NULL);
	mutex_unlock(&maps->lock);
	/* Not the last one: the caller has another. */
	if (had)
		nvdio_map_put(map);
	if (kref_put(&map->ref, map_last)) {
		map_hide(map);
		if (map_drain(map))
			map_free(map);
		else
			queue_delayed_work(map_wq, &map->work, 0);
	}
	return had ? 0 : -ENOENT;
}

/* Give the map an identifier, and let I/O find it. */
static int map_add(struct nvdio_map *map)
{
	struct nvdio_maps *maps = &map->ctrl->maps;
	int ret;

	mutex_lock(&maps->lock);
	ret = xa_alloc_cyclic(&maps->ids, &map->id, map,
			      XA_LIMIT(1, NVDIO_MAPS_MAX), &maps->next_id,
			      GFP_KERNEL);
	if (ret < 0) {
		ret = ret == -EBUSY ? -ENOSPC : ret;
		goto unlock;
	}
	ret = nvdio_map_show(map);
	if (ret) {
		xa_erase(&maps->ids, map->id);
		goto unlock;
	}
	list_add_tail(&map->link, &maps->list);
	maps->nr++;
	maps->bytes += (u64)nvdio_map_pages(map) << PAGE_SHIFT;
	get_device(&map->ctrl->dev);
unlock:
	mutex_unlock(&maps->lock);
	return ret;
}

/* One attempt of nvdio_map_create(). */
static struct nvdio_map *map_try(struct nvdio_ctrl *ctrl, u32 flags,
				 unsigned long from, u32 nr_pages)
{
	struct nvdio_map *map;
	int ret;

	map = kzalloc(sizeof(*map), GFP_KERNEL_ACCOUNT);
	if (!map)
		return ERR_PTR(-ENOMEM);
	kref_init(&map->ref);
	map->ctrl = ctrl;
	map->flags = flags;
	map->table.nr_pages = nr_pages << (PAGE_SHIFT - NVDIO_MPS_SHIFT);
	INIT_DELAYED_WORK(&map->work, map_work);
	/* User space may take its time, so this comes before _enter(). */
	ret = memory_get(map, from);
	if (ret)
		goto free;
	ret = -ENODEV;
	if (!nvdio_ctrl_enter(ctrl))
		goto memory;
	ret = nvdio_map_dma(map);
	if (!ret)
		ret = map_add(map);
	if (ret && map->mapped)
		nvdio_map_dma_undo(map);
	nvdio_ctrl_exit(ctrl);
	if (!ret)
		return map;
memory:
	memory_put(map);
free:
	/* I/O by identifier may have seen it: map_add() gives it one at first. */
	kfree_rcu(map, rcu);
	return ERR_PTR(ret);
}

/**
 * nvdio_map_create() - make a map
 * @ctrl: controller
 * @flags: NVDIO_MAP_ALLOC, NVDIO_MAP_USER or NVDIO_MAP_DMABUF, and others of
 *	NVDIO_MAP_*
 * @from: address of the caller's memory (USER), or descriptor (DMABUF)
 * @nr_pages: number of pages of PAGE_SIZE, 1 to NVDIO_MAP_PAGES_MAX
 *
 * I/O finds it on return.
 *
 * Context: may sleep.
 * Return: the map, with one reference; or ERR_PTR(): -EOPNOTSUPP if the controller
 * or the memory do not permit it, -ENODEV, -ENOSPC if there are as many maps as
 * there can be, or as nvdio_map_watch(), nvdio_map_pages_get(),
 * nvdio_map_dmabuf_get() and nvdio_map_dma().
 */
struct nvdio_map *nvdio_map_create(struct nvdio_ctrl *ctrl, u32 flags,
				   unsigned long from, u32 nr_pages)
{
	struct nvdio_maps *maps = &ctrl->maps;
	struct nvdio_map *map;

	if (!nvdio_map_dma_possible(ctrl))
		return ERR_PTR(-EOPNOTSUPP);
	map = map_try(ctrl, flags, from, nr_pages);
	if (map != ERR_PTR(-ENOMEM) && map != ERR_PTR(-ENOSPC))
		return map;
	/*
	 * What the caller has just unmapped may still count. It usually takes
	 * no time; if commands for it take long, others of this address space
	 * are not to wait for them.
	 */
	if (!atomic_read(&maps->ending) ||
	    wait_event_killable_timeout(maps->settled,
					!atomic_read(&maps->ending), HZ) < 0)
		return map;
	return map_try(ctrl, flags, from, nr_pages);
}

/**
 * nvdio_map_publish() - let the caller's address space use a map's identifier
 * @map: map, new; the caller's reference becomes that of the identifier
 * @file: open node; the identifier ends when it is released
 *
 * Context: may sleep.
 */
void nvdio_map_publish(struct nvdio_map *map, const struct file *file)
{
	mmgrab(current->mm);
	mutex_lock(&map->ctrl->maps.lock);
	map->mm = current->mm;
	/* Pairs with nvdio_map_find_id(). */
	smp_store_release(&map->owner, file);
	mutex_unlock(&map->ctrl->maps.lock);
}

/**
 * nvdio_map_by_id() - the map with an identifier
 * @ctrl: controller
 * @id: identifier, of user space
 *
 * Context: may sleep.
 * Return: the map, with a reference; or NULL if there is none that the caller
 * may use.
 */
struct nvdio_map *nvdio_map_by_id(struct nvdio_ctrl *ctrl, u32 id)
{
	struct nvdio_maps *maps = &ctrl->maps;
	struct nvdio_map *map;

	mutex_lock(&maps->lock);
	map = xa_load(&maps->ids, id);
	/* With an owner it has a reference. */
	if (map && map->owner &&
	    (map->mm == current->mm || map->flags & NVDIO_MAP_SHARED))
		kref_get(&map->ref);
	else
		map = NULL;
	mutex_unlock(&maps->lock);
	return map;
}

/**
 * nvdio_maps_release() - end the identifiers that were added through a file
 * @ctrl: controller
 * @file: file that is being released
 *
 * Context: may sleep.
 */
void nvdio_maps_release(struct nvdio_ctrl *ctrl, const struct file *file)
{
	struct nvdio_maps *maps = &ctrl->maps;
	struct nvdio_map *map;

again:
	mutex_lock(&maps->lock);
	list_for_each_entry(map, &maps->list, link) {
		if (map->owner != file)
			continue;
		WRITE_ONCE(map->owner, NULL);
		mutex_unlock(&maps->lock);
		nvdio_map_put(map);
		goto again;
	}
	mutex_unlock(&maps->lock);
}

/**
 * nvdio_maps_init() - a controller has no maps yet
 * @ctrl: controller
 *
 * Context: any.
 */
void nvdio_maps_init(struct nvdio_ctrl *ctrl)
{
	mutex_init(&ctrl->maps.lock);
	INIT_LIST_HEAD(&ctrl->maps.list);
	INIT_LIST_HEAD(&ctrl->maps.watched);
	xa_init_flags(&ctrl->maps.ids, XA_FLAGS_ALLOC1);
	init_waitqueue_head(&ctrl->maps.settled);
}

/**
 * nvdio_maps_unbind() - unmap all maps of a controller
 * @ctrl: controller whose requests are all idle; nvdio_ctrl_enter() fails, and
 *	nobody is left who has called it
 *
 * Their pages stay as long as there are references to the maps.
 *
 * Context: may sleep.
 */
void nvdio_maps_unbind(struct nvdio_ctrl *ctrl)
{
	struct nvdio_map *map;

	mutex_lock(&ctrl->maps.lock);
	list_for_each_entry(map, &ctrl->maps.list, link) {
		nvdio_map_hide(map);
		if (map->mapped)
			nvdio_map_dma_undo(map);
	}
	mutex_unlock(&ctrl->maps.lock);
}

/**
 * nvdio_maps_wq_init() - prepare for maps, at module load
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_maps_wq_init(void)
{
	map_wq = alloc_workqueue("nvdio-maps", WQ_UNBOUND, 0);
	if (!map_wq)
		return -ENOMEM;
	watch_wq = alloc_workqueue("nvdio-watch", WQ_UNBOUND, 0);
	if (!watch_wq) {
		destroy_workqueue(map_wq);
		return -ENOMEM;
	}
	return 0;
}

/**
 * nvdio_maps_wq_exit() - undo nvdio_maps_wq_init(), at module unload
 *
 * All controllers are unbound, and all files and VMAs gone; what is left of their
 * maps ends here.
 *
 * Context: may sleep.
 */
void nvdio_maps_wq_exit(void)
{
	wait_event(maps_ended, !atomic_read(&maps_ending));
	/* The last one may still be on its way out. */
	destroy_workqueue(map_wq);
	destroy_workqueue(watch_wq);
}
