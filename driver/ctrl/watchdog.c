// SPDX-License-Identifier: GPL-2.0
/*
 * The watchdog: commands that exceed their timeout, and controllers that have
 * failed. What a command that is overdue gets, in this order: its CQ is reaped,
 * since only the interrupt may be lost, or its poller may not be running; an
 * Abort, and the same time once more; a reset of the controller.
 */
#include "pure/ctrl_state.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/request.h"
#include "hw/queue.h"
#include "hw/regs.h"
#include "io/complete.h"
#include "ctrl/admin.h"
#include "ctrl/state.h"
#include "ctrl/watchdog.h"

/* Aborts that are sent for one queue in one run of the watchdog. */
#define NVDIO_ABORTS	64

static enum nvdio_end abort_end(struct nvdio_request *req, u16 status,
				struct nvdio_completion *done)
{
	struct nvdio_ctrl *ctrl = req->owner;

	/* Dword 0, bit 0: the command was not aborted. */
	if (status < NVDIO_SC_GONE)
		dev_warn_ratelimited(&ctrl->dev,
				     "Abort: %s (status %#x, result %#llx)\n",
				     status || done->result & 1 ?
				     "not aborted" : "aborted",
				     status, done->result);
	WRITE_ONCE(req->state, NVDIO_REQ_RESERVED);
	/* From here on abort_send() may reuse the request. */
	smp_store_release(&ctrl->aborting, false);
	wake_up(&ctrl->state_wait);
	return NVDIO_END_LATER;
}

/*
 * Abort (NVMe Base 2.0, 5.1) one command. There is one at a time, so Abort
 * Command Limit does not matter.
 */
static void abort_send(struct nvdio_ctrl *ctrl, u16 qid, u16 cid)
{
	struct nvme_command cmd = {};

	WRITE_ONCE(ctrl->abort_deadline, (u32)jiffies + ctrl->admin->timeout);
	WRITE_ONCE(ctrl->aborting, true);
	cmd.abort.opcode = nvme_admin_abort_cmd;
	cmd.abort.sqid = cpu_to_le16(qid);
	cmd.abort.cid = (__force u16)cpu_to_le16(cid);
	if (!nvdio_admin_submit(ctrl, NVDIO_RESERVED_ABORT, &cmd, ctrl,
				abort_end, 0))
		WRITE_ONCE(ctrl->aborting, false);
}

static bool abort_busy(struct nvdio_ctrl *ctrl)
{
	/* Pairs with abort_end(). */
	return smp_load_acquire(&ctrl->aborting);
}

/*
 * Has the Abort itself been lost? Not if only its interrupt was, nor if the
 * controller is busy with a long command of user space.
 */
static bool abort_lost(struct nvdio_ctrl *ctrl)
{
	if (!abort_busy(ctrl) ||
	    (s32)((u32)jiffies - READ_ONCE(ctrl->abort_deadline)) <= 0)
		return false;
	nvdio_queue_poll_all(ctrl->admin);
	return abort_busy(ctrl) && !nvdio_admin_busy(ctrl->admin);
}

/*
 * Deal with the commands of a queue that exceed their timeout. Those of the
 * admin queue are not aborted: only its reset is known to help.
 * Return: true if the controller has to be reset.
 */
static bool watchdog_overdue(struct nvdio_ctrl *ctrl, struct nvdio_queue *q)
{
	enum nvdio_timeout found;
	unsigned int i;
	u16 cid;

	for (i = 0; i < NVDIO_ABORTS; i++) {
		found = nvdio_queue_timed_out(q, &cid);
		if (found == NVDIO_TIMEOUT_NONE)
			return false;
		if (found == NVDIO_TIMEOUT_AGAIN || q == ctrl->admin) {
			dev_warn(&ctrl->dev,
				 "queue %u: command id %#x timed out, resetting\n",
				 q->qid, cid);
			return true;
		}
		/* Those that are left have their turn the next time. */
		if (abort_busy(ctrl))
			return false;
		if (!nvdio_queue_mark_aborted(q, cid))
			continue;
		dev_warn_ratelimited(&ctrl->dev,
				     "queue %u: command id %#x timed out, aborting\n",
				     q->qid, cid);
		abort_send(ctrl, q->qid, cid);
		/* Most answers come at once; the rest are not waited for. */
		if (!wait_event_timeout(ctrl->state_wait, !abort_busy(ctrl),
					HZ / 10))
			nvdio_queue_poll_all(ctrl->admin);
	}
	return false;
}

/*
 * Has a queue with commands in flight made no progress since the last check?
 * @busy is set if there are commands in flight; otherwise none can be overdue.
 */
static bool watchdog_stands(struct nvdio_ctrl *ctrl, struct nvdio_queue *q,
			    bool *busy)
{
	u32 resting = q == ctrl->admin && READ_ONCE(ctrl->event_armed);
	u16 head = READ_ONCE(q->cq_head), last = q->watched;

	q->watched = head;
	*busy = nvdio_queue_in_flight(q) != resting;
	return *busy && head == last;
}

/**
 * nvdio_watchdog_work() - look for lost commands, and for a fatal state
 * @work: the controller's watchdog; runs once a second
 *
 * It takes the place of a timer per command (invariant 4). The registers of an
 * idle controller are not accessed, so that it can save power.
 *
 * Context: may sleep.
 */
void nvdio_watchdog_work(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(to_delayed_work(work),
					       struct nvdio_ctrl, watchdog);
	/* Sampled first; see nvdio_ctrl_want_reset(). */
	u32 csts, resets = smp_load_acquire(&ctrl->resets);
	bool stands = false, bad = false;
	unsigned int i;

	if (READ_ONCE(ctrl->state) != NVDIO_CTRL_LIVE ||
	    READ_ONCE(ctrl->paused))
		goto again;
	/* The admin queue last: passthrough commands may delay it. */
	for (i = 0; i <= ctrl->nr_io && !bad; i++) {
		struct nvdio_queue *q = i < ctrl->nr_io ? ctrl->io[i] :
							  ctrl->admin;
		bool busy;

		stands |= watchdog_stands(ctrl, q, &busy);
		bad = busy && watchdog_overdue(ctrl, q);
	}
	if (!bad && abort_lost(ctrl)) {
		dev_warn(&ctrl->dev, "Abort timed out, resetting\n");
		bad = true;
	}
	if (stands && !bad && nvdio_regs_failed(ctrl, &csts)) {
		bad = READ_ONCE(ctrl->resets) == resets;
		if (bad)
			dev_warn(&ctrl->dev,
				 "controller failed, resetting (CSTS %#x)\n",
				 csts);
	}
	if (bad)
		nvdio_ctrl_want_reset(ctrl, resets);
again:
	queue_delayed_work(ctrl->reset_wq, &ctrl->watchdog, HZ);
}

