/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Read-modify-write of partial blocks by the copy path, kept apart from every
 * other writer of the same blocks (invariant 8).
 *
 * Claims are few, so the others pay as little as possible: a writer looks at
 * ns->rmw_active while it holds the sq_lock under which it sends. A claimer
 * first enters its claim and then takes each queue's sq_lock in turn to look
 * for writes in flight: any writer that did not see the claim is in flight by
 * then and is waited for.
 */
#ifndef NVDIO_RMW_H
#define NVDIO_RMW_H

#include "ns.h"

/**
 * struct nvdio_rmw - a claim to blocks
 * @link: in rmw_list or rmw_waiting of the namespace
 * @slba: first block
 * @nlb: number of blocks
 * @kick: called, without locks, when a claim that was refused may be retried
 */
struct nvdio_rmw {
	struct list_head link;
	u64 slba;
	u64 nlb;
	void (*kick)(struct nvdio_rmw *rmw);
};

bool nvdio_rmw_claim(struct nvdio_ns *ns, struct nvdio_rmw *rmw);
bool nvdio_rmw_drained(struct nvdio_ns *ns, struct nvdio_rmw *rmw);
void nvdio_rmw_release(struct nvdio_ns *ns, struct nvdio_rmw *rmw);
bool nvdio_rmw_overlaps(struct nvdio_ns *ns, u64 slba, u64 nlb);
void nvdio_rmw_wait(struct nvdio_ns *ns, u64 slba, u64 nlb);

/**
 * nvdio_rmw_blocks() - must a write wait for a read-modify-write?
 * @ns: namespace
 * @slba: first block of the write
 * @nlb: number of blocks
 *
 * Context: under the sq_lock in which the write is sent if the answer is no.
 */
static inline bool nvdio_rmw_blocks(struct nvdio_ns *ns, u64 slba, u64 nlb)
{
	return unlikely(READ_ONCE(ns->rmw_active)) &&
	       nvdio_rmw_overlaps(ns, slba, nlb);
}

#endif /* NVDIO_RMW_H */
