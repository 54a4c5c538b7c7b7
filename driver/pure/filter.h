/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The passthrough filter: who may send which command, how many bytes it will
 * move, and what has to be kept still meanwhile. Pure logic.
 *
 * Who may: the rules of Linux 7.2's nvme driver. Stricter are: commands that
 * would break the driver's own state are refused to everyone (queues, shadow
 * doorbells, Abort, Asynchronous Event Request, some features); who is not
 * privileged may send no command that moves data unless it is known how many,
 * no Copy from other namespaces, and no Cancel.
 *
 * How many bytes: the data pointer must never lead beyond the memory that was
 * given for the command (invariant 9). For commands of the specifications the
 * number is computed as the controller computes it. For all others it is
 * unknown, and the data pointer has to be such that it ends nowhere.
 */
#ifndef NVDIO_FILTER_H
#define NVDIO_FILTER_H

#include "pure/pure.h"

/* Commands in an effects log, and in a struct nvdio_filter_env. */
#define NVDIO_FILTER_OPCODES	256

/**
 * struct nvdio_filter_cmd - what the filter looks at in a command
 * @opcode: opcode
 * @flags: byte 1 of the command (FUSE, PSDT)
 * @nsid: namespace identifier
 * @cdw: Command Dwords 10 to 15
 * @data_len: bytes of memory for data
 * @metadata_len: bytes of memory for metadata
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
 * struct nvdio_filter_env - what the command is sent to, and from where
 * @effects: NVDIO_FILTER_OPCODES entries of the Commands Supported and Effects
 *	log, for admin or for I/O commands; NULL if the controller has no such
 *	log
 * @nsid: I/O commands: the node's namespace
 * @lba_shift: I/O commands: log2 of its LBA size; it has no metadata
 * @read_only: I/O commands: its blocks may not be changed
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
 * enum nvdio_filter_verdict - who may send a command
 * @NVDIO_FILTER_ALL: everyone who could open the node
 * @NVDIO_FILTER_ADMIN: who has CAP_SYS_ADMIN; others get -EACCES
 * @NVDIO_FILTER_REFUSED: nobody; -EACCES
 * @NVDIO_FILTER_READ_ONLY: nobody, the namespace is read-only; -EPERM
 * @NVDIO_FILTER_INVALID: nobody, the command does not fit its memory or its
 *	node, or has bits that belong to the driver; -EINVAL
 */
enum nvdio_filter_verdict {
	NVDIO_FILTER_ALL,
	NVDIO_FILTER_ADMIN,
	NVDIO_FILTER_REFUSED,
	NVDIO_FILTER_READ_ONLY,
	NVDIO_FILTER_INVALID,
};

/* Direction of the data, bits 1:0 of an opcode. */
enum nvdio_filter_dir {
	NVDIO_FILTER_NO_DATA = 0,
	NVDIO_FILTER_TO_CTRL = 1,
	NVDIO_FILTER_FROM_CTRL = 2,
	NVDIO_FILTER_BOTH = 3,
};

/* Which blocks a command changes. */
enum nvdio_filter_changes {
	NVDIO_FILTER_CHANGES_NONE,
	NVDIO_FILTER_CHANGES_RANGE,
	NVDIO_FILTER_CHANGES_ANY,
};

/**
 * struct nvdio_filter - what a command will do
 * @bytes: that it moves at most; at most data_len
 * @exact: @bytes is computed, and the controller will move no more. Otherwise
 *	it is what user space says, and the controller may move any number.
 * @dir: enum nvdio_filter_dir. NVDIO_FILTER_BOTH: either, or one after the
 *	other; never @exact
 * @changes: enum nvdio_filter_changes
 * @slba: first block changed, for NVDIO_FILTER_CHANGES_RANGE
 * @nlb: number of blocks changed
 * @freeze: no I/O may be in flight meanwhile
 * @rescan: namespaces may be others afterwards
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

/*
 * May data go either way? Bits 1:0 of an opcode say so, or nothing that can be
 * relied on where both command sets leave opcodes to vendors.
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
