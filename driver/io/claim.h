/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Claims to blocks of a namespace: how a read-modify-write of the copy path is
 * kept apart from every other writer of the same blocks (invariant 8).
 *
 * A read-modify-write needs an exclusive claim, every other writer that can
 * wait for one a shared claim. Claims that overlap, one of them exclusive, are
 * granted in the order in which they were made, so that nobody starves.
 *
 * Direct writes and passthrough make no claim as long as no exclusive claim is
 * held: they look at ns->claims_held under the sq_lock under which they send.
 * So the holder of an exclusive claim must first wait for the writes that were
 * submitted before, with nvdio_claim_drain() (drain.h).
 *
 * Who waits for a claim holds neither a bounce buffer nor a tag (invariant 12).
 */
#ifndef NVDIO_CLAIM_H
#define NVDIO_CLAIM_H

#include <linux/completion.h>
#include <linux/rbtree.h>

#include "core/ns.h"

/**
 * struct nvdio_claim - a claim to blocks
 * @rb: in the namespace's tree
 * @first: first block
 * @last: last block
 * @subtree_last: for the tree
 * @seq: its place in the order of claims
 * @blockers: earlier claims that it waits for
 * @exclusive: no other claim to these blocks may be held meanwhile
 * @held: it was granted
 * @link: in a list of claims that are to be told
 * @resume: called when the claim is granted, or a drain may be tried again;
 *	without locks that matter to it, in any context, and just once
 *	for each time that its owner was told to wait
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
 * nvdio_claim_stops() - must a write without a claim wait for one?
 * @ns: namespace
 * @slba: first block of the write
 * @nlb: number of blocks
 *
 * Context: under the sq_lock under which the write is sent if the answer is no.
 */
static __always_inline bool nvdio_claim_stops(struct nvdio_ns *ns, u64 slba,
					      u64 nlb)
{
	return unlikely(READ_ONCE(ns->claims_held)) &&
	       nvdio_claim_covers(ns, slba, nlb);
}

#endif /* NVDIO_CLAIM_H */
