// SPDX-License-Identifier: GPL-2.0
/*
 * Reaping of CQs (NVMe Base 2.0, 3.3.1.2), whatever the occasion: an interrupt,
 * a poller, a submitter that finds no tag, the watchdog, teardown. CQEs are
 * taken in batches under cq_lock, with interrupts off, and what the controller
 * writes there is checked before it is used (invariant 11). Kiocbs are completed
 * after cq_lock is released.
 *
 * Step 9 of a read (docs/driver.md, "One read"): its CQE is found and its
 * request ended, its tag goes back through tag_chain.h, and its kiocb is
 * completed.
 */
#include <linux/dma-mapping.h>

#include "pure/status.h"
#include "pure/tag_chain.h"
#include "pure/tags.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "core/watch.h"
#include "hw/dbbuf.h"
#include "hw/queue.h"
#include "io/batch_end.h"
#include "io/claim.h"
#include "io/complete.h"
#include "io/direct_end.h"
#include "io/dma.h"
#include "io/pages.h"
#include "io/ring_end.h"

/* Number of CQEs taken before cq_lock is released. */
#define NVDIO_BATCH	32

/* Phase Tag in Dword 3 of a CQE (NVMe Base 2.0, 3.3.3.2). */
#define NVDIO_CQE_PHASE		BIT(16)

/* More is to be done for a command that has ended than to complete a kiocb. */
#define NVDIO_REQ_MORE		(NVDIO_REQ_UNMAP | NVDIO_REQ_WATCHED | \
				 NVDIO_REQ_PINNED | NVDIO_REQ_END | \
				 NVDIO_REQ_COUNTED)

/*
 * CQE Dword 3: command identifier, phase and status, read in one load, so that the
 * identifier is the one that the phase belongs to. In what is returned the phase is 0
 * in a new entry. @phase: NVDIO_CQE_PHASE if it is set there, or 0.
 */
static __always_inline u32 cqe_dword3(const struct nvme_completion *cqe,
				      u32 phase)
{
	return le32_to_cpu(READ_ONCE(((const __le32 *)cqe)[3])) ^ phase;
}

/* Is @req in flight, as the command with the identifier in @dword3? */
static __always_inline bool cqe_is_for(const struct nvdio_queue *q,
				       const struct nvdio_request *req,
				       u32 dword3)
{
	return likely((dword3 & NVDIO_TAG_MASK) < q->nr_reqs &&
		      req->cid == (u16)dword3 &&
		      req->state == NVDIO_REQ_IN_FLIGHT);
}

/*
 * Return the @found entries that were read, at least one, to the controller. They do
 * not go beyond the end of the CQ. @ring: write the doorbell; false for a disabled
 * controller.
 */
static __always_inline void cq_finish(struct nvdio_queue *q, u32 found,
				      const bool ring)
{
	const u16 old = q->cq_head;
	u16 head = old + found;

	if (unlikely(head == q->cq_depth)) {
		head = 0;
		q->cq_phase = !q->cq_phase;
	}
	/* Read without the lock by nvdio_queue_in_flight(). */
	WRITE_ONCE(q->cq_head, head);
	if (ring && (!q->cq_dbbuf_db ||
		     nvdio_dbbuf_update(head, old, q->cq_dbbuf_db,
					q->cq_dbbuf_ei)))
		writel(head, q->cq_db);
}

/*
 * End a direct read or write, unmapped unless it has failed: an nvdio_end_fn, inline
 * in the reap loop, where an indirect call would cost more than the whole
 * function.
 */
static __always_inline enum nvdio_end
direct_end(struct nvdio_request *req, u16 status, struct nvdio_completion *done)
{
	const unsigned int flags = req->flags;

	if (unlikely(status))
		return nvdio_direct_end_slow(req, status, done);
	if (flags & NVDIO_REQ_PINNED) {
		if (!(flags & NVDIO_REQ_WRITE) &&
		    unlikely(!nvdio_pages_run_is_dirty(req->page,
						       req->nr_pages)))
			return nvdio_direct_end_slow(req, status, done);
		nvdio_pages_unpin_run(req->ns, req->page, req->nr_pages);
	}
	done->iocb = req->iocb;
	done->res = req->len;
	return NVDIO_END_KIOCB;
}

/* End a command of a batch or a ring of which more is to be done than to count it. */
static noinline enum nvdio_end complete_counted(struct nvdio_request *req,
						u16 status)
{
	return req->flags & NVDIO_REQ_END ? nvdio_ring_end(req, status) :
					    nvdio_batch_end(req, status);
}

/*
 * End one command that the controller can no longer access: unmap, unpin, and
 * only then return the tag (invariant 3). @held: as for nvdio_ring_ended().
 */
static __always_inline enum nvdio_end
complete_one(struct nvdio_queue *q, struct nvdio_request *req,
	     const struct nvme_completion *cqe, u16 status,
	     struct nvdio_completion *done, struct nvdio_ring **held)
{
	const unsigned int flags = req->flags;

	/* Of most direct requests nothing is left but the kiocb. */
	if (likely(!(flags & NVDIO_REQ_MORE) && !status)) {
		WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
		done->iocb = req->iocb;
		done->res = req->len;
		return NVDIO_END_KIOCB;
	}
	/* Of those of a batch not even that. */
	if ((flags & NVDIO_REQ_MORE) == NVDIO_REQ_COUNTED && likely(!status)) {
		struct nvdio_batch_op *op = req->owner;

		WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
		if (unlikely(!--op->left))
			op->end(op);
		return NVDIO_END_NONE;
	}
	/* Of those of a ring, a completion is written. */
	if ((flags & NVDIO_REQ_MORE) == NVDIO_REQ_RING && likely(!status)) {
		WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
		WRITE_ONCE(q->rings, true);
		nvdio_ring_ended(held, req);
		return NVDIO_END_NONE;
	}
	if (unlikely(flags & (NVDIO_REQ_UNMAP | NVDIO_REQ_WATCHED))) {
		/* A direct request that has failed may be sent again. */
		if (flags & NVDIO_REQ_UNMAP &&
		    (flags & NVDIO_REQ_END || !status))
			nvdio_dma_unmap_one(q, req);
		/* The waiter checks again under cq_lock, which is held here. */
		if (flags & NVDIO_REQ_WATCHED)
			nvdio_claim_write_ended(req->ns);
	}
	WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
	if (unlikely(flags & NVDIO_REQ_COUNTED)) {
		nvdio_ring_drop(held);
		return complete_counted(req, status);
	}
	if (likely(!(flags & NVDIO_REQ_END)))
		return direct_end(req, status, done);
	done->result = cqe ? le64_to_cpu(cqe->result.u64) : 0;
	return req->end(req, status, done);
}

/* Return the tags of @nr commands, at least one, that have ended. */
static __always_inline void complete_tags(struct nvdio_queue *q,
					  const struct nvdio_tag_chain *chain,
					  unsigned int nr)
{
	nvdio_tags_put_chain(&q->tags, chain, nr);
	/* It is the full barrier that this check requires. */
	if (unlikely(waitqueue_active(&q->wait)))
		wake_up_nr(&q->wait, nr);
}

/*
 * Take up to NVDIO_BATCH CQEs, up to the end of the CQ; cq_lock held, interrupts off.
 * @ring: write the doorbell; false for a disabled controller. @reap: commands are
 * watched, or NULL, which is known to the compiler.
 * Return: number of CQEs taken; @nr_done is the number of entries set in @done.
 */
static __always_inline unsigned int
complete_cqes(struct nvdio_queue *q, struct nvdio_completion *done,
	      unsigned int *nr_done, const bool polled, const bool ring,
	      struct nvdio_watch_reap *reap)
{
	const struct nvme_completion *cqe = q->cqes + q->cq_head;
	const struct nvme_completion *const stop =
		cqe + min(q->cq_depth - q->cq_head, NVDIO_BATCH);
	const u32 phase = q->cq_phase ? NVDIO_CQE_PHASE : 0;
	struct nvdio_completion *next = done;
	struct nvdio_ring *held = NULL;
	unsigned int found, kept = 0;
	struct nvdio_tag_chain chain;

	nvdio_tag_chain_init(&q->tags, &chain);
	for (; cqe < stop; cqe++) {
		const u32 dword3 = cqe_dword3(cqe, phase);
		const u32 tag = dword3 & NVDIO_TAG_MASK;
		struct nvdio_request *req = &q->cq_reqs[tag];
		enum nvdio_end end;

		if (dword3 & NVDIO_CQE_PHASE)
			break;
		/* The rest of the CQE is valid only after its phase. */
		dma_rmb();
		if (unlikely(!cqe_is_for(q, req, dword3))) {
			nvdio_queue_stray(q, dword3);
			kept++;
			continue;
		}
		if (polled && req->ns)
			this_cpu_inc(req->ns->stats->polled);
		if (reap) {
			if (nvdio_watch_same(reap, req, dword3))
				reap->nr++;
			else
				nvdio_watch_ended(&q->watch, req, dword3 >> 17,
						  reap, next - done);
		}
		end = complete_one(q, req, cqe, dword3 >> 17, next, &held);
		if (unlikely(end == NVDIO_END_LATER)) {
			kept++;
			continue;
		}
		nvdio_tag_chain_add(&q->tags, &chain, tag);
		if (end == NVDIO_END_KIOCB)
			next++;
	}
	if (unlikely(held))
		nvdio_ring_drop(&held);
	found = cqe - (q->cqes + q->cq_head);
	if (found)
		cq_finish(q, found, ring);
	if (found > kept)
		complete_tags(q, &chain, found - kept);
	*nr_done = next - done;
	return found;
}

static_assert(NVDIO_WATCH_REAP == NVDIO_BATCH);

/* complete_cqes() while commands are watched. */
static __always_inline unsigned int
complete_watched(struct nvdio_queue *q, struct nvdio_completion *done,
		 unsigned int *nr_done, const bool polled, const bool ring)
{
	struct nvdio_watch_reap reap __uninitialized;
	unsigned int found;

	nvdio_watch_reap_begin(&reap, &q->watch);
	found = complete_cqes(q, done, nr_done, polled, ring, &reap);
	nvdio_watch_reap_end(&reap, *nr_done);
	return found;
}

/* What interrupts do, and the rest. */
static noinline unsigned int
complete_watched_irq(struct nvdio_queue *q, struct nvdio_completion *done,
		     unsigned int *nr_done)
{
	return complete_watched(q, done, nr_done, false, true);
}

static noinline unsigned int
complete_watched_any(struct nvdio_queue *q, struct nvdio_completion *done,
		     unsigned int *nr_done, bool polled, bool ring)
{
	return complete_watched(q, done, nr_done, polled, ring);
}

/* complete_cqes(); who watches pays for all of it. */
static __always_inline unsigned int
complete_batch(struct nvdio_queue *q, struct nvdio_completion *done,
	       unsigned int *nr_done, const bool polled, const bool ring)
{
	if (static_branch_unlikely(&nvdio_watching))
		return !polled && ring ?
			complete_watched_irq(q, done, nr_done) :
			complete_watched_any(q, done, nr_done, polled, ring);
	return complete_cqes(q, done, nr_done, polled, ring, NULL);
}

/* nvdio_complete() for a batch; neither cq_lock nor sq_lock is held. */
static __always_inline void
complete_kiocbs(const struct nvdio_completion *done, unsigned int nr)
{
	const struct nvdio_completion *const end = done + nr;

	for (; done < end; done++) {
		struct kiocb *iocb = done->iocb;
		const long res = done->res;

		if (likely(res > 0))
			iocb->ki_pos += res;
		iocb->ki_complete(iocb, res);
	}
}

/**
 * struct complete_ring - the ring whose completions complete_rings() writes
 * @ring: ring, whose lock is held; or NULL
 * @slot: next entry of the completion array
 * @end: end of the array
 * @from: CQE of the first completion that was written with the lock held
 */
struct complete_ring {
	struct nvdio_ring *ring;
	struct nvdio_ring_cqe *slot;
	struct nvdio_ring_cqe *end;
	const struct nvme_completion *from;
};

/* All CQEs up to @cqe have been taken, and the next is of @ring, or none is: NULL. */
static __always_inline void complete_ring_next(struct complete_ring *held,
					       struct nvdio_ring *ring,
					       const struct nvme_completion *cqe)
{
	if (held->ring)
		held->ring->cq_tail += cqe - held->from;
	nvdio_ring_drop(&held->ring);
	if (!ring)
		return;
	nvdio_ring_hold(ring);
	held->ring = ring;
	held->slot = &ring->cqes[ring->cq_tail & ring->cq_mask];
	held->end = &ring->cqes[ring->cq_mask + 1];
	held->from = cqe;
}

/*
 * Take CQEs from @cqe to @stop for as long as they are of usual commands of rings that
 * have succeeded: what complete_cqes() does for these, with fewer questions and in
 * registers. @other: set to whether one was found that is not.
 * Return: the first that was not taken.
 */
static __always_inline const struct nvme_completion *
complete_rings(const struct nvdio_queue *q, const struct nvme_completion *cqe,
	       const struct nvme_completion *const stop,
	       struct nvdio_tag_chain *chain, bool *other)
{
	const u32 phase = q->cq_phase ? NVDIO_CQE_PHASE : 0;
	struct nvdio_request *const reqs = q->cq_reqs;
	struct complete_ring held = { };
	unsigned long first = chain->first;
	u16 *const links = q->tags.next;

	*other = false;
	for (; cqe < stop; cqe++) {
		const unsigned long dword3 = cqe_dword3(cqe, phase);
		const unsigned long tag = dword3 & NVDIO_TAG_MASK;
		struct nvdio_request *const req = &reqs[tag];

		/* Phase and status, which are 0: it is new, and has succeeded. */
		if (dword3 > U16_MAX) {
			*other = !(dword3 & NVDIO_CQE_PHASE);
			break;
		}
		/* As in complete_cqes(). */
		dma_rmb();
		if (unlikely(tag >= q->nr_reqs || req->cid != (u16)dword3 ||
			     req->state != NVDIO_REQ_IN_FLIGHT ||
			     (req->flags & NVDIO_REQ_MORE) != NVDIO_REQ_RING)) {
			*other = true;
			break;
		}
		if (unlikely(req->owner != held.ring))
			complete_ring_next(&held, READ_ONCE(req->owner), cqe);
		WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
		nvdio_ring_success(held.slot, req);
		if (unlikely(++held.slot == held.end))
			held.slot = held.ring->cqes;
		links[tag] = first;
		first = tag;
	}
	complete_ring_next(&held, NULL, cqe);
	chain->first = first;
	return cqe;
}

/*
 * nvdio_complete_irq() of a queue that rings use.
 * Return: true if no CQE is left that it knows of; else it is for complete_irq().
 */
static noinline bool complete_irq_rings(struct nvdio_queue *q)
{
	const struct nvme_completion *start, *stop, *cqe;
	struct nvdio_tag_chain chain;
	bool other;

	do {
		spin_lock(&q->cq_lock);
		start = q->cqes + q->cq_head;
		stop = start + min(q->cq_depth - q->cq_head, NVDIO_BATCH);
		nvdio_tag_chain_init(&q->tags, &chain);
		cqe = complete_rings(q, start, stop, &chain, &other);
		WRITE_ONCE(q->rings, !other);
		if (likely(cqe > start)) {
			cq_finish(q, cqe - start, true);
			complete_tags(q, &chain, cqe - start);
		}
		spin_unlock(&q->cq_lock);
		/* As in complete_irq(). */
	} while (cqe == stop);
	return !other;
}

/* nvdio_complete_irq() of any queue. */
static noinline irqreturn_t complete_irq(struct nvdio_queue *q)
{
	struct nvdio_completion done[NVDIO_BATCH] __uninitialized;
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
		/* At the end of the CQ a batch ends as well. */
	} while (found == NVDIO_BATCH || (found && !head));

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
	struct nvdio_queue *q = data;

	if (READ_ONCE(q->rings) && !static_branch_unlikely(&nvdio_watching) &&
	    complete_irq_rings(q) && likely(!q->irq_line))
		return IRQ_HANDLED;
	return complete_irq(q);
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
	} while (found && sum < q->depth);
	return sum;
}

/**
 * nvdio_queue_timed_out() - has the controller lost a command?
 * @q: queue
 * @cid: set to the identifier of the command
 *
 * An overdue command alone proves nothing: its poller may not be running, or an
 * interrupt may be lost. So the CQ is reaped first.
 *
 * Context: may sleep.
 * Return: whether a command is overdue and has no CQE, and what was done about
 * it before.
 */
enum nvdio_timeout nvdio_queue_timed_out(struct nvdio_queue *q, u16 *cid)
{
	enum nvdio_timeout ret = nvdio_queue_expired(q, cid);
	unsigned int ended;

	if (ret == NVDIO_TIMEOUT_NONE)
		return ret;
	ended = nvdio_queue_poll_all(q);
	ret = nvdio_queue_expired(q, cid);
	if (ret != NVDIO_TIMEOUT_NONE)
		return ret;
	if (ended && q->vector >= 0)
		dev_warn(&q->ctrl->dev,
			 "queue %u: completion without interrupt\n",
			 q->qid);
	return ret;
}

/* End a request that has no CQE, if it still is in state @from. */
static void complete_without_cqe(struct nvdio_queue *q,
				 struct nvdio_request *req,
				 enum nvdio_req_state from, u16 status)
{
	enum nvdio_end end = NVDIO_END_LATER;
	struct nvdio_ring *held = NULL;
	struct nvdio_completion done;

	spin_lock_irq(&q->cq_lock);
	if (req->state == from) {
		if (from == NVDIO_REQ_RETRYING)
			q->retrying--;
		/* One that is RETRYING has ended once. */
		if (static_branch_unlikely(&nvdio_watching) &&
		    from == NVDIO_REQ_IN_FLIGHT)
			nvdio_watch_cancelled(&q->watch, req, status);
		end = complete_one(q, req, NULL, status, &done, &held);
		nvdio_ring_drop(&held);
	}
	spin_unlock_irq(&q->cq_lock);
	if (end != NVDIO_END_LATER)
		nvdio_req_put(q, req);
	complete_kiocbs(&done, end == NVDIO_END_KIOCB);
}

/**
 * nvdio_queue_end_retrying() - end a request that will not be sent again
 * @q: queue
 * @req: request; nothing is done unless it is in state RETRYING
 * @status: status with which it ends: one that is not retried
 *
 * Context: may sleep.
 */
void nvdio_queue_end_retrying(struct nvdio_queue *q, struct nvdio_request *req,
			      u16 status)
{
	complete_without_cqe(q, req, NVDIO_REQ_RETRYING, status);
}

/**
 * nvdio_queue_cancel() - end all commands in flight
 * @q: queue that the controller no longer uses: it is disabled, or gone
 *	(invariant 2)
 * @status: status for the commands that have no CQE; with NVDIO_SC_GONE those
 *	that were to be sent again end as well
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

		complete_without_cqe(q, req, NVDIO_REQ_IN_FLIGHT, status);
		if (status == NVDIO_SC_GONE)
			nvdio_queue_end_retrying(q, req, status);
	}
}
