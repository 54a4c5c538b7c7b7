/* SPDX-License-Identifier: GPL-2.0 */
/* dma-bufs as mapped memory. */
#ifndef NVDIO_MAP_DMABUF_H
#define NVDIO_MAP_DMABUF_H

#include <linux/dma-direction.h>

struct nvdio_map;

int nvdio_map_dmabuf_get(struct nvdio_map *map, int fd);
void nvdio_map_dmabuf_put(struct nvdio_map *map);
int nvdio_map_dmabuf_map(struct nvdio_map *map, enum dma_data_direction dir);
void nvdio_map_dmabuf_unmap(struct nvdio_map *map, enum dma_data_direction dir);

#endif /* NVDIO_MAP_DMABUF_H */
