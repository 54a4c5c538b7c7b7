/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The passthrough filter decides who may submit a command, how many bytes it
 * may move, and what must be quiesced while it runs.
 *
 * Permissions follow the nvme driver of Linux 7.2, with these restrictions
 * added: nobody may submit commands that would break the driver's own state
 * (queues, shadow doorbells, Abort, Asynchronous Event Request, some features).
 * Without CAP_SYS_ADMIN there are no data transfers of unknown length, no Copy
 * from other namespaces, and no Cancel.
 *
 * The data pointer must never lead outside the memory supplied for the command
 * (invariant 9). For commands defined by the specifications the length is
 * computed the way the controller computes it. For all others it is unknown,
 * and the data pointer is one that never ends (looping.h).
 */
#ifndef NVDIO_FILTER_H
#define NVDIO_FILTER_H

#include "pure/pure.h"

/* Entries of an effects log, and of the array in struct nvdio_filter_env. */
#define NVDIO_FILTER_OPCODES	256

/**
 * struct nvdio_filter_cmd - the fields of a command that the filter checks
 * @opcode: opcode
 * @flags: byte 1 of the command (FUSE, PSDT)
 * @nsid: namespace identifier
 * @cdw: Command Dwords 10 to 15
 * @data_len: bytes of memory supplied for data
 * @metadata_len: bytes of memory supplied for metadata
 */
struct nvdio_filter_cmd {
	u8 opcode;
	u8 flags;
	u32 nsid;
	u32 cdw[6];
	u64 data_len;
	u32 metadata_len;
};

/**
 * struct nvdio_filter_env - target of a command, and the file it came from
 * @effects: NVDIO_FILTER_OPCODES entries of the Commands Supported and Effects
 *	log, for admin or for I/O commands; NULL if the controller has no such
 *	log
 * @nsid: I/O commands: namespace of the node
 * @lba_shift: I/O commands: log2 of its LBA size; it has no metadata
 * @read_only: I/O commands: its blocks must not be changed
 * @writable: the node was opened for writing
 */
struct nvdio_filter_env {
	const __le32 *effects;
	u32 nsid;
	u8 lba_shift;
	bool read_only;
	bool writable;
};

/**
 * enum nvdio_filter_verdict - who may submit a command
 * @NVDIO_FILTER_ALL: anyone who could open the node
 * @NVDIO_FILTER_ADMIN: callers with CAP_SYS_ADMIN; others get -EACCES
 * @NVDIO_FILTER_REFUSED: nobody; -EACCES
 * @NVDIO_FILTER_READ_ONLY: nobody, the namespace is read-only; -EPERM
 * @NVDIO_FILTER_INVALID: nobody; the command does not match its memory or its
 *	node, or sets bits that belong to the driver; -EINVAL
 */
enum nvdio_filter_verdict {
	NVDIO_FILTER_ALL,
	NVDIO_FILTER_ADMIN,
	NVDIO_FILTER_REFUSED,
	NVDIO_FILTER_READ_ONLY,
	NVDIO_FILTER_INVALID,
};

/**
 * enum nvdio_filter_dir - direction of the data, bits 1:0 of an opcode
 * @NVDIO_FILTER_NO_DATA: no data
 * @NVDIO_FILTER_TO_CTRL: from the host to the controller
 * @NVDIO_FILTER_FROM_CTRL: from the controller to the host
 * @NVDIO_FILTER_BOTH: either or both
 */
enum nvdio_filter_dir {
	NVDIO_FILTER_NO_DATA = 0,
	NVDIO_FILTER_TO_CTRL = 1,
	NVDIO_FILTER_FROM_CTRL = 2,
	NVDIO_FILTER_BOTH = 3,
};

/**
 * enum nvdio_filter_changes - which blocks a command changes
 * @NVDIO_FILTER_CHANGES_NONE: none
 * @NVDIO_FILTER_CHANGES_RANGE: those given by SLBA and NLB
 * @NVDIO_FILTER_CHANGES_ANY: unknown ones
 */
enum nvdio_filter_changes {
	NVDIO_FILTER_CHANGES_NONE,
	NVDIO_FILTER_CHANGES_RANGE,
	NVDIO_FILTER_CHANGES_ANY,
};

/**
 * struct nvdio_filter - what a command will do
 * @bytes: data size for the mapping; never more than data_len
 * @exact: @bytes was computed, and the controller moves no more than that.
 *	Otherwise it is what user space supplied, and the controller may move
 *	any number of bytes.
 * @dir: enum nvdio_filter_dir; with NVDIO_FILTER_BOTH, @exact is never set
 * @changes: enum nvdio_filter_changes
 * @slba: first block changed, for NVDIO_FILTER_CHANGES_RANGE
 * @nlb: number of blocks changed, for NVDIO_FILTER_CHANGES_RANGE
 * @freeze: no I/O may be in flight while the command runs
 * @rescan: namespaces may have changed when it completes
 */
struct nvdio_filter {
	u64 bytes;
	bool exact;
	u8 dir;
	u8 changes;
	u64 slba;
	u32 nlb;
	bool freeze;
	bool rescan;
};

/**
 * nvdio_filter_both() - may a command move data in either direction?
 * @opcode: opcode
 *
 * Bits 1:0 say so, or, in the range that both command sets leave to vendors,
 * they cannot be relied on.
 *
 * Context: any.
 * Return: true if it may.
 */
static inline bool nvdio_filter_both(u8 opcode)
{
	return opcode >= 0xc0 || (opcode & 3) == NVDIO_FILTER_BOTH;
}

bool nvdio_filter_plain(const __le32 *effects, u8 opcode);
enum nvdio_filter_verdict
nvdio_filter_io(const struct nvdio_filter_cmd *cmd,
		const struct nvdio_filter_env *env, struct nvdio_filter *out);
enum nvdio_filter_verdict
nvdio_filter_admin(const struct nvdio_filter_cmd *cmd,
		   const struct nvdio_filter_env *env,
		   struct nvdio_filter *out);

#endif /* NVDIO_FILTER_H */
