// SPDX-License-Identifier: GPL-2.0
/* Pages for PRP lists and SGL segments. */
#include <linux/dmapool.h>
#include <linux/slab.h>

#include "pure/dptr.h"
#include "core/ctrl.h"
#include "hw/desc_page.h"

/**
 * nvdio_desc_page_get() - get 4 KiB of list memory
 * @ctrl: controller; the caller has called nvdio_ctrl_enter()
 * @gfp: how
 *
 * Return: the memory, or NULL.
 */
struct nvdio_desc_page *nvdio_desc_page_get(struct nvdio_ctrl *ctrl, gfp_t gfp)
{
	struct nvdio_desc_page *list = kmalloc(sizeof(*list), gfp);
	dma_addr_t dma;

	if (!list)
		return NULL;
	list->mem.virt = dma_pool_alloc(ctrl->desc_pages, gfp, &dma);
	if (!list->mem.virt) {
		kfree(list);
		return NULL;
	}
	list->mem.dma = dma;
	list->mem.bytes = NVDIO_MPS;
	return list;
}

/* Give back list memory that no command uses any more. Context: any. */
void nvdio_desc_page_put(struct nvdio_ctrl *ctrl, struct nvdio_desc_page *list)
{
	dma_pool_free(ctrl->desc_pages, list->mem.virt, list->mem.dma);
	kfree(list);
}
