// SPDX-License-Identifier: GPL-2.0
/* hostile.c's rings without io_uring: all of their memory changes, and they are closed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>

#include "hostile.h"
#include "ownring.h"

#define RINGS 2U

static struct target {
	struct own ring;
	pthread_rwlock_t lock;		/* its memory is there */
	pthread_mutex_t losing;
} targets[RINGS];

static void make_ring(struct target *t, uint64_t *rng)
{
	own_open(&t->ring, h.node, 1 + below(rng, 64), 0);
	h.n->rings++;
}

/* Close it while others use it, and make another one. */
static void lose_ring(struct target *t, uint64_t *rng)
{
	struct own old;

	if (pthread_mutex_trylock(&t->losing))
		return;
	old = t->ring;
	close(old.fd);
	pthread_rwlock_wrlock(&t->lock);
	make_ring(t, rng);
	munmap(old.mem, old.shape.bytes);
	pthread_rwlock_unlock(&t->lock);
	pthread_mutex_unlock(&t->losing);
	h.n->lost_rings++;
}

/* Change something in the ring's memory. */
static void change(struct own *r, uint64_t *rng)
{
	const uint32_t n = below(rng, r->shape.sq_entries);
	uint32_t *words = (uint32_t *)r->mem, *word, old;

	switch (below(rng, 100)) {
	case 0:
		r->head->sq_tail = r->head->sq_head + below(rng, r->shape.sq_entries + 8);
		break;
	case 1:
		r->head->cq_head = r->head->cq_tail - below(rng, r->shape.cq_entries + 8);
		break;
	case 2:
		/* Only for a moment: what the driver writes there nobody can restore. */
		word = &words[below(rng, sizeof(*r->head) / 4)];
		old = *word;
		__atomic_store_n(word, rnd(rng), __ATOMIC_RELAXED);
		__atomic_store_n(word, old, __ATOMIC_RELAXED);
		break;
	case 3:
		words[(r->shape.cq_off + below(rng, r->shape.bytes - r->shape.cq_off)) / 4] =
			rnd(rng);
		break;
	default:
		hostile_change(&r->sq[n], rng, false);
	}
}

static void *changes(void *arg)
{
	struct target *t = arg;
	uint64_t rng = (rnd(&t_seed) ^ (uintptr_t)t) | 1;

	while (!h.stop) {
		pthread_rwlock_rdlock(&t->lock);
		for (unsigned int i = 0; i < 100; i++)
			change(&t->ring, &rng);
		pthread_rwlock_unlock(&t->lock);
	}
	return NULL;
}

static void enter(struct own *r, uint64_t *rng)
{
	struct pollfd p = { .fd = r->fd, .events = POLLIN | POLLOUT };
	long ret;

	/* Often as it should be, so that there is I/O. */
	if (below(rng, 4)) {
		r->head->cq_head = r->head->cq_tail;
		r->head->sq_tail = r->head->sq_head + below(rng, r->shape.sq_entries + 1);
	}
	r->head->timeout = 1 + below(rng, 1000000);
	ret = own_enter(r, below(rng, 70), below(rng, 8) ? 0 : below(rng, 70));
	h.n->calls++;
	if (ret > 0)
		h.n->taken += ret;
	else if (ret < 0)
		h.n->bad_calls++;
	if (!below(rng, 100))
		poll(&p, 1, 1);
}

static void *enters(void *arg)
{
	struct target *t = arg;
	uint64_t rng = (rnd(&t_seed) ^ (uintptr_t)t) | 1;

	while (!h.stop) {
		pthread_rwlock_rdlock(&t->lock);
		enter(&t->ring, &rng);
		pthread_rwlock_unlock(&t->lock);
		if (!below(&rng, 500))
			lose_ring(t, &rng);
	}
	return NULL;
}

unsigned int hostile_rings(struct hostile_thread *t)
{
	void *(*const all[])(void *) = { enters, changes };
	uint64_t rng = rnd(&t_seed) | 1;
	pthread_rwlockattr_t attr;

	pthread_rwlockattr_init(&attr);
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	for (unsigned int i = 0; i < RINGS; i++) {
		pthread_rwlock_init(&targets[i].lock, &attr);
		pthread_mutex_init(&targets[i].losing, NULL);
		make_ring(&targets[i], &rng);
	}
	/* One ring has two tasks that send. */
	for (unsigned int i = 0; i < 5; i++) {
		t[i].run = all[i % 2];
		t[i].arg = &targets[i / 2 % RINGS];
	}
	return 5;
}
