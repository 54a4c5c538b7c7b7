// SPDX-License-Identifier: GPL-2.0
/*
 * I/O in flight while the device is taken away: pread/pwrite, libaio and
 * io_uring, on both paths, until a call says ENODEV. Every call has to come
 * back, with its full length or with ENODEV. When the node is there again, what
 * was written has to be there too.
 *
 * usage: hammer DEVICE [READY-FILE [PCI-ADDRESS]]
 *   READY-FILE is created once I/O is in flight. With PCI-ADDRESS the data is
 *   checked on that controller's first namespace after it came back.
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
	uint64_t doubtful[SLOTS];	/* a later one that did not */
	unsigned int done, gone, wrong, lost, stale;
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

/* The outcome of one request; false when the device is gone. */
static bool account(struct worker *w, unsigned int s, bool wr, uint64_t seed,
		    long res)
{
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

static void *work(void *v)
{
	struct worker *w = v;
	uint64_t state = w->at + 12345, seed[SLOTS];
	struct iocb cb[SLOTS];
	struct io_uring ring;
	io_context_t aio = 0;
	bool wr[SLOTS], open = true;
	unsigned int s, flying = 0, started = 0;

	if (w->e == URING && io_uring_queue_init(SLOTS, &ring, 0))
		bail("io_uring");
	if (w->e == AIO && io_setup(SLOTS, &aio))
		bail("io_setup");
	for (s = 0; open && w->e == SYNC; s = (s + 1) % SLOTS) {
		size_t n = len_of(w);
		char *b = w->buf + s * SLOT;

		wr[s] = rnd(&state) & 1;
		seed[s] = rnd(&state);
		if (wr[s])
			fill(b, n, seed[s], 0);
		open = account(w, s, wr[s], seed[s],
			       reterr(wr[s] ? pwrite(w->fd, b, n, off_of(w, s))
					    : pread(w->fd, b, n, off_of(w, s))));
		if (w->done == 2)
			atomic_fetch_add(&busy, 1);
	}
	/* Keep all slots in flight; after the first failure only collect. */
	for (s = 0; w->e != SYNC && (open || flying);) {
		long res;

		for (; open && flying < SLOTS; flying++, started++) {
			size_t n = len_of(w);
			char *b;

			if (started < SLOTS)
				s = started;
			b = w->buf + s * SLOT;
			wr[s] = rnd(&state) & 1;
			seed[s] = rnd(&state);
			if (wr[s])
				fill(b, n, seed[s], 0);
			if (w->e == AIO) {
				struct iocb *p = &cb[s];

				if (wr[s])
					io_prep_pwrite(p, w->fd, b, n, off_of(w, s));
				else
					io_prep_pread(p, w->fd, b, n, off_of(w, s));
				p->data = (void *)(uintptr_t)s;
				res = io_submit(aio, 1, &p);
				if (res != 1) {
					open = account(w, s, wr[s], seed[s], res);
					break;
				}
			} else {
				struct io_uring_sqe *q = io_uring_get_sqe(&ring);

				if (wr[s])
					io_uring_prep_write(q, w->fd, b, n, off_of(w, s));
				else
					io_uring_prep_read(q, w->fd, b, n, off_of(w, s));
				io_uring_sqe_set_data64(q, s);
				io_uring_submit(&ring);
			}
			if (started == SLOTS)
				atomic_fetch_add(&busy, 1);
		}
		if (!flying)
			break;
		if (w->e == AIO) {
			struct timespec limit = { LIMIT, 0 };
			struct io_event ev;

			if (io_getevents(aio, 1, 1, &ev, &limit) != 1) {
				w->lost = flying;
				return NULL;
			}
			s = (uintptr_t)ev.data;
			res = ev.res;
		} else {
			struct __kernel_timespec limit = { LIMIT, 0 };
			struct io_uring_cqe *cqe;

			if (io_uring_wait_cqe_timeout(&ring, &cqe, &limit)) {
				w->lost = flying;
				return NULL;
			}
			s = cqe->user_data;
			res = cqe->res;
			io_uring_cqe_seen(&ring, cqe);
		}
		flying--;
		open &= account(w, s, wr[s], seed[s], res);
	}
	if (w->e == URING)
		io_uring_queue_exit(&ring);
	if (w->e == AIO)
		io_destroy(aio);
	return NULL;
}

/* The node of a controller's first namespace, when it is there. */
static int reopen(const char *pci)
{
	char pattern[128], node[64];
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
		usleep(50000);
	}
	if (fd < 0)
		bail("%s did not come back", pci);
	note("%s came back as %s", pci, node);
	return fd;
}

int main(int argc, char **argv)
{
	static struct worker w[2 * ENGINES];
	unsigned int i, s, wrong = 0;
	char *b = pages(SLOT), *good = pages(SLOT), *maybe = pages(SLOT);
	int fd;

	t_begin(argc, argv);
	data = argc > 3;
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		w[i].e = i % ENGINES;
		w[i].flags = i < ENGINES ? O_DIRECT : 0;
		w[i].at = 4 * MiB + i * SLOTS * SLOT;
		w[i].buf = pages(SLOTS * SLOT);
		w[i].fd = dev_open(O_RDWR | w[i].flags);
		for (s = 0; data && s < SLOTS; s++) {
			w[i].seed[s] = rnd(&t_seed);
			fill(b, len_of(&w[i]), w[i].seed[s], 0);
			put(w[i].fd, b, len_of(&w[i]), off_of(&w[i], s));
		}
	}
	for (i = 0; i < ARRAY_SIZE(w); i++)
		if (pthread_create(&w[i].id, NULL, work, &w[i]))
			bail("thread");
	while (atomic_load(&busy) < ARRAY_SIZE(w))
		usleep(10000);
	if (argc > 2)
		close(open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		const char *e = engine_name[w[i].e];
		const char *p = path_name(w[i].flags);

		pthread_join(w[i].id, NULL);
		is(w[i].lost, 0, "%s, %s: every request came back", e, p);
		is(w[i].wrong, 0, "%s, %s: with its length or ENODEV", e, p);
		is(w[i].stale, 0, "%s, %s: each read gave what was last written", e, p);
		ok(w[i].gone > 0, "%s, %s: ENODEV was seen (%u done, %u ENODEV)",
		   e, p, w[i].done, w[i].gone);
		is_ret(pread(w[i].fd, b, PG, 0), -ENODEV, "%s, %s: and ever after",
		       e, p);
		close(w[i].fd);
	}
	if (!data)
		return t_end();

	fd = reopen(argv[3]);
	for (i = 0; i < ARRAY_SIZE(w); i++)
		for (s = 0; s < SLOTS; s++) {
			size_t n = len_of(&w[i]), k;

			get(fd, b, n, off_of(&w[i], s));
			fill(good, n, w[i].seed[s], 0);
			fill(maybe, n, w[i].doubtful[s] ?: w[i].seed[s], 0);
			for (k = 0; k < n; k++)
				wrong += b[k] != good[k] && b[k] != maybe[k];
		}
	is(wrong, 0, "every write that succeeded is on the device");
	close(fd);
	return t_end();
}
