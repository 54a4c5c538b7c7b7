// SPDX-License-Identifier: GPL-2.0
/* IORING_OP_URING_CMD on the nodes. */
#include <uapi/linux/blkdev.h>

#include "compat.h"
#include "discard.h"
#include "ns.h"
#include "uring_cmd.h"

/**
 * nvdio_ns_uring_cmd() - a command through io_uring, for a namespace
 * @ioucmd: command
 * @issue_flags: from io_uring
 *
 * Context: may sleep, unless @issue_flags forbid it.
 * Return: -EIOCBQUEUED, a result, -EAGAIN only if it may not sleep, or -errno.
 */
int nvdio_ns_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct nvdio_ns *ns = ioucmd->file->private_data;

	switch (ioucmd->cmd_op) {
	case BLOCK_URING_CMD_DISCARD:
		if (!(ioucmd->file->f_mode & FMODE_WRITE))
			return -EBADF;
		return nvdio_discard_uring(ns, ioucmd, issue_flags);
	default:
		return -ENOTTY;
	}
}
