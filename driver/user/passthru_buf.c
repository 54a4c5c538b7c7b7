// SPDX-License-Identifier: GPL-2.0
/*
 * Bounce buffers of passthrough commands.
 *
 * They are for the admin queue, which has no SGLs, for memory that PRPs and
 * SGLs cannot describe, and for commands, such as vendor specific ones, whose
 * data size only the controller knows: their data pointer is one that never
 * ends (looping.h, invariant 9).
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "pure/dptr.h"
#include "pure/filter.h"
#include "pure/looping.h"
#include "core/ctrl.h"
#include "hw/desc_page.h"
#include "io/dma.h"
#include "user/passthru_buf.h"

/**
 * struct nvdio_passthru_buf - a bounce buffer
 * @virt: memory, whole pages, contiguous only for the CPU
 * @sgt: scatterlist of @virt
 * @dir: direction
 * @offset: offset of the data in @virt
 * @len: data size in bytes
 * @lists: descriptor memory, and the scratch page
 * @mem: those list pages that the controller may write data to
 * @nr_mem: number of entries in @mem
 * @was: original contents of @mem
 */
struct nvdio_passthru_buf {
	void *virt;
	struct sg_table sgt;
	enum dma_data_direction dir;
	u32 offset;
	u32 len;
	struct nvdio_desc_page *lists;
	struct nvdio_desc_mem mem[NVDIO_LOOPING_LISTS];
	u32 nr_mem;
	void *was;
};

static struct nvdio_desc_page *buf_list(struct nvdio_ctrl *ctrl,
					struct nvdio_passthru_buf *b, gfp_t gfp)
{
	struct nvdio_desc_page *list = nvdio_desc_page_get(ctrl, gfp);

	if (list) {
		list->next = b->lists;
		b->lists = list;
		memset(list->mem.virt, 0, list->mem.bytes);
	}
	return list;
}

/* Build the data pointer of a command that moves @b->len bytes. */
static int buf_exact(struct nvdio_ctrl *ctrl, struct nvdio_passthru_buf *b,
		     union nvme_data_ptr *dptr, gfp_t gfp)
{
	const struct nvdio_dptr_limits limits = {
		.max_bytes = ctrl->max_bytes,
	};
	struct nvdio_desc_mem mem[NVDIO_MAX_LISTS];
	struct nvdio_dptr_plan plan;
	struct nvdio_cursor cur = { .sg = b->sgt.sgl };
	u32 i;

	nvdio_dptr_plan(&cur, b->len, &limits, &plan);
	if (plan.bytes != b->len)
		return -EINVAL;
	for (i = 0; i < nvdio_dptr_lists(&plan, NVDIO_MPS); i++) {
		struct nvdio_desc_page *list = buf_list(ctrl, b, gfp);

		if (!list)
			return -ENOMEM;
		mem[i] = list->mem;
	}
	nvdio_dptr_build(&cur, &plan, mem, dptr);
	return 0;
}

/* Build the data pointer of a command of unknown data size. */
static int buf_looping(struct nvdio_ctrl *ctrl, struct nvdio_passthru_buf *b,
		       union nvme_data_ptr *dptr, gfp_t gfp)
{
	struct nvdio_cursor cur = { .sg = b->sgt.sgl };
	u32 nr = nvdio_looping_lists(b->offset, b->len), i;
	struct nvdio_desc_page *list;

	for (i = 0; i < nr; i++) {
		list = buf_list(ctrl, b, gfp);
		if (!list)
			return -ENOMEM;
		b->mem[i] = list->mem;
	}
	list = buf_list(ctrl, b, gfp);
	if (!list)
		return -ENOMEM;
	nvdio_looping_build(&cur, b->offset, b->len, b->mem, list->mem.dma,
			    dptr);

	/* No data can end up in the last list: it is past the buffer. */
	if (b->dir == DMA_TO_DEVICE || b->offset + b->len <= NVDIO_MPS)
		return 0;
	b->was = kvmalloc_array(nr - 1, NVDIO_MPS, gfp | __GFP_NOWARN);
	if (!b->was)
		return -ENOMEM;
	for (i = 0; i < nr - 1; i++)
		memcpy(b->was + i * NVDIO_MPS, b->mem[i].virt, NVDIO_MPS);
	b->nr_mem = nr - 1;
	return 0;
}

/* Allocate zeroed pages, and a scatterlist of them. */
static int buf_alloc(struct nvdio_ctrl *ctrl, struct nvdio_passthru_buf *b,
		     gfp_t gfp)
{
	const size_t size = PAGE_ALIGN(b->len ? b->offset + b->len : 1);
	const unsigned int nr = size >> PAGE_SHIFT;
	struct page **pages;
	unsigned int i;
	int ret;

	b->virt = kvzalloc(size, gfp | __GFP_NOWARN);
	pages = kvmalloc_array(nr, sizeof(*pages), gfp | __GFP_NOWARN);
	ret = -ENOMEM;
	if (b->virt && pages) {
		for (i = 0; i < nr; i++) {
			void *page = b->virt + i * PAGE_SIZE;

			pages[i] = is_vmalloc_addr(page) ?
				   vmalloc_to_page(page) : virt_to_page(page);
		}
		ret = sg_alloc_table_from_pages_segment(&b->sgt, pages, nr, 0,
							size,
							ctrl->max_map_bytes,
							gfp);
	}
	kvfree(pages);
	return ret;
}

/**
 * nvdio_passthru_buf_map() - allocate and map a bounce buffer
 * @ctrl: controller; on success nvdio_ctrl_enter() has been called
 * @filter: what the command will do
 * @iter: user memory, copied from if data go to the controller
 * @dptr: filled in, the command's data pointer
 * @gfp: how to allocate
 *
 * Context: may sleep; under GFP_NOWAIT only to fault in user pages.
 * Return: the buffer, to be undone with nvdio_passthru_buf_unmap() and then
 * nvdio_passthru_buf_free(); or ERR_PTR().
 */
struct nvdio_passthru_buf *
nvdio_passthru_buf_map(struct nvdio_ctrl *ctrl,
		       const struct nvdio_filter *filter,
		       const struct iov_iter *iter, union nvme_data_ptr *dptr,
		       gfp_t gfp)
{
	const bool fetch = filter->dir & NVDIO_FILTER_TO_CTRL;
	struct nvdio_passthru_buf *b;
	int ret;

	b = kzalloc(sizeof(*b), gfp);
	if (!b)
		return ERR_PTR(-ENOMEM);
	b->len = filter->bytes;
	b->dir = filter->dir == NVDIO_FILTER_BOTH ? DMA_BIDIRECTIONAL :
		 fetch ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
	if (!filter->exact)
		b->offset = nvdio_looping_offset(b->len, fetch);
	ret = buf_alloc(ctrl, b, gfp);
	if (ret)
		goto free;
	if (fetch) {
		/* Memory imported as a destination can be read as well. */
		struct iov_iter from = *iter;

		from.data_source = ITER_SOURCE;
		ret = -EFAULT;
		if (!copy_from_iter_full(b->virt + b->offset, b->len, &from))
			goto free;
	}
	ret = -ENODEV;
	if (!nvdio_ctrl_enter(ctrl))
		goto free;
	ret = nvdio_dma_map_table(ctrl, &b->sgt, b->dir, 0,
				  !gfpflags_allow_blocking(gfp));
	if (ret)
		goto exit;
	if (filter->exact)
		ret = buf_exact(ctrl, b, dptr, gfp);
	else
		ret = buf_looping(ctrl, b, dptr, gfp);
	if (!ret)
		return b;
	nvdio_passthru_buf_unmap(ctrl, b);
exit:
	nvdio_ctrl_exit(ctrl);
free:
	nvdio_passthru_buf_free(b);
	return ERR_PTR(ret);
}

/**
 * nvdio_passthru_buf_unmap() - unmap a bounce buffer
 * @ctrl: controller; nvdio_ctrl_enter() is still in effect
 * @b: buffer that the controller no longer uses
 *
 * Also collects data that the controller wrote over the list pages.
 *
 * Context: any; task if mapping may bounce.
 */
void nvdio_passthru_buf_unmap(struct nvdio_ctrl *ctrl,
			      struct nvdio_passthru_buf *b)
{
	u32 i;

	nvdio_dma_unmap_table(ctrl, &b->sgt, b->dir);
	for (i = 0; i < b->nr_mem; i++) {
		u32 taken = nvdio_looping_taken(b->mem[i].virt,
						b->was + i * NVDIO_MPS);

		/* The page exists: the list describes pages after it. */
		memcpy(b->virt + nvdio_looping_page(i) * NVDIO_MPS,
		       b->mem[i].virt, taken);
	}
	while (b->lists) {
		struct nvdio_desc_page *list = b->lists;

		b->lists = list->next;
		nvdio_desc_page_put(ctrl, list);
	}
}

/**
 * nvdio_passthru_buf_copy_out() - copy the data to user memory
 * @b: unmapped buffer
 * @iter: user memory
 *
 * Context: may sleep; a task with the address space of @iter.
 * Return: 0 or -EFAULT.
 */
int nvdio_passthru_buf_copy_out(struct nvdio_passthru_buf *b,
				const struct iov_iter *iter)
{
	struct iov_iter to = *iter;

	to.data_source = ITER_DEST;
	return copy_to_iter(b->virt + b->offset, b->len, &to) == b->len ?
	       0 : -EFAULT;
}

/**
 * nvdio_passthru_buf_free() - free an unmapped bounce buffer
 * @b: buffer
 *
 * Context: task.
 */
void nvdio_passthru_buf_free(struct nvdio_passthru_buf *b)
{
	sg_free_table(&b->sgt);
	kvfree(b->virt);
	kvfree(b->was);
	kfree(b);
}
