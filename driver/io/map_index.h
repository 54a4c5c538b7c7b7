/* SPDX-License-Identifier: GPL-2.0 */
/* What I/O finds of mapped memory. */
#ifndef NVDIO_MAP_INDEX_H
#define NVDIO_MAP_INDEX_H

struct nvdio_map;

int nvdio_map_show(struct nvdio_map *map);
void nvdio_map_hide(struct nvdio_map *map);

#endif /* NVDIO_MAP_INDEX_H */
