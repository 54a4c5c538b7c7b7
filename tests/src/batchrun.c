// SPDX-License-Identifier: GPL-2.0
/*
 * Long random runs of batches: reads and writes of all sizes, in maps and registered
 * arenas, several batches in flight, some of whose descriptors cannot be carried out;
 * contents compared for every descriptor. And a program that changes descriptors while
 * they are submitted, which must reach nothing but its own memory.
 *
 * Each thread has a part of the disk, where no two I/Os in flight overlap if one is a
 * write. Blocks hold a pattern of their place and of a generation.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "batch.h"
#include "t.h"

#define MEM (8 * MiB)		/* of a map, and of an arena */
#define PART (8 * MiB)		/* of the disk, of each thread */
#define THREADS 4
#define BATCHES 3		/* in flight, of a thread */
#define MAPS 3			/* in small pages and in large, and the arena */
#define SLOT_MAX (128 * KiB)

static int fd;
static struct nvdio_info info;
static unsigned int seconds = 5;

struct worker {
	pthread_t tid;
	unsigned int nr;
	uint64_t seed;
	struct io_uring ring;
	char *mem[MAPS];
	uint32_t id[MAPS];
	uint32_t *gen;			/* of each block of the part */
	unsigned long ios, bytes, refused, wrong;
	struct flying {
		struct nvdio_io ios[256];
		struct nvdio_result res[256];
		int err[256];		/* what it fails with, or 0 */
		unsigned int nr, bad;
		int all;
	} f[BATCHES];
};

static uint64_t word(uint64_t block, uint32_t gen)
{
	return (block << 32 | gen) * 0x9e3779b97f4a7c15ull;
}

static void stamp(struct worker *w, char *p, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i += dev.lba) {
		uint64_t block = (off + i) / dev.lba;
		uint32_t gen = w->gen[block % (PART / dev.lba)];

		for (size_t j = 0; j < dev.lba; j += 8)
			*(uint64_t *)(p + i + j) = word(block, gen) + j;
	}
}

static bool stamped(struct worker *w, const char *p, uint64_t off, size_t len)
{
	for (size_t i = 0; i < len; i += dev.lba) {
		uint64_t block = (off + i) / dev.lba;
		uint32_t gen = w->gen[block % (PART / dev.lba)];

		for (size_t j = 0; j < dev.lba; j += 8)
			if (*(const uint64_t *)(p + i + j) != word(block, gen) + j)
				return false;
	}
	return true;
}

static char *where(const struct worker *w, const struct nvdio_io *io)
{
	if (io->map == NVDIO_MAP_RING_BUF)
		return (char *)(uintptr_t)io->addr;
	return w->mem[io->map == w->id[0] ? 0 : 1] + io->addr;
}

/* One that fails, for any reason. Returns its error. */
static int spoil(struct worker *w, struct nvdio_io *io)
{
	switch (below(&w->seed, 5)) {
	case 0:
		io->stream = 1;
		return -EINVAL;
	case 1:
		io->off = dev.size;
		return -ENOSPC;
	case 2:
		io->op |= 0x40;
		return -EOPNOTSUPP;
	case 3:
		io->off++;
		return -EINVAL;
	default:
		io->flags = NVDIO_IO_ATOMIC << 1;
		return -EINVAL;
	}
}

/* What a good descriptor finds in its memory, or a read that will be refused. */
static void stamp_memory(struct worker *w, const struct nvdio_io *io, uint64_t disk, bool spoilt)
{
	if (io->op == NVDIO_IO_WRITE && !spoilt) {
		for (uint64_t i = disk / dev.lba; i < (disk + io->len) / dev.lba; i++)
			w->gen[i]++;
		stamp(w, where(w, io), io->off, io->len);
	} else {
		memset(where(w, io), 0xee, io->len);
	}
}

/*
 * Batch @b of @w: descriptor @i has its own piece of disk and of memory: each batch a
 * third of both, in order, with gaps.
 */
static void compose(struct worker *w, unsigned int b)
{
	struct flying *f = &w->f[b];
	const uint64_t base = (uint64_t)w->nr * PART, third = PART / BATCHES / PG * PG;
	uint64_t disk = b * third, mem = b * (MEM / BATCHES / PG * PG);
	const uint64_t disk_end = disk + third, mem_end = mem + MEM / BATCHES / PG * PG;
	const unsigned int want = 1 + below(&w->seed, info.batch_max);
	const unsigned int small = below(&w->seed, 4);

	memset(f->res, 0x5a, sizeof(f->res));
	f->all = below(&w->seed, 2);
	f->bad = 0;
	for (f->nr = 0; f->nr < want; f->nr++) {
		struct nvdio_io *io = &f->ios[f->nr];
		size_t max = small ? 2 * PG : SLOT_MAX, len;
		const unsigned int m = below(&w->seed, MAPS);

		if (max > info.batch_len_max)
			max = info.batch_len_max;
		len = dev.lba * (1 + below(&w->seed, max / dev.lba));
		mem = (mem + 3) / 4 * 4 + below(&w->seed, 3) * 4;
		/* The arena's pages are large, but not what no SGL describes. */
		if (m == 2) {
			len = dev.lba * (1 + below(&w->seed, PG / dev.lba));
			mem = (mem + PG - 1) / PG * PG;
		}
		disk += below(&w->seed, 3) * dev.lba;
		if (disk + len > disk_end || mem + len > mem_end)
			break;
		*io = (struct nvdio_io){
			.op = below(&w->seed, 2) ? NVDIO_IO_READ : NVDIO_IO_WRITE,
			.off = base + disk, .len = len,
			.addr = m == 2 ? (uintptr_t)w->mem[2] + mem : mem,
			.map = m == 2 ? NVDIO_MAP_RING_BUF : w->id[m],
			.cookie = rnd(&w->seed),
		};
		if (io->op == NVDIO_IO_WRITE && !below(&w->seed, 8))
			io->flags = NVDIO_IO_FUA;
		const bool spoilt = !below(&w->seed, 100);

		stamp_memory(w, io, disk, spoilt);
		f->err[f->nr] = spoilt ? spoil(w, io) : 0;
		f->bad += spoilt;
		disk += len;
		mem += len;
	}
	if (f->nr < want && !below(&w->seed, 4)) {
		f->err[f->nr] = 0;
		f->ios[f->nr++] = (struct nvdio_io){ .op = NVDIO_IO_FLUSH };
	}
}

/* All of its memory is what it was. */
static bool untouched(const char *p, size_t len)
{
	while (len--)
		if (*p++ != (char)0xee)
			return false;
	return true;
}

/* Descriptor @i has its result, and a read its contents. */
static bool right(struct worker *w, const struct flying *f, unsigned int i)
{
	const struct nvdio_io *io = &f->ios[i];
	const int want = f->err[i] ?: f->all ? (int)io->len : 0x5a5a5a5a;

	if (f->res[i].res != want)
		return false;
	if (f->err[i])
		return untouched(where(w, io), io->len);
	return io->op != NVDIO_IO_READ || stamped(w, where(w, io), io->off, io->len);
}

static void check(struct worker *w, unsigned int b, int res)
{
	struct flying *f = &w->f[b];
	unsigned int wrong = res != (int)(f->nr - f->bad);

	if (wrong)
		note("thread %u: %d of %u, with %u bad ones", w->nr, res, f->nr, f->bad);
	for (unsigned int i = 0; i < f->nr; i++) {
		const struct nvdio_io *io = &f->ios[i];

		if (!right(w, f, i) && wrong++ < 3)
			note("thread %u: %u: op %u, off %#llx, len %u, map %u, addr %#llx: %d",
			     w->nr, i, io->op, io->off, io->len, io->map, io->addr, f->res[i].res);
		if (!f->err[i])
			w->bytes += io->len;
	}
	w->ios += f->nr;
	w->refused += f->bad;
	w->wrong += wrong;
}

static void launch(struct worker *w, unsigned int b)
{
	struct flying *f = &w->f[b];

	do {
		compose(w, b);
	} while (!f->nr);
	prep_batch(&w->ring, fd, f->ios, f->nr, f->res, f->all ? NVDIO_BATCH_ALL_RESULTS : 0, 1)
		->user_data = b;
	io_uring_submit(&w->ring);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	const double end = now() + seconds;
	struct io_uring_cqe *cqe;
	unsigned int left = BATCHES;

	for (unsigned int b = 0; b < BATCHES; b++)
		launch(w, b);
	while (left) {
		unsigned int b;

		if (io_uring_wait_cqe(&w->ring, &cqe))
			continue;
		b = cqe->user_data;
		check(w, b, cqe->res);
		io_uring_cqe_seen(&w->ring, cqe);
		if (now() < end && w->wrong < 10)
			launch(w, b);
		else
			left--;
	}
	return NULL;
}

static char *alloc_map(uint32_t flags, uint64_t addr, uint32_t *id)
{
	struct nvdio_map_add add = { .len = MEM, .flags = flags, .addr = addr };
	char *p = (char *)(uintptr_t)addr;

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add))
		bail("MAP_ADD: %s", strerror(errno));
	*id = add.id;
	if (!addr)
		p = mmap(NULL, MEM, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)add.mmap_offset);
	if (p == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	return p;
}

static char *arena_pages(int advice)
{
	char *p = aligned_alloc(2 * MiB, MEM);

	if (!p)
		bail("no memory");
	madvise(p, MEM, advice);
	memset(p, 0, MEM);
	return p;
}

static void prepare(struct worker *w, unsigned int nr)
{
	struct iovec iov;

	w->nr = nr;
	w->seed = t_seed + nr;
	w->gen = calloc(PART / dev.lba, sizeof(*w->gen));
	w->mem[0] = alloc_map(NVDIO_MAP_ALLOC, 0, &w->id[0]);
	w->mem[1] = alloc_map(NVDIO_MAP_USER, (uintptr_t)arena_pages(MADV_NOHUGEPAGE), &w->id[1]);
	w->mem[2] = arena_pages(MADV_HUGEPAGE);
	iov = (struct iovec){ w->mem[2], MEM };
	if (io_uring_queue_init(8, &w->ring, 0) || io_uring_register_buffers(&w->ring, &iov, 1))
		bail("no ring");
	for (uint64_t off = 0; off < PART; off += MEM) {
		stamp(w, w->mem[2], nr * PART + off, MEM);
		put(fd, w->mem[2], MEM, nr * PART + off);
	}
}

/* What is on the disk at the end is what was written last. */
static void check_disk(struct worker *w)
{
	const uint64_t at = (uint64_t)w->nr * PART;
	char *p = pages(PART);

	get(fd, p, PART, at);
	w->wrong += !stamped(w, p, at, PART);
	munmap(p, PART);
}

static void random_runs(void)
{
	static struct worker workers[THREADS];
	unsigned long ios = 0, bytes = 0, refused = 0, wrong = 0;

	for (unsigned int i = 0; i < THREADS; i++)
		prepare(&workers[i], i);
	for (unsigned int i = 0; i < THREADS; i++)
		pthread_create(&workers[i].tid, NULL, work, &workers[i]);
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(workers[i].tid, NULL);
		check_disk(&workers[i]);
		ios += workers[i].ios;
		bytes += workers[i].bytes;
		refused += workers[i].refused;
		wrong += workers[i].wrong;
		io_uring_queue_exit(&workers[i].ring);
		is(ioctl(fd, NVDIO_IOC_MAP_DEL, &workers[i].id[0]), 0, "map deleted");
		is(ioctl(fd, NVDIO_IOC_MAP_DEL, &workers[i].id[1]), 0, "map deleted");
		munmap(workers[i].mem[0], MEM);
	}
	note("%lu descriptors compared, %lu MiB, of which %lu were to be refused", ios, bytes / MiB,
	     refused);
	is(wrong, 0, "all had the right contents and results");
	ok(ios > 1000, "there were some");
}

/* ---- a program that changes what it has submitted ---- */

static struct nvdio_io shared[256];
static atomic_bool over;

static void *change(void *arg)
{
	uint64_t seed = t_seed ^ (uintptr_t)arg;

	while (!atomic_load_explicit(&over, memory_order_relaxed)) {
		uint64_t r = rnd(&seed);
		unsigned char *p = (unsigned char *)shared + r % sizeof(shared);

		__atomic_store_n(p, (unsigned char)(r >> 40), __ATOMIC_RELAXED);
	}
	return NULL;
}

/*
 * Its maps and its buffer have guards around them, the file is open for reading, and
 * another one has what is not its own.
 */
static void changed_meanwhile(void)
{
	const double end = now() + seconds;
	int node = dev_open(O_RDONLY | O_DIRECT);
	char *guard = arena_pages(MADV_NOHUGEPAGE), *disk = pages(MiB);
	struct nvdio_map_add add = { .len = MiB, .flags = NVDIO_MAP_USER,
		.addr = (uintptr_t)guard + MiB };
	struct iovec iov = { guard + 3 * MiB, MiB };
	unsigned long batches = 0, good = 0;
	struct io_uring ring;
	pthread_t tid;

	fill(disk, MiB, 11, 0);
	put(fd, disk, MiB, 0);
	memset(guard, 0x77, MEM);
	is(ioctl(fd, NVDIO_IOC_MAP_ADD, &add), 0, "a map");
	if (io_uring_queue_init(64, &ring, 0) || io_uring_register_buffers(&ring, &iov, 1))
		bail("no ring");
	pthread_create(&tid, NULL, change, guard);
	while (now() < end) {
		for (unsigned int i = 0; i < 256; i++) {
			shared[i] = (struct nvdio_io){
				.op = NVDIO_IO_READ, .off = i * PG % MiB, .len = PG,
				.map = i % 2 ? add.id : NVDIO_MAP_RING_BUF,
				.addr = i % 2 ? i * PG : (uintptr_t)iov.iov_base + i * PG,
			};
		}
		int ret = batch(&ring, node, shared, info.batch_max, NULL, 0, 1);

		if (ret < 0 || ret > (int)info.batch_max)
			break;
		batches++;
		good += ret;
	}
	atomic_store(&over, true);
	pthread_join(tid, NULL);
	ok(now() >= end, "%lu batches, %lu I/Os of them succeeded", batches, good);
	unsigned long touched = 0;

	for (unsigned long i = 0; i < MEM; i++) {
		unsigned long m = i / MiB;

		if (m != 1 && m != 3)
			touched += guard[i] != 0x77;
	}
	is(touched, 0, "nothing but the map and the buffer was written to");
	get(fd, disk, MiB, 0);
	holds(disk, MiB, 11, 0, "nor was the disk");
	io_uring_queue_exit(&ring);
	is(ioctl(fd, NVDIO_IOC_MAP_DEL, &add.id), 0, "map deleted");
	close(node);
}

static void setup(void)
{
	if (getenv("SECONDS"))
		seconds = atoi(getenv("SECONDS"));
	fd = dev_open(O_RDWR | O_DIRECT);
	if (ioctl(fd, NVDIO_IOC_INFO, &info))
		bail("INFO: %s", strerror(errno));
}

static const struct t_case cases[] = {
	{ "random_runs", random_runs },
	{ "changed_meanwhile", changed_meanwhile },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
