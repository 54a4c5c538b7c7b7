// SPDX-License-Identifier: GPL-2.0
/*
 * Reaping of CQs, whatever the occasion: an interrupt, a poller, a submitter
 * that finds no tag, the watchdog, teardown. CQEs are taken in batches under
 * cq_lock; kiocbs are completed after it is released.
 */
#include <linux/dma-mapping.h>

#include "pure/tags.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/cq.h"
#include "hw/queue.h"
#include "io/claim.h"
#include "io/complete.h"
#include "io/direct_end.h"

/* Number of CQEs taken before cq_lock is released. */
#define NVDIO_BATCH	32

/*
 * End one command that the controller can no longer access: unmap, unpin, and
 * only then return the tag (invariant 3).
 */
static __always_inline enum nvdio_end
complete_one(struct nvdio_queue *q, struct nvdio_request *req,
	     const struct nvme_completion *cqe, u16 status,
	     struct nvdio_completion *done)
{
	const u8 flags = req->flags;

	if (unlikely(flags & (NVDIO_REQ_UNMAP | NVDIO_REQ_WATCHED))) {
		if (flags & NVDIO_REQ_UNMAP) {
			dma_unmap_page(q->dev, req->dma, req->len,
				       flags & NVDIO_REQ_WRITE ?
				       DMA_TO_DEVICE : DMA_FROM_DEVICE);
			this_cpu_sub(req->ns->stats->segments_mapped, 1);
		}
		/* The waiter checks again under cq_lock, which is held here. */
		if (flags & NVDIO_REQ_WATCHED)
			nvdio_claim_write_ended(req->ns);
	}
	WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
	if (likely(!req->end))
		return nvdio_direct_end(req, status, done);
	req->result = cqe ? le64_to_cpu(cqe->result.u64) : 0;
	return req->end(req, status, done);
}

/*
 * Take up to NVDIO_BATCH CQEs; cq_lock held, interrupts off. @ring: write the
 * doorbell; false for a disabled controller.
 * Return: number of CQEs taken; @nr_done is the number of entries set in @done.
 */
static __always_inline unsigned int
complete_batch(struct nvdio_queue *q, struct nvdio_completion *done,
	       unsigned int *nr_done, const bool polled, const bool ring)
{
	const struct nvme_completion *cqe;
	struct nvdio_completion *next = done;
	unsigned int found, kept = 0;
	struct nvdio_tag_chain chain;
	struct nvdio_cq_cursor cur;
	u32 dword3;

	nvdio_tag_chain_init(&q->tags, &chain);
	nvdio_cq_begin(q, &cur);
	for (found = 0; found < NVDIO_BATCH; found++) {
		struct nvdio_request *req;
		enum nvdio_end end;

		cqe = nvdio_cq_next(q, &cur, &dword3);
		if (!cqe)
			break;
		req = nvdio_cq_request(q, dword3);
		if (unlikely(!req)) {
			kept++;
			continue;
		}
		if (polled && req->ns)
			this_cpu_inc(req->ns->stats->polled);
		end = complete_one(q, req, cqe, dword3 >> 17, next);
		if (unlikely(end == NVDIO_END_LATER)) {
			kept++;
			continue;
		}
		nvdio_tag_chain_add(&q->tags, &chain, dword3 & NVDIO_TAG_MASK);
		if (end == NVDIO_END_KIOCB)
			next++;
	}
	if (found)
		nvdio_cq_finish(q, &cur, ring);
	if (found > kept)
		nvdio_queue_put_tags(q, &chain, found - kept);
	*nr_done = next - done;
	return found;
}

static __always_inline void
complete_kiocbs(const struct nvdio_completion *done, unsigned int nr)
{
	const struct nvdio_completion *const end = done + nr;

	for (; done < end; done++)
		nvdio_complete(done);
}

/**
 * nvdio_complete_irq() - interrupt handler of a queue
 * @irq: unused
 * @data: queue
 *
 * Context: interrupt.
 * Return: IRQ_HANDLED; IRQ_NONE on INTx if it may be another device's
 * interrupt.
 */
irqreturn_t nvdio_complete_irq(int irq, void *data)
{
	struct nvdio_completion done[NVDIO_BATCH] __uninitialized;
	struct nvdio_queue *q = data;
	unsigned int found, nr;
	bool moved = false;
	u16 head;

	do {
		spin_lock(&q->cq_lock);
		found = complete_batch(q, done, &nr, false, true);
		head = q->cq_head;
		spin_unlock(&q->cq_lock);
		complete_kiocbs(done, nr);
		moved |= found;
	} while (found == NVDIO_BATCH);

	/*
	 * An empty CQ on a vector that no other device shares means that it was
	 * polled before the interrupt was handled. Returning IRQ_NONE could get
	 * the interrupt disabled as spurious.
	 */
	if (likely(!q->irq_line))
		return IRQ_HANDLED;
	/*
	 * On a shared line it is this queue's interrupt as well if the CQ was
	 * polled since the last one. Otherwise it may be another device's.
	 */
	moved |= head != q->irq_head;
	q->irq_head = head;
	return moved ? IRQ_HANDLED : IRQ_NONE;
}

/* Reap one batch, unless another context is reaping. */
static __always_inline unsigned int
complete_try(struct nvdio_queue *q, const void *poller, void **ended,
	     const bool polled)
{
	struct nvdio_completion done[NVDIO_BATCH] __uninitialized;
	unsigned int found, nr = 0;
	unsigned long flags;

	*ended = NULL;
	if (!spin_trylock_irqsave(&q->cq_lock, flags))
		return 0;
	q->poller = poller;
	q->ended = NULL;
	/* After unbind, files may still be polled, but there is no CQ. */
	found = likely(q->cqes) ? complete_batch(q, done, &nr, polled, true) :
				  0;
	*ended = q->ended;
	q->poller = NULL;
	spin_unlock_irqrestore(&q->cq_lock, flags);
	complete_kiocbs(done, nr);
	return found;
}

/* Reap one batch; waits for other contexts that are reaping. */
static unsigned int complete_wait(struct nvdio_queue *q, const bool polled,
				  const bool ring)
{
	struct nvdio_completion done[NVDIO_BATCH] __uninitialized;
	unsigned int found, nr = 0;

	spin_lock_irq(&q->cq_lock);
	found = q->cqes ? complete_batch(q, done, &nr, polled, ring) : 0;
	spin_unlock_irq(&q->cq_lock);
	complete_kiocbs(done, nr);
	return found;
}

/**
 * nvdio_queue_reap_some() - reap one batch on behalf of a submitter
 * @q: queue without a free tag
 *
 * Counted as polling only for a polled queue.
 *
 * Context: task.
 * Return: number of CQEs.
 */
unsigned int nvdio_queue_reap_some(struct nvdio_queue *q)
{
	void *ended;

	return complete_try(q, NULL, &ended, q->vector < 0);
}

/**
 * nvdio_queue_poll_for() - reap one batch on behalf of a poller
 * @q: queue
 * @poller: cookie of the poller; nvdio_end_fn find it in @q->poller
 * @ended: set to what nvdio_end_fn left in @q->ended, for the caller to
 *	complete
 *
 * Context: task.
 * Return: number of CQEs; 0 also if another context is reaping.
 */
unsigned int nvdio_queue_poll_for(struct nvdio_queue *q, const void *poller,
				  void **ended)
{
	return complete_try(q, poller, ended, true);
}

/**
 * nvdio_queue_poll_all() - reap everything completed so far
 * @q: queue
 *
 * Unlike nvdio_queue_poll(), this neither stops after one batch nor yields to
 * other pollers: on return all CQEs that were in the CQ at the call are reaped.
 *
 * Context: may sleep.
 * Return: number of CQEs.
 */
unsigned int nvdio_queue_poll_all(struct nvdio_queue *q)
{
	unsigned int found, sum = 0;

	do {
		found = complete_wait(q, true, true);
		sum += found;
		cond_resched();
		/* Commands submitted in the meantime do not count. */
	} while (found == NVDIO_BATCH && sum < q->depth);
	return sum;
}

/**
 * nvdio_queue_timed_out() - has the controller lost a command?
 * @q: queue
 *
 * An overdue command alone proves nothing: its poller may not be running, or an
 * interrupt may be lost. So the CQ is reaped first.
 *
 * Context: may sleep.
 * Return: true if a command is overdue and has no CQE.
 */
bool nvdio_queue_timed_out(struct nvdio_queue *q)
{
	unsigned int ended;

	if (!nvdio_queue_expired(q))
		return false;
	ended = nvdio_queue_poll_all(q);
	if (nvdio_queue_expired(q))
		return true;
	if (ended && q->vector >= 0)
		dev_warn(&q->ctrl->dev,
			 "queue %u: completion without interrupt\n",
			 q->qid);
	return false;
}

/**
 * nvdio_queue_cancel() - end all commands in flight
 * @q: queue that the controller no longer uses: it is disabled, or gone
 *	(invariant 2)
 * @status: status for the commands that have no CQE
 *
 * Context: may sleep.
 */
void nvdio_queue_cancel(struct nvdio_queue *q, u16 status)
{
	unsigned int found, i, left = q->depth;

	do {
		found = complete_wait(q, false, false);
		left -= min(left, found);
	} while (found && left);

	for (i = 0; i < q->nr_reqs; i++) {
		struct nvdio_request *req = &q->reqs[i];
		enum nvdio_end end = NVDIO_END_LATER;
		struct nvdio_completion done;

		spin_lock_irq(&q->cq_lock);
		if (req->state == NVDIO_REQ_IN_FLIGHT)
			end = complete_one(q, req, NULL, status, &done);
		spin_unlock_irq(&q->cq_lock);
		if (end != NVDIO_END_LATER)
			nvdio_req_put(q, req);
		if (end == NVDIO_END_KIOCB)
			nvdio_complete(&done);
	}
}
