// SPDX-License-Identifier: GPL-2.0
/*
 * Sending commands again that nvdio_retry() has kept. They have their tags, so
 * there is a free entry in the SQ for each, and nothing has to be waited for but
 * the controller. Their SQEs are built anew from the request and its owner.
 *
 * Claims are not looked at: a write in state RETRYING counts as in flight, so
 * an exclusive claim that was made meanwhile is waiting for it (io/drain.c).
 */
#include "pure/cmd.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/complete.h"
#include "io/copy_send.h"
#include "io/discard.h"
#include "io/resend.h"
#include "io/xfer.h"

/*
 * A direct read or write. Whether it had FUA is not known any more; to write
 * through the cache is correct in either case.
 */
static void resend_direct(const struct nvdio_request *req,
			  struct nvme_command *cmd)
{
	const struct nvdio_ns *ns = req->ns;
	const bool write = req->flags & NVDIO_REQ_WRITE;

	nvdio_cmd_rw(cmd, write, ns->nsid, req->slba, 0,
		     nvdio_rw_cdw12(req->len >> ns->lba_shift,
				    write && ns->fua ? NVME_RW_FUA : 0), 0);
	if (req->flags & NVDIO_REQ_MAPPED)
		nvdio_cmd_dptr_map(cmd, &req->map->table, req->offset,
				   req->len);
	else if (req->flags & NVDIO_REQ_PRPS)
		nvdio_cmd_dptr(cmd, &req->dptr, false);
	else
		nvdio_cmd_dptr_run(cmd, req->dma, req->len);
}

static void resend_fill(const struct nvdio_request *req,
			struct nvme_command *cmd)
{
	/* Of a batch or a ring, and neither a read nor a write. */
	if (req->flags & NVDIO_REQ_COUNTED && req->flags & NVDIO_REQ_PRIVATE)
		nvdio_cmd_flush(cmd, req->ns->nsid);
	else if (!(req->flags & NVDIO_REQ_END) ||
		 req->flags & (NVDIO_REQ_PRPS | NVDIO_REQ_COUNTED))
		resend_direct(req, cmd);
	else if (req->end == nvdio_xfer_end)
		nvdio_xfer_refill(req, cmd);
	else if (req->end == nvdio_copy_end)
		nvdio_copy_refill(req, cmd);
	else
		nvdio_discard_refill(req, cmd);
}

/*
 * Send a command again that is due, unless the queue is not ready for that, or
 * the request has ended meanwhile. If its namespace was lost or replaced, it
 * ends.
 * Return: jiffies until it is due, or MAX_SCHEDULE_TIMEOUT.
 */
static long resend_one(struct nvdio_queue *q, struct nvdio_request *req)
{
	long ret = MAX_SCHEDULE_TIMEOUT;
	bool dead = false;

	spin_lock(&q->sq_lock);
	/* For the state, and for those who look for writes (io/drain.c). */
	spin_lock_irq(&q->cq_lock);
	if (q->resend && req->state == NVDIO_REQ_RETRYING) {
		s32 left = req->deadline - (u32)jiffies;

		dead = req->ns->dead;
		if (!dead && left > 0) {
			ret = left;
		} else if (!dead) {
			q->retrying--;
			resend_fill(req, nvdio_queue_sqe(q));
			nvdio_queue_submit(q, req);
		}
	}
	spin_unlock_irq(&q->cq_lock);
	spin_unlock(&q->sq_lock);
	if (dead)
		nvdio_queue_end_retrying(q, req, NVDIO_SC_GONE);
	return ret;
}

/*
 * Send what is due in a queue.
 * Return: jiffies until more is, or MAX_SCHEDULE_TIMEOUT.
 */
static long resend_queue(struct nvdio_queue *q)
{
	long next = MAX_SCHEDULE_TIMEOUT;
	unsigned int i;

	if (!READ_ONCE(q->retrying) || !READ_ONCE(q->resend))
		return next;
	for (i = 0; i < READ_ONCE(q->tags.fresh); i++) {
		struct nvdio_request *req = &q->reqs[i];

		if (READ_ONCE(req->state) == NVDIO_REQ_RETRYING)
			next = min(next, resend_one(q, req));
	}
	return next;
}

/**
 * nvdio_resend_work() - send the commands again that are due
 * @work: the controller's resend_work; queued for each request that nvdio_retry()
 *	keeps, when the controller has become LIVE, and when a namespace is lost
 *
 * Context: may sleep.
 */
void nvdio_resend_work(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(to_delayed_work(work),
					       struct nvdio_ctrl, resend_work);
	long next = MAX_SCHEDULE_TIMEOUT;
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; i++) {
		next = min(next, resend_queue(ctrl->io[i]));
		cond_resched();
	}
	/* Unless a request that was kept meanwhile has queued it for now. */
	if (next != MAX_SCHEDULE_TIMEOUT)
		queue_delayed_work(ctrl->reset_wq, &ctrl->resend_work, next);
}
