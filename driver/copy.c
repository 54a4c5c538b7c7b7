// SPDX-License-Identifier: GPL-2.0
/*
 * The copy path: reads and writes at any byte offset, of any length, from and
 * to any memory, through bounce buffers.
 *
 * A read or write goes on in rounds. A round takes some bounce buffers, as many
 * as are free, and moves as much as fits into them; the buffers are kept for
 * the next round. Between the steps of a round nobody sleeps on behalf of the
 * operation: the last command of a step wakes the caller if he waits, and a
 * worker otherwise, which borrows the caller's address space for the copying.
 *
 * A write of partial blocks first claims its blocks (rmw.h), and reads those
 * that it will only change in part.
 */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "copy.h"
#include "ctrl.h"
#include "pool.h"
#include "rmw.h"

/* Bounce buffers that one operation may hold: 1 MiB. */
#define NVDIO_COPY_CHUNKS	8

/* Answer of a step that the last command, or a timer, will go on from. */
#define NVDIO_COPY_WAIT		1

enum nvdio_copy_step {
	NVDIO_COPY_CLAIM,	/* claim the blocks of a partial write */
	NVDIO_COPY_DRAIN,	/* wait for older writes to them */
	NVDIO_COPY_ROUND,	/* take buffers, begin a round */
	NVDIO_COPY_OUT,		/* read: copy to the caller's memory */
	NVDIO_COPY_FILL,	/* write: copy from it and send */
	NVDIO_COPY_WRITTEN,	/* write: the round's commands are over */
};

/**
 * struct nvdio_copy_chunk - one bounce buffer's part in a round
 * @bounce: buffer
 * @slba: first block
 * @bytes: whole blocks, in bytes
 * @skip: the data begin so far into the first block
 * @len: bytes of data
 */
struct nvdio_copy_chunk {
	struct nvdio_bounce *bounce;
	u64 slba;
	u32 bytes;
	u32 skip;
	u32 len;
};

/**
 * struct nvdio_copy - a read or write under way
 * @iocb: whom to complete, unless @sync
 * @ns: namespace
 * @step: what to do next
 * @sync: the caller waits on @wake and does the steps himself
 * @write: write, not read
 * @fua: commands carry FUA
 * @rmw: some blocks are written in part
 * @claimed: @claim stands
 * @last: this round's commands are the last
 * @error: first error, or 0
 * @pending: commands in flight, and one for the submitter while it sends
 * @iter: the caller's memory that is left
 * @iov: what dup_iter() allocated
 * @mm: the caller's address space, if a worker will need it
 * @pos: where in the namespace @iter begins
 * @left: bytes that no finished round has moved
 * @len: bytes in all
 * @nr: chunks in this round
 * @held: bounce buffers held, @nr or more
 * @chunks: the round
 * @claim: to the blocks, if @rmw
 * @waiter: for a bounce buffer, unless @sync
 * @wake: for @sync
 * @work: does the steps otherwise
 */
struct nvdio_copy {
	struct kiocb *iocb;
	struct nvdio_ns *ns;
	enum nvdio_copy_step step;
	bool sync;
	bool write;
	bool fua;
	bool rmw;
	bool claimed;
	bool last;
	int error;
	atomic_t pending;
	struct iov_iter iter;
	const void *iov;
	struct mm_struct *mm;
	u64 pos;
	size_t left;
	size_t len;
	unsigned int nr;
	unsigned int held;
	struct nvdio_copy_chunk chunks[NVDIO_COPY_CHUNKS];
	struct nvdio_rmw claim;
	struct nvdio_bounce_waiter waiter;
	struct completion wake;
	struct delayed_work work;
};

/* Let the caller, or a worker, go on with the next step. */
static void copy_kick(struct nvdio_copy *op)
{
	if (op->sync)
		complete(&op->wake);
	else
		queue_delayed_work(op->ns->ctrl->wq, &op->work, 0);
}

static void copy_claim_kick(struct nvdio_rmw *claim)
{
	copy_kick(container_of(claim, struct nvdio_copy, claim));
}

static void copy_bounce_kick(struct nvdio_bounce_waiter *waiter)
{
	copy_kick(container_of(waiter, struct nvdio_copy, waiter));
}

/* A worker may have to go on: it will need the caller's address space. */
static void copy_keep_mm(struct nvdio_copy *op)
{
	/* We are still the caller here, or a worker that has his mm. */
	if (!op->sync && !op->mm && user_backed_iter(&op->iter)) {
		op->mm = current->mm;
		mmgrab(op->mm);
	}
}

/* All is over: give everything back and say what the result is. */
static void copy_finish(struct nvdio_copy *op, struct nvdio_done *done)
{
	struct nvdio_ns *ns = op->ns;

	done->iocb = op->iocb;
	done->res = op->error ?: op->len;
	if (op->error) {
		this_cpu_sub(ns->stats->copy, 1);
	} else {
		if (op->write)
			this_cpu_add(ns->stats->write_bytes, op->len);
		else
			this_cpu_add(ns->stats->read_bytes, op->len);
	}
	if (op->claimed)
		nvdio_rmw_release(ns, &op->claim);
	while (op->held)
		nvdio_bounce_put(ns, op->chunks[--op->held].bounce);
	if (op->mm)
		mmdrop(op->mm);
	kfree(op->iov);
	kfree(op);
	nvdio_ctrl_exit(ns->ctrl);
}

static bool copy_end(struct nvdio_request *req, u16 status,
		     struct nvdio_done *done)
{
	struct nvdio_copy *op = req->owner;

	if (unlikely(status)) {
		this_cpu_inc(op->ns->stats->errors);
		cmpxchg(&op->error, 0, nvdio_status_to_errno(status));
	}
	if (!atomic_dec_and_test(&op->pending))
		return false;
	if (op->last && op->write && !op->sync && !op->mm && !op->claimed) {
		/* Nothing is left that would need a task. */
		copy_finish(op, done);
		return true;
	}
	copy_kick(op);
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

/* Most bytes, whole blocks, of one command. */
static u32 copy_max(const struct nvdio_ns *ns)
{
	return min(NVDIO_BOUNCE_BYTES, ns->limits.max_bytes);
}

/* Take a bounce buffer, or have a worker go on when one comes back. */
static struct nvdio_bounce *copy_park(struct nvdio_copy *op)
{
	copy_keep_mm(op);
	return nvdio_bounce_get_or_park(op->ns, &op->waiter);
}

/*
 * Take bounce buffers for the next round and say what goes through each.
 * Return: 0; -EAGAIN under @nowait if there is none; or NVDIO_COPY_WAIT: when
 * one comes back, a worker goes on from here.
 */
static int copy_plan(struct nvdio_copy *op, bool nowait)
{
	const u32 max = copy_max(op->ns);
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

static void copy_fail(struct nvdio_copy *op, int error)
{
	cmpxchg(&op->error, 0, error);
}

/*
 * Send the round's commands. Under @nowait it may be cut short, if requests
 * run out.
 * Return: 0, NVDIO_COPY_WAIT, or -EAGAIN if nothing was sent.
 */
static int copy_send_round(struct nvdio_copy *op, bool nowait)
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
		copy_fail(op, ret);
	op->last = sent == op->left;
	if (!op->last)
		copy_keep_mm(op);
	return copy_sent(op);
}

/* Read the blocks that the round will change in part. */
static int copy_read_edges(struct nvdio_copy *op)
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
		copy_fail(op, ret);
	}
	return copy_sent(op);
}

/* Copy the round's data from the caller's memory. */
static void copy_from_caller(struct nvdio_copy *op)
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
			copy_fail(op, -EFAULT);
	}
	if (op->error)
		iov_iter_revert(&op->iter, copied);
}

/* Copy what was read to the caller's memory. */
static void copy_to_caller(struct nvdio_copy *op)
{
	struct device *dev = op->ns->ctrl->dev.parent;
	unsigned int i;

	for (i = 0; i < op->nr && !op->error; i++) {
		struct nvdio_copy_chunk *c = &op->chunks[i];

		dma_sync_single_for_cpu(dev, c->bounce->dma, c->bytes,
					DMA_FROM_DEVICE);
		if (copy_to_iter(c->bounce->virt + c->skip, c->len,
				 &op->iter) != c->len)
			copy_fail(op, -EFAULT);
	}
}

static void copy_round_done(struct nvdio_copy *op)
{
	unsigned int i;

	for (i = 0; i < op->nr; i++) {
		op->pos += op->chunks[i].len;
		op->left -= op->chunks[i].len;
	}
	op->step = NVDIO_COPY_ROUND;
}

/*
 * Do steps until one has to be waited for. @op->step is set before anything
 * is sent, since another task may go on from there at once; after
 * NVDIO_COPY_WAIT @op is not ours any more.
 * Return: 0 when all is done; NVDIO_COPY_WAIT; or -EAGAIN under @nowait if
 * nothing was done.
 */
static int copy_run(struct nvdio_copy *op, bool nowait)
{
	struct nvdio_ns *ns = op->ns;
	int ret = 0;

	while (!ret) {
		switch (op->step) {
		case NVDIO_COPY_CLAIM:
			if (!nvdio_rmw_claim(ns, &op->claim))
				return NVDIO_COPY_WAIT;
			op->claimed = true;
			op->step = NVDIO_COPY_DRAIN;
			break;
		case NVDIO_COPY_DRAIN:
			if (nvdio_rmw_drained(ns, &op->claim)) {
				op->step = NVDIO_COPY_ROUND;
			} else if (op->sync) {
				schedule_timeout_uninterruptible(1);
			} else {
				queue_delayed_work(ns->ctrl->wq, &op->work, 1);
				return NVDIO_COPY_WAIT;
			}
			break;
		case NVDIO_COPY_ROUND:
			if (op->error || !op->left)
				return 0;
			ret = copy_plan(op, nowait);
			if (ret)
				break;
			op->step = op->write ? NVDIO_COPY_FILL : NVDIO_COPY_OUT;
			if (op->rmw)
				ret = copy_read_edges(op);
			else if (!op->write)
				ret = copy_send_round(op, nowait);
			break;
		case NVDIO_COPY_FILL:
			if (!op->error)
				copy_from_caller(op);
			if (op->error)
				return 0;
			op->step = NVDIO_COPY_WRITTEN;
			ret = copy_send_round(op, nowait);
			break;
		case NVDIO_COPY_OUT:
			copy_to_caller(op);
			copy_round_done(op);
			break;
		case NVDIO_COPY_WRITTEN:
			copy_round_done(op);
			break;
		}
	}
	if (ret == -EAGAIN) {
		op->step = NVDIO_COPY_ROUND;
		if (op->left < op->len) {
			/* Too late to take it back: a worker may wait. */
			copy_kick(op);
			ret = NVDIO_COPY_WAIT;
		}
	}
	return ret;
}

static void copy_work(struct work_struct *work)
{
	struct nvdio_copy *op = container_of(to_delayed_work(work),
					     struct nvdio_copy, work);
	struct mm_struct *mm = op->mm;
	struct nvdio_done done;
	int ret;

	if (mm) {
		if (mmget_not_zero(mm)) {
			kthread_use_mm(mm);
		} else {
			/* The process is gone, and its memory with it. */
			copy_fail(op, -EFAULT);
			mm = NULL;
		}
	}
	ret = copy_run(op, false);
	if (mm) {
		kthread_unuse_mm(mm);
		/*
		 * Not mmput(): if ours is the last reference, it would wait
		 * for the process's aio requests, and this is one.
		 */
		mmput_async(mm);
	}
	if (ret)
		return;
	copy_finish(op, &done);
	nvdio_complete(&done);
}

/* Set up an operation. Return: the operation, or ERR_PTR(). */
static struct nvdio_copy *copy_alloc(struct nvdio_ns *ns, struct kiocb *iocb,
				     const struct iov_iter *iter, size_t len,
				     bool write)
{
	gfp_t gfp = iocb->ki_flags & IOCB_NOWAIT ? GFP_NOWAIT | __GFP_NOWARN :
						   GFP_KERNEL;
	u64 end = iocb->ki_pos + len;
	struct nvdio_copy *op;

	op = kmalloc(sizeof(*op), gfp);
	if (!op)
		goto nomem;
	memset(op, 0, offsetof(struct nvdio_copy, chunks));
	op->iocb = iocb;
	op->ns = ns;
	op->sync = is_sync_kiocb(iocb);
	op->write = write;
	op->fua = write && ns->fua && iocb_is_dsync(iocb);
	op->pos = iocb->ki_pos;
	op->left = len;
	op->len = len;
	op->rmw = write && ((op->pos | end) & ns->lba_mask);
	op->step = op->rmw ? NVDIO_COPY_CLAIM : NVDIO_COPY_ROUND;
	if (op->rmw) {
		op->claim.slba = op->pos >> ns->lba_shift;
		op->claim.nlb = ((end - 1) >> ns->lba_shift) -
				op->claim.slba + 1;
		op->claim.kick = copy_claim_kick;
	}
	op->waiter.kick = copy_bounce_kick;
	init_completion(&op->wake);
	INIT_DELAYED_WORK(&op->work, copy_work);

	op->iter = *iter;
	if (!op->sync && iter_is_iovec(iter)) {
		/* An aio caller's iovecs are gone when we return. */
		op->iov = dup_iter(&op->iter, (struct iov_iter *)iter, gfp);
		if (!op->iov) {
			kfree(op);
			goto nomem;
		}
	}
	iov_iter_truncate(&op->iter, len);
	if (!op->sync && user_backed_iter(iter) && (!write || op->rmw)) {
		op->mm = current->mm;
		mmgrab(op->mm);
	}
	return op;

nomem:
	return ERR_PTR(iocb->ki_flags & IOCB_NOWAIT ? -EAGAIN : -ENOMEM);
}

/**
 * nvdio_copy_rw() - read or write through bounce buffers
 * @ns: namespace
 * @iocb: any position
 * @iter: memory
 * @len: bytes, more than 0, inside of the namespace, at most what @iter has
 * @write: write, not read
 *
 * A write is atomic, block by block, against all other writers. When it is
 * complete the controller has the data.
 *
 * Context: may sleep, but under IOCB_NOWAIT only to bring in user pages.
 * Return: @len or -errno if @iocb is synchronous; otherwise -EIOCBQUEUED, or
 * @len or -errno if it is over already.
 */
ssize_t nvdio_copy_rw(struct nvdio_ns *ns, struct kiocb *iocb,
		      struct iov_iter *iter, size_t len, bool write)
{
	const bool nowait = iocb->ki_flags & IOCB_NOWAIT;
	struct nvdio_done done;
	struct nvdio_copy *op;
	bool sync;
	int ret;

	/*
	 * What does not fit into one command may take several rounds: look for
	 * holes in the memory before the first of them has written anything.
	 */
	if (write && len > copy_max(ns) - (iocb->ki_pos & ns->lba_mask) &&
	    fault_in_iov_iter_readable(iter, len))
		return -EFAULT;
	if (!nvdio_ctrl_enter(ns->ctrl))
		return -ENODEV;
	op = copy_alloc(ns, iocb, iter, len, write);
	if (IS_ERR(op)) {
		nvdio_ctrl_exit(ns->ctrl);
		ret = PTR_ERR(op);
		goto out;
	}
	this_cpu_inc(ns->stats->copy);
	sync = op->sync;
	if (op->rmw && !sync) {
		copy_kick(op);
		return -EIOCBQUEUED;
	}
	/* A partial write would have to wait for what it reads. */
	ret = op->rmw && nowait ? -EAGAIN : copy_run(op, nowait);
	while (sync && ret == NVDIO_COPY_WAIT) {
		wait_for_completion_io(&op->wake);
		ret = copy_run(op, false);
	}
	if (ret == NVDIO_COPY_WAIT)
		return -EIOCBQUEUED;
	if (ret)
		copy_fail(op, ret);
	copy_finish(op, &done);
	ret = done.res;
	if (done.res > 0) {
		iocb->ki_pos += done.res;
		iov_iter_advance(iter, done.res);
		return done.res;
	}
out:
	if (ret == -EAGAIN)
		this_cpu_inc(ns->stats->nowait_eagain);
	return ret;
}
