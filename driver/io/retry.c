// SPDX-License-Identifier: GPL-2.0
/*
 * The decision to send a command again. A read or write that was in flight when
 * the controller was reset, or that failed without Do Not Retry, keeps its
 * request, its pages and its mapping, and waits in state RETRYING until
 * io/resend.c sends it. Nobody is told that it has failed before.
 */
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/params.h"
#include "core/stats.h"
#include "core/trace.h"
#include "hw/queue.h"
#include "io/retry.h"

/* May a command be sent again that failed with @status, @nr times before? */
static bool retry_may(struct nvdio_ns *ns, u16 status, unsigned int nr)
{
	return nvdio_status_may_retry(status) && !nvdio_ns_gone(ns) &&
	       nr < min(READ_ONCE(nvdio_max_retries), NVDIO_RETRIES_MAX);
}

/**
 * nvdio_retry() - send a failed command again, if that may help
 * @req: request that has failed, for a namespace, one of the kinds that
 *	io/resend.c knows; all that the command uses is still there
 * @status: why it failed
 *
 * Called by nvdio_end_fn, which then returns NVDIO_END_LATER. @req is called
 * back when it ends the next time.
 *
 * Context: cq_lock held, interrupts off.
 * Return: true if it will be sent again; false if it ends here.
 */
bool nvdio_retry(struct nvdio_request *req, u16 status)
{
	const unsigned int nr = req->flags / NVDIO_REQ_RETRY;
	struct nvdio_ns *ns = req->ns;
	struct nvdio_ctrl *ctrl = ns->ctrl;
	struct nvdio_queue *q = ctrl->io[req->qid - 1];
	u32 ms;

	if (!retry_may(ns, status, nr))
		return false;
	req->flags = (req->flags & ~NVDIO_REQ_ABORTED) + NVDIO_REQ_RETRY;
	ms = nvdio_status_retry_ms(status, nr, ctrl->crdt);
	req->deadline = jiffies + msecs_to_jiffies(ms);
	q->retrying++;
	WRITE_ONCE(req->state, NVDIO_REQ_RETRYING);
	this_cpu_inc(ns->stats->retries);
	trace_nvdio_retry(ctrl->instance, q->qid, req->cid, ns->nsid, status,
			  nr + 1, ms);
	mod_delayed_work(ctrl->reset_wq, &ctrl->resend_work, 0);
	return true;
}

/**
 * nvdio_retry_sync() - wait until a failed command may be sent again
 * @ns: namespace
 * @status: why it failed
 * @nr: how often it was sent again before; counted
 *
 * For callers that wait for their command, and send it again themselves.
 *
 * Context: may sleep.
 * Return: false if there is no point in sending it again, or the caller is
 * being killed.
 */
bool nvdio_retry_sync(struct nvdio_ns *ns, u16 status, unsigned int *nr)
{
	u32 ms;

	if (!retry_may(ns, status, *nr))
		return false;
	this_cpu_inc(ns->stats->retries);
	ms = nvdio_status_retry_ms(status, (*nr)++, ns->ctrl->crdt);
	/* Unbinding waits for the caller: it must not sleep through that. */
	return !wait_event_killable_timeout(ns->ctrl->state_wait,
					    nvdio_ns_gone(ns),
					    msecs_to_jiffies(ms));
}
