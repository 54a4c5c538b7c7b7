/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Arithmetic of rings without io_uring (struct nvdio_ring_head): indices that count
 * for ever, modulo 2^32, of which a program writes two and may write anything.
 *
 * The driver has its own copies of those that it writes, and takes one of the
 * program's only together with these.
 */
#ifndef NVDIO_PURE_RING_H
#define NVDIO_PURE_RING_H

#include "pure/pure.h"
#include "uapi/nvdio.h"

/*
 * What all indices of a new ring are: soon after that they wrap around, so that neither
 * the driver nor a program gets away with a mistake about it.
 */
#define NVDIO_RING_START	0xffffff00U

/* What the program's indices are if they make no sense. */
#define NVDIO_RING_BROKEN	0xffffffffU

/**
 * struct nvdio_ring_size - the memory of a ring
 * @sq_entries: entries of the submission array, a power of two
 * @cq_entries: entries of the completion array, likewise
 * @sq_off: bytes from the start of the memory to the first
 * @cq_off: bytes to the second
 * @bytes: its size, not yet whole pages
 */
struct nvdio_ring_size {
	u32 sq_entries;
	u32 cq_entries;
	u32 sq_off;
	u32 cq_off;
	u32 bytes;
};

/* The next power of two, of 1 to 2^31. */
static inline u32 nvdio_ring_round_up(u32 n)
{
	u32 ret = 1;

	while (ret < n)
		ret *= 2;
	return ret;
}

/**
 * nvdio_ring_size() - how large is a ring?
 * @sq_entries: entries of the submission array that are asked for
 * @cq_entries: those of the completion array; 0: twice as many
 * @size: set
 *
 * Context: any.
 * Return: 0; -EINVAL if there is none, or more than there can be, or fewer
 * completions than submissions.
 */
static inline int nvdio_ring_size(u32 sq_entries, u32 cq_entries,
				  struct nvdio_ring_size *size)
{
	if (!sq_entries || sq_entries > NVDIO_RING_SQ_MAX ||
	    cq_entries > NVDIO_RING_CQ_MAX)
		return -EINVAL;
	size->sq_entries = nvdio_ring_round_up(sq_entries);
	size->cq_entries = cq_entries ? nvdio_ring_round_up(cq_entries) :
					2 * size->sq_entries;
	if (size->cq_entries < size->sq_entries)
		return -EINVAL;
	size->sq_off = sizeof(struct nvdio_ring_head);
	size->cq_off = size->sq_off +
		       size->sq_entries * (u32)sizeof(struct nvdio_io);
	/* On a cache line of its own. */
	size->cq_off = ALIGN(size->cq_off, 64);
	size->bytes = size->cq_off +
		      size->cq_entries * (u32)sizeof(struct nvdio_ring_cqe);
	return 0;
}

/**
 * nvdio_ring_between() - how many entries are from one index to another?
 * @from: the driver's index, or the program's
 * @to: the other one
 * @entries: entries of the array
 *
 * Context: any.
 * Return: number; NVDIO_RING_BROKEN if there cannot be so many.
 */
static inline u32 nvdio_ring_between(u32 from, u32 to, u32 entries)
{
	return to - from <= entries ? to - from : NVDIO_RING_BROKEN;
}

/**
 * nvdio_ring_room() - how many I/Os may be sent?
 * @sent: number of I/Os sent so far
 * @posted: number of completions posted so far, not more than @sent
 * @reaped: number of these that the program says it has seen, read before @posted
 * @entries: entries of the completion array
 *
 * Each I/O that is sent has an entry there, from now until the program has seen its
 * completion, so that there always is one.
 *
 * Context: any.
 * Return: number; NVDIO_RING_BROKEN if @reaped makes no sense.
 */
static inline u32 nvdio_ring_room(u32 sent, u32 posted, u32 reaped, u32 entries)
{
	if (posted - reaped > entries)
		return NVDIO_RING_BROKEN;
	/* If @reaped went back, more may be in use than there are. */
	return sent - reaped < entries ? entries - (sent - reaped) : 0;
}

/**
 * nvdio_ring_reached() - has an index come to a value, or beyond?
 * @index: index
 * @at: value, less than 2^31 from it
 *
 * Context: any.
 * Return: true if it has.
 */
static inline bool nvdio_ring_reached(u32 index, u32 at)
{
	return (s32)(index - at) >= 0;
}

#endif /* NVDIO_PURE_RING_H */
