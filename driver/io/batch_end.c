// SPDX-License-Identifier: GPL-2.0
/*
 * The I/Os of batches that have failed, and those whose memory had to be unmapped.
 * Others are counted by io/complete.c, and nothing else is done for them.
 *
 * The status of a failed command has to be kept until the caller of the batch can
 * write its results, in its own context, at a time that the caller chooses. A
 * request that kept it would be missing to others for as long: for ever, if the caller
 * itself waits for a tag. So it is kept in memory that is allocated then, by the first
 * that fails. If there is none, all I/Os of the batch count as failed.
 */
#include <linux/slab.h>

#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/batch_end.h"
#include "io/dma.h"
#include "io/retry.h"

/* Is there memory for the statuses of @op? It is allocated if need be. */
static bool batch_failures(struct nvdio_batch_op *op)
{
	struct nvdio_batch_failures *failures;

	if (op->failed)
		return true;
	failures = kzalloc(sizeof(*failures), GFP_ATOMIC | __GFP_NOWARN);
	if (!failures)
		return false;
	failures->results = op->results;
	op->failures = failures;
	op->failed = true;
	return true;
}

/**
 * nvdio_batch_end() - end an I/O of a batch
 * @req: request, with NVDIO_REQ_COUNTED; unmapped, unless it has failed
 * @status: as for nvdio_end_fn
 *
 * Context: as nvdio_end_fn.
 * Return: NVDIO_END_NONE; or NVDIO_END_LATER: the request will be sent again.
 */
enum nvdio_end nvdio_batch_end(struct nvdio_request *req, u16 status)
{
	struct nvdio_batch_op *op = req->owner;
	struct nvdio_ns *ns = req->ns;
	struct nvdio_queue *q = ns->ctrl->io[req->qid - 1];

	if (status) {
		if (nvdio_retry(req, status))
			return NVDIO_END_LATER;
		if (req->flags & NVDIO_REQ_UNMAP)
			nvdio_dma_unmap_one(q, req);
		this_cpu_inc(ns->stats->errors);
		nvdio_stats_bytes(ns->stats, req->flags & NVDIO_REQ_WRITE,
				  -(s64)req->len);
		op->bad++;
		if (likely(batch_failures(op)))
			op->failures->status[req->nr_pages] = status;
		else
			op->lost = true;
	}
	if (!--op->left)
		op->end(op);
	return NVDIO_END_NONE;
}

/**
 * nvdio_batch_failed() - what has failed of a batch that has ended
 * @op: batch
 * @fn: called with what was @results, the place of the I/O in the batch, and the
 *	controller's status or NVDIO_SC_*, for each command that has failed; with
 *	NVDIO_SC_RESET for each I/O if it is not known which have
 *
 * Frees what is kept for it. @bad of @op is how many have failed.
 *
 * Context: that of @fn.
 */
void nvdio_batch_failed(struct nvdio_batch_op *op,
			void (*fn)(u64 results, unsigned int place, u16 status))
{
	struct nvdio_batch_failures *failures = op->failed ? op->failures : NULL;
	const u64 results = failures ? failures->results : op->results;
	unsigned int i;

	if (op->lost)
		op->bad = op->last + 1;
	for (i = 0; i <= op->last; i++) {
		u16 status = failures ? failures->status[i] : 0;

		if (!status && op->lost)
			status = NVDIO_SC_RESET;
		if (status)
			fn(results, i, status);
	}
	kfree(failures);
	op->results = results;
	op->failed = false;
}
