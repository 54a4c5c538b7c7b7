// SPDX-License-Identifier: GPL-2.0
/*
 * The SMART / Health Information log (NVMe Base 2.0, 5.16.1.3), read when someone
 * asks for a value of it. The values are attributes of their own, which are read
 * one after the other: the log is good for a second.
 */
#include <linux/jiffies.h>
#include <linux/slab.h>

#include "core/ctrl.h"
#include "ctrl/admin.h"
#include "ctrl/smart.h"

/* A controller that has lost so many commands in a row is asked no more. */
#define NVDIO_SMART_LOST	2

/**
 * nvdio_smart_read() - read the log
 * @ctrl: live controller, its lock held; @smart is set
 *
 * Context: may sleep.
 * Return: 0, -errno, or the controller's status.
 */
int nvdio_smart_read(struct nvdio_ctrl *ctrl)
{
	struct nvme_smart_log *log;
	int ret;

	/* Each lost command costs a reset, and anybody may read a temperature. */
	if (ctrl->smart_lost >= NVDIO_SMART_LOST)
		return -EIO;
	log = kmalloc(sizeof(*log), GFP_KERNEL);
	if (!log)
		return -ENOMEM;
	ret = nvdio_admin_get_log(ctrl, NVME_LOG_SMART, log, sizeof(*log));
	if (!ret)
		swap(ctrl->smart, log);
	ctrl->smart_lost = ret < 0 ? ctrl->smart_lost + 1 : 0;
	ctrl->smart_ret = ret;
	ctrl->smart_time = jiffies;
	kfree(log);
	return ret;
}

/**
 * nvdio_smart_get() - the log as it was within the last second
 * @ctrl: controller
 * @log: set to it
 *
 * Context: may sleep.
 * Return: 0; -EIO if the controller refuses, or see nvdio_admin_lock().
 */
int nvdio_smart_get(struct nvdio_ctrl *ctrl, struct nvme_smart_log *log)
{
	int ret = nvdio_admin_lock(ctrl);

	if (ret)
		return ret;
	/* A refusal is good for a second, too. */
	if ((!ctrl->smart && !ctrl->smart_ret) ||
	    !time_in_range(jiffies, ctrl->smart_time, ctrl->smart_time + HZ))
		ret = nvdio_smart_read(ctrl);
	else
		ret = ctrl->smart_ret;
	if (!ret)
		*log = *ctrl->smart;
	mutex_unlock(&ctrl->lock);
	return ret > 0 ? -EIO : ret;
}
