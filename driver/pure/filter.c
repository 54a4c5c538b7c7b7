// SPDX-License-Identifier: GPL-2.0
/* The passthrough filter; pure logic, see filter.h. */
#include "pure/filter.h"
#include "pure/looping.h"

/* How a command says how many bytes it moves. */
enum filter_len {
	LEN_UNKNOWN,		/* it does not, or not so that we know */
	LEN_NONE,
	LEN_FIXED,		/* @arg bytes */
	LEN_NLB,		/* CDW12 bits 15:0, 0's based, in blocks */
	LEN_DWORDS,		/* dword @arg, 0's based, in dwords */
	LEN_BYTES,		/* dword @arg, in bytes */
	LEN_RANGES,		/* CDW10 bits 7:0, 0's based, @arg bytes each */
	LEN_COPY,		/* CDW12, by the format of its descriptors */
	LEN_LOG,		/* NUMDU and NUMDL of Get Log Page */
	LEN_NS_MGMT,		/* 4 KiB if a namespace is created */
	LEN_IO_MGMT,		/* CDW10: by the operation, 2 for each identifier */
};

/* What a command changes, and other things to know of it. */
#define F_RANGE		0x01	/* the blocks of SLBA and NLB */
#define F_ANY		0x02	/* blocks, but who knows which */
#define F_REFUSED	0x04	/* breaks the driver's own state */
#define F_FREEZE	0x08	/* keep I/O away */
#define F_RESCAN	0x10	/* namespaces change */
#define F_ADMIN		0x20	/* only with CAP_SYS_ADMIN */
#define F_NO_FREEZE	0x40	/* whatever the effects log says */
#define F_EMPTY		0x80	/* may have no data, whatever its length says */

struct filter_op {
	u8 len;
	u16 arg;
	u8 flags;
};

/* Positions in nvdio_filter_cmd.cdw. */
enum { CDW10, CDW11, CDW12, CDW13, CDW14, CDW15 };

/* NVM Command Set 1.0, 3.2, and NVMe Base 2.0, 7. */
static const struct filter_op io_ops[] = {
	[0x00] = { LEN_NONE },				/* Flush */
	[0x01] = { LEN_NLB, 0, F_RANGE },		/* Write */
	[0x02] = { LEN_NLB },				/* Read */
	[0x04] = { LEN_NONE, 0, F_RANGE },		/* Write Uncorrectable */
	[0x05] = { LEN_NLB },				/* Compare */
	[0x08] = { LEN_NONE, 0, F_RANGE },		/* Write Zeroes */
	[0x09] = { LEN_RANGES, 16, F_ANY },		/* Dataset Management */
	[0x0c] = { LEN_NONE },				/* Verify */
	[0x0d] = { LEN_FIXED, 16 },			/* Reservation Register */
	[0x0e] = { LEN_DWORDS, CDW10 },			/* Reservation Report */
	[0x11] = { LEN_FIXED, 16 },			/* Reservation Acquire */
	[0x12] = { LEN_DWORDS, CDW11 },			/* I/O Mgmt. Receive */
	[0x15] = { LEN_FIXED, 8 },			/* Reservation Release */
	/* Any command of the same queue, which many share. */
	[0x18] = { LEN_NONE, 0, F_ADMIN },		/* Cancel */
	[0x19] = { LEN_COPY, 0, F_ANY },		/* Copy */
	[0x1d] = { LEN_IO_MGMT },			/* I/O Mgmt. Send */
};

/* NVMe Base 2.0, 5. */
static const struct filter_op admin_ops[] = {
	[0x00] = { LEN_NONE, 0, F_REFUSED },		/* Delete I/O SQ */
	[0x01] = { LEN_NONE, 0, F_REFUSED },		/* Create I/O SQ */
	[0x02] = { LEN_LOG },				/* Get Log Page */
	[0x04] = { LEN_NONE, 0, F_REFUSED },		/* Delete I/O CQ */
	[0x05] = { LEN_NONE, 0, F_REFUSED },		/* Create I/O CQ */
	[0x06] = { LEN_FIXED, 4096 },			/* Identify */
	[0x08] = { LEN_NONE, 0, F_REFUSED },		/* Abort */
	/* Set and Get Features: by the feature, which may be the vendor's. */
	[0x0c] = { LEN_NONE, 0, F_REFUSED },		/* Async. Event Request */
	[0x0d] = { LEN_NS_MGMT, 0, F_FREEZE | F_RESCAN }, /* NS Management */
	[0x10] = { LEN_NONE },				/* Firmware Commit */
	[0x11] = { LEN_DWORDS, CDW10 },			/* Firmware Download */
	[0x14] = { LEN_NONE },				/* Device Self-test */
	[0x15] = { LEN_FIXED, 4096, F_FREEZE | F_RESCAN }, /* NS Attachment */
	[0x18] = { LEN_NONE },				/* Keep Alive */
	[0x19] = { LEN_DWORDS, CDW10, F_EMPTY },		/* Directive Send */
	[0x1a] = { LEN_DWORDS, CDW10, F_EMPTY },		/* Directive Receive */
	[0x1c] = { LEN_NONE },				/* Virtualization Mgmt */
	/* The controller writes to its memory until the queue is deleted. */
	[0x45] = { LEN_NONE, 0, F_REFUSED },		/* Controller Data Queue */
	[0x7c] = { LEN_NONE, 0, F_REFUSED },		/* Doorbell Buffer Config */
	[0x7f] = { LEN_NONE, 0, F_REFUSED },		/* Fabrics */
	[0x80] = { LEN_NONE, 0, F_FREEZE | F_RESCAN },	/* Format NVM */
	[0x81] = { LEN_BYTES, CDW11 },			/* Security Send */
	/* Some ask to be alone for it, in case it is about a TCG lock. */
	[0x82] = { LEN_BYTES, CDW11, F_NO_FREEZE },	/* Security Receive */
	[0x84] = { LEN_NONE, 0, F_FREEZE },		/* Sanitize */
};

#define OP_IO_VENDOR		0x80
#define OP_IDENTIFY		0x06
#define OP_SET_FEATURES		0x09
#define OP_GET_FEATURES		0x0a
#define FID_VENDOR		0xc0
/* No feature of the specifications has more data. */
#define FEATURE_BYTES		4096

/* Features that the driver, or the kernel, has set for itself. */
static bool feature_refused(u8 fid)
{
	switch (fid) {
	case 0x07:	/* Number of Queues */
	case 0x0c:	/* Autonomous Power State Transition */
	case 0x0d:	/* Host Memory Buffer */
	case 0x0f:	/* Keep Alive Timer */
	case 0x16:	/* Host Behavior Support */
		return true;
	default:
		return false;
	}
}

/* Identify data that Linux shows to everyone who can open a node. */
static bool identify_is_public(u8 cns)
{
	switch (cns) {
	case 0x00:	/* namespace */
	case 0x01:	/* controller */
	case 0x05:	/* namespace, by command set */
	case 0x06:	/* controller, by command set */
	case 0x08:	/* namespace, whatever the command set */
		return true;
	default:
		return false;
	}
}

static u8 copy_format(const struct nvdio_filter_cmd *cmd)
{
	return cmd->cdw[CDW12] >> 8 & 0xf;
}

/*
 * Bytes that a command will move.
 * Return: false if that is not known.
 */
static bool filter_bytes(const struct nvdio_filter_cmd *cmd,
			 const struct filter_op *op, u8 lba_shift, u64 *bytes)
{
	u64 nr;

	switch (op->len) {
	case LEN_NONE:
		*bytes = 0;
		return true;
	case LEN_FIXED:
		*bytes = op->arg;
		return true;
	case LEN_NLB:
		*bytes = ((u64)(cmd->cdw[CDW12] & 0xffff) + 1) << lba_shift;
		return true;
	case LEN_DWORDS:
		*bytes = ((u64)cmd->cdw[op->arg] + 1) * 4;
		return true;
	case LEN_BYTES:
		*bytes = cmd->cdw[op->arg];
		return true;
	case LEN_RANGES:
		*bytes = ((cmd->cdw[CDW10] & 0xff) + 1) * op->arg;
		return true;
	case LEN_COPY:
		/* 32 and 40 bytes. Later formats read other namespaces. */
		if (copy_format(cmd) > 1)
			return false;
		*bytes = ((cmd->cdw[CDW12] & 0xff) + 1) *
			 (copy_format(cmd) ? 40 : 32);
		return true;
	case LEN_LOG:
		nr = cmd->cdw[CDW10] >> 16 | (cmd->cdw[CDW11] & 0xffff) << 16;
		*bytes = (nr + 1) * 4;
		return true;
	case LEN_NS_MGMT:
		*bytes = cmd->cdw[CDW10] & 0xf ? 0 : 4096;
		return true;
	case LEN_IO_MGMT:
		switch (cmd->cdw[CDW10] & 0xff) {
		case 0:		/* no action */
			*bytes = 0;
			return true;
		case 1:		/* Reclaim Unit Handle Update */
			*bytes = ((cmd->cdw[CDW10] >> 16) + 1) * 2;
			return true;
		}
		return false;
	default:
		return false;
	}
}

/*
 * What both kinds of command have in common. A command whose length is not
 * known moves no more than @max bytes, unless that is 0.
 * Return: false if the command is invalid.
 */
static bool filter_common(const struct nvdio_filter_cmd *cmd,
			  const struct filter_op *op, u8 lba_shift,
			  u64 max, struct nvdio_filter *out)
{
	*out = (struct nvdio_filter){ .dir = cmd->opcode & 3 };
	if (nvdio_filter_both(cmd->opcode))
		out->dir = NVDIO_FILTER_BOTH;
	/* PSDT and FUSE are the driver's. No namespace has metadata. */
	if (cmd->flags || cmd->metadata_len)
		return false;
	if (out->dir == NVDIO_FILTER_NO_DATA) {
		/* Nothing is mapped; programs do give a length without need. */
		out->exact = true;
		return true;
	}

	if (out->dir != NVDIO_FILTER_BOTH &&
	    (cmd->data_len || !(op->flags & F_EMPTY)))
		out->exact = filter_bytes(cmd, op, lba_shift, &out->bytes);
	if (!out->exact) {
		out->bytes = cmd->data_len;
		if (max && out->bytes > max)
			out->bytes = max;
		return !(cmd->opcode & NVDIO_FILTER_TO_CTRL) ||
		       nvdio_looping_fetchable(out->bytes);
	}
	if (!out->bytes)
		out->dir = NVDIO_FILTER_NO_DATA;
	/* More memory than needed does no harm: the rest is not mapped. */
	return out->bytes <= cmd->data_len;
}

/**
 * nvdio_filter_plain() - does the controller call a command one of plain I/O?
 * @effects: as in struct nvdio_filter_env, perhaps NULL
 * @opcode: opcode
 *
 * Context: any.
 */
bool nvdio_filter_plain(const __le32 *effects, u8 opcode)
{
	const u32 plain = NVME_CMD_EFFECTS_CSUPP | NVME_CMD_EFFECTS_LBCC |
			  NVME_CMD_EFFECTS_UUID_SEL |
			  NVME_CMD_EFFECTS_SCOPE_MASK;
	u32 bits = effects ? le32_to_cpu(effects[opcode]) : 0;

	return bits & NVME_CMD_EFFECTS_CSUPP && !(bits & ~plain);
}

/**
 * nvdio_filter_io() - judge an I/O command
 * @cmd: command
 * @env: where it is sent to
 * @out: what it will do, unless the verdict is NVDIO_FILTER_INVALID
 *
 * Context: any.
 * Return: who may send it.
 */
enum nvdio_filter_verdict
nvdio_filter_io(const struct nvdio_filter_cmd *cmd,
		const struct nvdio_filter_env *env, struct nvdio_filter *out)
{
	static const struct filter_op unknown = { .flags = F_ANY };
	const struct filter_op *op = &unknown;
	u32 effects = 0;

	if (cmd->opcode < ARRAY_SIZE(io_ops) && io_ops[cmd->opcode].len)
		op = &io_ops[cmd->opcode];
	if (env->effects)
		effects = le32_to_cpu(env->effects[cmd->opcode]);

	if (cmd->nsid != env->nsid ||
	    !filter_common(cmd, op, env->lba_shift, 0, out))
		return NVDIO_FILTER_INVALID;
	if (op->flags & F_RANGE) {
		out->changes = NVDIO_FILTER_CHANGES_RANGE;
		out->slba = cmd->cdw[CDW10] | (u64)cmd->cdw[CDW11] << 32;
		out->nlb = (cmd->cdw[CDW12] & 0xffff) + 1;
	} else if (op->flags & F_ANY) {
		out->changes = NVDIO_FILTER_CHANGES_ANY;
	}

	/* LBCC is not asked: Flush has it in some logs. */
	if (env->read_only && out->changes != NVDIO_FILTER_CHANGES_NONE)
		return NVDIO_FILTER_READ_ONLY;
	if (cmd->opcode >= OP_IO_VENDOR || op->flags & F_ADMIN ||
	    !nvdio_filter_plain(env->effects, cmd->opcode))
		return NVDIO_FILTER_ADMIN;
	if (!env->writable &&
	    (cmd->opcode & 1 || effects & NVME_CMD_EFFECTS_LBCC ||
	     out->changes != NVDIO_FILTER_CHANGES_NONE))
		return NVDIO_FILTER_ADMIN;
	if (!out->exact)
		return NVDIO_FILTER_ADMIN;
	return NVDIO_FILTER_ALL;
}

/**
 * nvdio_filter_admin() - judge an admin command
 * @cmd: command
 * @env: where it is sent to
 * @out: what it will do, unless the verdict is NVDIO_FILTER_INVALID
 *
 * Context: any.
 * Return: who may send it.
 */
enum nvdio_filter_verdict
nvdio_filter_admin(const struct nvdio_filter_cmd *cmd,
		   const struct nvdio_filter_env *env,
		   struct nvdio_filter *out)
{
	static const struct filter_op unknown;
	const struct filter_op *op = &unknown;
	u32 effects = 0;
	u64 max = 0;

	if (cmd->opcode < ARRAY_SIZE(admin_ops))
		op = &admin_ops[cmd->opcode];
	if (env->effects)
		effects = le32_to_cpu(env->effects[cmd->opcode]);

	if (op->flags & F_REFUSED)
		return NVDIO_FILTER_REFUSED;
	if (cmd->opcode == OP_SET_FEATURES && feature_refused(cmd->cdw[CDW10]))
		return NVDIO_FILTER_REFUSED;
	if ((cmd->opcode == OP_SET_FEATURES ||
	     cmd->opcode == OP_GET_FEATURES) &&
	    (cmd->cdw[CDW10] & 0xff) < FID_VENDOR)
		max = FEATURE_BYTES;
	if (!filter_common(cmd, op, 0, max, out))
		return NVDIO_FILTER_INVALID;
	/* A relaxed restriction (CSER) leaves it to the host. */
	if (op->flags & F_NO_FREEZE || effects & NVME_CMD_EFFECTS_CSER_MASK)
		effects &= ~NVME_CMD_EFFECTS_CSE_MASK;
	out->freeze = op->flags & F_FREEZE ||
		      effects & NVME_CMD_EFFECTS_CSE_MASK;
	out->rescan = op->flags & F_RESCAN ||
		      effects & (NVME_CMD_EFFECTS_NCC | NVME_CMD_EFFECTS_NIC |
				 NVME_CMD_EFFECTS_CCC);
	if (cmd->opcode == OP_IDENTIFY && identify_is_public(cmd->cdw[CDW10]))
		return NVDIO_FILTER_ALL;
	return NVDIO_FILTER_ADMIN;
}
