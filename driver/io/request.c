// SPDX-License-Identifier: GPL-2.0
/* How requests end: status, the callers who wait, and pages to be dirtied. */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/nvme.h>
#include <linux/sched.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "io/pages.h"
#include "ctrl/queues.h"

static void sync_complete(struct kiocb *iocb, long res)
{
	struct nvdio_sync *sync = container_of(iocb, struct nvdio_sync, iocb);
	struct task_struct *task = sync->task;

	sync->res = res;
	/*
	 * The caller may return, and its stack be gone, as soon as @done is
	 * seen. The task itself stays for an RCU grace period.
	 */
	rcu_read_lock();
	/* @res before @done; nvdio_sync_wait() acquires. */
	smp_store_release(&sync->done, true);
	wake_up_process(task);
	rcu_read_unlock();
}

/**
 * nvdio_sync_init() - prepare to wait for a read or write
 * @sync: on the caller's stack
 * @caller: the kiocb that has no ki_complete
 *
 * Afterwards @sync->iocb is passed on in place of @caller.
 */
void nvdio_sync_init(struct nvdio_sync *sync, const struct kiocb *caller)
{
	sync->iocb.ki_filp = caller->ki_filp;
	sync->iocb.ki_pos = caller->ki_pos;
	sync->iocb.ki_complete = sync_complete;
	sync->iocb.private = NULL;
	sync->iocb.ki_flags = caller->ki_flags;
	sync->task = current;
	sync->done = false;
}

/**
 * nvdio_sync_wait() - wait for the completion of @sync->iocb
 * @sync: whose kiocb was answered with -EIOCBQUEUED
 *
 * Not interruptible: the controller may be writing to the caller's pages
 * (invariant 2). With IOCB_HIPRI the caller polls its queue.
 *
 * Context: may sleep.
 * Return: bytes or -errno.
 */
ssize_t nvdio_sync_wait(struct nvdio_sync *sync)
{
	struct nvdio_queue *q = sync->iocb.private;

	if (q) {
		/* Pairs with sync_complete(). */
		while (!smp_load_acquire(&sync->done)) {
			if (!nvdio_queue_poll(q))
				cond_resched();
		}
		return sync->res;
	}
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		/* Pairs with sync_complete(). */
		if (smp_load_acquire(&sync->done))
			break;
		io_schedule();
	}
	__set_current_state(TASK_RUNNING);
	return sync->res;
}

/**
 * nvdio_status_to_errno() - what user space is told of a status
 * @status: Status Field without phase bit (NVMe Base 2.0, 3.3.3.2.1), or
 *	NVDIO_SC_*
 *
 * The errnos are those that a block device gives for the same status. Never
 * -EAGAIN (invariant 5).
 *
 * Return: 0 or -errno.
 */
int nvdio_status_to_errno(u16 status)
{
	if (likely(!status))
		return 0;
	if (status == NVDIO_SC_GONE)
		return -ENODEV;
	if (status == NVDIO_SC_RESET)
		return -EIO;
	switch (status & 0x7ff) {
	case NVME_SC_CAP_EXCEEDED:
		return -ENOSPC;
	case NVME_SC_LBA_RANGE:
	case NVME_SC_CMD_INTERRUPTED:
	case NVME_SC_NS_NOT_READY:
		return -EREMOTEIO;
	case NVME_SC_BAD_ATTRIBUTES:
	case NVME_SC_INVALID_OPCODE:
	case NVME_SC_INVALID_FIELD:
	case NVME_SC_INVALID_NS:
		return -EOPNOTSUPP;
	case NVME_SC_WRITE_FAULT:
	case NVME_SC_READ_ERROR:
	case NVME_SC_UNWRITTEN_BLOCK:
	case NVME_SC_ACCESS_DENIED:
	case NVME_SC_READ_ONLY:
	case NVME_SC_COMPARE_FAILED:
		return -ENODATA;
	case NVME_SC_GUARD_CHECK:
	case NVME_SC_APPTAG_CHECK:
	case NVME_SC_REFTAG_CHECK:
	case NVME_SC_INVALID_PI:
		return -EILSEQ;
	case NVME_SC_RESERVATION_CONFLICT:
		return -EBADE;
	default:
		return -EIO;
	}
}

/**
 * nvdio_direct_end_slow() - end a direct request that is not the usual case
 * @req: request of direct_one(), already unmapped
 * @status: status, 0 if the request succeeded but has clean pages to dirty
 * @done: as for nvdio_end_fn
 *
 * Context: cq_lock held, interrupts off.
 * Return: true if the request is over; false if it goes on in
 * nvdio_direct_dirty_work(), which then gives back the tag.
 */
bool nvdio_direct_end_slow(struct nvdio_request *req, u16 status,
			   struct nvdio_completion *done)
{
	struct nvdio_ns *ns = req->ns;

	if (!status) {
		/* Dirtying takes the folio lock, which may sleep. */
		req->state = NVDIO_REQ_DIRTYING;
		if (llist_add(&req->node, &ns->ctrl->dirty))
			queue_work(ns->ctrl->finish_wq, &ns->ctrl->dirty_work);
		return false;
	}
	this_cpu_inc(ns->stats->errors);
	nvdio_stats_bytes(ns->stats, req->flags & NVDIO_REQ_WRITE, -(s64)req->len);
	if (req->flags & NVDIO_REQ_PINNED)
		nvdio_pages_unpin_run(ns, req->page, req->nr_pages);
	done->iocb = req->iocb;
	done->res = nvdio_status_to_errno(status);
	return true;
}

/**
 * nvdio_direct_dirty_work() - end requests whose pages were cleaned meanwhile
 * @work: the controller's dirty_work
 *
 * Write-back may clean a page between submission and completion; what the
 * controller wrote since then has to be written back again.
 */
void nvdio_direct_dirty_work(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(work, struct nvdio_ctrl,
					       dirty_work);
	struct llist_node *list = llist_del_all(&ctrl->dirty);
	struct nvdio_request *req, *next;

	llist_for_each_entry_safe(req, next, list, node) {
		struct nvdio_completion done = { .iocb = req->iocb, .res = req->len };

		nvdio_pages_dirty_run(req->page, req->nr_pages);
		nvdio_pages_unpin_run(req->ns, req->page, req->nr_pages);
		nvdio_req_put(nvdio_ctrl_queue_of(ctrl, req), req);
		nvdio_complete(&done);
	}
}
