// SPDX-License-Identifier: GPL-2.0
/* sysfs attributes of the nodes, one value per file. */
#include <linux/args.h>
#include <linux/device.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/unaligned.h>

#include "pure/ctrl_state.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "ctrl/latency.h"
#include "ctrl/power.h"
#include "ctrl/quirks.h"
#include "ctrl/smart.h"
#include "ctrl/sysfs.h"

static struct nvdio_ns *to_ns(struct device *dev)
{
	return container_of(dev, struct nvdio_ns, dev);
}

static struct nvdio_ctrl *to_ctrl(struct device *dev)
{
	return container_of(dev, struct nvdio_ctrl, dev);
}

/* An attribute: the sum of @nr counters, at @offset in struct nvdio_stats. */
struct stat_attribute {
	struct device_attribute attr;
	u16 offset[2];
	u16 nr;
};

static ssize_t stat_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	const struct stat_attribute *stat =
		container_of(attr, struct stat_attribute, attr);
	u64 sum = 0;
	u16 i;

	for (i = 0; i < stat->nr; i++)
		sum += nvdio_stats_sum(to_ns(dev)->stats, stat->offset[i]);
	return sysfs_emit(buf, "%llu\n", sum);
}

#define STAT_ATTR(name, ...)						\
	static struct stat_attribute stat_##name = {			\
		.attr = __ATTR(name, 0444, stat_show, NULL),		\
		.offset = { __VA_ARGS__ },				\
		.nr = COUNT_ARGS(__VA_ARGS__),				\
	}
#define STAT(member)	offsetof(struct nvdio_stats, member)

STAT_ATTR(direct, STAT(direct), STAT(direct_mapped));
STAT_ATTR(mapped, STAT(direct_mapped), STAT(passthrough_mapped));
STAT_ATTR(copy, STAT(copy));
STAT_ATTR(polled, STAT(polled));
STAT_ATTR(nowait_eagain, STAT(nowait_eagain));
STAT_ATTR(read_bytes, STAT(read_bytes));
STAT_ATTR(write_bytes, STAT(write_bytes));
STAT_ATTR(errors, STAT(errors));
STAT_ATTR(retries, STAT(retries));
STAT_ATTR(flush, STAT(flush));
STAT_ATTR(discard, STAT(discard));
STAT_ATTR(write_zeroes, STAT(write_zeroes));
STAT_ATTR(passthrough, STAT(passthrough));
STAT_ATTR(pages_pinned, STAT(pages_pinned));
STAT_ATTR(segments_mapped, STAT(segments_mapped));
STAT_ATTR(bounce_buffers, STAT(bounce_buffers));

static struct attribute *stats_attrs[] = {
	&stat_direct.attr.attr,
	&stat_mapped.attr.attr,
	&stat_copy.attr.attr,
	&stat_polled.attr.attr,
	&stat_nowait_eagain.attr.attr,
	&stat_read_bytes.attr.attr,
	&stat_write_bytes.attr.attr,
	&stat_errors.attr.attr,
	&stat_retries.attr.attr,
	&stat_flush.attr.attr,
	&stat_discard.attr.attr,
	&stat_write_zeroes.attr.attr,
	&stat_passthrough.attr.attr,
	NULL
};

static const struct attribute_group stats_group = {
	.name = "stats",
	.attrs = stats_attrs,
};

static ssize_t requests_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	struct nvdio_ns *ns = to_ns(dev);

	return sysfs_emit(buf, "%u\n", nvdio_queues_in_use_by(ns->ctrl, ns));
}

/* Root only: it scans every request of the controller. */
static DEVICE_ATTR_ADMIN_RO(requests);

/* Resources in use; all 0 when the namespace is idle. */
static struct attribute *leaks_attrs[] = {
	&dev_attr_requests.attr,
	&stat_pages_pinned.attr.attr,
	&stat_segments_mapped.attr.attr,
	&stat_bounce_buffers.attr.attr,
	NULL
};

static const struct attribute_group leaks_group = {
	.name = "leaks",
	.attrs = leaks_attrs,
};

/* In units of 512 bytes, as for block devices. */
static ssize_t size_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%llu\n", nvdio_ns_size(to_ns(dev)) >> 9);
}
static DEVICE_ATTR_RO(size);

static ssize_t nsid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	return sysfs_emit(buf, "%u\n", to_ns(dev)->nsid);
}
static DEVICE_ATTR_RO(nsid);

static ssize_t lba_size_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "%u\n", to_ns(dev)->lba_mask + 1);
}
static DEVICE_ATTR_RO(lba_size);

/*
 * As the nvme driver has it, so that a namespace that both have, by different
 * controllers, shows. An empty line: it has no identifier.
 */
static ssize_t wwid_show(struct device *dev, struct device_attribute *attr,
			 char *buf)
{
	/* A rescan changes only what was zero, and shows or not. */
	const struct nvdio_ns_ids ids = data_race(to_ns(dev)->ids);

	if (memchr_inv(ids.uuid, 0, sizeof(ids.uuid)))
		return sysfs_emit(buf, "uuid.%pU\n", ids.uuid);
	if (memchr_inv(ids.nguid, 0, sizeof(ids.nguid)))
		return sysfs_emit(buf, "eui.%16phN\n", ids.nguid);
	if (memchr_inv(ids.eui64, 0, sizeof(ids.eui64)))
		return sysfs_emit(buf, "eui.%8phN\n", ids.eui64);
	return sysfs_emit(buf, "\n");
}
static DEVICE_ATTR_RO(wwid);

static struct attribute *ns_attrs[] = {
	&dev_attr_size.attr,
	&dev_attr_nsid.attr,
	&dev_attr_lba_size.attr,
	&dev_attr_wwid.attr,
	NULL
};

static const struct attribute_group ns_group = {
	.attrs = ns_attrs,
};

const struct attribute_group *nvdio_ns_groups[] = {
	&ns_group,
	&stats_group,
	&leaks_group,
	&nvdio_latency_group,
	NULL
};

static const char * const state_names[] = {
	[NVDIO_CTRL_NEW] = "new",
	[NVDIO_CTRL_CONNECTING] = "connecting",
	[NVDIO_CTRL_LIVE] = "live",
	[NVDIO_CTRL_RESETTING] = "resetting",
	[NVDIO_CTRL_DELETING] = "deleting",
	[NVDIO_CTRL_DEAD] = "dead",
};

#define CTRL_ATTR(name, fmt, value)					\
	static ssize_t name##_show(struct device *dev,			\
				   struct device_attribute *attr,	\
				   char *buf)				\
	{								\
		struct nvdio_ctrl *ctrl = to_ctrl(dev);			\
									\
		return sysfs_emit(buf, fmt "\n", value);		\
	}								\
	static DEVICE_ATTR_RO(name)

CTRL_ATTR(model, "%s", ctrl->model);
CTRL_ATTR(serial, "%s", ctrl->serial);
CTRL_ATTR(firmware_rev, "%s", ctrl->firmware);
CTRL_ATTR(state, "%s", state_names[READ_ONCE(ctrl->state)]);
CTRL_ATTR(queue_count, "%u", ctrl->nr_io);
CTRL_ATTR(poll_queue_count, "%u", ctrl->nr_io - ctrl->nr_irq);
CTRL_ATTR(queue_depth, "%u", ctrl->io_depth);
CTRL_ATTR(sgls, "%d", ctrl->sgls);
CTRL_ATTR(mdts_bytes, "%u", ctrl->max_bytes);
CTRL_ATTR(irq_mode, "%s", ctrl->irq_mode);
CTRL_ATTR(shadow_doorbells, "%d", ctrl->dbbuf_on);
CTRL_ATTR(hmb_bytes, "%llu", READ_ONCE(ctrl->hmb_bytes));
CTRL_ATTR(cmb_bytes, "%llu", READ_ONCE(ctrl->cmb_bytes));
CTRL_ATTR(maps, "%u", READ_ONCE(ctrl->maps.nr));
CTRL_ATTR(map_bytes, "%llu", READ_ONCE(ctrl->maps.bytes));
CTRL_ATTR(doorbells, "%llu", nvdio_queues_doorbells(ctrl));
CTRL_ATTR(resets, "%u", READ_ONCE(ctrl->resets));

static ssize_t quirks_show(struct device *dev, struct device_attribute *attr,
			   char *buf)
{
	return nvdio_quirks_show(to_ctrl(dev), buf);
}
static DEVICE_ATTR_RO(quirks);

/* Root only: reading it is a command, too. */
static ssize_t power_state_show(struct device *dev,
				struct device_attribute *attr, char *buf)
{
	u32 state;
	int ret = nvdio_power_get(to_ctrl(dev), &state);

	return ret ? ret : sysfs_emit(buf, "%u\n", state);
}

static ssize_t power_state_store(struct device *dev,
				 struct device_attribute *attr,
				 const char *buf, size_t count)
{
	u32 state;
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	ret = kstrtou32(buf, 0, &state);
	if (!ret)
		ret = nvdio_power_set(to_ctrl(dev), state);
	return ret ? ret : count;
}
static DEVICE_ATTR_ADMIN_RW(power_state);

static struct attribute *ctrl_attrs[] = {
	&dev_attr_model.attr,
	&dev_attr_serial.attr,
	&dev_attr_firmware_rev.attr,
	&dev_attr_state.attr,
	&dev_attr_queue_count.attr,
	&dev_attr_poll_queue_count.attr,
	&dev_attr_queue_depth.attr,
	&dev_attr_sgls.attr,
	&dev_attr_mdts_bytes.attr,
	&dev_attr_irq_mode.attr,
	&dev_attr_shadow_doorbells.attr,
	&dev_attr_hmb_bytes.attr,
	&dev_attr_cmb_bytes.attr,
	&dev_attr_maps.attr,
	&dev_attr_map_bytes.attr,
	&dev_attr_doorbells.attr,
	&dev_attr_resets.attr,
	&dev_attr_quirks.attr,
	&dev_attr_power_state.attr,
	NULL
};

static const struct attribute_group ctrl_group = {
	.attrs = ctrl_attrs,
};

/* Bits above the lower 64 of a 128-bit counter: as good as infinite. */
static u64 counter_128(const u8 *value)
{
	return get_unaligned_le64(value + 8) ? U64_MAX :
					       get_unaligned_le64(value);
}

#define HEALTH_ATTR(name, fmt, value)					\
	static ssize_t name##_show(struct device *dev,			\
				   struct device_attribute *attr,	\
				   char *buf)				\
	{								\
		struct nvme_smart_log log;				\
		int ret = nvdio_smart_get(to_ctrl(dev), &log);		\
									\
		return ret ? ret : sysfs_emit(buf, fmt "\n", value);	\
	}								\
	static DEVICE_ATTR_RO(name)

HEALTH_ATTR(critical_warning, "%#04x", log.critical_warning);
HEALTH_ATTR(available_spare, "%u", log.avail_spare);
HEALTH_ATTR(percentage_used, "%u", log.percent_used);
HEALTH_ATTR(media_errors, "%llu", counter_128(log.media_errors));
HEALTH_ATTR(power_on_hours, "%llu", counter_128(log.power_on_hours));
HEALTH_ATTR(unsafe_shutdowns, "%llu", counter_128(log.unsafe_shutdowns));

static struct attribute *health_attrs[] = {
	&dev_attr_critical_warning.attr,
	&dev_attr_available_spare.attr,
	&dev_attr_percentage_used.attr,
	&dev_attr_media_errors.attr,
	&dev_attr_power_on_hours.attr,
	&dev_attr_unsafe_shutdowns.attr,
	NULL
};

/* Of the SMART log, which is read at most once a second. */
static const struct attribute_group health_group = {
	.name = "health",
	.attrs = health_attrs,
};

const struct attribute_group *nvdio_ctrl_groups[] = {
	&ctrl_group,
	&health_group,
	NULL
};
