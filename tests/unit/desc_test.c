// SPDX-License-Identifier: GPL-2.0
/*
 * What is wrong with a descriptor: a table, the edges, and random ones with random limits
 * against a model with numbers that do not overflow.
 */
#include "pure/desc.h"
#include "unit.h"

#define LBA 4096U
#define BLOCKS 100ULL

static const struct nvdio_desc_limits usual = {
	.read_size = BLOCKS * LBA, .write_size = BLOCKS * LBA, .lba_mask = LBA - 1,
	.len_max = 32 * LBA, .atomic_max = 8 * LBA, .may_read = true, .may_write = true,
};

static struct nvdio_desc_limits limits;

static struct nvdio_io io_of(u8 op, u64 block, u32 nr)
{
	return (struct nvdio_io){ .op = op, .off = block * LBA, .len = nr * LBA };
}

static void one(const struct nvdio_io *io, int want, const char *what)
{
	is(nvdio_desc_check(&limits, io), want, "%s", what);
}

static void checked(u8 op, u64 off, u32 len, u8 flags, int want, const char *what)
{
	const struct nvdio_io io = { .op = op, .off = off, .len = len, .flags = flags };

	one(&io, want, what);
}

static void members(void)
{
	struct nvdio_io io = io_of(NVDIO_IO_READ, 0, 1);
	unsigned int unknown = 0;

	limits = usual;
	one(&io, 0, "a read");
	io.cookie = 0xffffffff;
	io.map = 0xfffe;
	io.addr = ~0ULL;
	one(&io, 0, "memory and cookie are of no matter");
	io.stream = 1;
	one(&io, -EINVAL, "a stream");
	io.stream = 0;
	io.resv = 0x8000;
	one(&io, -EINVAL, "what is reserved");
	io.resv = 0;
	for (unsigned int op = 3; op < 256; op++) {
		io.op = op;
		unknown += nvdio_desc_check(&limits, &io) == -EOPNOTSUPP;
	}
	is(unknown, 253, "unknown operations");
	for (unsigned int bit = 2; bit < 8; bit++)
		checked(NVDIO_IO_WRITE, 0, LBA, 1 << bit, -EINVAL, "an unknown flag");
	checked(0x42, 0, LBA, 0x80, -EINVAL, "a flag of an unknown operation");
}

static void flushes(void)
{
	struct nvdio_io io = { .op = NVDIO_IO_FLUSH, .cookie = 1 };

	limits = (struct nvdio_desc_limits){ .lba_mask = LBA - 1 };
	one(&io, 0, "a flush needs no rights");
	io.off = LBA;
	one(&io, -EINVAL, "but no offset");
	io = (struct nvdio_io){ .addr = 4 };
	one(&io, -EINVAL, "no memory");
	io = (struct nvdio_io){ .len = LBA };
	one(&io, -EINVAL, "no length");
	io = (struct nvdio_io){ .map = 1 };
	one(&io, -EINVAL, "no map");
	io = (struct nvdio_io){ .flags = NVDIO_IO_FUA };
	one(&io, -EINVAL, "no flag");
	io = (struct nvdio_io){ .resv = 1 };
	one(&io, -EINVAL, "nothing that is reserved");
}

static void rights(void)
{
	const struct nvdio_io r = io_of(NVDIO_IO_READ, 1, 1), w = io_of(NVDIO_IO_WRITE, 1, 1);
	const struct nvdio_io far = io_of(NVDIO_IO_WRITE, BLOCKS, 1);

	limits = usual;
	limits.may_write = false;
	limits.write_size = 0;
	one(&r, 0, "a read, open for reading");
	one(&w, -EBADF, "a write");
	limits = usual;
	limits.may_read = false;
	limits.read_size = 0;
	one(&r, -EBADF, "a read, open for writing");
	one(&w, 0, "a write");
	limits = usual;
	limits.read_only = true;
	limits.write_size = 0;
	one(&r, 0, "a read of a namespace that is read-only");
	one(&w, -EPERM, "a write to it");
	one(&far, -EPERM, "one that is behind it, too");
	limits.may_write = false;
	one(&w, -EBADF, "a write to it, open for reading");
}

static void ends(void)
{
	const u64 size = BLOCKS * LBA;

	limits = usual;
	checked(NVDIO_IO_READ, size - LBA, LBA, 0, 0, "the last block");
	checked(NVDIO_IO_READ, size, LBA, 0, -ENOSPC, "the one behind it");
	checked(NVDIO_IO_READ, size - LBA, 2 * LBA, 0, -ENOSPC, "both");
	checked(NVDIO_IO_READ, -(u64)LBA, LBA, 0, -ENOSPC, "a sum of 0");
	checked(NVDIO_IO_READ, -(u64)LBA, 2 * LBA, 0, -ENOSPC, "a sum of a block");
	checked(NVDIO_IO_READ, 1ULL << 63, LBA, 0, -ENOSPC, "2^63");
	checked(NVDIO_IO_READ, 0, 0, 0, -EINVAL, "nothing");
	checked(NVDIO_IO_READ, 0, 32 * LBA, 0, 0, "as much as can be");
	checked(NVDIO_IO_READ, 0, 33 * LBA, 0, -EINVAL, "a block more");
	checked(NVDIO_IO_READ, 0, -LBA, 0, -EINVAL, "far more");
	checked(NVDIO_IO_READ, 512, LBA, 0, -EINVAL, "an offset in a block");
	checked(NVDIO_IO_READ, 0, LBA - 512, 0, -EINVAL, "a part of a block");
	limits.write_size = size / 2;
	checked(NVDIO_IO_WRITE, size / 2 - LBA, LBA, 0, 0, "the last block for writing");
	checked(NVDIO_IO_WRITE, size / 2, LBA, 0, -ENOSPC, "the one behind it");
	checked(NVDIO_IO_READ, size / 2, LBA, 0, 0, "which can be read");
}

static void atomics(void)
{
	const u8 both = NVDIO_IO_ATOMIC | NVDIO_IO_FUA;

	limits = usual;
	checked(NVDIO_IO_WRITE, 0, LBA, NVDIO_IO_FUA, 0, "a write with FUA");
	checked(NVDIO_IO_READ, 0, LBA, NVDIO_IO_FUA, -EINVAL, "a read with it");
	checked(NVDIO_IO_READ, 0, LBA, NVDIO_IO_ATOMIC, -EINVAL, "an atomic read");
	checked(NVDIO_IO_WRITE, 3 * LBA, 8 * LBA, NVDIO_IO_ATOMIC, 0, "as much as is promised");
	checked(NVDIO_IO_WRITE, 3 * LBA, 8 * LBA, both, 0, "with FUA");
	checked(NVDIO_IO_WRITE, 0, 9 * LBA, NVDIO_IO_ATOMIC, -EINVAL, "a block more");
	checked(NVDIO_IO_WRITE, 0, 9 * LBA, 0, 0, "which need not be atomic");
	limits.atomic_boundary = 8 * LBA;
	checked(NVDIO_IO_WRITE, 8 * LBA, 8 * LBA, NVDIO_IO_ATOMIC, 0, "from boundary to boundary");
	checked(NVDIO_IO_WRITE, 7 * LBA, 2 * LBA, NVDIO_IO_ATOMIC, -EINVAL, "across one");
	checked(NVDIO_IO_WRITE, 7 * LBA, LBA, NVDIO_IO_ATOMIC, 0, "up to it");
	limits.atomic_boundary = 3 * LBA;
	checked(NVDIO_IO_WRITE, 9 * LBA, 3 * LBA, NVDIO_IO_ATOMIC, 0, "boundaries of 3 blocks");
	checked(NVDIO_IO_WRITE, 8 * LBA, 2 * LBA, NVDIO_IO_ATOMIC, -EINVAL, "across one of them");
	limits.atomic_max = 0;
	checked(NVDIO_IO_WRITE, 0, LBA, NVDIO_IO_ATOMIC, -EINVAL, "nothing is promised");
}

/* A number that is often near an edge of @size. */
static u64 number(u64 size, u64 step)
{
	const u64 r = rnd(&t_seed);
	u64 n = (r >> 8) % (size + 1);

	if (r % 16 == 0)
		n = r;
	else if (r % 16 < 3)
		n = size + (r >> 8) % (4 * step) - 2 * step;
	return (r >> 60) ? n / step * step : n;
}

static void any_limits(void)
{
	const u32 lba = 512U << below(&t_seed, 4);

	limits = (struct nvdio_desc_limits){
		.read_size = (1 + below(&t_seed, 1000)) * lba, .lba_mask = lba - 1,
		.len_max = lba * (1 + below(&t_seed, 64)),
		.atomic_max = lba * below(&t_seed, 16), .atomic_boundary = lba * below(&t_seed, 16),
		.may_read = below(&t_seed, 8), .may_write = below(&t_seed, 8),
		.read_only = !below(&t_seed, 8),
	};
	limits.write_size = below(&t_seed, 4) ? limits.read_size : below(&t_seed, 1000) * lba;
}

/* Would it be right to carry it out? */
static bool may(const struct nvdio_io *io)
{
	const bool write = io->op == NVDIO_IO_WRITE;
	const u64 lba = limits.lba_mask + 1, off = io->off, boundary = limits.atomic_boundary;
	const u64 size = write ? limits.write_size : limits.read_size;

	if (io->stream || io->resv || io->flags > (write ? 3 : 0) || io->op > NVDIO_IO_READ)
		return false;
	if (io->op == NVDIO_IO_FLUSH)
		return !off && !io->len && !io->addr && !io->map;
	if (off % lba || io->len % lba || !io->len || io->len > limits.len_max)
		return false;
	if (write ? !limits.may_write || limits.read_only : !limits.may_read)
		return false;
	if (off > size || io->len > size - off)
		return false;
	if (!(io->flags & NVDIO_IO_ATOMIC))
		return true;
	return io->len <= limits.atomic_max &&
	       (!boundary || io->off / boundary == (io->off + io->len - 1) / boundary);
}

static void random_ones(void)
{
	unsigned int wrong = 0, good = 0, atomic = 0;

	for (int i = 0; i < 2000000; i++) {
		struct nvdio_io io = {
			.op = below(&t_seed, 16) ? 1 + below(&t_seed, 2) : below(&t_seed, 6),
			.flags = below(&t_seed, 4) ? 0 : below(&t_seed, 5),
			.stream = !below(&t_seed, 40), .resv = !below(&t_seed, 40),
		};
		bool right;

		if (i % 64 == 0)
			any_limits();
		io.off = number(limits.read_size, limits.lba_mask + 1);
		io.len = number(limits.len_max, limits.lba_mask + 1);
		if (io.op == NVDIO_IO_FLUSH && below(&t_seed, 2))
			io = (struct nvdio_io){ .flags = io.flags };
		right = may(&io);
		good += right;
		atomic += right && io.flags & NVDIO_IO_ATOMIC;
		wrong += (nvdio_desc_check(&limits, &io) == 0) != right;
	}
	is(wrong, 0, "random descriptors with random limits");
	ok(good > 100000 && atomic > 1000, "%u are good, %u of these atomic", good, atomic);
}

static const struct t_case cases[] = {
	{ "members", members },
	{ "flushes", flushes },
	{ "rights", rights },
	{ "ends", ends },
	{ "atomics", atomics },
	{ "random_ones", random_ones },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
