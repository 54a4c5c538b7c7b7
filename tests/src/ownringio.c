// SPDX-License-Identifier: GPL-2.0
/*
 * Rings without io_uring: contents, of long random runs. Several threads, each with a
 * ring and a part of the disk of its own, keep reads, writes and flushes of any size and
 * place in flight, for memory of several maps, and look at every block that is read.
 *
 * The model of the disk has a number for each block, which its contents depend on; so
 * no two writes write the same, and a block that is wrong, old, or from elsewhere shows.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "ownring.h"

#define SLOTS 64U		/* I/Os in flight, at most; memory for each */
#define AREA (8 * MiB)		/* of the disk, for each thread */
#define SLOT (128 * KiB + PG)
#define MAPS 3U
#define THREADS 3U

static int node;
static unsigned long ios = 4000;	/* of each thread */
static uint32_t io_max;
static atomic_bool stop;

struct slot {
	bool busy;
	struct nvdio_io io;
	uint32_t map;		/* the right one */
	char *p;		/* its memory */
	long want;		/* result */
	uint32_t first, nr;	/* blocks of the area */
	uint32_t number;	/* of what is written */
	unsigned int round;
};

struct worker {
	unsigned int nr;
	pthread_t tid;
	uint64_t rng, at;	/* where its area is */
	struct own ring;
	struct slot slots[SLOTS];
	uint32_t *model;
	bool *locked;		/* blocks with I/O in flight */
	uint32_t number;
	unsigned int flying, told, wrong, lost, failed;
	unsigned long done, refused, written, read;
};

/* What block @block of the disk has in it if its number is @number. */
static uint64_t block_seed(uint64_t block, uint32_t number)
{
	return (block << 32 | number) * 0x9e3779b97f4a7c15ULL | 1;
}

static void fill_blocks(const struct worker *w, const struct slot *s)
{
	for (uint32_t i = 0; i < s->nr; i++)
		fill(s->p + i * dev.lba, dev.lba,
		     block_seed(w->at / dev.lba + s->first + i, s->number), 0);
}

static void check_blocks(struct worker *w, const struct slot *s)
{
	for (uint32_t i = 0; i < s->nr; i++) {
		const uint32_t b = s->first + i;

		if (differs(s->p + i * dev.lba, dev.lba,
			    block_seed(w->at / dev.lba + b, w->model[b]), 0) < 0)
			continue;
		if (!w->wrong++)
			note("thread %u: block %u is not number %u", w->nr, b, w->model[b]);
	}
}

/* Find blocks for @s that nothing in flight is about. */
static bool take_blocks(struct worker *w, struct slot *s)
{
	const uint32_t most = (io_max < SLOT - PG ? io_max : SLOT - PG) / dev.lba;
	const uint32_t nr = below(&w->rng, 8) ? 1 + below(&w->rng, 16 * KiB / dev.lba) :
			    1 + below(&w->rng, most);
	const uint32_t first = below(&w->rng, AREA / dev.lba - nr + 1);

	for (uint32_t i = first; i < first + nr; i++)
		if (w->locked[i])
			return false;
	for (uint32_t i = first; i < first + nr; i++)
		w->locked[i] = true;
	s->first = first;
	s->nr = nr;
	return true;
}

/* One that fails, for any reason. */
static void spoil(struct worker *w, struct slot *s)
{
	switch (below(&w->rng, 4)) {
	case 0:
		s->io.map = 4095;
		s->want = -ENOENT;
		break;
	case 1:
		s->io.off = dev.size;
		s->want = -ENOSPC;
		break;
	case 2:
		s->io.op = 0x42;
		s->want = -EOPNOTSUPP;
		break;
	default:
		s->io.resv = 1;
		s->want = -EINVAL;
	}
}

static bool prepare(struct worker *w, struct slot *s)
{
	const unsigned int what = below(&w->rng, 100);
	uint32_t skip = below(&w->rng, 4) ? 0 : 4 * below(&w->rng, PG / 4);

	s->io = (struct nvdio_io){ .cookie = (s - w->slots) | s->round << 8 };
	if (what < 2) {
		s->io.op = NVDIO_IO_FLUSH;
		s->want = 0;
		s->nr = 0;
		return true;
	}
	if (!take_blocks(w, s))
		return false;
	s->io.off = w->at + (uint64_t)s->first * dev.lba;
	s->io.len = s->nr * dev.lba;
	s->io.map = s->map;
	s->io.addr = (s - w->slots) / MAPS * SLOT + skip;
	s->io.op = what < 50 ? NVDIO_IO_WRITE : NVDIO_IO_READ;
	s->io.flags = what < 6 ? NVDIO_IO_FUA : 0;
	s->p += skip;
	s->want = s->io.len;
	s->number = ++w->number;
	if (s->io.op == NVDIO_IO_WRITE)
		fill_blocks(w, s);
	else
		memset(s->p, 0xa5, s->io.len);
	if (what == 99)
		spoil(w, s);
	return true;
}

/* Where the memory of slot @i is; shared by nothing else. */
static char *maps[THREADS][MAPS];

static void give_back(struct worker *w, struct slot *s)
{
	for (uint32_t i = s->first; i < s->first + s->nr; i++)
		w->locked[i] = false;
	s->busy = false;
	s->round++;
	w->flying--;
}

static void reap(struct worker *w)
{
	while (own_ready(&w->ring)) {
		const struct nvdio_ring_cqe c = own_get(&w->ring);
		struct slot *s = &w->slots[c.cookie % SLOTS];

		if (!s->busy || c.cookie != s->io.cookie) {
			w->lost++;
			continue;
		}
		w->done++;
		if (c.res != s->want || c.status || c.resv) {
			if (!w->failed++)
				note("thread %u: %d instead of %ld, status %x", w->nr, c.res,
				     s->want, c.status);
		} else if (s->want > 0 && s->io.op == NVDIO_IO_WRITE) {
			for (uint32_t i = 0; i < s->nr; i++)
				w->model[s->first + i] = s->number;
			w->written += s->nr;
		} else if (s->want > 0) {
			check_blocks(w, s);
			w->read += s->nr;
		} else if (s->want < 0) {
			w->refused++;
		}
		give_back(w, s);
	}
}

/* Submit what is prepared, and wait in one of the ways there are. */
static bool go(struct worker *w, unsigned int *unsent)
{
	struct pollfd p = { .fd = w->ring.fd, .events = POLLIN };
	const unsigned int how = below(&w->rng, 4);
	unsigned int wait = 0;
	long ret;

	own_publish(&w->ring);
	if (how < 2)
		wait = below(&w->rng, w->flying + 1);
	ret = own_enter(&w->ring, *unsent, wait);
	if (ret < 0 && ret != -EBUSY && ret != -EINTR) {
		note("thread %u: NVDIO_IOC_RING_ENTER: %ld", w->nr, ret);
		return false;
	}
	if (ret > 0)
		*unsent -= ret;
	if (how == 2 && w->flying > *unsent && !own_ready(&w->ring))
		w->told += poll(&p, 1, 20000) == 1;
	else if (how == 3 && w->flying > *unsent)
		for (int i = 0; i < 100000 && !own_ready(&w->ring); i++)
			;
	reap(w);
	return true;
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned int unsent = 0;
	unsigned long begun = 0;
	cpu_set_t set;

	while (begun < ios || w->flying) {
		unsigned int more = below(&w->rng, 40);

		/* Any processor, so that several queues have commands of one ring. */
		if (!below(&w->rng, 16)) {
			CPU_ZERO(&set);
			CPU_SET(below(&w->rng, sysconf(_SC_NPROCESSORS_ONLN)), &set);
			sched_setaffinity(0, sizeof(set), &set);
		}
		for (unsigned int i = below(&w->rng, SLOTS); more-- && begun < ios; i++) {
			struct slot *s = &w->slots[i % SLOTS];

			if (s->busy || unsent == w->ring.shape.sq_entries)
				continue;
			s->p = maps[w->nr][(i % SLOTS) % MAPS] + i % SLOTS / MAPS * SLOT;
			if (!prepare(w, s))
				continue;
			s->busy = true;
			own_put(&w->ring, &s->io);
			w->flying++;
			unsent++;
			begun++;
		}
		if (!go(w, &unsent))
			break;
	}
	return NULL;
}

/* Maps of three kinds: the driver's memory, the program's, and once more the driver's. */
static uint32_t make_map(unsigned int nr, char **p)
{
	const size_t len = (SLOTS / MAPS + 1) * SLOT;
	struct nvdio_map_add add = { .len = len, .flags = NVDIO_MAP_USER };
	uint32_t id;

	if (nr != 1) {
		own_memory(node, len, 0, &id, p);
		return id;
	}
	*p = pages(len);
	add.addr = (uintptr_t)*p;
	if (ioctl(node, NVDIO_IOC_MAP_ADD, &add))
		bail("NVDIO_IOC_MAP_ADD");
	return add.id;
}

static struct worker *begin(unsigned int nr, unsigned int entries)
{
	struct worker *w = calloc(1, sizeof(*w));
	uint32_t ids[MAPS];
	struct slot s = {};

	w->nr = nr;
	w->rng = rnd(&t_seed) | 1;
	w->at = MiB + nr * AREA;
	w->model = calloc(AREA / dev.lba, sizeof(*w->model));
	w->locked = calloc(AREA / dev.lba, sizeof(*w->locked));
	own_open(&w->ring, node, entries, entries == 1 ? 2 : 0);
	for (unsigned int i = 0; i < MAPS; i++)
		ids[i] = make_map(i, &maps[nr][i]);
	for (unsigned int i = 0; i < SLOTS; i++)
		w->slots[i].map = ids[i % MAPS];
	/* All blocks have number 0 at first. */
	s.p = pages(128 * KiB);
	s.nr = 128 * KiB / dev.lba;
	for (; s.first < AREA / dev.lba; s.first += s.nr) {
		fill_blocks(w, &s);
		put(node, s.p, 128 * KiB, w->at + (uint64_t)s.first * dev.lba);
	}
	return w;
}

static void end(struct worker *w)
{
	/* What is there without the ring. */
	struct slot s = { .nr = 128 * KiB / dev.lba };

	s.p = pages(128 * KiB);
	for (; s.first < AREA / dev.lba; s.first += s.nr) {
		get(node, s.p, 128 * KiB, w->at + (uint64_t)s.first * dev.lba);
		check_blocks(w, &s);
	}
	is(w->done, ios,
	   "thread %u: all I/Os have ended, %lu blocks read, %lu written; %lu refused", w->nr,
	   w->read, w->written, w->refused);
	is(w->wrong, 0, "with the right contents");
	is(w->failed, 0, "and results");
	is(w->lost, 0, "each once");
	own_close(&w->ring);
}

static void contents_of(unsigned int threads, unsigned int entries)
{
	struct worker *w[THREADS];
	struct nvdio_info info;
	int other;

	if (ioctl(node, NVDIO_IOC_INFO, &info))
		bail("NVDIO_IOC_INFO");
	io_max = info.batch_len_max;
	for (unsigned int i = 0; i < threads; i++)
		w[i] = begin(i, entries);
	for (unsigned int i = 0; i < threads; i++)
		pthread_create(&w[i]->tid, NULL, work, w[i]);
	for (unsigned int i = 0; i < threads; i++)
		pthread_join(w[i]->tid, NULL);
	for (unsigned int i = 0; i < threads; i++)
		end(w[i]);
	/* Without their file the maps are gone. */
	other = dev_open(O_RDWR | O_DIRECT);
	close(node);
	node = other;
}

static void setup(void)
{
	const char *n = getenv("OWNRING_IOS");

	node = dev_open(O_RDWR | O_DIRECT);
	if (n)
		ios = strtoul(n, NULL, 10);
}

static void contents(void)
{
	contents_of(THREADS, 32);
}

/* Almost always full. */
static void contents_small(void)
{
	const unsigned long before = ios;

	ios /= 8;
	contents_of(2, 1);
	ios = before;
}

static void *resets(void *arg)
{
	int ctrl = ctrl_open(O_RDWR);
	unsigned int *nr = arg;

	while (!stop) {
		if (ioctl(ctrl, NVME_IOCTL_RESET))
			note("reset: %s", strerror(errno));
		else
			(*nr)++;
		usleep(300000);
	}
	close(ctrl);
	return NULL;
}

static void contents_resets(void)
{
	unsigned int nr = 0;
	pthread_t tid;

	stop = false;
	pthread_create(&tid, NULL, resets, &nr);
	contents_of(2, 64);
	stop = true;
	pthread_join(tid, NULL);
	ok(nr, "with %u resets meanwhile", nr);
}

static const struct t_case cases[] = {
	{ "contents", contents },
	{ "contents_small", contents_small },
	{ "contents_resets", contents_resets },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
