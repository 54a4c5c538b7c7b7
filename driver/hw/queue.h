/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Submission and completion queue pairs (NVMe Base 2.0, 3.3).
 *
 * A command is sent in one hold of sq_lock:
 *
 *	req = nvdio_req_get(q, ns, ...);	on error, no lock is held
 *	... fill *req and *nvdio_queue_sqe(q) ...
 *	nvdio_queue_submit(q, req);
 *	nvdio_queue_unlock(q);
 *
 * Interrupts never take sq_lock. cq_lock serialises all who may end a request:
 * interrupt, poll, timeout and teardown; whoever finds it IN_FLIGHT under that
 * lock ends it (invariant 1).
 */
#ifndef NVDIO_QUEUE_H
#define NVDIO_QUEUE_H

#include <linux/blkdev.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/nvme.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/wait.h>

#include "pure/tags.h"
#include "core/request.h"

struct nvdio_ctrl;
struct nvdio_xfer_pool;
struct nvdio_ns;

/* Commands that may be in the SQ without the controller's knowing it. */
#define NVDIO_RING_AFTER	32

enum nvdio_queue_state {
	NVDIO_QUEUE_LIVE,
	NVDIO_QUEUE_FROZEN,	/* wait: the controller is being reset */
	NVDIO_QUEUE_DEAD,	/* nothing will ever be sent again */
};

/*
 * Requests of the admin queue that are in no pool, so that user space cannot
 * use them up. There is one of each, under the controller's lock.
 */
enum nvdio_reserved {
	NVDIO_RESERVED_ADMIN,	/* the driver's own commands (admin.c) */
	NVDIO_RESERVED_EVENT,	/* Asynchronous Event Request (events.c) */
	NVDIO_RESERVED_NR,
};

/**
 * struct nvdio_queue - an SQ, its CQ, and the requests that are in them
 *
 * The first part belongs to submitters, under @sq_lock; the second to whoever
 * completes, under @cq_lock; the third does not change while the queue is
 * live.
 */
struct nvdio_queue {
	spinlock_t sq_lock;		/* for submitters; never in interrupts */
	u8 state;			/* enum nvdio_queue_state */
	bool linear;			/* bus address = physical + @dma_offset */
	u16 sq_tail;			/* next slot to fill */
	u16 sq_db_written;			/* tail that the controller knows */
	u16 sq_stop;			/* tail at which to wrap, or to ring */
	u16 depth;			/* entries of SQ and CQ */
	struct nvme_command *sqes;
	struct nvdio_request *reqs;
	struct blk_plug *plugged;	/* whose plug holds @plug_cb */
	dma_addr_t dma_offset;
	u32 __iomem *sq_db;
	__le32 *sq_dbbuf_db;		/* shadow doorbell, or NULL */
	__le32 *sq_dbbuf_ei;		/* and the controller's EventIdx */
	u32 writes;			/* that were sent */
	u32 writes_over;		/* @writes when none was in flight */
	struct nvdio_tags tags;

	/* for those who complete; taken in interrupts */
	spinlock_t cq_lock ____cacheline_aligned_in_smp;
	u16 cq_head;
	u16 cq_phase;
	u16 cq_depth;
	u32 nr_reqs;			/* tags; one less than @depth */
	struct nvme_completion *cqes;
	struct nvdio_request *cq_reqs;	/* same as @reqs */
	u32 __iomem *cq_db;
	__le32 *cq_dbbuf_db;
	__le32 *cq_dbbuf_ei;
	const void *poller;		/* of nvdio_queue_poll_for() */
	void *ended;

	wait_queue_head_t wait ____cacheline_aligned_in_smp; /* for a tag */
	struct blk_plug_cb plug_cb;
	struct device *dev;		/* for DMA */
	struct nvdio_ctrl *ctrl;
	struct nvdio_xfer_pool *pool;
	dma_addr_t sq_dma;
	dma_addr_t cq_dma;
	u16 *tag_links;
	u16 qid;
	u32 spun;			/* jiffies of nvdio_queue_spin()'s failure */
	s16 vector;			/* MSI-X/MSI vector, -1: polled */
	bool irq_shared;		/* with another queue */
	bool irq_line;			/* INTx: perhaps with other devices */
	bool irq_on;
	u16 irq_head;			/* CQ head at the last INTx */
	u32 timeout;			/* jiffies */
	u16 strays;			/* CQEs of no command, modulo @depth */
	u16 watched;			/* @cq_head when the watchdog looked */
	char irq_name[24];
};

struct nvdio_queue *nvdio_queue_alloc(struct nvdio_ctrl *ctrl, u16 qid,
				      u16 depth, int node);
void nvdio_queue_free_dma(struct nvdio_queue *q);
void nvdio_queue_free(struct nvdio_queue *q);
void nvdio_queue_reset(struct nvdio_queue *q);
int nvdio_queue_irq_on(struct nvdio_queue *q);
void nvdio_queue_irq_off(struct nvdio_queue *q);
void nvdio_queue_set_state(struct nvdio_queue *q, enum nvdio_queue_state state);
void nvdio_queue_ring(struct nvdio_queue *q);
void nvdio_queue_submit_stop(struct nvdio_queue *q);
struct nvdio_request *nvdio_req_get(struct nvdio_queue *q, struct nvdio_ns *ns,
				    u64 slba, u64 nlb, bool nowait);
int nvdio_queue_poll_for(struct nvdio_queue *q, const void *poller,
			 void **ended);
void nvdio_req_put(struct nvdio_queue *q, struct nvdio_request *req);
unsigned int nvdio_queue_poll_all(struct nvdio_queue *q);
bool nvdio_queue_expired(struct nvdio_queue *q);
bool nvdio_queue_timed_out(struct nvdio_queue *q);
u32 nvdio_queue_in_flight(const struct nvdio_queue *q);
void nvdio_queue_unhook(struct nvdio_queue *q);
void nvdio_queue_cancel(struct nvdio_queue *q, u16 status);
u32 nvdio_queue_in_use(struct nvdio_queue *q, struct nvdio_ns *ns);
bool nvdio_queue_watch_writes(struct nvdio_queue *q, struct nvdio_ns *ns,
			      u64 slba, u64 nlb);

/**
 * nvdio_queue_poll() - end what the controller has completed
 * @q: queue
 *
 * Context: task.
 * Return: number of commands that ended.
 */
static inline int nvdio_queue_poll(struct nvdio_queue *q)
{
	void *ended;

	return nvdio_queue_poll_for(q, NULL, &ended);
}

/**
 * nvdio_req_pop() - take a free request
 * @q: queue, with sq_lock held and in the state LIVE
 *
 * Return: the request, or NULL if all are in use. Before sq_lock is given up
 * it is either sent or given back with nvdio_req_put().
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

/* The SQ entry that nvdio_queue_submit() will send; sq_lock held. */
static inline struct nvme_command *nvdio_queue_sqe(struct nvdio_queue *q)
{
	return &q->sqes[q->sq_tail];
}

/**
 * nvdio_queue_submit_sqe() - hand a filled slot to the controller
 * @q: queue, sq_lock held
 * @req: filled but for @cid, @state and @deadline; must not be touched by the
 *	caller afterwards, for it may have ended already
 * @cmd: nvdio_queue_sqe(), filled but for the command identifier
 * @write: @req has NVDIO_REQ_WRITE
 *
 * While the task has a plug (io_uring and libaio batches) the doorbell is left
 * to the plug's end, or to the task's going to sleep, or to NVDIO_RING_AFTER
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

/* The same for those who have not kept the slot. */
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
