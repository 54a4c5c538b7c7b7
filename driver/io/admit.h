/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Admission: all that a command needs before it can be submitted (a queue, a
 * request, contiguous memory mapped, an SQE), and all that may refuse it. This
 * is the only place that checks the state of the queue, of the namespace, and
 * the claims to the blocks, under the sq_lock under which the command is then
 * submitted.
 *
 * Step 3 of a read (docs/driver.md, "One read"); the tag comes from tags.h.
 * Whatever has to wait continues in admit.c. What follows cannot fail.
 */
#ifndef NVDIO_ADMIT_H
#define NVDIO_ADMIT_H

#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/smp.h>

#include "pure/ctrl_state.h"
#include "pure/tags.h"
#include "core/compat.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/claim.h"

struct nvdio_request *nvdio_req_get(struct nvdio_queue *q, struct nvdio_ns *ns,
				    u64 slba, u64 nlb, bool nowait);
void nvdio_req_abandon(struct nvdio_queue *q, struct nvdio_request *req);

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
 * nvdio_req_pop() - take a free request
 * @q: queue in state LIVE
 *
 * Before sq_lock is released, the request must be submitted, or returned with
 * nvdio_req_put().
 *
 * Context: sq_lock held.
 * Return: the request, or NULL if all are in use.
 */
static inline struct nvdio_request *nvdio_req_pop(struct nvdio_queue *q)
{
	u32 tag = nvdio_tags_get(&q->tags);

	if (unlikely(tag == NVDIO_TAG_NONE))
		return NULL;
	return &q->reqs[tag];
}

/**
 * nvdio_tag_try_get() - get the tag of a request if that is possible at once
 * @q: queue
 * @ns: namespace
 * @slba: first block that the command writes
 * @nlb: number of blocks that it writes; 0: none
 *
 * The first attempt of the fast path. If it fails, nvdio_req_get() finds out
 * why and waits.
 *
 * Context: task.
 * Return: a tag, with sq_lock held until nvdio_queue_unlock(); or
 * NVDIO_TAG_NONE, with nothing held.
 */
static __always_inline u32 nvdio_tag_try_get(struct nvdio_queue *q,
					     struct nvdio_ns *ns, u64 slba,
					     u64 nlb)
{
	u32 tag;

	spin_lock(&q->sq_lock);
	if (likely(q->state == NVDIO_QUEUE_LIVE && !ns->dead) &&
	    !(nlb && nvdio_claim_stops(ns, slba, nlb))) {
		tag = nvdio_tags_get(&q->tags);
		if (likely(tag != NVDIO_TAG_NONE)) {
			/* To sparse: it is the caller's now. */
			__release(&q->sq_lock);
			return tag;
		}
	}
	spin_unlock(&q->sq_lock);
	return NVDIO_TAG_NONE;
}

/**
 * nvdio_req_try_get() - get a request if that is possible at once
 * @q: queue
 * @ns: namespace
 * @slba: as for nvdio_tag_try_get()
 * @nlb: as for nvdio_tag_try_get()
 *
 * Context: task.
 * Return: a request, with sq_lock held until nvdio_queue_unlock(); or NULL,
 * with nothing held.
 */
static __always_inline struct nvdio_request *
nvdio_req_try_get(struct nvdio_queue *q, struct nvdio_ns *ns, u64 slba, u64 nlb)
{
	const u32 tag = nvdio_tag_try_get(q, ns, slba, nlb);

	return likely(tag != NVDIO_TAG_NONE) ? &q->reqs[tag] : NULL;
}

/**
 * nvdio_dma_map_one() - map contiguous memory for one command
 * @q: live queue, sq_lock held, so the device cannot go away
 * @page: first page
 * @offset: bytes from the start of @page
 * @len: bytes
 * @dir: direction
 * @flags: NVDIO_REQ_UNMAP is added if the memory has to be unmapped
 *
 * Context: sq_lock held; does not sleep.
 * Return: bus address, or DMA_MAPPING_ERROR.
 */
static __always_inline dma_addr_t
nvdio_dma_map_one(struct nvdio_queue *q, struct page *page, size_t offset,
		  size_t len, enum dma_data_direction dir,
		  unsigned int *flags)
{
	dma_addr_t dma;

	if (likely(q->linear))
		return page_to_phys(page) + offset + q->dma_offset;
	dma = dma_map_page(q->dev, page, offset, len, dir);
	/* DMA API debugging expects dma_mapping_error() to be called. */
	if (unlikely(dma_mapping_error(q->dev, dma)))
		return DMA_MAPPING_ERROR;
	if (nvdio_dma_need_unmap(q->dev))
		*flags |= NVDIO_REQ_UNMAP;
	return dma;
}

/**
 * nvdio_req_fill() - describe a command and its completion
 * @req: request from nvdio_req_get()
 * @owner: private data of @end; the kiocb, if @end is NULL
 * @end: called when the command has ended
 * @ns: namespace, NULL for an admin command
 * @slba: first block that the command changes
 * @len: bytes moved, or blocks changed (NVDIO_REQ_BLOCKS)
 * @flags: NVDIO_REQ_*, without NVDIO_REQ_END
 *
 * Callers that use @dma, @page and @nr_pages set them themselves.
 *
 * Context: the queue's sq_lock is held.
 */
static __always_inline void
nvdio_req_fill(struct nvdio_request *req, void *owner, nvdio_end_fn *end,
	       struct nvdio_ns *ns, u64 slba, u32 len, unsigned int flags)
{
	req->owner = owner;
	if (end) {
		req->end = end;
		flags |= NVDIO_REQ_END;
	}
	req->len = len;
	/* The watchdog and the leak counters look at requests of others. */
	WRITE_ONCE(req->flags, flags);
	WRITE_ONCE(req->ns, ns);
	req->slba = slba;
}

/**
 * nvdio_queue_sqe() - the SQE that the next nvdio_queue_submit() submits
 * @q: queue
 *
 * Context: sq_lock held.
 * Return: the SQE; it holds an old command.
 */
static inline struct nvme_command *nvdio_queue_sqe(struct nvdio_queue *q)
{
	return &q->sqes[q->sq_tail];
}

#endif /* NVDIO_ADMIT_H */
