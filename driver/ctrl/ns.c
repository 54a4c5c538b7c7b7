// SPDX-License-Identifier: GPL-2.0
/* Finding the namespaces of a controller and giving each a node. */
#include <linux/log2.h>
#include <linux/slab.h>

#include "pure/ctrl_state.h"
#include "pure/dptr.h"
#include "pure/ns_ids.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/params.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/bounce.h"
#include "io/claim.h"
#include "ctrl/admin.h"
#include "ctrl/node.h"
#include "ctrl/ns.h"
#include "ctrl/sysfs.h"

/* Nobody uses the namespace any more, so nothing may be taken on its behalf. */
static void ns_check_leaks(struct nvdio_ns *ns)
{
	struct nvdio_ctrl *ctrl = ns->ctrl;
	s64 pages, segments, buffers;
	unsigned int i;
	u32 requests = 0;

	pages = nvdio_stats_sum(ns->stats,
				offsetof(struct nvdio_stats, pages_pinned));
	segments = nvdio_stats_sum(ns->stats,
				   offsetof(struct nvdio_stats,
					    segments_mapped));
	buffers = nvdio_stats_sum(ns->stats,
				  offsetof(struct nvdio_stats,
					   bounce_buffers));
	for (i = 0; i < ctrl->nr_io; i++)
		requests += nvdio_queue_in_use_by(ctrl->io[i], ns);
	if (pages || segments || buffers || requests)
		pr_err("nvdio: leak: %s: %lld pages pinned, %lld segments mapped, %lld bounce buffers, %u requests\n",
		       dev_name(&ns->dev), pages, segments, buffers, requests);
}

static void ns_release(struct device *dev)
{
	struct nvdio_ns *ns = container_of(dev, struct nvdio_ns, dev);

	ns_check_leaks(ns);
	free_percpu(ns->stats);
	put_device(&ns->ctrl->dev);
	kfree(ns);
}

/**
 * struct nvdio_ns_format - what a namespace's node depends on
 * @blocks: number of blocks
 * @lba_shift: log2 of the LBA size
 * @ids: which namespace it is
 * @read_only: write protected
 */
struct nvdio_ns_format {
	u64 blocks;
	u8 lba_shift;
	struct nvdio_ns_ids ids;
	bool read_only;
};

/*
 * Take size and block format from Identify Namespace data, which are checked
 * (invariant 11).
 * Return: false if the namespace cannot have a node; the log says why.
 */
static bool ns_parse(struct nvdio_ctrl *ctrl, u32 nsid,
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

/*
 * Take the identifiers: those in Identify Namespace data, and the list, which
 * is mandatory since NVMe 1.3.
 * Return: 0 or -errno. A list that the controller does not give is no error.
 */
static int ns_identify(struct nvdio_ctrl *ctrl, u32 nsid,
		       const struct nvme_id_ns *id,
		       struct nvdio_ns_ids *ids)
{
	void *list;
	int ret;

	memset(ids, 0, sizeof(*ids));
	if (ctrl->vs >= NVME_VS(1, 1, 0))
		memcpy(ids->eui64, id->eui64, sizeof(ids->eui64));
	if (ctrl->vs >= NVME_VS(1, 2, 0))
		memcpy(ids->nguid, id->nguid, sizeof(ids->nguid));
	if (ctrl->vs < NVME_VS(1, 3, 0)) {
		ids->listed = true;
		return 0;
	}
	list = kmalloc(NVME_IDENTIFY_DATA_SIZE, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	ret = nvdio_admin_identify(ctrl, nsid, NVME_ID_CNS_NS_DESC_LIST, list);
	if (!ret)
		nvdio_ns_ids_parse(ids, list, NVME_IDENTIFY_DATA_SIZE);
	kfree(list);
	return min(ret, 0);
}

static void ns_set_format(struct nvdio_ns *ns,
			  const struct nvdio_ns_format *format)
{
	struct nvdio_ctrl *ctrl = ns->ctrl;

	ns->ids = format->ids;
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
	ns->single_max = ctrl->sgls ? ns->limits.max_bytes :
			 min(ns->limits.max_bytes, NVDIO_MPS);
	ns->single_max = min(ns->single_max, ctrl->max_map_bytes);
	/* No copying under a lock, or in an interrupt: all is left to xfer.c. */
	if (ctrl->bounces)
		ns->single_max = 0;

	/* Dataset Management, say, does not move whole blocks. */
	ns->raw_limits = ns->limits;
	ns->raw_limits.max_bytes = ctrl->max_bytes;
	ns->raw_limits.lba_mask = 3;

	ns->ro_ctrl = format->read_only;
	nvdio_ns_update_writable(ns);
}

static int ns_add(struct nvdio_ctrl *ctrl, u32 nsid,
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
	ns_set_format(ns, format);
	ns->queues = ctrl->cpu_queue;
	ns->poll_queues = ctrl->cpu_poll_queue;
	nvdio_claim_init(ns);
	get_device(&ctrl->dev);
	nvdio_node_init(&ns->dev, &ctrl->dev, ns_release);
	ns->dev.groups = nvdio_ns_groups;

	dev_set_name(&ns->dev, "nvdio%dn%u", ctrl->instance, nsid);
	ret = nvdio_node_add(&ns->dev, &ns->cdev, NVDIO_NODE_NS);
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
static void ns_drop(struct nvdio_ns *ns)
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

static struct nvdio_ns *ns_find(struct nvdio_ctrl *ctrl, u32 nsid)
{
	struct nvdio_ns *ns;

	list_for_each_entry(ns, &ctrl->namespaces, link) {
		if (ns->nsid == nsid)
			return ns;
	}
	return NULL;
}

/*
 * Is it still the namespace, and the format, that the node was made for? And
 * may commands be as large, and described as they are? A controller that was
 * reset may have other limits.
 */
static bool ns_fits(const struct nvdio_ns *ns,
		    const struct nvdio_ns_format *format)
{
	const struct nvdio_ctrl *ctrl = ns->ctrl;

	return ns->lba_shift == format->lba_shift &&
	       ns->raw_limits.max_bytes <= ctrl->max_bytes &&
	       (!ns->limits.max_descs || ctrl->sgls) &&
	       !nvdio_ns_ids_differ(&ns->ids, &format->ids);
}

/*
 * Take over what may change under open files. Of I/O that looked at the larger
 * size before a namespace shrank, the controller fails what is behind the end
 * (LBA Out of Range).
 */
static void ns_update(struct nvdio_ns *ns,
		      const struct nvdio_ns_format *format)
{
	char *resize[2] = { "RESIZE=1", NULL };
	u64 size = format->blocks << format->lba_shift;

	WRITE_ONCE(ns->fua, ns->ctrl->vwc & 1);
	if (format->ids.listed)
		ns->ids = format->ids;
	ns->ro_ctrl = format->read_only;
	if (size == ns->size) {
		nvdio_ns_update_writable(ns);
		return;
	}
	dev_info(&ns->dev, "size changed from %llu to %llu bytes\n", ns->size,
		 size);
	WRITE_ONCE(ns->size, size);
	nvdio_ns_update_writable(ns);
	/* As for a block device. */
	kobject_uevent_env(&ns->dev.kobj, KOBJ_CHANGE, resize);
}

/*
 * A namespace whose format changed, or in whose place there is another one, is
 * replaced, with a node of the same name: what was computed with the old format
 * must never be sent, and this way nobody has to look twice at what does not
 * change. A change of size leaves open files as they are.
 */
static int ns_scan_one(struct nvdio_ctrl *ctrl, u32 nsid)
{
	struct nvdio_ns *ns = ns_find(ctrl, nsid);
	struct nvdio_ns_format format;
	struct nvme_id_ns *id;
	int ret;

	id = kmalloc(sizeof(*id), GFP_KERNEL);
	if (!id)
		return -ENOMEM;
	ret = nvdio_admin_identify(ctrl, nsid, NVME_ID_CNS_NS, id);
	if (ret > 0) {
		/* It may be possible later, unless the controller says not. */
		bool keep = ns && !(ret & NVME_STATUS_DNR);

		if (keep)
			ns->seen = true;
		dev_warn(&ctrl->dev,
			 "namespace %u cannot be identified (status %#x): %s\n",
			 nsid, ret, keep ? "left as it was" : "no node");
		ret = 0;
		goto free;
	}
	if (ret)
		goto free;
	if (!id->nsze || !ns_parse(ctrl, nsid, id, &format)) {
		/* At once: its commands may move more than was mapped. */
		if (ns)
			ns_drop(ns);
		goto free;
	}
	ret = ns_identify(ctrl, nsid, id, &format.ids);
	if (ret)
		goto free;
	if (ns && ns_fits(ns, &format)) {
		ns_update(ns, &format);
		ns->seen = true;
		ns->doubtful = false;
		goto free;
	}
	if (ns)
		ns_drop(ns);
	ret = ns_add(ctrl, nsid, &format);
free:
	kfree(id);
	return ret;
}

/**
 * nvdio_ns_scan() - give each active namespace a node
 * @ctrl: live controller, its lock held
 *
 * Namespaces that are gone lose theirs. Those of which the controller does not
 * tell anything at the moment keep it.
 *
 * Return: 0; -errno, and who has a node keeps it. A namespace that cannot have
 * a node is no error.
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
			ret = ns_scan_one(ctrl, nsid);
		}
	} while (!ret && i == per_list);
	kfree(list);

	if (ret > 0 && !(ret & NVME_STATUS_DNR) &&
	    ctrl->vs >= NVME_VS(1, 1, 0) && !list_empty(&ctrl->namespaces)) {
		dev_warn(&ctrl->dev,
			 "no list of namespaces (status %#x): all are left as they were\n",
			 ret);
		return -EIO;
	}
	if (ret > 0) {
		/* Before NVMe 1.1 there was no such list. */
		for (nsid = 1, ret = 0; nsid <= min(ctrl->nn, 1024U) && !ret;
		     nsid++)
			ret = ns_scan_one(ctrl, nsid);
	}
	if (ret)
		return ret;
	list_for_each_entry_safe(ns, next, &ctrl->namespaces, link) {
		if (!ns->seen)
			ns_drop(ns);
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
 * nvdio_ns_doubt() - a namespace may not be what it was any more
 * @ctrl: controller, its lock held
 * @nsid: namespace; 0 or NVME_NSID_ALL: all of them
 *
 * A scan has to follow, and then nvdio_ns_drop_doubtful().
 */
void nvdio_ns_doubt(struct nvdio_ctrl *ctrl, u32 nsid)
{
	struct nvdio_ns *ns;

	list_for_each_entry(ns, &ctrl->namespaces, link)
		ns->doubtful |= !nsid || nsid == NVME_NSID_ALL ||
				nsid == ns->nsid;
}

/**
 * nvdio_ns_drop_doubtful() - take away the nodes that a scan did not confirm
 * @ctrl: controller, its lock held
 *
 * What was computed with the old format must not be sent: with other blocks a
 * command would move more than was mapped.
 */
void nvdio_ns_drop_doubtful(struct nvdio_ctrl *ctrl)
{
	struct nvdio_ns *ns, *next;

	list_for_each_entry_safe(ns, next, &ctrl->namespaces, link) {
		if (ns->doubtful) {
			dev_warn(&ns->dev, "not found again as it was\n");
			ns_drop(ns);
		}
	}
}

/**
 * nvdio_ns_rescan_changed() - look at namespaces again after a command that
 * may have changed them
 * @ctrl: controller, with I/O frozen
 * @nsid: which; 0 or NVME_NSID_ALL: all of them
 *
 * If that fails, they are gone for those who have them open. During a reset
 * that is the reset's to do.
 *
 * Context: may sleep; the controller's lock is not held.
 */
void nvdio_ns_rescan_changed(struct nvdio_ctrl *ctrl, u32 nsid)
{
	mutex_lock(&ctrl->lock);
	nvdio_ns_doubt(ctrl, nsid);
	if (ctrl->state == NVDIO_CTRL_LIVE) {
		nvdio_ns_scan(ctrl);
		nvdio_ns_drop_doubtful(ctrl);
	}
	mutex_unlock(&ctrl->lock);
}

/**
 * nvdio_ns_remove_all() - take away all nodes of a controller's namespaces
 * @ctrl: controller, its lock held
 */
void nvdio_ns_remove_all(struct nvdio_ctrl *ctrl)
{
	struct nvdio_ns *ns, *next;

	list_for_each_entry_safe(ns, next, &ctrl->namespaces, link)
		ns_drop(ns);
}

/**
 * struct ns_frozen - all blocks of a namespace, claimed
 * @link: in the controller's frozen_ns
 * @ns: namespace, with a reference
 * @claim: exclusive, to all that is or may come to be in it
 */
struct ns_frozen {
	struct list_head link;
	struct nvdio_ns *ns;
	struct nvdio_claim claim;
};

/**
 * nvdio_ns_claim_all() - claim all blocks of all namespaces
 * @ctrl: controller, its freeze_lock held, its lock not
 *
 * When this returns no read-modify-write is under way, and none begins until
 * nvdio_ns_release_all().
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int nvdio_ns_claim_all(struct nvdio_ctrl *ctrl)
{
	struct ns_frozen *frozen;
	struct nvdio_ns *ns;
	LIST_HEAD(list);
	int ret = 0;

	mutex_lock(&ctrl->lock);
	list_for_each_entry(ns, &ctrl->namespaces, link) {
		frozen = kzalloc(sizeof(*frozen), GFP_KERNEL);
		if (!frozen) {
			ret = -ENOMEM;
			break;
		}
		get_device(&ns->dev);
		frozen->ns = ns;
		list_add_tail(&frozen->link, &list);
	}
	mutex_unlock(&ctrl->lock);

	/* Not under the lock: this takes as long as I/O does. */
	list_for_each_entry(frozen, &list, link) {
		nvdio_claim_set(&frozen->claim, 0, U64_MAX, true);
		nvdio_claim_wait(frozen->ns, &frozen->claim);
	}
	list_splice(&list, &ctrl->frozen_ns);
	if (ret)
		nvdio_ns_release_all(ctrl);
	return ret;
}

/**
 * nvdio_ns_release_all() - undo nvdio_ns_claim_all()
 * @ctrl: controller, its freeze_lock held
 */
void nvdio_ns_release_all(struct nvdio_ctrl *ctrl)
{
	struct ns_frozen *frozen, *next;

	list_for_each_entry_safe(frozen, next, &ctrl->frozen_ns, link) {
		list_del(&frozen->link);
		nvdio_claim_release(frozen->ns, &frozen->claim);
		put_device(&frozen->ns->dev);
		kfree(frozen);
	}
}
