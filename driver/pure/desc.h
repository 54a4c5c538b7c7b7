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
 * @read_size: bytes of the namespace; 0: not open for reading
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

int nvdio_desc_check(const struct nvdio_desc_limits *limits,
		     const struct nvdio_io *io);

/**
 * nvdio_desc_is_usual() - is a descriptor a valid read or write without flags?
 * @limits: limits
 * @io: descriptor, a copy that nobody else can change
 *
 * Context: any.
 * Return: false if nvdio_desc_check() has to be asked.
 */
static __always_inline bool
nvdio_desc_is_usual(const struct nvdio_desc_limits *limits,
		    const struct nvdio_io *io)
{
	const bool write = io->op == NVDIO_IO_WRITE;
	const u64 size = write ? limits->write_size : limits->read_size;
	const u64 off = io->off;
	const u32 len = io->len;

	return (write || io->op == NVDIO_IO_READ) && !io->flags &&
	       !(io->stream | io->resv) && !((off | len) & limits->lba_mask) &&
	       len - 1 < limits->len_max && off < size && len <= size - off;
}

#endif /* NVDIO_DESC_H */
