// SPDX-License-Identifier: GPL-2.0
/*
 * Queue pairs: memory, doorbells, plugging, state and interrupts; see queue.h.
 *
 * Step 7 of a read (docs/driver.md, "One read"): the plug ends, and one doorbell
 * submits all its commands. They end in complete.c.
 */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "pure/ctrl_state.h"
#include "pure/tag_chain.h"
#include "pure/tags.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/dbbuf.h"
#include "hw/queue.h"

/**
 * nvdio_queue_ring() - write the SQ tail doorbell
 * @q: queue
 *
 * Context: sq_lock held.
 */
void nvdio_queue_ring(struct nvdio_queue *q)
{
	if (static_branch_unlikely(&nvdio_watching))
		nvdio_watch_rung(&q->watch, q->sq_db_written, q->sq_tail);
	if (!q->sq_dbbuf_db ||
	    nvdio_dbbuf_update(q->sq_tail, q->sq_db_written,
			       q->sq_dbbuf_db, q->sq_dbbuf_ei)) {
		writel(q->sq_tail, q->sq_db);
		q->doorbells++;
	}
	q->sq_db_written = q->sq_tail;
	q->sq_stop = min(q->sq_tail + NVDIO_RING_AFTER, q->depth);
}

/**
 * nvdio_queue_submit_stop() - submit the SQE at sq_stop
 * @q: queue, with one more SQE filled in
 *
 * The slow path of nvdio_queue_submit_sqe(): the tail wraps, or so many
 * commands have been submitted that the doorbell is written even within a plug.
 *
 * Context: sq_lock held.
 */
void nvdio_queue_submit_stop(struct nvdio_queue *q)
{
	u32 tail = q->sq_tail + 1;

	WRITE_ONCE(q->sq_tail, tail == q->depth ? 0 : tail);
	nvdio_queue_ring(q);
}

/**
 * nvdio_queue_submit_plug() - the doorbell for a task whose plug has not @q
 * @q: queue, with one more command submitted
 * @plug: the current task's plug, or NULL
 *
 * The slow path of nvdio_queue_submit_sqe(): the plug gets the queue, or there is
 * none, or another one has it.
 *
 * Context: sq_lock held.
 */
void nvdio_queue_submit_plug(struct nvdio_queue *q, struct blk_plug *plug)
{
	if (!plug || q->plugged != NVDIO_NO_PLUG) {
		nvdio_queue_ring(q);
		return;
	}
	WRITE_ONCE(q->plugged, plug);
	list_add(&q->plug_cb.list, &plug->cb_list);
}

/* The plug ends, or its task is about to sleep. */
static void queue_unplug(struct blk_plug_cb *cb, bool from_schedule)
{
	struct nvdio_queue *q = container_of(cb, struct nvdio_queue, plug_cb);

	spin_lock(&q->sq_lock);
	if (q->sq_tail != q->sq_db_written)
		nvdio_queue_ring(q);
	WRITE_ONCE(q->plugged, NVDIO_NO_PLUG);
	spin_unlock(&q->sq_lock);
}

/**
 * nvdio_queue_has_tag() - is trying to get a tag worthwhile?
 * @q: queue
 *
 * Context: any, without a lock; a hint.
 * Return: false if the queue is frozen or all its tags are in use; true for a
 * dead queue, so that waiters find out.
 */
bool nvdio_queue_has_tag(const struct nvdio_queue *q)
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

/**
 * nvdio_req_put() - return the tag of a request
 * @q: queue
 * @req: request, owned by the caller and not in flight
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
	nvdio_tags_put_chain(&q->tags, &chain, 1);
	/* nvdio_tags_put_chain() is the full barrier that this requires. */
	if (unlikely(waitqueue_active(&q->wait)))
		wake_up(&q->wait);
}

/**
 * nvdio_queue_stray() - count and log a CQE without a command
 * @q: queue
 * @cid: command identifier in the CQE
 *
 * Context: cq_lock held.
 */
void nvdio_queue_stray(struct nvdio_queue *q, u16 cid)
{
	WRITE_ONCE(q->strays, (q->strays + 1) % q->depth);
	dev_warn_ratelimited(&q->ctrl->dev,
			     "queue %u: completion of command id %#x, which is not in flight\n",
			     q->qid, cid);
}

/**
 * nvdio_queue_expired() - has a command exceeded its timeout?
 * @q: queue
 * @cid: set to the identifier of such a command; may be NULL
 *
 * Context: any, without a lock.
 * Return: see enum nvdio_timeout.
 */
enum nvdio_timeout nvdio_queue_expired(struct nvdio_queue *q, u16 *cid)
{
	enum nvdio_timeout ret = NVDIO_TIMEOUT_NONE;
	u32 now = jiffies;
	unsigned int i;

	for (i = 0; i < READ_ONCE(q->tags.fresh); i++) {
		struct nvdio_request *req = &q->reqs[i];
		u16 flags;

		/*
		 * Pairs with nvdio_queue_submit_sqe(), which sets @deadline
		 * first.
		 */
		if (smp_load_acquire(&req->state) != NVDIO_REQ_IN_FLIGHT)
			continue;
		flags = READ_ONCE(req->flags);
		if ((s32)(now - READ_ONCE(req->deadline)) <= 0)
			continue;
		if (cid)
			*cid = READ_ONCE(req->cid);
		if (flags & NVDIO_REQ_ABORTED)
			return NVDIO_TIMEOUT_AGAIN;
		ret = NVDIO_TIMEOUT_FIRST;
	}
	return ret;
}

/**
 * nvdio_queue_mark_aborted() - give a command that is aborted more time
 * @q: queue
 * @cid: identifier of the command, from nvdio_queue_expired()
 *
 * Context: task; takes cq_lock.
 * Return: false if it has ended meanwhile.
 */
bool nvdio_queue_mark_aborted(struct nvdio_queue *q, u16 cid)
{
	struct nvdio_request *req = &q->reqs[cid & NVDIO_TAG_MASK];
	bool ret;

	spin_lock_irq(&q->cq_lock);
	ret = req->state == NVDIO_REQ_IN_FLIGHT && req->cid == cid;
	if (ret) {
		req->flags |= NVDIO_REQ_ABORTED;
		WRITE_ONCE(req->deadline, (u32)jiffies + q->timeout);
	}
	spin_unlock_irq(&q->cq_lock);
	return ret;
}

/**
 * nvdio_queue_postpone() - give commands in flight more time
 * @q: queue
 * @by: jiffies in which the controller has processed none
 *
 * Context: task; takes cq_lock.
 */
void nvdio_queue_postpone(struct nvdio_queue *q, u32 by)
{
	unsigned int i;
	u32 was;

	spin_lock_irq(&q->cq_lock);
	for (i = 0; i < q->nr_reqs; i++) {
		struct nvdio_request *req = &q->reqs[i];

		/*
		 * Pairs with nvdio_queue_submit_sqe(). It cannot end, nor be
		 * reused, without the lock; a deadline that is set right now
		 * (nvdio_passthru_extend()) is left alone.
		 */
		if (smp_load_acquire(&req->state) != NVDIO_REQ_IN_FLIGHT)
			continue;
		was = READ_ONCE(req->deadline);
		cmpxchg(&req->deadline, was, was + by);
	}
	spin_unlock_irq(&q->cq_lock);
}

/**
 * nvdio_queue_in_flight() - number of commands that have no CQE yet
 * @q: queue
 *
 * Each command uses one SQ entry and each CQE one CQ entry, and both queues
 * have the same depth, so the indices suffice and the fast path maintains no
 * counter.
 *
 * Context: any, without a lock.
 * Return: the number; approximate while commands are submitted or completed.
 */
u32 nvdio_queue_in_flight(const struct nvdio_queue *q)
{
	return (READ_ONCE(q->sq_tail) + q->depth - READ_ONCE(q->cq_head) +
		READ_ONCE(q->strays)) % q->depth;
}

/**
 * nvdio_queue_hook() - let commands be sent again
 * @q: queue of a controller that is ready, whatever new submitters have to wait
 *	for
 *
 * Context: task; takes sq_lock.
 */
void nvdio_queue_hook(struct nvdio_queue *q)
{
	spin_lock(&q->sq_lock);
	WRITE_ONCE(q->resend, true);
	spin_unlock(&q->sq_lock);
}

/**
 * nvdio_queue_unhook() - stop writing doorbells, and sending commands again
 * @q: queue that admits no submitters
 *
 * Called before the controller is disabled. A plug that ends later finds
 * nothing to ring for; the commands it held are cancelled with the others.
 *
 * Context: task.
 */
void nvdio_queue_unhook(struct nvdio_queue *q)
{
	spin_lock(&q->sq_lock);
	WRITE_ONCE(q->resend, false);
	q->sq_db_written = q->sq_tail;
	q->sq_dbbuf_db = NULL;
	spin_lock_irq(&q->cq_lock);
	q->cq_dbbuf_db = NULL;
	spin_unlock_irq(&q->cq_lock);
	spin_unlock(&q->sq_lock);
}

/**
 * nvdio_queue_in_use() - number of tags in use
 * @q: queue
 *
 * Context: task; takes sq_lock.
 * Return: the number.
 */
u32 nvdio_queue_in_use(struct nvdio_queue *q)
{
	u32 nr;

	spin_lock(&q->sq_lock);
	nr = nvdio_tags_in_use(&q->tags);
	spin_unlock(&q->sq_lock);
	return nr;
}

/**
 * nvdio_queues_in_use_by() - number of requests in use by a namespace
 * @ctrl: its controller; all I/O queues are counted
 * @ns: namespace
 *
 * Context: any, without a lock.
 * Return: the number; approximate unless it is 0 and nothing is submitted.
 */
u32 nvdio_queues_in_use_by(const struct nvdio_ctrl *ctrl,
			   const struct nvdio_ns *ns)
{
	unsigned int i, tag;
	u32 nr = 0;

	for (i = 0; i < ctrl->nr_io; i++) {
		const struct nvdio_queue *q = ctrl->io[i];

		for (tag = 0; tag < READ_ONCE(q->tags.fresh); tag++)
			nr += READ_ONCE(q->reqs[tag].state) != NVDIO_REQ_IDLE &&
			      READ_ONCE(q->reqs[tag].ns) == ns;
	}
	return nr;
}

/**
 * nvdio_queues_doorbells() - how often SQ doorbells were written
 * @ctrl: its I/O queues are counted
 *
 * Context: any, without a lock.
 * Return: the number since bind; modulo 2^32 for each queue.
 */
u64 nvdio_queues_doorbells(const struct nvdio_ctrl *ctrl)
{
	unsigned int i;
	u64 nr = 0;

	for (i = 0; i < ctrl->nr_io; i++)
		nr += READ_ONCE(ctrl->io[i]->doorbells);
	return nr;
}

/**
 * nvdio_queue_set_state() - set how a queue treats submitters
 * @q: queue
 * @state: new state
 *
 * On return, no submitter that saw the old state is still submitting.
 *
 * Context: task; takes sq_lock.
 */
void nvdio_queue_set_state(struct nvdio_queue *q, enum nvdio_queue_state state)
{
	spin_lock(&q->sq_lock);
	WRITE_ONCE(q->state, state);
	spin_unlock(&q->sq_lock);
	wake_up_all(&q->wait);
}

/**
 * nvdio_queue_reset() - empty a queue before it is created in the controller
 * @q: queue with nothing in flight, unknown to the controller
 *
 * Context: task; takes sq_lock and cq_lock.
 */
void nvdio_queue_reset(struct nvdio_queue *q)
{
	spin_lock(&q->sq_lock);
	WRITE_ONCE(q->sq_tail, 0);
	q->sq_db_written = 0;
	/* Of commands whose doorbell was never written. */
	q->watch.first = 0;
	q->watch.noted = 0;
	q->sq_stop = min(NVDIO_RING_AFTER, q->depth);
	q->sq_dbbuf_db = NULL;
	spin_lock_irq(&q->cq_lock);
	q->cq_dbbuf_db = NULL;
	WRITE_ONCE(q->strays, 0);
	WRITE_ONCE(q->cq_head, 0);
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
 * Return: the queue, in state NVDIO_QUEUE_FROZEN, or NULL.
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
	q->plugged = NVDIO_NO_PLUG;
	q->plug_cb.callback = queue_unplug;
	q->ctrl = ctrl;
	q->dev = ctrl->dev.parent;
	q->linear = ctrl->linear;
	q->dma_offset = ctrl->dma_offset;
	q->qid = qid;
	q->vector = -1;
	q->depth = depth;
	q->cq_depth = depth;
	/* A full SQ has one unused entry (NVMe Base 2.0, 3.3.1.5). */
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
	q->watch.ctrl = ctrl;
	q->watch.reqs = q->reqs;
	q->watch.sqes = q->sqes;
	q->watch.depth = depth;
	q->watch.mask = roundup_pow_of_two(depth) - 1;
	for (i = 0; i < q->nr_reqs; i++) {
		q->reqs[i].cid = i;
		q->reqs[i].qid = qid;
	}
	nvdio_tags_init(&q->tags, q->tag_links,
			q->nr_reqs - (qid ? 0 : NVDIO_RESERVED_NR));
	nvdio_queue_reset(q);
	return q;

free:
	nvdio_queue_free_dma(q);
	nvdio_queue_free(q);
	return NULL;
}

/**
 * nvdio_queue_free_dma() - free the DMA memory of a queue at unbind
 * @q: dead queue with nothing in flight and without interrupt
 *
 * Waits for a plug that holds the queue, since its callback may write a
 * doorbell.
 *
 * Context: may sleep.
 */
void nvdio_queue_free_dma(struct nvdio_queue *q)
{
	struct nvme_completion *cqes;

	while (READ_ONCE(q->plugged) != NVDIO_NO_PLUG)
		schedule_timeout_uninterruptible(1);
	/* The unlock is the last access of the callback. */
	spin_lock(&q->sq_lock);
	q->sq_dbbuf_db = NULL;
	q->cq_dbbuf_db = NULL;
	spin_unlock(&q->sq_lock);

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

/**
 * nvdio_queue_free() - free the rest of a queue
 * @q: queue that no open file can reach
 *
 * Context: may sleep.
 */
void nvdio_queue_free(struct nvdio_queue *q)
{
	nvdio_watch_free(&q->watch);
	kvfree(q->tag_links);
	kvfree(q->reqs);
	kfree(q);
}

/**
 * nvdio_queue_irq_on() - request the interrupt of a queue
 * @q: queue with @vector set; nothing is done for a polled queue
 * @handler: called with @q; reaps the CQ
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_queue_irq_on(struct nvdio_queue *q, irq_handler_t handler)
{
	struct pci_dev *pdev = q->ctrl->pdev;
	int ret;

	if (q->vector < 0)
		return 0;
	snprintf(q->irq_name, sizeof(q->irq_name), "nvdio%dq%u",
		 q->ctrl->instance, q->qid);
	q->irq_line = !pdev->msix_enabled && !pdev->msi_enabled;
	ret = request_irq(pci_irq_vector(pdev, q->vector), handler,
			  q->irq_shared ? IRQF_SHARED : 0, q->irq_name, q);
	if (!ret)
		q->irq_on = true;
	return ret;
}

/**
 * nvdio_queue_irq_off() - free the interrupt of a queue
 * @q: queue; on return its handler is not running
 *
 * Context: may sleep.
 */
void nvdio_queue_irq_off(struct nvdio_queue *q)
{
	if (!q->irq_on)
		return;
	free_irq(pci_irq_vector(q->ctrl->pdev, q->vector), q);
	q->irq_on = false;
}
