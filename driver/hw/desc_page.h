/* SPDX-License-Identifier: GPL-2.0 */
/* Pages for PRP lists and SGL segments (NVMe Base 2.0, 4.1). */
#ifndef NVDIO_DESC_PAGE_H
#define NVDIO_DESC_PAGE_H

#include <linux/gfp_types.h>

#include "pure/dptr.h"

struct nvdio_ctrl;

/**
 * struct nvdio_desc_page - 4 KiB for a PRP list or an SGL segment
 * @next: next page of the same command
 * @mem: the memory
 */
struct nvdio_desc_page {
	struct nvdio_desc_page *next;
	struct nvdio_desc_mem mem;
};

struct nvdio_desc_page *nvdio_desc_page_get(struct nvdio_ctrl *ctrl, gfp_t gfp);
void nvdio_desc_page_put(struct nvdio_ctrl *ctrl, struct nvdio_desc_page *list);

#endif /* NVDIO_DESC_PAGE_H */
