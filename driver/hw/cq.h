/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading a Completion Queue (NVMe Base 2.0, 3.3.1.2). What the controller
 * writes there is checked before it is used (invariant 11). All under the
 * queue's cq_lock, interrupts off:
 *
 *	nvdio_cq_begin(q, &cur);
 *	while ((cqe = nvdio_cq_next(q, &cur, &dword3)))
 *		req = nvdio_cq_request(q, dword3);
 *	nvdio_cq_finish(q, &cur, ring);
 */
#ifndef NVDIO_CQ_H
#define NVDIO_CQ_H

#include "pure/tags.h"
#include "core/request.h"
#include "hw/queue.h"

/* Phase Tag in Dword 3 of a CQE (NVMe Base 2.0, 3.3.3.2). */
#define NVDIO_CQE_PHASE		BIT(16)

/**
 * struct nvdio_cq_cursor - a place in a CQ
 * @cqe: the next entry to look at
 * @end: behind the last entry
 * @phase: NVDIO_CQE_PHASE if that is set in new entries, else 0
 */
struct nvdio_cq_cursor {
	const struct nvme_completion *cqe;
	const struct nvme_completion *end;
	u32 phase;
};

/**
 * nvdio_cq_begin() - begin at a CQ's head
 * @q: queue
 * @cur: cursor
 */
static __always_inline void nvdio_cq_begin(const struct nvdio_queue *q,
					   struct nvdio_cq_cursor *cur)
{
	cur->end = q->cqes + q->cq_depth;
	cur->cqe = q->cqes + q->cq_head;
	cur->phase = q->cq_phase ? NVDIO_CQE_PHASE : 0;
}

/**
 * nvdio_cq_next() - take the next new entry
 * @q: queue
 * @cur: cursor
 * @dword3: set to command identifier, phase and status, which are read in one
 *	load, so that the identifier belongs to the phase
 *
 * Return: the entry, or NULL if there is no new one.
 */
static __always_inline const struct nvme_completion *
nvdio_cq_next(const struct nvdio_queue *q, struct nvdio_cq_cursor *cur,
	      u32 *dword3)
{
	const struct nvme_completion *cqe = cur->cqe;

	*dword3 = le32_to_cpu(READ_ONCE(((const __le32 *)cqe)[3]));
	if ((*dword3 & NVDIO_CQE_PHASE) != cur->phase)
		return NULL;
	/* The rest of the CQE is valid only after its phase. */
	dma_rmb();
	if (unlikely(++cur->cqe == cur->end)) {
		cur->cqe = q->cqes;
		cur->phase ^= NVDIO_CQE_PHASE;
	}
	return cqe;
}

/**
 * nvdio_cq_request() - find the request that a CQE belongs to
 * @q: queue
 * @dword3: of the CQE
 *
 * Return: the request; NULL if no command with this identifier is in flight
 * here, which was counted and reported.
 */
static __always_inline struct nvdio_request *
nvdio_cq_request(struct nvdio_queue *q, u32 dword3)
{
	const u16 cid = dword3;
	const u32 tag = cid & NVDIO_TAG_MASK;
	struct nvdio_request *req = &q->cq_reqs[tag];

	if (unlikely(tag >= q->nr_reqs || req->cid != cid ||
		     req->state != NVDIO_REQ_IN_FLIGHT)) {
		nvdio_queue_stray(q, cid);
		return NULL;
	}
	return req;
}

/**
 * nvdio_cq_finish() - give the entries that were taken back to the controller
 * @q: queue
 * @cur: behind the last of them, of which there is at least one
 * @ring: write the doorbell; not that of a controller that is disabled
 */
static __always_inline void nvdio_cq_finish(struct nvdio_queue *q,
					    const struct nvdio_cq_cursor *cur,
					    const bool ring)
{
	const u16 old = q->cq_head, head = cur->cqe - q->cqes;

	q->cq_head = head;
	q->cq_phase = !!cur->phase;
	if (ring && (!q->cq_dbbuf_db ||
		     nvdio_dbbuf_update(head, old, q->cq_dbbuf_db,
					q->cq_dbbuf_ei)))
		writel(head, q->cq_db);
}

#endif /* NVDIO_CQ_H */
