// SPDX-License-Identifier: GPL-2.0
/* Waiting for a tag; see admit.h, and "Waits" in docs/driver.md. */
#include <linux/ktime.h>
#include <linux/sched/clock.h>

#include "pure/ctrl_state.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/trace.h"
#include "core/watch.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/claim.h"
#include "io/complete.h"

/* How long a submitter that must not sleep polls for a completion. */
#define NVDIO_SPIN_NS	(2 * NSEC_PER_MSEC)

/*
 * A wakeup is used or passed on (invariant 12): a task that has waited for a
 * tag wakes the next waiter if there is a tag left, whether it took one or not.
 */
static void admit_pass_on(struct nvdio_queue *q)
{
	/* A task that starts to wait now checks for a tag itself. */
	if (waitqueue_active(&q->wait) && nvdio_queue_has_tag(q))
		wake_up(&q->wait);
}

/*
 * Sleep until a request may be free; another task may get it first. Going to
 * sleep ends the task's plug, so that the commands it submitted are on their
 * way. A polled queue may have no other poller, so its waiters poll.
 * @since: set to when waiting began, unless it is set.
 */
static void admit_wait(struct nvdio_queue *q, const struct nvdio_ns *ns,
		       u64 *since)
{
	DEFINE_WAIT(wait);

	if (!*since) {
		*since = ktime_get_ns();
		trace_nvdio_tag_wait(q->ctrl->instance, q->qid,
				     ns ? ns->nsid : 0,
				     READ_ONCE(q->state) != NVDIO_QUEUE_LIVE);
	}
	for (;;) {
		prepare_to_wait_exclusive(&q->wait, &wait,
					  TASK_UNINTERRUPTIBLE);
		if (nvdio_queue_has_tag(q))
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

/* The wait for a tag is over, with @req in hand or without. */
static void admit_waited(struct nvdio_queue *q, const struct nvdio_ns *ns,
			 u64 since, const struct nvdio_request *req)
{
	const u64 waited = ktime_get_ns() - since;

	admit_pass_on(q);
	trace_nvdio_tag_got(q->ctrl->instance, q->qid, ns ? ns->nsid : 0,
			    waited, req);
	/* sq_lock is held. */
	if (req)
		nvdio_watch_waited(&q->watch, waited);
}

/*
 * Poll briefly instead of returning -EAGAIN: io_uring would then punt the
 * request to a worker thread, which costs more. If that failed, it is not tried
 * again in the same jiffy.
 */
static void admit_spin(struct nvdio_queue *q)
{
	u64 end;

	/* Do not overtake waiters; they may hold what others need. */
	if (q->state != NVDIO_QUEUE_LIVE || waitqueue_active(&q->wait) ||
	    READ_ONCE(q->spun) == (u32)jiffies)
		return;
	end = local_clock() + NVDIO_SPIN_NS;
	do {
		if (nvdio_queue_reap_some(q) || nvdio_queue_has_tag(q))
			return;
		cpu_relax();
		cond_resched();
	} while (local_clock() < end);
	WRITE_ONCE(q->spun, (u32)jiffies);
}

/**
 * nvdio_req_get() - get a request, waiting for one if necessary
 * @q: queue
 * @ns: namespace, or NULL for an admin command
 * @slba: first block that the command writes
 * @nlb: number of blocks that it writes; 0: none, or the caller holds a claim
 *	to them
 * @nowait: do not sleep
 *
 * All waiting for tags happens here. A conflicting claim is waited for first,
 * by taking a claim that is released under the sq_lock under which the command
 * is submitted: an exclusive claim that is granted after that finds the command
 * in flight.
 *
 * Context: may sleep, unless @nowait. The caller may hold a claim and bounce
 * buffers, but no tag that is not in flight (invariant 12).
 * Return: a request, with sq_lock held until nvdio_queue_unlock(); otherwise,
 * with sq_lock not held, -ENODEV if the controller or the namespace is gone, or
 * -EAGAIN under @nowait.
 */
struct nvdio_request *nvdio_req_get(struct nvdio_queue *q, struct nvdio_ns *ns,
				    u64 slba, u64 nlb, bool nowait)
{
	struct nvdio_request *req = NULL;
	bool reaped = false;
	u64 since = 0;
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
			/* Commands may be waiting for the doorbell. */
			if (q->sq_tail != q->sq_db_written)
				nvdio_queue_ring(q);
		}
		spin_unlock(&q->sq_lock);

		if (ret == -ENODEV || (ret && nowait))
			break;
		if (ret) {
			/* Do not hold on to a wakeup for a tag. */
			if (since)
				admit_pass_on(q);
			nvdio_claim_set(&claim, slba, nlb, false);
			nvdio_claim_wait(ns, &claim);
			claimed = true;
			ret = 0;
		} else if (!reaped) {
			/* Completions may be there before their interrupt. */
			if (!nvdio_queue_reap_some(q) && nowait)
				admit_spin(q);
			reaped = true;
		} else if (!nowait) {
			admit_wait(q, ns, &since);
		} else {
			ret = -EAGAIN;
			break;
		}
	}
	if (claimed)
		nvdio_claim_release(ns, &claim);
	if (since)
		admit_waited(q, ns, since, req);
	return req ?: ERR_PTR(ret);
}

/**
 * nvdio_req_abandon() - return a request that will not be submitted
 * @q: queue
 * @req: request from nvdio_req_get() or nvdio_req_try_get()
 *
 * Context: sq_lock held since @req was taken; released on return.
 */
void nvdio_req_abandon(struct nvdio_queue *q, struct nvdio_request *req)
{
	nvdio_watch_waited(&q->watch, 0);
	nvdio_req_put(q, req);
	nvdio_queue_unlock(q);
}
