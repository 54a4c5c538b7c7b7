// SPDX-License-Identifier: GPL-2.0
/*
 * Batches of I/Os: contents, results, and what each descriptor and each header may
 * say. batchrun is about long runs, batchfail about what fails meanwhile.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "batch.h"
#include "t.h"

#define MAP_SIZE (256 * PG)
#define ARENA_SIZE (512 * PG)
#define GiB (1024 * MiB)
#define BAD 1111		/* a result that is not written */

static int fd;
static struct nvdio_info info;
static struct io_uring ring;
static uint32_t map_id;
static char *map, *arena;
static struct nvdio_io ios[512];
static struct nvdio_result res[512];

static char *alloc_map(uint32_t flags, size_t size, uint32_t *id)
{
	struct nvdio_map_add add = { .len = size, .flags = NVDIO_MAP_ALLOC | flags };
	char *p;

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add))
		bail("MAP_ADD: %s", strerror(errno));
	*id = add.id;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)add.mmap_offset);
	if (p == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	return p;
}

static void setup(void)
{
	struct iovec iov;

	fd = dev_open(O_RDWR | O_DIRECT);
	if (ioctl(fd, NVDIO_IOC_INFO, &info))
		bail("INFO: %s", strerror(errno));
	if (io_uring_queue_init(64, &ring, 0))
		bail("no ring");
	map = alloc_map(0, MAP_SIZE, &map_id);
	arena = aligned_alloc(2 * MiB, ARENA_SIZE);
	if (!arena)
		bail("no memory");
	madvise(arena, ARENA_SIZE, MADV_HUGEPAGE);
	memset(arena, 0, ARENA_SIZE);
	iov = (struct iovec){ arena, ARENA_SIZE };
	if (io_uring_register_buffers(&ring, &iov, 1))
		bail("register buffers");
}

/* Descriptor @i: block @i of the disk, and of the memory. */
static struct nvdio_io one(unsigned int op, unsigned int i, int registered)
{
	return (struct nvdio_io){
		.op = op, .off = i * PG, .len = PG,
		.addr = registered ? (uintptr_t)arena + i * PG : i * PG,
		.map = registered ? NVDIO_MAP_RING_BUF : map_id,
	};
}

static void forget(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(res); i++)
		res[i] = (struct nvdio_result){ .res = BAD, .status = BAD };
}

/* Results from @from to @to all are @want. */
static void results(unsigned int from, unsigned int to, int want, const char *what)
{
	unsigned int wrong = 0;

	for (unsigned int i = from; i < to; i++)
		wrong += res[i].res != want || (want != BAD && res[i].status);
	is(wrong, 0, "%s: results %u to %u are %d", what, from, to - 1, want);
}

static void there_and_back(char *mem, int registered, unsigned int nr)
{
	const char *what = registered ? "registered" : "mapped";
	char *copy = pages(nr * PG);

	fill(mem, nr * PG, 100 + nr, 0);
	for (unsigned int i = 0; i < nr; i++)
		ios[i] = one(NVDIO_IO_WRITE, i, registered);
	forget();
	is(batch(&ring, fd, ios, nr, res, 0, registered), nr, "%s: %u writes", what, nr);
	results(0, nr, BAD, what);
	get(fd, copy, nr * PG, 0);
	holds(copy, nr * PG, 100 + nr, 0, "%s: the disk has what was written", what);
	memset(mem, 0, nr * PG);
	for (unsigned int i = 0; i < nr; i++)
		ios[i] = one(NVDIO_IO_READ, nr - 1 - i, registered);
	is(batch(&ring, fd, ios, nr, res, NVDIO_BATCH_ALL_RESULTS, registered), nr,
	   "%s: %u reads", what, nr);
	results(0, nr, PG, what);
	results(nr, nr + 1, BAD, what);
	holds(mem, nr * PG, 100 + nr, 0, "%s: so has the memory", what);
	munmap(copy, nr * PG);
}

static void contents(void)
{
	static const unsigned int sizes[] = { 1, 2, 8, 31, 32, 33, 64, 128, 256 };

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		there_and_back(map, 0, sizes[i]);
		there_and_back(arena, 1, sizes[i]);
	}
}

static void say_what(void)
{
	is(info.features & NVDIO_FEATURE_BATCH, NVDIO_FEATURE_BATCH, "batches are possible");
	is(info.batch_max, 256, "of 256");
	ok(info.batch_len_max >= PG, "of %u bytes each", info.batch_len_max);
}

static void flushes(void)
{
	uint64_t before = counter("stats/flush");

	ios[0] = (struct nvdio_io){ .op = NVDIO_IO_FLUSH };
	forget();
	is(batch(&ring, fd, ios, 1, res, NVDIO_BATCH_ALL_RESULTS, 0), 1, "a flush");
	results(0, 1, 0, "of a flush");
	for (unsigned int i = 0; i < 40; i++)
		ios[i] = i % 2 ? one(NVDIO_IO_WRITE, i, 0) :
				 (struct nvdio_io){ .op = NVDIO_IO_FLUSH };
	is(batch(&ring, fd, ios, 40, res, 0, 0), 40, "flushes among writes");
	is(counter("stats/flush") - before, 21, "all of them were sent");
	/* With nothing before it in the batch, and other batches before. */
	for (int registered = 0; registered < 2; registered++) {
		ios[0] = one(NVDIO_IO_READ, 0, registered);
		is(batch(&ring, fd, ios, 1, res, 0, registered), 1, "a read");
		ios[0] = (struct nvdio_io){ .op = NVDIO_IO_FLUSH, .len = PG };
		is(batch(&ring, fd, ios, 1, res, 0, registered), 0, "a flush of something, alone");
		results(0, 1, -EINVAL, "of that");
	}
}

static void wrong_headers(void)
{
	struct { unsigned int nr, size, flags, resv, len; int want; } t[] = {
		{ .nr = 0, .size = 32, .want = -EINVAL },
		{ .nr = 257, .size = 32, .want = -EINVAL },
		{ .nr = 65535, .size = 32, .want = -EINVAL },
		{ .nr = 1, .size = 31, .want = -EINVAL },
		{ .nr = 1, .size = 0, .want = -EINVAL },
		{ .nr = 1, .size = 40, .want = -E2BIG },
		{ .nr = 1, .size = 32, .flags = 2, .want = -EINVAL },
		{ .nr = 1, .size = 32, .resv = 1, .want = -EINVAL },
		{ .nr = 1, .size = 32, .len = 1, .want = -EINVAL },
		{ .nr = 1, .size = 32, .want = 1 },
	};
	uint64_t before = counter("stats/direct");
	struct nvdio_batch b;

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		struct io_uring_sqe *sqe;

		ios[0] = one(NVDIO_IO_READ, 0, 0);
		sqe = prep_batch(&ring, fd, ios, 1, res, 0, 0);
		b = (struct nvdio_batch){ .results = (uintptr_t)res, .nr = t[i].nr,
			.io_size = t[i].size, .flags = t[i].flags, .resv = t[i].resv };
		memcpy(sqe->cmd, &b, sizeof(b));
		sqe->len = t[i].len;
		is(batch_wait(&ring), t[i].want, "header %u", i);
	}
	is(batch(&ring, fd, (void *)16, 1, res, 0, 0), -EFAULT, "no memory");
	is(counter("stats/direct") - before, 1, "only the good one was sent");
}

/* What is wrong with a descriptor, and what comes of it. */
static const struct wrong {
	const char *what;
	int want;
	struct nvdio_io add;	/* added to a good one */
	int op;			/* instead of a read, or -1 */
	int ro, wo;
} wrongs[] = {
	{ "half a block", -EINVAL, { .off = 256 }, -1, 0, 0 },
	{ "no whole blocks", -EINVAL, { .len = 100 }, -1, 0, 0 },
	{ "nothing", -EINVAL, { .len = -(uint32_t)PG }, -1, 0, 0 },
	{ "too much", -EINVAL, { .len = 64 * MiB }, -1, 0, 0 },
	{ "odd memory", -EINVAL, { .addr = 2 }, -1, 0, 0 },
	{ "memory beyond", -EINVAL, { .addr = 4 * GiB }, -1, 0, 0 },
	{ "memory far beyond", -EINVAL, { .addr = -PG * 250 }, -1, 0, 0 },
	{ "another map", -ENOENT, { .map = 77 }, -1, 0, 0 },
	{ "a map that cannot be", -ENOENT, { .map = 5000 }, -1, 0, 0 },
	{ "a flag", -EINVAL, { .flags = 4 }, -1, 0, 0 },
	{ "a read with FUA", -EINVAL, { .flags = NVDIO_IO_FUA }, -1, 0, 0 },
	{ "an atomic write without the promise", -EINVAL, { .flags = NVDIO_IO_ATOMIC },
	  NVDIO_IO_WRITE, 0, 0 },
	{ "stream", -EINVAL, { .stream = 1 }, -1, 0, 0 },
	{ "resv", -EINVAL, { .resv = 1 }, -1, 0, 0 },
	{ "an operation", -EOPNOTSUPP, { 0 }, 5, 0, 0 },
	{ "another operation", -EOPNOTSUPP, { 0 }, 255, 0, 0 },
	{ "beyond the end", -ENOSPC, { .off = 1ULL << 60 }, -1, 0, 0 },
	{ "a write beyond the end", -ENOSPC, { .off = 1ULL << 60 }, NVDIO_IO_WRITE, 0, 0 },
	{ "across 2^64", -ENOSPC, { .off = -PG * 250 }, -1, 0, 0 },
	{ "a flush with a length", -EINVAL, { 0 }, NVDIO_IO_FLUSH, 0, 0 },
	{ "a write, open for reading", -EBADF, { 0 }, NVDIO_IO_WRITE, 1, 0 },
	{ "a read, open for writing", -EBADF, { 0 }, NVDIO_IO_READ, 0, 1 },
};

#define AMONG 40		/* more than one chunk */

/* @w in place @at of a batch of others. */
static void wrong_at(const struct wrong *w, unsigned int at, int registered, unsigned int flags)
{
	const int other = w->wo ? NVDIO_IO_WRITE : NVDIO_IO_READ;
	int node = w->ro ? dev_open(O_RDONLY | O_DIRECT) :
		   w->wo ? dev_open(O_WRONLY | O_DIRECT) : fd;
	char *mem = registered ? arena : map;
	unsigned int wrong = 0;
	struct nvdio_io *io;

	memset(mem, 0xaa, AMONG * PG);
	for (unsigned int i = 0; i < AMONG; i++)
		ios[i] = one(other, 200 + i, registered);
	for (unsigned int i = 0; i < AMONG; i++)
		ios[i].addr -= 200 * PG;
	io = &ios[at];
	io->off += w->add.off;
	io->addr += w->add.addr;
	io->len += w->add.len;
	io->map += w->add.map;
	io->flags = w->add.flags;
	io->stream = w->add.stream;
	io->resv = w->add.resv;
	if (w->op >= 0)
		io->op = w->op;
	forget();
	wrong += batch(&ring, node, ios, AMONG, res, flags, registered) != AMONG - 1;
	for (unsigned int i = 0; i < AMONG; i++) {
		int want = i == at ? w->want : flags ? (int)PG : BAD;

		if (res[i].res == want)
			continue;
		note("result %u: %d instead of %d", i, res[i].res, want);
		wrong++;
	}
	/* What failed has touched no memory, all others have been read. */
	if (!w->wo) {
		static char all_aa[PG];

		memset(all_aa, 0xaa, PG);
		wrong += !!memcmp(mem + at * PG, all_aa, PG);
		for (unsigned int i = 0; i < AMONG; i++)
			wrong += i != at && differs(mem + i * PG, PG, 7, (200 + i) * PG) >= 0;
	}
	is(wrong, 0, "%s at %u%s%s", w->what, at, registered ? ", registered" : "",
	   flags ? ", all results" : "");
	if (node != fd)
		close(node);
}

static void wrong_descriptors(void)
{
	char *data = pages(AMONG * PG);
	const unsigned int places[] = { 0, 17, AMONG - 1 };

	fill(data, AMONG * PG, 7, 200 * PG);
	put(fd, data, AMONG * PG, 200 * PG);
	for (unsigned int i = 0; i < ARRAY_SIZE(wrongs); i++)
		for (unsigned int j = 0; j < 3; j++) {
			const struct wrong *w = &wrongs[i];

			wrong_at(w, places[j], 0, j == 1 ? NVDIO_BATCH_ALL_RESULTS : 0);
			/* The others are about maps. */
			if (w->want != -ENOENT && !strstr(w->what, "memory"))
				wrong_at(w, places[j], 1, j == 2 ? NVDIO_BATCH_ALL_RESULTS : 0);
			/* What the writers wrote. */
			if (w->wo)
				put(fd, data, AMONG * PG, 200 * PG);
		}
	munmap(data, AMONG * PG);
}

static void wrong_memory(void)
{
	struct nvdio_map_add user = { .addr = (uintptr_t)arena, .len = MAP_SIZE,
		.flags = NVDIO_MAP_USER | NVDIO_MAP_READ_ONLY };

	ios[0] = one(NVDIO_IO_READ, 0, 1);
	forget();
	is(batch(&ring, fd, ios, 1, res, 0, 0), 0, "the ring's buffer without FIXED");
	results(0, 1, -EINVAL, "without FIXED");
	ios[0].addr = (uintptr_t)arena + ARENA_SIZE;
	is(batch(&ring, fd, ios, 1, res, 0, 1), 0, "beyond the registered buffer");
	results(0, 1, -EFAULT, "beyond");
	ios[0].addr = (uintptr_t)arena + ARENA_SIZE - 512;
	is(batch(&ring, fd, ios, 1, res, 0, 1), 0, "across its end");
	results(0, 1, -EFAULT, "across");
	is(ioctl(fd, NVDIO_IOC_MAP_ADD, &user), 0, "a map for writes");
	ios[0] = one(NVDIO_IO_READ, 0, 0);
	ios[0].map = user.id;
	is(batch(&ring, fd, ios, 1, res, 0, 0), 0, "a read into it");
	results(0, 1, -EACCES, "read-only map");
	ios[0].op = NVDIO_IO_WRITE;
	is(batch(&ring, fd, ios, 1, res, 0, 0), 1, "a write from it");
	is(ioctl(fd, NVDIO_IOC_MAP_DEL, &user.id), 0, "deleted");
	is(batch(&ring, fd, ios, 1, res, 0, 0), 0, "a write from it then");
	results(0, 1, -ENOENT, "a map that is gone");
}

/* Results that cannot be written, or are not asked for: the CQE counts all the same. */
static void lost_results(void)
{
	struct nvdio_result *half = pages(2 * PG);

	for (unsigned int i = 0; i < 64; i++)
		ios[i] = one(NVDIO_IO_READ, i, 0);
	ios[1].map = 700;
	ios[60].map = 700;
	is(batch(&ring, fd, ios, 64, NULL, NVDIO_BATCH_ALL_RESULTS, 0), 62, "no results");
	is(batch(&ring, fd, ios, 64, (void *)16, NVDIO_BATCH_ALL_RESULTS, 0), 62, "nowhere");
	munmap((char *)half + PG, PG);
	half += PG / sizeof(*half) - 32;
	is(batch(&ring, fd, ios, 64, half, 0, 0), 62, "half of them");
	is(half[1].res, -ENOENT, "those that can be written are");
	/* Descriptors that end where memory does. */
	struct nvdio_io *end = (struct nvdio_io *)(pages(2 * PG) + PG) - 33;

	munmap(end + 33, PG);
	memcpy(end, ios, 33 * sizeof(*end));
	forget();
	is(batch(&ring, fd, end, 64, res, 0, 0), 31, "descriptors that are not there");
	results(33, 64, -EFAULT, "the chunk");
	is(batch(&ring, fd, end + 33, 64, res, 0, 0), -EFAULT, "none there");
}

/* One ring of each kind. */
static void rings(void)
{
	static const struct { unsigned int flags; const char *name; } kinds[] = {
		{ IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, "DEFER_TASKRUN" },
		{ IORING_SETUP_SQPOLL, "SQPOLL" },
		{ IORING_SETUP_IOPOLL, "IOPOLL" },
		{ IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL, "both" },
		{ IORING_SETUP_SQE128 | IORING_SETUP_CQE32, "big" },
		{ IORING_SETUP_COOP_TASKRUN, "COOP_TASKRUN" },
	};
	struct io_uring was = ring;

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		struct iovec iov = { arena, ARENA_SIZE };

		note("%s", kinds[i].name);
		if (!is(io_uring_queue_init(64, &ring, kinds[i].flags), 0, "a ring"))
			continue;
		is(io_uring_register_buffers(&ring, &iov, 1), 0, "its buffer");
		there_and_back(map, 0, 100);
		there_and_back(arena, 1, 100);
		for (unsigned int j = 0; j < 64; j++)
			ios[j] = one(NVDIO_IO_READ, j, 0);
		ios[33].map = 700;
		ios[0].map = 700;
		ios[5].op = NVDIO_IO_FLUSH;
		forget();
		is(batch(&ring, fd, ios, 64, res, 0, 0), 61, "with wrong ones among them");
		results(0, 1, -ENOENT, "the first");
		results(5, 6, -EINVAL, "a flush");
		for (unsigned int j = 0; j < 64; j++)
			ios[j].map = 701;
		is(batch(&ring, fd, ios, 64, res, 0, 0), 0, "nothing but wrong ones");
		io_uring_queue_exit(&ring);
	}
	ring = was;
}

/* More batches at once than there are tags. */
static void crowd(void)
{
	struct nvdio_info deep;
	unsigned int good = 0, most;
	struct io_uring_cqe *cqe;

	is(ioctl(fd, NVDIO_IOC_INFO, &deep), 0, "INFO");
	most = deep.batch_max;
	note("batches of %u", most);
	for (unsigned int i = 0; i < most; i++)
		ios[i] = one(NVDIO_IO_READ, i, 0);
	is(batch(&ring, fd, ios, most, res, 0, 0), most, "as many as there can be");
	is(batch(&ring, fd, ios, most + 1, res, 0, 0), -EINVAL, "one more");
	for (unsigned int i = 0; i < 32; i++)
		prep_batch(&ring, fd, ios, most, NULL, 0, 0);
	is(io_uring_submit(&ring), 32, "32 batches at once");
	for (unsigned int i = 0; i < 32; i++) {
		if (io_uring_wait_cqe(&ring, &cqe))
			bail("wait");
		good += cqe->res == (int)most;
		io_uring_cqe_seen(&ring, cqe);
	}
	is(good, 32, "all of them succeed");
}

static const struct t_case cases[] = {
	{ "say_what", say_what },
	{ "contents", contents },
	{ "flushes", flushes },
	{ "wrong_headers", wrong_headers },
	{ "wrong_descriptors", wrong_descriptors },
	{ "wrong_memory", wrong_memory },
	{ "lost_results", lost_results },
	{ "rings", rings },
	{ "crowd", crowd },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
