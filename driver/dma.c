// SPDX-License-Identifier: GPL-2.0
/* DMA mapping of a whole read or write, and the commands' data pointers. */
#include <linux/dma-mapping.h>

#include "compat.h"
#include "ctrl.h"
#include "dma.h"
#include "pool.h"

static enum dma_data_direction dma_dir(const struct nvdio_dio *dio)
{
	return dio->write ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

/* Where mapping is only an addition, without a call for each entry. */
static void dma_map_linear(struct nvdio_dio *dio, dma_addr_t offset)
{
	struct scatterlist *sg = dio->sg.sgl, *end = sg + dio->sg.nents;

	for (; sg < end; sg++) {
		sg_dma_address(sg) = sg_phys(sg) + offset;
		sg_dma_len(sg) = sg->length;
	}
	dio->need_unmap = false;
}

/**
 * nvdio_dma_map() - map the scatterlist of a read or write
 * @dio: with its scatterlist built
 *
 * Context: any.
 * Return: 0, or -ENOMEM, -EIO or -EREMOTEIO from the DMA API.
 */
int nvdio_dma_map(struct nvdio_dio *dio)
{
	struct nvdio_ctrl *ctrl = dio->ns->ctrl;
	struct device *dev = ctrl->dev.parent;
	int ret;

	dio->cur.sg = dio->sg.sgl;
	dio->cur.offset = 0;
	if (likely(ctrl->linear)) {
		dma_map_linear(dio, ctrl->dma_offset);
		return 0;
	}
	sg_mark_end(&dio->sg.sgl[dio->sg.nents - 1]);
	dio->sgt.sgl = dio->sg.sgl;
	dio->sgt.orig_nents = dio->sg.nents;
	ret = dma_map_sgtable(dev, &dio->sgt, dma_dir(dio), 0);
	if (ret)
		return ret;
	dio->need_unmap = nvdio_dma_need_unmap(dev);
	if (dio->need_unmap)
		this_cpu_add(dio->ns->stats->segments_mapped, dio->sg.nents);
	return 0;
}

/**
 * nvdio_dma_unmap() - undo nvdio_dma_map(), if it was done
 * @dio: whose commands are all over
 *
 * Context: any.
 */
void nvdio_dma_unmap(struct nvdio_dio *dio)
{
	if (!dio->need_unmap)
		return;
	dio->need_unmap = false;
	this_cpu_sub(dio->ns->stats->segments_mapped, dio->sg.nents);
	dma_unmap_sgtable(dio->ns->ctrl->dev.parent, &dio->sgt, dma_dir(dio),
			  0);
}

/**
 * nvdio_dma_command() - cut the next command off a mapped read or write
 * @dio: with bytes left to be sent; moved behind the command
 * @gfp: how list memory may be allocated
 * @bytes: set to what the command moves
 * @dptr: set to the command's data pointer
 * @sgl: set if that is an SGL
 *
 * Context: as @gfp says.
 * Return: 0, -ENOMEM, or -EINVAL if no command can describe what comes next.
 */
int nvdio_dma_command(struct nvdio_dio *dio, gfp_t gfp, u32 *bytes,
		      union nvme_data_ptr *dptr, bool *sgl)
{
	struct nvdio_list_mem lists[NVDIO_MAX_LISTS];
	struct nvdio_dptr_plan plan;
	u32 nr = 0;

	nvdio_dptr_plan(&dio->cur, dio->left, dio->limits, &plan);
	if (unlikely(!plan.bytes))
		return -EINVAL;

	if (plan.entries && !dio->inline_list_used && dio->inline_list.virt &&
	    nvdio_dptr_lists(&plan, dio->inline_list.bytes) == 1) {
		lists[0] = dio->inline_list;
		dio->inline_list_used = true;
	} else if (plan.entries) {
		for (nr = 0; nr < nvdio_dptr_lists(&plan, NVDIO_MPS); nr++) {
			struct nvdio_list *list;

			list = nvdio_list_get(dio->ns->ctrl, gfp);
			if (!list)
				return -ENOMEM;
			list->next = dio->lists;
			dio->lists = list;
			lists[nr] = list->mem;
		}
	}
	nvdio_dptr_build(&dio->cur, &plan, lists, dptr);
	*bytes = plan.bytes;
	*sgl = plan.sgl;
	return 0;
}
