/* SPDX-License-Identifier: GPL-2.0 */
/* Recognising memory of the program's (NVDIO_MAP_USER) by its address. */
#ifndef NVDIO_MAP_WATCH_H
#define NVDIO_MAP_WATCH_H

#include <linux/types.h>

#include "core/map.h"

struct workqueue_struct;

/**
 * enum nvdio_map_found - what is known of memory
 * @NVDIO_MAP_HIT: it is mapped
 * @NVDIO_MAP_NONE: it is not, or not for this direction, or not as a whole
 * @NVDIO_MAP_UNKNOWN: nothing; see nvdio_map_learn()
 */
enum nvdio_map_found {
	NVDIO_MAP_HIT,
	NVDIO_MAP_NONE,
	NVDIO_MAP_UNKNOWN,
};

#ifdef CONFIG_MMU_NOTIFIER
int nvdio_map_watch(struct nvdio_map *map, unsigned long addr,
		    struct workqueue_struct *wq);
void nvdio_map_unwatch(struct nvdio_map *map);
void nvdio_map_watch_first(struct nvdio_map *map);
void nvdio_map_watch_show(struct nvdio_map *map);
void nvdio_map_watch_hide(struct nvdio_map *map);
enum nvdio_map_found nvdio_map_watch_find(struct nvdio_maps *maps,
					  unsigned long addr,
					  struct nvdio_map_cached *cached);
bool nvdio_map_watch_again(struct nvdio_maps *maps, unsigned long addr);
#else
static inline int nvdio_map_watch(struct nvdio_map *map, unsigned long addr,
				  struct workqueue_struct *wq)
{
	return 0;
}

static inline void nvdio_map_unwatch(struct nvdio_map *map)
{
}

static inline void nvdio_map_watch_first(struct nvdio_map *map)
{
}

static inline void nvdio_map_watch_show(struct nvdio_map *map)
{
}

static inline void nvdio_map_watch_hide(struct nvdio_map *map)
{
}

static inline enum nvdio_map_found
nvdio_map_watch_find(struct nvdio_maps *maps, unsigned long addr,
		     struct nvdio_map_cached *cached)
{
	cached->len = ULONG_MAX;
	return NVDIO_MAP_NONE;
}

static inline bool nvdio_map_watch_again(struct nvdio_maps *maps,
					 unsigned long addr)
{
	return false;
}
#endif

#endif /* NVDIO_MAP_WATCH_H */
