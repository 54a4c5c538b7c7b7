// SPDX-License-Identifier: GPL-2.0
/* The copy path's steps that submit commands, and the end of these. */
#include <linux/dma-mapping.h>

#include "pure/cmd.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "core/trace.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/bounce.h"
#include "io/copy_op.h"
#include "io/copy_send.h"
#include "io/retry.h"

/**
 * nvdio_copy_end() - nvdio_end_fn of the copy path's commands
 * @req: request
 * @status: as for nvdio_end_fn
 * @done: as for nvdio_end_fn
 *
 * Context: as nvdio_end_fn.
 * Return: as nvdio_end_fn.
 */
enum nvdio_end nvdio_copy_end(struct nvdio_request *req, u16 status,
			      struct nvdio_completion *done)
{
	struct nvdio_copy *op = req->owner;

	if (unlikely(status)) {
		if (nvdio_retry(req, status))
			return NVDIO_END_LATER;
		this_cpu_inc(op->ns->stats->errors);
		nvdio_copy_fail(op, nvdio_status_to_errno(status));
	}
	if (!atomic_dec_and_test(&op->pending))
		return NVDIO_END_NONE;
	if (op->step == NVDIO_COPY_DONE && op->last && !op->sync &&
	    !op->bvecs) {
		/* Nothing is left to do that needs a task. */
		nvdio_copy_finish(op, done);
		return NVDIO_END_KIOCB;
	}
	nvdio_copy_resume(op, 0);
	return NVDIO_END_NONE;
}

/* Build the SQE for whole blocks of a bounce buffer, @off bytes into it. */
static __always_inline void
send_cmd(const struct nvdio_copy *op, struct nvme_command *cmd,
	 const struct nvdio_bounce *bounce, u32 off, u64 slba, u32 bytes,
	 bool write)
{
	const struct nvdio_ns *ns = op->ns;

	nvdio_cmd_rw(cmd, write, ns->nsid, slba, 0,
		     nvdio_rw_cdw12(bytes >> ns->lba_shift,
				    write && op->fua ? NVME_RW_FUA : 0), 0);
	nvdio_cmd_dptr_prps(cmd, bounce->dma, bounce->prps_dma, off, bytes);
}

/**
 * nvdio_copy_refill() - build the SQE of one of the copy path's commands again
 * @req: request, as send_one() has left it
 * @cmd: SQE
 *
 * Context: the queue's sq_lock is held.
 */
void nvdio_copy_refill(const struct nvdio_request *req,
		       struct nvme_command *cmd)
{
	const struct nvdio_copy *op = req->owner;
	const struct nvdio_copy_chunk *c = op->chunks;

	/* The chunks follow each other; an edge is a part of one of them. */
	while (req->slba >= c->slba + nvdio_ns_lba(op->ns, c->bytes))
		c++;
	send_cmd(op, cmd, c->bounce,
		 (req->slba - c->slba) << op->ns->lba_shift, req->slba,
		 req->len, req->flags & NVDIO_REQ_WRITE);
}

/*
 * Submit one command for whole blocks of a bounce buffer, @off bytes into it.
 * Return: 0 or -errno.
 */
static int send_one(struct nvdio_copy *op, struct nvdio_bounce *bounce,
		    u32 off, u64 slba, u32 bytes, bool write, bool nowait)
{
	struct nvdio_ns *ns = op->ns;
	struct nvdio_request *req;
	struct nvdio_queue *q;

	dma_sync_single_for_device(ns->ctrl->dev.parent, bounce->dma + off,
				   bytes, write ? DMA_TO_DEVICE : DMA_FROM_DEVICE);
	q = nvdio_ns_queue(ns, false);
	/* No blocks to wait for: a write has a claim to them. */
	req = nvdio_req_get(q, ns, slba, 0, nowait);
	if (IS_ERR(req))
		return PTR_ERR(req);
	atomic_inc(&op->pending);
	nvdio_req_fill(req, op, nvdio_copy_end, ns, slba, bytes,
		       write ? NVDIO_REQ_WRITE : 0);
	send_cmd(op, nvdio_queue_sqe(q), bounce, off, slba, bytes, write);
	nvdio_queue_submit(q, req);
	nvdio_queue_unlock(q);
	return 0;
}

/*
 * The result of a step that submits commands, the next of which got @ret. One of
 * @op->pending is the submitter's, so that the step ends once.
 */
static int send_result(struct nvdio_copy *op, int ret,
		       enum nvdio_copy_step this_step)
{
	if (ret == -EAGAIN) {
		/* Not submitted: a worker, which may wait, goes on here. */
		op->step = this_step;
		if (!op->next)
			return ret;
		nvdio_copy_resume(op, 0);
		return NVDIO_COPY_WAIT;
	}
	if (ret)
		nvdio_copy_fail(op, ret);
	return atomic_dec_and_test(&op->pending) ? 0 : NVDIO_COPY_WAIT;
}

/**
 * nvdio_copy_edges() - read the blocks that the pass will write in part
 * @op: write with an exclusive claim
 * @nowait: do not wait for a tag
 *
 * Context: may sleep, unless @nowait.
 * Return: 0, NVDIO_COPY_WAIT, or -EAGAIN under @nowait.
 */
int nvdio_copy_edges(struct nvdio_copy *op, bool nowait)
{
	const struct nvdio_copy_chunk *first = &op->chunks[0];
	const struct nvdio_copy_chunk *last = &op->chunks[op->nr - 1];
	const u32 lba = op->ns->lba_mask + 1;
	int ret = 0;

	if (!op->next)
		atomic_set(&op->pending, 1);
	op->step = NVDIO_COPY_MERGE;
	if (!op->next && nvdio_copy_head(op, first)) {
		ret = send_one(op, first->bounce, 0, first->slba, lba, false,
			       nowait);
		if (!ret)
			op->next = 1;
	}
	if (!ret && nvdio_copy_tail(op, last))
		ret = send_one(op, last->bounce, last->bytes - lba,
			       last->slba + (last->bytes - lba) / lba, lba,
			       false, nowait);
	return send_result(op, ret, NVDIO_COPY_EDGES);
}

/**
 * nvdio_copy_send() - submit the commands of the pass
 * @op: operation; a write with its data in the buffers
 * @nowait: do not wait for a tag
 *
 * Context: may sleep, unless @nowait.
 * Return: 0, NVDIO_COPY_WAIT, or -EAGAIN under @nowait.
 */
int nvdio_copy_send(struct nvdio_copy *op, bool nowait)
{
	int ret = 0;

	if (!op->next)
		atomic_set(&op->pending, 1);
	op->step = op->write ? NVDIO_COPY_DONE : NVDIO_COPY_OUT;
	if (!op->next)
		trace_nvdio_copy_pass(op->ns->ctrl->instance, op->ns->nsid,
				      op->write, op->pos, op->left, op->nr);
	while (op->next < op->nr) {
		struct nvdio_copy_chunk *c = &op->chunks[op->next];

		ret = send_one(op, c->bounce, 0, c->slba, c->bytes, op->write,
			       nowait);
		if (ret)
			break;
		op->next++;
	}
	return send_result(op, ret, NVDIO_COPY_SEND);
}

/**
 * nvdio_copy_ends_later() - are commands of a failed operation in flight?
 * @op: operation
 *
 * The submitter has a part of @op->pending, which is given up here.
 *
 * Context: any.
 * Return: true if the last of them ends the operation; it may be gone.
 */
bool nvdio_copy_ends_later(struct nvdio_copy *op)
{
	if (!op->next || (op->step != NVDIO_COPY_EDGES &&
			  op->step != NVDIO_COPY_SEND))
		return false;
	op->next = 0;
	return !atomic_dec_and_test(&op->pending);
}
