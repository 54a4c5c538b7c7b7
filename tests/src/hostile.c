// SPDX-License-Identifier: GPL-2.0
/*
 * Programs that mean no good, by batches (hostile_batch.c) and by rings without io_uring
 * (hostile_ring.c): some threads submit, others rewrite descriptors, indices, headers, results
 * and completions at any moment, unmap and map again all memory that is involved, delete
 * maps that are in use, fork, lose rings with I/O in flight; after a while the process
 * ends or is killed, and another one begins.
 *
 * They may spoil what is theirs, and nothing else: not pages around what they have mapped, not
 * memory that is only for writing, not the maps of others, not other namespaces, and of
 * their own only what they say. By a range, not what is around it, nor what others share by
 * the node. The kernel's log, and what may be left, is looked at by the guest's script.
 *
 * SECONDS in the environment is how long each case takes (default 3). A second namespace of
 * the controller, if there is one, is watched.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "hostile.h"

#define FOREIGN_LEN (16 * PG)
#define DISK (64 * MiB)			/* so much of it is looked at */
#define RANGE_AT (24 * MiB)		/* a range of AREA bytes */
#define LIFE_MAX 120			/* s, of a process that should have ended */

/* What a process does. */
enum { BATCHES = 1, RINGS = 2, POLLED = 4 };

struct hostile h;

static struct hostile_counts *counts;
static double seconds = 3;
static const char *other;		/* namespace */
static char *memory, *foreign, *shared;
static uint32_t foreign_id;
static int node;

/* ---- what it sends ---- */

/* Just outside of a range, and where its start makes a sum that wraps, or the disk's. */
static uint64_t outside(uint64_t *rng)
{
	static const uint64_t bases[] = {
		AREA, 0, -RANGE_AT, DISK - RANGE_AT, DISK, 1ULL << 63, (1ULL << 63) - RANGE_AT,
		1ULL << 32,
	};

	return bases[below(rng, ARRAY_SIZE(bases))] + (below(rng, 64) - 32) * dev.lba;
}

static uint64_t odd_offset(uint64_t off, uint64_t *rng)
{
	if (h.ranged && below(rng, 4))
		return outside(rng);
	if (!h.writes)
		return rnd(rng);
	return off | (below(rng, 2) ? 1 : 1ULL << (40 + below(rng, 24)));
}

static uint16_t odd_map(uint64_t *rng)
{
	switch (below(rng, 6)) {
	case 0:
		return h.foreign;
	case 1:
		return rnd(rng);
	case 2:
		return below(rng, 64);
	case 3:
		return h.alloc;
	default:
		return h.read_only;
	}
}

static void spoil(struct nvdio_io *io, uint64_t *rng)
{
	switch (below(rng, 8)) {
	case 0:
	case 1:
		io->map = odd_map(rng);
		break;
	case 2:
		io->len = rnd(rng);
		break;
	case 3:
		io->addr += below(rng, 2) ? PART_LEN - PG : -PART_LEN;
		break;
	case 4:
		io->addr = rnd(rng);
		break;
	case 5:
		io->off = odd_offset(io->off, rng);
		break;
	case 6:
		io->op = rnd(rng);
		break;
	default:
		io->flags = rnd(rng);
	}
}

struct nvdio_io hostile_io(uint64_t *rng, bool batch)
{
	struct nvdio_io io = {
		.off = below(rng, AREA / PG) * PG, .addr = below(rng, 15) * PG,
		.len = dev.lba * (1 + below(rng, PG / dev.lba)), .map = h.map,
		.op = 1 + below(rng, 2), .cookie = rnd(rng),
	};

	if (batch && below(rng, 2)) {
		io.map = NVDIO_MAP_RING_BUF;
		io.addr += (uintptr_t)h.view + PART_BUFFER * PART_LEN;
	}
	if (!below(rng, 16))
		io = (struct nvdio_io){ .op = NVDIO_IO_FLUSH, .cookie = io.cookie };
	if (below(rng, 10) < 3)
		spoil(&io, rng);
	return io;
}

void hostile_change(struct nvdio_io *io, uint64_t *rng, bool batch)
{
	const struct nvdio_io new = hostile_io(rng, batch);

	switch (below(rng, 20)) {
	case 0:
		__atomic_store_n(&io->off, new.off, __ATOMIC_RELAXED);
		break;
	case 1:
		__atomic_store_n(&io->addr, new.addr, __ATOMIC_RELAXED);
		break;
	case 2:
		__atomic_store_n(&io->map, new.map, __ATOMIC_RELAXED);
		break;
	case 3:
		__atomic_store_n(&io->len, new.len, __ATOMIC_RELAXED);
		break;
	default:
		*io = new;
	}
}

/* ---- what it does to its memory ---- */

static unsigned int add_map(unsigned int part, uint32_t flags)
{
	struct nvdio_map_add add = {
		.len = PART_LEN, .flags = part ? NVDIO_MAP_USER | flags : NVDIO_MAP_ALLOC,
		.addr = part ? (uintptr_t)h.view + part * PART_LEN : 0,
	};

	if (ioctl(h.maps_node, NVDIO_IOC_MAP_ADD, &add))
		return 0;
	h.n->maps++;
	return add.id;
}

/* Another map takes the place of one, which is in use. */
static void replace(atomic_uint *id, unsigned int part, uint32_t flags, bool first)
{
	const uint32_t old = *id;

	if (first)
		*id = add_map(part, flags);
	if (old && !ioctl(h.maps_node, NVDIO_IOC_MAP_DEL, &old))
		h.n->deleted++;
	if (!first)
		*id = add_map(part, flags);
}

static void view_again(char *at, size_t len, int file, off_t off)
{
	if (mmap(at, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, file, off) == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
}

/* A part of an address range is not there for a while. */
static void disappear(char *base, size_t len, int file, uint64_t *rng)
{
	const size_t page = below(rng, len / PG), n = 1 + below(rng, len / PG - page);
	char *at = base + page * PG;

	/* No hole, in which others may put their memory. */
	if (below(rng, 2))
		mprotect(at, n * PG, below(rng, 2) ? PROT_NONE : PROT_READ);
	else if (mmap(at, n * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		 MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	h.n->unmapped++;
	if (below(rng, 2))
		usleep(below(rng, 500));
	view_again(at, n * PG, file, page * PG);
}

/* A map that is gone with its file, if not before. */
static void map_and_close(void)
{
	int before = h.maps_node;
	unsigned int id;

	h.maps_node = dev_open(O_RDWR);
	id = add_map(0, 0);
	h.alloc = id;
	usleep(100);
	close(h.maps_node);
	h.maps_node = before;
}

static void *upsets(void *arg)
{
	uint64_t rng = (rnd(&t_seed) ^ 5) | 1;

	(void)arg;
	while (!h.stop) {
		switch (below(&rng, 8)) {
		case 0:
			replace(&h.map, PART_MAP, 0, below(&rng, 2));
			break;
		case 1:
			replace(&h.read_only, PART_READ_ONLY, NVDIO_MAP_READ_ONLY, false);
			break;
		case 2:
			map_and_close();
			break;
		case 3:
		case 4:
			disappear(h.table_view, TABLE_NOWHERE, h.table, &rng);
			break;
		case 5:
			disappear(h.view, PARTS * PART_LEN, h.memory, &rng);
			break;
		case 6:
			/* The map keeps the pages that were there, the file gets others. */
			fallocate(h.memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  PART_MAP * PART_LEN, PART_LEN);
			break;
		default:
			if (below(&rng, 4))
				break;
			pid_t pid = fork();

			if (!pid)
				_exit(0);
			h.n->forks++;
			waitpid(pid, NULL, 0);
		}
		usleep(below(&rng, 2000));
	}
	return NULL;
}

/* ---- a process ---- */

static char *view_of(int file, size_t len)
{
	/* What is put together of its addresses is somewhere near, too. */
	char *p = mmap(NULL, 1 * MiB, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	p = (char *)(((uintptr_t)p + 512 * KiB - 1) & -(512 * KiB));
	view_again(p, len, file, 0);
	return p;
}

/* The part of the disk that is reached then. The node is closed. */
static int range_of(int fd)
{
	struct nvdio_range r = { .start = RANGE_AT, .len = AREA };
	int range = ioctl(fd, NVDIO_IOC_RANGE, &r);

	if (range < 0)
		bail("NVDIO_IOC_RANGE: %s", strerror(errno));
	close(fd);
	return range;
}

static _Noreturn void live(int flags, unsigned int kinds, uint64_t *rng)
{
	struct hostile_thread t[2 * HOSTILE_THREADS] = { { .run = upsets } };
	pthread_t tids[2 * HOSTILE_THREADS];
	unsigned int nr = 1, end = below(rng, 4);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm(LIFE_MAX);
	h.node = dev_open(flags);
	if (h.ranged)
		h.node = range_of(h.node);
	h.maps_node = h.ranged ? dup(h.node) : dev_open(O_RDWR);
	h.writes = (flags & O_ACCMODE) != O_RDONLY;
	h.table = memfd_create("table", 0);
	if (h.table < 0 || ftruncate(h.table, TABLE_LEN))
		bail("memfd");
	h.alias = view_of(h.memory, PARTS * PART_LEN);
	h.view = view_of(h.memory, PARTS * PART_LEN);
	h.table_alias = view_of(h.table, TABLE_LEN);
	h.table_view = view_of(h.table, TABLE_LEN);
	mprotect(h.table_view + TABLE_NOWHERE, PG, PROT_NONE);
	h.map = add_map(PART_MAP, 0);
	h.read_only = add_map(PART_READ_ONLY, NVDIO_MAP_READ_ONLY);
	if (!h.map || !h.read_only)
		bail("no maps: %s", strerror(errno));
	if (kinds & BATCHES)
		nr += hostile_batches(t + nr, kinds & POLLED);
	if (kinds & RINGS)
		nr += hostile_rings(t + nr);
	for (unsigned int i = 0; i < nr; i++)
		pthread_create(&tids[i], NULL, t[i].run, t[i].arg);
	usleep(200000 + below(rng, 2000000));
	if (end < 2)
		kill(getpid(), SIGKILL);
	if (end == 2)
		_exit(0);
	h.stop = true;
	for (unsigned int i = 0; i < nr; i++)
		pthread_join(tids[i], NULL);
	_exit(0);
}

/* ---- their parent ---- */

static bool all(const char *p, size_t len, char what)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != what)
			return false;
	return true;
}

/* Fill, or look at, [from, to) of a disk. Returns false if it is not what it was. */
static bool disk(const char *path, uint64_t from, uint64_t to, bool check)
{
	char *p = pages(MiB);
	int fd = open(path, O_RDWR | O_DIRECT);
	bool same = true;

	if (fd < 0)
		bail("%s: %s", path, strerror(errno));
	for (; from < to; from += MiB) {
		const size_t len = to - from < MiB ? to - from : MiB;

		if (check) {
			get(fd, p, len, from);
			same &= differs(p, len, from + 1, 0) < 0;
		} else {
			fill(p, len, from + 1, 0);
			put(fd, p, len, from);
		}
	}
	close(fd);
	munmap(p, MiB);
	return same;
}

static void guards_set(void)
{
	memset(memory, 0x77, PARTS * PART_LEN);
	memset(foreign, 0x55, FOREIGN_LEN);
	if (shared)
		memset(shared, 0x55, FOREIGN_LEN);
	disk(dev.path, 0, DISK, false);
	if (other)
		disk(other, 0, 16 * MiB, false);
}

static bool guards_of_memory(void)
{
	bool same = all(foreign, FOREIGN_LEN, 0x55) &&
		    (!shared || all(shared, FOREIGN_LEN, 0x55));

	for (unsigned int i = 0; i < PARTS; i++)
		if (i != PART_MAP && i != PART_BUFFER)
			same &= all(memory + i * PART_LEN, PART_LEN, 0x77);
	return same;
}

/* Nothing of what others share by the node has come to the range. */
static bool leaked(void)
{
	char *p = pages(AREA);
	bool found = false;

	get(node, p, AREA, RANGE_AT);
	for (size_t at = 0; at < AREA; at += dev.lba)
		found |= all(p + at, dev.lba, 0x55);
	munmap(p, AREA);
	return found;
}

static void guards_of_disk(bool writes)
{
	if (h.ranged) {
		ok(disk(dev.path, 0, RANGE_AT, true) &&
		   disk(dev.path, RANGE_AT + AREA, DISK, true),
		   "blocks around the range are what they were");
		ok(!leaked(), "and in it nothing from maps that others share");
		return;
	}
	ok(disk(dev.path, writes ? AREA + MiB : 0, DISK, true), "guard blocks are what they were");
	if (other)
		ok(disk(other, 0, 16 * MiB, true), "so is another namespace");
}

static atomic_bool over;

static void *resets(void *arg)
{
	unsigned int *nr = arg;
	int ctrl = ctrl_open(O_RDWR);

	while (!over) {
		if (!ioctl(ctrl, NVME_IOCTL_RESET))
			(*nr)++;
		for (int i = 0; i < 8 && !over; i++)
			usleep(100000);
	}
	close(ctrl);
	return NULL;
}

static uint64_t sent(void)
{
	return counter("stats/direct") + counter("stats/flush");
}

static void no_maps(void)
{
	const uint64_t own = shared ? 2 : 1;

	for (int i = 0; i < 300 && ctrl_counter("maps") != own; i++)
		usleep(100000);
	is(ctrl_counter("maps"), own, "no map is left but its own");
	for (int i = 0; i < 300 && counter("leaks/requests"); i++)
		usleep(100000);
	is(counter("leaks/requests"), 0, "nor a request");
}

static void generations(int flags, unsigned int kinds)
{
	unsigned int nr = 0, killed = 0, wrong = 0, damaged = 0;
	const double end = now() + seconds;
	double told = now(), began, longest = 0;
	uint64_t rng = rnd(&t_seed) | 1;

	while (now() < end && !damaged) {
		int status;
		pid_t pid;

		rnd(&t_seed);
		fflush(stdout);
		began = now();
		pid = fork();
		if (!pid)
			live(flags, kinds, &rng);
		if (waitpid(pid, &status, 0) != pid)
			bail("waitpid");
		if (now() - began > longest)
			longest = now() - began;
		rnd(&rng);
		nr++;
		killed += WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
		if (status && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) {
			note("process %u has ended with %#x", nr, status);
			wrong++;
		}
		damaged += !guards_of_memory();
		if (now() > told + 15) {
			told = now();
			note("%u processes, %lu calls, %lu descriptors", nr, counts->calls,
			     counts->taken);
			fflush(stdout);
		}
	}
	note("the longest life was %.1f s, of which 0.2 to 2.2 are meant", longest);
	is(wrong, 0, "%u processes, of which %u were killed", nr, killed);
	is(damaged, 0, "no page is written to but those of their maps");
}

static void attacked(int flags, unsigned int kinds, bool with_resets)
{
	unsigned int nr_resets = 0;
	const uint64_t before = sent();
	pthread_t tid;

	memset(counts, 0, sizeof(*counts));
	guards_set();
	over = false;
	if (with_resets)
		pthread_create(&tid, NULL, resets, &nr_resets);
	generations(flags, kinds);
	over = true;
	if (with_resets) {
		pthread_join(tid, NULL);
		ok(nr_resets, "%u resets", nr_resets);
	}
	no_maps();
	note("%lu batches or calls, of which %lu refused; %lu descriptors, of which %lu sent",
	     counts->calls, counts->bad_calls, counts->taken, (unsigned long)(sent() - before));
	note("%lu maps, %lu deleted, %lu rings, %lu lost, %lu times without memory, %lu forks",
	     counts->maps, counts->deleted, counts->rings, counts->lost_rings, counts->unmapped,
	     counts->forks);
	ok(counts->taken > 500 && sent() - before > 200, "there was I/O");
	guards_of_disk((flags & O_ACCMODE) != O_RDONLY);
}

static void batches_read_only(void)
{
	attacked(O_RDONLY, BATCHES, false);
}

static void batches_read_write(void)
{
	attacked(O_RDWR, BATCHES, false);
}

static void rings_read_only(void)
{
	attacked(O_RDONLY, RINGS, false);
}

static void rings_read_write(void)
{
	attacked(O_RDWR, RINGS, false);
}

static void both_resets(void)
{
	attacked(O_RDWR, BATCHES | RINGS, true);
}

static void batches_polled(void)
{
	attacked(O_RDWR, BATCHES | POLLED, false);
}

static void polled_resets(void)
{
	attacked(O_RDWR, BATCHES | RINGS | POLLED, true);
}

/* A map of this process; *@id is its identifier. */
static char *own_map(uint32_t flags, uint32_t *id)
{
	struct nvdio_map_add add = { .len = FOREIGN_LEN, .flags = NVDIO_MAP_ALLOC | flags };
	char *p;

	if (ioctl(node, NVDIO_IOC_MAP_ADD, &add))
		bail("no map: %s", strerror(errno));
	*id = add.id;
	p = mmap(NULL, FOREIGN_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, node,
		 (off_t)add.mmap_offset);
	if (p == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	return p;
}

/* By the node they could use what is shared: so it is only here. */
static void by_range(void)
{
	uint32_t id;

	shared = own_map(NVDIO_MAP_SHARED, &id);
	h.ranged = true;
	h.foreign = id;
	attacked(O_RDWR, BATCHES | RINGS, true);
	h.ranged = false;
	h.foreign = foreign_id;
	munmap(shared, FOREIGN_LEN);
	shared = NULL;
	ioctl(node, NVDIO_IOC_MAP_DEL, &id);
}

static void setup(void)
{
	const char *s = getenv("SECONDS");

	/* Each process has a limit of its own. */
	alarm(0);
	if (s)
		seconds = atof(s);
	other = sibling_path(2) ? strdup(sibling_path(2)) : NULL;
	node = dev_open(O_RDWR | O_CLOEXEC);
	counts = shared_memory(sizeof(*counts));
	h.n = counts;
	h.memory = memfd_create("memory", 0);
	if (h.memory < 0 || ftruncate(h.memory, PARTS * PART_LEN))
		bail("no memory: %s", strerror(errno));
	foreign = own_map(0, &foreign_id);
	h.foreign = foreign_id;
	memory = mmap(NULL, PARTS * PART_LEN, PROT_READ | PROT_WRITE, MAP_SHARED, h.memory, 0);
	if (memory == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
}

static const struct t_case cases[] = {
	{ "batches_read_only", batches_read_only },
	{ "batches_read_write", batches_read_write },
	{ "rings_read_only", rings_read_only },
	{ "rings_read_write", rings_read_write },
	{ "both_resets", both_resets },
	{ "by_range", by_range },
	{ "batches_polled", batches_polled },
	{ "polled_resets", polled_resets },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
