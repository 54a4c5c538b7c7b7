// SPDX-License-Identifier: GPL-2.0
/*
 * Ending what the controller has completed, whoever notices: the interrupt, a
 * poller, a submitter without a tag, the watchdog, teardown. A batch of CQEs is
 * taken under cq_lock, and kiocbs are completed after it was given up.
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

/* Completions that are collected before any is told. */
#define NVDIO_BATCH	32

/*
 * End one command that the controller does not touch any more: unmap, unpin,
 * and only then let go of the tag (invariant 3).
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
		/* The waiter looks again under cq_lock, which is held here. */
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
 * Take at most NVDIO_BATCH completions off the CQ; cq_lock held, interrupts
 * off. @ring: tell the controller, which a disabled one must not be.
 * Return: CQEs taken; @nr_done is the number of entries set in @done.
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

static __always_inline void complete_kiocbs(const struct nvdio_completion *done,
					 unsigned int nr)
{
	const struct nvdio_completion *const end = done + nr;

	for (; done < end; done++)
		nvdio_complete(done);
}

/**
 * nvdio_complete_irq() - a queue's interrupt
 * @irq: not used
 * @data: queue
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
	 * On a vector of our own an empty CQ means that it was polled first,
	 * and is no reason to have the interrupt turned off as spurious.
	 */
	if (likely(!q->irq_line))
		return IRQ_HANDLED;
	/*
	 * On a line that other devices may share it is ours, too, if the CQ was
	 * polled since the last one; else it may be theirs.
	 */
	moved |= head != q->irq_head;
	q->irq_head = head;
	return moved ? IRQ_HANDLED : IRQ_NONE;
}

/* One batch, unless somebody else is at it. */
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
	/* After unbind a file may still be polled, and there is no CQ. */
	found = likely(q->cqes) ? complete_batch(q, done, &nr, polled, true) :
				  0;
	*ended = q->ended;
	q->poller = NULL;
	spin_unlock_irqrestore(&q->cq_lock, flags);
	complete_kiocbs(done, nr);
	return found;
}

/* One batch, after whoever else is at it. */
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
 * nvdio_queue_reap_some() - end completions on behalf of a submitter
 * @q: queue in which there was no tag
 *
 * It does not count as polling, unless there is no other way.
 *
 * Context: task.
 * Return: number of commands that ended.
 */
unsigned int nvdio_queue_reap_some(struct nvdio_queue *q)
{
	void *ended;

	return complete_try(q, NULL, &ended, q->vector < 0);
}

/**
 * nvdio_queue_poll_for() - end completions on behalf of a poller
 * @q: queue
 * @poller: who it is; nvdio_end_fn find it in @q->poller
 * @ended: set to what they left in @q->ended, for the caller to complete
 *
 * Context: task.
 * Return: number of commands that ended.
 */
unsigned int nvdio_queue_poll_for(struct nvdio_queue *q, const void *poller,
				  void **ended)
{
	return complete_try(q, poller, ended, true);
}

/**
 * nvdio_queue_poll_all() - end all that the controller has completed by now
 * @q: queue
 *
 * Unlike nvdio_queue_poll() this neither stops after a batch nor gives way to
 * another poller: on return no completion is left in the CQ that was there at
 * the call.
 *
 * Context: may sleep.
 * Return: number of commands that ended.
 */
unsigned int nvdio_queue_poll_all(struct nvdio_queue *q)
{
	unsigned int found, sum = 0;

	do {
		found = complete_wait(q, true, true);
		sum += found;
		cond_resched();
		/* Others may go on submitting: what comes then is not ours. */
	} while (found == NVDIO_BATCH && sum < q->depth);
	return sum;
}

/**
 * nvdio_queue_timed_out() - has the controller lost a command?
 * @q: queue
 *
 * That a command is overdue is no proof: the poller may not run, or the
 * interrupt got lost. So all that the controller has completed is ended before
 * it is judged.
 *
 * Context: may sleep.
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
			 "queue %u: completion without interrupt\n", q->qid);
	return false;
}

/**
 * nvdio_queue_cancel() - end everything that is in flight
 * @q: queue that the controller does not use any more: it is disabled, or
 *	gone (invariant 2)
 * @status: with which status; what has a CQE ends with that
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
