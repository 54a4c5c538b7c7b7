/* SPDX-License-Identifier: GPL-2.0 */
/*
 * SQEs of Reads and Writes (NVM Command Set 1.0, 3.2.4 and 3.2.6), and data
 * pointers for memory that needs no PRP list or SGL segment of its own.
 */
#ifndef NVDIO_CMD_H
#define NVDIO_CMD_H

#include "pure/dptr.h"
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
	cmd->common.cdw2[0] = cpu_to_le32(cdw2);
	cmd->common.cdw2[1] = cpu_to_le32(cdw2 >> 32);
	cmd->common.metadata = 0;
	cmd->rw.slba = cpu_to_le64(slba);
	cmd->common.cdw12 = cpu_to_le32(cdw12);
	cmd->common.cdw13 = cpu_to_le32(cdw12 >> 32);
	cmd->common.cdw14 = cpu_to_le32(cdw14);
	cmd->common.cdw15 = cpu_to_le32(cdw14 >> 32);
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
