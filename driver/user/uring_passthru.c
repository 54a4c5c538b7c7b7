// SPDX-License-Identifier: GPL-2.0
/*
 * The slow path of IORING_OP_URING_CMD, for all passthrough commands: they are checked, sent and
 * finished by passthru.c.
 */
#include <linux/sched.h>
#include <linux/uio.h>

#include "pure/filter.h"
#include "core/compat.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "user/passthru.h"
#include "user/uring_passthru.h"

static void uring_pt_done(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct nvdio_uring_pdu *pdu = nvdio_uring_pdu(ioucmd);
	u64 result = pdu->pt->result;
	/* A task of another address space may poll the ring. */
	struct mm_struct *mm = READ_ONCE(io_uring_cmd_get_task(ioucmd)->mm);
	int ret;

	ret = nvdio_passthru_finish(pdu->pt, mm && mm == current->mm);
	nvdio_uring_done32(ioucmd, ret, result, issue_flags);
}

NVDIO_URING_TASK_WORK(uring_pt_work, uring_pt_done);

static void uring_pt_end(struct nvdio_passthru *pt)
{
	io_uring_cmd_do_in_task_lazy(pt->owner, uring_pt_work);
}

/* Of rings that poll: the next poll completes it, as for batch_end_polled(). */
static void uring_pt_end_polled(struct nvdio_passthru *pt)
{
	/* Pairs with nvdio_ns_uring_cmd_iopoll(), to which it belongs then. */
	smp_store_release(&nvdio_uring_pdu(pt->owner)->queue,
			  NVDIO_URING_PT_ENDED);
}

/* Import the memory of a command; @data_len counts segments if @vec. */
static int uring_import(struct io_uring_cmd *ioucmd,
			const struct nvme_uring_cmd *ucmd, bool vec,
			unsigned int issue_flags, struct nvdio_user_mem *mem)
{
	const int dir = ucmd->opcode & 1 ? ITER_SOURCE : ITER_DEST;
	u64 addr = ucmd->addr;

	mem->iov = NULL;
	if (ioucmd->flags & IORING_URING_CMD_FIXED) {
		if (vec)
			return nvdio_uring_import_vec(ioucmd,
						      u64_to_user_ptr(addr),
						      ucmd->data_len, dir,
						      &mem->iter, issue_flags);
		/* A registered buffer may allow one direction only. */
		if (ucmd->data_len && nvdio_filter_both(ucmd->opcode)) {
			int ret;

			ret = nvdio_uring_import(ioucmd, addr, ucmd->data_len,
						 !dir, &mem->iter, issue_flags);
			if (ret)
				return ret;
		}
		if (ucmd->data_len)
			return nvdio_uring_import(ioucmd, addr, ucmd->data_len,
						  dir, &mem->iter, issue_flags);
	}
	return nvdio_passthru_import(ucmd->opcode, u64_to_user_ptr(addr),
				     ucmd->data_len, vec, mem);
}

/*
 * The slow path, for all commands.
 * Return: as nvdio_ns_uring_cmd().
 */
static int uring_send(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
		      struct io_uring_cmd *ioucmd,
		      const struct nvme_uring_cmd *ucmd, bool vec,
		      unsigned int issue_flags)
{
	const bool nowait = issue_flags & IO_URING_F_NONBLOCK;
	struct nvdio_uring_pdu *pdu = nvdio_uring_pdu(ioucmd);
	struct nvdio_passthru *pt;
	struct nvdio_user_mem mem;
	struct nvdio_filter filter;
	struct nvdio_queue *q;
	u64 result = 0;
	int ret;

	ret = uring_import(ioucmd, ucmd, vec, issue_flags, &mem);
	if (ret)
		return ret;
	ret = nvdio_passthru_check(ctrl, ns, ucmd, iov_iter_count(&mem.iter),
				   ioucmd->file->f_mode & FMODE_WRITE, &filter);
	/* Freezing I/O and rescanning sleep. */
	if (!ret && nowait && (filter.freeze || filter.rescan))
		ret = -EAGAIN;
	if (ret) {
		nvdio_user_mem_free(&mem);
		return ret;
	}
	pt = nvdio_passthru_prepare(ctrl, ns, ucmd, &filter, &mem, nowait);
	if (IS_ERR(pt))
		return PTR_ERR(pt);
	if (filter.freeze || filter.rescan) {
		ret = nvdio_passthru_wait(pt, &result);
		nvdio_uring_done32(ioucmd, ret, result, issue_flags);
		return -EIOCBQUEUED;
	}

	q = ns ? nvdio_ns_queue(ns, issue_flags & IO_URING_F_IOPOLL) :
		 ctrl->admin;
	pdu->pt = pt;
	pdu->queue = q;
	pt->end = issue_flags & IO_URING_F_IOPOLL ? uring_pt_end_polled :
						    uring_pt_end;
	pt->owner = ioucmd;
	ret = nvdio_passthru_send(pt, q, nowait);
	if (!ret)
		return -EIOCBQUEUED;
	nvdio_passthru_abandon(pt);
	return ret;
}

/* Is this a big ring? Others have no room for the command and its result. */
static bool uring_is_big(unsigned int issue_flags)
{
	return (issue_flags & NVDIO_URING_BIG) == NVDIO_URING_BIG;
}

/* Copy a command from its SQE, which user space may change at any time. */
static void uring_take(const struct io_uring_cmd *ioucmd,
		       struct nvme_uring_cmd *ucmd, unsigned int issue_flags)
{
	memcpy(ucmd, nvdio_uring_cmd_of(ioucmd), sizeof(*ucmd));
	/* Keep the compiler from reading the SQE again. */
	barrier();
	if (unlikely(issue_flags & IO_URING_F_COMPAT))
		ucmd->addr = (u32)ucmd->addr;
}

/**
 * nvdio_ns_uring_passthru() - a command for a namespace node, by the slow path
 * @ns: namespace
 * @ioucmd: command: NVME_URING_CMD_IO or NVME_URING_CMD_IO_VEC
 * @issue_flags: from io_uring
 *
 * Context: may sleep, unless @issue_flags forbid it.
 * Return: as nvdio_ns_uring_cmd().
 */
int nvdio_ns_uring_passthru(struct nvdio_ns *ns, struct io_uring_cmd *ioucmd,
			    unsigned int issue_flags)
{
	struct nvme_uring_cmd ucmd;

	if (!uring_is_big(issue_flags))
		return -EOPNOTSUPP;
	if (nvdio_ns_gone(ns))
		return -ENODEV;
	uring_take(ioucmd, &ucmd, issue_flags);
	return uring_send(ns->ctrl, ns, ioucmd, &ucmd,
			  ioucmd->cmd_op == NVME_URING_CMD_IO_VEC, issue_flags);
}

/**
 * nvdio_uring_passthru_polled() - complete a command that has ended, NVDIO_URING_PT_ENDED
 * @ioucmd: command
 *
 * Context: task, with the lock of the command's ring held.
 */
void nvdio_uring_passthru_polled(struct io_uring_cmd *ioucmd)
{
	uring_pt_done(ioucmd, 0);
}

/**
 * nvdio_ctrl_uring_cmd() - ->uring_cmd() of controller nodes
 * @ioucmd: command: NVME_URING_CMD_ADMIN or NVME_URING_CMD_ADMIN_VEC
 * @issue_flags: from io_uring
 *
 * Context: may sleep, unless @issue_flags forbid it.
 * Return: as nvdio_ns_uring_cmd().
 */
int nvdio_ctrl_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct nvdio_ctrl *ctrl = ioucmd->file->private_data;
	bool vec = ioucmd->cmd_op == NVME_URING_CMD_ADMIN_VEC;
	struct nvme_uring_cmd ucmd;
	int ret;

	if (ioucmd->cmd_op != NVME_URING_CMD_ADMIN && !vec)
		return -ENOTTY;
	if (issue_flags & IO_URING_F_IOPOLL || !uring_is_big(issue_flags))
		return -EOPNOTSUPP;
	if (nvdio_ctrl_gone(ctrl))
		return -ENODEV;
	uring_take(ioucmd, &ucmd, issue_flags);
	ret = uring_send(ctrl, NULL, ioucmd, &ucmd, vec, issue_flags);
	if (unlikely(ret == -EAGAIN))
		nvdio_uring_keep_sqe(ioucmd, issue_flags);
	return ret;
}
