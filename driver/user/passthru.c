// SPDX-License-Identifier: GPL-2.0
/*
 * Passthrough commands: what the ioctls and io_uring have in common.
 *
 * A command of known data size (filter.h) uses user memory directly, if it is an
 * I/O command and the memory is dword aligned: mapped memory as it is
 * (passthru_map.c), other memory pinned and mapped. All others go through a bounce
 * buffer (passthru_buf.c).
 *
 * Commands that may change a namespace run with all I/O frozen, and namespaces
 * are rescanned before I/O continues.
 */
#include <linux/capability.h>
#include <linux/completion.h>
#include <linux/slab.h>

#include "pure/cmd.h"
#include "pure/filter.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/params.h"
#include "core/request.h"
#include "core/stats.h"
#include "core/watch.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/dma.h"
#include "io/map_find.h"
#include "io/pages.h"
#include "io/xfer.h"
#include "io/xfer_op.h"
#include "io/xfer_pool.h"
#include "ctrl/ctrl.h"
#include "ctrl/ns.h"
#include "user/passthru.h"
#include "user/passthru_buf.h"
#include "user/passthru_map.h"

/* Waits are split into slices, to keep the hung task detector quiet. */
#define NVDIO_WAIT_SLICE	(5 * HZ)

/**
 * nvdio_passthru_import() - import the user memory of a command
 * @opcode: its opcode, which gives the direction
 * @addr: user address of the memory, or of an array of segments
 * @len: bytes of memory, or number of segments
 * @vec: @addr is an array of segments
 * @mem: filled in
 *
 * Context: may sleep.
 * Return: 0; or -errno, with nothing to free.
 */
int nvdio_passthru_import(u8 opcode, void __user *addr, u32 len, bool vec,
			  struct nvdio_user_mem *mem)
{
	const int dir = opcode & 1 ? ITER_SOURCE : ITER_DEST;
	/* A single segment becomes a UBUF; for more, an array is allocated. */
	struct iovec one = {};
	ssize_t ret;

	mem->iov = NULL;
	if (!vec)
		return import_ubuf(dir, addr, len, &mem->iter);
	mem->iov = &one;
	ret = import_iovec(dir, addr, len, 1, &mem->iov, &mem->iter);
	if (ret)
		return min(ret, 0);
	/*
	 * An array is allocated even if all segments are empty; if there are no
	 * segments, it is @one.
	 */
	nvdio_user_mem_free(mem);
	return import_ubuf(dir, NULL, 0, &mem->iter);
}

/**
 * nvdio_user_mem_free() - free the segment array of user memory
 * @mem: user memory
 *
 * Context: any.
 */
void nvdio_user_mem_free(struct nvdio_user_mem *mem)
{
	kfree(mem->iov);
	mem->iov = NULL;
}

/**
 * nvdio_passthru_check() - check a passthrough command
 * @ctrl: controller
 * @ns: namespace for an I/O command, NULL for an admin command
 * @ucmd: command; a copy that user space cannot change
 * @data_len: bytes of its memory
 * @writable: the file was opened for writing
 * @filter: set to what the command will do
 *
 * Context: task.
 * Return: 0, -EACCES, -EPERM or -EINVAL.
 */
int nvdio_passthru_check(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
			 const struct nvme_uring_cmd *ucmd, u64 data_len,
			 bool writable, struct nvdio_filter *filter)
{
	const struct nvdio_filter_cmd cmd = {
		.opcode = ucmd->opcode,
		.flags = ucmd->flags,
		.nsid = ucmd->nsid,
		.cdw = { ucmd->cdw10, ucmd->cdw11, ucmd->cdw12, ucmd->cdw13,
			 ucmd->cdw14, ucmd->cdw15 },
		.data_len = data_len,
		/* As in nvme, the length counts only with a pointer. */
		.metadata_len = ucmd->metadata ? ucmd->metadata_len : 0,
	};
	struct nvdio_filter_env env = { .writable = writable };
	enum nvdio_filter_verdict verdict;

	if (ns) {
		env.nsid = ns->nsid;
		env.lba_shift = ns->lba_shift;
		env.read_only = nvdio_ns_read_only(ns);
		env.effects = ctrl->effects ? ctrl->effects->iocs : NULL;
		verdict = nvdio_filter_io(&cmd, &env, filter);
	} else {
		env.effects = ctrl->effects ? ctrl->effects->acs : NULL;
		verdict = nvdio_filter_admin(&cmd, &env, filter);
	}
	switch (verdict) {
	case NVDIO_FILTER_ALL:
		break;
	case NVDIO_FILTER_ADMIN:
		if (!capable(CAP_SYS_ADMIN))
			return -EACCES;
		break;
	case NVDIO_FILTER_REFUSED:
		return -EACCES;
	case NVDIO_FILTER_READ_ONLY:
		return -EPERM;
	default:
		return -EINVAL;
	}
	return filter->bytes > ctrl->max_bytes ? -EINVAL : 0;
}

/**
 * nvdio_passthru_fill() - fill in a command except for its data pointer
 * @cmd: filled in; PSDT, FUSE and MPTR are 0
 * @ucmd: command of user space
 *
 * Context: any.
 */
void nvdio_passthru_fill(struct nvme_command *cmd,
			 const struct nvme_uring_cmd *ucmd)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->common.opcode = ucmd->opcode;
	cmd->common.nsid = cpu_to_le32(ucmd->nsid);
	cmd->common.cdw2[0] = cpu_to_le32(ucmd->cdw2);
	cmd->common.cdw2[1] = cpu_to_le32(ucmd->cdw3);
	cmd->common.cdw10 = cpu_to_le32(ucmd->cdw10);
	cmd->common.cdw11 = cpu_to_le32(ucmd->cdw11);
	cmd->common.cdw12 = cpu_to_le32(ucmd->cdw12);
	cmd->common.cdw13 = cpu_to_le32(ucmd->cdw13);
	cmd->common.cdw14 = cpu_to_le32(ucmd->cdw14);
	cmd->common.cdw15 = cpu_to_le32(ucmd->cdw15);
}

/**
 * nvdio_passthru_timeout() - convert the timeout of a passthrough command
 * @timeout_ms: milliseconds
 *
 * Context: any.
 * Return: jiffies, at most NVDIO_TIMEOUT_MAX; 0 stays 0.
 */
u32 nvdio_passthru_timeout(u32 timeout_ms)
{
	return min_t(unsigned long, msecs_to_jiffies(timeout_ms),
		     NVDIO_TIMEOUT_MAX);
}

/**
 * nvdio_passthru_result() - the result of a passthrough command for user space
 * @status: the controller's, or NVDIO_SC_*
 *
 * Context: any.
 * Return: the controller's status, which is 0 or more; or -errno.
 */
int nvdio_passthru_result(u16 status)
{
	if (status == NVDIO_SC_RESET)
		return -EINTR;
	if (status == NVDIO_SC_GONE)
		return -ENODEV;
	return status;
}

/*
 * Pin and map user memory, and call nvdio_ctrl_enter().
 * Return: 0; -E2BIG if one command cannot describe it; or another -errno.
 */
static int pt_map_xfer(struct nvdio_passthru *pt, struct iov_iter *iter,
		       gfp_t gfp)
{
	const u32 len = pt->filter.bytes;
	struct nvdio_xfer *xfer;
	bool sgl;
	u32 bytes;
	int ret;

	xfer = nvdio_xfer_prepare(pt->ns, iter, len,
				  pt->filter.dir == NVDIO_FILTER_TO_CTRL,
				  &pt->ns->raw_limits, true, gfp);
	if (IS_ERR(xfer))
		return PTR_ERR(xfer);
	ret = nvdio_dma_command(xfer, gfp, &bytes, &pt->cmd.common.dptr, &sgl);
	if (ret == -EINVAL || (!ret && bytes != len))
		ret = -E2BIG;
	if (ret) {
		nvdio_xfer_release(xfer);
		nvdio_ctrl_exit(pt->ctrl);
		return ret;
	}
	if (sgl)
		pt->cmd.common.flags = NVME_CMD_SGL_METABUF;
	pt->xfer = xfer;
	return 0;
}

/* Map the memory, pinned if the command can use it @directly, and enter. */
static int pt_map(struct nvdio_passthru *pt, bool directly, gfp_t gfp)
{
	struct iov_iter *iter = &pt->mem.iter;
	int ret;

	if (directly) {
		struct iov_iter pin = *iter;

		ret = pt_map_xfer(pt, &pin, gfp);
		if (ret != -E2BIG)
			return ret;
	}
	pt->buf = nvdio_passthru_buf_map(pt->ctrl, &pt->filter, iter,
					 &pt->cmd.common.dptr, gfp);
	if (IS_ERR(pt->buf)) {
		ret = PTR_ERR(pt->buf);
		pt->buf = NULL;
		return ret;
	}
	return 0;
}

/* Decide how the command gets to its memory; all but what may be mapped is done. */
static int pt_prepare(struct nvdio_passthru *pt, bool nowait)
{
	const gfp_t gfp = nowait ? GFP_NOWAIT | __GFP_NOWARN : GFP_KERNEL;
	const struct nvdio_filter *filter = &pt->filter;
	struct iov_iter *iter = &pt->mem.iter;
	bool directly;
	int ret;

	if (filter->dir == NVDIO_FILTER_NO_DATA) {
		ret = nvdio_ctrl_enter(pt->ctrl) ? 0 : -ENODEV;
	} else {
		iov_iter_truncate(iter, filter->bytes);
		directly = pt->ns && filter->exact &&
			   nvdio_xfer_aligned(iter, filter->bytes);
		if (directly &&
		    nvdio_passthru_map_possible(pt->ns, filter, iter)) {
			pt->look = true;
			return 0;
		}
		ret = pt_map(pt, directly, gfp);
	}
	pt->entered = !ret;
	return ret;
}

/*
 * The controller no longer uses the memory. Context: any; task if mapping may
 * bounce.
 */
static void pt_unmap(struct nvdio_passthru *pt)
{
	if (pt->xfer) {
		nvdio_dma_unmap(pt->xfer);
		nvdio_xfer_put_lists(pt->xfer);
	}
	if (pt->buf)
		nvdio_passthru_buf_unmap(pt->ctrl, pt->buf);
}

/* Free everything else. */
static void pt_free(struct nvdio_passthru *pt)
{
	if (pt->xfer) {
		if (pt->xfer->dirty)
			nvdio_pages_dirty_sg(&pt->xfer->sg);
		nvdio_xfer_release(pt->xfer);
	}
	if (pt->buf)
		nvdio_passthru_buf_free(pt->buf);
	nvdio_user_mem_free(&pt->mem);
	kfree(pt);
}

/**
 * nvdio_passthru_prepare() - allocate a command and map its memory
 * @ctrl: controller
 * @ns: namespace for an I/O command, NULL for an admin command
 * @ucmd: command that passed nvdio_passthru_check()
 * @filter: from nvdio_passthru_check()
 * @mem: memory, of the length checked there; ownership is taken, also on error
 * @nowait: do not sleep, except to fault in user pages
 *
 * Context: may sleep, see @nowait.
 * Return: a command for nvdio_passthru_send(), nvdio_passthru_wait() or
 * nvdio_passthru_abandon(), with nvdio_ctrl_enter() in effect unless its memory
 * may be mapped memory; or ERR_PTR(): -EAGAIN only under @nowait, -ENOMEM,
 * -EFAULT, -ENODEV, or another -errno.
 */
struct nvdio_passthru *
nvdio_passthru_prepare(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
		       const struct nvme_uring_cmd *ucmd,
		       const struct nvdio_filter *filter,
		       struct nvdio_user_mem *mem, bool nowait)
{
	struct nvdio_passthru *pt;
	int ret;

	pt = kzalloc(sizeof(*pt), nowait ? GFP_NOWAIT | __GFP_NOWARN :
					   GFP_KERNEL);
	if (!pt) {
		nvdio_user_mem_free(mem);
		return ERR_PTR(nowait ? -EAGAIN : -ENOMEM);
	}
	pt->mem = *mem;
	pt->ctrl = ctrl;
	pt->ns = ns;
	pt->filter = *filter;
	pt->timeout = nvdio_passthru_timeout(ucmd->timeout_ms);
	nvdio_passthru_fill(&pt->cmd, ucmd);
	ret = pt_prepare(pt, nowait);
	if (!ret)
		return pt;
	pt_free(pt);
	return ERR_PTR(nowait && ret == -ENOMEM ? -EAGAIN : ret);
}

/**
 * nvdio_passthru_abandon() - free a command that was not submitted
 * @pt: command; freed
 *
 * Context: may sleep.
 */
void nvdio_passthru_abandon(struct nvdio_passthru *pt)
{
	struct nvdio_ctrl *ctrl = pt->ctrl;
	const bool entered = pt->entered;

	pt_unmap(pt);
	pt_free(pt);
	if (entered)
		nvdio_ctrl_exit(ctrl);
}

static void pt_over(struct nvdio_passthru *pt)
{
	struct nvdio_ctrl *ctrl = pt->ctrl;
	const bool entered = pt->entered;

	pt_unmap(pt);
	pt->end(pt);
	if (entered)
		nvdio_ctrl_exit(ctrl);
}

static void pt_over_work(struct work_struct *work)
{
	pt_over(container_of(work, struct nvdio_passthru, work));
}

static enum nvdio_end pt_end(struct nvdio_request *req, u16 status,
			     struct nvdio_completion *done)
{
	struct nvdio_passthru *pt = req->owner;

	pt->status = status;
	pt->result = done->result;
	if (pt->ctrl->bounces) {
		/* Unmapping may copy, so leave it to a worker. */
		INIT_WORK(&pt->work, pt_over_work);
		queue_work(pt->ctrl->finish_wq, &pt->work);
	} else {
		pt_over(pt);
	}
	return NVDIO_END_NONE;
}

/**
 * nvdio_passthru_watch() - make its commands known to the tracepoints
 *
 * Context: module load.
 */
void nvdio_passthru_watch(void)
{
	nvdio_watch_path(pt_end, NVDIO_PATH_PASSTHRU);
}

/* The blocks that the command changes, for exclusion of read-modify-writes. */
static void pt_extent(const struct nvdio_passthru *pt, u64 *slba, u64 *nlb,
		      u16 *flags)
{
	*slba = 0;
	*nlb = 0;
	*flags = 0;
	switch (pt->filter.changes) {
	case NVDIO_FILTER_CHANGES_RANGE:
		*slba = pt->filter.slba;
		*nlb = pt->filter.nlb;
		*flags = NVDIO_REQ_WRITE | NVDIO_REQ_BLOCKS;
		break;
	case NVDIO_FILTER_CHANGES_ANY:
		*nlb = nvdio_ns_lba(pt->ns, nvdio_ns_size(pt->ns));
		*flags = NVDIO_REQ_WRITE | NVDIO_REQ_ALL;
		break;
	}
}

/*
 * Get a request for the command. If its memory is mapped memory, which is known
 * only under sq_lock, @mapped is set; otherwise that memory is pinned and mapped
 * first, while the caller has not entered: user space may take its time.
 */
static struct nvdio_request *pt_request(struct nvdio_passthru *pt,
					struct nvdio_queue *q, u64 slba,
					u64 nlb, bool nowait,
					struct nvdio_mapped *mapped)
{
	struct nvdio_request *req;
	int ret;

	mapped->map = NULL;
	if (pt->look) {
		req = nvdio_passthru_map_req(q, pt->ns, &pt->filter,
					     &pt->mem.iter, slba, nlb, nowait,
					     mapped);
		if (req != ERR_PTR(-ENOENT))
			return req;
		pt->look = false;
		ret = pt_map(pt, true, nowait ? GFP_NOWAIT | __GFP_NOWARN :
						GFP_KERNEL);
		if (ret)
			return ERR_PTR(nowait && ret == -ENOMEM ? -EAGAIN :
								  ret);
		pt->entered = true;
	}
	return nvdio_req_get(q, pt->ns, slba, nlb, nowait);
}

/**
 * nvdio_passthru_send() - submit a prepared command
 * @pt: command with @end set; on success it must not be touched
 * @q: queue
 * @nowait: do not sleep, except to fault in user pages
 *
 * Context: may sleep, see @nowait; the task that called nvdio_passthru_prepare().
 * Return: 0; or, with nothing submitted, -EAGAIN, only under @nowait, -ENODEV, or
 * as nvdio_passthru_prepare().
 */
int nvdio_passthru_send(struct nvdio_passthru *pt, struct nvdio_queue *q,
			bool nowait)
{
	struct nvdio_mapped mapped;
	struct nvdio_request *req;
	struct nvme_command *cmd;
	u64 slba, nlb;
	u32 timeout;
	u16 flags;

	timeout = pt->timeout;
	pt_extent(pt, &slba, &nlb, &flags);
	req = pt_request(pt, q, slba, nlb, nowait, &mapped);
	if (IS_ERR(req))
		return PTR_ERR(req);
	cmd = nvdio_queue_sqe(q);
	*cmd = pt->cmd;
	if (mapped.map) {
		req->map = mapped.map;
		req->offset = mapped.offset;
		flags |= NVDIO_REQ_MAPPED;
		nvdio_cmd_dptr_map(cmd, &mapped.map->table, mapped.offset,
				   pt->filter.bytes);
		this_cpu_inc(pt->ns->stats->passthrough_mapped);
	}
	nvdio_req_fill(req, pt, pt_end, pt->ns, slba, nlb, flags);
	if (pt->ns)
		this_cpu_inc(pt->ns->stats->passthrough);
	nvdio_queue_submit(q, req);
	nvdio_passthru_extend(q, req, timeout);
	nvdio_queue_unlock(q);
	return 0;
}

/**
 * nvdio_passthru_finish() - copy out the data of an ended command, and free it
 * @pt: command that has ended; freed
 * @mine: current has the memory of the task that issued the command; not so in a kernel
 *	thread, which does the fallback task work of a ring that dies, and in a task
 *	of another address space
 *
 * Data that went through a bounce buffer are lost, with -EINTR, unless @mine.
 *
 * Context: may sleep.
 * Return: the controller's status, which is 0 or more; or -errno.
 */
int nvdio_passthru_finish(struct nvdio_passthru *pt, bool mine)
{
	int ret = nvdio_passthru_result(pt->status);

	if (pt->buf && !ret && pt->filter.dir & NVDIO_FILTER_FROM_CTRL &&
	    pt->filter.bytes) {
		if (!mine && user_backed_iter(&pt->mem.iter))
			ret = -EINTR;
		else
			ret = nvdio_passthru_buf_copy_out(pt->buf,
							  &pt->mem.iter);
		/*
		 * The direction of such an opcode is uncertain: read-only
		 * memory is fine.
		 */
		if (ret == -EFAULT &&
		    pt->cmd.common.opcode & NVDIO_FILTER_TO_CTRL)
			ret = 0;
	}
	pt_free(pt);
	return ret;
}

static void pt_wake(struct nvdio_passthru *pt)
{
	complete(pt->owner);
}

/**
 * nvdio_passthru_wait() - submit a prepared command and wait for its completion
 * @pt: command; freed
 * @result: set to CQE Dwords 0 and 1, if the controller completed the command
 *
 * Not interruptible, since the controller may be using the memory (invariant
 * 2). The watchdog handles commands that time out.
 *
 * Context: may sleep.
 * Return: as nvdio_passthru_finish().
 */
int nvdio_passthru_wait(struct nvdio_passthru *pt, u64 *result)
{
	const bool freeze = pt->filter.freeze, rescan = pt->filter.rescan;
	const bool enter = freeze || rescan;
	const u32 nsid = le32_to_cpu(pt->cmd.common.nsid);
	DECLARE_COMPLETION_ONSTACK(done);
	struct nvdio_ctrl *ctrl = pt->ctrl;
	int ret;

	/*
	 * A second reference: pt_end() drops the one of @pt. Not for commands
	 * whose memory may have yet to be pinned; these need no freeze.
	 */
	if (enter && !nvdio_ctrl_enter(ctrl)) {
		nvdio_passthru_abandon(pt);
		return -ENODEV;
	}
	if (freeze) {
		ret = nvdio_ctrl_freeze(ctrl);
		if (ret) {
			nvdio_passthru_abandon(pt);
			goto exit;
		}
	}
	pt->end = pt_wake;
	pt->owner = &done;
	ret = nvdio_passthru_send(pt, pt->ns ? nvdio_ns_queue(pt->ns, false) :
					       ctrl->admin, false);
	if (ret) {
		nvdio_passthru_abandon(pt);
		pt = NULL;
	}
	/* A Format may take hours. */
	while (pt && !wait_for_completion_io_timeout(&done, NVDIO_WAIT_SLICE))
		continue;
	/* Even a command that failed may have changed something. */
	if (rescan)
		nvdio_ns_rescan_changed(ctrl, nsid);
	if (freeze)
		nvdio_ctrl_unfreeze(ctrl);
exit:
	if (enter)
		nvdio_ctrl_exit(ctrl);
	if (ret)
		return ret;
	/*
	 * With nothing held: faulting in the caller's memory may take forever.
	 */
	*result = pt->result;
	return nvdio_passthru_finish(pt, true);
}
