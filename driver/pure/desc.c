// SPDX-License-Identifier: GPL-2.0
/* Descriptors of I/O: what is wrong with one; see desc.h. */
#include "pure/desc.h"

/* Is this a write that the controller carries out as a whole or not at all? */
static bool desc_is_atomic(const struct nvdio_desc_limits *limits,
			   const struct nvdio_io *io)
{
	const u32 boundary = limits->atomic_boundary;
	const u64 first = limits->start + io->off;
	const u64 last = first + io->len - 1;

	if (io->len > limits->atomic_max)
		return false;
	/* LBA sizes are powers of two, boundaries any number of blocks. */
	return !boundary ||
	       div_u64(first, boundary) == div_u64(last, boundary);
}

static int desc_check_flush(const struct nvdio_io *io)
{
	return io->off || io->addr || io->len || io->map || io->flags ?
	       -EINVAL : 0;
}

/**
 * nvdio_desc_check() - what is wrong with a descriptor?
 * @limits: limits
 * @io: descriptor, a copy that nobody else can change
 *
 * Context: any.
 * Return: 0; -EINVAL for members that must be 0, unknown flags, flags of writes for
 * others, what is not whole blocks, none or too many, and writes that would not be
 * atomic; -EOPNOTSUPP for unknown operations; -EBADF if the file is not open for it;
 * -EPERM if the namespace is read-only; -ENOSPC if not all of it is in the namespace.
 */
int nvdio_desc_check(const struct nvdio_desc_limits *limits,
		     const struct nvdio_io *io)
{
	const bool write = io->op == NVDIO_IO_WRITE;
	const u64 size = write ? limits->write_size : limits->read_size;

	if (io->stream || io->resv ||
	    io->flags & ~(NVDIO_IO_FUA | NVDIO_IO_ATOMIC))
		return -EINVAL;
	if (io->op == NVDIO_IO_FLUSH)
		return desc_check_flush(io);
	if (!write && io->op != NVDIO_IO_READ)
		return -EOPNOTSUPP;
	if (!(write ? limits->may_write : limits->may_read))
		return -EBADF;
	if ((io->off | io->len) & limits->lba_mask || !io->len ||
	    io->len > limits->len_max || (io->flags && !write))
		return -EINVAL;
	if (write && limits->read_only)
		return -EPERM;
	if (io->off >= size || io->len > size - io->off)
		return -ENOSPC;
	if (io->flags & NVDIO_IO_ATOMIC && !desc_is_atomic(limits, io))
		return -EINVAL;
	return 0;
}
