// SPDX-License-Identifier: GPL-2.0
/*
 * Hundreds of requests in flight, by libaio and io_uring, on both paths, from one
 * thread and from several; every byte is compared.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t.h"

#define SLOTS 512		/* requests in flight */
#define SLOT (32 * KiB)		/* bytes of device and buffer per request */

struct job {
	int flags;
	uint64_t at, seed, state;
	char *buf;
	size_t len[SLOTS];
	unsigned int order[SLOTS];
	bool good;
};

/* An asynchronous queue: start requests, submit them, reap one result. */
struct engine {
	const char *name;
	void *(*open)(void);
	bool (*start)(void *q, int fd, bool wr, void *buf, size_t len,
		      uint64_t off, unsigned int tag);
	bool (*go)(void *q);
	bool (*reap)(void *q, unsigned int *tag, long *res);
	void (*close)(void *q);
};

struct aioq {
	io_context_t ctx;
	struct iocb cb[SLOTS], *batch[SLOTS];
	unsigned int n;
};

static void *aio_open(void)
{
	struct aioq *q = calloc(1, sizeof(*q));

	if (!q || io_setup(SLOTS, &q->ctx))
		bail("io_setup");
	return q;
}

static bool aio_start(void *v, int fd, bool wr, void *buf, size_t len,
		      uint64_t off, unsigned int tag)
{
	struct aioq *q = v;
	struct iocb *cb = &q->cb[tag];

	if (wr)
		io_prep_pwrite(cb, fd, buf, len, off);
	else
		io_prep_pread(cb, fd, buf, len, off);
	cb->data = (void *)(uintptr_t)tag;
	q->batch[q->n++] = cb;
	return true;
}

static bool aio_go(void *v)
{
	struct aioq *q = v;
	unsigned int done = 0;

	while (done < q->n) {
		int n = io_submit(q->ctx, q->n - done, q->batch + done);

		if (n <= 0) {
			note("io_submit: %d", n);
			return false;
		}
		done += n;
	}
	q->n = 0;
	return true;
}

static bool aio_reap(void *v, unsigned int *tag, long *res)
{
	struct timespec limit = { 60, 0 };
	struct aioq *q = v;
	struct io_event ev;

	if (io_getevents(q->ctx, 1, 1, &ev, &limit) != 1)
		return false;
	*tag = (uintptr_t)ev.data;
	*res = ev.res;
	return true;
}

static void aio_close(void *v)
{
	struct aioq *q = v;

	io_destroy(q->ctx);
	free(q);
}

static void *uring_open(void)
{
	struct io_uring *r = calloc(1, sizeof(*r));

	if (!r || io_uring_queue_init(SLOTS, r, 0))
		bail("io_uring_queue_init");
	return r;
}

static bool uring_start(void *v, int fd, bool wr, void *buf, size_t len,
			uint64_t off, unsigned int tag)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(v);

	if (!sqe)
		return false;
	if (wr)
		io_uring_prep_write(sqe, fd, buf, len, off);
	else
		io_uring_prep_read(sqe, fd, buf, len, off);
	io_uring_sqe_set_data64(sqe, tag);
	return true;
}

static bool uring_go(void *v)
{
	while (io_uring_sq_ready(v))
		if (io_uring_submit(v) < 0)
			return false;
	return true;
}

static bool uring_reap(void *v, unsigned int *tag, long *res)
{
	struct __kernel_timespec limit = { 60, 0 };
	struct io_uring_cqe *cqe;

	if (io_uring_wait_cqe_timeout(v, &cqe, &limit))
		return false;
	*tag = cqe->user_data;
	*res = cqe->res;
	io_uring_cqe_seen(v, cqe);
	return true;
}

static void uring_close(void *v)
{
	io_uring_queue_exit(v);
	free(v);
}

static const struct engine engines[] = {
	{ "libaio", aio_open, aio_start, aio_go, aio_reap, aio_close },
	{ "io_uring", uring_open, uring_start, uring_go, uring_reap,
	  uring_close },
};

/* One request for each slot, all at once; false when a result is wrong. */
static bool burst(const struct engine *e, void *q, struct job *j, int fd,
		  bool wr)
{
	bool seen[SLOTS] = { false };
	unsigned int i, tag;
	long res;

	for (i = 0; i < SLOTS; i++) {
		unsigned int s = j->order[i];

		if (!e->start(q, fd, wr, j->buf + s * SLOT, j->len[s],
			      j->at + s * SLOT, s))
			return false;
	}
	if (!e->go(q))
		return false;
	for (i = 0; i < SLOTS; i++) {
		if (!e->reap(q, &tag, &res)) {
			note("%u of %u completed, then none for 60 s", i, SLOTS);
			return false;
		}
		if (tag >= SLOTS || seen[tag] || res != (long)j->len[tag]) {
			note("request %u: %ld of %zu%s", tag, res, j->len[tag],
			     seen[tag] ? ", completed twice" : "");
			return false;
		}
		seen[tag] = true;
	}
	return true;
}

static void shuffle(struct job *j)
{
	unsigned int i;

	for (i = 0; i < SLOTS; i++)
		j->order[i] = i;
	for (i = SLOTS - 1; i; i--) {
		unsigned int k = below(&j->state, i + 1), t = j->order[i];

		j->order[i] = j->order[k];
		j->order[k] = t;
	}
}

static bool run(const struct engine *e, struct job *j)
{
	int fd = dev_open(O_RDWR | j->flags);
	void *q = e->open();
	unsigned int i;
	bool good;

	shuffle(j);
	for (i = 0; i < SLOTS; i++) {
		j->len[i] = j->flags & O_DIRECT ?
			(1 + below(&j->state, SLOT / dev.lba)) * dev.lba :
			1 + below(&j->state, SLOT);
		fill(j->buf + i * SLOT, j->len[i], j->seed, i * SLOT);
	}
	good = burst(e, q, j, fd, true);
	memset(j->buf, 0, SLOTS * SLOT);
	good = good && burst(e, q, j, fd, false);
	for (i = 0; good && i < SLOTS; i++)
		if (differs(j->buf + i * SLOT, j->len[i], j->seed,
			    i * SLOT) >= 0) {
			note("slot %u has wrong data", i);
			good = false;
		}
	e->close(q);
	close(fd);
	return good;
}

static void one(const struct engine *e, int flags)
{
	struct job j = {
		.flags = flags, .seed = rnd(&t_seed), .state = t_seed,
		.buf = pages(SLOTS * SLOT),
	};
	struct paths p = path_start();

	ok(run(e, &j), "%s, %s: %d in flight, written and read back", e->name,
	   path_name(flags), SLOTS);
	went_by(p, flags, 2 * SLOTS, e->name);
}

struct thread {
	pthread_t id;
	const struct engine *e;
	struct job j;
};

static void *thread_run(void *v)
{
	struct thread *t = v;

	t->j.good = run(t->e, &t->j);
	return NULL;
}

/* Four threads with a queue each, two on each path. */
static void threads(void)
{
	static struct thread t[4];
	struct paths p = path_start();
	unsigned int i;

	for (i = 0; i < 4; i++) {
		t[i].e = &engines[i & 1];
		t[i].j.flags = i & 2 ? O_DIRECT : 0;
		t[i].j.seed = rnd(&t_seed);
		t[i].j.state = rnd(&t_seed);
		t[i].j.at = (1 + i) * SLOTS * SLOT;
		t[i].j.buf = pages(SLOTS * SLOT);
	}
	for (i = 0; i < 4; i++)
		if (pthread_create(&t[i].id, NULL, thread_run, &t[i]))
			bail("thread");
	for (i = 0; i < 4; i++) {
		pthread_join(t[i].id, NULL);
		ok(t[i].j.good, "thread %u of 4: %s, %s, %d in flight", i,
		   t[i].e->name, path_name(t[i].j.flags), SLOTS);
	}
	went(p, 4 * SLOTS, 4 * SLOTS, "threads: each call took its path");
}

static void direct(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(engines); i++)
		one(&engines[i], O_DIRECT);
}

static void copy(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(engines); i++)
		one(&engines[i], 0);
}

static void setup(void)
{
	if (dev.size < 5 * SLOTS * SLOT)
		bail("device too small");
}

static const struct t_case cases[] = {
	{ "direct", direct },
	{ "copy", copy },
	{ "threads", threads },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
