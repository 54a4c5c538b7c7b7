/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Submission and Completion Queue pairs (NVMe Base 2.0, 3.3): rings, doorbells,
 * tags. This layer deals with SQEs, CQEs and the state of requests; the purpose
 * of a command, and what to do when it has ended, is left to the layers above.
 *
 * A command is submitted while sq_lock is held once:
 *
 *	req = nvdio_req_get(q, ...);		io/admit.h; error: nothing held
 *	nvdio_req_fill(req, ...);		io/admit.h
 *	... fill in *nvdio_queue_sqe(q) ...	io/admit.h
 *	nvdio_queue_submit(q, req);
 *	nvdio_queue_unlock(q);
 *
 * Interrupts never take sq_lock. cq_lock serialises everything that may end a
 * request: interrupt, polling, timeout and teardown. The one that finds the
 * request IN_FLIGHT under cq_lock ends it (invariant 1).
 *
 * Step 6 of a read (docs/driver.md, "One read"): its SQE is made the
 * controller's, except for the doorbell, which a plug defers to queue.c.
 */
#ifndef NVDIO_QUEUE_H
#define NVDIO_QUEUE_H

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/nvme.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "pure/ctrl_state.h"
#include "pure/tags.h"
#include "core/map.h"
#include "core/request.h"
#include "core/watch.h"

struct nvdio_ctrl;
struct nvdio_ns;
struct nvdio_xfer_pool;

/* The plug of a queue that has none: not that of a task without one either. */
#define NVDIO_NO_PLUG		((struct blk_plug *)ERR_PTR(-ENOENT))

/* Number of commands after which the doorbell is written even within a plug. */
#define NVDIO_RING_AFTER	32

/**
 * enum nvdio_reserved - requests of the admin queue that are not in the tag
 * pool
 * @NVDIO_RESERVED_ADMIN: the driver's own commands (ctrl/admin.c)
 * @NVDIO_RESERVED_EVENT: Asynchronous Event Request (ctrl/events.c)
 * @NVDIO_RESERVED_ABORT: Abort (ctrl/watchdog.c)
 * @NVDIO_RESERVED_NR: number of reserved requests
 *
 * User space cannot exhaust them. There is one of each. The first two are used
 * under the controller's lock, the last by the watchdog alone.
 */
enum nvdio_reserved {
	NVDIO_RESERVED_ADMIN,
	NVDIO_RESERVED_EVENT,
	NVDIO_RESERVED_ABORT,
	NVDIO_RESERVED_NR,
};

/**
 * enum nvdio_timeout - what is known of a queue's overdue commands
 * @NVDIO_TIMEOUT_NONE: there is none
 * @NVDIO_TIMEOUT_FIRST: one has exceeded its timeout
 * @NVDIO_TIMEOUT_AGAIN: and once more after nvdio_queue_mark_aborted()
 */
enum nvdio_timeout {
	NVDIO_TIMEOUT_NONE,
	NVDIO_TIMEOUT_FIRST,
	NVDIO_TIMEOUT_AGAIN,
};

/**
 * struct nvdio_queue - an SQ, its CQ, and their requests
 *
 * The first part belongs to submitters, under @sq_lock; the second to
 * completion, under @cq_lock; most of the third does not change while the queue
 * is live.
 */
struct nvdio_queue {
	/** @sq_lock: serialises submitters; never taken in interrupts */
	spinlock_t sq_lock;
	/** @state: enum nvdio_queue_state */
	u8 state;
	/** @linear: bus address = physical address + @dma_offset */
	bool linear;
	/** @sq_tail: next SQE to fill */
	u16 sq_tail;
	/** @sq_db_written: tail last written to the doorbell */
	u16 sq_db_written;
	/** @sq_stop: tail at which to wrap or to write the doorbell */
	u16 sq_stop;
	/** @depth: entries of SQ and CQ */
	u16 depth;
	/** @sqes: SQ memory */
	struct nvme_command *sqes;
	/** @reqs: requests, by tag */
	struct nvdio_request *reqs;
	/** @plugged: plug whose callback list holds @plug_cb, or NVDIO_NO_PLUG */
	struct blk_plug *plugged;
	/** @dma_offset: see @linear */
	dma_addr_t dma_offset;
	/** @sq_db: SQ Tail Doorbell */
	u32 __iomem *sq_db;
	/** @sq_dbbuf_db: shadow SQ tail doorbell, or NULL */
	__le32 *sq_dbbuf_db;
	/** @sq_dbbuf_ei: EventIdx of @sq_dbbuf_db */
	__le32 *sq_dbbuf_ei;
	/** @resend: the controller is ready for commands that are sent again */
	bool resend;
	/** @writes: number of writes submitted, wraps */
	u32 writes;
	/** @writes_over: value of @writes when none was last seen in flight */
	u32 writes_over;
	/** @tags: tags of the free requests */
	struct nvdio_tags tags;
	/** @pfns: mapped memory by page frame number, or NULL: there is none */
	const struct nvdio_pfn_index *pfns;
	/**
	 * @map_cache: mapped memory by address, as submitters have found it, the
	 * latest first
	 */
	struct nvdio_map_range map_cache[NVDIO_MAP_CACHE];
	/** @doorbells: how often @sq_db was written, wraps */
	u32 doorbells;

	/** @cq_lock: serialises completion; taken in interrupts */
	spinlock_t cq_lock ____cacheline_aligned_in_smp;
	/** @cq_head: next CQE to examine */
	u16 cq_head;
	/** @cq_phase: Phase Tag of new CQEs */
	u16 cq_phase;
	/** @cq_depth: copy of @depth */
	u16 cq_depth;
	/** @rings: the CQE that was taken last was of a ring; a hint */
	bool rings;
	/** @nr_reqs: number of requests, @depth - 1 */
	u32 nr_reqs;
	/** @cqes: CQ memory; NULL after unbind */
	struct nvme_completion *cqes;
	/** @cq_reqs: copy of @reqs */
	struct nvdio_request *cq_reqs;
	/** @cq_db: CQ Head Doorbell */
	u32 __iomem *cq_db;
	/** @cq_dbbuf_db: shadow CQ head doorbell, or NULL */
	__le32 *cq_dbbuf_db;
	/** @cq_dbbuf_ei: EventIdx of @cq_dbbuf_db */
	__le32 *cq_dbbuf_ei;
	/** @retrying: number of requests in state RETRYING */
	u16 retrying;
	/**
	 * @poller: cookie of the poller, for nvdio_end_fn; see
	 * nvdio_queue_poll_for()
	 */
	const void *poller;
	/** @ended: list that nvdio_end_fn builds for @poller */
	void *ended;

	/** @wait: submitters waiting for a tag */
	wait_queue_head_t wait ____cacheline_aligned_in_smp;
	/** @plug_cb: writes the doorbell when the plug ends */
	struct blk_plug_cb plug_cb;
	/** @dev: device for the DMA API */
	struct device *dev;
	/** @ctrl: controller */
	struct nvdio_ctrl *ctrl;
	/** @pool: preallocated transfers (io/xfer_pool.c), or NULL */
	struct nvdio_xfer_pool *pool;
	/** @sq_dma: bus address of @sqes */
	dma_addr_t sq_dma;
	/** @cq_dma: bus address of @cqes */
	dma_addr_t cq_dma;
	/** @tag_links: link array of @tags */
	u16 *tag_links;
	/** @qid: queue identifier, 0 for the admin queue */
	u16 qid;
	/** @spun: jiffies when spinning for a tag last failed */
	u32 spun;
	/** @vector: interrupt vector; -1: polled */
	s16 vector;
	/** @irq_shared: other queues use the same vector */
	bool irq_shared;
	/** @irq_line: INTx, which other devices may share */
	bool irq_line;
	/** @irq_on: the interrupt has been requested */
	bool irq_on;
	/** @irq_head: @cq_head at the last INTx */
	u16 irq_head;
	/** @timeout: command timeout in jiffies */
	u32 timeout;
	/** @strays: number of CQEs without a command, modulo @depth */
	u16 strays;
	/** @watched: @cq_head when the watchdog last looked */
	u16 watched;
	/** @irq_name: in /proc/interrupts */
	char irq_name[24];
	/** @watch: for tracepoints and histograms */
	struct nvdio_watch watch;
};

struct nvdio_queue *nvdio_queue_alloc(struct nvdio_ctrl *ctrl, u16 qid,
				      u16 depth, int node);
void nvdio_queue_free_dma(struct nvdio_queue *q);
void nvdio_queue_free(struct nvdio_queue *q);
void nvdio_queue_reset(struct nvdio_queue *q);
int nvdio_queue_irq_on(struct nvdio_queue *q, irq_handler_t handler);
void nvdio_queue_irq_off(struct nvdio_queue *q);
void nvdio_queue_set_state(struct nvdio_queue *q, enum nvdio_queue_state state);
void nvdio_queue_ring(struct nvdio_queue *q);
void nvdio_queue_submit_stop(struct nvdio_queue *q);
void nvdio_queue_submit_plug(struct nvdio_queue *q, struct blk_plug *plug);
void nvdio_req_put(struct nvdio_queue *q, struct nvdio_request *req);
void nvdio_queue_stray(struct nvdio_queue *q, u16 cid);
bool nvdio_queue_has_tag(const struct nvdio_queue *q);
enum nvdio_timeout nvdio_queue_expired(struct nvdio_queue *q, u16 *cid);
bool nvdio_queue_mark_aborted(struct nvdio_queue *q, u16 cid);
void nvdio_queue_postpone(struct nvdio_queue *q, u32 by);
u32 nvdio_queue_in_flight(const struct nvdio_queue *q);
void nvdio_queue_hook(struct nvdio_queue *q);
void nvdio_queue_unhook(struct nvdio_queue *q);
u32 nvdio_queue_in_use(struct nvdio_queue *q);
u32 nvdio_queues_in_use_by(const struct nvdio_ctrl *ctrl,
			   const struct nvdio_ns *ns);
u64 nvdio_queues_doorbells(const struct nvdio_ctrl *ctrl);

/**
 * nvdio_req_reserved() - a reserved request of the admin queue
 * @q: admin queue
 * @which: which of them
 *
 * Context: any.
 * Return: the request.
 */
static inline struct nvdio_request *
nvdio_req_reserved(struct nvdio_queue *q, enum nvdio_reserved which)
{
	return &q->reqs[q->nr_reqs - 1 - which];
}

/**
 * nvdio_queue_submit_sqe() - submit a command
 * @q: queue
 * @req: complete except for @cid, @state and @deadline; must not be touched
 *	afterwards, since it may already have ended
 * @cmd: nvdio_queue_sqe(), complete except for the command identifier
 * @tail: index of @cmd: @q's @sq_tail
 * @write: @req has NVDIO_REQ_WRITE
 *
 * While the task has a plug (an io_uring or libaio batch), the doorbell is
 * written when the plug ends, when the task goes to sleep, or after
 * NVDIO_RING_AFTER commands, so that the controller is not left idle. A queue
 * can be on the callback list of one plug at a time; other tasks that share the
 * queue write the doorbell at once.
 *
 * Context: sq_lock held.
 */
static __always_inline void nvdio_queue_submit_sqe(struct nvdio_queue *q,
						   struct nvdio_request *req,
						   struct nvme_command *cmd,
						   u16 tail, const bool write)
{
	const u16 next = tail + 1;
	struct blk_plug *plug = current->plug;

	/* A new generation: a stray CQE from the previous use is detected. */
	req->cid += 1 << NVDIO_TAG_BITS;
	cmd->common.command_id = (__force u16)cpu_to_le16(req->cid);
	WRITE_ONCE(req->deadline, (u32)jiffies + q->timeout);
	if (static_branch_unlikely(&nvdio_watching) &&
	    !nvdio_watch_noted(&q->watch))
		nvdio_watch_queued(&q->watch, req, cmd);
	/* Publishes the request; pairs with nvdio_queue_expired(). */
	smp_store_release(&req->state, NVDIO_REQ_IN_FLIGHT);
	if (write)
		q->writes++;
	if (unlikely(next == q->sq_stop)) {
		nvdio_queue_submit_stop(q);
		return;
	}
	/* Read without the lock by nvdio_queue_in_flight(). */
	WRITE_ONCE(q->sq_tail, next);

	if (unlikely(q->plugged != plug))
		nvdio_queue_submit_plug(q, plug);
}

/**
 * nvdio_queue_submit() - submit the command in nvdio_queue_sqe()
 * @q: queue
 * @req: as for nvdio_queue_submit_sqe()
 *
 * Context: sq_lock held.
 */
static inline void nvdio_queue_submit(struct nvdio_queue *q,
				      struct nvdio_request *req)
{
	const u16 tail = q->sq_tail;

	nvdio_queue_submit_sqe(q, req, &q->sqes[tail], tail,
			       req->flags & NVDIO_REQ_WRITE);
}

/**
 * nvdio_queue_unlock() - release the sq_lock that nvdio_req_get() took
 * @q: queue
 *
 * Context: sq_lock held.
 */
static inline void nvdio_queue_unlock(struct nvdio_queue *q)
{
	/* For sparse; see nvdio_req_get(). */
	__acquire(&q->sq_lock);
	spin_unlock(&q->sq_lock);
}

#endif /* NVDIO_QUEUE_H */
