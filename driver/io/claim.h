/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Claims to blocks of a namespace: they keep a read-modify-write of the copy
 * path apart from all other writers of the same blocks (invariant 8).
 *
 * A read-modify-write needs an exclusive claim; other writers that can wait for
 * claims take a shared one. Overlapping claims, if at least one is exclusive,
 * are granted in the order in which they were made, so none starves.
 *
 * Direct writes and passthrough make no claim as long as no exclusive claim is
 * held: they check ns->claims_held under the sq_lock under which they submit.
 * Therefore the holder of an exclusive claim has to wait for writes submitted
 * earlier, with nvdio_claim_drain() (drain.h).
 *
 * While waiting for a claim, hold neither a bounce buffer nor a tag (invariant
 * 12).
 */
#ifndef NVDIO_CLAIM_H
#define NVDIO_CLAIM_H

#include <linux/completion.h>
#include <linux/rbtree.h>

#include "core/ns.h"

/**
 * struct nvdio_claim - a claim to blocks
 * @rb: node in the namespace's interval tree
 * @first: first block
 * @last: last block
 * @subtree_last: for the interval tree
 * @seq: position in the order of claims
 * @blockers: number of earlier claims that it waits for
 * @exclusive: no other claim to these blocks may be held at the same time
 * @held: granted
 * @link: entry in a list of claims to be resumed
 * @resume: called when the claim is granted, or when a drain may be tried
 *	again; in any context, with no lock held that @resume needs, exactly
 *	once each time the owner was told to wait
 * @waiter: of nvdio_claim_wait()
 */
struct nvdio_claim {
	struct rb_node rb;
	u64 first;
	u64 last;
	u64 subtree_last;
	u64 seq;
	unsigned int blockers;
	bool exclusive;
	bool held;
	struct list_head link;
	void (*resume)(struct nvdio_claim *claim);
	struct completion *waiter;
};

void nvdio_claim_init(struct nvdio_ns *ns);
void nvdio_claim_set(struct nvdio_claim *claim, u64 slba, u64 nlb,
		     bool exclusive);
bool nvdio_claim_take(struct nvdio_ns *ns, struct nvdio_claim *claim);
bool nvdio_claim_try(struct nvdio_ns *ns, struct nvdio_claim *claim);
void nvdio_claim_wait(struct nvdio_ns *ns, struct nvdio_claim *claim);
void nvdio_claim_release(struct nvdio_ns *ns, struct nvdio_claim *claim);
bool nvdio_claim_covers(struct nvdio_ns *ns, u64 slba, u64 nlb);
void nvdio_claim_write_ended(struct nvdio_ns *ns);

/**
 * nvdio_claim_stops() - must a write without a claim wait?
 * @ns: namespace
 * @slba: first block of the write
 * @nlb: number of blocks
 *
 * Context: sq_lock held; a write that need not wait is submitted before sq_lock
 * is released.
 * Return: true if it has to take a claim first.
 */
static __always_inline bool nvdio_claim_stops(struct nvdio_ns *ns, u64 slba,
					      u64 nlb)
{
	return unlikely(READ_ONCE(ns->claims_held)) &&
	       nvdio_claim_covers(ns, slba, nlb);
}

#endif /* NVDIO_CLAIM_H */
