/* SPDX-License-Identifier: GPL-2.0 */
/* The pages of mapped memory. */
#ifndef NVDIO_MAP_PAGES_H
#define NVDIO_MAP_PAGES_H

struct nvdio_map;

int nvdio_map_pages_get(struct nvdio_map *map, unsigned long addr);
void nvdio_map_pages_put(struct nvdio_map *map);

#endif /* NVDIO_MAP_PAGES_H */
