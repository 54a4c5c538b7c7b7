// SPDX-License-Identifier: GPL-2.0
/* Finding the namespaces of a controller and giving each a node. */
#include <linux/log2.h>
#include <linux/slab.h>

#include "admin.h"
#include "ctrl.h"
#include "file.h"
#include "node.h"
#include "ns.h"
#include "pool.h"
#include "sysfs.h"

static void nvdio_ns_release(struct device *dev)
{
	struct nvdio_ns *ns = container_of(dev, struct nvdio_ns, dev);

	free_percpu(ns->stats);
	put_device(&ns->ctrl->dev);
	kfree(ns);
}

/**
 * struct nvdio_ns_format - size and block format of a namespace
 * @blocks: number of blocks
 * @lba_shift: log2 of the LBA size
 * @read_only: write protected
 */
struct nvdio_ns_format {
	u64 blocks;
	u8 lba_shift;
	bool read_only;
};

/*
 * Take size and block format from Identify Namespace data, which are checked
 * (invariant 11).
 * Return: false if the namespace cannot have a node; the log says why.
 */
static bool nvdio_ns_parse(struct nvdio_ctrl *ctrl, u32 nsid,
			   const struct nvme_id_ns *id,
			   struct nvdio_ns_format *format)
{
	/* FLBAS: the format's index in bits 3:0 and, above them, 6:5. */
	unsigned int index = (id->flbas & 0xf) | (id->flbas >> 1 & 0x30);
	const struct nvme_lbaf *lbaf = &id->lbaf[index];
	u64 nsze = le64_to_cpu(id->nsze);

	if (lbaf->ms || id->dps & NVME_NS_DPS_PI_MASK) {
		dev_warn(&ctrl->dev,
			 "namespace %u has metadata or protection information (%u bytes to a block): no node\n",
			 nsid, le16_to_cpu(lbaf->ms));
		return false;
	}
	if (lbaf->ds < 9 || lbaf->ds > ilog2(NVDIO_BOUNCE_BYTES) ||
	    1U << lbaf->ds > ctrl->max_bytes) {
		dev_warn(&ctrl->dev,
			 "namespace %u has blocks of 2^%u bytes: no node\n",
			 nsid, lbaf->ds);
		return false;
	}
	if (!nsze || nsze > LLONG_MAX >> lbaf->ds) {
		dev_warn(&ctrl->dev, "namespace %u has %llu blocks: no node\n",
			 nsid, nsze);
		return false;
	}
	format->blocks = nsze;
	format->lba_shift = lbaf->ds;
	format->read_only = id->nsattr & NVME_NS_ATTR_RO;
	return true;
}

static void nvdio_ns_set_format(struct nvdio_ns *ns,
				const struct nvdio_ns_format *format)
{
	struct nvdio_ctrl *ctrl = ns->ctrl;

	ns->lba_shift = format->lba_shift;
	ns->lba_mask = (1U << format->lba_shift) - 1;
	ns->size = format->blocks << format->lba_shift;
	ns->fua = ctrl->vwc & 1;

	/* NLB is 0's based and has 16 bits. */
	ns->limits.max_bytes = min_t(u64, ctrl->max_bytes,
				     65536ULL << ns->lba_shift);
	ns->limits.lba_mask = ns->lba_mask;
	ns->limits.sgl_threshold = nvdio_sgl_threshold;
	ns->limits.max_descs = ctrl->sgls ?
			       NVDIO_MPS / sizeof(struct nvme_sgl_desc) : 0;
	ns->one_max = ctrl->sgls ? ns->limits.max_bytes :
		      min(ns->limits.max_bytes, NVDIO_MPS);
	ns->one_max = min(ns->one_max, ctrl->max_map);

	/* Dataset Management, say, does not move whole blocks. */
	ns->raw_limits = ns->limits;
	ns->raw_limits.max_bytes = ctrl->max_bytes;
	ns->raw_limits.lba_mask = 3;

	ns->ro_ctrl = format->read_only;
	nvdio_ns_update_writable(ns);
}

static int nvdio_ns_add(struct nvdio_ctrl *ctrl, u32 nsid,
			const struct nvdio_ns_format *format)
{
	struct nvdio_ns *ns;
	int ret;

	ns = kzalloc_node(sizeof(*ns), GFP_KERNEL,
			  dev_to_node(ctrl->dev.parent));
	if (!ns)
		return -ENOMEM;
	ns->stats = alloc_percpu(struct nvdio_stats);
	if (!ns->stats) {
		kfree(ns);
		return -ENOMEM;
	}
	ns->nsid = nsid;
	ns->ctrl = ctrl;
	ns->seen = true;
	nvdio_ns_set_format(ns, format);
	ns->queues = ctrl->cpu_queue;
	ns->poll_queues = ctrl->cpu_poll_queue;
	spin_lock_init(&ns->rmw_lock);
	INIT_LIST_HEAD(&ns->rmw_list);
	INIT_LIST_HEAD(&ns->rmw_waiting);
	init_waitqueue_head(&ns->rmw_wait);
	get_device(&ctrl->dev);
	nvdio_node_init(&ns->dev, &ctrl->dev, nvdio_ns_release);
	ns->dev.groups = nvdio_ns_groups;

	dev_set_name(&ns->dev, "nvdio%dn%u", ctrl->instance, nsid);
	ret = nvdio_node_add(&ns->dev, &ns->cdev, &nvdio_ns_fops);
	if (ret)
		goto put;
	list_add_tail(&ns->link, &ctrl->namespaces);
	dev_info(&ns->dev, "%llu bytes in blocks of %u\n", ns->size,
		 ns->lba_mask + 1);
	return 0;

put:
	put_device(&ns->dev);
	return ret;
}

/*
 * Take a namespace's node away. Files that are open on it get -ENODEV, and
 * nothing is sent on their behalf any more once this returns.
 */
static void nvdio_ns_drop(struct nvdio_ns *ns)
{
	struct nvdio_ctrl *ctrl = ns->ctrl;
	unsigned int i;

	list_del(&ns->link);
	WRITE_ONCE(ns->dead, true);
	for (i = 0; i < ctrl->nr_io; i++) {
		spin_lock(&ctrl->io[i]->sq_lock);
		spin_unlock(&ctrl->io[i]->sq_lock);
	}
	nvdio_node_remove(&ns->dev, &ns->cdev);
	put_device(&ns->dev);
}

static struct nvdio_ns *nvdio_ns_find(struct nvdio_ctrl *ctrl, u32 nsid)
{
	struct nvdio_ns *ns;

	list_for_each_entry(ns, &ctrl->namespaces, link) {
		if (ns->nsid == nsid)
			return ns;
	}
	return NULL;
}

/*
 * A namespace whose size or format changed is replaced by another one with a
 * node of the same name: what was computed with the old ones must never be
 * sent, and this way nobody has to look twice at what does not change.
 */
static int nvdio_ns_scan_one(struct nvdio_ctrl *ctrl, u32 nsid)
{
	struct nvdio_ns *ns = nvdio_ns_find(ctrl, nsid);
	struct nvdio_ns_format format;
	struct nvme_id_ns *id;
	int ret;

	id = kmalloc(sizeof(*id), GFP_KERNEL);
	if (!id)
		return -ENOMEM;
	ret = nvdio_admin_identify(ctrl, nsid, NVME_ID_CNS_NS, id);
	if (ret > 0) {
		dev_warn(&ctrl->dev,
			 "namespace %u cannot be identified (status %#x): no node\n",
			 nsid, ret);
		ret = 0;
	} else if (!ret && id->nsze &&
		   nvdio_ns_parse(ctrl, nsid, id, &format)) {
		if (ns && ns->lba_shift == format.lba_shift &&
		    ns->size == format.blocks << format.lba_shift) {
			ns->seen = true;
			ns->ro_ctrl = format.read_only;
			nvdio_ns_update_writable(ns);
		} else {
			if (ns)
				nvdio_ns_drop(ns);
			ret = nvdio_ns_add(ctrl, nsid, &format);
		}
	}
	kfree(id);
	return ret;
}

/**
 * nvdio_ns_scan() - give each active namespace a node
 * @ctrl: live controller, its lock held
 *
 * Namespaces that are gone or changed lose theirs.
 *
 * Return: 0 or -errno; a namespace that cannot have a node is no error.
 */
int nvdio_ns_scan(struct nvdio_ctrl *ctrl)
{
	const unsigned int per_list = NVME_IDENTIFY_DATA_SIZE / sizeof(__le32);
	struct nvdio_ns *ns, *next;
	u32 last = 0, nsid;
	__le32 *list;
	unsigned int i;
	int ret;

	list = kmalloc(NVME_IDENTIFY_DATA_SIZE, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	list_for_each_entry(ns, &ctrl->namespaces, link)
		ns->seen = false;
	do {
		ret = nvdio_admin_identify(ctrl, last, NVME_ID_CNS_NS_ACTIVE_LIST,
					   list);
		if (ret)
			break;
		for (i = 0; i < per_list && !ret; i++) {
			nsid = le32_to_cpu(list[i]);
			/* Ascending (NVMe Base 2.0, 5.17.2.2); 0 is the end. */
			if (nsid <= last)
				break;
			last = nsid;
			ret = nvdio_ns_scan_one(ctrl, nsid);
		}
	} while (!ret && i == per_list);
	kfree(list);

	if (ret > 0) {
		/* Before NVMe 1.1 there was no such list. */
		for (nsid = 1, ret = 0; nsid <= min(ctrl->nn, 1024U) && !ret;
		     nsid++)
			ret = nvdio_ns_scan_one(ctrl, nsid);
	}
	if (ret)
		return ret;
	list_for_each_entry_safe(ns, next, &ctrl->namespaces, link) {
		if (!ns->seen)
			nvdio_ns_drop(ns);
	}
	return 0;
}

/**
 * nvdio_ns_rescan() - look for namespaces that came, went or changed
 * @ctrl: controller
 *
 * Context: may sleep; the controller's lock is not held.
 * Return: 0 or -errno.
 */
int nvdio_ns_rescan(struct nvdio_ctrl *ctrl)
{
	int ret = -ENODEV;

	mutex_lock(&ctrl->lock);
	if (ctrl->state == NVDIO_CTRL_LIVE)
		ret = nvdio_ns_scan(ctrl);
	mutex_unlock(&ctrl->lock);
	return ret;
}

/**
 * nvdio_ns_remove_all() - take away all nodes of a controller's namespaces
 * @ctrl: controller, its lock held
 */
void nvdio_ns_remove_all(struct nvdio_ctrl *ctrl)
{
	struct nvdio_ns *ns, *next;

	list_for_each_entry_safe(ns, next, &ctrl->namespaces, link)
		nvdio_ns_drop(ns);
}
