/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two halves of the copy path share: copy.c, the steps of a read or
 * write, and copy_round.c, what is done in one round of them.
 */
#ifndef NVDIO_COPY_OP_H
#define NVDIO_COPY_OP_H

#include <linux/completion.h>
#include <linux/uio.h>
#include <linux/workqueue.h>

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

/* The first error stays. */
static inline void nvdio_copy_fail(struct nvdio_copy *op, int error)
{
	cmpxchg(&op->error, 0, error);
}

/* Most bytes, whole blocks, of one command. */
static inline u32 nvdio_copy_max(const struct nvdio_ns *ns)
{
	return min(NVDIO_BOUNCE_BYTES, ns->limits.max_bytes);
}

void nvdio_copy_kick(struct nvdio_copy *op);
void nvdio_copy_keep_mm(struct nvdio_copy *op);
void nvdio_copy_finish(struct nvdio_copy *op, struct nvdio_done *done);

int nvdio_copy_plan(struct nvdio_copy *op, bool nowait);
int nvdio_copy_read_edges(struct nvdio_copy *op);
int nvdio_copy_send_round(struct nvdio_copy *op, bool nowait);
void nvdio_copy_from_caller(struct nvdio_copy *op);
void nvdio_copy_to_caller(struct nvdio_copy *op);
void nvdio_copy_round_done(struct nvdio_copy *op);

#endif /* NVDIO_COPY_OP_H */
