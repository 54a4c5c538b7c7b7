/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Descriptors of I/O (struct nvdio_io): is one what its namespace and its file
 * permit? Where its memory is, is found out elsewhere.
 */
#ifndef NVDIO_DESC_H
#define NVDIO_DESC_H

#include "pure/pure.h"
#include "uapi/nvdio.h"

/**
 * struct nvdio_desc_limits - what descriptors may ask for
 * @start: what of the namespace is before the byte that they count from
 * @read_size: bytes from there on; 0: not open for reading
 * @write_size: bytes that can be written to; 0: read-only, or not open for writing
 * @lba_mask: LBA size minus 1
 * @len_max: most bytes of a command
 * @atomic_max: most bytes of an atomic write; 0: none
 * @atomic_boundary: bytes, a multiple of which it may not cross, or 0
 * @may_read: open for reading
 * @may_write: open for writing
 * @read_only: the namespace is
 */
struct nvdio_desc_limits {
	u64 start;
	u64 read_size;
	u64 write_size;
	u32 lba_mask;
	u32 len_max;
	u32 atomic_max;
	u32 atomic_boundary;
	bool may_read;
	bool may_write;
	bool read_only;
};

/* nvdio_desc_what() of descriptors without flags. */
#define NVDIO_DESC_WHAT(map, op)	((map) | (u32)(op) << 16)

/**
 * nvdio_desc_what() - map, operation and flags of a descriptor, as one number
 * @io: descriptor
 *
 * One load, where the members are in this order in a word.
 *
 * Context: any.
 * Return: NVDIO_DESC_WHAT(), with the flags above.
 */
static __always_inline u32 nvdio_desc_what(const struct nvdio_io *io)
{
	return io->map | (u32)io->op << 16 | (u32)io->flags << 24;
}

int nvdio_desc_check(const struct nvdio_desc_limits *limits,
		     const struct nvdio_io *io);

#endif /* NVDIO_DESC_H */
