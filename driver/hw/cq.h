/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Reading a Completion Queue (NVMe Base 2.0, 3.3.1.2). What the controller
 * writes there is checked before it is used (invariant 11). All of this happens
 * under the queue's cq_lock with interrupts off:
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
 * struct nvdio_cq_cursor - position in a CQ
 * @cqe: next entry to examine
 * @end: end of the CQ
 * @phase: NVDIO_CQE_PHASE if that bit is set in new entries, else 0
 */
struct nvdio_cq_cursor {
	const struct nvme_completion *cqe;
	const struct nvme_completion *end;
	u32 phase;
};

/**
 * nvdio_cq_begin() - start at the head of a CQ
 * @q: queue
 * @cur: cursor, initialised
 *
 * Context: cq_lock held, interrupts off.
 */
static __always_inline void nvdio_cq_begin(const struct nvdio_queue *q,
					   struct nvdio_cq_cursor *cur)
{
	cur->end = q->cqes + q->cq_depth;
	cur->cqe = q->cqes + q->cq_head;
	cur->phase = q->cq_phase ? NVDIO_CQE_PHASE : 0;
}

/**
 * nvdio_cq_next() - get the next new entry
 * @q: queue
 * @cur: cursor, advanced
 * @dword3: set to CQE Dword 3: command identifier, phase and status, read in
 *	one load, so that the identifier is the one that the phase belongs to
 *
 * Context: cq_lock held, interrupts off.
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
 * nvdio_cq_request() - find the request of a CQE
 * @q: queue
 * @dword3: CQE Dword 3
 *
 * Context: cq_lock held, interrupts off.
 * Return: the request; NULL if no command with this identifier is in flight,
 * which has then been counted and logged.
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
 * nvdio_cq_finish() - return the entries that were read to the controller
 * @q: queue
 * @cur: cursor, which has advanced by at least one entry
 * @ring: write the doorbell; false for a disabled controller
 *
 * Context: cq_lock held, interrupts off.
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
