// SPDX-License-Identifier: GPL-2.0
/*
 * NVDIO_URING_BATCH (uapi/nvdio.h): header, descriptors and results of a batch, which
 * are in the program's memory. io/batch.c does the rest.
 *
 * The program may change all of it at any time: the header and each descriptor are
 * copied once, and only the copies are looked at. Results are only written.
 */
#include <linux/sched.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "pure/dptr.h"
#include "pure/status.h"
#include "core/compat.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/batch.h"
#include "user/uring_batch.h"
#include "uapi/nvdio.h"

/**
 * struct batch_pdu - private data of a batch in struct io_uring_cmd
 * @queue: @op.queue, by which its ring polls, until it has ended; then NULL, if that
 *	was not found by its ring
 * @next: next command that the ring found by polling, as in struct
 *	nvdio_uring_pdu
 * @op: batch; its @results are the address of the array of results
 */
struct batch_pdu {
	union {
		struct nvdio_queue *queue;
		struct io_uring_cmd *next;
		struct nvdio_batch_op op;
	};
};

static_assert(offsetof(struct nvdio_batch_op, queue) == 0);

static struct batch_pdu *batch_pdu(struct io_uring_cmd *ioucmd)
{
	return io_uring_cmd_to_pdu(ioucmd, struct batch_pdu);
}

static struct io_uring_cmd *batch_cmd(struct nvdio_batch_op *op)
{
	return container_of((void *)op, struct io_uring_cmd, pdu);
}

/* Write a result. Those that cannot be written are lost; the CQE tells. */
static void batch_result(u64 results, unsigned int place, s32 res, u16 status)
{
	const struct nvdio_result result = { .res = res, .status = status };
	struct nvdio_result __user *to = u64_to_user_ptr(results);

	if (results && copy_to_user(to + place, &result, sizeof(result)))
		return;
}

/* That of a command that has failed. */
static void batch_result_status(u64 results, unsigned int place, u16 status)
{
	batch_result(results, place, nvdio_status_to_errno(status),
		     status < NVDIO_SC_GONE ? status : 0);
}

/* The same where the program's memory is not to be had any more. */
static void batch_result_none(u64 results, unsigned int place, u16 status)
{
}

/*
 * A batch has ended: write the results of what has failed. They are lost if this is a
 * worker, which does what is left of a ring whose task is gone, or a task of another
 * address space, which polls the ring: a child, for example.
 * Return: number of I/Os that succeeded.
 */
static int batch_finish(struct nvdio_batch_op *op)
{
	if (unlikely(op->bad)) {
		struct task_struct *task = io_uring_cmd_get_task(batch_cmd(op));
		const bool gone = current->flags & (PF_EXITING | PF_KTHREAD) ||
				  READ_ONCE(task->mm) != current->mm;

		nvdio_batch_failed(op, gone ? batch_result_none :
				   batch_result_status);
	}
	return op->last + 1 - op->bad;
}

static void batch_done(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	nvdio_uring_done(ioucmd, batch_finish(&batch_pdu(ioucmd)->op),
			 issue_flags);
}

NVDIO_URING_TASK_WORK(batch_work, batch_done);

/* nvdio_batch_end_fn of rings with interrupts. */
static void batch_end(struct nvdio_batch_op *op)
{
	io_uring_cmd_do_in_task_lazy(batch_cmd(op), batch_work);
}

/*
 * nvdio_batch_end_fn of rings that poll (IORING_SETUP_IOPOLL). What others have found,
 * the next poll completes: a task that ends polls until nothing is left, and does no
 * task work meanwhile.
 */
static void batch_end_polled(struct nvdio_batch_op *op)
{
	struct io_uring_cmd *ioucmd = batch_cmd(op);
	struct nvdio_queue *q = op->queue;

	if (q->poller == nvdio_uring_ring(ioucmd)) {
		batch_pdu(ioucmd)->next = q->ended;
		q->ended = ioucmd;
		return;
	}
	/* Pairs with nvdio_ns_uring_cmd_iopoll(), to which it belongs then. */
	smp_store_release(&op->queue, NULL);
}

/**
 * nvdio_uring_batch_polled() - complete a batch that its ring found by polling
 * @ioucmd: command
 *
 * Context: task, with the ring's uring_lock held.
 * Return: next command of those found.
 */
struct io_uring_cmd *nvdio_uring_batch_polled(struct io_uring_cmd *ioucmd)
{
	struct io_uring_cmd *next = batch_pdu(ioucmd)->next;

	batch_done(ioucmd, 0);
	return next;
}

/*
 * Copy and check the header.
 * Return: 0 or -errno.
 */
static int batch_header(const struct nvdio_ns *ns,
			const struct io_uring_cmd *ioucmd,
			struct nvdio_batch *header)
{
	const u64 *cmd = (const void *)ioucmd->sqe->cmd;
	const u64 words[] = { READ_ONCE(cmd[0]), READ_ONCE(cmd[1]) };
	const u32 most = nvdio_batch_most(ns->ctrl);

	static_assert(sizeof(words) == sizeof(*header));
	memcpy(header, words, sizeof(words));
	if (unlikely(!most))
		return -EOPNOTSUPP;
	if (unlikely(header->io_size != sizeof(struct nvdio_io)))
		return header->io_size > sizeof(struct nvdio_io) ? -E2BIG :
								   -EINVAL;
	if (unlikely(!header->nr || header->nr > most || header->resv ||
		     header->flags & ~NVDIO_BATCH_ALL_RESULTS ||
		     READ_ONCE(ioucmd->sqe->len)))
		return -EINVAL;
	return 0;
}

/* Find registered memory. Return: 0 or -errno. */
static __always_inline int batch_import(struct io_uring_cmd *ioucmd,
					const struct nvdio_io *io,
					struct nvdio_batch_mem *mem,
					unsigned int issue_flags)
{
	struct iov_iter iter __uninitialized;
	const struct bio_vec *bv;
	int ret;

	ret = nvdio_uring_import(ioucmd, io->addr, io->len,
				 io->op & 1 ? ITER_SOURCE : ITER_DEST, &iter,
				 issue_flags);
	if (unlikely(ret))
		return ret;
	if (unlikely(!iov_iter_is_bvec(&iter)))
		return -EOPNOTSUPP;
	bv = iter.bvec;
	if (unlikely((bv->bv_offset + iter.iov_offset) & NVDIO_DMA_MASK))
		return -EINVAL;
	mem->phys = bvec_phys(bv) + iter.iov_offset;
	mem->skip = 0;
	mem->err = 0;
	mem->pieces = false;
	if (unlikely(bv->bv_len < iter.iov_offset + io->len)) {
		mem->bvec = bv;
		mem->skip = iter.iov_offset;
		mem->pieces = true;
	}
	return 0;
}

/* Find the registered memory of a chunk, as far as it is of any. */
static noinline void batch_import_all(struct nvdio_batch_run *run,
				      struct io_uring_cmd *ioucmd,
				      unsigned int issue_flags)
{
	u32 i;

	for (i = 0; i < run->nr; i++) {
		const struct nvdio_io *io = &run->io[i];
		struct nvdio_batch_mem *mem = &run->mem[i];
		int ret;

		if (unlikely(io->map != NVDIO_MAP_RING_BUF))
			continue;
		ret = io->len ? batch_import(ioucmd, io, mem, issue_flags) :
				-EINVAL;
		if (unlikely(ret))
			mem->err = ret;
	}
}

/*
 * Write the results that the chunk will have if nothing fails, before it is sent:
 * afterwards nothing would be known of those that have not failed.
 */
static noinline void batch_promise(const struct nvdio_batch_run *run,
				   u64 results)
{
	struct nvdio_result __user *to = u64_to_user_ptr(results);
	struct nvdio_result result[NVDIO_BATCH_CHUNK];
	u32 i;

	for (i = 0; i < run->nr; i++)
		result[i] = (struct nvdio_result){ .res = run->io[i].len };
	if (copy_to_user(to + run->base, result, run->nr * sizeof(result[0])))
		return;
}

/* Write the results of the chunk's descriptors that were not sent. */
static noinline void batch_refused(struct nvdio_batch_run *run, u64 results)
{
	for (; run->failed; run->failed &= run->failed - 1) {
		const u32 i = __ffs(run->failed);

		batch_result(results, run->base + i, run->err[i], 0);
	}
}

/* Copy @bit descriptors, if @nr has the bit. */
static __always_inline bool batch_copy_bit(struct nvdio_io **to,
					   const struct nvdio_io __user **from,
					   u32 nr, const u32 bit)
{
	if (!(nr & bit))
		return true;
	if (unlikely(copy_from_user(*to, *from, bit * sizeof(**to))))
		return false;
	*to += bit;
	*from += bit;
	return true;
}

/*
 * Copy the next @nr descriptors, in pieces whose sizes the compiler knows: for others
 * the kernel finds out at run time whether they fit into the stack, which costs more.
 * Return: false: they are not to be had.
 */
static __always_inline bool batch_copy(struct nvdio_batch_run *run, u64 ios,
				       u32 nr)
{
	const struct nvdio_io __user *from = u64_to_user_ptr(ios);
	struct nvdio_io *to = run->io;

	static_assert(NVDIO_BATCH_CHUNK == 32);
	from += run->base;
	run->nr = nr;
	return batch_copy_bit(&to, &from, nr, 32) &&
	       batch_copy_bit(&to, &from, nr, 16) &&
	       batch_copy_bit(&to, &from, nr, 8) &&
	       batch_copy_bit(&to, &from, nr, 4) &&
	       batch_copy_bit(&to, &from, nr, 2) &&
	       batch_copy_bit(&to, &from, nr, 1);
}

/*
 * Send a batch, a chunk after the other.
 * Return: 0; or -errno, and nothing was sent.
 */
static __always_inline int batch_chunks(struct nvdio_batch_run *run,
					struct io_uring_cmd *ioucmd, u64 ios,
					const struct nvdio_batch *header,
					unsigned int issue_flags)
{
	const bool all = header->flags & NVDIO_BATCH_ALL_RESULTS;
	int ret;
	u32 i;

	do {
		if (!batch_copy(run, ios, min(header->nr - run->base,
					      NVDIO_BATCH_CHUNK))) {
			if (!run->base)
				return -EFAULT;
			for (i = 0; i < run->nr; i++)
				nvdio_batch_fail(run, i, -EFAULT);
			goto next;
		}
		if (all && header->results)
			batch_promise(run, header->results);
		if (run->registered)
			batch_import_all(run, ioucmd, issue_flags);
		ret = nvdio_batch_send(run, issue_flags & IO_URING_F_NONBLOCK);
		if (unlikely(ret))
			return ret;
next:
		if (unlikely(run->failed))
			batch_refused(run, header->results);
		run->base += run->nr;
	} while (unlikely(run->base < header->nr));
	return 0;
}

/**
 * nvdio_uring_batch() - NVDIO_URING_BATCH
 * @ns: namespace
 * @span: what of it the command's file reaches, stays as long as that; NULL: all, as it
 *	is a node
 * @ioucmd: command
 * @issue_flags: from io_uring
 *
 * Context: may sleep; if @issue_flags forbid it only for the program's memory, and
 * where something was sent already.
 * Return: -EIOCBQUEUED; the number of I/Os that succeeded, if all have ended; or, and
 * nothing was done: -EOPNOTSUPP, -E2BIG or -EINVAL for the header, -EFAULT if the
 * first descriptors cannot be read, -ENODEV, -EAGAIN only if it must not sleep.
 */
int nvdio_uring_batch(struct nvdio_ns *ns, const struct nvdio_span *span,
		      struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	const bool polled = issue_flags & IO_URING_F_IOPOLL;
	const u64 ios = READ_ONCE(ioucmd->sqe->addr);
	struct nvdio_batch_run run __uninitialized;
	struct batch_pdu *pdu = batch_pdu(ioucmd);
	struct nvdio_batch header;
	int ret;

	ret = batch_header(ns, ioucmd, &header);
	if (unlikely(ret))
		return ret;
	if (unlikely(nvdio_ns_gone(ns)))
		return -ENODEV;
	pdu->op.end = polled ? batch_end_polled : batch_end;
	pdu->op.results = header.results;
	nvdio_batch_begin(&run, ns, span, ioucmd->file,
			  nvdio_ns_queue(ns, polled), &pdu->op, header.nr,
			  issue_flags & IO_URING_F_NONBLOCK);
	run.registered = ioucmd->flags & IORING_URING_CMD_FIXED;
	ret = batch_chunks(&run, ioucmd, ios, &header, issue_flags);
	if (unlikely(ret))
		return ret;
	return nvdio_batch_sent(&run) ? batch_finish(&pdu->op) : -EIOCBQUEUED;
}
