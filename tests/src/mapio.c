// SPDX-License-Identifier: GPL-2.0
/*
 * What reads and writes of mapped memory (driver/uapi/nvdio.h) move: each way of finding
 * it x sizes x offsets in a page x places in the map, where its PRP lists begin and end
 * above all. After each transfer all of the map is compared, so that a byte behind or
 * before the buffer shows; and the counter says whether the memory was recognised.
 *
 * usage: mapio DEVICE [STEP]	try every STEPth combination (1: all)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

#define AT (8 * MiB)		/* of the disk: what is used of it, */
#define IMAGE (8 * MiB)		/* and how much */
#define NR 1024UL		/* pages of a map: five PRP lists */
#define LEN (NR * PG)
#define MANY 64			/* maps that are made until one is scattered */

static int fd;			/* the namespace, O_DIRECT */
static char *image;		/* what the disk has from AT on */
static char *shadow;		/* what the map has */
static char *back;		/* ordinary memory, to read from the disk */
static uint64_t state;
static unsigned int step = 5;
static bool iommu;
static struct nvdio_info info;

struct io {
	bool write;
	char *buf;
	size_t len;
	uint64_t off;		/* in the image */
};

struct way {
	const char *name;
	long (*move)(const struct io *io);
};

static struct io_uring ring, big;
static unsigned int nsid;
static size_t mdts;		/* bytes */
static io_context_t aio;

/* ---- ways ---- */

static long plain(const struct io *io)
{
	return reterr(io->write ? pwrite(fd, io->buf, io->len, AT + io->off) :
				  pread(fd, io->buf, io->len, AT + io->off));
}

static long vector(const struct iovec *v, int nr, bool write, uint64_t off)
{
	return reterr(write ? pwritev(fd, v, nr, AT + off) : preadv(fd, v, nr, AT + off));
}

#define PIECES 4

/* Neighbours, one of them empty. */
static void cut(const struct io *io, struct iovec v[PIECES])
{
	const size_t a = below(&state, io->len / 4) * 4, b = below(&state, (io->len - a) / 4) * 4;

	v[0] = (struct iovec){ io->buf, a };
	v[1] = (struct iovec){ io->buf + a, b };
	v[2] = (struct iovec){ NULL, 0 };
	v[3] = (struct iovec){ io->buf + a + b, io->len - a - b };
}

static long pieces(const struct io *io)
{
	struct iovec v[PIECES];

	cut(io, v);
	return vector(v, PIECES, io->write, io->off);
}

static long by_aio(const struct io *io)
{
	struct iocb cb, *pcb = &cb;
	struct io_event ev;

	if (io->write)
		io_prep_pwrite(&cb, fd, io->buf, io->len, AT + io->off);
	else
		io_prep_pread(&cb, fd, io->buf, io->len, AT + io->off);
	if (io_submit(aio, 1, &pcb) != 1 || io_getevents(aio, 1, 1, &ev, NULL) != 1)
		bail("libaio");
	return ev.res;
}

static long by_ring(const struct io *io, unsigned int op)
{
	struct io_uring_cqe *cqe;
	long ret;

	io_uring_prep_rw(op, io_uring_get_sqe(&ring), fd, io->buf, io->len, AT + io->off);
	if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_wait_cqe(&ring, &cqe))
		bail("io_uring");
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

static long ring_plain(const struct io *io)
{
	return by_ring(io, io->write ? IORING_OP_WRITE : IORING_OP_READ);
}

static long ring_fixed(const struct io *io)
{
	return by_ring(io, io->write ? IORING_OP_WRITE_FIXED : IORING_OP_READ_FIXED);
}

/* ---- passthrough ---- */

/* All but memory and length, which stand at the same place in all structures. */
static struct nvme_uring_cmd command(const struct io *io)
{
	const uint64_t slba = (AT + io->off) / dev.lba;

	return (struct nvme_uring_cmd){
		.opcode = io->write ? 1 : 2, .nsid = nsid,
		.cdw10 = slba, .cdw11 = slba >> 32, .cdw12 = io->len / dev.lba - 1,
	};
}

/* The length of @io if the status of its command is 0. */
static long done(const struct io *io, long status)
{
	return status ? status : (long)io->len;
}

static long cmd_ioctl(const struct io *io)
{
	struct nvme_uring_cmd c = command(io);
	struct nvme_passthru_cmd p;

	c.addr = (uintptr_t)io->buf;
	c.data_len = io->len;
	memcpy(&p, &c, sizeof(p));
	return done(io, reterr(ioctl(fd, NVME_IOCTL_IO_CMD, &p)));
}

static long cmd_ioctl_pieces(const struct io *io)
{
	struct nvme_passthru_cmd64 p = {};
	struct nvme_uring_cmd c = command(io);
	struct iovec v[PIECES];

	cut(io, v);
	c.addr = (uintptr_t)v;
	c.data_len = PIECES;
	memcpy(&p, &c, sizeof(c));
	return done(io, reterr(ioctl(fd, NVME_IOCTL_IO64_CMD_VEC, &p)));
}

static long by_big_ring(const struct io *io, const struct nvme_uring_cmd *c, unsigned int op,
			unsigned int flags)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&big);
	struct io_uring_cqe *cqe;
	long ret;

	prep_command(sqe, fd, op, c);
	sqe->uring_cmd_flags = flags;
	if (io_uring_submit_and_wait(&big, 1) < 0 || io_uring_wait_cqe(&big, &cqe))
		bail("io_uring");
	ret = cqe->res;
	io_uring_cqe_seen(&big, cqe);
	return done(io, ret);
}

static long ring_command(const struct io *io, unsigned int flags)
{
	struct nvme_uring_cmd c = command(io);

	c.addr = (uintptr_t)io->buf;
	c.data_len = io->len;
	return by_big_ring(io, &c, NVME_URING_CMD_IO, flags);
}

static long cmd_ring(const struct io *io)
{
	return ring_command(io, 0);
}

static long cmd_fixed(const struct io *io)
{
	return ring_command(io, IORING_URING_CMD_FIXED);
}

static long cmd_ring_pieces(const struct io *io)
{
	struct nvme_uring_cmd c = command(io);
	struct iovec v[PIECES];

	cut(io, v);
	c.addr = (uintptr_t)v;
	c.data_len = PIECES;
	return by_big_ring(io, &c, NVME_URING_CMD_IO_VEC, 0);
}

/* In two: the kernel refuses empty ones in registered memory. */
static long cmd_fixed_pieces(const struct io *io)
{
	const size_t first = 4 + below(&state, io->len / 4 - 1) * 4;
	struct iovec v[] = { { io->buf, first }, { io->buf + first, io->len - first } };
	struct nvme_uring_cmd c = command(io);

	c.addr = (uintptr_t)v;
	c.data_len = 2;
	return by_big_ring(io, &c, NVME_URING_CMD_IO_VEC, IORING_URING_CMD_FIXED);
}

/* Is it one command, whatever the length? */
static bool is_command(long (*move)(const struct io *))
{
	return move == cmd_ioctl || move == cmd_ioctl_pieces || move == cmd_ring ||
	       move == cmd_ring_pieces || move == cmd_fixed || move == cmd_fixed_pieces;
}

/* ---- one transfer ---- */

/* Somewhere on the disk, with a page on either side. */
static uint64_t somewhere(size_t len)
{
	return PG + below(&state, (IMAGE - len - 2 * PG) / dev.lba) * dev.lba;
}

/* The disk has what @io wrote, and around it what it had. */
static bool disk_right(const struct io *io)
{
	const uint64_t from = io->off - PG;
	const size_t len = (io->len + 2 * PG) / dev.lba * dev.lba;

	get(fd, back, len, AT + from);
	return !memcmp(back, image + from, len);
}

/*
 * Move @len bytes of the map of LEN bytes at @map, in the direction that @write says.
 * Returns whether it and nothing else was moved.
 */
static bool moved(char *map, size_t pos, size_t len, bool write, long (*move)(const struct io *))
{
	const struct io io = { write, map + pos, len, somewhere(len) };
	long ret = move(&io);

	if (ret != (long)len) {
		note("  %s of %zu at %zu: %ld", write ? "write" : "read", len, pos, ret);
		return false;
	}
	if (write)
		memcpy(image + io.off, shadow + pos, len);
	else
		memcpy(shadow + pos, image + io.off, len);
	if (memcmp(map, shadow, LEN)) {
		size_t i = 0;

		while (map[i] == shadow[i])
			i++;
		note("  %s of %zu at %zu: byte %zu of the memory is wrong",
		     write ? "write" : "read", len, pos, i);
		memcpy(map, shadow, LEN);
		return false;
	}
	if (write && !disk_right(&io)) {
		note("  write of %zu at %zu: the disk is wrong", len, pos);
		put(fd, image, IMAGE, AT);
		return false;
	}
	return true;
}

/* ---- memory ---- */

static void *map_new(size_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       (off_t)NVDIO_MMAP_ALLOC);

	if (p == MAP_FAILED)
		bail("mmap of %zu bytes", len);
	return p;
}

static uint32_t map_add(void *p, size_t len, uint32_t flags)
{
	struct nvdio_map_add a = { .addr = (uintptr_t)p, .len = len, .flags = flags };

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &a))
		bail("NVDIO_IOC_MAP_ADD");
	return a.id;
}

static void map_del(uint32_t id)
{
	if (ioctl(fd, NVDIO_IOC_MAP_DEL, &id))
		bail("NVDIO_IOC_MAP_DEL");
}

/* How many runs of contiguous pages does memory consist of? */
static unsigned int runs(const char *p, size_t len)
{
	uint64_t entry[NR], mask = (1ULL << 55) - 1;
	int f = open("/proc/self/pagemap", O_RDONLY);
	unsigned int n = 1;
	size_t nr = len / PG;

	if (madvise((void *)p, len, MADV_POPULATE_READ))
		bail("MADV_POPULATE_READ");
	if (f < 0 || pread(f, entry, nr * 8, (uintptr_t)p / PG * 8) != (ssize_t)nr * 8)
		bail("/proc/self/pagemap");
	close(f);
	for (size_t i = 1; i < nr; i++)
		n += (entry[i] & mask) != (entry[i - 1] & mask) + 1;
	return n;
}

/* Ordinary memory of which neighbouring pages are far from each other. */
static char *scattered(void)
{
	char *p = mmap(NULL, 2 * LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint16_t order[2 * NR];

	if (p == MAP_FAILED)
		bail("mmap");
	madvise(p, 2 * LEN, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < 2 * NR; i++) {
		size_t j = below(&state, i + 1);

		order[i] = order[j];
		order[j] = i;
	}
	for (size_t i = 0; i < 2 * NR; i++)
		p[order[i] * PG] = 1;
	munmap(p + LEN, LEN);
	ok(runs(p, LEN) > NR * 3 / 4, "the program's memory is in %u runs of pages", runs(p, LEN));
	return p;
}

static char *held[MANY];

/* Memory of the driver's; scattered, if free memory is (tests/src/fragment.c). */
static char *node_memory(void)
{
	unsigned int n = 0, is_in = 0;

	while (n < MANY && is_in < 32) {
		held[n] = map_new(LEN);
		is_in = runs(held[n++], LEN);
	}
	ok(is_in >= 32, "memory of the driver's is in %u runs of pages", is_in);
	return held[n - 1];
}

static void node_memory_free(void)
{
	for (unsigned int i = 0; i < MANY; i++)
		if (held[i])
			munmap(held[i], LEN);
	memset(held, 0, sizeof(held));
}

static void shadow_new(char *map)
{
	fill(shadow, LEN, rnd(&state), 0);
	memcpy(map, shadow, LEN);
}

static void register_buffer(char *p, size_t len)
{
	if (io_uring_register_buffers(&ring, &(struct iovec){ p, len }, 1) ||
	    io_uring_register_buffers(&big, &(struct iovec){ p, len }, 1))
		bail("io_uring_register_buffers");
}

static void unregister_buffer(void)
{
	io_uring_unregister_buffers(&ring);
	io_uring_unregister_buffers(&big);
}

/* ---- all combinations ---- */

static const size_t sizes[] = {
	512, 4 * KiB, 8 * KiB, 12 * KiB, 64 * KiB, 128 * KiB, 256 * KiB, 512 * KiB, 1 * MiB,
	1 * MiB + 4 * KiB, 2 * MiB,
};

static const size_t offsets[] = { 0, 4, 512, 2048, 4092 };

#define PLACES 6

/* First page of @nr pages of a map. PRP lists begin at each 256th page. */
static size_t place(unsigned int i, size_t nr)
{
	const size_t at[PLACES] = { 0, 256 - nr / 2, 255, 512 - 1, 512, NR - nr };

	/* Larger than what is there: some other place. */
	return at[i] + nr <= NR ? at[i] : below(&state, NR - nr + 1);
}

enum recognised { BY_ADDRESS, BY_PAGE, BY_HUGE_PAGE };

/* How many transfers of such memory must be recognised; -1: it may be, or not. */
static int expected(enum recognised how, size_t offset, size_t len)
{
	if (len > info.map_io_max)
		return 0;
	if (how == BY_ADDRESS || iommu)
		return 1;
	/* Contiguous memory needs no map. */
	return how == BY_PAGE && offset + len > PG ? 1 : -1;
}

/* Two transfers; returns how many went wrong, and adds to *@lost those not recognised. */
static int both_ways(char *map, size_t pos, size_t len, const struct way *w,
		     enum recognised how, int *lost)
{
	const int want = expected(how, pos % PG, len);
	int wrong = 0;

	for (int write = 0; write < 2; write++) {
		uint64_t before = counter("stats/mapped");
		int got;

		wrong += !moved(map, pos, len, write, w->move);
		got = counter("stats/mapped") - before;
		if (want < 0 || got == want)
			continue;
		if (!(*lost)++)
			note("  %s of %zu at %zu: %d recognised, wanted %d",
			     write ? "write" : "read", len, pos, got, want);
	}
	return wrong;
}

static void combinations(char *map, const struct way *w, enum recognised how)
{
	unsigned int n = below(&state, step);

	for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
		const size_t len = sizes[s];
		int wrong = 0, lost = 0, tried = 0;

		if (len % dev.lba || (len > mdts && is_command(w->move)))
			continue;
		for (unsigned int i = 0; i < ARRAY_SIZE(offsets) * PLACES; i++) {
			const size_t offset = offsets[i / PLACES];
			const size_t nr = (offset + len + PG - 1) / PG;

			if (n++ % step)
				continue;
			wrong += both_ways(map, place(i % PLACES, nr) * PG + offset, len, w, how,
					   &lost);
			tried += 2;
		}
		is(wrong, 0, "%s, %zu bytes: contents after %d transfers", w->name, len, tried);
		is(lost, 0, "%s, %zu bytes: recognised as they should be", w->name, len);
	}
}

static void by_address(const char *name, long (*move)(const struct io *))
{
	char *map = node_memory();

	shadow_new(map);
	combinations(map, &(struct way){ name, move }, BY_ADDRESS);
	node_memory_free();
}

static void address_plain(void)
{
	by_address("pread, pwrite", plain);
}

static void address_pieces(void)
{
	by_address("preadv, pwritev", pieces);
}

static void address_aio(void)
{
	by_address("libaio", by_aio);
}

static void address_ring(void)
{
	by_address("io_uring", ring_plain);
}

static void address_cmd_ioctl(void)
{
	by_address("commands, ioctl", cmd_ioctl);
}

static void address_cmd_ioctl_pieces(void)
{
	by_address("commands, ioctl, vectors", cmd_ioctl_pieces);
}

static void address_cmd_ring(void)
{
	by_address("commands, io_uring", cmd_ring);
}

static void address_cmd_ring_pieces(void)
{
	by_address("commands, io_uring, vectors", cmd_ring_pieces);
}

/* Memory of the program's, by address. */
static void user_memory(const char *name, long (*move)(const struct io *))
{
	char *map = scattered();
	uint32_t id;

	shadow_new(map);
	id = map_add(map, LEN, NVDIO_MAP_USER);
	combinations(map, &(struct way){ name, move }, BY_ADDRESS);
	map_del(id);
	munmap(map, LEN);
}

static void address_user(void)
{
	user_memory("pread, pwrite, program's memory", plain);
}

static void address_user_cmd(void)
{
	user_memory("commands, ioctl, program's memory", cmd_ioctl);
	user_memory("commands, io_uring, program's memory", cmd_ring);
}

static const struct way registered = { "registered buffers", ring_fixed };
static const struct way registered_cmd = { "commands, registered buffers", cmd_fixed };

static void page_node(void)
{
	char *map = node_memory();

	shadow_new(map);
	register_buffer(map, LEN);
	/* Its pages may be in runs that need no map. */
	combinations(map, &registered, BY_HUGE_PAGE);
	combinations(map, &registered_cmd, BY_HUGE_PAGE);
	unregister_buffer();
	node_memory_free();
}

/* Vectors of registered memory, which 6.12 refuses. */
static void page_vectors(char *map)
{
	const struct io io = { false, map, PG, PG };

	if (cmd_fixed_pieces(&io) == -EINVAL) {
		note("vectors of registered memory: not on this kernel");
		return;
	}
	memcpy(shadow, image + PG, PG);
	combinations(map, &(struct way){ "commands, registered vectors", cmd_fixed_pieces },
		     BY_PAGE);
}

static void page_user(void)
{
	char *map = scattered();
	uint32_t id = map_add(map, LEN, NVDIO_MAP_USER);

	shadow_new(map);
	register_buffer(map, LEN);
	combinations(map, &registered, BY_PAGE);
	combinations(map, &registered_cmd, BY_PAGE);
	page_vectors(map);
	unregister_buffer();
	map_del(id);
	munmap(map, LEN);
}

static void page_huge(void)
{
	char *map = mmap(NULL, LEN, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	uint32_t id;

	if (map == MAP_FAILED) {
		t_skip("no huge pages");
		return;
	}
	shadow_new(map);
	id = map_add(map, LEN, NVDIO_MAP_USER);
	register_buffer(map, LEN);
	combinations(map, &registered, BY_HUGE_PAGE);
	combinations(map, &registered_cmd, BY_HUGE_PAGE);
	unregister_buffer();
	map_del(id);
	munmap(map, LEN);
}

/* ---- what is not one run of a map ---- */

/* One transfer each way by a vector; @recognised of each must be. */
static void vector_moves(const struct iovec *v, int nr, int recognised, const char *what)
{
	size_t len = 0, done;
	uint64_t off, before;

	for (int i = 0; i < nr; i++)
		len += v[i].iov_len;
	for (int write = 0; write < 2; write++) {
		const struct io io = { write, NULL, len, off = somewhere(len) };
		bool right = true;

		before = counter("stats/mapped");
		is(vector(v, nr, write, off), len, "%s: %s", what, write ? "write" : "read");
		is(counter("stats/mapped") - before, recognised, "%s: %d recognised", what,
		   recognised);
		done = 0;
		for (int i = 0; i < nr; i++) {
			if (write)
				memcpy(image + off + done, v[i].iov_base, v[i].iov_len);
			else
				right &= !memcmp(image + off + done, v[i].iov_base,
						 v[i].iov_len);
			done += v[i].iov_len;
		}
		ok(write ? disk_right(&io) : right, "%s: contents", what);
	}
}

static void vectors(void)
{
	char *a = map_new(64 * PG), *b = map_new(64 * PG), *o = pages(64 * PG);
	const struct { struct iovec v[4]; int nr, recognised; const char *what; } t[] = {
		{ { { a, 8 * PG }, { o, 8 * PG } }, 2, 0, "mapped and other memory" },
		{ { { o, 512 }, { a + 512, 7 * 512 } }, 2, 0, "other and mapped memory" },
		{ { { a, 8 * PG }, { b, 8 * PG } }, 2, 0, "two maps" },
		{ { { a + PG, PG }, { a, PG } }, 2, 0, "one behind the other" },
		{ { { a, PG }, { a + 2 * PG, PG } }, 2, 0, "a gap" },
		{ { { a, PG }, { a + PG, 0 }, { a + PG, PG }, { a + 2 * PG, PG } }, 4, 1,
		  "neighbours" },
		{ { { a + 4, 1020 }, { a + 1024, 2 * PG + 1024 }, { a + 2 * PG + 2048, 2052 } },
		  3, 1, "neighbours inside of pages" },
	};

	fill(a, 64 * PG, 1, 0);
	fill(b, 64 * PG, 2, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++)
		vector_moves(t[i].v, t[i].nr, t[i].recognised, t[i].what);
	munmap(a, 64 * PG);
	munmap(b, 64 * PG);
	munmap(o, 64 * PG);
}

/* Two maps side by side in the address space, and a map side by side with itself. */
static void neighbours(void)
{
	char *room = mmap(NULL, 48 * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nvdio_map_add a = { .len = 16 * PG, .flags = NVDIO_MAP_ALLOC };
	const int prot = PROT_READ | PROT_WRITE;
	struct iovec v;

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &a))
		bail("NVDIO_IOC_MAP_ADD");
	if (mmap(room, 16 * PG, prot, MAP_SHARED | MAP_FIXED, fd, (off_t)a.mmap_offset) != room ||
	    mmap(room + 16 * PG, 16 * PG, prot, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)NVDIO_MMAP_ALLOC) == MAP_FAILED ||
	    mmap(room + 32 * PG, 8 * PG, prot, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)a.mmap_offset + 8 * PG) == MAP_FAILED)
		bail("mmap");
	v = (struct iovec){ room + 12 * PG, 8 * PG };
	vector_moves(&v, 1, 0, "from one map into the next");
	v = (struct iovec){ room + 28 * PG, 8 * PG };
	vector_moves(&v, 1, 0, "and back");
	v = (struct iovec){ room + 34 * PG + 512, 4 * PG };
	vector_moves(&v, 1, 1, "by the second address of a part");
	is(memcmp(room + 32 * PG, room + 8 * PG, 8 * PG), 0, "which is the same memory");
	munmap(room, 48 * PG);
	map_del(a.id);
}

/* What a call returns, and that it was not recognised. */
static void not_recognised(long got, long want, uint64_t before, const char *what)
{
	is(got, want, "%s", what);
	is(counter("stats/mapped") - before, 0, "%s: not recognised", what);
}

static void directions(void)
{
	char *map = scattered();
	uint32_t id = map_add(map, LEN, NVDIO_MAP_USER | NVDIO_MAP_READ_ONLY);
	uint64_t before;

	shadow_new(map);
	register_buffer(map, LEN);
	for (size_t len = PG; len <= 128 * KiB; len *= 2) {
		before = counter("stats/mapped");
		ok(moved(map, 512, len, false, ring_fixed),
		   "%zu bytes into memory that is mapped for writes: contents", len);
		is(counter("stats/mapped") - before, 0, "not recognised");
		before = counter("stats/mapped");
		ok(moved(map, 512, len, true, ring_fixed), "and from there: contents");
		is(counter("stats/mapped") - before, 1, "recognised");
	}
	map_del(id);
	before = counter("stats/mapped");
	ok(moved(map, 512, 64 * KiB, true, ring_fixed) &&
	   moved(map, 512, 64 * KiB, false, ring_fixed), "deleted: contents");
	is(counter("stats/mapped") - before, 0, "deleted: not recognised");
	unregister_buffer();
	munmap(map, LEN);
}

/* After a read by which addresses from @map on are known: beyond the last address. */
static void wrapping(char *map)
{
	char *const last = (char *)-PG;
	const uint64_t before = counter("stats/mapped");
	struct iovec v[] = { { last, PG }, { NULL, PG }, { map, PG } };

	for (int write = 0; write < 2; write++) {
		const char *what = write ? "a write, beyond the last address" :
					   "a read, beyond the last address";
		struct io io = { write, last, 2 * PG, 0 };

		not_recognised(plain(&io), -EFAULT, before, what);
		not_recognised(ring_plain(&io), -EFAULT, before, what);
		io.len = PG;
		not_recognised(plain(&io), -EFAULT, before, what);
		not_recognised(vector(v, 2, write, 0), -EFAULT, before, what);
		not_recognised(vector(v, 3, write, 0), -EFAULT, before, what);
	}
}

/* Memory of the driver's of LEN bytes, and nothing behind it. */
static char *map_before_nothing(void)
{
	const size_t room = LEN + PG;
	char *p = mmap(NULL, room, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED ||
	    mmap(p, LEN, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)NVDIO_MMAP_ALLOC) != p)
		bail("mmap of %zu bytes", room);
	return p;
}

static void forbidden(void)
{
	char *map = map_before_nothing();
	uint64_t before;
	int copy = dev_open(O_RDWR);

	shadow_new(map);
	ok(moved(map, PG, 64 * KiB, false, plain), "a read, by which the address is known");
	before = counter("stats/mapped");
	not_recognised(reterr(pread(fd, map + 2, PG, AT)), -EINVAL, before, "an odd address");
	not_recognised(reterr(pread(fd, map + LEN - PG, 2 * PG, AT)), -EFAULT, before,
		       "more than there is");
	wrapping(map);
	not_recognised(reterr(pread(copy, map, 64 * KiB, AT)), 64 * KiB, before,
		       "without O_DIRECT");
	memcpy(shadow, image, 64 * KiB);
	is(memcmp(map, shadow, LEN), 0, "without O_DIRECT: contents");
	close(copy);
	before = counter("stats/mapped");
	mprotect(map, LEN, PROT_READ);
	not_recognised(reterr(pread(fd, map, PG, AT)), -EFAULT, before, "a read, PROT_READ");
	ok(moved(map, 0, 64 * KiB, true, plain), "a write, PROT_READ: contents");
	is(counter("stats/mapped") - before, 1, "a write, PROT_READ: recognised");
	before = counter("stats/mapped");
	mprotect(map, LEN, PROT_NONE);
	not_recognised(reterr(pread(fd, map, PG, AT)), -EFAULT, before, "a read, PROT_NONE");
	if (pins_prot_none())
		is(pwrite(fd, map, PG, AT), PG, "a write, PROT_NONE, which the kernel pins");
	else
		not_recognised(reterr(pwrite(fd, map, PG, AT)), -EFAULT, before,
			       "a write, PROT_NONE");
	mprotect(map, LEN, PROT_READ | PROT_WRITE);
	is(memcmp(map, shadow, LEN), 0, "none of it changed the memory");
	get(fd, back, 2 * MiB, AT);
	is(memcmp(back, image, 2 * MiB), 0, "or the disk");
	munmap(map, LEN + PG);
}

/* Pages that a pipe got from mapped memory. */
static void spliced(void)
{
	char *map = map_new(LEN);
	uint64_t before = counter("stats/mapped");
	int p[2];

	shadow_new(map);
	if (pipe(p))
		bail("pipe");
	for (int i = 0; i < 16; i++) {
		const size_t len = 16 * PG, pos = below(&state, NR - 16) * PG;
		const struct io io = { true, map + pos, len, somewhere(len) };
		struct iovec v = { io.buf, len };
		loff_t at = AT + io.off;

		if (vmsplice(p[1], &v, 1, 0) != (ssize_t)len)
			bail("vmsplice");
		if (splice(p[0], NULL, fd, &at, len, 0) != (ssize_t)len)
			bail("splice");
		memcpy(image + io.off, shadow + pos, len);
		if (!disk_right(&io)) {
			ok(false, "spliced: contents of the disk");
			break;
		}
	}
	is(counter("stats/mapped") - before, 16, "spliced: recognised");
	is(memcmp(map, shadow, LEN), 0, "spliced: contents of the memory");
	close(p[0]);
	close(p[1]);
	munmap(map, LEN);
}

static void setup(void)
{
	glob_t found;

	fd = dev_open(O_RDWR | O_DIRECT);
	state = t_seed;
	if (t_args[0])
		step = atoi(t_args[0]);
	if (step < 1 || ioctl(fd, NVDIO_IOC_INFO, &info) || io_setup(4, &aio) ||
	    io_uring_queue_init(4, &ring, 0) ||
	    io_uring_queue_init(4, &big, IORING_SETUP_SQE128 | IORING_SETUP_CQE32))
		bail("setup");
	nsid = dev_nsid();
	mdts = ctrl_counter("mdts_bytes");
	iommu = !glob("/sys/class/iommu/*", 0, NULL, &found);
	image = pages(IMAGE);
	shadow = pages(LEN);
	back = pages(2 * MiB + 3 * PG);
	fill(image, IMAGE, t_seed, 0);
	put(fd, image, IMAGE, AT);
	note("%u bytes at most are recognised, %s an IOMMU, every %uth combination",
	     info.map_io_max, iommu ? "with" : "without", step);
}

static const struct t_case cases[] = {
	{ "address_plain", address_plain },
	{ "address_pieces", address_pieces },
	{ "address_aio", address_aio },
	{ "address_ring", address_ring },
	{ "address_cmd_ioctl", address_cmd_ioctl },
	{ "address_cmd_ioctl_pieces", address_cmd_ioctl_pieces },
	{ "address_cmd_ring", address_cmd_ring },
	{ "address_cmd_ring_pieces", address_cmd_ring_pieces },
	{ "address_user", address_user },
	{ "address_user_cmd", address_user_cmd },
	{ "page_node", page_node },
	{ "page_user", page_user },
	{ "page_huge", page_huge },
	{ "vectors", vectors },
	{ "neighbours", neighbours },
	{ "directions", directions },
	{ "forbidden", forbidden },
	{ "spliced", spliced },
};

int main(int argc, char **argv)
{
	t_args_usage = "[STEP]";
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
