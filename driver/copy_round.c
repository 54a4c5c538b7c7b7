// SPDX-License-Identifier: GPL-2.0
/*
 * One round of the copy path: which bounce buffers, which commands, and the
 * copying; see copy.c.
 */
#include <linux/dma-mapping.h>

#include "copy_op.h"

static bool copy_end(struct nvdio_request *req, u16 status,
		     struct nvdio_done *done)
{
	struct nvdio_copy *op = req->owner;

	if (unlikely(status)) {
		this_cpu_inc(op->ns->stats->errors);
		nvdio_copy_fail(op, nvdio_status_to_errno(status));
	}
	if (!atomic_dec_and_test(&op->pending))
		return false;
	if (op->last && op->write && !op->sync && !op->mm && !op->claimed) {
		/* Nothing is left that would need a task. */
		nvdio_copy_finish(op, done);
		return true;
	}
	nvdio_copy_kick(op);
	return false;
}

/*
 * Send one command for whole blocks of a bounce buffer, @off bytes into it.
 * Return: 0 or -errno.
 */
static int copy_send(struct nvdio_copy *op, struct nvdio_bounce *bounce,
		     u32 off, u64 slba, u32 bytes, bool write, bool nowait)
{
	const u32 nlb = bytes >> op->ns->lba_shift;
	struct nvdio_ns *ns = op->ns;
	dma_addr_t dma = bounce->dma + off;
	struct nvdio_request *req;
	struct nvme_command *cmd;
	struct nvdio_queue *q;

	dma_sync_single_for_device(ns->ctrl->dev.parent, dma, bytes,
				   write ? DMA_TO_DEVICE : DMA_FROM_DEVICE);
	q = nvdio_ns_queue(ns, false);
	/* Whoever holds a claim must not wait for it. */
	req = nvdio_queue_begin(q, ns, slba, write && !op->claimed ? nlb : 0,
				nowait);
	if (IS_ERR(req)) {
		spin_unlock(&q->sq_lock);
		return PTR_ERR(req);
	}
	req->owner = op;
	req->end = copy_end;
	req->len = bytes;
	req->flags = write ? NVDIO_REQ_WRITE : 0;
	req->ns = ns;
	req->slba = slba;

	cmd = nvdio_queue_slot(q);
	memset(cmd, 0, sizeof(*cmd));
	cmd->rw.opcode = write ? nvme_cmd_write : nvme_cmd_read;
	cmd->rw.nsid = cpu_to_le32(ns->nsid);
	cmd->rw.dptr.prp1 = cpu_to_le64(dma);
	if ((dma & NVDIO_MPS_MASK) + bytes > 2 * NVDIO_MPS)
		cmd->rw.dptr.prp2 = cpu_to_le64(bounce->prps_dma +
						(off / NVDIO_MPS + 1) *
						sizeof(__le64));
	else if ((dma & NVDIO_MPS_MASK) + bytes > NVDIO_MPS)
		cmd->rw.dptr.prp2 = cpu_to_le64((dma | NVDIO_MPS_MASK) + 1);
	cmd->rw.slba = cpu_to_le64(slba);
	cmd->rw.length = cpu_to_le16(nlb - 1);
	cmd->rw.control = write && op->fua ? cpu_to_le16(NVME_RW_FUA) : 0;
	nvdio_queue_send(q, req);
	spin_unlock(&q->sq_lock);
	return 0;
}

/* Take a bounce buffer, or have a worker go on when one comes back. */
static struct nvdio_bounce *copy_park(struct nvdio_copy *op)
{
	nvdio_copy_keep_mm(op);
	return nvdio_bounce_get_or_park(op->ns, &op->waiter);
}

/**
 * nvdio_copy_plan() - take bounce buffers for the next round and say what goes
 * through each
 * @op: operation with bytes left
 * @nowait: do not wait for a buffer
 *
 * Context: may sleep, unless @nowait.
 * Return: 0; -EAGAIN under @nowait if there is none; or NVDIO_COPY_WAIT: when
 * one comes back, a worker goes on from here.
 */
int nvdio_copy_plan(struct nvdio_copy *op, bool nowait)
{
	const u32 max = nvdio_copy_max(op->ns);
	struct nvdio_ns *ns = op->ns;
	u64 pos = op->pos;
	size_t left = op->left;

	for (op->nr = 0; left && op->nr < NVDIO_COPY_CHUNKS; op->nr++) {
		struct nvdio_copy_chunk *c = &op->chunks[op->nr];

		if (op->nr == op->held) {
			c->bounce = nvdio_bounce_get(ns);
			if (!c->bounce && !op->held) {
				if (nowait)
					return -EAGAIN;
				if (op->sync)
					c->bounce = nvdio_bounce_get_wait(ns);
				else
					c->bounce = copy_park(op);
				if (!c->bounce)
					return NVDIO_COPY_WAIT;
			}
			if (!c->bounce)
				break;
			op->held++;
		}
		c->slba = pos >> ns->lba_shift;
		c->skip = pos & ns->lba_mask;
		c->len = min_t(size_t, left, max - c->skip);
		c->bytes = ALIGN(c->skip + c->len, ns->lba_mask + 1);
		pos += c->len;
		left -= c->len;
	}
	return 0;
}

/* A whole step was sent: go on at once if it is over already. */
static int copy_sent(struct nvdio_copy *op)
{
	return atomic_dec_and_test(&op->pending) ? 0 : NVDIO_COPY_WAIT;
}

/**
 * nvdio_copy_send_round() - send the round's commands
 * @op: operation, @step set to what comes after them
 * @nowait: the round may be cut short, if requests run out
 *
 * Context: may sleep, unless @nowait.
 * Return: 0 if they are over already; NVDIO_COPY_WAIT, and @op is not ours any
 * more; or -EAGAIN if nothing was sent.
 */
int nvdio_copy_send_round(struct nvdio_copy *op, bool nowait)
{
	size_t sent = 0, unsent = 0;
	unsigned int i, nr = op->nr;
	int ret = 0;

	op->last = false;
	atomic_set(&op->pending, 1);
	for (i = 0; i < nr && !ret; i++) {
		struct nvdio_copy_chunk *c = &op->chunks[i];

		atomic_inc(&op->pending);
		ret = copy_send(op, c->bounce, 0, c->slba, c->bytes, op->write,
				nowait);
		if (!ret) {
			sent += c->len;
			continue;
		}
		atomic_dec(&op->pending);
		op->nr = i;
	}
	for (i = op->nr; i < nr; i++)
		unsent += op->chunks[i].len;
	if (op->write)
		iov_iter_revert(&op->iter, unsent);

	if (ret == -EAGAIN && !op->nr)
		return ret;
	if (ret && ret != -EAGAIN)
		nvdio_copy_fail(op, ret);
	op->last = sent == op->left;
	if (!op->last)
		nvdio_copy_keep_mm(op);
	return copy_sent(op);
}

/**
 * nvdio_copy_read_edges() - read the blocks that the round will change in part
 * @op: operation with a claim, @step set to what comes after
 *
 * Context: may sleep.
 * Return: 0 or NVDIO_COPY_WAIT, as nvdio_copy_send_round().
 */
int nvdio_copy_read_edges(struct nvdio_copy *op)
{
	const u32 lba = op->ns->lba_mask + 1;
	unsigned int i;
	int ret = 0;

	atomic_set(&op->pending, 1);
	for (i = 0; i < op->nr && !ret; i++) {
		struct nvdio_copy_chunk *c = &op->chunks[i];
		u32 end = c->skip + c->len;
		bool head = c->skip || c->len < lba;
		bool tail = end != c->bytes && (!head || c->bytes > lba);

		if (head) {
			atomic_inc(&op->pending);
			ret = copy_send(op, c->bounce, 0, c->slba, lba, false,
					false);
		}
		if (!ret && tail) {
			atomic_inc(&op->pending);
			ret = copy_send(op, c->bounce, c->bytes - lba,
					c->slba + (c->bytes - lba) / lba, lba,
					false, false);
		}
	}
	if (ret) {
		/* The command that was not sent. */
		atomic_dec(&op->pending);
		nvdio_copy_fail(op, ret);
	}
	return copy_sent(op);
}

/**
 * nvdio_copy_from_caller() - copy the round's data from the caller's memory
 * @op: write; an error of -EFAULT is noted in it, and nothing is sent then
 *
 * Context: the caller's address space; may sleep.
 */
void nvdio_copy_from_caller(struct nvdio_copy *op)
{
	const u32 lba = op->ns->lba_mask + 1;
	struct device *dev = op->ns->ctrl->dev.parent;
	size_t copied = 0;
	unsigned int i;

	for (i = 0; i < op->nr && !op->error; i++) {
		struct nvdio_copy_chunk *c = &op->chunks[i];
		size_t n;

		if (op->rmw) {
			dma_sync_single_for_cpu(dev, c->bounce->dma, lba,
						DMA_FROM_DEVICE);
			dma_sync_single_for_cpu(dev, c->bounce->dma + c->bytes -
						lba, lba, DMA_FROM_DEVICE);
		}
		n = copy_from_iter(c->bounce->virt + c->skip, c->len,
				   &op->iter);
		copied += n;
		if (n != c->len)
			nvdio_copy_fail(op, -EFAULT);
	}
	if (op->error)
		iov_iter_revert(&op->iter, copied);
}

/**
 * nvdio_copy_to_caller() - copy what was read to the caller's memory
 * @op: read; an error of -EFAULT is noted in it
 *
 * Context: the caller's address space; may sleep.
 */
void nvdio_copy_to_caller(struct nvdio_copy *op)
{
	struct device *dev = op->ns->ctrl->dev.parent;
	unsigned int i;

	for (i = 0; i < op->nr && !op->error; i++) {
		struct nvdio_copy_chunk *c = &op->chunks[i];

		dma_sync_single_for_cpu(dev, c->bounce->dma, c->bytes,
					DMA_FROM_DEVICE);
		if (copy_to_iter(c->bounce->virt + c->skip, c->len,
				 &op->iter) != c->len)
			nvdio_copy_fail(op, -EFAULT);
	}
}

/**
 * nvdio_copy_round_done() - go on behind the bytes of a round
 * @op: operation
 */
void nvdio_copy_round_done(struct nvdio_copy *op)
{
	unsigned int i;

	for (i = 0; i < op->nr; i++) {
		op->pos += op->chunks[i].len;
		op->left -= op->chunks[i].len;
	}
	op->step = NVDIO_COPY_ROUND;
}
