// SPDX-License-Identifier: GPL-2.0
/*
 * Bounce buffers of passthrough commands, and data pointers that end nowhere.
 *
 * The admin queue has no SGLs, and nobody but the controller knows how many
 * bytes, say, a vendor's command moves. If it moved more than there are, it
 * would take PRPs from behind the list's end. So the list has none (invariant
 * 9): behind the PRPs of the buffer come PRPs of a scratch page up to the
 * list's end, and there a pointer to a second list, of nothing but the scratch
 * page and, at its end, the second list itself.
 *
 * PRP2 points to the list whatever the controller takes it for. It takes it
 * for data if it moves no more than two pages, and then overwrites the list,
 * which it does not use then. It must not be the other way round, that user
 * data are taken for a list; so a buffer of more than a page begins so late in
 * its first page that it touches three.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "bounced.h"
#include "ctrl.h"
#include "pool.h"

#define LIST_ENTRIES	(NVDIO_MPS / sizeof(__le64))

/* Where a buffer begins that has to touch three pages: one dword before. */
#define LATE_START	(NVDIO_MPS - 4)

/**
 * struct nvdio_bounced - a bounce buffer
 * @page: memory
 * @order: its size
 * @dma: its address for the controller
 * @dir: direction
 * @offset: where the data begin
 * @len: bytes of data
 * @lists: list memory, and scratch memory
 */
struct nvdio_bounced {
	struct page *page;
	unsigned int order;
	dma_addr_t dma;
	enum dma_data_direction dir;
	u32 offset;
	u32 len;
	struct nvdio_list *lists;
};

static struct nvdio_list *bounced_list(struct nvdio_ctrl *ctrl,
				       struct nvdio_bounced *b, gfp_t gfp)
{
	struct nvdio_list *list = nvdio_list_get(ctrl, gfp);

	if (list) {
		list->next = b->lists;
		b->lists = list;
		memset(list->mem.virt, 0, list->mem.bytes);
	}
	return list;
}

/* The data pointer of a command that moves @b->len bytes. */
static int bounced_exact(struct nvdio_ctrl *ctrl, struct nvdio_bounced *b,
			 union nvme_data_ptr *dptr, gfp_t gfp)
{
	const struct nvdio_dptr_limits limits = {
		.max_bytes = ctrl->max_bytes,
	};
	struct nvdio_list_mem mem[NVDIO_MAX_LISTS];
	struct nvdio_dptr_plan plan;
	struct nvdio_cursor cur;
	struct scatterlist sg;
	u32 i;

	sg_init_table(&sg, 1);
	sg_dma_address(&sg) = b->dma;
	sg_dma_len(&sg) = b->len;
	cur.sg = &sg;
	cur.offset = 0;
	nvdio_dptr_plan(&cur, b->len, &limits, &plan);
	if (plan.bytes != b->len)
		return -EINVAL;
	for (i = 0; i < nvdio_dptr_lists(&plan, NVDIO_MPS); i++) {
		struct nvdio_list *list = bounced_list(ctrl, b, gfp);

		if (!list)
			return -ENOMEM;
		mem[i] = list->mem;
	}
	nvdio_dptr_build(&cur, &plan, mem, dptr);
	return 0;
}

/* The data pointer of a command that moves nobody knows how much. */
static int bounced_endless(struct nvdio_ctrl *ctrl, struct nvdio_bounced *b,
			   union nvme_data_ptr *dptr, gfp_t gfp)
{
	struct nvdio_list *first = bounced_list(ctrl, b, gfp);
	struct nvdio_list *second = bounced_list(ctrl, b, gfp);
	struct nvdio_list *scratch = bounced_list(ctrl, b, gfp);
	dma_addr_t page = b->dma + NVDIO_MPS;
	__le64 *prps;
	u32 i;

	if (!first || !second || !scratch)
		return -ENOMEM;
	dptr->prp1 = cpu_to_le64(b->dma + b->offset);
	dptr->prp2 = cpu_to_le64(first->mem.dma);

	prps = first->mem.virt;
	for (i = 0; i < LIST_ENTRIES - 1; i++, page += NVDIO_MPS)
		prps[i] = cpu_to_le64(page < b->dma + b->offset + b->len ?
				      page : scratch->mem.dma);
	prps[i] = cpu_to_le64(second->mem.dma);

	prps = second->mem.virt;
	for (i = 0; i < LIST_ENTRIES - 1; i++)
		prps[i] = cpu_to_le64(scratch->mem.dma);
	prps[i] = cpu_to_le64(second->mem.dma);
	return 0;
}

/**
 * nvdio_bounced_map() - get a bounce buffer
 * @ctrl: controller; the caller has called nvdio_ctrl_enter()
 * @filter: what the command will do
 * @iter: memory, copied from if the data go to the controller
 * @dptr: the command's data pointer
 * @gfp: how to allocate
 *
 * Context: may sleep, under GFP_NOWAIT only to bring in user pages.
 * Return: the buffer, to be undone with nvdio_bounced_unmap() and then
 * nvdio_bounced_free(); or ERR_PTR().
 */
struct nvdio_bounced *nvdio_bounced_map(struct nvdio_ctrl *ctrl,
					const struct nvdio_filter *filter,
					struct iov_iter *iter,
					union nvme_data_ptr *dptr, gfp_t gfp)
{
	struct device *dev = ctrl->dev.parent;
	struct nvdio_bounced *b;
	int ret;

	b = kzalloc(sizeof(*b), gfp);
	if (!b)
		return ERR_PTR(-ENOMEM);
	b->len = filter->bytes;
	b->dir = filter->dir == NVDIO_FILTER_TO_CTRL ? DMA_TO_DEVICE :
						       DMA_FROM_DEVICE;
	if (!filter->exact && b->len > NVDIO_MPS) {
		b->offset = LATE_START;
		/* One dword more than a page touches two, late or not. */
		ret = -EINVAL;
		if (b->offset + b->len <= 2 * NVDIO_MPS ||
		    b->offset + b->len > LIST_ENTRIES * NVDIO_MPS)
			goto free;
	}
	b->order = get_order(max(b->offset + b->len, NVDIO_MPS));
	ret = -ENOMEM;
	if (b->order > MAX_PAGE_ORDER)
		goto free;
	b->page = alloc_pages(gfp | __GFP_ZERO | __GFP_COMP | __GFP_NOWARN,
			      b->order);
	if (!b->page)
		goto free;
	ret = -EFAULT;
	if (b->dir == DMA_TO_DEVICE &&
	    !copy_from_iter_full(page_address(b->page) + b->offset, b->len,
				 iter))
		goto free;
	b->dma = dma_map_page(dev, b->page, 0, PAGE_SIZE << b->order, b->dir);
	ret = -ENOMEM;
	if (dma_mapping_error(dev, b->dma))
		goto free;
	if (filter->exact)
		ret = bounced_exact(ctrl, b, dptr, gfp);
	else
		ret = bounced_endless(ctrl, b, dptr, gfp);
	if (!ret)
		return b;
	nvdio_bounced_unmap(ctrl, b);
free:
	nvdio_bounced_free(b);
	return ERR_PTR(ret);
}

/**
 * nvdio_bounced_unmap() - the controller does not use the buffer any more
 * @ctrl: controller
 * @bounced: buffer
 *
 * Context: any.
 */
void nvdio_bounced_unmap(struct nvdio_ctrl *ctrl, struct nvdio_bounced *bounced)
{
	dma_unmap_page(ctrl->dev.parent, bounced->dma,
		       PAGE_SIZE << bounced->order, bounced->dir);
	while (bounced->lists) {
		struct nvdio_list *list = bounced->lists;

		bounced->lists = list->next;
		nvdio_list_put(ctrl, list);
	}
}

/**
 * nvdio_bounced_copy_out() - copy what the controller wrote
 * @bounced: buffer that is unmapped
 * @iter: where to
 *
 * Context: may sleep; with the memory of @iter.
 * Return: 0 or -EFAULT.
 */
int nvdio_bounced_copy_out(struct nvdio_bounced *bounced, struct iov_iter *iter)
{
	void *data = page_address(bounced->page) + bounced->offset;

	return copy_to_iter(data, bounced->len, iter) == bounced->len ?
	       0 : -EFAULT;
}

/* Free an unmapped buffer. Context: any. */
void nvdio_bounced_free(struct nvdio_bounced *bounced)
{
	if (bounced->page)
		__free_pages(bounced->page, bounced->order);
	kfree(bounced);
}
