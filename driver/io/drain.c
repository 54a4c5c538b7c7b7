// SPDX-License-Identifier: GPL-2.0
/* Draining writes that are older than an exclusive claim. */
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/claim.h"
#include "io/complete.h"
#include "io/drain.h"

/* Does a write in flight change any of these blocks? */
static bool drain_overlaps(const struct nvdio_request *req, u64 slba, u64 nlb)
{
	u64 blocks = req->len;

	if (req->flags & NVDIO_REQ_ALL)
		return true;
	if (!(req->flags & NVDIO_REQ_BLOCKS))
		blocks >>= req->ns->lba_shift;
	return req->slba < slba + nlb && slba < req->slba + blocks;
}

/*
 * Is a write to these blocks in flight in a queue? Each one found is marked, so
 * that its completion calls nvdio_claim_write_ended(). Requests are scanned
 * only if a write was submitted since none was last seen in flight, and only
 * until everything in flight was seen, to which everything that will be sent
 * again belongs. A polled queue is polled first, since it may have no other
 * poller.
 */
static bool drain_watch(struct nvdio_queue *q, struct nvdio_ns *ns, u64 slba,
			u64 nlb)
{
	bool ret = false, any = false;
	unsigned int i, left;

	if (q->vector < 0)
		nvdio_queue_poll_all(q);
	spin_lock(&q->sq_lock);
	if (q->writes == q->writes_over)
		goto unlock;
	spin_lock_irq(&q->cq_lock);
	left = nvdio_queue_in_flight(q) + q->retrying;
	for (i = 0; left && i < q->tags.fresh; i++) {
		struct nvdio_request *req = &q->reqs[i];

		if (req->state != NVDIO_REQ_IN_FLIGHT &&
		    req->state != NVDIO_REQ_RETRYING)
			continue;
		left--;
		if (!(req->flags & NVDIO_REQ_WRITE))
			continue;
		any = true;
		if (req->ns == ns && drain_overlaps(req, slba, nlb)) {
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
 * nvdio_claim_drain() - have all older writes to claimed blocks ended?
 * @ns: namespace
 * @claim: exclusive claim that is held
 *
 * A write that did not see the claim is in flight by now, because it checked
 * under the sq_lock that is taken here. Writes that are found are marked, and
 * each calls nvdio_claim_write_ended() when it ends.
 *
 * Context: task; takes sq_lock and cq_lock of each queue.
 * Return: see enum nvdio_drain.
 */
enum nvdio_drain nvdio_claim_drain(struct nvdio_ns *ns,
				   struct nvdio_claim *claim)
{
	struct nvdio_ctrl *ctrl = ns->ctrl;
	enum nvdio_drain ret;
	unsigned int i;
	u64 ended;

again:
	/* Sampled before the scan: no completion may be lost before waiting. */
	spin_lock_irq(&ns->claim_lock);
	ended = ns->writes_ended;
	spin_unlock_irq(&ns->claim_lock);

	ret = NVDIO_DRAINED;
	for (i = 0; i < ctrl->nr_io; i++) {
		struct nvdio_queue *q = ctrl->io[i];

		if (!drain_watch(q, ns, claim->first,
				 claim->last - claim->first + 1))
			continue;
		if (q->vector < 0)
			return NVDIO_DRAIN_POLL;
		ret = NVDIO_DRAIN_WAIT;
	}
	if (ret == NVDIO_DRAINED)
		return ret;

	spin_lock_irq(&ns->claim_lock);
	if (ended != ns->writes_ended) {
		spin_unlock_irq(&ns->claim_lock);
		goto again;
	}
	list_add_tail(&claim->link, &ns->draining);
	spin_unlock_irq(&ns->claim_lock);
	return ret;
}
