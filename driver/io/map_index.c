// SPDX-License-Identifier: GPL-2.0
/*
 * What I/O finds of mapped memory: the index by page frame number that all
 * queues share, and each queue's cache of addresses. Both are looked at under
 * sq_lock, so whoever has changed something and then taken each sq_lock once
 * knows that nobody sees what was there before.
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "pure/pfn_index.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "hw/queue.h"
#include "io/map_index.h"
#include "io/map_watch.h"

static struct nvdio_pfn_index *index_alloc(const struct nvdio_pfn_index *full)
{
	const u32 frames = nvdio_pfn_frames(full);
	struct nvdio_pfn_index *idx;

	idx = kvzalloc(nvdio_pfn_index_bytes(frames), GFP_KERNEL);
	if (idx)
		nvdio_pfn_init(idx, frames);
	return idx;
}

/* Let all queues use @idx. */
static void index_set(struct nvdio_ctrl *ctrl,
		      const struct nvdio_pfn_index *idx)
{
	unsigned int i;

	for (i = 0; i < ctrl->nr_alloc; i++) {
		spin_lock(&ctrl->io[i]->sq_lock);
		ctrl->io[i]->pfns = idx;
		spin_unlock(&ctrl->io[i]->sq_lock);
	}
}

static int index_grow(struct nvdio_ctrl *ctrl)
{
	struct nvdio_pfn_index *old = ctrl->maps.pfns;
	struct nvdio_pfn_index *idx = index_alloc(old);

	if (!idx)
		return -ENOMEM;
	if (old)
		nvdio_pfn_copy(idx, old);
	ctrl->maps.pfns = idx;
	index_set(ctrl, idx);
	kvfree(old);
	return 0;
}

/* Add a run of a map, with all the memory that it takes. */
static int index_add(struct nvdio_map *map, struct nvdio_pfn_run *run,
		     u64 **table)
{
	struct nvdio_ctrl *ctrl = map->ctrl;
	int ret;

	for (;;) {
		ret = nvdio_pfn_add(ctrl->maps.pfns, map->id, run, table);
		if (ret == -ENOMEM) {
			*table = kzalloc(NVDIO_PFN_TABLE_BYTES,
					 GFP_KERNEL_ACCOUNT);
			if (!*table)
				return ret;
		} else if (ret == -ENOSPC) {
			ret = index_grow(ctrl);
			if (ret)
				return ret;
		} else {
			return ret;
		}
	}
}

static void index_run(struct nvdio_pfn_run *run, struct scatterlist *sg,
		      u32 page)
{
	run->pfn = page_to_pfn(sg_page(sg));
	run->nr = sg->length >> PAGE_SHIFT;
	run->page = page;
}

static void index_del(struct nvdio_map *map)
{
	struct nvdio_pfn_run run;
	struct scatterlist *sg;
	u32 page = 0;
	int i;

	for_each_sgtable_sg(&map->sgt, sg, i) {
		index_run(&run, sg, page);
		nvdio_pfn_del(map->ctrl->maps.pfns, map->id, &run);
		page += run.nr;
		cond_resched();
	}
}

/* Free what is left over, after readers from before have gone. */
static void index_reap(struct nvdio_ctrl *ctrl)
{
	struct nvdio_pfn_index *idx = ctrl->maps.pfns;
	u64 *table;
	u32 at = 0;

	while ((table = nvdio_pfn_reap(idx, &at)))
		kfree(table);
	if (idx->live)
		return;
	ctrl->maps.pfns = NULL;
	index_set(ctrl, NULL);
	kvfree(idx);
}

/**
 * nvdio_map_show() - let I/O find a map
 * @map: map that is mapped for DMA and has an identifier
 *
 * One without pages is found by its identifier only: the pages of a dma-buf are
 * not known here, and are no business of its importers.
 *
 * Context: may sleep; @map->ctrl->maps.lock is held.
 * Return: 0, to be undone with nvdio_map_hide(); -ENOMEM.
 */
int nvdio_map_show(struct nvdio_map *map)
{
	struct nvdio_ctrl *ctrl = map->ctrl;
	struct nvdio_pfn_run run;
	struct scatterlist *sg;
	u64 *table = NULL;
	u32 page = 0;
	int i, ret;

	lockdep_assert_held(&ctrl->maps.lock);
	if (!map->pages)
		return 0;
	ret = ctrl->maps.pfns ? 0 : index_grow(ctrl);
	if (ret)
		return ret;
	for_each_sgtable_sg(&map->sgt, sg, i) {
		index_run(&run, sg, page);
		page += run.nr;
		ret = index_add(map, &run, &table);
		if (ret)
			break;
		cond_resched();
	}
	kfree(table);
	if (ret) {
		index_del(map);
		/* Nobody has looked at its entries, but at their tables. */
		index_set(ctrl, ctrl->maps.pfns);
		index_reap(ctrl);
		return ret;
	}
	nvdio_pfn_show(ctrl->maps.pfns, map->id, map);
	nvdio_map_watch_show(map);
	return 0;
}

/* Forget what the queue knows of addresses of @map. */
static void cache_purge(struct nvdio_queue *q, const struct nvdio_map *map)
{
	struct nvdio_map_range *cached = q->map_cache;

	for (; cached < q->map_cache + NVDIO_MAP_CACHE; cached++)
		if (cached->map == map)
			memset(cached, 0, sizeof(*cached));
}

/**
 * nvdio_map_hide() - let I/O no longer find a map
 * @map: map after nvdio_map_show()
 *
 * On return every command for it is in flight, or has ended.
 *
 * Context: may sleep; @map->ctrl->maps.lock is held.
 */
void nvdio_map_hide(struct nvdio_map *map)
{
	struct nvdio_ctrl *ctrl = map->ctrl;
	unsigned int i;

	lockdep_assert_held(&ctrl->maps.lock);
	if (map->hidden)
		return;
	/* There is none if other maps had all of its pages, and have ended. */
	if (ctrl->maps.pfns && map->pages) {
		nvdio_pfn_hide(ctrl->maps.pfns, map->id);
		index_del(map);
	}
	nvdio_map_watch_hide(map);
	WRITE_ONCE(map->hidden, true);
	for (i = 0; i < ctrl->nr_alloc; i++) {
		spin_lock(&ctrl->io[i]->sq_lock);
		cache_purge(ctrl->io[i], map);
		spin_unlock(&ctrl->io[i]->sq_lock);
	}
	if (ctrl->maps.pfns)
		index_reap(ctrl);
}
