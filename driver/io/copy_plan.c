// SPDX-License-Identifier: GPL-2.0
/* The copy path's first steps: a claim to the blocks, and bounce buffers. */
#include <linux/sched.h>

#include "core/ns.h"
#include "io/bounce.h"
#include "io/claim.h"
#include "io/copy_op.h"
#include "io/copy_plan.h"
#include "io/drain.h"

/**
 * nvdio_copy_claim() - claim the blocks that a pass may write
 * @op: write
 * @nowait: do not wait for it in the caller
 *
 * Context: any.
 * Return: 0, NVDIO_COPY_WAIT, or -EAGAIN under @nowait.
 */
int nvdio_copy_claim(struct nvdio_copy *op, bool nowait)
{
	struct nvdio_ns *ns = op->ns;
	const u32 skip = op->pos & ns->lba_mask;
	const size_t len = min_t(size_t, op->left,
				 NVDIO_COPY_CHUNKS * nvdio_copy_max(ns) - skip);
	const u64 end = op->pos + len;
	/* A pass that does not come to the end ends with a whole block. */
	const bool rmw = skip || (len == op->left && end & ns->lba_mask);
	const u64 slba = op->pos >> ns->lba_shift;
	const bool pin = nvdio_copy_must_pin(op);
	const bool at_once = pin || (nowait && op->sync);

	/* Waiting, and further passes, are for workers. */
	if (pin && (rmw || skip + op->left > nvdio_copy_max(ns)))
		return nvdio_copy_need_memory(op);
	nvdio_claim_set(&op->claim, slba,
			((end - 1) >> ns->lba_shift) - slba + 1, rmw);
	if (at_once && !nvdio_claim_try(ns, &op->claim))
		return pin ? nvdio_copy_need_memory(op) : -EAGAIN;
	op->claimed = true;
	op->step = rmw ? NVDIO_COPY_DRAIN : NVDIO_COPY_BUFFERS;
	if (at_once || nvdio_claim_take(ns, &op->claim))
		return 0;
	return NVDIO_COPY_WAIT;
}

/**
 * nvdio_copy_drain() - wait for older writes to claimed blocks
 * @op: write with an exclusive claim
 *
 * Context: task; may sleep if the operation is synchronous.
 * Return: 0 or NVDIO_COPY_WAIT.
 */
int nvdio_copy_drain(struct nvdio_copy *op)
{
	switch (nvdio_claim_drain(op->ns, &op->claim)) {
	case NVDIO_DRAINED:
		op->step = NVDIO_COPY_BUFFERS;
		return 0;
	case NVDIO_DRAIN_WAIT:
		return NVDIO_COPY_WAIT;
	default:
		break;
	}
	if (op->sync) {
		schedule_timeout_uninterruptible(1);
		return 0;
	}
	nvdio_copy_resume(op, 1);
	return NVDIO_COPY_WAIT;
}

/* Take one bounce buffer, and more if there are some that nobody waits for. */
static int copy_take_buffers(struct nvdio_copy *op, unsigned int want,
			     bool nowait)
{
	struct nvdio_ns *ns = op->ns;
	struct nvdio_bounce *bounce;

	if (!op->held) {
		if (nowait)
			bounce = nvdio_bounce_get(ns, NULL);
		else if (op->sync)
			bounce = nvdio_bounce_get_wait(ns);
		else
			bounce = nvdio_bounce_get(ns, &op->waiter);
		/* After this @op is ours only if there is a buffer. */
		if (!bounce)
			return nowait ? -EAGAIN : NVDIO_COPY_WAIT;
		op->chunks[op->held++].bounce = bounce;
	}
	while (op->held < want) {
		bounce = nvdio_bounce_get(ns, NULL);
		if (!bounce)
			break;
		op->chunks[op->held++].bounce = bounce;
	}
	return 0;
}

/**
 * nvdio_copy_buffers() - take bounce buffers and plan what goes through each
 * @op: operation with bytes left
 * @nowait: do not wait for a buffer
 *
 * Context: may sleep, unless @nowait.
 * Return: 0, NVDIO_COPY_WAIT, or -EAGAIN under @nowait.
 */
int nvdio_copy_buffers(struct nvdio_copy *op, bool nowait)
{
	const u32 max = nvdio_copy_max(op->ns);
	struct nvdio_ns *ns = op->ns;
	size_t left = op->left;
	u64 pos = op->pos;
	u64 want;
	int ret;

	/* A read's memory is needed in the end, a write's perhaps never. */
	if (nvdio_copy_must_pin(op) && !op->write)
		return nvdio_copy_need_memory(op);
	want = DIV_ROUND_UP_ULL((pos & ns->lba_mask) + left, max);
	ret = copy_take_buffers(op, min(want, NVDIO_COPY_CHUNKS),
				nowait || nvdio_copy_must_pin(op));
	if (ret == -EAGAIN && !nowait)
		return nvdio_copy_need_memory(op);
	if (ret)
		return ret;
	for (op->nr = 0; left && op->nr < min(op->held, NVDIO_COPY_CHUNKS);
	     op->nr++) {
		struct nvdio_copy_chunk *c = &op->chunks[op->nr];

		c->slba = pos >> ns->lba_shift;
		c->skip = pos & ns->lba_mask;
		c->len = min_t(size_t, left, max - c->skip);
		c->bytes = ALIGN(c->skip + c->len, ns->lba_mask + 1);
		pos += c->len;
		left -= c->len;
	}
	op->last = !left;
	op->next = 0;
	op->step = op->write ? NVDIO_COPY_FILL : NVDIO_COPY_SEND;
	return 0;
}
