/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A read or write of the copy path under way, and its steps. copy.c runs them;
 * they are in copy_plan.c (claims and buffers), copy_move.c (the caller's
 * memory) and copy_send.c (commands).
 */
#ifndef NVDIO_COPY_OP_H
#define NVDIO_COPY_OP_H

#include <linux/completion.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

#include "core/ns.h"
#include "core/request.h"
#include "io/bounce.h"
#include "io/claim.h"

/* Bounce buffers that one operation may hold, 1 MiB in all. */
#define NVDIO_COPY_CHUNKS	8

/* A step was handed on, and the operation with it: it may be gone. */
#define NVDIO_COPY_WAIT		1

/**
 * enum nvdio_copy_step - what to do next for a pass
 * @NVDIO_COPY_CLAIM: write: claim the blocks of the pass
 * @NVDIO_COPY_DRAIN: wait for older writes to them
 * @NVDIO_COPY_BUFFERS: take bounce buffers
 * @NVDIO_COPY_FILL: write: copy from the caller's memory
 * @NVDIO_COPY_EDGES: read the blocks that are written in part
 * @NVDIO_COPY_MERGE: put the caller's bytes into them
 * @NVDIO_COPY_SEND: submit the commands of the pass
 * @NVDIO_COPY_OUT: read: copy to the caller's memory
 * @NVDIO_COPY_DONE: write: the commands are complete
 * @NVDIO_COPY_MEMORY: fault in, or pin, the caller's memory
 *
 * In their order. Reads: BUFFERS SEND OUT; writes: CLAIM BUFFERS FILL SEND DONE,
 * with DRAIN after CLAIM, and EDGES and MERGE before SEND, where blocks are
 * written in part. Where the caller's memory is missing, or a worker will need
 * it, a pass goes to MEMORY, and from there to its beginning.
 */
enum nvdio_copy_step {
	NVDIO_COPY_CLAIM,
	NVDIO_COPY_DRAIN,
	NVDIO_COPY_BUFFERS,
	NVDIO_COPY_FILL,
	NVDIO_COPY_EDGES,
	NVDIO_COPY_MERGE,
	NVDIO_COPY_SEND,
	NVDIO_COPY_OUT,
	NVDIO_COPY_DONE,
	NVDIO_COPY_MEMORY,
};

/**
 * struct nvdio_copy_chunk - one bounce buffer's part in a pass
 * @bounce: buffer
 * @slba: first block
 * @bytes: whole blocks, in bytes
 * @skip: offset of the data in the first block
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
 * @iocb: kiocb to complete, unless @sync
 * @ns: namespace
 * @step: what to do next
 * @sync: the caller waits on @wake and runs the steps itself
 * @write: write, not read
 * @fua: commands carry FUA
 * @claimed: @claim was made
 * @last: no pass follows this one
 * @away: the controller went while the caller's memory was faulted in, so that
 *	there is no nvdio_ctrl_exit() to come
 * @next: the chunk, or edge, that is submitted next
 * @faults: how often in a row memory was faulted in, and gone again
 * @error: first error, or 0
 * @pending: commands in flight, and one for the submitter
 * @iter: the caller's memory that is left
 * @bvecs: backing array of @iter, if the caller's memory is pinned
 * @nr_bvecs: number of them, a page each
 * @pos: byte of the namespace at which the pass begins
 * @left: bytes that no pass has moved yet
 * @len: bytes in all
 * @nr: chunks of this pass
 * @held: bounce buffers held, @nr or more
 * @chunks: the pass
 * @claim: to the blocks of the pass
 * @waiter: for a bounce buffer, unless @sync
 * @wake: completed when the next step can run, for @sync
 * @work: runs the steps otherwise
 * @edge: the caller's bytes of a first and of a last block that is written in
 *	part, a block each
 */
struct nvdio_copy {
	struct kiocb *iocb;
	struct nvdio_ns *ns;
	enum nvdio_copy_step step;
	bool sync;
	bool write;
	bool fua;
	bool claimed;
	bool last;
	bool away;
	u8 next;
	u8 faults;
	int error;
	atomic_t pending;
	struct iov_iter iter;
	struct bio_vec *bvecs;
	unsigned int nr_bvecs;
	u64 pos;
	size_t left;
	size_t len;
	unsigned int nr;
	unsigned int held;
	struct nvdio_copy_chunk chunks[NVDIO_COPY_CHUNKS];
	struct nvdio_claim claim;
	struct nvdio_bounce_waiter waiter;
	struct completion wake;
	struct delayed_work work;
	u8 edge[];
};

/* Fail an operation; the first error stays. */
static inline void nvdio_copy_fail(struct nvdio_copy *op, int error)
{
	cmpxchg(&op->error, 0, error);
}

/* Most bytes, whole blocks, of one command. */
static inline u32 nvdio_copy_max(const struct nvdio_ns *ns)
{
	return min(NVDIO_BOUNCE_BYTES, ns->limits.max_bytes);
}

/* Bytes of a chunk's first block, if that is not written from its beginning. */
static inline u32 nvdio_copy_head(const struct nvdio_copy *op,
				  const struct nvdio_copy_chunk *c)
{
	return c->skip ? min(op->ns->lba_mask + 1 - c->skip, c->len) : 0;
}

/* Bytes of its last block, if that is written from its beginning, in part. */
static inline u32 nvdio_copy_tail(const struct nvdio_copy *op,
				  const struct nvdio_copy_chunk *c)
{
	const u32 end = c->skip + c->len;

	return !c->skip || end > op->ns->lba_mask ? end & op->ns->lba_mask : 0;
}

/**
 * nvdio_copy_must_pin() - would a worker need memory that is not pinned?
 * @op: operation
 *
 * Return: true if @op is asynchronous and user memory is left.
 */
static inline bool nvdio_copy_must_pin(const struct nvdio_copy *op)
{
	return !op->sync && user_backed_iter(&op->iter) &&
	       iov_iter_count(&op->iter);
}

void nvdio_copy_resume(struct nvdio_copy *op, unsigned long delay);
void nvdio_copy_release(struct nvdio_copy *op);
void nvdio_copy_unpin(struct nvdio_copy *op);
void nvdio_copy_finish(struct nvdio_copy *op, struct nvdio_completion *done);
int nvdio_copy_need_memory(struct nvdio_copy *op);

#endif /* NVDIO_COPY_OP_H */
