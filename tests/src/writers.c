// SPDX-License-Identifier: GPL-2.0
/*
 * Writes of batches and of rings that have to wait, are refused or are atomic: what is on
 * the disk then. Needs a controller that holds writes back when it is told so (lab/vm --vfu 'ns 1
 * size=64M nawupf=15 nabspf=31'), one CPU, poll_queues=1, and io_queue_depth=33.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "batch.h"
#include "ownring.h"

#define NR 24U			/* I/Os of a job, of a page each */
#define TAGS 32U
#define PAGES 128U		/* of the map, and so much of the disk is looked at */
#define SPOT 9U			/* the block of which another task writes a part */
#define SPOT_AT 50
#define SPOT_LEN 100

#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x40
#endif

static int fd;
static uint32_t map_id;
static char *map;
static uint64_t want[PAGES];	/* by block: seed of its contents */

static const struct how {
	const char *name;
	bool own;		/* a ring without io_uring */
	unsigned int flags;	/* of an io_uring */
} hows[] = {
	{ "batch", false, 0 },
	{ "batch, DEFER_TASKRUN", false,
	  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN },
	{ "batch, SQPOLL", false, IORING_SETUP_SQPOLL },
	{ "batch, IOPOLL", false, IORING_SETUP_IOPOLL },
	{ "ring", true, 0 },
};

struct task {
	pthread_t thread;
	bool over;
};

/* I/Os that a thread carries out. */
struct job {
	const struct how *how;
	int fd;
	unsigned int nr;
	struct nvdio_io ios[NR];
	int res[NR];
	struct task task;
};

static void setup(void)
{
	fd = dev_open(O_RDWR);
	own_memory(fd, PAGES * PG, 0, &map_id, &map);
}

/* Wait until the controller holds @n commands. */
static void are_held(unsigned int n, const char *what)
{
	char command[80];
	int tries = 300;

	snprintf(command, sizeof(command), "test \"$(vfu held)\" = %u", n);
	while (system(command) && tries--)
		usleep(50 * 1000);
	ok(tries > 0, "%s: %u writes are in flight", what, n);
}

static void release(void)
{
	vfu_tell("clear");
	vfu_tell("release");
}

/* The disk has pattern 1. */
static void fresh(void)
{
	char *data = pages(PG);

	for (unsigned int i = 0; i < PAGES; i++) {
		want[i] = 1;
		fill(data, PG, 1, i * PG);
		put(fd, data, PG, i * PG);
	}
	munmap(data, PG);
}

/* One test: each block has the contents of @want. */
static void disk_is(const char *what)
{
	char *data = pages(PAGES * PG);
	unsigned int wrong = 0;

	get(fd, data, PAGES * PG, 0);
	for (unsigned int i = 0; i < PAGES; i++) {
		ssize_t at = differs(data + i * PG, PG, want[i], i * PG);

		if (at >= 0 && wrong++ < 3)
			note("block %u differs from byte %zd on", i, at);
	}
	is(wrong, 0, "%s: the disk has what it should", what);
	munmap(data, PAGES * PG);
}

/* ---- jobs ---- */

static void by_ring(struct job *job)
{
	unsigned int seen = 0;
	struct own r;
	long ret;

	own_open(&r, job->fd, 64, 0);
	for (unsigned int i = 0; i < job->nr; i++) {
		job->ios[i].cookie = i;
		own_put(&r, &job->ios[i]);
	}
	own_publish(&r);
	ret = own_enter(&r, job->nr, job->nr);
	while (ret >= 0 && seen < job->nr) {
		for (; own_ready(&r); seen++) {
			const struct nvdio_ring_cqe c = own_get(&r);

			job->res[c.cookie] = c.res;
		}
		if (seen < job->nr)
			ret = own_enter(&r, 0, 1);
	}
	own_close(&r);
}

static void by_batch(struct job *job)
{
	struct nvdio_result res[NR] = {};
	struct io_uring ring;

	if (io_uring_queue_init(8, &ring, job->how->flags))
		bail("no ring");
	batch(&ring, job->fd, job->ios, job->nr, res, NVDIO_BATCH_ALL_RESULTS, 0);
	for (unsigned int i = 0; i < job->nr; i++)
		job->res[i] = res[i].res;
	io_uring_queue_exit(&ring);
}

static void *work(void *arg)
{
	struct job *job = arg;

	if (job->how->own)
		by_ring(job);
	else
		by_batch(job);
	return NULL;
}

/* Writes of @nr blocks from @first on, with contents @seed. */
static void compose(struct job *job, const struct how *how, unsigned int first, unsigned int nr,
		    uint64_t seed)
{
	*job = (struct job){ .how = how, .fd = fd, .nr = nr };
	for (unsigned int i = 0; i < nr; i++) {
		job->ios[i] = (struct nvdio_io){
			.off = (first + i) * PG, .addr = (first + i) * PG, .len = PG,
			.map = map_id, .op = NVDIO_IO_WRITE,
		};
		fill(map + (first + i) * PG, PG, seed, (first + i) * PG);
	}
}

static void begin(struct task *task, void *(*run)(void *arg), void *arg)
{
	task->over = false;
	if (pthread_create(&task->thread, NULL, run, arg))
		bail("no thread");
}

static void start(struct job *job)
{
	begin(&job->task, work, job);
}

static bool ends(struct task *task, unsigned int ms)
{
	struct timespec t;

	if (task->over)
		return true;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += ms % 1000 * 1000000L;
	t.tv_sec += ms / 1000 + t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	task->over = !pthread_timedjoin_np(task->thread, NULL, &t);
	return task->over;
}

static void finish(struct task *task)
{
	if (!ends(task, 60000))
		bail("what was released does not end");
}

/* One test: I/Os @from to @to have this result. */
static void results(const struct job *job, unsigned int from, unsigned int to, int res)
{
	unsigned int wrong = 0;

	for (unsigned int i = from; i < to; i++)
		if (job->res[i] != res && wrong++ < 3)
			note("%u: %d", i, job->res[i]);
	is(wrong, 0, "%s: results %u to %u are %d", job->how->name, from, to - 1, res);
}

/* ---- writes of parts of blocks, for which their task reads them, and claims ---- */

static void *writes_a_part(void *arg)
{
	char part[SPOT_LEN];

	memset(part, 0x5a, sizeof(part));
	put(fd, part, sizeof(part), SPOT * PG + SPOT_AT);
	return arg;
}

/* One test: block SPOT has @seed, and within it the part. */
static void part_is_there(const char *what, uint64_t seed)
{
	char *data = pages(PG), *same = pages(PG);

	get(fd, data, PG, SPOT * PG);
	fill(same, PG, seed, SPOT * PG);
	memset(same + SPOT_AT, 0x5a, SPOT_LEN);
	ok(!memcmp(data, same, PG), "%s: the part is there, and what is around it", what);
	fill(data, PG, seed, SPOT * PG);
	put(fd, data, PG, SPOT * PG);
	munmap(data, PG);
	munmap(same, PG);
}

/* The other task has read the block, and is about to write it: who comes then, waits. */
static void claimed_before(void)
{
	struct job job;
	struct task part;

	for (unsigned int i = 0; i < ARRAY_SIZE(hows); i++) {
		const char *what = hows[i].name;

		fresh();
		vfu_tell("hold write count=1");
		begin(&part, writes_a_part, NULL);
		are_held(1, "a part");
		compose(&job, &hows[i], 0, NR, 2);
		start(&job);
		ok(!ends(&job.task, 300), "%s: does not end while a block is claimed", what);
		release();
		finish(&part);
		finish(&job.task);
		results(&job, 0, NR, PG);
		for (unsigned int j = 0; j < NR; j++)
			want[j] = 2;
		disk_is(what);
	}
}

/* Writes are in flight: who claims one of their blocks reads it when they have ended. */
static void claimed_after(void)
{
	struct job job;
	struct task part;

	for (unsigned int i = 0; i < ARRAY_SIZE(hows); i++) {
		const char *what = hows[i].name;

		fresh();
		vfu_tell("hold write count=all");
		compose(&job, &hows[i], 0, NR, 2);
		start(&job);
		are_held(NR, what);
		begin(&part, writes_a_part, NULL);
		ok(!ends(&part, 300), "%s: a part waits for the writes", what);
		release();
		finish(&job.task);
		finish(&part);
		results(&job, 0, NR, PG);
		for (unsigned int j = 0; j < NR; j++)
			want[j] = 2;
		part_is_there(what, 2);
		disk_is(what);
	}
}

/* ---- writes that are refused ---- */

static void read_only(int on)
{
	is(ioctl(fd, BLKROSET, &on), 0, "BLKROSET %d", on);
}

/* What waits for a tag when BLKROSET returns is not written; what is in flight is. */
static void read_only_meanwhile(void)
{
	const unsigned int sent = TAGS - 20;
	struct job one, two;

	for (unsigned int i = 0; i < ARRAY_SIZE(hows); i++) {
		const char *what = hows[i].name;

		fresh();
		vfu_tell("hold write count=all");
		compose(&one, &hows[i], 0, 20, 2);
		start(&one);
		are_held(20, what);
		compose(&two, &hows[i], 20, NR, 3);
		start(&two);
		are_held(TAGS, what);
		read_only(1);
		release();
		finish(&one.task);
		finish(&two.task);
		read_only(0);
		results(&one, 0, 20, PG);
		results(&two, 0, sent, PG);
		results(&two, sent, NR, -EPERM);
		for (unsigned int j = 0; j < 20 + sent; j++)
			want[j] = j < 20 ? 2 : 3;
		disk_is(what);
	}
}

static void read_only_before(void)
{
	unsigned int wrong;
	struct job job;

	fresh();
	read_only(1);
	for (unsigned int i = 0; i < ARRAY_SIZE(hows); i++) {
		compose(&job, &hows[i], 0, NR, 2);
		for (unsigned int j = 1; j < NR; j += 3)
			job.ios[j].op = NVDIO_IO_READ;
		job.ios[2] = (struct nvdio_io){ .op = NVDIO_IO_FLUSH };
		start(&job);
		finish(&job.task);
		wrong = 0;
		for (unsigned int j = 0; j < NR; j++) {
			int res = j % 3 == 1 ? (int)PG : j == 2 ? 0 : -EPERM;

			if (job.res[j] != res && wrong++ < 3)
				note("%u: %d", j, job.res[j]);
			if (j % 3 == 1)
				wrong += differs(map + j * PG, PG, 1, j * PG) >= 0;
		}
		is(wrong, 0, "%s: reads are carried out, writes are not", hows[i].name);
		disk_is(hows[i].name);
	}
	read_only(0);
}

/* A third of the writes has something wrong with it. */
static void refused(void)
{
	static const struct { struct nvdio_io add; int res; } bad[NR / 3] = {
		{ { .off = 256 }, -EINVAL }, { { .len = -100U }, -EINVAL },
		{ { .map = 77 }, -ENOENT }, { { .addr = PAGES * PG }, -EINVAL },
		{ { .addr = 2 }, -EINVAL }, { { .off = 1ULL << 60 }, -ENOSPC },
		{ { .flags = 4 }, -EINVAL },
		{ { .flags = NVDIO_IO_ATOMIC, .len = 2 * PG }, -EINVAL },
	};
	struct job job;

	for (unsigned int i = 0; i < ARRAY_SIZE(hows); i++) {
		fresh();
		compose(&job, &hows[i], 0, NR, 2);
		for (unsigned int j = 0; j < NR; j++) {
			struct nvdio_io *io = &job.ios[j];

			want[j] = j % 3 ? 2 : 1;
			if (j % 3)
				continue;
			io->off += bad[j / 3].add.off;
			io->len += bad[j / 3].add.len;
			io->map += bad[j / 3].add.map;
			io->addr += bad[j / 3].add.addr;
			io->flags = bad[j / 3].add.flags;
		}
		start(&job);
		finish(&job.task);
		for (unsigned int j = 0; j < NR; j++)
			if (job.res[j] != (j % 3 ? (int)PG : bad[j / 3].res))
				ok(false, "%s: result %u is %d", hows[i].name, j, job.res[j]);
		disk_is(hows[i].name);
	}
}

static int open_exclusive(void)
{
	return (int)reterr(open(dev.path, O_RDWR | O_EXCL | O_CLOEXEC));
}

/* Who has opened the node exclusively has it until the last write has ended. */
static void exclusive(void)
{
	struct job job;
	int again;

	for (unsigned int i = 0; i < ARRAY_SIZE(hows); i++) {
		const char *what = hows[i].name;

		fresh();
		vfu_tell("hold write count=all");
		compose(&job, &hows[i], 0, NR, 2);
		job.fd = open_exclusive();
		for (unsigned int j = 0; j < NR; j++)
			want[j] = 2;
		start(&job);
		are_held(NR, what);
		close(job.fd);
		is(open_exclusive(), -EBUSY, "%s: the node is closed, its writes are not", what);
		release();
		finish(&job.task);
		results(&job, 0, NR, PG);
		again = open_exclusive();
		for (int tries = 100; again == -EBUSY && tries--; again = open_exclusive())
			usleep(100 * 1000);
		ok(again >= 0, "%s: then it can be opened", what);
		close(again);
		disk_is(what);
	}
}

/* ---- atomic writes ---- */

#define STRIDE (8 * PG)		/* between what cases write */

static const struct { unsigned int off, len; bool good; } atomics[] = {
	{ 0, 8192, true }, { 8192, 8192, true }, { 4096, 8192, true }, { 0, 512, true },
	{ 12288, 4096, true }, { 15872, 512, true }, { 16384, 8192, true },
	{ 12288, 8192, false }, { 0, 8704, false }, { 15872, 1024, false }, { 0, 16384, false },
};

static struct nvdio_info info(void)
{
	struct nvdio_info ret;

	if (ioctl(fd, NVDIO_IOC_INFO, &ret))
		bail("INFO");
	return ret;
}

/* One test for each: what is on the disk where case @i writes, or does not. */
static void atomic_is(const struct job *job, unsigned int i, uint64_t seed)
{
	const unsigned int off = atomics[i].off, len = atomics[i].len;
	const uint64_t at = i * STRIDE;
	char *data = pages(STRIDE);
	bool same;

	get(fd, data, STRIDE, at);
	same = differs(data, off, 1, at) < 0 &&
	       differs(data + off, len, atomics[i].good ? seed : 1, at + off) < 0 &&
	       differs(data + off + len, STRIDE - off - len, 1, at + off + len) < 0;
	ok(same && job->res[i] == (atomics[i].good ? (int)len : -EINVAL),
	   "%s: %u bytes at %u: %d", job->how->name, len, off, job->res[i]);
	munmap(data, STRIDE);
}

static void atomic_writes(void)
{
	struct job job;

	is(info().atomic_max, 8192, "what is written all or not at all");
	is(info().atomic_boundary, 16384, "and what it does not cross");
	for (unsigned int i = 0; i < ARRAY_SIZE(hows); i++) {
		fresh();
		job = (struct job){ .how = &hows[i], .fd = fd, .nr = ARRAY_SIZE(atomics) };
		fill(map, PAGES * PG, 2 + i, 0);
		for (unsigned int j = 0; j < job.nr; j++)
			job.ios[j] = (struct nvdio_io){
				.off = j * STRIDE + atomics[j].off,
				.addr = j * STRIDE + atomics[j].off,
				.len = atomics[j].len, .map = map_id, .op = NVDIO_IO_WRITE,
				.flags = NVDIO_IO_ATOMIC | (j % 2 ? NVDIO_IO_FUA : 0),
			};
		start(&job);
		finish(&job.task);
		for (unsigned int j = 0; j < job.nr; j++)
			atomic_is(&job, j, 2 + i);
	}
}

/* nvdio promises nothing to pwritev2(): it is refused, and changes nothing. */
static void atomic_pwritev2(void)
{
	struct iovec iov = { pages(PG), PG };
	int direct = dev_open(O_RDWR | O_DIRECT);

	fresh();
	is(reterr(pwritev2(direct, &iov, 1, 0, RWF_ATOMIC)), -EOPNOTSUPP, "O_DIRECT");
	is(reterr(pwritev2(fd, &iov, 1, 0, RWF_ATOMIC)), -EOPNOTSUPP, "without");
	disk_is("RWF_ATOMIC");
	close(direct);
	munmap(iov.iov_base, PG);
}

/* The controller says something else of itself. */
static void atomic_after(const char *line, unsigned int max, unsigned int boundary)
{
	int ctrl = ctrl_open(O_RDWR);

	vfu_tell(line);
	if (ioctl(ctrl, NVME_IOCTL_RESCAN))
		bail("RESCAN");
	close(ctrl);
	is(info().atomic_max, max, "%s: atomic_max", line);
	is(info().atomic_boundary, boundary, "%s: atomic_boundary", line);
}

static void atomic_promises(void)
{
	struct job job;

	atomic_after("ns 1 nabspf=0", 8192, 0);
	atomic_after("ns 1 nabspf=31 nabo=1", 0, 0);
	atomic_after("ns 1 nabo=0 nawupf=0 nawun=15", 0, 0);
	atomic_after("set awupf 15", 0, 0);
	fresh();
	for (unsigned int i = 0; i < ARRAY_SIZE(hows); i++) {
		compose(&job, &hows[i], 0, 1, 2);
		job.ios[0].flags = NVDIO_IO_ATOMIC;
		start(&job);
		finish(&job.task);
		results(&job, 0, 1, -EINVAL);
	}
	disk_is("without a promise");
	atomic_after("ns 1 nawun=0 nawupf=15", 8192, 16384);
	vfu_tell("set awupf 0");
}

static const struct t_case cases[] = {
	{ "claimed_before", claimed_before },
	{ "claimed_after", claimed_after },
	{ "read_only_meanwhile", read_only_meanwhile },
	{ "read_only_before", read_only_before },
	{ "refused", refused },
	{ "exclusive", exclusive },
	{ "atomic_writes", atomic_writes },
	{ "atomic_pwritev2", atomic_pwritev2 },
	{ "atomic_promises", atomic_promises },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
