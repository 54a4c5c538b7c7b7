/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SQEs of Reads and Writes (NVM Command Set 1.0, 3.2.4 and 3.2.6), and data
 * pointers for memory that needs no PRP list or SGL segment of its own.
 *
 * Step 5 of a read (docs/driver.md, "One read"): all bytes of the SQE except for
 * the command identifier. Next: queue.h.
 */
#ifndef NVDIO_CMD_H
#define NVDIO_CMD_H

#include "pure/dptr.h"
#include "pure/map_table.h"
#include "pure/pure.h"

/**
 * nvdio_rw_cdw12() - Command Dword 12 of a Read or Write
 * @nlb: number of blocks, 1 to 65536
 * @control: bits 31:16, NVME_RW_*
 *
 * Context: any.
 * Return: the dword, in CPU byte order; NLB in it is 0's based.
 */
static __always_inline u32 nvdio_rw_cdw12(u32 nlb, u32 control)
{
	return (nlb - 1) | control << 16;
}

/* Two dwords of an SQE in one store, which a compiler does not make of two. */
static __always_inline void nvdio_cmd_dwords(__le32 *cdw, u64 value)
{
	*(__le64 *)cdw = cpu_to_le64(value);
}

/**
 * nvdio_cmd_rw() - fill a Read or Write except for its data pointer
 * @cmd: SQE; the command identifier is left to the queue
 * @write: Write rather than Read
 * @nsid: namespace identifier
 * @slba: first block
 * @cdw2: Command Dword 2 in the low half, Dword 3 in the high half
 * @cdw12: Command Dword 12 (nvdio_rw_cdw12()) and, in the high half, Dword 13
 * @cdw14: Command Dword 14 and, in the high half, Dword 15
 *
 * This function and one of the nvdio_cmd_dptr*() functions below set every byte
 * of the SQE except the command identifier.
 *
 * Context: any.
 */
static __always_inline void nvdio_cmd_rw(struct nvme_command *cmd, bool write,
					 u32 nsid, u64 slba, u64 cdw2,
					 u64 cdw12, u64 cdw14)
{
	cmd->common.opcode = write ? nvme_cmd_write : nvme_cmd_read;
	cmd->common.nsid = cpu_to_le32(nsid);
	nvdio_cmd_dwords(cmd->common.cdw2, cdw2);
	cmd->common.metadata = 0;
	cmd->rw.slba = cpu_to_le64(slba);
	nvdio_cmd_dwords(&cmd->common.cdw12, cdw12);
	nvdio_cmd_dwords(&cmd->common.cdw14, cdw14);
}

/**
 * nvdio_cmd_flush() - fill a Flush
 * @cmd: SQE; the command identifier is left to the queue
 * @nsid: namespace identifier
 *
 * Context: any.
 */
static inline void nvdio_cmd_flush(struct nvme_command *cmd, u32 nsid)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->common.opcode = nvme_cmd_flush;
	cmd->common.nsid = cpu_to_le32(nsid);
}

/**
 * nvdio_cmd_dptr_run() - data pointer for contiguous memory
 * @cmd: SQE; its flags (PSDT) are set as well
 * @dma: bus address, dword aligned
 * @len: bytes; more than two pages only if the controller supports SGLs
 *
 * PRP1 and PRP2 (NVMe Base 2.0, 4.1.1) if they suffice, otherwise one SGL Data
 * Block descriptor (4.1.2): address, length, type 0.
 *
 * Context: any.
 */
static __always_inline void nvdio_cmd_dptr_run(struct nvme_command *cmd,
					       u64 dma, u32 len)
{
	const u32 end = (dma & NVDIO_MPS_MASK) + len;

	cmd->common.flags = 0;
	cmd->common.dptr.prp1 = cpu_to_le64(dma);
	cmd->common.dptr.prp2 = 0;
	if (end > 2 * NVDIO_MPS) {
		cmd->common.flags = NVME_CMD_SGL_METABUF;
		cmd->common.dptr.prp2 = cpu_to_le64(len);
	} else if (end > NVDIO_MPS) {
		cmd->common.dptr.prp2 = cpu_to_le64((dma | NVDIO_MPS_MASK) + 1);
	}
}

/**
 * nvdio_cmd_dptr_prps() - data pointer for memory with a prepared PRP list
 * @cmd: SQE; its flags (PSDT) are set as well
 * @dma: bus address of the memory, page aligned
 * @prps_dma: bus address of the list of its pages
 * @offset: offset of the data in the memory, in bytes
 * @len: bytes
 *
 * A PRP list may start at any of its entries (NVMe Base 2.0, 4.1.1), so one
 * list serves every part of the memory.
 *
 * Context: any.
 */
static __always_inline void nvdio_cmd_dptr_prps(struct nvme_command *cmd,
						u64 dma, u64 prps_dma,
						u32 offset, u32 len)
{
	const u32 end = (offset & NVDIO_MPS_MASK) + len;
	u64 prp2 = 0;

	dma += offset;
	if (end > 2 * NVDIO_MPS)
		prp2 = prps_dma + (offset / NVDIO_MPS + 1) * sizeof(__le64);
	else if (end > NVDIO_MPS)
		prp2 = (dma | NVDIO_MPS_MASK) + 1;
	cmd->common.flags = 0;
	cmd->common.dptr.prp1 = cpu_to_le64(dma);
	cmd->common.dptr.prp2 = cpu_to_le64(prp2);
}

/**
 * nvdio_cmd_dptr_map() - data pointer for mapped memory
 * @cmd: SQE; its flags (PSDT) are set as well
 * @table: bus addresses of the memory
 * @offset: offset of the data in it, in bytes, dword aligned
 * @len: bytes, all of them in the memory; at most NVDIO_MAP_LIST_BYTES if
 *	@table has lists
 *
 * Nothing is written but the SQE: the PRP list, which may start at any of its
 * entries (NVMe Base 2.0, 4.1.1), is there.
 *
 * Context: any.
 */
static __always_inline void
nvdio_cmd_dptr_map(struct nvme_command *cmd,
		   const struct nvdio_map_table *table, u64 offset, u32 len)
{
	const u32 page = offset >> NVDIO_MPS_SHIFT;
	const u32 in_page = offset & NVDIO_MPS_MASK;
	const u32 end = in_page + len;
	const __le64 *prps;
	__le64 prp2 = 0;

	if (!table->lists) {
		nvdio_cmd_dptr_run(cmd, table->base + offset, len);
		return;
	}
	prps = table->lists[page / NVDIO_MAP_LIST_PAGES] +
	       page % NVDIO_MAP_LIST_PAGES;
	if (end > NVDIO_MPS)
		prp2 = end > 2 * NVDIO_MPS ?
		       cpu_to_le64(nvdio_map_table_prp(table, page + 1)) :
		       prps[1];
	cmd->common.flags = 0;
	cmd->common.dptr.prp1 = *prps | cpu_to_le64(in_page);
	cmd->common.dptr.prp2 = prp2;
}

/**
 * struct nvdio_cmd_dptr - a data pointer that is not in an SQE yet
 * @flags: PSDT, where it is in Dword 0
 * @prp1: PRP1, or the first half of an SGL descriptor
 * @prp2: the other one
 */
struct nvdio_cmd_dptr {
	u32 flags;
	__le64 prp1;
	__le64 prp2;
};

/**
 * nvdio_cmd_dptr_of_run() - as nvdio_cmd_dptr_run(), to a data pointer
 * @dptr: data pointer
 * @dma: as for nvdio_cmd_dptr_run()
 * @len: as for nvdio_cmd_dptr_run()
 *
 * Context: any.
 */
static __always_inline void
nvdio_cmd_dptr_of_run(struct nvdio_cmd_dptr *dptr, u64 dma, u32 len)
{
	const u32 end = (dma & NVDIO_MPS_MASK) + len;

	dptr->flags = 0;
	dptr->prp1 = cpu_to_le64(dma);
	dptr->prp2 = 0;
	if (unlikely(end > 2 * NVDIO_MPS)) {
		dptr->flags = NVME_CMD_SGL_METABUF << 8;
		dptr->prp2 = cpu_to_le64(len);
	} else if (unlikely(end > NVDIO_MPS)) {
		dptr->prp2 = cpu_to_le64((dma | NVDIO_MPS_MASK) + 1);
	}
}

/**
 * nvdio_cmd_dptr_of_map() - as nvdio_cmd_dptr_map(), to a data pointer
 * @dptr: data pointer
 * @table: as for nvdio_cmd_dptr_map()
 * @offset: as for nvdio_cmd_dptr_map()
 * @len: as for nvdio_cmd_dptr_map()
 *
 * Context: any.
 */
static __always_inline void
nvdio_cmd_dptr_of_map(struct nvdio_cmd_dptr *dptr,
		      const struct nvdio_map_table *table, u64 offset, u32 len)
{
	const u32 page = offset >> NVDIO_MPS_SHIFT;
	const u32 in_page = offset & NVDIO_MPS_MASK;
	const u32 end = in_page + len;
	const __le64 *prps;

	if (!table->lists) {
		nvdio_cmd_dptr_of_run(dptr, table->base + offset, len);
		return;
	}
	prps = table->lists[page / NVDIO_MAP_LIST_PAGES] +
	       page % NVDIO_MAP_LIST_PAGES;
	dptr->flags = 0;
	dptr->prp1 = *prps | cpu_to_le64(in_page);
	dptr->prp2 = 0;
	if (unlikely(end > NVDIO_MPS))
		dptr->prp2 = end > 2 * NVDIO_MPS ?
			cpu_to_le64(nvdio_map_table_prp(table, page + 1)) :
			prps[1];
}

/**
 * nvdio_cmd_rw_whole() - fill all of a Read or Write, in eight stores
 * @cmd: SQE
 * @head: opcode, flags of @dptr, command identifier and, in the high half, namespace
 *	identifier
 * @slba: first block
 * @cdw12: Command Dword 12 (nvdio_rw_cdw12()) and, in the high half, Dword 13
 * @dptr: data pointer
 *
 * Context: any.
 */
static __always_inline void
nvdio_cmd_rw_whole(struct nvme_command *cmd, u64 head, u64 slba, u64 cdw12,
		   const struct nvdio_cmd_dptr *dptr)
{
	__le64 *words = (__le64 *)cmd;

	words[0] = cpu_to_le64(head);
	words[1] = 0;
	words[2] = 0;
	words[3] = dptr->prp1;
	words[4] = dptr->prp2;
	words[5] = cpu_to_le64(slba);
	words[6] = cpu_to_le64(cdw12);
	words[7] = 0;
}

/**
 * nvdio_cmd_dptr_map_page() - data pointer for part of a page of mapped memory
 * @cmd: SQE; its flags (PSDT) are set as well
 * @table: bus addresses of the memory
 * @page: number of the page in it
 * @in_page: offset of the data in the page, dword aligned
 *
 * Context: any.
 */
static __always_inline void
nvdio_cmd_dptr_map_page(struct nvme_command *cmd,
			const struct nvdio_map_table *table, u32 page,
			u32 in_page)
{
	u64 dma = table->base + ((u64)page << NVDIO_MPS_SHIFT);

	if (table->lists)
		dma = le64_to_cpu(table->lists[page / NVDIO_MAP_LIST_PAGES]
					      [page % NVDIO_MAP_LIST_PAGES]);
	cmd->common.flags = 0;
	cmd->common.dptr.prp1 = cpu_to_le64(dma + in_page);
	cmd->common.dptr.prp2 = 0;
}

/**
 * nvdio_cmd_dptr() - data pointer built by nvdio_dptr_build()
 * @cmd: SQE; its flags (PSDT) are set as well
 * @dptr: data pointer
 * @sgl: @dptr is an SGL rather than PRPs
 *
 * Context: any.
 */
static inline void nvdio_cmd_dptr(struct nvme_command *cmd,
				  const union nvme_data_ptr *dptr, bool sgl)
{
	cmd->common.flags = sgl ? NVME_CMD_SGL_METABUF : 0;
	cmd->common.dptr = *dptr;
}

#endif /* NVDIO_CMD_H */
