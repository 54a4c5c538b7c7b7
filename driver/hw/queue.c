// SPDX-License-Identifier: GPL-2.0
/* Queue pairs: memory, doorbells, plugs and interrupts; see queue.h. */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "pure/ctrl_state.h"
#include "pure/tags.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"

/**
 * nvdio_queue_ring() - tell the controller of everything that was submitted
 * @q: queue, sq_lock held
 */
void nvdio_queue_ring(struct nvdio_queue *q)
{
	if (!q->sq_dbbuf_db ||
	    nvdio_dbbuf_update(q->sq_tail, q->sq_db_written,
			       q->sq_dbbuf_db, q->sq_dbbuf_ei))
		writel(q->sq_tail, q->sq_db);
	q->sq_db_written = q->sq_tail;
	q->sq_stop = min(q->sq_tail + NVDIO_RING_AFTER, q->depth);
}

/**
 * nvdio_queue_submit_stop() - the tail has come to sq_stop
 * @q: queue, sq_lock held, one more SQE filled
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

/**
 * nvdio_queue_has_tag() - is it worth asking for a tag?
 * @q: queue
 *
 * Context: any, without a lock.
 * Return: false if the queue is frozen or all its tags are in use.
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

/**
 * nvdio_queue_stray() - a CQE of no command
 * @q: queue, cq_lock held
 * @cid: its command identifier
 */
void nvdio_queue_stray(struct nvdio_queue *q, u16 cid)
{
	WRITE_ONCE(q->strays, (q->strays + 1) % q->depth);
	dev_warn_ratelimited(&q->ctrl->dev,
			     "completion of command %#x, which is not in flight on queue %u\n",
			     cid, q->qid);
}

/**
 * nvdio_queue_expired() - is a command in flight for longer than it may be?
 * @q: queue
 *
 * Context: any, without a lock.
 */
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

/**
 * nvdio_queue_in_use() - count requests that are not free
 * @q: queue
 *
 * Context: any but interrupts; takes sq_lock.
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
 * nvdio_queue_in_use_by() - count a namespace's requests that are not free
 * @q: queue
 * @ns: namespace
 *
 * Context: any, without a lock; a guess while there are any.
 */
u32 nvdio_queue_in_use_by(const struct nvdio_queue *q,
			  const struct nvdio_ns *ns)
{
	u32 nr = 0;
	unsigned int i;

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
 * @q: queue that no open file can reach any more
 */
void nvdio_queue_free(struct nvdio_queue *q)
{
	kvfree(q->tag_links);
	kvfree(q->reqs);
	kfree(q);
}

/**
 * nvdio_queue_irq_on() - request a queue's interrupt
 * @q: queue with @vector set; nothing is done for a polled one
 * @handler: gets @q; ends what the controller has completed
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
 * nvdio_queue_irq_off() - free a queue's interrupt
 * @q: queue; no handler runs any more on return
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
