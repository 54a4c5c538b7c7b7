// SPDX-License-Identifier: GPL-2.0
/*
 * Asynchronous events (NVMe Base 2.0, 5.2).
 *
 * One Asynchronous Event Request, without a timeout, is kept in the admin
 * queue. When it completes, a work item reads the log page that the event
 * refers to, which unmasks further events of that type, and submits the next
 * request.
 */
#include <linux/kobject.h>
#include <linux/slab.h>

#include "pure/ctrl_state.h"
#include "pure/dptr.h"
#include "core/ctrl.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "ctrl/admin.h"
#include "ctrl/events.h"
#include "ctrl/ns.h"
#include "ctrl/state.h"

/* Dword 0 of the completion. */
#define EVENT_TYPE(event)	((event) & 7)
#define EVENT_INFO(event)	((event) >> 8 & 0xff)
#define EVENT_LOG(event)	((event) >> 16 & 0xff)

static enum nvdio_end events_end(struct nvdio_request *req, u16 status,
				 struct nvdio_completion *done)
{
	struct nvdio_ctrl *ctrl = req->owner;

	WRITE_ONCE(req->state, NVDIO_REQ_RESERVED);
	if (!status)
		ctrl->event_last = req->result;
	/* From here on events_arm() may reuse the request. */
	smp_store_release(&ctrl->event_armed, false);
	/*
	 * After an error, including a reset, no request is submitted until the
	 * next reset.
	 */
	if (!status)
		queue_work(ctrl->reset_wq, &ctrl->event_work);
	return NVDIO_END_LATER;
}

/* Submit the request; the controller's lock is held. */
static void events_arm(struct nvdio_ctrl *ctrl)
{
	struct nvdio_queue *q = ctrl->admin;
	struct nvdio_request *req;
	struct nvme_command *cmd;

	/* Pairs with events_end(). */
	if (smp_load_acquire(&ctrl->event_armed))
		return;
	req = nvdio_req_reserved(q, NVDIO_RESERVED_EVENT);
	spin_lock(&q->sq_lock);
	if (q->state == NVDIO_QUEUE_LIVE) {
		WRITE_ONCE(ctrl->event_armed, true);
		nvdio_req_fill(req, ctrl, events_end, NULL, 0, 0,
			       NVDIO_REQ_NO_TIMEOUT);
		cmd = nvdio_queue_sqe(q);
		memset(cmd, 0, sizeof(*cmd));
		cmd->common.opcode = nvme_admin_async_event;
		nvdio_queue_submit(q, req);
	}
	spin_unlock(&q->sq_lock);
}

/*
 * The events that the controller currently reports. After a reset these are the
 * vendor's defaults, or those that were saved.
 */
static u32 events_configured(struct nvdio_ctrl *ctrl)
{
	struct nvme_command cmd = {};
	u64 result;

	cmd.features.opcode = nvme_admin_get_features;
	cmd.features.fid = cpu_to_le32(NVME_FEAT_ASYNC_EVENT);
	return nvdio_admin_cmd(ctrl, &cmd, &result) ? 0 : lower_32_bits(result);
}

/* Every critical warning of the SMART log (NVMe Base 2.0, 5.27.1.8). */
#define EVENTS_SMART	(NVME_SMART_CRIT_SPARE | NVME_SMART_CRIT_TEMPERATURE | \
			 NVME_SMART_CRIT_RELIABILITY | NVME_SMART_CRIT_MEDIA | \
			 NVME_SMART_CRIT_VOLATILE_MEMORY)

/**
 * nvdio_events_enable() - enable asynchronous events
 * @ctrl: controller whose admin queue has just become live, its lock held
 *
 * A failure is logged and otherwise ignored.
 *
 * Context: may sleep.
 */
void nvdio_events_enable(struct nvdio_ctrl *ctrl)
{
	struct nvme_command cmd = {};
	u32 events = events_configured(ctrl) | EVENTS_SMART |
		     (ctrl->oaes & NVME_AEN_CFG_NS_ATTR);
	int ret;

	cmd.features.opcode = nvme_admin_set_features;
	cmd.features.fid = cpu_to_le32(NVME_FEAT_ASYNC_EVENT);
	cmd.features.dword11 = cpu_to_le32(events);
	ret = nvdio_admin_cmd(ctrl, &cmd, NULL);
	if (ret)
		dev_warn(&ctrl->dev,
			 "asynchronous events %#x not enabled (status %#x)\n",
			 events, ret);
	events_arm(ctrl);
}

static void events_read_log(struct nvdio_ctrl *ctrl, u8 lid)
{
	void *log = kmalloc(NVDIO_MPS, GFP_KERNEL);
	u32 len = lid == NVME_LOG_ERROR ? 64 :
		  lid == NVME_LOG_CHANGED_NS ? NVDIO_MPS : 512;

	if (log && lid)
		nvdio_admin_get_log(ctrl, lid, log, len);
	kfree(log);
}

/**
 * nvdio_events_work() - handle an asynchronous event
 * @work: the controller's event_work
 *
 * Context: may sleep; takes the controller's lock.
 */
void nvdio_events_work(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(work, struct nvdio_ctrl,
					       event_work);
	u32 event = ctrl->event_last;

	mutex_lock(&ctrl->lock);
	if (ctrl->state != NVDIO_CTRL_LIVE)
		goto unlock;
	/*
	 * A Format, for example, may delay other admin commands, and namespaces
	 * must not be scanned meanwhile. nvdio_ctrl_unfreeze() queues this work
	 * again.
	 */
	if (ctrl->frozen) {
		ctrl->event_pending = true;
		goto unlock;
	}
	events_read_log(ctrl, EVENT_LOG(event));
	switch (EVENT_TYPE(event)) {
	case NVME_AER_ERROR:
		dev_err(&ctrl->dev,
			"controller reported an error (event %#x)\n", event);
		if (EVENT_INFO(event) == NVME_AER_ERROR_PERSIST_INT_ERR)
			nvdio_ctrl_want_reset(ctrl, READ_ONCE(ctrl->resets));
		break;
	case NVME_AER_SMART:
		dev_warn(&ctrl->dev, "health event %#x, see the SMART log\n",
			 event);
		kobject_uevent(&ctrl->dev.kobj, KOBJ_CHANGE);
		break;
	case NVME_AER_NOTICE:
		if (EVENT_INFO(event) == NVME_AER_NOTICE_NS_CHANGED) {
			dev_info(&ctrl->dev,
				 "namespaces changed, rescanning\n");
			nvdio_ns_scan(ctrl);
		}
		break;
	}
	events_arm(ctrl);
unlock:
	mutex_unlock(&ctrl->lock);
}
