// SPDX-License-Identifier: GPL-2.0
/* Scanning for namespaces, and creating and removing their nodes. */
#include <linux/log2.h>
#include <linux/slab.h>

#include "pure/ctrl_state.h"
#include "pure/dptr.h"
#include "pure/ns_ids.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/params.h"
#include "core/quirks.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/bounce.h"
#include "io/claim.h"
#include "ctrl/admin.h"
#include "ctrl/latency.h"
#include "ctrl/node.h"
#include "ctrl/ns.h"
#include "ctrl/sysfs.h"

/* How far namespaces are looked for one by one, whatever NN says. */
#define NVDIO_NS_SCAN_MAX	1024U

/* The namespace is unused, so no resource may be left accounted to it. */
static void ns_check_leaks(struct nvdio_ns *ns)
{
	s64 pages, segments, buffers;
	u32 requests;

	pages = nvdio_stats_sum(ns->stats,
				offsetof(struct nvdio_stats, pages_pinned));
	segments = nvdio_stats_sum(ns->stats,
				   offsetof(struct nvdio_stats,
					    segments_mapped));
	buffers = nvdio_stats_sum(ns->stats,
				  offsetof(struct nvdio_stats,
					   bounce_buffers));
	requests = nvdio_queues_in_use_by(ns->ctrl, ns);
	if (pages || segments || buffers || requests)
		pr_err("nvdio: leak: %s: %lld pages pinned, %lld segments mapped, %lld bounce buffers, %u requests\n",
		       dev_name(&ns->dev), pages, segments, buffers, requests);
}

static void ns_release(struct device *dev)
{
	struct nvdio_ns *ns = container_of(dev, struct nvdio_ns, dev);

	ns_check_leaks(ns);
	nvdio_latency_free(ns);
	free_percpu(ns->stats);
	put_device(&ns->ctrl->dev);
	kfree(ns);
}

/**
 * struct nvdio_ns_format - the properties that a node depends on
 * @blocks: number of blocks
 * @lba_shift: log2 of the LBA size
 * @ids: identifiers
 * @read_only: write protected
 * @atomic_max: as in struct nvdio_ns
 * @atomic_boundary: as in struct nvdio_ns
 */
struct nvdio_ns_format {
	u64 blocks;
	u8 lba_shift;
	struct nvdio_ns_ids ids;
	bool read_only;
	u32 atomic_max;
	u32 atomic_boundary;
};

/* Bit 1 of NSFEAT: NAWUPF and others are of this namespace. */
#define NS_FEAT_ATOMICS		BIT(1)

/*
 * What the namespace writes atomically even if power fails (NVM Command Set 1.0,
 * 2.1.4). As in the nvme driver, the controller's AWUPF, of which it is not known
 * for which format it holds, counts for nothing, and neither do boundaries that do
 * not begin at block 0.
 */
static void ns_parse_atomic(const struct nvme_id_ns *id,
			    struct nvdio_ns_format *format)
{
	const u64 max = (le16_to_cpu(id->nawupf) + 1ULL) << format->lba_shift;
	const u64 boundary = (le16_to_cpu(id->nabspf) + 1ULL) <<
			     format->lba_shift;

	format->atomic_max = 0;
	format->atomic_boundary = 0;
	if (!(id->nsfeat & NS_FEAT_ATOMICS) || !id->nawupf || id->nabo)
		return;
	/* Shifts of 64 KiB blocks are refused before. */
	format->atomic_max = min_t(u64, max, U32_MAX);
	if (id->nabspf)
		format->atomic_boundary = min_t(u64, boundary, BIT(31));
}

/*
 * Extract size and LBA format from Identify Namespace data, checking them
 * (invariant 11).
 * Return: false if the namespace cannot have a node; the log says why.
 */
static bool ns_parse(struct nvdio_ctrl *ctrl, u32 nsid,
		     const struct nvme_id_ns *id,
		     struct nvdio_ns_format *format)
{
	/* FLBAS: index of the format in bits 3:0 and, above them, 6:5. */
	unsigned int index = (id->flbas & 0xf) | (id->flbas >> 1 & 0x30);
	const struct nvme_lbaf *lbaf = &id->lbaf[index];
	u64 nsze = le64_to_cpu(id->nsze);

	if (lbaf->ms || id->dps & NVME_NS_DPS_PI_MASK) {
		dev_warn(&ctrl->dev,
			 "namespace %u has metadata or protection information (%u bytes per block): no node\n",
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
	ns_parse_atomic(id, format);
	return true;
}

/*
 * Read the identifiers: from Identify Namespace data, and from the descriptor
 * list, which is mandatory since NVMe 1.3.
 * Return: 0 or -errno. A controller that does not return the list is no error.
 */
static int ns_identify(struct nvdio_ctrl *ctrl, u32 nsid,
		       const struct nvme_id_ns *id,
		       struct nvdio_ns_ids *ids)
{
	void *list;
	int ret;

	memset(ids, 0, sizeof(*ids));
	if (ctrl->quirks & NVDIO_QUIRK_BOGUS_NID) {
		ids->listed = true;
		return 0;
	}
	if (ctrl->vs >= NVME_VS(1, 1, 0))
		memcpy(ids->eui64, id->eui64, sizeof(ids->eui64));
	if (ctrl->vs >= NVME_VS(1, 2, 0))
		memcpy(ids->nguid, id->nguid, sizeof(ids->nguid));
	if (ctrl->vs < NVME_VS(1, 3, 0) ||
	    ctrl->quirks & (NVDIO_QUIRK_IDENTIFY_CNS |
			    NVDIO_QUIRK_NO_NS_DESC_LIST)) {
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

/*
 * Contiguous maps from when there were SGLs have no PRP lists: if a reset has
 * taken the SGLs, two PRPs must do.
 */
static u32 ns_map_max(const struct nvdio_ctrl *ctrl)
{
	return ctrl->had_sgls && !ctrl->sgls ? NVDIO_MPS : NVDIO_MAP_LIST_BYTES;
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
	ns->map_max = min(ns->limits.max_bytes, ns_map_max(ctrl));
	/*
	 * Never bounce under a lock or in an interrupt: leave everything to
	 * xfer.c.
	 */
	if (ctrl->bounces)
		ns->single_max = 0;

	/* The data of Dataset Management, for example, are not whole blocks. */
	ns->raw_limits = ns->limits;
	ns->raw_limits.max_bytes = ctrl->max_bytes;
	ns->raw_limits.lba_mask = 3;

	/*
	 * A list of SGL descriptors in host memory, for data in the controller's
	 * own buffer, is something that controllers refuse.
	 */
	ns->p2p_limits = ns->limits;
	ns->p2p_limits.max_descs = 0;

	ns->ro_ctrl = format->read_only;
	ns->atomic_max = format->atomic_max;
	ns->atomic_boundary = format->atomic_boundary;
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

	ret = dev_set_name(&ns->dev, "nvdio%dn%u", ctrl->instance, nsid);
	if (!ret)
		ret = nvdio_node_add(&ns->dev, &ns->cdev, NVDIO_NODE_NS);
	if (ret)
		goto put;
	list_add_tail(&ns->link, &ctrl->namespaces);
	dev_info(&ns->dev, "%llu bytes, %u bytes per block\n", ns->size,
		 ns->lba_mask + 1);
	return 0;

put:
	put_device(&ns->dev);
	return ret;
}

/*
 * Remove the node of a namespace. Open files get -ENODEV, and on return nothing
 * is being submitted on their behalf.
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
	/* What was to be sent again to it ends. */
	wake_up_all(&ctrl->state_wait);
	mod_delayed_work(ctrl->reset_wq, &ctrl->resend_work, 0);
	nvdio_node_remove(&ns->dev, &ns->cdev);
	nvdio_latency_end(ns);
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
 * Does the node still match the namespace: same identity, same LBA format, and
 * limits no stricter than those its commands were built for? A reset may have
 * changed the limits of the controller.
 */
static bool ns_fits(const struct nvdio_ns *ns,
		    const struct nvdio_ns_format *format)
{
	const struct nvdio_ctrl *ctrl = ns->ctrl;

	return ns->lba_shift == format->lba_shift &&
	       ns->raw_limits.max_bytes <= ctrl->max_bytes &&
	       (!ns->limits.max_descs || ctrl->sgls) &&
	       ns->map_max <= ns_map_max(ctrl) &&
	       !nvdio_ns_ids_differ(&ns->ids, &format->ids);
}

/*
 * Update what may change under open files. If the namespace has shrunk, the
 * controller fails I/O beyond the new end that was checked against the old size
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
	WRITE_ONCE(ns->atomic_max, format->atomic_max);
	WRITE_ONCE(ns->atomic_boundary, format->atomic_boundary);
	if (size == ns->size) {
		nvdio_ns_update_writable(ns);
		return;
	}
	dev_info(&ns->dev, "size changed from %llu to %llu bytes\n", ns->size,
		 size);
	WRITE_ONCE(ns->size, size);
	nvdio_ns_update_writable(ns);
	/* The same uevent as for a block device. */
	kobject_uevent_env(&ns->dev.kobj, KOBJ_CHANGE, resize);
}

/*
 * A namespace whose format has changed, or that has been replaced by another,
 * gets a new node of the same name: commands computed with the old format must
 * never be submitted, and this way the format is constant for the lifetime of
 * struct nvdio_ns. Open files survive a change of size.
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
		/* A retry may succeed later, unless DNR is set. */
		bool keep = ns && !(ret & NVME_STATUS_DNR);

		if (keep)
			ns->seen = true;
		dev_warn(&ctrl->dev,
			 "cannot identify namespace %u (status %#x): %s\n",
			 nsid, ret, keep ? "node unchanged" : "no node");
		ret = 0;
		goto free;
	}
	if (ret)
		goto free;
	if (!id->nsze || !ns_parse(ctrl, nsid, id, &format)) {
		/* Immediately: its commands could move more than was mapped. */
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

/*
 * Scan the namespaces of the list of active ones.
 * Return: 0, -errno, or the controller's status for the list.
 */
static int ns_scan_list(struct nvdio_ctrl *ctrl)
{
	const unsigned int per_list = NVME_IDENTIFY_DATA_SIZE / sizeof(__le32);
	u32 last = 0, nsid;
	__le32 *list;
	unsigned int i;
	int ret;

	list = kmalloc(NVME_IDENTIFY_DATA_SIZE, GFP_KERNEL);
	if (!list)
		return -ENOMEM;
	do {
		ret = nvdio_admin_identify(ctrl, last,
					   NVME_ID_CNS_NS_ACTIVE_LIST, list);
		if (ret)
			break;
		for (i = 0; i < per_list && !ret; i++) {
			nsid = le32_to_cpu(list[i]);
			/*
			 * In ascending order (NVMe Base 2.0, 5.17.2.2); 0 ends
			 * the list.
			 */
			if (nsid <= last)
				break;
			last = nsid;
			ret = ns_scan_one(ctrl, nsid);
		}
	} while (!ret && i == per_list);
	kfree(list);
	return ret;
}

/* Scan all that there may be. Return: 0 or -errno. */
static int ns_scan_all(struct nvdio_ctrl *ctrl)
{
	u32 nsid, nn = min(ctrl->nn, NVDIO_NS_SCAN_MAX);
	int ret = 0;

	for (nsid = 1; nsid <= nn && !ret; nsid++)
		ret = ns_scan_one(ctrl, nsid);
	return ret;
}

/* The list exists since NVMe 1.1, in controllers without this quirk. */
static bool ns_has_list(const struct nvdio_ctrl *ctrl)
{
	return ctrl->vs >= NVME_VS(1, 1, 0) &&
	       !(ctrl->quirks & NVDIO_QUIRK_IDENTIFY_CNS);
}

/**
 * nvdio_ns_scan() - create nodes for all active namespaces
 * @ctrl: live controller, its lock held
 *
 * Nodes of namespaces that are gone are removed. Namespaces that the controller
 * temporarily cannot identify keep theirs.
 *
 * Context: may sleep.
 * Return: 0; or -errno, and existing nodes stay. A namespace that cannot have a
 * node is no error.
 */
int nvdio_ns_scan(struct nvdio_ctrl *ctrl)
{
	bool listed = ns_has_list(ctrl);
	struct nvdio_ns *ns, *next;
	int ret;

	list_for_each_entry(ns, &ctrl->namespaces, link)
		ns->seen = false;
	ret = listed ? ns_scan_list(ctrl) : ns_scan_all(ctrl);
	if (ret > 0 && !(ret & NVME_STATUS_DNR) &&
	    !list_empty(&ctrl->namespaces)) {
		dev_warn(&ctrl->dev,
			 "cannot list namespaces (status %#x): nodes unchanged\n",
			 ret);
		return -EIO;
	}
	/* Some controllers refuse the list, whatever their version says. */
	if (ret > 0)
		ret = ns_scan_all(ctrl);
	if (ret)
		return ret;
	list_for_each_entry_safe(ns, next, &ctrl->namespaces, link) {
		if (!ns->seen)
			ns_drop(ns);
	}
	return 0;
}

/**
 * nvdio_ns_rescan() - scan a live controller for changes
 * @ctrl: controller, its lock not held
 *
 * Context: may sleep.
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
 * nvdio_ns_doubt() - note that a namespace may have been replaced
 * @ctrl: controller, its lock held
 * @nsid: namespace; 0 or NVME_NSID_ALL: all of them
 *
 * A scan has to follow, and then nvdio_ns_drop_doubtful().
 *
 * Context: may sleep.
 */
void nvdio_ns_doubt(struct nvdio_ctrl *ctrl, u32 nsid)
{
	struct nvdio_ns *ns;

	list_for_each_entry(ns, &ctrl->namespaces, link)
		ns->doubtful |= !nsid || nsid == NVME_NSID_ALL ||
				nsid == ns->nsid;
}

/**
 * nvdio_ns_drop_doubtful() - remove nodes that the scan did not confirm
 * @ctrl: controller, its lock held
 *
 * Commands computed with the old format must not be submitted: with a different
 * LBA size they would move more than was mapped.
 *
 * Context: may sleep.
 */
void nvdio_ns_drop_doubtful(struct nvdio_ctrl *ctrl)
{
	struct nvdio_ns *ns, *next;

	list_for_each_entry_safe(ns, next, &ctrl->namespaces, link) {
		if (ns->doubtful) {
			dev_warn(&ns->dev,
				 "not confirmed by scan, removing node\n");
			ns_drop(ns);
		}
	}
}

/**
 * nvdio_ns_rescan_changed() - rescan after a command that may change namespaces
 * @ctrl: controller, its lock not held, with I/O frozen
 * @nsid: namespace; 0 or NVME_NSID_ALL: all of them
 *
 * If the scan fails, files that are open on these namespaces get -ENODEV.
 * During a reset, the reset does this.
 *
 * Context: may sleep.
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
 * nvdio_ns_remove_all() - remove the nodes of all namespaces
 * @ctrl: controller, its lock held
 *
 * Context: may sleep.
 */
void nvdio_ns_remove_all(struct nvdio_ctrl *ctrl)
{
	struct nvdio_ns *ns, *next;

	list_for_each_entry_safe(ns, next, &ctrl->namespaces, link)
		ns_drop(ns);
}

/**
 * struct ns_frozen - a claim to all blocks of a namespace
 * @link: entry in the controller's frozen_ns
 * @ns: namespace, with a reference
 * @claim: exclusive; covers blocks beyond the end as well
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
 * On return no read-modify-write is in progress, and none starts before
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

	/* Not under the lock, since this takes as long as I/O does. */
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
 *
 * Context: may sleep.
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
