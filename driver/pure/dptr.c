// SPDX-License-Identifier: GPL-2.0
/*
 * Splitting a transfer into commands and building their PRPs or SGLs; see
 * dptr.h.
 */
#include "pure/dptr.h"

static void cursor_next(struct nvdio_cursor *cur)
{
	cur->sg = sg_next(cur->sg);
	cur->offset = 0;
}

/* Move to the entry that holds the next byte; there must be one. */
static void cursor_settle(struct nvdio_cursor *cur)
{
	if (cur->offset == sg_dma_len(cur->sg))
		cursor_next(cur);
}

/* PRPs needed for @bytes of contiguous data starting at @addr. */
static u32 nr_prps(u64 addr, u32 bytes)
{
	return DIV_ROUND_UP((u32)(addr & NVDIO_MPS_MASK) + bytes, NVDIO_MPS);
}

/**
 * nvdio_dptr_plan() - plan the next command of a transfer
 * @cur: start of the command's data; not moved
 * @want: bytes left, more than 0, a multiple of the LBA size; the scatterlist
 *	holds at least as many
 * @limits: limits of a command
 * @plan: filled in
 *
 * PRPs can describe data whose segments, except for the first, start on a page
 * boundary and, except for the last, end on one. Where the data break that
 * rule, the command uses an SGL if the controller supports them, and otherwise
 * ends before the break.
 *
 * Context: any.
 */
void nvdio_dptr_plan(const struct nvdio_cursor *cur, u64 want,
		     const struct nvdio_dptr_limits *limits,
		     struct nvdio_dptr_plan *plan)
{
	const u32 max = min_t(u64, want, limits->max_bytes);
	struct nvdio_cursor c = *cur;
	u32 bytes = 0, prp_bytes = 0, segs = 0, prps;
	bool prp = true;
	u64 first, end;

	cursor_settle(&c);
	first = sg_dma_address(c.sg) + c.offset;
	end = first;
	for (;;) {
		u64 addr = sg_dma_address(c.sg) + c.offset;
		u32 len = min_t(u32, sg_dma_len(c.sg) - c.offset, max - bytes);

		/*
		 * A gap that PRPs cannot describe, unless both edges are page
		 * aligned.
		 */
		if (addr != end && ((addr | end) & NVDIO_MPS_MASK))
			prp = false;
		if (prp)
			prp_bytes += len;
		else if (segs >= limits->max_descs)
			break;
		bytes += len;
		segs++;
		if (bytes == max)
			break;
		end = addr + len;
		cursor_next(&c);
	}

	prp_bytes &= ~limits->lba_mask;
	prps = nr_prps(first, prp_bytes);
	plan->sgl = false;
	plan->bytes = prp_bytes;
	plan->entries = prps > 2 ? prps - 1 : 0;

	if (!limits->max_descs)
		return;
	if (segs > limits->max_descs) {
		/* PRPs cover more than an SGL would. */
		return;
	}
	bytes &= ~limits->lba_mask;
	if (bytes > prp_bytes ||
	    (prps > 2 && bytes / segs >= limits->sgl_threshold)) {
		plan->sgl = true;
		plan->bytes = bytes;
		plan->entries = segs > 1 ? segs : 0;
	}
}

/**
 * nvdio_dptr_lists() - descriptor memory that a planned command needs
 * @plan: from nvdio_dptr_plan()
 * @list_bytes: size of one piece of descriptor memory
 *
 * Context: any.
 * Return: number of pieces, 0 to NVDIO_MAX_LISTS for pieces of 4 KiB.
 */
u32 nvdio_dptr_lists(const struct nvdio_dptr_plan *plan, u32 list_bytes)
{
	u32 fit = list_bytes / (plan->sgl ? sizeof(struct nvme_sgl_desc) :
					    sizeof(__le64));

	if (plan->entries <= fit)
		return plan->entries ? 1 : 0;
	/* The last entry of each list but the last points to the next list. */
	return DIV_ROUND_UP(plan->entries - 1, fit - 1);
}

static void build_sgl(struct nvdio_cursor *cur,
		      const struct nvdio_dptr_plan *plan,
		      const struct nvdio_desc_mem *list,
		      struct nvme_sgl_desc *sgl)
{
	struct nvme_sgl_desc *desc = plan->entries ? list->virt : sgl;
	u32 left = plan->bytes;
	u32 n = 0;

	cursor_settle(cur);
	for (;;) {
		u32 len = min_t(u32, sg_dma_len(cur->sg) - cur->offset, left);

		desc[n++] = (struct nvme_sgl_desc) {
			.addr = cpu_to_le64(sg_dma_address(cur->sg) +
					    cur->offset),
			.length = cpu_to_le32(len),
			.type = NVME_SGL_FMT_DATA_DESC << 4,
		};
		left -= len;
		cur->offset += len;
		if (!left)
			break;
		cursor_next(cur);
	}
	if (plan->entries)
		*sgl = (struct nvme_sgl_desc) {
			.addr = cpu_to_le64(list->dma),
			.length = cpu_to_le32(n * sizeof(*desc)),
			.type = NVME_SGL_FMT_LAST_SEG_DESC << 4,
		};
}

static void build_prp(struct nvdio_cursor *cur,
		      const struct nvdio_dptr_plan *plan,
		      const struct nvdio_desc_mem *lists,
		      union nvme_data_ptr *dptr)
{
	u32 left = plan->bytes, todo = plan->entries, room = 0;
	__le64 *entry = &dptr->prp2;
	u64 prp;

	cursor_settle(cur);
	prp = sg_dma_address(cur->sg) + cur->offset;
	dptr->prp1 = cpu_to_le64(prp);
	dptr->prp2 = 0;
	if (todo) {
		dptr->prp2 = cpu_to_le64(lists->dma);
		entry = lists->virt;
		room = lists->bytes / sizeof(*entry);
	}
	prp = (prp & ~(u64)NVDIO_MPS_MASK) + NVDIO_MPS;

	for (;;) {
		u64 addr = sg_dma_address(cur->sg) + cur->offset;
		u32 len = min_t(u32, sg_dma_len(cur->sg) - cur->offset, left);

		for (; prp < addr + len; prp += NVDIO_MPS) {
			if (room == 1 && todo > 1) {
				lists++;
				*entry = cpu_to_le64(lists->dma);
				entry = lists->virt;
				room = lists->bytes / sizeof(*entry);
			}
			*entry++ = cpu_to_le64(prp);
			room--;
			todo--;
		}
		left -= len;
		cur->offset += len;
		if (!left)
			break;
		cursor_next(cur);
		/* The next segment starts a page, or continues in this one. */
		if (sg_dma_address(cur->sg) != addr + len)
			prp = sg_dma_address(cur->sg);
	}
}

/**
 * nvdio_dptr_build() - build the data pointer of a planned command
 * @cur: start of the data, as it was for nvdio_dptr_plan(); moved past them
 * @plan: from nvdio_dptr_plan()
 * @lists: descriptor memory, as many pieces as nvdio_dptr_lists() returned
 * @dptr: filled in
 *
 * Context: any.
 */
void nvdio_dptr_build(struct nvdio_cursor *cur,
		      const struct nvdio_dptr_plan *plan,
		      const struct nvdio_desc_mem *lists,
		      union nvme_data_ptr *dptr)
{
	if (plan->sgl)
		build_sgl(cur, plan, lists, &dptr->sgl);
	else
		build_prp(cur, plan, lists, dptr);
}

static void cursor_skip(struct nvdio_cursor *cur, u32 bytes)
{
	while (bytes > sg_dma_len(cur->sg) - cur->offset) {
		bytes -= sg_dma_len(cur->sg) - cur->offset;
		cursor_next(cur);
	}
	cur->offset += bytes;
}

/**
 * nvdio_dptr_possible() - can commands describe a whole scatterlist?
 * @sg: mapped scatterlist
 * @total: its bytes, a multiple of the LBA size
 * @limits: limits of a command
 *
 * Called before the first command of a list with gaps is submitted, so that a
 * list that cannot be described is left to the copy path as a whole.
 *
 * Context: any.
 * Return: true if nvdio_dptr_plan() will reach the end of the list.
 */
bool nvdio_dptr_possible(struct scatterlist *sg, u64 total,
			 const struct nvdio_dptr_limits *limits)
{
	struct nvdio_cursor cur = { .sg = sg };
	struct nvdio_dptr_plan plan;

	while (total) {
		nvdio_dptr_plan(&cur, total, limits, &plan);
		if (!plan.bytes)
			return false;
		total -= plan.bytes;
		cursor_skip(&cur, plan.bytes);
	}
	return true;
}
