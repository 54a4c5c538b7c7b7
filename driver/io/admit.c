// SPDX-License-Identifier: GPL-2.0
/* Waiting for a tag; see admit.h and docs/driver.md, Waits. */
#include <linux/sched/clock.h>

#include "pure/ctrl_state.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/claim.h"
#include "io/complete.h"

/* How long a submitter that may not wait looks for a completion. */
#define NVDIO_SPIN_NS	(2 * NSEC_PER_MSEC)

/*
 * A wakeup is used or passed on (invariant 12): whoever has waited for a tag,
 * and goes on with or without one, wakes the next if there is still one.
 */
static void admit_pass_on(struct nvdio_queue *q)
{
	/* Who begins to wait now looks for a tag after that. */
	if (waitqueue_active(&q->wait) && nvdio_queue_has_tag(q))
		wake_up(&q->wait);
}

/*
 * Sleep until a request may be free; another task may be faster. Going to sleep
 * ends the task's plug, so that what it has sent is on its way. Nobody else
 * may be polling a polled queue, so whoever waits for it does.
 */
static void admit_wait(struct nvdio_queue *q)
{
	DEFINE_WAIT(wait);

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

/*
 * Who may not wait looks a little longer before it goes away without a tag, for
 * io_uring would put a worker thread in its place, which costs more. Where
 * that did not help it is not tried again before the next jiffy.
 */
static void admit_spin(struct nvdio_queue *q)
{
	u64 end;

	/* Nor in front of those who wait; they may hold what others want. */
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
				admit_pass_on(q);
			nvdio_claim_set(&claim, slba, nlb, false);
			nvdio_claim_wait(ns, &claim);
			claimed = true;
			ret = 0;
		} else if (!reaped) {
			/* The interrupt may only be on its way. */
			if (!nvdio_queue_reap_some(q) && nowait)
				admit_spin(q);
			reaped = true;
		} else if (!nowait) {
			admit_wait(q);
			waited = true;
		} else {
			ret = -EAGAIN;
			break;
		}
	}
	if (claimed)
		nvdio_claim_release(ns, &claim);
	if (waited)
		admit_pass_on(q);
	return req ?: ERR_PTR(ret);
}
