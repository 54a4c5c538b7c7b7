/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Admission: in which queue, and with which request, may a command be submitted?
 * The one place that looks at the state of the queue, of the namespace and at
 * the claims to the blocks, under the sq_lock under which the command is
 * submitted.
 */
#ifndef NVDIO_ADMIT_H
#define NVDIO_ADMIT_H

#include <linux/smp.h>

#include "pure/ctrl_state.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/claim.h"

struct nvdio_request *nvdio_req_get(struct nvdio_queue *q, struct nvdio_ns *ns,
				    u64 slba, u64 nlb, bool nowait);

/**
 * nvdio_ns_queue() - choose a queue
 * @ns: namespace
 * @polled: one that is polled, if there are such
 *
 * Context: any; a caller that migrates meanwhile still has a good queue.
 * Return: the queue of this CPU.
 */
static inline struct nvdio_queue *nvdio_ns_queue(struct nvdio_ns *ns,
						 bool polled)
{
	struct nvdio_queue **map = polled ? ns->poll_queues : ns->queues;

	return map[raw_smp_processor_id()];
}

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

/**
 * nvdio_req_fill() - say what a command is, and how it ends
 * @req: request from nvdio_req_get()
 * @owner: what @end needs; the kiocb, if @end is NULL
 * @end: called when the command has ended
 * @ns: namespace, NULL for an admin command
 * @slba: first block that it changes
 * @len: bytes that it moves, or blocks (NVDIO_REQ_BLOCKS)
 * @flags: NVDIO_REQ_*
 *
 * @dma, @page and @nr_pages are left to those who need them.
 *
 * Context: the queue's sq_lock held.
 */
static __always_inline void
nvdio_req_fill(struct nvdio_request *req, void *owner, nvdio_end_fn *end,
	       struct nvdio_ns *ns, u64 slba, u32 len, u8 flags)
{
	req->owner = owner;
	req->end = end;
	req->len = len;
	req->flags = flags;
	req->ns = ns;
	req->slba = slba;
}

#endif /* NVDIO_ADMIT_H */
