// SPDX-License-Identifier: GPL-2.0
/* Submission and completion queue pairs; see queue.h. */
#include <linux/dma-mapping.h>
#include <linux/interrupt.h>
#include <linux/sched/clock.h>
#include <linux/slab.h>

#include "core/compat.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "hw/queue.h"
#include "io/claim.h"
#include "io/pages.h"
#include "io/pool.h"

/* Completions that are collected before anyone is told. */
#define NVDIO_BATCH	32
/* How long a submitter that may not wait looks for a completion. */
#define NVDIO_SPIN_NS	(2 * NSEC_PER_MSEC)

/*
 * Shadow doorbells (NVMe Base 2.0, B.5): write the value to memory; the
 * register only if the controller may have stopped looking.
 * Return: true if the register must be written.
 */
static bool dbbuf_update(u16 value, u16 old, __le32 *shadow, __le32 *event)
{
	u16 event_idx;

	/* Queue entries before the doorbell. */
	wmb();
	WRITE_ONCE(*shadow, cpu_to_le32(value));
	/* The doorbell before the look at EventIdx. */
	mb();
	event_idx = le32_to_cpu(READ_ONCE(*event));
	return (u16)(value - event_idx - 1) < (u16)(value - old);
}

/**
 * nvdio_queue_ring() - tell the controller of everything that was sent
 * @q: queue, sq_lock held
 */
void nvdio_queue_ring(struct nvdio_queue *q)
{
	if (!q->sq_dbbuf_db ||
	    dbbuf_update(q->sq_tail, q->sq_db_written, q->sq_dbbuf_db, q->sq_dbbuf_ei))
		writel(q->sq_tail, q->sq_db);
	q->sq_db_written = q->sq_tail;
	q->sq_stop = min(q->sq_tail + NVDIO_RING_AFTER, q->depth);
}

/**
 * nvdio_queue_submit_stop() - the tail has come to sq_stop
 * @q: queue, sq_lock held, one more slot filled
 *
 * The tail wraps, or has come so far that the controller is told of it, plug
 * or not.
 */
void nvdio_queue_submit_stop(struct nvdio_queue *q)
{
	q->sq_tail = q->sq_tail + 1 == q->depth ? 0 : q->sq_tail + 1;
	nvdio_queue_ring(q);
}

/* The end of a plug, or its task is going to sleep. */
static void queue_unplug(struct blk_plug_cb *cb, bool from_schedule)
{
	struct nvdio_queue *q = container_of(cb, struct nvdio_queue, plug_cb);

	spin_lock(&q->sq_lock);
	if (q->sq_tail != q->sq_db_written)
		nvdio_queue_ring(q);
	q->plugged = NULL;
	spin_unlock(&q->sq_lock);
}

static bool nvdio_queue_has_request(struct nvdio_queue *q)
{
	switch (READ_ONCE(q->state)) {
	case NVDIO_QUEUE_DEAD:
		return true;
	case NVDIO_QUEUE_FROZEN:
		return false;
	}
	return READ_ONCE(q->tags.free) != NVDIO_TAG_NONE ||
	       READ_ONCE(q->tags.returned) != NVDIO_TAG_NONE ||
	       READ_ONCE(q->tags.fresh) < q->tags.depth;
}

static unsigned int nvdio_queue_reap_some(struct nvdio_queue *q);

/*
 * A wakeup is used or passed on (invariant 12): whoever has waited for a tag,
 * and goes on with or without one, wakes the next if there is still one.
 */
static void nvdio_queue_pass_on(struct nvdio_queue *q)
{
	/* Who begins to wait now looks for a tag after that. */
	if (waitqueue_active(&q->wait) && nvdio_queue_has_request(q))
		wake_up(&q->wait);
}

/*
 * Sleep until a request may be free; another task may be faster. Going to sleep
 * ends the task's plug, so that what it has sent is on its way. Nobody else
 * may be polling a polled queue, so whoever waits for it does.
 */
static void nvdio_queue_wait(struct nvdio_queue *q)
{
	DEFINE_WAIT(wait);

	for (;;) {
		prepare_to_wait_exclusive(&q->wait, &wait,
					  TASK_UNINTERRUPTIBLE);
		if (nvdio_queue_has_request(q))
			break;
		if (q->vector < 0) {
			io_schedule_timeout(1);
			nvdio_queue_poll_all(q);
		} else {
			io_schedule();
		}
	}
	finish_wait(&q->wait, &wait);
}

/*
 * Who may not wait looks a little longer before it goes away without a tag, for
 * io_uring would put a worker thread in its place, which costs more. Where
 * that did not help it is not tried again before the next jiffy.
 */
static void nvdio_queue_spin(struct nvdio_queue *q)
{
	u64 end;

	/* Nor in front of those who wait; they may hold what others want. */
	if (q->state != NVDIO_QUEUE_LIVE || waitqueue_active(&q->wait) ||
	    READ_ONCE(q->spun) == (u32)jiffies)
		return;
	end = local_clock() + NVDIO_SPIN_NS;
	do {
		if (nvdio_queue_reap_some(q) || nvdio_queue_has_request(q))
			return;
		cpu_relax();
		cond_resched();
	} while (local_clock() < end);
	WRITE_ONCE(q->spun, (u32)jiffies);
}

/**
 * nvdio_req_get() - take a request, waiting for it if need be
 * @q: queue
 * @ns: namespace, or NULL for an admin command
 * @slba: first block that the command writes
 * @nlb: number of blocks that it writes; 0: none, or the caller has a claim to
 *	them
 * @nowait: do not wait
 *
 * The one way to wait for a tag. A claim is waited for first, and given up
 * under the sq_lock under which the command is sent: who is granted one after
 * that finds the command in flight.
 *
 * Context: may sleep, unless @nowait. The caller may hold a claim and bounce
 * buffers, but no tag that is not in flight (invariant 12).
 * Return: a request, and sq_lock is held until nvdio_queue_unlock(); or, without
 * it, -ENODEV if the controller or the namespace is gone, -EAGAIN under @nowait.
 */
struct nvdio_request *nvdio_req_get(struct nvdio_queue *q, struct nvdio_ns *ns,
				    u64 slba, u64 nlb, bool nowait)
{
	struct nvdio_request *req = NULL;
	bool reaped = false, waited = false;
	struct nvdio_claim claim;
	bool claimed = false;
	int ret = 0;

	for (;;) {
		spin_lock(&q->sq_lock);
		if (unlikely(q->state == NVDIO_QUEUE_DEAD ||
			     (ns && ns->dead))) {
			ret = -ENODEV;
		} else if (nlb && !claimed &&
			   nvdio_claim_stops(ns, slba, nlb)) {
			ret = -EAGAIN;
		} else if (q->state == NVDIO_QUEUE_LIVE) {
			req = nvdio_req_pop(q);
			if (likely(req)) {
				/* To sparse: it is the caller's now. */
				__release(&q->sq_lock);
				break;
			}
			/* The controller may not know yet what fills it. */
			if (q->sq_tail != q->sq_db_written)
				nvdio_queue_ring(q);
		}
		spin_unlock(&q->sq_lock);

		if (ret == -ENODEV || (ret && nowait))
			break;
		if (ret) {
			/* Not with a wakeup that is meant for a tag. */
			if (waited)
				nvdio_queue_pass_on(q);
			nvdio_claim_set(&claim, slba, nlb, false);
			nvdio_claim_wait(ns, &claim);
			claimed = true;
			ret = 0;
		} else if (!reaped) {
			/* The interrupt may only be on its way. */
			if (!nvdio_queue_reap_some(q) && nowait)
				nvdio_queue_spin(q);
			reaped = true;
		} else if (!nowait) {
			nvdio_queue_wait(q);
			waited = true;
		} else {
			ret = -EAGAIN;
			break;
		}
	}
	if (claimed)
		nvdio_claim_release(ns, &claim);
	if (waited)
		nvdio_queue_pass_on(q);
	return req ?: ERR_PTR(ret);
}

/* Give back tags and wake as many of those who wait for one. */
static void nvdio_queue_put_tags(struct nvdio_queue *q,
				 const struct nvdio_tag_chain *chain, int nr)
{
	nvdio_tags_put_chain(&q->tags, chain, nr);
	/* nvdio_tags_put_chain() is the barrier that this needs. */
	if (unlikely(waitqueue_active(&q->wait)))
		wake_up_nr(&q->wait, nr);
}

/**
 * nvdio_req_put() - give back the request of an ended command
 * @q: queue
 * @req: request that was not given back when its command ended
 *
 * Context: any.
 */
void nvdio_req_put(struct nvdio_queue *q, struct nvdio_request *req)
{
	u32 tag = req - q->reqs;
	struct nvdio_tag_chain chain;

	WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
	nvdio_tag_chain_init(&q->tags, &chain);
	nvdio_tag_chain_add(&q->tags, &chain, tag);
	nvdio_queue_put_tags(q, &chain, 1);
}

/*
 * End one command that the controller does not touch any more: unmap, unpin,
 * and only then let go of the tag (invariant 3).
 * Return: true if the tag is free; @done->iocb is set if there is a kiocb to
 * be completed.
 */
static __always_inline bool nvdio_queue_end(struct nvdio_queue *q,
					    struct nvdio_request *req,
					    const struct nvme_completion *cqe,
					    u16 status,
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
		/* Who is told looks again under cq_lock, which is held here. */
		if (flags & NVDIO_REQ_WATCHED)
			nvdio_claim_write_ended(req->ns);
	}
	if (unlikely(req->end)) {
		WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
		req->result = cqe ? le64_to_cpu(cqe->result.u64) : 0;
		if (!req->end(req, status, done))
			done->iocb = NULL;
		/* A reserved one may be in flight again by now. */
		return likely(req->state == NVDIO_REQ_IDLE);
	}
	if (unlikely(status))
		goto slow;
	if (flags & NVDIO_REQ_PINNED) {
		if (!(flags & NVDIO_REQ_WRITE) &&
		    unlikely(!nvdio_pages_run_is_dirty(req->page,
						       req->nr_pages)))
			goto slow;
		nvdio_pages_unpin_run(req->ns, req->page, req->nr_pages);
	}
	done->iocb = req->iocb;
	done->res = req->len;
	WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
	return true;

slow:
	if (!nvdio_direct_end_slow(req, status, done))
		return false;
	WRITE_ONCE(req->state, NVDIO_REQ_IDLE);
	return true;
}

static noinline void nvdio_queue_stray(struct nvdio_queue *q, u16 cid)
{
	WRITE_ONCE(q->strays, (q->strays + 1) % q->depth);
	dev_warn_ratelimited(&q->ctrl->dev,
			     "completion of command %#x, which is not in flight on queue %u\n",
			     cid, q->qid);
}

/* Phase Tag in Dword 3 of a CQE (NVMe Base 2.0, 3.3.3.2). */
#define CQE_PHASE	BIT(16)

/*
 * Dword 3: command identifier, phase and status. In one load, so that the
 * identifier belongs to the phase.
 */
static __always_inline u32 cqe_dword3(const struct nvme_completion *cqe)
{
	return le32_to_cpu(READ_ONCE(((const __le32 *)cqe)[3]));
}

/*
 * Take at most NVDIO_BATCH completions off the CQ; cq_lock held, interrupts
 * off. What the controller says is not trusted (invariant 11). @ring: tell the
 * controller, which a disabled one must not be.
 * Return: CQEs taken; @nr_done is the number of entries set in @done.
 */
static __always_inline unsigned int
nvdio_queue_take(struct nvdio_queue *q, struct nvdio_completion *done,
		 unsigned int *nr_done, const bool polled, const bool ring)
{
	const struct nvme_completion *const end = q->cqes + q->cq_depth;
	const struct nvme_completion *cqe = q->cqes + q->cq_head;
	struct nvdio_request *const reqs = q->cq_reqs;
	struct nvdio_completion *next = done;
	struct nvdio_tag_chain chain;
	unsigned int found, kept = 0;
	u32 phase = q->cq_phase ? CQE_PHASE : 0;

	nvdio_tag_chain_init(&q->tags, &chain);
	for (found = 0; found < NVDIO_BATCH; found++) {
		const struct nvme_completion *this = cqe;
		u32 dword3 = cqe_dword3(this);
		struct nvdio_request *req;
		u16 cid = dword3;
		u32 tag;

		if ((dword3 & CQE_PHASE) != phase)
			break;
		/* The rest of the CQE is valid only after its phase. */
		dma_rmb();
		if (unlikely(++cqe == end)) {
			cqe = q->cqes;
			phase ^= CQE_PHASE;
		}

		tag = cid & NVDIO_TAG_MASK;
		req = &reqs[tag];
		if (unlikely(tag >= q->nr_reqs || req->cid != cid ||
			     req->state != NVDIO_REQ_IN_FLIGHT)) {
			nvdio_queue_stray(q, cid);
			kept++;
			continue;
		}
		if (polled && req->ns)
			this_cpu_inc(req->ns->stats->polled);
		if (likely(nvdio_queue_end(q, req, this, dword3 >> 17, next))) {
			nvdio_tag_chain_add(&q->tags, &chain, tag);
			if (next->iocb)
				next++;
		} else {
			kept++;
		}
	}

	if (found) {
		u16 old = q->cq_head, head = cqe - q->cqes;

		q->cq_head = head;
		q->cq_phase = !!phase;
		if (ring && (!q->cq_dbbuf_db ||
			     dbbuf_update(head, old, q->cq_dbbuf_db, q->cq_dbbuf_ei)))
			writel(head, q->cq_db);
	}
	if (found > kept)
		nvdio_queue_put_tags(q, &chain, found - kept);
	*nr_done = next - done;
	return found;
}

static __always_inline unsigned int
nvdio_queue_reap(struct nvdio_queue *q, struct nvdio_completion *done,
		 unsigned int *nr_done, const bool polled)
{
	return nvdio_queue_take(q, done, nr_done, polled, true);
}

static __always_inline void nvdio_complete_all(const struct nvdio_completion *done,
					       unsigned int nr)
{
	const struct nvdio_completion *const end = done + nr;

	for (; done < end; done++)
		nvdio_complete(done);
}

static irqreturn_t nvdio_queue_irq(int irq, void *data)
{
	struct nvdio_completion done[NVDIO_BATCH] __uninitialized;
	struct nvdio_queue *q = data;
	unsigned int found, nr;
	bool moved = false;
	u16 head;

	do {
		spin_lock(&q->cq_lock);
		found = nvdio_queue_reap(q, done, &nr, false);
		head = q->cq_head;
		spin_unlock(&q->cq_lock);
		nvdio_complete_all(done, nr);
		moved |= found;
	} while (found == NVDIO_BATCH);

	/*
	 * On a vector of our own an empty CQ means that someone polled it
	 * first, and is no reason to have the interrupt turned off as spurious.
	 */
	if (likely(!q->irq_line))
		return IRQ_HANDLED;
	/*
	 * On a line that other devices may share it is ours, too, if someone
	 * has polled since the last one; else it may be theirs.
	 */
	moved |= head != q->irq_head;
	q->irq_head = head;
	return moved ? IRQ_HANDLED : IRQ_NONE;
}

/*
 * End what the controller has completed, on behalf of a submitter who found no
 * tag. Nobody has polled for it, unless there is no other way.
 * Return: number of commands that ended.
 */
static unsigned int nvdio_queue_reap_some(struct nvdio_queue *q)
{
	struct nvdio_completion done[NVDIO_BATCH] __uninitialized;
	unsigned int found, nr = 0;
	unsigned long flags;

	if (!spin_trylock_irqsave(&q->cq_lock, flags))
		return 0;
	found = likely(q->cqes) ? nvdio_queue_reap(q, done, &nr, q->vector < 0) :
				  0;
	spin_unlock_irqrestore(&q->cq_lock, flags);
	nvdio_complete_all(done, nr);
	return found;
}

/**
 * nvdio_queue_poll_for() - end what the controller has completed, for somebody
 * @q: queue
 * @poller: who it is; nvdio_end_fn find it in @q->poller
 * @ended: set to what they left in @q->ended, for the caller to complete
 *
 * Context: task.
 * Return: number of commands that ended.
 */
int nvdio_queue_poll_for(struct nvdio_queue *q, const void *poller,
			 void **ended)
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
	found = likely(q->cqes) ? nvdio_queue_reap(q, done, &nr, true) : 0;
	*ended = q->ended;
	q->poller = NULL;
	spin_unlock_irqrestore(&q->cq_lock, flags);
	nvdio_complete_all(done, nr);
	return found;
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
	struct nvdio_completion done[NVDIO_BATCH] __uninitialized;
	unsigned int found, nr = 0, sum = 0;

	do {
		spin_lock_irq(&q->cq_lock);
		found = q->cqes ? nvdio_queue_reap(q, done, &nr, true) : 0;
		spin_unlock_irq(&q->cq_lock);
		nvdio_complete_all(done, nr);
		sum += found;
		cond_resched();
		/* Others may go on sending: what comes behind is not ours. */
	} while (found == NVDIO_BATCH && sum < q->depth);
	return sum;
}

/* Is a command in flight for longer than it may be? */
bool nvdio_queue_expired(struct nvdio_queue *q)
{
	u32 now = jiffies;
	bool ret = false;
	unsigned int i;

	for (i = 0; i < READ_ONCE(q->tags.fresh) && !ret; i++) {
		struct nvdio_request *req = &q->reqs[i];

		/* Pairs with nvdio_queue_submit_sqe(): then @deadline is set. */
		ret = smp_load_acquire(&req->state) == NVDIO_REQ_IN_FLIGHT &&
		      !(READ_ONCE(req->flags) & NVDIO_REQ_NO_TIMEOUT) &&
		      (s32)(now - READ_ONCE(req->deadline)) > 0;
	}
	return ret;
}

/**
 * nvdio_queue_timed_out() - has the controller lost a command?
 * @q: queue
 *
 * That a command is overdue is no proof: whoever should poll for it may not
 * run, or the interrupt got lost. So all that the controller has completed is
 * ended before it is judged.
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
 * nvdio_queue_in_flight() - count the commands that have no CQE yet
 * @q: queue
 *
 * Each command takes one entry of the SQ, each CQE one of the CQ, and they are
 * as long; so nothing is counted where commands are sent and end.
 *
 * Context: any, without a lock; a guess while commands come and go.
 */
u32 nvdio_queue_in_flight(const struct nvdio_queue *q)
{
	return (READ_ONCE(q->sq_tail) + q->depth - READ_ONCE(q->cq_head) +
		READ_ONCE(q->strays)) % q->depth;
}

/**
 * nvdio_queue_unhook() - ring no doorbell any more
 * @q: queue that lets nobody through
 *
 * Before the controller is disabled. A plug that ends later finds nothing to
 * ring; what it would have sent is cancelled with the rest.
 */
void nvdio_queue_unhook(struct nvdio_queue *q)
{
	spin_lock(&q->sq_lock);
	q->sq_db_written = q->sq_tail;
	q->sq_dbbuf_db = NULL;
	spin_lock_irq(&q->cq_lock);
	q->cq_dbbuf_db = NULL;
	spin_unlock_irq(&q->cq_lock);
	spin_unlock(&q->sq_lock);
}

/* End what the controller has completed before it was stopped. */
static void nvdio_queue_reap_rest(struct nvdio_queue *q)
{
	struct nvdio_completion done[NVDIO_BATCH] __uninitialized;
	unsigned int found, nr = 0, left = q->depth;

	do {
		spin_lock_irq(&q->cq_lock);
		found = q->cqes ? nvdio_queue_take(q, done, &nr, false, false) :
				  0;
		spin_unlock_irq(&q->cq_lock);
		nvdio_complete_all(done, nr);
		left -= min(left, found);
	} while (found && left);
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
	unsigned int i;

	nvdio_queue_reap_rest(q);
	for (i = 0; i < q->nr_reqs; i++) {
		struct nvdio_request *req = &q->reqs[i];
		struct nvdio_completion done = { .iocb = NULL };
		bool freed = false;

		spin_lock_irq(&q->cq_lock);
		if (req->state == NVDIO_REQ_IN_FLIGHT)
			freed = nvdio_queue_end(q, req, NULL, status, &done);
		spin_unlock_irq(&q->cq_lock);
		if (freed)
			nvdio_req_put(q, req);
		if (freed && done.iocb)
			nvdio_complete(&done);
	}
}

/* Does a write in flight change any of these blocks? */
static bool nvdio_queue_changes(const struct nvdio_request *req, u64 slba,
				u64 nlb)
{
	u64 blocks = req->len;

	if (req->flags & NVDIO_REQ_ALL)
		return true;
	if (!(req->flags & NVDIO_REQ_BLOCKS))
		blocks >>= req->ns->lba_shift;
	return req->slba < slba + nlb && slba < req->slba + blocks;
}

/**
 * nvdio_queue_watch_writes() - is a write to these blocks in flight?
 * @q: queue
 * @ns: namespace
 * @slba: first block
 * @nlb: number of blocks
 *
 * Each that is will tell nvdio_claim_write_ended(). Requests are only looked at
 * if a write was sent since the last time that there was none in flight. A
 * polled queue is polled first, for perhaps nobody else does.
 *
 * Context: task; takes sq_lock and cq_lock.
 */
bool nvdio_queue_watch_writes(struct nvdio_queue *q, struct nvdio_ns *ns,
			      u64 slba, u64 nlb)
{
	bool ret = false, any = false;
	unsigned int i;

	if (q->vector < 0)
		nvdio_queue_poll_all(q);
	spin_lock(&q->sq_lock);
	if (q->writes == q->writes_over)
		goto unlock;
	spin_lock_irq(&q->cq_lock);
	for (i = 0; i < q->tags.fresh; i++) {
		struct nvdio_request *req = &q->reqs[i];

		if (req->state != NVDIO_REQ_IN_FLIGHT ||
		    !(req->flags & NVDIO_REQ_WRITE))
			continue;
		any = true;
		if (req->ns == ns && nvdio_queue_changes(req, slba, nlb)) {
			req->flags |= NVDIO_REQ_WATCHED;
			ret = true;
		}
	}
	spin_unlock_irq(&q->cq_lock);
	if (!any)
		q->writes_over = q->writes;
unlock:
	spin_unlock(&q->sq_lock);
	return ret;
}

/**
 * nvdio_queue_in_use() - count requests that are not free
 * @q: queue
 * @ns: only commands of this namespace that are in flight, without a lock and
 *	so without exactness while there are any; NULL: all, under sq_lock
 *
 * Context: any but interrupts.
 */
u32 nvdio_queue_in_use(struct nvdio_queue *q, struct nvdio_ns *ns)
{
	u32 nr = 0;
	unsigned int i;

	if (!ns) {
		spin_lock(&q->sq_lock);
		nr = nvdio_tags_in_use(&q->tags);
		spin_unlock(&q->sq_lock);
		return nr;
	}
	for (i = 0; i < READ_ONCE(q->tags.fresh); i++)
		nr += READ_ONCE(q->reqs[i].state) != NVDIO_REQ_IDLE &&
		      READ_ONCE(q->reqs[i].ns) == ns;
	return nr;
}

/**
 * nvdio_queue_set_state() - let submitters through, hold them, or refuse them
 * @q: queue
 * @state: new state
 *
 * When this returns, no submitter that saw the old state is still sending.
 */
void nvdio_queue_set_state(struct nvdio_queue *q, enum nvdio_queue_state state)
{
	spin_lock(&q->sq_lock);
	WRITE_ONCE(q->state, state);
	spin_unlock(&q->sq_lock);
	wake_up_all(&q->wait);
}

/**
 * nvdio_queue_reset() - make a queue empty, before the controller gets it
 * @q: queue with nothing in flight, that the controller does not know yet
 */
void nvdio_queue_reset(struct nvdio_queue *q)
{
	spin_lock(&q->sq_lock);
	q->sq_tail = 0;
	q->sq_db_written = 0;
	q->sq_stop = min(NVDIO_RING_AFTER, q->depth);
	q->sq_dbbuf_db = NULL;
	spin_lock_irq(&q->cq_lock);
	q->cq_dbbuf_db = NULL;
	q->strays = 0;
	q->cq_head = 0;
	q->cq_phase = 1;
	memset(q->cqes, 0, q->depth * sizeof(*q->cqes));
	spin_unlock_irq(&q->cq_lock);
	spin_unlock(&q->sq_lock);
}

/**
 * nvdio_queue_alloc() - allocate a queue pair
 * @ctrl: controller
 * @qid: queue identifier, 0 for the admin queue
 * @depth: entries of SQ and CQ, 2 to NVDIO_TAGS_MAX + 1
 * @node: NUMA node
 *
 * Context: may sleep.
 * Return: the queue, in the state NVDIO_QUEUE_FROZEN, or NULL.
 */
struct nvdio_queue *nvdio_queue_alloc(struct nvdio_ctrl *ctrl, u16 qid,
				      u16 depth, int node)
{
	struct nvdio_queue *q;
	unsigned int i;

	q = kzalloc_node(sizeof(*q), GFP_KERNEL, node);
	if (!q)
		return NULL;
	spin_lock_init(&q->sq_lock);
	spin_lock_init(&q->cq_lock);
	init_waitqueue_head(&q->wait);
	q->plug_cb.callback = queue_unplug;
	q->ctrl = ctrl;
	q->dev = ctrl->dev.parent;
	q->linear = ctrl->linear;
	q->dma_offset = ctrl->dma_offset;
	q->qid = qid;
	q->vector = -1;
	q->depth = depth;
	q->cq_depth = depth;
	/* A full SQ has one free entry (NVMe Base 2.0, 3.3.1.5). */
	q->nr_reqs = depth - 1;
	q->state = NVDIO_QUEUE_FROZEN;
	q->sq_db = ctrl->bar + NVME_REG_DBS + 2 * qid * ctrl->db_stride;
	q->cq_db = ctrl->bar + NVME_REG_DBS + (2 * qid + 1) * ctrl->db_stride;

	q->sqes = dma_alloc_coherent(q->dev, depth * sizeof(*q->sqes),
				     &q->sq_dma, GFP_KERNEL);
	q->cqes = dma_alloc_coherent(q->dev, depth * sizeof(*q->cqes),
				     &q->cq_dma, GFP_KERNEL);
	q->reqs = kvcalloc_node(q->nr_reqs, sizeof(*q->reqs), GFP_KERNEL, node);
	q->tag_links = kvcalloc_node(q->nr_reqs, sizeof(*q->tag_links),
				     GFP_KERNEL, node);
	if (!q->sqes || !q->cqes || !q->reqs || !q->tag_links)
		goto free;
	q->cq_reqs = q->reqs;
	for (i = 0; i < q->nr_reqs; i++)
		q->reqs[i].cid = i;
	nvdio_tags_init(&q->tags, q->tag_links,
			q->nr_reqs - (qid ? 0 : NVDIO_RESERVED_NR));
	if (qid && nvdio_xfer_pool_alloc(q, node))
		goto free;
	nvdio_queue_reset(q);
	return q;

free:
	nvdio_queue_free_dma(q);
	nvdio_queue_free(q);
	return NULL;
}

/**
 * nvdio_queue_free_dma() - free what the device sees of a queue, at unbind
 * @q: dead queue with nothing in flight and no interrupt
 *
 * A plug that holds the queue is waited for, since its callback may ring.
 */
void nvdio_queue_free_dma(struct nvdio_queue *q)
{
	struct nvme_completion *cqes;

	while (READ_ONCE(q->plugged))
		schedule_timeout_uninterruptible(1);
	/* The callback's last access is its unlock. */
	spin_lock(&q->sq_lock);
	q->sq_dbbuf_db = NULL;
	q->cq_dbbuf_db = NULL;
	spin_unlock(&q->sq_lock);

	nvdio_xfer_pool_free_dma(q);
	if (q->sqes)
		dma_free_coherent(q->dev, q->depth * sizeof(*q->sqes), q->sqes,
				  q->sq_dma);
	q->sqes = NULL;
	spin_lock_irq(&q->cq_lock);
	cqes = q->cqes;
	q->cqes = NULL;
	spin_unlock_irq(&q->cq_lock);
	if (cqes)
		dma_free_coherent(q->dev, q->depth * sizeof(*cqes), cqes,
				  q->cq_dma);
}

/* Free the rest, when no open file can reach the queue any more. */
void nvdio_queue_free(struct nvdio_queue *q)
{
	nvdio_xfer_pool_free(q);
	kvfree(q->tag_links);
	kvfree(q->reqs);
	kfree(q);
}

/**
 * nvdio_queue_irq_on() - turn on a queue's interrupt
 * @q: queue with @vector set; nothing is done for a polled one
 *
 * Return: 0 or -errno.
 */
int nvdio_queue_irq_on(struct nvdio_queue *q)
{
	struct pci_dev *pdev = q->ctrl->pdev;
	int ret;

	if (q->vector < 0)
		return 0;
	snprintf(q->irq_name, sizeof(q->irq_name), "nvdio%dq%u",
		 q->ctrl->instance, q->qid);
	q->irq_line = !pdev->msix_enabled && !pdev->msi_enabled;
	ret = request_irq(pci_irq_vector(pdev, q->vector), nvdio_queue_irq,
			  q->irq_shared ? IRQF_SHARED : 0, q->irq_name, q);
	if (!ret)
		q->irq_on = true;
	return ret;
}

/* Turn it off again; no handler runs any more on return. */
void nvdio_queue_irq_off(struct nvdio_queue *q)
{
	if (!q->irq_on)
		return;
	free_irq(pci_irq_vector(q->ctrl->pdev, q->vector), q);
	q->irq_on = false;
}
