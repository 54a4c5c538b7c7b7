/* SPDX-License-Identifier: GPL-2.0 */
/* struct nvdio_ns: a namespace and its node. */
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

struct file;
struct nvdio_hists;
struct nvdio_queue;

/**
 * struct nvdio_ns - a namespace
 * @queues: for each CPU, the queue that it submits to
 * @poll_queues: the same for polled I/O; equals @queues without poll queues
 * @stats: per-CPU counters
 * @size: bytes; may change at any time, see nvdio_ns_size()
 * @write_size: @size, or 0 if the namespace is read-only
 * @lba_mask: LBA size minus 1
 * @nsid: namespace identifier
 * @single_max: maximum bytes of a contiguous range that fits into one command
 *	and is mapped under sq_lock; 0 if mapping may bounce
 * @map_max: maximum bytes of a command for mapped memory (core/map.h)
 * @write_max: @single_max, or 0 if the namespace is read-only
 * @claims_held: number of exclusive claims held; read without a lock
 * @lba_shift: log2 of the LBA size
 * @atomic_max: most bytes that a write changes all or not at all, even if power
 *	fails; 0: the controller does not say
 * @atomic_boundary: such a write crosses no multiple of so many bytes, unless 0
 * @fua: writes may need FUA, because there is a volatile write cache
 * @dead: the namespace is gone, or its format changed: nothing may be
 *	submitted. Set under the controller's lock; after that each sq_lock is
 *	taken once.
 * @limits: limits of reads and writes
 * @raw_limits: limits of passthrough commands
 * @ro_set: set read-only with BLKROSET; under the controller's lock
 * @ro_ctrl: write protected according to the controller
 * @seen: found by the current scan
 * @doubtful: may have become a different namespace; usable again only once a
 *	scan finds it unchanged
 * @ctrl: controller; the namespace holds a reference to its device
 * @dev: device of the node; lives until the last close
 * @cdev: character device of the node
 * @link: entry in the controller's list
 * @ids: identifiers
 * @claim_lock: protects the members that follow, and @claims_held
 * @claims: claims to blocks, held or waiting (io/claim.h)
 * @claim_seq: number of claims made so far
 * @writes_ended: number of writes that completed while a claim waited for them
 * @draining: claims that wait for such writes
 * @p2p_limits: limits of reads and writes with memory of devices
 * @excl: file that was opened with O_EXCL, or NULL; only compared
 * @hists: latency histograms, or NULL: they are off
 * @hists_kept: their memory, since they were first on
 */
struct nvdio_ns {
	/* used by every read and write */
	struct nvdio_queue **queues;
	struct nvdio_queue **poll_queues;
	struct nvdio_stats __percpu *stats;
	u64 size;
	u64 write_size;
	u32 lba_mask;
	u32 nsid;
	u32 single_max;
	u32 map_max;
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

	spinlock_t claim_lock;	/* protects claims; taken in interrupts */
	struct rb_root_cached claims;
	u64 claim_seq;
	u64 writes_ended;
	struct list_head draining;

	struct nvdio_dptr_limits p2p_limits;
	u32 atomic_max;
	u32 atomic_boundary;
	const struct file *excl;

	struct nvdio_hists __percpu *hists;
	struct nvdio_hists __percpu *hists_kept;
};

/**
 * nvdio_ns_gone() - is the namespace or its controller gone?
 * @ns: namespace
 *
 * Context: any.
 * Return: true if it is; calls on open files then get -ENODEV.
 */
static inline bool nvdio_ns_gone(const struct nvdio_ns *ns)
{
	return READ_ONCE(ns->dead) || nvdio_ctrl_gone(ns->ctrl);
}

/**
 * nvdio_ns_size() - size of a namespace
 * @ns: namespace
 *
 * It may change at any moment, so callers read it once. The controller fails
 * commands for blocks that no longer exist.
 *
 * Context: any.
 * Return: bytes.
 */
static inline u64 nvdio_ns_size(const struct nvdio_ns *ns)
{
	return READ_ONCE(ns->size);
}

/**
 * nvdio_ns_read_only() - is a namespace read-only?
 * @ns: namespace
 *
 * Writers need not ask, since write_size is 0 then. They ask afterwards to
 * choose the errno.
 *
 * Context: any.
 * Return: true if it is.
 */
static inline bool nvdio_ns_read_only(const struct nvdio_ns *ns)
{
	return !READ_ONCE(ns->write_size);
}

/**
 * nvdio_ns_update_writable() - update write_size and write_max
 * @ns: namespace whose size, single_max, ro_set or ro_ctrl has changed
 *
 * Writes in flight are unaffected, as with a block device.
 *
 * Context: the controller's lock is held, or the namespace is not yet visible.
 */
static inline void nvdio_ns_update_writable(struct nvdio_ns *ns)
{
	const bool ro = ns->ro_set || ns->ro_ctrl;

	WRITE_ONCE(ns->write_size, ro ? 0 : ns->size);
	WRITE_ONCE(ns->write_max, ro ? 0 : ns->single_max);
}

/**
 * nvdio_ns_lba() - convert bytes to LBAs
 * @ns: namespace
 * @pos: bytes, a multiple of the LBA size
 *
 * Context: any.
 * Return: number of blocks.
 */
static inline u64 nvdio_ns_lba(const struct nvdio_ns *ns, u64 pos)
{
	return pos >> ns->lba_shift;
}

#endif /* NVDIO_NS_H */
