// SPDX-License-Identifier: GPL-2.0
/* A read or write of the copy path: its memory, what it holds, and its end. */
#include <linux/mm.h>
#include <linux/slab.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "io/bounce.h"
#include "io/claim.h"
#include "io/copy_op.h"

/* Memory that goes away again so often cannot be had. */
#define NVDIO_COPY_FAULTS	100

/**
 * nvdio_copy_resume() - have the caller, or a worker, run the next step
 * @op: operation; not the caller's any more on return
 * @delay: jiffies until then, for workers
 *
 * Context: any.
 */
void nvdio_copy_resume(struct nvdio_copy *op, unsigned long delay)
{
	if (op->sync) {
		complete(&op->wake);
		return;
	}
	queue_delayed_work(op->ns->ctrl->copy_wq, &op->work, delay);
}

/**
 * nvdio_copy_release() - give back what a pass holds
 * @op: operation with no command in flight
 *
 * Context: any.
 */
void nvdio_copy_release(struct nvdio_copy *op)
{
	while (op->held)
		nvdio_bounce_put(op->ns, op->chunks[--op->held].bounce);
	if (op->claimed)
		nvdio_claim_release(op->ns, &op->claim);
	op->claimed = false;
}

/**
 * nvdio_copy_unpin() - the caller's memory is not needed any more
 * @op: operation
 *
 * Context: may sleep, unless nothing is pinned.
 */
void nvdio_copy_unpin(struct nvdio_copy *op)
{
	unsigned int i;

	this_cpu_sub(op->ns->stats->pages_pinned, op->nr_bvecs);
	for (i = 0; i < op->nr_bvecs; i++)
		unpin_user_page_range_dirty_lock(op->bvecs[i].bv_page, 1,
						 !op->write);
	op->nr_bvecs = 0;
	kvfree(op->bvecs);
	op->bvecs = NULL;
}

/**
 * nvdio_copy_need_memory() - have the caller's memory faulted in, or pinned
 * @op: operation with no command in flight
 *
 * All that the pass holds goes back first, and the pass begins anew.
 *
 * Context: any.
 * Return: 0; the next step is set.
 */
int nvdio_copy_need_memory(struct nvdio_copy *op)
{
	if (!user_backed_iter(&op->iter) || op->faults++ > NVDIO_COPY_FAULTS) {
		nvdio_copy_fail(op, -EFAULT);
		return 0;
	}
	nvdio_copy_release(op);
	op->step = NVDIO_COPY_MEMORY;
	return 0;
}

/**
 * nvdio_copy_finish() - end an operation: give everything back
 * @op: operation with no command in flight; freed
 * @done: set to what the result is
 *
 * Context: any, if there are no @op->bvecs; else task.
 */
void nvdio_copy_finish(struct nvdio_copy *op, struct nvdio_completion *done)
{
	struct nvdio_ns *ns = op->ns;

	done->iocb = op->iocb;
	done->res = op->error ?: op->len;
	if (op->error)
		this_cpu_dec(ns->stats->copy);
	else
		nvdio_stats_bytes(ns->stats, op->write, op->len);
	nvdio_copy_release(op);
	if (op->bvecs)
		nvdio_copy_unpin(op);
	if (!op->away)
		nvdio_ctrl_exit(ns->ctrl);
	kfree(op);
}
