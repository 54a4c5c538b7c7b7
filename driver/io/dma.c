// SPDX-License-Identifier: GPL-2.0
/* DMA mapping of whole transfers, and the data pointers of their commands. */
#include <linux/dma-mapping.h>

#include "pure/dptr.h"
#include "core/compat.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/stats.h"
#include "hw/desc_page.h"
#include "io/dma.h"
#include "io/sg.h"
#include "io/xfer_op.h"

/* Window size where mapping may bounce: all devices share the swiotlb pool. */
#define NVDIO_WINDOW_BYTES	SZ_1M

static enum dma_data_direction dma_dir(const struct nvdio_xfer *xfer)
{
	return xfer->write ? DMA_TO_DEVICE : DMA_FROM_DEVICE;
}

/* Linear mapping, without a DMA API call for each entry. */
static __always_inline void dma_map_linear(struct nvdio_xfer *xfer,
					   dma_addr_t offset)
{
	struct scatterlist *sg = xfer->sg.sgl, *end = sg + xfer->sg.nents;

	for (; sg < end; sg++) {
		sg_dma_address(sg) = sg_phys(sg) + offset;
		sg_dma_len(sg) = sg->length;
	}
}

/* May a mapping that failed with @error succeed later? */
static bool dma_may_retry(const struct nvdio_ctrl *ctrl, int error)
{
	/* Page tables or IOVA space are exhausted; or swiotlb is full. */
	return error == -ENOMEM || (error == -EIO && ctrl->bounces);
}

/*
 * Wait until a failed mapping is worth retrying. A waiter has mapped nothing,
 * so the mappings of others end without it. Other drivers that share swiotlb
 * notify nobody when they unmap, hence the timeout.
 * Return: 0; -EAGAIN under @nowait; -ENODEV; -EINTR if the caller is killed.
 */
static int dma_wait(struct nvdio_ctrl *ctrl, int unmaps, bool nowait)
{
	long ret;

	if (nvdio_ctrl_gone(ctrl))
		return -ENODEV;
	if (nowait)
		return -EAGAIN;
	ret = wait_event_killable_timeout(ctrl->map_wait,
					  atomic_read(&ctrl->unmaps) != unmaps,
					  DIV_ROUND_UP(HZ, 50));
	return ret < 0 ? -EINTR : 0;
}

/* Window size as long as mapping succeeds. */
static size_t dma_most(const struct nvdio_xfer *xfer)
{
	return xfer->ns->ctrl->bounces ? NVDIO_WINDOW_BYTES : xfer->len;
}

/*
 * Choose the next window: as many entries as hold at least @want bytes.
 * Return: number of entries; @bytes is set to the whole blocks in them.
 */
static unsigned int dma_window(const struct nvdio_xfer *xfer, size_t want,
			       size_t *bytes)
{
	const struct scatterlist *end = xfer->sg.sgl + xfer->sg.nents;
	const struct scatterlist *sg = xfer->next.sg;
	size_t have = sg->length - xfer->next.offset;

	if (want >= xfer->rest) {
		*bytes = xfer->rest;
		return end - sg;
	}
	while (have < want)
		have += (++sg)->length;
	*bytes = min(have & ~(size_t)xfer->limits->lba_mask, xfer->rest);
	return sg + 1 - xfer->next.sg;
}

static int dma_map_window(struct nvdio_xfer *xfer, unsigned int nents)
{
	struct device *dev = xfer->ns->ctrl->dev.parent;
	struct scatterlist *sg = xfer->next.sg, *last = sg + nents - 1;
	int ret;

	/*
	 * It may have been mapped already, as the last entry of the last
	 * window.
	 */
	nvdio_sg_set(sg, sg_page(sg), sg->offset, sg->length);
	sg_mark_end(last);
	xfer->sgt.sgl = sg;
	xfer->sgt.orig_nents = nents;
	ret = dma_map_sgtable(dev, &xfer->sgt, dma_dir(xfer), DMA_ATTR_NO_WARN);
	xfer->need_unmap = !ret && nvdio_dma_need_unmap(dev);
	if (xfer->need_unmap)
		this_cpu_add(xfer->ns->stats->segments_mapped, nents);
	else
		sg_unmark_end(last);
	return ret;
}

/* Advance past the window, by the CPU lengths of the entries. */
static void dma_skip_window(struct nvdio_xfer *xfer, size_t bytes)
{
	struct nvdio_cursor *next = &xfer->next;

	xfer->left = bytes;
	xfer->rest -= bytes;
	bytes += next->offset;
	while (xfer->rest && bytes >= next->sg->length)
		bytes -= (next->sg++)->length;
	next->offset = bytes;
}

/**
 * nvdio_dma_map_next() - map the next window of a transfer
 * @xfer: transfer with nothing mapped, and data left after the last window
 * @whole: map all of it or nothing
 * @nowait: do not wait for mapping space
 *
 * The window shrinks until it fits.
 *
 * Context: may sleep, unless @nowait.
 * Return: 0; -EAGAIN under @nowait; -ENODEV; -EINTR if the caller is killed; or
 * -EINVAL or -EREMOTEIO from the DMA API for memory that cannot be mapped.
 */
int nvdio_dma_map_next(struct nvdio_xfer *xfer, bool whole, bool nowait)
{
	const size_t least = xfer->limits->lba_mask + 1;
	struct nvdio_ctrl *ctrl = xfer->ns->ctrl;
	struct nvdio_cursor start = xfer->next;
	size_t want = whole ? xfer->rest : xfer->window;
	unsigned int nents;
	size_t bytes;
	int ret;

	for (;;) {
		int unmaps = atomic_read(&ctrl->unmaps);

		nents = dma_window(xfer, want, &bytes);
		ret = dma_map_window(xfer, nents);
		if (likely(!ret))
			break;
		if (!dma_may_retry(ctrl, ret))
			return ret;
		if (!whole && want > least && nents > 1) {
			want = max(min(want, bytes) / 2, least);
			continue;
		}
		ret = dma_wait(ctrl, unmaps, nowait);
		if (ret)
			return ret;
	}
	xfer->cur = start;
	dma_skip_window(xfer, bytes);
	/* Grow it gradually after a failure. */
	xfer->window = min(2 * want, dma_most(xfer));
	xfer->sleeps = ctrl->bounces || xfer->rest;
	return 0;
}

/**
 * nvdio_dma_map() - map a transfer, or its first window
 * @xfer: transfer with its scatterlist built
 * @whole: map all of it or nothing
 * @nowait: do not wait for mapping space
 *
 * If IOVAs, or memory to bounce through, do not suffice for all of it, the
 * transfer proceeds in windows: nvdio_dma_map_next() maps the next one when the
 * commands of this one have ended and it is unmapped.
 *
 * Context: may sleep, unless @nowait.
 * Return: as nvdio_dma_map_next(); -E2BIG if commands cannot describe all of
 * it.
 */
int nvdio_dma_map(struct nvdio_xfer *xfer, bool whole, bool nowait)
{
	struct nvdio_ctrl *ctrl = xfer->ns->ctrl;

	xfer->cur.sg = xfer->sg.sgl;
	xfer->cur.offset = 0;
	/*
	 * A gap inside a page remains one however the memory is mapped, and
	 * whether a block can be described does not depend on the blocks around
	 * it. So linear addresses suffice for the check.
	 */
	if (likely(ctrl->linear) || xfer->sg.gaps)
		dma_map_linear(xfer, ctrl->dma_offset);
	if (xfer->sg.gaps &&
	    !nvdio_dptr_possible(xfer->sg.sgl, xfer->len, xfer->limits))
		return -E2BIG;
	if (likely(ctrl->linear))
		return 0;
	xfer->next = xfer->cur;
	xfer->left = 0;
	xfer->rest = xfer->len;
	xfer->window = dma_most(xfer);
	return nvdio_dma_map_next(xfer, whole, nowait);
}

/**
 * nvdio_dma_map_p2p() - map a transfer of memory of devices
 * @xfer: transfer with its scatterlist built, all of it of one device
 * @nowait: do not wait for mapping space
 *
 * Always by the DMA API, which knows how this device reaches that one. It is the
 * same one if the memory is the controller's own.
 *
 * Context: may sleep, unless @nowait.
 * Return: as nvdio_dma_map_next(); -EREMOTEIO if this device cannot reach that
 * one; -EINVAL if commands cannot describe all of it.
 */
int nvdio_dma_map_p2p(struct nvdio_xfer *xfer, bool nowait)
{
	xfer->cur.sg = xfer->sg.sgl;
	xfer->cur.offset = 0;
	/* As in nvdio_dma_map(). */
	if (xfer->sg.gaps) {
		dma_map_linear(xfer, 0);
		if (!nvdio_dptr_possible(xfer->sg.sgl, xfer->len, xfer->limits))
			return -EINVAL;
	}
	xfer->next = xfer->cur;
	xfer->left = 0;
	xfer->rest = xfer->len;
	return nvdio_dma_map_next(xfer, true, nowait);
}

/**
 * nvdio_dma_map_table() - map a scatterlist that cannot be split
 * @ctrl: controller; the caller has called nvdio_ctrl_enter()
 * @sgt: scatterlist; no entry longer than @ctrl->max_map_bytes
 * @dir: direction
 * @attrs: DMA_ATTR_*
 * @nowait: do not wait for mapping space
 *
 * Context: may sleep, unless @nowait.
 * Return: as nvdio_dma_map_next().
 */
int nvdio_dma_map_table(struct nvdio_ctrl *ctrl, struct sg_table *sgt,
			enum dma_data_direction dir, unsigned long attrs,
			bool nowait)
{
	int ret;

	for (;;) {
		int unmaps = atomic_read(&ctrl->unmaps);

		ret = dma_map_sgtable(ctrl->dev.parent, sgt, dir,
				      attrs | DMA_ATTR_NO_WARN);
		if (!ret || !dma_may_retry(ctrl, ret))
			return ret;
		ret = dma_wait(ctrl, unmaps, nowait);
		if (ret)
			return ret;
	}
}

/**
 * nvdio_dma_wait_one() - wait until nvdio_dma_map_one() may succeed
 * @ctrl: controller
 * @page: first page
 * @offset: bytes from the start of @page
 * @len: bytes
 * @dir: direction
 * @nowait: do not sleep
 *
 * nvdio_dma_map_one() runs under a lock and does not say why it failed. To find
 * out, the memory is mapped here, and unmapped again.
 *
 * Context: may sleep, unless @nowait; no lock held.
 * Return: 0: try again; otherwise as nvdio_dma_map_next().
 */
int nvdio_dma_wait_one(struct nvdio_ctrl *ctrl, struct page *page,
		       size_t offset, size_t len, enum dma_data_direction dir,
		       bool nowait)
{
	struct scatterlist sg;
	struct sg_table sgt = { .sgl = &sg, .orig_nents = 1 };
	int ret;

	if (!nvdio_ctrl_enter(ctrl))
		return -ENODEV;
	sg_init_table(&sg, 1);
	sg_set_page(&sg, page, len, offset);
	ret = nvdio_dma_map_table(ctrl, &sgt, dir, DMA_ATTR_SKIP_CPU_SYNC,
				  nowait);
	if (!ret)
		dma_unmap_sgtable(ctrl->dev.parent, &sgt, dir,
				  DMA_ATTR_SKIP_CPU_SYNC);
	nvdio_ctrl_exit(ctrl);
	return ret;
}

/* Let waiters for mapping space try again. */
static void dma_made_room(struct nvdio_ctrl *ctrl)
{
	if (!ctrl->bounces)
		return;
	atomic_inc(&ctrl->unmaps);
	if (wq_has_sleeper(&ctrl->map_wait))
		wake_up_all(&ctrl->map_wait);
}

/**
 * nvdio_dma_unmap() - unmap a transfer, or its current window
 * @xfer: transfer without commands in flight
 *
 * Does nothing if it is not mapped, or need not be unmapped.
 *
 * Context: any; task if mapping may bounce.
 */
void nvdio_dma_unmap(struct nvdio_xfer *xfer)
{
	struct nvdio_ctrl *ctrl = xfer->ns->ctrl;
	unsigned int nents;

	if (!xfer->need_unmap)
		return;
	xfer->need_unmap = false;
	nents = xfer->sgt.orig_nents;
	this_cpu_sub(xfer->ns->stats->segments_mapped, nents);
	dma_unmap_sgtable(ctrl->dev.parent, &xfer->sgt, dma_dir(xfer), 0);
	/* The next window may extend past this entry. */
	sg_unmark_end(xfer->sgt.sgl + nents - 1);
	dma_made_room(ctrl);
}

/**
 * nvdio_dma_unmap_table() - undo nvdio_dma_map_table()
 * @ctrl: controller
 * @sgt: scatterlist
 * @dir: direction
 *
 * Context: any; task if mapping may bounce.
 */
void nvdio_dma_unmap_table(struct nvdio_ctrl *ctrl, struct sg_table *sgt,
			   enum dma_data_direction dir)
{
	dma_unmap_sgtable(ctrl->dev.parent, sgt, dir, 0);
	dma_made_room(ctrl);
}

/**
 * nvdio_dma_command() - build the data pointer of the next command
 * @xfer: mapped transfer with bytes left to submit; advanced past the command
 * @gfp: how to allocate descriptor memory
 * @bytes: set to the data size of the command
 * @dptr: set to its data pointer
 * @sgl: set if that is an SGL
 *
 * Context: as @gfp allows.
 * Return: 0, -ENOMEM, or -EINVAL if no command can describe the next block.
 */
int nvdio_dma_command(struct nvdio_xfer *xfer, gfp_t gfp, u32 *bytes,
		      union nvme_data_ptr *dptr, bool *sgl)
{
	struct nvdio_desc_mem lists[NVDIO_MAX_LISTS];
	struct nvdio_dptr_plan plan;
	u32 nr = 0;

	if (xfer->one) {
		*bytes = xfer->left;
		*dptr = xfer->dptr;
		*sgl = xfer->sgl;
		return 0;
	}
	nvdio_dptr_plan(&xfer->cur, xfer->left, xfer->limits, &plan);
	if (unlikely(!plan.bytes))
		return -EINVAL;

	if (plan.entries && !xfer->inline_desc_used && xfer->inline_desc.virt &&
	    nvdio_dptr_lists(&plan, xfer->inline_desc.bytes) == 1) {
		lists[0] = xfer->inline_desc;
		xfer->inline_desc_used = true;
	} else if (plan.entries) {
		for (nr = 0; nr < nvdio_dptr_lists(&plan, NVDIO_MPS); nr++) {
			struct nvdio_desc_page *list;

			list = nvdio_desc_page_get(xfer->ns->ctrl, gfp);
			if (!list)
				return -ENOMEM;
			list->next = xfer->lists;
			xfer->lists = list;
			lists[nr] = list->mem;
		}
	}
	nvdio_dptr_build(&xfer->cur, &plan, lists, dptr);
	*bytes = plan.bytes;
	*sgl = plan.sgl;
	return 0;
}
