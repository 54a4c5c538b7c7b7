/* SPDX-License-Identifier: GPL-2.0 */
/* DMA mapping of a whole read or write, and the commands' data pointers. */
#ifndef NVDIO_DMA_H
#define NVDIO_DMA_H

#include "dio.h"

int nvdio_dma_map(struct nvdio_dio *dio);
void nvdio_dma_unmap(struct nvdio_dio *dio);
int nvdio_dma_command(struct nvdio_dio *dio, gfp_t gfp, u32 *bytes,
		      union nvme_data_ptr *dptr, bool *sgl);

#endif /* NVDIO_DMA_H */
