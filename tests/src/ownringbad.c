// SPDX-License-Identifier: GPL-2.0
/*
 * Rings without io_uring of programs that mean no good: they change indices, descriptors
 * and completions all the time, also while the driver reads them. They may spoil what is
 * theirs, and nothing else: not what the node was not opened for, not other namespaces,
 * not maps of others, not pages beside their own.
 *
 * usage: ownringbad DEVICE [SECONDS [OTHER]]: OTHER is another namespace of the
 * controller.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "ownring.h"

#define LEN (16 * PG)
#define WATCHED (8 * MiB)	/* of a disk */

static double seconds = 3;
static const char *other;

struct bad {
	struct own ring;
	int node;
	uint32_t map, guard, foreign;
	atomic_bool stop;
	unsigned long entered, taken;
};

static void watched(const char *path, uint64_t seed, bool check)
{
	char *p = malloc(WATCHED);
	int fd = open(path, O_RDWR);

	if (fd < 0 || !p)
		bail("%s", path);
	if (check) {
		get(fd, p, WATCHED, 0);
		holds(p, WATCHED, seed, 0, "%s is what it was", path);
	} else {
		fill(p, WATCHED, seed, 0);
		put(fd, p, WATCHED, 0);
	}
	close(fd);
	free(p);
}

/* A descriptor, of which something may be wrong. */
static struct nvdio_io any_io(const struct bad *b, uint64_t *rng)
{
	struct nvdio_io io = {
		.off = below(rng, WATCHED / PG) * PG, .addr = below(rng, 15) * PG, .len = PG,
		.map = b->map, .op = 1 + below(rng, 2), .cookie = rnd(rng),
	};

	switch (below(rng, 12)) {
	case 0:
		io.map = b->guard;
		break;
	case 1:
		io.map = b->foreign;
		break;
	case 2:
		io.map = rnd(rng);
		break;
	case 3:
		io.len = rnd(rng);
		break;
	case 4:
		io.addr = LEN - PG + below(rng, 4) * PG;
		break;
	case 5:
		io.addr = rnd(rng);
		break;
	case 6:
		io.off = rnd(rng);
		break;
	case 7:
		io.op = rnd(rng);
		break;
	case 8:
		io.flags = rnd(rng);
		break;
	}
	return io;
}

/* Change anything in the ring's memory. */
static void *changes(void *arg)
{
	struct bad *b = arg;
	struct own *r = &b->ring;
	uint64_t rng = rnd(&t_seed) | 1;
	uint32_t *words = (uint32_t *)r->mem;

	while (!b->stop) {
		const uint32_t n = below(&rng, r->shape.sq_entries);
		uint32_t *word, old;

		switch (below(&rng, 100)) {
		case 0:
			r->head->sq_tail = r->head->sq_head + below(&rng, 40);
			break;
		case 1:
			r->head->cq_head = r->head->cq_tail - below(&rng, 70);
			break;
		case 2:
			/* Only for a moment: what the driver writes there nobody can restore. */
			word = &words[below(&rng, sizeof(*r->head) / 4)];
			old = *word;
			__atomic_store_n(word, rnd(&rng), __ATOMIC_RELAXED);
			__atomic_store_n(word, old, __ATOMIC_RELAXED);
			break;
		case 3:
			words[sizeof(*r->head) / 4 +
			      below(&rng, (r->shape.bytes - sizeof(*r->head)) / 4)] = rnd(&rng);
			break;
		default:
			r->sq[n] = any_io(b, &rng);
		}
	}
	return NULL;
}

static void *enters(void *arg)
{
	struct bad *b = arg;
	uint64_t rng = rnd(&t_seed) | 1;
	long ret;

	while (!b->stop) {
		/* Often as it should be, so that there is I/O. */
		if (below(&rng, 4)) {
			b->ring.head->cq_head = b->ring.head->cq_tail;
			b->ring.head->sq_tail = b->ring.head->sq_head + below(&rng, 33);
		}
		b->ring.head->timeout = 1 + below(&rng, 1000000);
		ret = own_enter(&b->ring, below(&rng, 40), below(&rng, 8) ? 0 : below(&rng, 40));
		b->entered++;
		if (ret > 0)
			b->taken += ret;
	}
	return NULL;
}

/* Pages of which only those in the middle are mapped. */
static char *between_guards(struct bad *b)
{
	char *p = pages(LEN + 2 * LEN);
	struct nvdio_map_add add = {
		.addr = (uintptr_t)p + LEN, .len = LEN, .flags = NVDIO_MAP_USER
	};

	memset(p, 0x77, 3 * LEN);
	if (ioctl(b->node, NVDIO_IOC_MAP_ADD, &add))
		bail("NVDIO_IOC_MAP_ADD");
	b->map = add.id;
	return p;
}

static bool all(const char *p, size_t len, char what)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != what)
			return false;
	return true;
}

/* In a process of its own, as map identifiers are of one. */
static int attack(int flags, uint32_t foreign)
{
	pthread_t threads[4];
	struct bad b = { .foreign = foreign };
	const int ring_node = dev_open(flags);
	char *p, *guard;

	b.node = dev_open(O_RDWR);
	p = between_guards(&b);
	own_memory(b.node, LEN, NVDIO_MAP_READ_ONLY, &b.guard, &guard);
	memset(guard, 0x66, LEN);
	own_open(&b.ring, ring_node, 32, 0);
	close(ring_node);
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, i < 2 ? changes : enters, &b);
	usleep(seconds * 1e6);
	b.stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	note("%lu calls, %lu I/Os", b.entered, b.taken);
	own_close(&b.ring);
	/* Nothing of the ring is in flight when its map is gone. */
	ioctl(b.node, NVDIO_IOC_MAP_DEL, &b.map);
	fflush(stdout);
	return (b.taken < 100) | !all(p, LEN, 0x77) << 1 | !all(p + 2 * LEN, LEN, 0x77) << 2 |
	       !all(guard, LEN, 0x66) << 3;
}

static void attacked(int flags)
{
	int node = dev_open(O_RDWR), status;
	uint32_t id;
	pid_t pid;
	char *p;

	own_memory(node, LEN, 0, &id, &p);
	memset(p, 0x55, LEN);
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(attack(flags, id));
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		bail("the attacker has died: %x", status);
	status = WEXITSTATUS(status);
	ok(!(status & 1), "there was I/O");
	ok(!(status & 2), "the pages before its map are what they were");
	ok(!(status & 4), "those behind it are");
	ok(!(status & 8), "so is memory that is only written from");
	ok(all(p, LEN, 0x55), "the map of another program is what it was");
	if (other)
		watched(other, 2, true);
	close(node);
}

static void begins(void)
{
	if (t_args[0])
		seconds = atof(t_args[0]);
	if (t_args[0] && t_args[1])
		other = t_args[1];
	if (other)
		watched(other, 2, false);
	watched(dev.path, 1, false);
}

static void read_only(void)
{
	attacked(O_RDONLY);
	watched(dev.path, 1, true);
}

static void read_write(void)
{
	attacked(O_RDWR);
}

/* What was written by it has come from its own memory, or was there. */
static void write_only(void)
{
	attacked(O_WRONLY);
}

static const struct t_case cases[] = {
	{ "read_only", read_only },
	{ "read_write", read_write },
	{ "write_only", write_only },
};

int main(int argc, char **argv)
{
	t_args_usage = "[SECONDS [OTHER]]";
	return t_run_setup(argc, argv, begins, cases, ARRAY_SIZE(cases));
}
