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

#define MAP_SIZE (1 * MiB)
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
	arena = aligned_alloc(2 * MiB, 2 * MiB);
	if (!arena)
		bail("no memory");
	madvise(arena, 2 * MiB, MADV_HUGEPAGE);
	memset(arena, 0, 2 * MiB);
	iov = (struct iovec){ arena, 2 * MiB };
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
}

static const struct t_case cases[] = {
	{ "say_what", say_what },
	{ "contents", contents },
	{ "flushes", flushes },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
