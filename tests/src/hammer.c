// SPDX-License-Identifier: GPL-2.0
/*
 * I/O in flight while the device is removed: pread/pwrite, libaio and io_uring, on both
 * paths, until a call fails with ENODEV. Every call must return, with its full length
 * or with ENODEV. When the node is back, the data that was written must be there.
 *
 * usage: hammer DEVICE [READY-FILE [PCI-ADDRESS]]
 *   READY-FILE is created once I/O is in flight. With PCI-ADDRESS the data is checked on
 *   that controller's first namespace after it has come back.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libaio.h>
#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "t.h"

#define SLOTS 32
#define SLOT (16 * KiB)
#define LIMIT 60		/* seconds until a request counts as lost */

enum engine { SYNC, AIO, URING, ENGINES };

static const char *const engine_name[] = { "pread/pwrite", "libaio", "io_uring" };

struct worker {
	pthread_t id;
	enum engine e;
	int flags, fd;
	uint64_t at;
	char *buf;
	uint64_t seed[SLOTS];		/* last write that succeeded */
	uint64_t doubtful[SLOTS];	/* a later one that failed: may be there in part */
	unsigned int done, gone, wrong, lost, stale;
	/* of the requests in flight */
	bool wr[SLOTS];
	uint64_t new_seed[SLOTS];
	struct iocb cb[SLOTS];
	uint64_t state;
	io_context_t aio;
	struct io_uring ring;
};

static atomic_uint busy;
static bool data;		/* the device keeps what is written */

static size_t len_of(const struct worker *w)
{
	return w->flags ? SLOT : SLOT - 100;
}

static uint64_t off_of(const struct worker *w, unsigned int s)
{
	return w->at + s * SLOT + (w->flags ? 0 : 50);
}

/* Record the result @res of slot @s; false when it failed. */
static bool account(struct worker *w, unsigned int s, long res)
{
	uint64_t seed = w->new_seed[s];
	bool wr = w->wr[s];

	if (res == (long)len_of(w)) {
		w->done++;
		if (wr)
			w->seed[s] = seed;
		else if (data && differs(w->buf + s * SLOT, res, w->seed[s], 0) >= 0)
			w->stale++;
		return true;
	}
	if (wr)
		w->doubtful[s] = seed;
	if (res == -ENODEV) {
		w->gone++;
	} else {
		if (!w->wrong++)
			note("%s, %s: a request gave %ld", engine_name[w->e],
			     path_name(w->flags), res);
	}
	return false;
}

/* Decide what slot @s does next, and prepare its buffer. */
static char *choose(struct worker *w, unsigned int s)
{
	char *b = w->buf + s * SLOT;

	w->wr[s] = rnd(&w->state) & 1;
	w->new_seed[s] = rnd(&w->state);
	if (w->wr[s])
		fill(b, len_of(w), w->new_seed[s], 0);
	return b;
}

static void work_sync(struct worker *w)
{
	bool open = true;

	for (unsigned int s = 0; open; s = (s + 1) % SLOTS) {
		char *b = choose(w, s);
		uint64_t off = off_of(w, s);
		size_t n = len_of(w);

		open = account(w, s, reterr(w->wr[s] ? pwrite(w->fd, b, n, off)
						     : pread(w->fd, b, n, off)));
		if (w->done == 2)
			atomic_fetch_add(&busy, 1);
	}
}

/* Returns what io_submit() says: 1, or an error. */
static long send_aio(struct worker *w, unsigned int s, char *b)
{
	struct iocb *p = &w->cb[s];

	if (w->wr[s])
		io_prep_pwrite(p, w->fd, b, len_of(w), off_of(w, s));
	else
		io_prep_pread(p, w->fd, b, len_of(w), off_of(w, s));
	p->data = (void *)(uintptr_t)s;
	return io_submit(w->aio, 1, &p);
}

static long send_uring(struct worker *w, unsigned int s, char *b)
{
	struct io_uring_sqe *q = io_uring_get_sqe(&w->ring);

	if (w->wr[s])
		io_uring_prep_write(q, w->fd, b, len_of(w), off_of(w, s));
	else
		io_uring_prep_read(q, w->fd, b, len_of(w), off_of(w, s));
	io_uring_sqe_set_data64(q, s);
	io_uring_submit(&w->ring);
	return 1;
}

/* One completion; false when there is none for LIMIT seconds. */
static bool reap(struct worker *w, unsigned int *s, long *res)
{
	if (w->e == AIO) {
		struct timespec limit = { LIMIT, 0 };
		struct io_event ev;

		if (io_getevents(w->aio, 1, 1, &ev, &limit) != 1)
			return false;
		*s = (uintptr_t)ev.data;
		*res = ev.res;
	} else {
		struct __kernel_timespec limit = { LIMIT, 0 };
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe_timeout(&w->ring, &cqe, &limit))
			return false;
		*s = cqe->user_data;
		*res = cqe->res;
		io_uring_cqe_seen(&w->ring, cqe);
	}
	return true;
}

/* Keep all slots in flight; after the first failure only collect. */
static void work_async(struct worker *w)
{
	unsigned int s = 0, flying = 0, started = 0;
	bool open = true;
	long res;

	while (open || flying) {
		while (open && flying < SLOTS) {
			if (started < SLOTS)
				s = started;
			res = (w->e == AIO ? send_aio : send_uring)(w, s, choose(w, s));
			if (res != 1) {
				open = account(w, s, res);
				break;
			}
			if (started == SLOTS)
				atomic_fetch_add(&busy, 1);
			flying++;
			started++;
		}
		if (!flying)
			break;
		if (!reap(w, &s, &res)) {
			w->lost = flying;
			return;
		}
		flying--;
		open &= account(w, s, res);
	}
}

static void *work(void *v)
{
	struct worker *w = v;

	w->state = w->at + 12345;
	switch (w->e) {
	case URING:
		if (io_uring_queue_init(SLOTS, &w->ring, 0))
			bail("io_uring");
		work_async(w);
		if (!w->lost)
			io_uring_queue_exit(&w->ring);
		break;
	case AIO:
		if (io_setup(SLOTS, &w->aio))
			bail("io_setup");
		work_async(w);
		if (!w->lost)
			io_destroy(w->aio);
		break;
	default:
		work_sync(w);
	}
	return NULL;
}

/*
 * Wait for the node of a controller's first namespace, and open it. The node of
 * the device that goes may still be there: it is none that can be read.
 */
static int reopen(const char *pci)
{
	char b[PG] __attribute__((aligned(PG))), pattern[128], node[64];
	double end = now() + 60;
	int fd = -1;
	glob_t g;

	snprintf(pattern, sizeof(pattern),
		 "/sys/bus/pci/devices/%s/nvdio/nvdio*/nvdio*n1", pci);
	while (fd < 0 && now() < end) {
		if (!glob(pattern, 0, NULL, &g)) {
			snprintf(node, sizeof(node), "/dev/%s",
				 strrchr(g.gl_pathv[0], '/') + 1);
			fd = open(node, O_RDWR | O_CLOEXEC);
			globfree(&g);
		}
		if (fd >= 0 && pread(fd, b, PG, 0) < 0 && errno == ENODEV) {
			close(fd);
			fd = -1;
		}
		usleep(50000);
	}
	if (fd < 0)
		bail("%s did not come back", pci);
	note("%s came back as %s", pci, node);
	return fd;
}

static struct worker workers[2 * ENGINES];
static const char *ready, *pci;

/* A known write to each slot, so that the first reads can be checked. */
static void prepare(struct worker *w, unsigned int i)
{
	char *b = pages(SLOT);

	w->e = i % ENGINES;
	w->flags = i < ENGINES ? O_DIRECT : 0;
	w->at = 4 * MiB + i * SLOTS * SLOT;
	w->buf = pages(SLOTS * SLOT);
	w->fd = dev_open(O_RDWR | w->flags);
	for (unsigned int s = 0; data && s < SLOTS; s++) {
		w->seed[s] = rnd(&t_seed);
		fill(b, len_of(w), w->seed[s], 0);
		put(w->fd, b, len_of(w), off_of(w, s));
	}
	munmap(b, SLOT);
}

static void ended_well(struct worker *w)
{
	const char *e = engine_name[w->e], *p = path_name(w->flags);
	char b[PG] __attribute__((aligned(PG)));

	is(w->lost, 0, "%s, %s: every request completed", e, p);
	is(w->wrong, 0, "%s, %s: with its length or ENODEV", e, p);
	is(w->stale, 0, "%s, %s: each read returned what was last written", e, p);
	ok(w->gone > 0, "%s, %s: there was an ENODEV (%u done, %u ENODEV)", e, p, w->done,
	   w->gone);
	is_ret(pread(w->fd, b, PG, 0), -ENODEV, "%s, %s: and again from then on", e, p);
	close(w->fd);
}

static void removal(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(workers); i++)
		prepare(&workers[i], i);
	for (i = 0; i < ARRAY_SIZE(workers); i++)
		if (pthread_create(&workers[i].id, NULL, work, &workers[i]))
			bail("thread");
	while (atomic_load(&busy) < ARRAY_SIZE(workers))
		usleep(10000);
	if (ready)
		close(open(ready, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	for (i = 0; i < ARRAY_SIZE(workers); i++) {
		pthread_join(workers[i].id, NULL);
		ended_well(&workers[i]);
	}
}

/* Number of bytes of worker @w that are neither its last good write nor a doubtful one. */
static unsigned int wrong_bytes(const struct worker *w, int fd)
{
	char *b = pages(SLOT), *good = pages(SLOT), *maybe = pages(SLOT);
	size_t n = len_of(w);
	unsigned int wrong = 0;

	for (unsigned int s = 0; s < SLOTS; s++) {
		get(fd, b, n, off_of(w, s));
		fill(good, n, w->seed[s], 0);
		fill(maybe, n, w->doubtful[s] ?: w->seed[s], 0);
		for (size_t k = 0; k < n; k++)
			wrong += b[k] != good[k] && b[k] != maybe[k];
	}
	munmap(b, SLOT);
	munmap(good, SLOT);
	munmap(maybe, SLOT);
	return wrong;
}

static void removal_and_return(void)
{
	unsigned int wrong = 0;
	int fd;

	removal();
	if (!data)
		return;
	fd = reopen(pci);
	for (unsigned int i = 0; i < ARRAY_SIZE(workers); i++)
		wrong += wrong_bytes(&workers[i], fd);
	is(wrong, 0, "every write that succeeded is on the device");
	close(fd);
}

static void setup(void)
{
	ready = t_args[0];
	pci = ready ? t_args[1] : NULL;
	data = pci;
}

static const struct t_case cases[] = {
	{ "removal", removal_and_return },
};

int main(int argc, char **argv)
{
	t_args_usage = "[READY-FILE [PCI-ADDRESS]]";
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
