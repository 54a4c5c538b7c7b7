// SPDX-License-Identifier: GPL-2.0
/* The standing DMA mapping of mapped memory, and its PRP lists. */
#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "pure/map_table.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "io/map_dma.h"
#include "io/map_dmabuf.h"
#include "uapi/nvdio.h"

static enum dma_data_direction dma_dir(const struct nvdio_map *map)
{
	return map->flags & NVDIO_MAP_READ_ONLY ? DMA_TO_DEVICE :
						  DMA_BIDIRECTIONAL;
}

/* Is it one run for the controller? Sets @table->base. */
static bool dma_one_run(struct nvdio_map *map)
{
	struct scatterlist *sg;
	u64 end = 0;
	int i;

	for_each_sgtable_dma_sg(map->bus, sg, i) {
		if (!i)
			map->table.base = sg_dma_address(sg);
		else if (sg_dma_address(sg) != end)
			return false;
		end = sg_dma_address(sg) + sg_dma_len(sg);
	}
	return true;
}

/* Can the controller and the CPU share it without calls in between? */
static bool dma_shared(struct nvdio_map *map)
{
	struct device *dev = map->ctrl->dev.parent;
	struct scatterlist *sg;
	int i;

	for_each_sgtable_dma_sg(map->bus, sg, i)
		if (nvdio_dma_need_sync(dev, sg_dma_address(sg)))
			return false;
	return true;
}

static void dma_free_lists(struct nvdio_map *map)
{
	const u32 nr = nvdio_map_table_lists(map->table.nr_pages);
	struct nvdio_map_table *table = &map->table;
	u32 i;

	for (i = 0; table->lists && table->list_dma && i < nr; i++) {
		if (!table->lists[i])
			break;
		dma_free_coherent(map->ctrl->dev.parent, NVDIO_MAP_LIST_SIZE,
				  table->lists[i], table->list_dma[i]);
		cond_resched();
	}
	kvfree(table->lists);
	kvfree(table->list_dma);
	table->lists = NULL;
	table->list_dma = NULL;
}

static int dma_alloc_lists(struct nvdio_map *map)
{
	const u32 nr = nvdio_map_table_lists(map->table.nr_pages);
	struct nvdio_map_table *table = &map->table;
	dma_addr_t dma;
	u32 i;

	table->lists = kvcalloc(nr, sizeof(*table->lists), GFP_KERNEL_ACCOUNT);
	table->list_dma = kvcalloc(nr, sizeof(*table->list_dma),
				   GFP_KERNEL_ACCOUNT);
	if (!table->lists || !table->list_dma)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		table->lists[i] = dma_alloc_coherent(map->ctrl->dev.parent,
						     NVDIO_MAP_LIST_SIZE, &dma,
						     GFP_KERNEL_ACCOUNT);
		if (!table->lists[i])
			return -ENOMEM;
		table->list_dma[i] = dma;
		cond_resched();
	}
	return 0;
}

static void dma_fill_lists(struct nvdio_map *map)
{
	const u32 nr = map->table.nr_pages;
	struct scatterlist *sg;
	u32 page = 0;
	u64 off;
	int i;

	/* A dma-buf may be larger than the map. */
	for_each_sgtable_dma_sg(map->bus, sg, i) {
		for (off = 0; off < sg_dma_len(sg) && page < nr;
		     off += NVDIO_MPS)
			nvdio_map_table_set(&map->table, page++,
					    sg_dma_address(sg) + off);
		cond_resched();
	}
}

/**
 * nvdio_map_dma_possible() - does a controller permit mapped memory?
 * @ctrl: controller
 *
 * Not where mapping may bounce, nor where it has to be undone for the CPU to see
 * the data.
 *
 * Context: any.
 * Return: true if it does.
 */
bool nvdio_map_dma_possible(const struct nvdio_ctrl *ctrl)
{
	return !ctrl->bounces && dev_is_dma_coherent(ctrl->dev.parent);
}

static int dma_map_pages(struct nvdio_map *map)
{
	const struct nvdio_ctrl *ctrl = map->ctrl;
	const u32 nr = nvdio_map_pages(map);
	int ret;

	ret = sg_alloc_table_from_pages_segment(&map->sgt, map->pages, nr, 0,
						(unsigned long)nr << PAGE_SHIFT,
						ctrl->max_map_bytes,
						GFP_KERNEL_ACCOUNT);
	if (ret)
		return ret;
	ret = dma_map_sgtable(ctrl->dev.parent, &map->sgt, dma_dir(map),
			      DMA_ATTR_NO_WARN);
	if (ret)
		sg_free_table(&map->sgt);
	else
		map->bus = &map->sgt;
	return ret;
}

static void dma_unmap_pages(struct nvdio_map *map)
{
	dma_unmap_sgtable(map->ctrl->dev.parent, &map->sgt, dma_dir(map), 0);
	sg_free_table(&map->sgt);
}

/**
 * nvdio_map_dma() - map a map for DMA
 * @map: map with its pages, or its dma-buf
 *
 * Context: may sleep; the caller has called nvdio_ctrl_enter().
 * Return: 0, to be undone with nvdio_map_dma_undo(); -EOPNOTSUPP if it would
 * bounce; -ENOMEM; another -errno of the DMA API; or as nvdio_map_dmabuf_map().
 */
int nvdio_map_dma(struct nvdio_map *map)
{
	const struct nvdio_ctrl *ctrl = map->ctrl;
	int ret;

	if (!nvdio_map_dma_possible(ctrl))
		return -EOPNOTSUPP;
	if (map->buf)
		ret = nvdio_map_dmabuf_map(map, dma_dir(map));
	else
		ret = dma_map_pages(map);
	if (ret)
		return ret;
	if (!dma_shared(map)) {
		ret = -EOPNOTSUPP;
	} else if (!dma_one_run(map) || !ctrl->sgls) {
		ret = dma_alloc_lists(map);
		if (!ret)
			dma_fill_lists(map);
	}
	map->mapped = true;
	if (ret)
		nvdio_map_dma_undo(map);
	return ret;
}

/**
 * nvdio_map_dma_undo() - undo nvdio_map_dma()
 * @map: map that no command is in flight for
 *
 * Context: may sleep; the driver is not unbound yet.
 */
void nvdio_map_dma_undo(struct nvdio_map *map)
{
	if (map->buf)
		nvdio_map_dmabuf_unmap(map, dma_dir(map));
	else
		dma_unmap_pages(map);
	dma_free_lists(map);
	map->mapped = false;
}
