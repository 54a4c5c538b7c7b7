// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "fuzz_many.h"
#include "fuzz_maps.h"
#include "t.h"

#define IOS 48U			/* of a batch that are filled in */
#define RINGS 3
#define RING_LEN (1 * MiB)

/* Rings of this process. */
static struct {
	int fd;
	struct nvdio_ring_create shape;
	bool mapped;		/* for reading and writing */
} rings[RINGS] = { { .fd = -1 }, { .fd = -1 }, { .fd = -1 } };

static bool one_in(unsigned int n)
{
	return !fuzz_any(n);
}

/* A descriptor; @which is its map, as it is printed. */
static struct nvdio_io descriptor(unsigned int *which, bool fixed)
{
	struct nvdio_io io = {
		.op = one_in(8) ? fuzz_any(6) : 1 + fuzz_any(2), .off = fuzz_offset(),
		.len = dev.lba * (1 + fuzz_any(32)), .addr = 4 * fuzz_any(PG),
		.cookie = fuzz_any(1U << 31),
	};
	const unsigned int buffer = fuzz_any(5), at = fuzz_any(8);

	*which = one_in(6) ? fuzz_any(1100) : fuzz_any(4);
	if (fixed && one_in(2)) {
		*which = 1100;
		io.addr = (uintptr_t)fuzz_base + buffer * MiB + at * PG;
		if (buffer == 3 && one_in(2))
			io.addr = (uintptr_t)fuzz_base + FUZZ_MAPS + at * PG;
	}
	/* Most blocks are there. */
	if (!one_in(6))
		io.off = fuzz_any(dev.size / dev.lba) * dev.lba;
	if (one_in(12))
		io.len = fuzz_length();
	if (one_in(16))
		io.addr = 1ULL << fuzz_any(64);
	if (io.op == NVDIO_IO_FLUSH && !one_in(8))
		io = (struct nvdio_io){};
	if (one_in(io.op == NVDIO_IO_WRITE ? 3 : 12))
		io.flags = 1U << fuzz_any(8);
	if (one_in(24))
		io.resv = fuzz_any(3);
	if (one_in(24))
		io.stream = fuzz_any(3);
	return io;
}

static void fill_in(struct nvdio_io *ios, unsigned int nr, uint32_t mask, uint32_t at, bool fixed,
		    bool write)
{
	for (unsigned int i = 0; i < nr; i++) {
		unsigned int which;
		struct nvdio_io io = descriptor(&which, fixed);

		io.map = which == 1100 ? NVDIO_MAP_RING_BUF : fuzz_map_id(which);
		if (io.op == NVDIO_IO_FLUSH && !io.len)
			io.map = 0;
		if (write)
			ios[(at + i) & mask] = io;
	}
}

/* ---- batches ---- */

const char *fuzz_batch(struct io_uring_sqe *sqe)
{
	static const unsigned char sizes[] = { 0, 8, 31, 33, 40, 64, 255 };
	struct nvdio_io *ios = (void *)(fuzz_base + FUZZ_DESCRIPTORS);
	unsigned int nr = one_in(12) ? fuzz_any(65536) : 1 + fuzz_any(IOS);
	struct nvdio_batch b = { .nr = nr, .io_size = sizeof(*ios), .flags = fuzz_any(2) };
	const bool fixed = one_in(3);
	static char text[128];

	fill_in(ios, IOS, 63, 0, fixed, true);
	b.results = one_in(4) ? 0 : fuzz_buffer(nr * sizeof(struct nvdio_result));
	if (one_in(24))
		b.io_size = sizes[fuzz_any(ARRAY_SIZE(sizes))];
	if (one_in(24))
		b.flags = fuzz_any(256);
	if (one_in(24))
		b.resv = 1U << fuzz_any(32);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->cmd_op = NVDIO_URING_BATCH;
	sqe->addr = one_in(24) ? fuzz_buffer(nr * sizeof(*ios)) : (uintptr_t)ios;
	if (one_in(40))
		sqe->len = 1 + fuzz_any(100);
	if (fixed) {
		sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
		sqe->buf_index = fuzz_any(5);
	}
	memcpy(sqe->cmd, &b, sizeof(b));
	snprintf(text, sizeof(text), "batch of %u at %#llx, results %#llx size %u flags %#x", nr,
		 sqe->addr, b.results, b.io_size, b.flags);
	return text;
}

/* ---- rings ---- */

static char *place(int r)
{
	return fuzz_base + FUZZ_RINGS + r * RING_LEN;
}

static void drop(int r)
{
	if (rings[r].fd >= 0)
		close(rings[r].fd);
	rings[r].fd = -1;
}

static void forget(int r)
{
	munmap(place(r), RING_LEN);
	rings[r].mapped = false;
}

static void ring_mmap(int r)
{
	static const int prots[] = { 3, 3, 3, 3, 3, 1, 2, 0, 7 };
	int prot = prots[fuzz_any(ARRAY_SIZE(prots))];
	const int flags = one_in(16) ? MAP_PRIVATE : MAP_SHARED;
	const unsigned int more = one_in(8) ? 1 + fuzz_any(4) : 0, page = one_in(12);
	void *p;

	if (!fuzz_doing("many mmap ring %d prot %d flags %d more %u page %u", r, prot, flags, more,
			page))
		return;
	forget(r);
	p = mmap(place(r), rings[r].shape.bytes + more * PG, prot, flags | MAP_FIXED, rings[r].fd,
		 page * PG);
	fuzz_did(p == MAP_FAILED ? -1 : 0);
	/* What is behind its memory is a bus error; a private mapping is refused. */
	rings[r].mapped = p != MAP_FAILED && (prot & 3) == 3 && !more && !page;
}

static void ring_create(int r)
{
	static const unsigned int sizes[] = { 0, 4, 8, 16, 20, 24, 28, 32, 64, 4096, 16383 };
	struct nvdio_ring_create room[700] = { {
		.sq_entries = one_in(8) ? fuzz_any(9000) : 1 + fuzz_any(64),
		.cq_entries = one_in(4) ? fuzz_any(300) : 0,
	} }, *c = room;
	const size_t size = one_in(12) ? sizes[fuzz_any(ARRAY_SIZE(sizes))] : sizeof(*c);
	const unsigned int cmd = _IOC(_IOC_READ | _IOC_WRITE, 'N', 0xb9, size);
	int f = fuzz_file(), fd;

	if (one_in(16))
		c->cq_entries = 1U << fuzz_any(32);
	if (one_in(16))
		c->flags = 1U << fuzz_any(32);
	if (!fuzz_doing("many ring %d fd %d cmd %#x: %u, %u, flags %#x", r, f, cmd, c->sq_entries,
			c->cq_entries, c->flags))
		return;
	fd = ioctl(fuzz_fd(f), cmd, c);
	fuzz_did(fd);
	if (fd < 0)
		return;
	drop(r);
	forget(r);
	rings[r].fd = fd;
	rings[r].shape = *c;
	/* Of a structure that is too short something is not known, and nothing is filled in. */
	if (size < sizeof(*c))
		rings[r].shape = (struct nvdio_ring_create){ .bytes = PG };
}

/* Fill in some I/Os; now and then the indices make no sense. */
static void ring_fill(int r)
{
	const unsigned int nr = 1 + fuzz_any(IOS), what = fuzz_any(24), odd = fuzz_any(1U << 31);
	const bool whole = rings[r].mapped && rings[r].shape.cq_off;
	struct nvdio_ring_head *head = (void *)place(r);
	const uint32_t ns = fuzz_any(4) ? 1000 * fuzz_any(5000) : 0;

	if (!fuzz_doing("many fill ring %d: %u, %u", r, nr, what)) {
		fill_in(NULL, nr, 0, 0, false, false);
		return;
	}
	fill_in(whole ? (void *)(place(r) + rings[r].shape.sq_off) : NULL, nr,
		rings[r].shape.sq_entries - 1, whole ? head->sq_head : 0, false, whole);
	if (!whole)
		return;
	head->timeout = ns;
	__atomic_store_n(&head->cq_head, what == 1 ? odd : head->cq_tail, __ATOMIC_RELEASE);
	__atomic_store_n(&head->sq_tail, what == 2 ? odd : head->sq_head + nr, __ATOMIC_RELEASE);
	if (what == 3)
		head->sq_head = odd;
	if (what == 4)
		head->cq_tail = odd;
	fuzz_did(0);
}

static void ring_enter(int r)
{
	const unsigned int n = one_in(8) ? fuzz_any(65536) : fuzz_any(IOS + 1);
	const unsigned int wait = one_in(4) ? fuzz_any(40) : 0, how = fuzz_any(16);
	struct pollfd p = { .fd = rings[r].fd, .events = fuzz_any(64) };
	int f = fuzz_file();

	if (!fuzz_doing("many enter %u ring %d: %u, %u; or fd %d", how, r, n, wait, f))
		return;
	switch (how) {
	case 0:
		fuzz_did(poll(&p, 1, 1));
		break;
	case 1:
		fuzz_did(ioctl(fuzz_fd(f), NVDIO_IOC_RING_ENTER, NVDIO_RING_ENTER(n, wait)));
		break;
	case 2:
		fuzz_did(ioctl(p.fd, NVDIO_IOC_RING_ENTER,
			       (1UL << 32) | NVDIO_RING_ENTER(n, wait)));
		break;
	default:
		fuzz_did(ioctl(p.fd, NVDIO_IOC_RING_ENTER, NVDIO_RING_ENTER(n, wait)));
	}
}

static void ring_end(int r)
{
	const int how = fuzz_any(3);

	if (!fuzz_doing("many end %d ring %d", how, r))
		return;
	/* In any order, or only one of them. */
	if (how != 1)
		drop(r);
	if (how)
		forget(r);
	fuzz_did(0);
}

void fuzz_ring(void)
{
	const int r = fuzz_any(RINGS), what = fuzz_any(24);

	if (what == 0) {
		ring_end(r);
	} else if (what < 8) {
		if (one_in(2))
			fuzz_maps_alloc(fuzz_file(), fuzz_any(4));
		ring_create(r);
		ring_mmap(r);
	} else if (what == 8) {
		ring_mmap(r);
	} else if (what < 20) {
		ring_fill(r);
		ring_enter(r);
	} else {
		ring_enter(r);
	}
}

/* ---- ranges ---- */

void fuzz_range(void)
{
	static const unsigned int sizes[] = { 0, 8, 16, 20, 32, 64, 4096 };
	struct nvdio_range room[200] = { { .start = dev.lba * fuzz_any(64) } }, *range = room;
	const size_t size = one_in(12) ? sizes[fuzz_any(ARRAY_SIZE(sizes))] : sizeof(*range);
	const unsigned int cmd = _IOC(_IOC_WRITE, 'N', 0xb4, size);
	const bool kept = fuzz_any(2);
	int f = fuzz_file(), fd;

	/* Mostly large, so that calls meet blocks. */
	range->len = dev.size - range->start - dev.lba * fuzz_any(64);
	if (one_in(8))
		range->start = fuzz_offset();
	if (one_in(8))
		range->len = fuzz_length();
	range->flags = one_in(4) ? 1U << fuzz_any(3) : 0;
	range->resv = one_in(24) ? 1U << fuzz_any(32) : 0;
	if (!fuzz_doing("many range fd %d cmd %#x: %#llx %#llx flags %#x%s", f, cmd, range->start,
			range->len, range->flags, kept ? ", kept" : ""))
		return;
	fd = ioctl(fuzz_fd(f), cmd, range);
	fuzz_did(fd);
	if (fd < 0)
		return;
	if (kept)
		fuzz_set_fd(f, fd);
	else
		close(fd);
}
