// SPDX-License-Identifier: GPL-2.0
/* The passthrough filter: tables of opcodes and the rules; see filter.h. */
#include "pure/filter.h"
#include "pure/looping.h"

/* How the data size of a command is encoded. */
enum filter_len {
	LEN_UNKNOWN,		/* not at all, or not in a known way */
	LEN_NONE,
	LEN_FIXED,		/* @arg bytes */
	LEN_NLB,		/* CDW12 bits 15:0, 0's based, in blocks */
	LEN_DWORDS,		/* dword @arg, 0's based, in dwords */
	LEN_BYTES,		/* dword @arg, in bytes */
	LEN_RANGES,		/* CDW10 bits 7:0, 0's based, @arg bytes each */
	LEN_COPY,		/* CDW12, depending on the descriptor format */
	LEN_LOG,		/* NUMDU and NUMDL of Get Log Page */
	LEN_NS_MGMT,		/* 4 KiB to create a namespace, else 0 */
	LEN_IO_MGMT,		/* CDW10: by the operation, 2 bytes per id */
};

/* What a command changes, and how it has to be handled. */
#define F_RANGE		0x01	/* the blocks of SLBA and NLB */
#define F_ANY		0x02	/* unknown blocks */
#define F_REFUSED	0x04	/* would break the driver's own state */
#define F_FREEZE	0x08	/* I/O must be frozen */
#define F_RESCAN	0x10	/* changes namespaces */
#define F_ADMIN		0x20	/* requires CAP_SYS_ADMIN */
#define F_NO_FREEZE	0x40	/* no freeze, despite the effects log */
#define F_EMPTY		0x80	/* may have no data, despite its length */

struct filter_op {
	u8 len;
	u16 arg;
	u8 flags;
};

/* Indices into nvdio_filter_cmd.cdw. */
enum { CDW10, CDW11, CDW12, CDW13, CDW14, CDW15 };

/* Opcodes that linux/nvme.h of 6.12 does not name. */
enum {
	OP_IO_MGMT_RECEIVE = 0x12,
	OP_CANCEL = 0x18,
	OP_COPY = 0x19,
	OP_IO_MGMT_SEND = 0x1d,
	OP_CTRL_DATA_QUEUE = 0x45,
};

/* NVM Command Set 1.0, 3.2, and NVMe Base 2.0, 7. */
static const struct filter_op io_ops[] = {
	[nvme_cmd_flush] = { .len = LEN_NONE },
	[nvme_cmd_write] = { .len = LEN_NLB, .flags = F_RANGE },
	[nvme_cmd_read] = { .len = LEN_NLB },
	[nvme_cmd_write_uncor] = { .len = LEN_NONE, .flags = F_RANGE },
	[nvme_cmd_compare] = { .len = LEN_NLB },
	[nvme_cmd_write_zeroes] = { .len = LEN_NONE, .flags = F_RANGE },
	[nvme_cmd_dsm] = { .len = LEN_RANGES, .arg = 16, .flags = F_ANY },
	[nvme_cmd_verify] = { .len = LEN_NONE },
	[nvme_cmd_resv_register] = { .len = LEN_FIXED, .arg = 16 },
	[nvme_cmd_resv_report] = { .len = LEN_DWORDS, .arg = CDW10 },
	[nvme_cmd_resv_acquire] = { .len = LEN_FIXED, .arg = 16 },
	[OP_IO_MGMT_RECEIVE] = { .len = LEN_DWORDS, .arg = CDW11 },
	[nvme_cmd_resv_release] = { .len = LEN_FIXED, .arg = 8 },
	/* Cancels any command in the same queue, which is a shared one. */
	[OP_CANCEL] = { .len = LEN_NONE, .flags = F_ADMIN },
	[OP_COPY] = { .len = LEN_COPY, .flags = F_ANY },
	[OP_IO_MGMT_SEND] = { .len = LEN_IO_MGMT },
};

/*
 * NVMe Base 2.0, 5. Set and Get Features are not in the table: their length
 * depends on the feature, which may be vendor specific.
 */
static const struct filter_op admin_ops[] = {
	[nvme_admin_delete_sq] = { .len = LEN_NONE, .flags = F_REFUSED },
	[nvme_admin_create_sq] = { .len = LEN_NONE, .flags = F_REFUSED },
	[nvme_admin_get_log_page] = { .len = LEN_LOG },
	[nvme_admin_delete_cq] = { .len = LEN_NONE, .flags = F_REFUSED },
	[nvme_admin_create_cq] = { .len = LEN_NONE, .flags = F_REFUSED },
	[nvme_admin_identify] = { .len = LEN_FIXED, .arg = 4096 },
	[nvme_admin_abort_cmd] = { .len = LEN_NONE, .flags = F_REFUSED },
	[nvme_admin_async_event] = { .len = LEN_NONE, .flags = F_REFUSED },
	[nvme_admin_ns_mgmt] = { .len = LEN_NS_MGMT,
				 .flags = F_FREEZE | F_RESCAN },
	[nvme_admin_activate_fw] = { .len = LEN_NONE },
	[nvme_admin_download_fw] = { .len = LEN_DWORDS, .arg = CDW10 },
	[nvme_admin_dev_self_test] = { .len = LEN_NONE },
	[nvme_admin_ns_attach] = { .len = LEN_FIXED, .arg = 4096,
				   .flags = F_FREEZE | F_RESCAN },
	[nvme_admin_keep_alive] = { .len = LEN_NONE },
	[nvme_admin_directive_send] = { .len = LEN_DWORDS, .arg = CDW10,
					.flags = F_EMPTY },
	[nvme_admin_directive_recv] = { .len = LEN_DWORDS, .arg = CDW10,
					.flags = F_EMPTY },
	[nvme_admin_virtual_mgmt] = { .len = LEN_NONE },
	/* The controller writes to host memory until the queue is deleted. */
	[OP_CTRL_DATA_QUEUE] = { .len = LEN_NONE, .flags = F_REFUSED },
	[nvme_admin_dbbuf] = { .len = LEN_NONE, .flags = F_REFUSED },
	[nvme_fabrics_command] = { .len = LEN_NONE, .flags = F_REFUSED },
	[nvme_admin_format_nvm] = { .len = LEN_NONE,
				    .flags = F_FREEZE | F_RESCAN },
	[nvme_admin_security_send] = { .len = LEN_BYTES, .arg = CDW11 },
	/* Some controllers ask for a freeze, in case a TCG lock changes. */
	[nvme_admin_security_recv] = { .len = LEN_BYTES, .arg = CDW11,
				       .flags = F_NO_FREEZE },
	[nvme_admin_sanitize_nvm] = { .len = LEN_NONE, .flags = F_FREEZE },
};

/* No feature defined by the specifications has more data. */
#define FEATURE_BYTES		4096

/* Features that the driver relies on or sets itself. */
static bool feature_refused(u8 fid)
{
	switch (fid) {
	case NVME_FEAT_NUM_QUEUES:
	case NVME_FEAT_AUTO_PST:
	case NVME_FEAT_HOST_MEM_BUF:
	case NVME_FEAT_KATO:
	case NVME_FEAT_HOST_BEHAVIOR:
		return true;
	default:
		return false;
	}
}

/* Identify data that nvme shows to anyone who can open a node. */
static bool identify_is_public(u8 cns)
{
	switch (cns) {
	case NVME_ID_CNS_NS:
	case NVME_ID_CNS_CTRL:
	case NVME_ID_CNS_CS_NS:
	case NVME_ID_CNS_CS_CTRL:
	case NVME_ID_CNS_NS_CS_INDEP:
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
 * Compute the data size of a command.
 * Return: false if it is unknown.
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
		/*
		 * Formats 0 and 1: 32 and 40 bytes. Later ones may read other
		 * namespaces.
		 */
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
 * The checks common to I/O and admin commands. A command of unknown length gets
 * at most @max bytes of memory, unless @max is 0.
 * Return: false if the command is invalid.
 */
static bool filter_common(const struct nvdio_filter_cmd *cmd,
			  const struct filter_op *op, u8 lba_shift,
			  u64 max, struct nvdio_filter *out)
{
	*out = (struct nvdio_filter){ .dir = cmd->opcode & 3 };
	if (nvdio_filter_both(cmd->opcode))
		out->dir = NVDIO_FILTER_BOTH;
	/* PSDT and FUSE belong to the driver. No namespace has metadata. */
	if (cmd->flags || cmd->metadata_len)
		return false;
	if (out->dir == NVDIO_FILTER_NO_DATA) {
		/*
		 * Nothing is mapped. Some programs set a length all the same.
		 */
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
	/* Excess memory is harmless: it is not mapped. */
	return out->bytes <= cmd->data_len;
}

/**
 * nvdio_filter_plain() - does the effects log describe a command as plain I/O?
 * @effects: as in struct nvdio_filter_env, may be NULL
 * @opcode: opcode
 *
 * Plain means supported, and with no effect other than changing logical blocks.
 *
 * Context: any.
 * Return: true if it does; false also if there is no log.
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
 * nvdio_filter_io() - check an I/O command
 * @cmd: command
 * @env: its target, and the file it came from
 * @out: what the command will do; undefined for NVDIO_FILTER_INVALID
 *
 * Context: any.
 * Return: who may submit it.
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

	/* LBCC does not count here: some logs set it for Flush. */
	if (env->read_only && out->changes != NVDIO_FILTER_CHANGES_NONE)
		return NVDIO_FILTER_READ_ONLY;
	if (cmd->opcode >= nvme_cmd_vendor_start || op->flags & F_ADMIN ||
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
 * nvdio_filter_admin() - check an admin command
 * @cmd: command
 * @env: its target, and the file it came from
 * @out: what the command will do; undefined for NVDIO_FILTER_INVALID and
 *	NVDIO_FILTER_REFUSED
 *
 * Context: any.
 * Return: who may submit it.
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
	if (cmd->opcode == nvme_admin_set_features &&
	    feature_refused(cmd->cdw[CDW10]))
		return NVDIO_FILTER_REFUSED;
	if ((cmd->opcode == nvme_admin_set_features ||
	     cmd->opcode == nvme_admin_get_features) &&
	    (cmd->cdw[CDW10] & 0xff) < NVME_FEAT_VENDOR_START)
		max = FEATURE_BYTES;
	if (!filter_common(cmd, op, 0, max, out))
		return NVDIO_FILTER_INVALID;
	/* With a relaxed restriction (CSER) quiescing I/O is optional. */
	if (op->flags & F_NO_FREEZE || effects & NVME_CMD_EFFECTS_CSER_MASK)
		effects &= ~NVME_CMD_EFFECTS_CSE_MASK;
	out->freeze = op->flags & F_FREEZE ||
		      effects & NVME_CMD_EFFECTS_CSE_MASK;
	out->rescan = op->flags & F_RESCAN ||
		      effects & (NVME_CMD_EFFECTS_NCC | NVME_CMD_EFFECTS_NIC |
				 NVME_CMD_EFFECTS_CCC);
	if (cmd->opcode == nvme_admin_identify &&
	    identify_is_public(cmd->cdw[CDW10]))
		return NVDIO_FILTER_ALL;
	return NVDIO_FILTER_ADMIN;
}
