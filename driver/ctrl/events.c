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
#include <linux/string.h>
#include <linux/unaligned.h>

#include "pure/ctrl_state.h"
#include "pure/dptr.h"
#include "core/ctrl.h"
#include "core/request.h"
#include "hw/queue.h"
#include "hw/regs.h"
#include "ctrl/admin.h"
#include "ctrl/events.h"
#include "ctrl/identify.h"
#include "ctrl/ns.h"
#include "ctrl/smart.h"
#include "ctrl/state.h"

/* Dword 0 of the completion. */
#define EVENT_TYPE(event)	((event) & 7)
#define EVENT_INFO(event)	((event) >> 8 & 0xff)
#define EVENT_LOG(event)	((event) >> 16 & 0xff)

/* A type that linux/nvme.h does not name. */
#define EVENT_IMMEDIATE		3

static enum nvdio_end events_end(struct nvdio_request *req, u16 status,
				 struct nvdio_completion *done)
{
	struct nvdio_ctrl *ctrl = req->owner;

	WRITE_ONCE(req->state, NVDIO_REQ_RESERVED);
	if (!status)
		ctrl->event_last = done->result;
	/* From here on events_arm() may reuse the request. */
	smp_store_release(&ctrl->event_armed, false);
	/*
	 * After an error, including a reset, no request is submitted until the
	 * next reset.
	 */
	if (!status)
		queue_delayed_work(ctrl->reset_wq, &ctrl->event_work, 0);
	return NVDIO_END_LATER;
}

/* Submit the request; the controller's lock is held. */
static void events_arm(struct nvdio_ctrl *ctrl)
{
	struct nvme_command cmd = {};

	/* Pairs with events_end(). */
	if (smp_load_acquire(&ctrl->event_armed))
		return;
	WRITE_ONCE(ctrl->event_armed, true);
	cmd.common.opcode = nvme_admin_async_event;
	if (!nvdio_admin_submit(ctrl, NVDIO_RESERVED_EVENT, &cmd, ctrl,
				events_end, 0))
		WRITE_ONCE(ctrl->event_armed, false);
}

/*
 * The events that the controller currently reports. After a reset these are the
 * vendor's defaults, or those that were saved.
 */
static u32 events_configured(struct nvdio_ctrl *ctrl)
{
	u32 value;

	return nvdio_admin_get_features(ctrl, NVME_FEAT_ASYNC_EVENT, &value) ?
	       0 : value;
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
	u32 events = events_configured(ctrl) | EVENTS_SMART |
		     (ctrl->oaes & (NVME_AEN_CFG_NS_ATTR | NVME_AEN_CFG_FW_ACT));
	int ret;

	ret = nvdio_admin_set_features(ctrl, NVME_FEAT_ASYNC_EVENT, events,
				       NULL, 0);
	if (ret)
		dev_warn(&ctrl->dev,
			 "asynchronous events %#x not enabled (status %#x)\n",
			 events, ret);
	events_arm(ctrl);
}

/* What happened, as in the uevent (NVMe Base 2.1, 5.1.2). */
static const struct event_name {
	u8 type;
	u8 info;
	const char *name;
} event_names[] = {
	{ NVME_AER_ERROR, 0, "invalid-doorbell-register" },
	{ NVME_AER_ERROR, 1, "invalid-doorbell-value" },
	{ NVME_AER_ERROR, 2, "diagnostic-failure" },
	{ NVME_AER_ERROR, 3, "persistent-internal-error" },
	{ NVME_AER_ERROR, 4, "transient-internal-error" },
	{ NVME_AER_ERROR, 5, "firmware-image-load-error" },
	{ NVME_AER_SMART, 0, "reliability" },
	{ NVME_AER_SMART, 1, "temperature" },
	{ NVME_AER_SMART, 2, "spare" },
	{ NVME_AER_NOTICE, 0, "namespaces-changed" },
	{ NVME_AER_NOTICE, 1, "firmware-activation-starting" },
	{ NVME_AER_NOTICE, 2, "telemetry-log-changed" },
	{ NVME_AER_NOTICE, 3, "asymmetric-namespace-access-change" },
	{ NVME_AER_NOTICE, 4, "predictable-latency-event" },
	{ NVME_AER_NOTICE, 5, "lba-status-information" },
	{ NVME_AER_NOTICE, 6, "endurance-group-event" },
	{ NVME_AER_NOTICE, 7, "reachability-group-change" },
	{ NVME_AER_NOTICE, 8, "reachability-association-change" },
	{ NVME_AER_NOTICE, 9, "allocated-namespaces-changed" },
	{ EVENT_IMMEDIATE, 0, "subsystem-shutdown" },
	{ EVENT_IMMEDIATE, 1, "temperature-recovered" },
	{ NVME_AER_CSS, 0, "reservation-log" },
	{ NVME_AER_CSS, 1, "sanitize-completed" },
	{ NVME_AER_CSS, 2, "sanitize-completed-unexpected-deallocation" },
	{ NVME_AER_CSS, 3, "sanitize-media-verification" },
};

static const char *event_name(u32 event)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(event_names); i++) {
		if (event_names[i].type == EVENT_TYPE(event) &&
		    event_names[i].info == EVENT_INFO(event))
			return event_names[i].name;
	}
	return EVENT_TYPE(event) == NVME_AER_VS ? "vendor-specific" : "unknown";
}

/*
 * Tell user space. NVDIO_AEN is the event as nvme's NVME_AEN has it;
 * @warning: the SMART log's Critical Warning, or below 0.
 */
static void events_tell(struct nvdio_ctrl *ctrl, u32 event, int warning)
{
	char name[64], aen[32], critical[48];
	char *env[4] = { name, aen, warning < 0 ? NULL : critical, NULL };

	scnprintf(name, sizeof(name), "NVDIO_EVENT=%s", event_name(event));
	scnprintf(aen, sizeof(aen), "NVDIO_AEN=%#08x", event);
	scnprintf(critical, sizeof(critical), "NVDIO_CRITICAL_WARNING=%#04x",
		  warning);
	kobject_uevent_env(&ctrl->dev.kobj, KOBJ_CHANGE, env);
}

/* Read the log page of an event: the controller reports no other until then. */
static void events_read_log(struct nvdio_ctrl *ctrl, u8 lid)
{
	void *log = kmalloc(NVDIO_MPS, GFP_KERNEL);
	u32 len = lid == NVME_LOG_CHANGED_NS ? NVDIO_MPS : 512;

	if (log && lid)
		nvdio_admin_get_log(ctrl, lid, log, len);
	kfree(log);
}

/* The first entry of the Error Information log (NVMe Base 2.0, 5.16.1.2). */
struct events_error_entry {
	__le64 count;
	__le16 sqid;
	__le16 cid;
	__le16 status;
	__le16 location;
	__le64 lba;
	__le32 nsid;
	u8 rest[36];
};

/* Least time between resets that a controller asks for by an event. */
#define EVENTS_RESET_PAUSE	(60 * HZ)

static void events_error(struct nvdio_ctrl *ctrl, u32 event)
{
	struct events_error_entry *log = kzalloc(sizeof(*log), GFP_KERNEL);
	int ret = -ENOMEM;

	BUILD_BUG_ON(sizeof(*log) != 64);
	if (log)
		ret = nvdio_admin_get_log(ctrl, NVME_LOG_ERROR, log,
					  sizeof(*log));
	if (!ret && log->count)
		dev_err_ratelimited(&ctrl->dev,
				    "controller reports an error: %s (event %#x; error %llu: queue %u, command %#x, status %#x, namespace %u, LBA %llu)\n",
				    event_name(event), event,
				    le64_to_cpu(log->count),
				    le16_to_cpu(log->sqid),
				    le16_to_cpu(log->cid),
				    le16_to_cpu(log->status) >> 1,
				    le32_to_cpu(log->nsid),
				    le64_to_cpu(log->lba));
	else
		dev_err_ratelimited(&ctrl->dev,
				    "controller reports an error: %s (event %#x)\n",
				    event_name(event), event);
	kfree(log);
	events_tell(ctrl, event, -1);
	if (EVENT_INFO(event) != NVME_AER_ERROR_PERSIST_INT_ERR)
		return;
	/* If a reset has not helped just now, another one will not. */
	if (ctrl->error_reset &&
	    time_before(jiffies, ctrl->error_reset + EVENTS_RESET_PAUSE))
		return;
	ctrl->error_reset = jiffies ?: 1;
	nvdio_ctrl_want_reset(ctrl, READ_ONCE(ctrl->resets));
}

/* Names of the bits of Critical Warning. */
static const char * const event_warnings[] = {
	"spare", "temperature", "reliability", "read-only", "volatile-memory",
	"persistent-memory-region",
};

static void events_smart(struct nvdio_ctrl *ctrl, u32 event)
{
	char text[96] = "";
	int warning = -1;
	unsigned int i;

	if (!nvdio_smart_read(ctrl))
		warning = ctrl->smart->critical_warning;
	for (i = 0; warning > 0 && i < ARRAY_SIZE(event_warnings); i++) {
		if (warning & BIT(i)) {
			strlcat(text, " ", sizeof(text));
			strlcat(text, event_warnings[i], sizeof(text));
		}
	}
	if (warning < 0)
		dev_warn_ratelimited(&ctrl->dev,
				     "health event: %s (event %#x), SMART log not readable\n",
				     event_name(event), event);
	else
		dev_warn_ratelimited(&ctrl->dev,
				     "health event: %s (event %#x; %u K, %u %% spare, %u %% used, critical warning %#x%s)\n",
				     event_name(event), event,
				     get_unaligned_le16(ctrl->smart->temperature),
				     ctrl->smart->avail_spare,
				     ctrl->smart->percent_used, warning, text);
	events_tell(ctrl, event, warning);
}

/*
 * A firmware activation without a reset: the controller processes nothing while
 * CSTS.PP is set, for MTFA (NVMe Base 2.0, 3.11), or admin_timeout, at most. I/O
 * is held back meanwhile, and the watchdog does not look at what is in flight.
 * The lock is held; a task that wants it in order to stop the controller ends
 * the wait.
 * Return: false if the controller has to be reset.
 */
static bool events_wait_paused(struct nvdio_ctrl *ctrl)
{
	u32 mtfa_ms = le16_to_cpu(ctrl->id->mtfa) * 100;
	unsigned long start = jiffies, limit = ctrl->admin->timeout;
	u32 csts;

	if (mtfa_ms)
		limit = min(limit, msecs_to_jiffies(mtfa_ms));

	for (;;) {
		bool late = time_after(jiffies, start + limit);

		if (nvdio_regs_failed(ctrl, &csts))
			return false;
		if (!(csts & NVME_CSTS_PP))
			return true;
		if (late || nvdio_ctrl_wanted(ctrl)) {
			dev_err(&ctrl->dev,
				"firmware activation not complete after %u ms (CSTS %#x)\n",
				jiffies_to_msecs(jiffies - start), csts);
			return false;
		}
		wait_event_timeout(ctrl->state_wait, nvdio_ctrl_wanted(ctrl),
				   HZ / 10);
	}
}

/* Commands in flight have as much time left as before a pause since @start. */
static void events_postpone(struct nvdio_ctrl *ctrl, unsigned long start)
{
	u32 by = jiffies - start;
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_postpone(ctrl->io[i], by);
	nvdio_queue_postpone(ctrl->admin, by);
	WRITE_ONCE(ctrl->abort_deadline, READ_ONCE(ctrl->abort_deadline) + by);
}

static void events_firmware(struct nvdio_ctrl *ctrl, u32 event)
{
	unsigned long start = jiffies;
	bool good;

	dev_info(&ctrl->dev, "firmware activation starting (firmware %s)\n",
		 ctrl->firmware);
	events_tell(ctrl, event, -1);
	WRITE_ONCE(ctrl->paused, true);
	nvdio_ctrl_set_frozen(ctrl, true);
	good = events_wait_paused(ctrl);
	if (good)
		events_postpone(ctrl, start);
	else
		nvdio_ctrl_lost(ctrl, false);
	/* Nobody else has changed it: that takes the lock. */
	nvdio_ctrl_set_frozen(ctrl, false);
	WRITE_ONCE(ctrl->paused, false);
	if (!good)
		return;
	events_read_log(ctrl, NVME_LOG_FW_SLOT);
	if (!nvdio_identify_firmware(ctrl))
		dev_info(&ctrl->dev, "firmware %s activated\n", ctrl->firmware);
}

static void events_notice(struct nvdio_ctrl *ctrl, u32 event)
{
	if (EVENT_INFO(event) == NVME_AER_NOTICE_FW_ACT_STARTING) {
		events_firmware(ctrl, event);
		return;
	}
	events_read_log(ctrl, EVENT_LOG(event));
	if (EVENT_INFO(event) == NVME_AER_NOTICE_NS_CHANGED) {
		dev_info(&ctrl->dev, "namespaces changed, rescanning\n");
		nvdio_ns_scan(ctrl);
	}
	events_tell(ctrl, event, -1);
}

static void events_handle(struct nvdio_ctrl *ctrl, u32 event)
{
	switch (EVENT_TYPE(event)) {
	case NVME_AER_ERROR:
		events_error(ctrl, event);
		break;
	case NVME_AER_SMART:
		events_smart(ctrl, event);
		break;
	case NVME_AER_NOTICE:
		events_notice(ctrl, event);
		break;
	default:
		events_read_log(ctrl, EVENT_LOG(event));
		dev_info_ratelimited(&ctrl->dev, "event %#x: %s\n", event,
				     event_name(event));
		events_tell(ctrl, event, -1);
	}
}

/**
 * nvdio_events_work() - handle an asynchronous event
 * @work: the controller's event_work
 *
 * It is logged, and user space gets a uevent "change" of the controller's node
 * with NVDIO_EVENT=name. A controller that reports more than a few in a row has
 * to wait: it reports no other before this one is handled.
 *
 * Context: may sleep; takes the controller's lock.
 */
void nvdio_events_work(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(to_delayed_work(work),
					       struct nvdio_ctrl, event_work);
	u32 event = ctrl->event_last;

	if (!__ratelimit(&ctrl->event_limit)) {
		queue_delayed_work(ctrl->reset_wq, &ctrl->event_work, HZ);
		return;
	}
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
	events_handle(ctrl, event);
	events_arm(ctrl);
unlock:
	mutex_unlock(&ctrl->lock);
}
