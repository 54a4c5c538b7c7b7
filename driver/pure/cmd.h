/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Filling SQEs of Reads and Writes (NVM Command Set 1.0, 3.2.4 and 3.2.6), and
 * the data pointers of memory that needs no list of its own.
 */
#ifndef NVDIO_CMD_H
#define NVDIO_CMD_H

#include "pure/dptr.h"
#include "pure/pure.h"

/**
 * nvdio_rw_cdw12() - Dword 12 of a Read or Write
 * @nlb: number of blocks, 1 to 65536
 * @control: NVME_RW_*
 */
static __always_inline u32 nvdio_rw_cdw12(u32 nlb, u32 control)
{
	return (nlb - 1) | control << 16;
}

/**
 * nvdio_cmd_rw() - fill a Read or Write, but for its data pointer
 * @cmd: command; the identifier is left to the queue
 * @write: Write, not Read
 * @nsid: namespace
 * @slba: first block
 * @cdw2: Dword 2, and Dword 3 above it
 * @cdw12: Dword 12, see nvdio_rw_cdw12(), and Dword 13 above it
 * @cdw14: Dword 14, and Dword 15 above it
 *
 * Every byte is set, here or by one of the functions below.
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
 * nvdio_cmd_dptr_run() - the data pointer of contiguous memory
 * @cmd: command; its flags are set, too
 * @dma: bus address, dword aligned
 * @len: bytes; more than two pages only where the controller has SGLs
 *
 * PRP1 and PRP2 (NVMe Base 2.0, 4.1.1), else one SGL Data Block descriptor
 * (4.1.2): address, length, type 0.
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
 * nvdio_cmd_dptr_prps() - the data pointer of memory with a standing PRP list
 * @cmd: command; its flags are set, too
 * @dma: bus address of the memory, which begins a page
 * @prps_dma: bus address of a list of its pages
 * @offset: bytes from @dma on at which the data begin
 * @len: bytes
 *
 * A PRP list may begin at any of its entries (NVMe Base 2.0, 4.1.1), so that
 * one list serves all parts of the memory.
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
 * nvdio_cmd_dptr() - a data pointer that nvdio_dptr_build() has made
 * @cmd: command; its flags are set, too
 * @dptr: data pointer
 * @sgl: it is an SGL
 */
static inline void nvdio_cmd_dptr(struct nvme_command *cmd,
				  const union nvme_data_ptr *dptr, bool sgl)
{
	cmd->common.flags = sgl ? NVME_CMD_SGL_METABUF : 0;
	cmd->common.dptr = *dptr;
}

#endif /* NVDIO_CMD_H */
