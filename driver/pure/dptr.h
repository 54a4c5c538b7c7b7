/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Data pointers: how a mapped scatterlist becomes the PRPs or SGLs of one or
 * several commands (NVMe Base 2.0, 4.1.1 PRP and 4.1.2 SGL).
 */
#ifndef NVDIO_DPTR_H
#define NVDIO_DPTR_H

#include "pure/pure.h"

/* CC.MPS is always set to 4 KiB, whatever the CPU's page size is. */
#define NVDIO_MPS_SHIFT	12
#define NVDIO_MPS	4096U
#define NVDIO_MPS_MASK	(NVDIO_MPS - 1)

/* The most one command may move, whatever a controller's MDTS allows. */
#define NVDIO_MAX_CMD_BYTES	(8U << 20)
/* List pages that such a command needs: 2049 PRPs, 511 to a chained page. */
#define NVDIO_MAX_LISTS		5

/**
 * struct nvdio_cursor - a place in a mapped scatterlist
 * @sg: the entry
 * @offset: bytes of its DMA range that are already used, perhaps all
 *
 * A cursor goes on to the next entry only when data are wanted from there: the
 * list has no end mark, and behind its last entry there may be nothing at all.
 */
struct nvdio_cursor {
	struct scatterlist *sg;
	u32 offset;
};

/**
 * struct nvdio_dptr_limits - what a command may look like
 * @max_bytes: most bytes of one command, a multiple of the LBA size
 * @lba_mask: LBA size minus 1
 * @max_descs: most SGL data descriptors in one list; 0: no SGLs
 * @sgl_threshold: average bytes per segment from which an SGL is preferred to
 *	PRPs where both would do
 */
struct nvdio_dptr_limits {
	u32 max_bytes;
	u32 lba_mask;
	u32 max_descs;
	u32 sgl_threshold;
};

/**
 * struct nvdio_dptr_plan - what the next command will look like
 * @bytes: bytes that it moves, a multiple of the LBA size; 0: not even one
 *	LBA can be described
 * @entries: list entries beside the command (PRPs after the first, or SGL
 *	descriptors); 0: all fits into the command itself
 * @sgl: SGL, not PRP
 */
struct nvdio_dptr_plan {
	u32 bytes;
	u32 entries;
	bool sgl;
};

/**
 * struct nvdio_desc_mem - memory for a PRP list or an SGL segment
 * @virt: where the CPU writes it
 * @dma: where the controller reads it; does not cross a 4 KiB boundary
 * @bytes: size
 */
struct nvdio_desc_mem {
	void *virt;
	u64 dma;
	u32 bytes;
};

void nvdio_dptr_plan(const struct nvdio_cursor *cur, u64 want,
		     const struct nvdio_dptr_limits *limits,
		     struct nvdio_dptr_plan *plan);
u32 nvdio_dptr_lists(const struct nvdio_dptr_plan *plan, u32 list_bytes);
void nvdio_dptr_build(struct nvdio_cursor *cur,
		      const struct nvdio_dptr_plan *plan,
		      const struct nvdio_desc_mem *lists,
		      union nvme_data_ptr *dptr);
bool nvdio_dptr_possible(struct scatterlist *sg, u64 total,
			 const struct nvdio_dptr_limits *limits);

#endif /* NVDIO_DPTR_H */
