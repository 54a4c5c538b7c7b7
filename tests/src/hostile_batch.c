// SPDX-License-Identifier: GPL-2.0
/* hostile.c's batches: what is submitted changes meanwhile, and so do its SQEs. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "batch.h"
#include "hostile.h"

#define SUBMITTERS 2U

static struct submitter {
	struct io_uring ring;
	pthread_mutex_t lock;		/* the ring is there */
	bool made;
	bool polls;			/* some of its rings do, else none */
	unsigned int flying;
} submitters[SUBMITTERS];

static const unsigned int kinds[] = {
	0, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, IORING_SETUP_SQPOLL,
	IORING_SETUP_COOP_TASKRUN,
};

/* Rings that poll are among others, of which some have the same queue. */
static unsigned int kind(const struct submitter *s, uint64_t *rng)
{
	return kinds[below(rng, ARRAY_SIZE(kinds))] |
	       (s->polls && below(rng, 4) ? IORING_SETUP_IOPOLL : 0);
}

static void make_ring(struct submitter *s, uint64_t *rng)
{
	struct iovec iov = { h.view + PART_BUFFER * PART_LEN, PART_LEN };

	pthread_mutex_lock(&s->lock);
	if (!io_uring_queue_init(8, &s->ring, kind(s, rng))) {
		/* If its memory is not there now, it has none. */
		io_uring_register_buffers(&s->ring, &iov, 1);
		s->made = true;
		s->flying = 0;
		h.n->rings++;
	}
	pthread_mutex_unlock(&s->lock);
}

/* With what is in flight. */
static void lose_ring(struct submitter *s)
{
	pthread_mutex_lock(&s->lock);
	s->made = false;
	io_uring_queue_exit(&s->ring);
	pthread_mutex_unlock(&s->lock);
	h.n->lost_rings++;
}

static void prepare_one(struct submitter *s, uint64_t *rng)
{
	void *results[] = {
		NULL, h.table_view + TABLE_RESULTS, h.table_view + TABLE_NOWHERE,
		h.table_view + TABLE_NOWHERE - 64,
	};
	unsigned int nr = below(rng, 20) ? 1 + below(rng, TABLE_IOS) : below(rng, 65536);
	const struct nvdio_io *ios = (void *)h.table_view;
	struct io_uring_sqe *sqe;

	if (!below(rng, 30))
		ios += below(rng, TABLE_IOS + 8);
	sqe = prep_batch(&s->ring, h.node, ios, nr, results[below(rng, ARRAY_SIZE(results))],
			 below(rng, 40) ? below(rng, 2) : rnd(rng), below(rng, 4) != 0);
	if (!below(rng, 8))
		sqe->flags |= IOSQE_ASYNC;
	sqe->user_data = nr;
}

static void count(struct submitter *s, const struct io_uring_cqe *cqe)
{
	h.n->calls++;
	if (cqe->res < 0)
		h.n->bad_calls++;
	else
		h.n->taken += cqe->user_data;
	s->flying--;
}

static void reap(struct submitter *s)
{
	struct __kernel_timespec t = { .tv_nsec = 50 * 1000 * 1000 };
	struct io_uring_cqe *cqe;

	while (s->flying) {
		int ret = io_uring_wait_cqe_timeout(&s->ring, &cqe, &t);

		if (ret == -EINTR)
			continue;
		if (ret)
			break;
		count(s, cqe);
		io_uring_cqe_seen(&s->ring, cqe);
	}
}

static void *submits(void *arg)
{
	struct submitter *s = arg;
	uint64_t rng = (rnd(&t_seed) ^ (uintptr_t)s) | 1;

	while (!h.stop) {
		if (!s->made)
			make_ring(s, &rng);
		if (!s->made)
			continue;
		for (unsigned int i = 1 + below(&rng, 4); i-- && s->flying < 8;) {
			if (!io_uring_sq_space_left(&s->ring))
				break;
			prepare_one(s, &rng);
			s->flying++;
		}
		if (io_uring_submit(&s->ring) < 0 || !below(&rng, 60)) {
			lose_ring(s);
			continue;
		}
		if (s->flying >= 4 || below(&rng, 2))
			reap(s);
	}
	if (s->made)
		lose_ring(s);
	return NULL;
}

/* What the kernel may read at any moment, with addresses whose mixtures do no harm. */
static void change_sqe(struct submitter *s, uint64_t *rng)
{
	struct io_uring_sqe *sqe;
	uint64_t *cmd;

	if (pthread_mutex_trylock(&s->lock))
		return;
	if (s->made) {
		sqe = &s->ring.sq.sqes[below(rng, 8)];
		cmd = (uint64_t *)sqe->cmd;
		switch (below(rng, 4)) {
		case 0:
			__atomic_store_n(&cmd[0], (uintptr_t)h.table_view + TABLE_RESULTS +
					 below(rng, 2) * PG, __ATOMIC_RELAXED);
			break;
		case 1:
			__atomic_store_n(&cmd[1], below(rng, 300) | sizeof(struct nvdio_io) << 16,
					 __ATOMIC_RELAXED);
			break;
		case 2:
			__atomic_store_n(&cmd[1], rnd(rng), __ATOMIC_RELAXED);
			break;
		default:
			__atomic_store_n(&sqe->addr, (uintptr_t)h.table_view + below(rng, 4) * PG,
					 __ATOMIC_RELAXED);
		}
	}
	pthread_mutex_unlock(&s->lock);
}

static void *changes(void *arg)
{
	struct submitter *s = arg;
	uint64_t rng = (rnd(&t_seed) ^ (uintptr_t)s) | 1;
	struct nvdio_io *ios = (void *)h.table_alias;

	while (!h.stop) {
		hostile_change(&ios[below(&rng, TABLE_IOS)], &rng, true);
		if (!below(&rng, 200))
			change_sqe(s, &rng);
	}
	return NULL;
}

unsigned int hostile_batches(struct hostile_thread *t, bool polls)
{
	uint64_t rng = rnd(&t_seed) | 1;
	struct nvdio_io *ios = (void *)h.table_alias;

	for (unsigned int i = 0; i < TABLE_IOS; i++)
		ios[i] = hostile_io(&rng, true);
	for (unsigned int i = 0; i < SUBMITTERS; i++) {
		submitters[i] = (struct submitter){ .polls = polls };
		pthread_mutex_init(&submitters[i].lock, NULL);
		t[2 * i].run = submits;
		t[2 * i + 1].run = changes;
		t[2 * i].arg = &submitters[i];
		t[2 * i + 1].arg = &submitters[i];
	}
	return 2 * SUBMITTERS;
}
