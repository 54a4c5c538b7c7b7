/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the two halves of the copy path share: copy.c, the steps of a read or
 * write and who does them, and copy_round.c, the steps themselves.
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

/* Bounce buffers that one operation may hold: 1 MiB. */
#define NVDIO_COPY_CHUNKS	8

/* A step was handed on: whoever goes on owns the operation now. */
#define NVDIO_COPY_WAIT		1

/*
 * The steps of a round, in their order. Reads: BUFFERS SEND OUT; writes: CLAIM
 * BUFFERS FILL SEND DONE, with DRAIN after CLAIM, and EDGES and MERGE before
 * SEND, where blocks are written in part. Where the caller's memory is missing,
 * or will be needed by a worker, a round goes to MEMORY, and from there to its
 * beginning.
 */
enum nvdio_copy_step {
	NVDIO_COPY_CLAIM,	/* write: claim the round's blocks */
	NVDIO_COPY_DRAIN,	/* wait for older writes to them */
	NVDIO_COPY_BUFFERS,	/* take bounce buffers */
	NVDIO_COPY_FILL,	/* write: copy from the caller's memory */
	NVDIO_COPY_EDGES,	/* read the blocks that are written in part */
	NVDIO_COPY_MERGE,	/* put the caller's bytes into them */
	NVDIO_COPY_SEND,	/* send the round's commands */
	NVDIO_COPY_OUT,		/* read: copy to the caller's memory */
	NVDIO_COPY_DONE,	/* write: the round's commands are over */
	NVDIO_COPY_MEMORY,	/* bring in, or pin, the caller's memory */
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
 * @sync: the caller waits on @wake and does the steps itself
 * @write: write, not read
 * @fua: commands carry FUA
 * @claimed: @claim was made
 * @last: this round's commands are the last
 * @away: nvdio_ctrl_exit() was called, and could not be undone
 * @next: the chunk, or edge, that is sent next
 * @faults: how often memory was brought in, and gone again, in a row
 * @error: first error, or 0
 * @pending: commands in flight, and one for who sends them
 * @iter: the caller's memory that is left
 * @bvecs: what @iter stands on, if the caller's memory is pinned
 * @nr_bvecs: number of them, a page each
 * @pos: where in the namespace the round begins
 * @left: bytes that no finished round has moved
 * @len: bytes in all
 * @nr: chunks in this round
 * @held: bounce buffers held, @nr or more
 * @chunks: the round
 * @claim: to the round's blocks
 * @waiter: for a bounce buffer, unless @sync
 * @wake: for @sync
 * @work: does the steps otherwise
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

void nvdio_copy_resume(struct nvdio_copy *op, unsigned long delay);
void nvdio_copy_finish(struct nvdio_copy *op, struct nvdio_completion *done);

void nvdio_copy_release(struct nvdio_copy *op);
int nvdio_copy_claim(struct nvdio_copy *op, bool nowait);
int nvdio_copy_drain(struct nvdio_copy *op);
int nvdio_copy_buffers(struct nvdio_copy *op, bool nowait);
int nvdio_copy_fill(struct nvdio_copy *op);
int nvdio_copy_edges(struct nvdio_copy *op, bool nowait);
int nvdio_copy_merge(struct nvdio_copy *op);
int nvdio_copy_send(struct nvdio_copy *op, bool nowait);
int nvdio_copy_out(struct nvdio_copy *op);
int nvdio_copy_done(struct nvdio_copy *op);
int nvdio_copy_memory(struct nvdio_copy *op);
void nvdio_copy_unpin(struct nvdio_copy *op);

#endif /* NVDIO_COPY_OP_H */
