// SPDX-License-Identifier: GPL-2.0
/*
 * latency/ of a namespace in sysfs: histograms (core/hist.h) are turned on and off, and
 * read. They are one binary file: whoever reads it gets all at nearly the same time,
 * needs neither debugfs nor rights on the node, and parses no text.
 */
#include <linux/device.h>
#include <linux/kstrtox.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sysfs.h>

#include "core/ctrl.h"
#include "core/hist.h"
#include "core/ns.h"
#include "core/watch.h"
#include "hw/queue.h"
#include "ctrl/latency.h"

/**
 * struct latency_header - the beginning of the file
 * @version: of the layout, LATENCY_VERSION
 * @stages: number of stages
 * @dirs: number of directions
 * @buckets: number of buckets
 * @sub_bits: NVDIO_HIST_SUB_BITS
 * @bytes: size of this header
 * @resv: 0
 *
 * For each stage, for each direction, struct nvdio_hist follows.
 */
struct latency_header {
	u32 version;
	u16 stages;
	u16 dirs;
	u16 buckets;
	u16 sub_bits;
	u32 bytes;
	u64 resv[2];
};

#define LATENCY_VERSION	1
#define LATENCY_BYTES	(sizeof(struct latency_header) + \
			 sizeof(struct nvdio_hists))

static const struct latency_header latency_header = {
	.version = LATENCY_VERSION,
	.stages = NVDIO_STAGES,
	.dirs = NVDIO_HIST_DIRS,
	.buckets = NVDIO_HIST_BUCKETS,
	.sub_bits = NVDIO_HIST_SUB_BITS,
	.bytes = sizeof(latency_header),
};

/* Of all namespaces: turning histograms on and off. */
static DEFINE_MUTEX(latency_lock);

/* Memory for the histograms of @ns, and for the times of its commands. */
static int latency_alloc(struct nvdio_ns *ns)
{
	const struct nvdio_ctrl *ctrl = ns->ctrl;
	unsigned int i;
	int ret;

	for (i = 0; i < READ_ONCE(ctrl->nr_alloc); i++) {
		ret = nvdio_watch_alloc(&ctrl->io[i]->watch);
		if (ret)
			return ret;
	}
	if (!ns->hists_kept) {
		struct nvdio_hists __percpu *hists;

		hists = alloc_percpu(struct nvdio_hists);
		if (!hists)
			return -ENOMEM;
		/* For those who read it, without the lock. */
		smp_store_release(&ns->hists_kept, hists);
	}
	return 0;
}

static void latency_clear(struct nvdio_ns *ns)
{
	int cpu;

	/* Whoever counts still, since they were turned off, is counted. */
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(ns->hists_kept, cpu), 0,
		       sizeof(struct nvdio_hists));
}

static int latency_set(struct nvdio_ns *ns, bool on)
{
	int ret = 0;

	mutex_lock(&latency_lock);
	if (on && !ns->hists) {
		ret = latency_alloc(ns);
		if (!ret) {
			latency_clear(ns);
			nvdio_watch_get();
			/* Who counts does so after they were cleared. */
			smp_store_release(&ns->hists, ns->hists_kept);
		}
	} else if (!on && ns->hists) {
		WRITE_ONCE(ns->hists, NULL);
		nvdio_watch_put();
	}
	mutex_unlock(&latency_lock);
	return ret;
}

/**
 * nvdio_latency_end() - turn off the histograms of a namespace whose node was removed
 * @ns: namespace; programs may still have it open, and nobody could turn them off then
 *
 * Context: may sleep; no attribute of @ns can be written any more.
 */
void nvdio_latency_end(struct nvdio_ns *ns)
{
	/* Most have none, and need not wait for others that turn theirs on. */
	if (ns->hists)
		latency_set(ns, false);
}

/**
 * nvdio_latency_free() - free the histograms of a namespace
 * @ns: namespace that nobody uses any more, after nvdio_latency_end() if it had a node
 *
 * Context: may sleep.
 */
void nvdio_latency_free(struct nvdio_ns *ns)
{
	if (!ns->hists_kept)
		return;
	/* A reaper counts at the end of its batch, for namespaces that may be gone. */
	synchronize_rcu();
	free_percpu(ns->hists_kept);
}

static struct nvdio_ns *to_ns(struct device *dev)
{
	return container_of(dev, struct nvdio_ns, dev);
}

static ssize_t enabled_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "%d\n", !!READ_ONCE(to_ns(dev)->hists));
}

static ssize_t enabled_store(struct device *dev, struct device_attribute *attr,
			     const char *buf, size_t count)
{
	bool on;
	int ret;

	ret = kstrtobool(buf, &on);
	if (!ret)
		ret = latency_set(to_ns(dev), on);
	return ret ?: count;
}
static DEVICE_ATTR_RW(enabled);

/* The u64 at @index of struct nvdio_hists, of all CPUs. */
static u64 latency_sum(struct nvdio_hists __percpu *hists, size_t index)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(((u64 *)per_cpu_ptr(hists, cpu))[index]);
	return sum;
}

static ssize_t histogram_read(struct file *file, struct kobject *kobj,
			      NVDIO_BIN_ATTR_CONST struct bin_attribute *attr,
			      char *buf, loff_t off, size_t count)
{
	struct nvdio_ns *ns = to_ns(kobj_to_dev(kobj));
	struct nvdio_hists __percpu *hists;
	size_t done, part, at, skip;
	const void *from;
	u64 value;

	/* Pairs with latency_alloc(). */
	hists = smp_load_acquire(&ns->hists_kept);
	if (!hists)
		return 0;
	for (done = 0; done < count; done += part) {
		at = off + done;
		if (at < sizeof(latency_header)) {
			from = (const void *)&latency_header + at;
			part = sizeof(latency_header) - at;
		} else {
			at -= sizeof(latency_header);
			skip = at % sizeof(value);
			value = latency_sum(hists, at / sizeof(value));
			from = (const void *)&value + skip;
			part = sizeof(value) - skip;
		}
		part = min(part, count - done);
		memcpy(buf + done, from, part);
	}
	return done;
}

/* sysfs reads no further than its size. */
static NVDIO_BIN_ATTR_CONST struct bin_attribute bin_attr_histogram = {
	.attr = { .name = "histogram", .mode = 0444 },
	.size = LATENCY_BYTES,
	.read = histogram_read,
};

static struct attribute *latency_attrs[] = {
	&dev_attr_enabled.attr,
	NULL
};

static NVDIO_BIN_ATTR_CONST struct bin_attribute *NVDIO_BIN_ATTR_CONST
latency_bin_attrs[] = {
	&bin_attr_histogram,
	NULL
};

const struct attribute_group nvdio_latency_group = {
	.name = "latency",
	.attrs = latency_attrs,
	.bin_attrs = latency_bin_attrs,
};
