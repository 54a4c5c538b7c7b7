/* SPDX-License-Identifier: GPL-2.0 */
/* The standing DMA mapping of mapped memory. */
#ifndef NVDIO_MAP_DMA_H
#define NVDIO_MAP_DMA_H

#include <linux/types.h>

struct nvdio_ctrl;
struct nvdio_map;

bool nvdio_map_dma_possible(const struct nvdio_ctrl *ctrl);
int nvdio_map_dma(struct nvdio_map *map);
void nvdio_map_dma_undo(struct nvdio_map *map);

#endif /* NVDIO_MAP_DMA_H */
