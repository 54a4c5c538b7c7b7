/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Admission: may a command be submitted, and with which request? The one place
 * that looks at the state of the queue, of the namespace and at the claims to
 * the blocks, under the sq_lock under which the command is submitted.
 */
#ifndef NVDIO_ADMIT_H
#define NVDIO_ADMIT_H

#include "pure/ctrl_state.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/claim.h"

struct nvdio_request *nvdio_req_get(struct nvdio_queue *q, struct nvdio_ns *ns,
				    u64 slba, u64 nlb, bool nowait);

/**
 * nvdio_req_try_get() - take a request if nothing is in the way
 * @q: queue
 * @ns: namespace
 * @slba: first block that the command writes
 * @nlb: number of blocks that it writes; 0: none
 *
 * The fast path's first try; nvdio_req_get() finds out what was in the way, and
 * waits for it.
 *
 * Context: any but interrupts.
 * Return: a request, and sq_lock is held until nvdio_queue_unlock(); or NULL,
 * and nothing is held.
 */
static __always_inline struct nvdio_request *
nvdio_req_try_get(struct nvdio_queue *q, struct nvdio_ns *ns, u64 slba, u64 nlb)
{
	struct nvdio_request *req;

	spin_lock(&q->sq_lock);
	if (likely(q->state == NVDIO_QUEUE_LIVE && !ns->dead) &&
	    !(nlb && nvdio_claim_stops(ns, slba, nlb))) {
		req = nvdio_req_pop(q);
		if (likely(req)) {
			/* To sparse: it is the caller's now. */
			__release(&q->sq_lock);
			return req;
		}
	}
	spin_unlock(&q->sq_lock);
	return NULL;
}

#endif /* NVDIO_ADMIT_H */
