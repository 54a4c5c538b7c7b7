// SPDX-License-Identifier: GPL-2.0
/* Allocation of pages for PRP lists and SGL segments. */
#include <linux/dmapool.h>
#include <linux/slab.h>

#include "pure/dptr.h"
#include "core/ctrl.h"
#include "hw/desc_page.h"

/**
 * nvdio_desc_page_get() - allocate a descriptor page
 * @ctrl: controller; the caller has called nvdio_ctrl_enter()
 * @gfp: allocation flags
 *
 * Context: as @gfp allows.
 * Return: the page, not zeroed, or NULL.
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

/**
 * nvdio_desc_page_put() - free a descriptor page
 * @ctrl: controller; nvdio_ctrl_enter() is still in effect
 * @list: page that no command uses any more
 *
 * Context: any.
 */
void nvdio_desc_page_put(struct nvdio_ctrl *ctrl, struct nvdio_desc_page *list)
{
	dma_pool_free(ctrl->desc_pages, list->mem.virt, list->mem.dma);
	kfree(list);
}
