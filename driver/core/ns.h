/* SPDX-License-Identifier: GPL-2.0 */
/* A namespace and its node. */
#ifndef NVDIO_NS_H
#define NVDIO_NS_H

#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/rbtree.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "pure/dptr.h"
#include "pure/ns_ids.h"
#include "core/ctrl.h"
#include "core/stats.h"

struct nvdio_queue;

/**
 * struct nvdio_ns - a namespace
 * @queues: for each CPU, the queue that it submits to
 * @poll_queues: the same for polled I/O; @queues if there are no poll queues
 * @stats: per-CPU counters
 * @size: bytes; may change at any time, see nvdio_ns_size()
 * @write_size: the same for writes, 0 if the namespace is read-only
 * @lba_mask: LBA size minus 1
 * @nsid: namespace identifier
 * @single_max: most bytes of one contiguous range that one command takes, mapped
 *	under sq_lock; 0 where mapping may copy
 * @write_max: the same for io_uring's Writes, 0 if the namespace is read-only
 * @claims_held: exclusive claims that are held; read without a lock
 * @lba_shift: log2 of the LBA size
 * @dead: the namespace went away, or its format changed: nothing may be sent to
 *	it any more. Set while nobody sends, read under any sq_lock.
 * @fua: writes can be told to bypass a volatile cache; if there is no such
 *	cache, false
 * @limits: what a read or write may look like
 * @raw_limits: what a command of user space may look like
 * @ro_set: somebody made it read-only by BLKROSET; under the controller's lock
 * @ro_ctrl: the controller says that it is write protected
 * @seen: found by the scan that is under way
 * @doubtful: may have become another one; only a scan that finds it as it was
 *	makes it usable again
 * @ctrl: controller; the namespace holds a reference to its device
 * @dev: node's device; lives until the last close
 * @cdev: node
 * @link: in the controller's list
 * @ids: which namespace it is
 * @claim_lock: guards what follows, and @claims_held
 * @claims: claims to blocks, held or waiting (claim.h)
 * @claim_seq: number of claims that were made
 * @writes_ended: number of writes that ended while a claim waited for them
 * @draining: claims that wait for such writes
 */
struct nvdio_ns {
	/* what every read and write looks at */
	struct nvdio_queue **queues;
	struct nvdio_queue **poll_queues;
	struct nvdio_stats __percpu *stats;
	u64 size;
	u64 write_size;
	u32 lba_mask;
	u32 nsid;
	u32 single_max;
	u32 write_max;
	u32 claims_held;
	u8 lba_shift;
	bool fua;
	bool dead;
	struct nvdio_dptr_limits limits;
	struct nvdio_dptr_limits raw_limits;
	struct nvdio_ctrl *ctrl;

	struct device dev;
	struct cdev cdev;
	struct list_head link;
	struct nvdio_ns_ids ids;
	bool ro_set;
	bool ro_ctrl;
	bool seen;
	bool doubtful;

	spinlock_t claim_lock;	/* for claims, taken in interrupts */
	struct rb_root_cached claims;
	u64 claim_seq;
	u64 writes_ended;
	struct list_head draining;
};

/* Is there nothing behind an open file any more? */
static inline bool nvdio_ns_gone(const struct nvdio_ns *ns)
{
	return READ_ONCE(ns->dead) || nvdio_ctrl_gone(ns->ctrl);
}

/**
 * nvdio_ns_size() - size of a namespace
 * @ns: namespace
 *
 * It may change right after; who has looked keeps to what it saw. Commands for
 * blocks that are gone by then are failed by the controller.
 *
 * Return: bytes.
 */
static inline u64 nvdio_ns_size(const struct nvdio_ns *ns)
{
	return READ_ONCE(ns->size);
}

/**
 * nvdio_ns_read_only() - may nothing be written?
 * @ns: namespace
 *
 * Writers do not ask: to them there is no room. This is how they find out why.
 */
static inline bool nvdio_ns_read_only(const struct nvdio_ns *ns)
{
	return !READ_ONCE(ns->write_size);
}

/**
 * nvdio_ns_update_writable() - work out what may be written
 * @ns: namespace whose size, single_max, ro_set or ro_ctrl were set
 *
 * Writes that are under way go on, as on a block device.
 *
 * Context: the controller's lock held, or the namespace not yet visible.
 */
static inline void nvdio_ns_update_writable(struct nvdio_ns *ns)
{
	const bool ro = ns->ro_set || ns->ro_ctrl;

	WRITE_ONCE(ns->write_size, ro ? 0 : ns->size);
	WRITE_ONCE(ns->write_max, ro ? 0 : ns->single_max);
}

/* Bytes to LBAs; @pos is a multiple of the LBA size. */
static inline u64 nvdio_ns_lba(const struct nvdio_ns *ns, u64 pos)
{
	return pos >> ns->lba_shift;
}

#endif /* NVDIO_NS_H */
