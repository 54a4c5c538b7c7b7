/* SPDX-License-Identifier: GPL-2.0 */
/* Life of mapped memory (core/map.h). */
#ifndef NVDIO_IO_MAP_H
#define NVDIO_IO_MAP_H

#include <linux/types.h>

struct file;
struct nvdio_ctrl;
struct nvdio_map;

int nvdio_maps_wq_init(void);
void nvdio_maps_wq_exit(void);
void nvdio_maps_init(struct nvdio_ctrl *ctrl);
void nvdio_maps_unbind(struct nvdio_ctrl *ctrl);
void nvdio_maps_release(struct nvdio_ctrl *ctrl, const struct file *file);

struct nvdio_map *nvdio_map_create(struct nvdio_ctrl *ctrl, u32 flags,
				   unsigned long from, u32 nr_pages);
void nvdio_map_get(struct nvdio_map *map);
void nvdio_map_put(struct nvdio_map *map);
void nvdio_map_publish(struct nvdio_map *map, const struct file *file);
struct nvdio_map *nvdio_map_by_id(struct nvdio_ctrl *ctrl, u32 id);
int nvdio_map_del(struct nvdio_map *map, const struct file *file);

#endif /* NVDIO_IO_MAP_H */
