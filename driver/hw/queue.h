/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Submission and Completion Queue pairs (NVMe Base 2.0, 3.3): rings, doorbells,
 * tags. A queue knows SQEs, CQEs and the state of requests; what a command is
 * for, and what its end means, is known in the rooms above.
 *
 * A command is submitted in one hold of sq_lock:
 *
 *	req = nvdio_req_get(q, ...);		io/admit.h; on error, nothing is held
 *	nvdio_req_fill(req, ...);
 *	... fill *nvdio_queue_sqe(q) ...
 *	nvdio_queue_submit(q, req);
 *	nvdio_queue_unlock(q);
 *
 * Interrupts never take sq_lock. cq_lock serialises everything that may end a
 * request: interrupt, poll, timeout and teardown; the one that finds it
 * IN_FLIGHT under that lock ends it (invariant 1).
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
#include "core/request.h"

struct nvdio_ctrl;
struct nvdio_ns;
struct nvdio_xfer_pool;

/* Commands that may be in the SQ before the controller is told of them. */
#define NVDIO_RING_AFTER	32

/**
 * enum nvdio_reserved - requests of the admin queue that are in no pool
 * @NVDIO_RESERVED_ADMIN: the driver's own commands (ctrl/admin.c)
 * @NVDIO_RESERVED_EVENT: Asynchronous Event Request (ctrl/events.c)
 * @NVDIO_RESERVED_NR: number of them
 *
 * User space cannot use them up. There is one of each, under the controller's
 * lock.
 */
enum nvdio_reserved {
	NVDIO_RESERVED_ADMIN,
	NVDIO_RESERVED_EVENT,
	NVDIO_RESERVED_NR,
};

/**
 * struct nvdio_queue - an SQ, its CQ, and the requests that are in them
 *
 * The first part belongs to submitters, under @sq_lock; the second to whatever
 * completes, under @cq_lock; the third does not change while the queue is
 * live.
 */
struct nvdio_queue {
	/** @sq_lock: for submitters; never taken in interrupts */
	spinlock_t sq_lock;
	/** @state: enum nvdio_queue_state */
	u8 state;
	/** @linear: bus address = physical address + @dma_offset */
	bool linear;
	/** @sq_tail: next SQE to fill */
	u16 sq_tail;
	/** @sq_db_written: tail that the controller was told */
	u16 sq_db_written;
	/** @sq_stop: tail at which to wrap, or to ring */
	u16 sq_stop;
	/** @depth: entries of SQ and CQ */
	u16 depth;
	/** @sqes: SQ memory */
	struct nvme_command *sqes;
	/** @reqs: requests, by tag */
	struct nvdio_request *reqs;
	/** @plugged: plug that holds @plug_cb, or NULL */
	struct blk_plug *plugged;
	/** @dma_offset: see @linear */
	dma_addr_t dma_offset;
	/** @sq_db: SQ Tail Doorbell */
	u32 __iomem *sq_db;
	/** @sq_dbbuf_db: shadow doorbell, or NULL */
	__le32 *sq_dbbuf_db;
	/** @sq_dbbuf_ei: the controller's EventIdx for it */
	__le32 *sq_dbbuf_ei;
	/** @writes: writes that were submitted */
	u32 writes;
	/** @writes_over: value of @writes when none was in flight */
	u32 writes_over;
	/** @tags: which requests are free */
	struct nvdio_tags tags;

	/** @cq_lock: for completion; taken in interrupts */
	spinlock_t cq_lock ____cacheline_aligned_in_smp;
	/** @cq_head: next CQE to look at */
	u16 cq_head;
	/** @cq_phase: Phase Tag of new CQEs */
	u16 cq_phase;
	/** @cq_depth: same as @depth */
	u16 cq_depth;
	/** @nr_reqs: tags; one less than @depth */
	u32 nr_reqs;
	/** @cqes: CQ memory, NULL after unbind */
	struct nvme_completion *cqes;
	/** @cq_reqs: same as @reqs */
	struct nvdio_request *cq_reqs;
	/** @cq_db: CQ Head Doorbell */
	u32 __iomem *cq_db;
	/** @cq_dbbuf_db: shadow doorbell, or NULL */
	__le32 *cq_dbbuf_db;
	/** @cq_dbbuf_ei: the controller's EventIdx for it */
	__le32 *cq_dbbuf_ei;
	/** @poller: who polls, for nvdio_end_fn (nvdio_queue_poll_for()) */
	const void *poller;
	/** @ended: what nvdio_end_fn leave for @poller */
	void *ended;

	/** @wait: submitters that wait for a tag */
	wait_queue_head_t wait ____cacheline_aligned_in_smp;
	/** @plug_cb: rings when the plug ends */
	struct blk_plug_cb plug_cb;
	/** @dev: for DMA */
	struct device *dev;
	/** @ctrl: controller */
	struct nvdio_ctrl *ctrl;
	/** @pool: preallocated transfers (io/xfer_pool.c), NULL: none */
	struct nvdio_xfer_pool *pool;
	/** @sq_dma: bus address of @sqes */
	dma_addr_t sq_dma;
	/** @cq_dma: bus address of @cqes */
	dma_addr_t cq_dma;
	/** @tag_links: memory of @tags */
	u16 *tag_links;
	/** @qid: queue identifier, 0 for the admin queue */
	u16 qid;
	/** @spun: jiffies at which spinning for a tag did not help */
	u32 spun;
	/** @vector: MSI-X or MSI vector, -1: polled */
	s16 vector;
	/** @irq_shared: the vector is another queue's, too */
	bool irq_shared;
	/** @irq_line: INTx, perhaps other devices', too */
	bool irq_line;
	/** @irq_on: the interrupt was requested */
	bool irq_on;
	/** @irq_head: @cq_head at the last INTx */
	u16 irq_head;
	/** @timeout: jiffies that a command may take */
	u32 timeout;
	/** @strays: CQEs of no command, modulo @depth */
	u16 strays;
	/** @watched: @cq_head when the watchdog looked last */
	u16 watched;
	/** @irq_name: in /proc/interrupts */
	char irq_name[24];
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
void nvdio_req_put(struct nvdio_queue *q, struct nvdio_request *req);
void nvdio_queue_stray(struct nvdio_queue *q, u16 cid);
bool nvdio_queue_has_tag(const struct nvdio_queue *q);
bool nvdio_queue_expired(struct nvdio_queue *q);
u32 nvdio_queue_in_flight(const struct nvdio_queue *q);
void nvdio_queue_unhook(struct nvdio_queue *q);
u32 nvdio_queue_in_use(struct nvdio_queue *q);
u32 nvdio_queue_in_use_by(const struct nvdio_queue *q,
			  const struct nvdio_ns *ns);

/**
 * nvdio_dbbuf_update() - write a shadow doorbell (NVMe Base 2.0, B.5)
 * @value: new tail or head
 * @old: the one before
 * @db: shadow doorbell
 * @ei: EventIdx
 *
 * Return: true if the register must be written, too, since the controller may
 * have stopped looking at memory.
 */
static inline bool nvdio_dbbuf_update(u16 value, u16 old, __le32 *db,
				      __le32 *ei)
{
	u16 event_idx;

	/* Queue entries before the doorbell. */
	wmb();
	WRITE_ONCE(*db, cpu_to_le32(value));
	/* The doorbell before the look at EventIdx. */
	mb();
	event_idx = le32_to_cpu(READ_ONCE(*ei));
	return (u16)(value - event_idx - 1) < (u16)(value - old);
}

/**
 * nvdio_queue_put_tags() - give back tags and wake as many of the waiters
 * @q: queue
 * @chain: tags of ended commands
 * @nr: number of them, at least 1
 *
 * Context: any.
 */
static inline void nvdio_queue_put_tags(struct nvdio_queue *q,
					const struct nvdio_tag_chain *chain,
					int nr)
{
	nvdio_tags_put_chain(&q->tags, chain, nr);
	/* nvdio_tags_put_chain() is the barrier that this needs. */
	if (unlikely(waitqueue_active(&q->wait)))
		wake_up_nr(&q->wait, nr);
}

/**
 * nvdio_req_pop() - take a free request
 * @q: queue, with sq_lock held and in the state LIVE
 *
 * Return: the request, or NULL if all are in use. Before sq_lock is given up
 * it is either submitted or given back with nvdio_req_put().
 */
static inline struct nvdio_request *nvdio_req_pop(struct nvdio_queue *q)
{
	u32 tag = nvdio_tags_get(&q->tags);

	if (unlikely(tag == NVDIO_TAG_NONE))
		return NULL;
	return &q->reqs[tag];
}

/* A request of the admin queue that is not taken from the pool. */
static inline struct nvdio_request *
nvdio_req_reserved(struct nvdio_queue *q, enum nvdio_reserved which)
{
	return &q->reqs[q->nr_reqs - 1 - which];
}

/* The SQE that the next nvdio_queue_submit() hands over; sq_lock held. */
static inline struct nvme_command *nvdio_queue_sqe(struct nvdio_queue *q)
{
	return &q->sqes[q->sq_tail];
}

/**
 * nvdio_queue_submit_sqe() - hand a filled SQE to the controller
 * @q: queue, sq_lock held
 * @req: filled but for @cid, @state and @deadline; must not be touched by the
 *	caller afterwards, for it may have ended already
 * @cmd: nvdio_queue_sqe(), filled but for the command identifier
 * @write: @req has NVDIO_REQ_WRITE
 *
 * While the task has a plug (io_uring and libaio batches) the doorbell is left
 * to the end of the plug, or to the task going to sleep, or to NVDIO_RING_AFTER
 * commands, so that the controller is not idle meanwhile. One task's plug at a
 * time can hold a queue; others that share the queue ring at once.
 */
static __always_inline void nvdio_queue_submit_sqe(struct nvdio_queue *q,
						   struct nvdio_request *req,
						   struct nvme_command *cmd,
						   const bool write)
{
	struct blk_plug *plug = current->plug;
	u16 tail = q->sq_tail + 1;

	/* A new generation, so that a stray CQE of the last use is noticed. */
	req->cid += 1 << NVDIO_TAG_BITS;
	cmd->common.command_id = (__force u16)cpu_to_le16(req->cid);
	req->deadline = (u32)jiffies + q->timeout;
	/* Whoever sees the state sees the rest of the request. */
	smp_store_release(&req->state, NVDIO_REQ_IN_FLIGHT);
	if (write)
		q->writes++;
	if (unlikely(tail == q->sq_stop)) {
		nvdio_queue_submit_stop(q);
		return;
	}
	q->sq_tail = tail;

	if (plug) {
		if (likely(q->plugged == plug))
			return;
		if (!q->plugged) {
			q->plugged = plug;
			list_add(&q->plug_cb.list, &plug->cb_list);
			return;
		}
	}
	nvdio_queue_ring(q);
}

/* The same for callers that have not kept the SQE. */
static inline void nvdio_queue_submit(struct nvdio_queue *q,
				      struct nvdio_request *req)
{
	nvdio_queue_submit_sqe(q, req, nvdio_queue_sqe(q),
			       req->flags & NVDIO_REQ_WRITE);
}

/* Give up the sq_lock that nvdio_req_get() returned with. */
static inline void nvdio_queue_unlock(struct nvdio_queue *q)
{
	/* To sparse: see nvdio_req_get(). */
	__acquire(&q->sq_lock);
	spin_unlock(&q->sq_lock);
}

#endif /* NVDIO_QUEUE_H */
