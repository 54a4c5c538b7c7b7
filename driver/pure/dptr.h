/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Data pointers: turning a mapped scatterlist into the PRPs or SGLs of one or
 * more commands (NVMe Base 2.0, 4.1.1 PRP and 4.1.2 SGL).
 */
#ifndef NVDIO_DPTR_H
#define NVDIO_DPTR_H

#include "pure/pure.h"

/* CC.MPS is always set to 4 KiB, whatever the CPU's page size. */
#define NVDIO_MPS_SHIFT	12
#define NVDIO_MPS	4096U
#define NVDIO_MPS_MASK	(NVDIO_MPS - 1)

/* PRPs and SGLs demand dword alignment (NVMe Base 2.0, 4.1.1 and 4.1.2). */
#define NVDIO_DMA_MASK	3

/* Maximum data size of a command, however large MDTS is. */
#define NVDIO_MAX_CMD_BYTES	(8U << 20)
/* List pages for such a command: 2049 PRPs, 511 in each page but the last. */
#define NVDIO_MAX_LISTS		5

/**
 * struct nvdio_cursor - position in a mapped scatterlist
 * @sg: entry
 * @offset: bytes of its DMA range already consumed, possibly all of them
 *
 * A cursor moves to the next entry only when data are needed from it: the list
 * has no end mark, and there may be nothing at all after its last entry.
 */
struct nvdio_cursor {
	struct scatterlist *sg;
	u32 offset;
};

/**
 * struct nvdio_dptr_limits - limits of a command
 * @max_bytes: maximum data size, a multiple of the LBA size
 * @lba_mask: LBA size minus 1
 * @max_descs: maximum number of SGL data descriptors in a segment; 0: no SGLs
 * @sgl_threshold: average bytes per segment from which an SGL is preferred to
 *	PRPs where either is possible
 */
struct nvdio_dptr_limits {
	u32 max_bytes;
	u32 lba_mask;
	u32 max_descs;
	u32 sgl_threshold;
};

/**
 * struct nvdio_dptr_plan - shape of the next command
 * @bytes: data size, a multiple of the LBA size; 0: not even one LBA can be
 *	described
 * @entries: list entries outside the SQE (PRPs after the first, or SGL
 *	descriptors); 0: everything fits into the SQE
 * @sgl: SGL rather than PRPs
 */
struct nvdio_dptr_plan {
	u32 bytes;
	u32 entries;
	bool sgl;
};

/**
 * struct nvdio_desc_mem - memory for a PRP list or an SGL segment
 * @virt: CPU address
 * @dma: bus address; the memory does not cross a 4 KiB boundary
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
