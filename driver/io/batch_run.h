/* SPDX-License-Identifier: GPL-2.0 */
/* struct nvdio_batch_run: a batch, or I/Os of a ring, while they are sent. */
#ifndef NVDIO_BATCH_RUN_H
#define NVDIO_BATCH_RUN_H

#include <linux/fs.h>
#include <linux/types.h>

#include "pure/range.h"
#include "core/map.h"
#include "core/ns.h"
#include "uapi/nvdio.h"

struct bio_vec;
struct nvdio_batch_op;
struct nvdio_queue;

/* Descriptors that are copied, checked and sent at once. */
#define NVDIO_BATCH_CHUNK	32U

/**
 * struct nvdio_batch_mem - registered memory of a descriptor
 * @phys: physical address, if it is contiguous
 * @bvec: its first piece, if it is not
 * @skip: bytes from the start of that
 * @err: 0, or -errno: it cannot be used
 * @pieces: it is not contiguous
 */
struct nvdio_batch_mem {
	union {
		u64 phys;
		const struct bio_vec *bvec;
	};
	u32 skip;
	s16 err;
	bool pieces;
};

/**
 * struct nvdio_batch_run - a batch while it is sent
 * @ns: namespace
 * @q: queue
 * @op: batch; NULL: it is of a ring
 * @owner: @op, or the ring
 * @flags: NVDIO_REQ_COUNTED, or NVDIO_REQ_RING
 * @mode: FMODE_READ and FMODE_WRITE, as far as its descriptors may
 * @file: open node or range; only compared
 * @span: what of the namespace they reach, and count from; NULL: all, as @file is a
 *	node. Else maps that others share are for them only if added through @file
 * @want: number of tags that there have to be before the first I/O is sent, or 0
 * @sent: number of commands sent
 * @bad: number of descriptors that failed before they were sent
 * @done: number of those that needed no command
 * @base: place of the chunk in the batch
 * @nr: number of descriptors in the chunk
 * @registered: there is registered memory: @mem is set where a descriptor says so
 * @failed: bit mask: those of the chunk that failed before they were sent; of a ring
 *	also those that needed no command, with an @err of 0
 * @err: why, for these
 * @io: the chunk: copies of its descriptors
 * @mem: their memory, where it is registered memory
 *
 * On the caller's stack.
 */
struct nvdio_batch_run {
	struct nvdio_ns *ns;
	struct nvdio_queue *q;
	struct nvdio_batch_op *op;
	void *owner;
	unsigned int flags;
	fmode_t mode;
	const struct file *file;
	const struct nvdio_span *span;
	u32 want;
	u32 sent;
	u32 bad;
	u32 done;
	u32 base;
	u32 nr;
	bool registered;
	u32 failed;
	s16 err[NVDIO_BATCH_CHUNK];
	struct nvdio_io io[NVDIO_BATCH_CHUNK];
	struct nvdio_batch_mem mem[NVDIO_BATCH_CHUNK];
};

/**
 * nvdio_batch_fail() - a descriptor fails before it is sent
 * @run: batch
 * @i: its place in the chunk
 * @err: -errno
 *
 * Context: any.
 */
static inline void nvdio_batch_fail(struct nvdio_batch_run *run, u32 i, int err)
{
	run->failed |= 1U << i;
	run->err[i] = err;
	run->bad++;
}

/**
 * nvdio_batch_is_own() - may descriptors use a map?
 * @run: batch
 * @map: map that the caller may use through a node
 *
 * Context: task.
 * Return: false if it does not exist for them (nvdio_map_is_own()).
 */
static __always_inline bool
nvdio_batch_is_own(const struct nvdio_batch_run *run,
		   const struct nvdio_map *map)
{
	return likely(!run->span) || nvdio_map_is_own(map, run->file);
}

/**
 * nvdio_batch_slba() - first block of a descriptor, on the namespace
 * @run: batch
 * @io: descriptor, which is valid
 *
 * Context: any.
 * Return: its LBA.
 */
static inline u64 nvdio_batch_slba(const struct nvdio_batch_run *run,
				   const struct nvdio_io *io)
{
	const u64 start = run->span ? run->span->start : 0;

	return nvdio_ns_lba(run->ns, start + io->off);
}

#endif /* NVDIO_BATCH_RUN_H */
