/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Admission: choosing a queue, and getting a request for a command. This is the
 * only place that checks the state of the queue, of the namespace, and the
 * claims to the blocks, under the sq_lock under which the command is then
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
 * nvdio_ns_queue() - the queue of the current CPU
 * @ns: namespace
 * @polled: for polled I/O
 *
 * Migrating to another CPU afterwards is harmless.
 *
 * Context: any.
 * Return: the queue to submit to.
 */
static inline struct nvdio_queue *nvdio_ns_queue(struct nvdio_ns *ns,
						 bool polled)
{
	struct nvdio_queue **map = polled ? ns->poll_queues : ns->queues;

	return map[raw_smp_processor_id()];
}

/**
 * nvdio_req_try_get() - get a request if that is possible at once
 * @q: queue
 * @ns: namespace
 * @slba: first block that the command writes
 * @nlb: number of blocks that it writes; 0: none
 *
 * The first attempt of the fast path. If it fails, nvdio_req_get() finds out
 * why and waits.
 *
 * Context: task.
 * Return: a request, with sq_lock held until nvdio_queue_unlock(); or NULL,
 * with nothing held.
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
 * nvdio_req_fill() - describe a command and its completion
 * @req: request from nvdio_req_get()
 * @owner: private data of @end; the kiocb, if @end is NULL
 * @end: called when the command has ended
 * @ns: namespace, NULL for an admin command
 * @slba: first block that the command changes
 * @len: bytes moved, or blocks changed (NVDIO_REQ_BLOCKS)
 * @flags: NVDIO_REQ_*
 *
 * Callers that use @dma, @page and @nr_pages set them themselves.
 *
 * Context: the queue's sq_lock is held.
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
