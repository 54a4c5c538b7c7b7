// SPDX-License-Identifier: GPL-2.0
/* What descriptors have to wait for; see batch.h. batch_hold.c sends what need not. */
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/batch.h"
#include "io/batch_fill.h"
#include "io/batch_hold.h"
#include "io/complete.h"

/*
 * Send descriptor @i, waiting for what it needs.
 * Return: 0, whether it was sent or has failed; or, if nothing of the batch was sent,
 * -EAGAIN under @nowait, or -ENODEV.
 */
static int batch_wait(struct nvdio_batch_run *run, u32 i, bool nowait)
{
	const struct nvdio_io *io = &run->io[i];
	const u64 nlb = nvdio_ns_lba(run->ns, io->len);
	struct nvdio_queue *q = run->q;
	struct nvdio_request *req;
	int ret;

	if (!nvdio_batch_is_valid(run, i))
		return 0;
	req = nvdio_req_get(q, run->ns, nvdio_batch_slba(run, io),
			    io->op == NVDIO_IO_WRITE ? nlb : 0, nowait);
	if (IS_ERR(req)) {
		ret = PTR_ERR(req);
		/* Those that needed no command may be repeated. */
		if (!run->sent)
			return ret;
		nvdio_batch_fail(run, i, ret);
		return 0;
	}
	/* It may have become read-only, or smaller, meanwhile. */
	if (!nvdio_batch_is_valid(run, i)) {
		nvdio_req_abandon(q, req);
		return 0;
	}
	ret = nvdio_batch_fill(run, i, req, nvdio_queue_sqe(q));
	if (ret) {
		nvdio_batch_fail(run, i, ret);
		nvdio_req_abandon(q, req);
		return 0;
	}
	run->sent++;
	nvdio_queue_submit(q, req);
	if (q->sq_tail != q->sq_db_written)
		nvdio_queue_ring(q);
	nvdio_queue_unlock(q);
	return 0;
}

/*
 * There were not enough tags for a batch that must not wait, or the queue is not
 * live.
 */
static int batch_no_room(struct nvdio_batch_run *run)
{
	struct nvdio_queue *q = run->q;

	if (nvdio_ns_gone(run->ns))
		return -ENODEV;
	spin_lock(&q->sq_lock);
	/* Commands may be waiting for the doorbell. */
	if (q->state == NVDIO_QUEUE_LIVE && q->sq_tail != q->sq_db_written)
		nvdio_queue_ring(q);
	spin_unlock(&q->sq_lock);
	return nvdio_queue_reap_some(q) ? 0 : -EAGAIN;
}

/**
 * nvdio_batch_send_rest() - the slow path of nvdio_batch_send()
 * @run: batch
 * @i: the first of the chunk that was not sent
 * @nowait: as for nvdio_batch_send()
 *
 * Context: as nvdio_batch_send().
 * Return: likewise.
 */
int nvdio_batch_send_rest(struct nvdio_batch_run *run, u32 i, bool nowait)
{
	int ret;

	if (run->want) {
		ret = batch_no_room(run);
		if (ret)
			return ret;
		i = nvdio_batch_hold(run, 0);
		if (run->want)
			return nvdio_ns_gone(run->ns) ? -ENODEV : -EAGAIN;
	}
	while (i < run->nr) {
		ret = batch_wait(run, i, nowait && !run->sent);
		if (ret)
			return ret;
		i = nvdio_batch_hold(run, i + 1);
	}
	return 0;
}

/**
 * nvdio_batch_send_ring_rest() - the slow path of nvdio_batch_send_ring()
 * @run: I/Os of a ring
 * @i: the first of the chunk that was not sent
 *
 * Context: as nvdio_batch_send_ring().
 * Return: likewise.
 */
int nvdio_batch_send_ring_rest(struct nvdio_batch_run *run, u32 i)
{
	int ret;

	while (i < run->nr) {
		ret = batch_wait(run, i, false);
		if (ret)
			return ret;
		i = nvdio_batch_hold_ring(run, i + 1);
	}
	return 0;
}

/**
 * nvdio_batch_sent_rest() - the slow path of nvdio_batch_sent()
 * @run: batch, not all of which was sent
 *
 * Context: task.
 * Return: as nvdio_batch_sent().
 */
bool nvdio_batch_sent_rest(struct nvdio_batch_run *run)
{
	struct nvdio_batch_op *op = run->op;
	struct nvdio_queue *q = run->q;
	bool ended;

	spin_lock_irq(&q->cq_lock);
	op->bad += run->bad;
	op->left -= run->bad + run->done;
	ended = !op->left;
	spin_unlock_irq(&q->cq_lock);
	return ended;
}
