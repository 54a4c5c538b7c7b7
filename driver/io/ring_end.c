// SPDX-License-Identifier: GPL-2.0
/* Completions of rings, apart from those that io/complete.c writes; see ring_end.h. */
#include <linux/poll.h>

#include "pure/status.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "io/retry.h"
#include "io/ring_end.h"

/* Of the module: rings may end after their controller is unbound. */
static struct workqueue_struct *ring_wq;

/**
 * nvdio_ring_wq_init() - prepare for rings, at module load
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_ring_wq_init(void)
{
	ring_wq = alloc_workqueue("nvdio-ring", WQ_UNBOUND, 0);
	return ring_wq ? 0 : -ENOMEM;
}

/**
 * nvdio_ring_wq_exit() - undo nvdio_ring_wq_init(), at module unload
 *
 * All controllers are unbound, so that all I/O has ended, and all descriptors are
 * closed; what is left of their rings ends here.
 *
 * Context: may sleep.
 */
void nvdio_ring_wq_exit(void)
{
	destroy_workqueue(ring_wq);
}

/**
 * nvdio_ring_event() - wake who waits for completions
 * @ring: ring with something @armed, which is no longer armed then
 *
 * Those that have not got what they wait for arm it again.
 *
 * Context: @ring's lock held, interrupts off.
 */
void nvdio_ring_event(struct nvdio_ring *ring)
{
	const u8 armed = ring->armed;

	if (armed & NVDIO_RING_WAIT &&
	    nvdio_ring_reached(ring->posted, ring->wait_at)) {
		ring->armed &= ~NVDIO_RING_WAIT;
		wake_up_all(&ring->waiters);
	}
	if (armed & NVDIO_RING_POLL) {
		ring->armed &= ~NVDIO_RING_POLL;
		/* Without a key: io_uring must poll again, which arms it. */
		wake_up(&ring->pollers);
	}
	/* Nothing is sent any more: this was the last one. */
	if (armed & NVDIO_RING_CLOSED && ring->posted == ring->sq_head) {
		ring->armed = 0;
		queue_work(ring_wq, &ring->work);
	}
}

/**
 * nvdio_ring_post() - complete a descriptor for which there is no command
 * @ring: ring
 * @cookie: of the descriptor
 * @res: as in struct nvdio_ring_cqe
 * @status: likewise
 *
 * Context: interrupts off; @ring's lock not held.
 */
void nvdio_ring_post(struct nvdio_ring *ring, u32 cookie, s32 res, u32 status)
{
	spin_lock(&ring->lock);
	nvdio_ring_write(ring, cookie, res, status);
	nvdio_ring_tell(ring);
	spin_unlock(&ring->lock);
}

/**
 * nvdio_ring_end() - end a command of a ring that has failed, or is no longer watched
 * @req: request, with NVDIO_REQ_RING
 * @status: as for nvdio_end_fn
 *
 * Context: as nvdio_end_fn; no ring's lock held.
 * Return: NVDIO_END_NONE; or NVDIO_END_LATER: the request will be sent again.
 */
enum nvdio_end nvdio_ring_end(struct nvdio_request *req, u16 status)
{
	struct nvdio_ns *ns = req->ns;

	if (!status) {
		nvdio_ring_post(req->owner, req->cookie, req->len, 0);
		return NVDIO_END_NONE;
	}
	if (nvdio_retry(req, status))
		return NVDIO_END_LATER;
	this_cpu_inc(ns->stats->errors);
	nvdio_stats_bytes(ns->stats, req->flags & NVDIO_REQ_WRITE,
			  -(s64)req->len);
	nvdio_ring_post(req->owner, req->cookie, nvdio_status_to_errno(status),
			status < NVDIO_SC_GONE ? status : 0);
	return NVDIO_END_NONE;
}
