// SPDX-License-Identifier: GPL-2.0
/*
 * What threads and processes wait for by an address that means a page: the kernel
 * refuses that in memory without a page cache behind it, and the C library then ends the
 * program. So the pages of such things become ordinary ones, before there are waiters.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <semaphore.h>

#include "arena.h"

static void waited_for(void *p, size_t len)
{
	if (!arena_maybe(p, len))
		return;
	arena_lock();
	arena_ordinary(p, len);
	arena_unlock();
}

/* Found once; all threads find the same. */
static void *libc(void **f, const char *name)
{
	void *found = __atomic_load_n(f, __ATOMIC_RELAXED);

	if (!found) {
		found = arena_libc(name);
		__atomic_store_n(f, found, __ATOMIC_RELAXED);
	}
	return found;
}

ARENA_EXPORT int pthread_mutex_init(pthread_mutex_t *m, const pthread_mutexattr_t *attr)
{
	static void *next;
	typeof(pthread_mutex_init) *f = libc(&next, __func__);
	int shared = 0;

	if (attr && !pthread_mutexattr_getpshared(attr, &shared) && shared)
		waited_for(m, sizeof(*m));
	return f(m, attr);
}

ARENA_EXPORT int pthread_cond_init(pthread_cond_t *c, const pthread_condattr_t *attr)
{
	static void *next;
	typeof(pthread_cond_init) *f = libc(&next, __func__);
	int shared = 0;

	if (attr && !pthread_condattr_getpshared(attr, &shared) && shared)
		waited_for(c, sizeof(*c));
	return f(c, attr);
}

ARENA_EXPORT int pthread_rwlock_init(pthread_rwlock_t *l, const pthread_rwlockattr_t *attr)
{
	static void *next;
	typeof(pthread_rwlock_init) *f = libc(&next, __func__);
	int shared = 0;

	if (attr && !pthread_rwlockattr_getpshared(attr, &shared) && shared)
		waited_for(l, sizeof(*l));
	return f(l, attr);
}

ARENA_EXPORT int pthread_barrier_init(pthread_barrier_t *b, const pthread_barrierattr_t *attr,
				      unsigned int count)
{
	static void *next;
	typeof(pthread_barrier_init) *f = libc(&next, __func__);
	int shared = 0;

	if (attr && !pthread_barrierattr_getpshared(attr, &shared) && shared)
		waited_for(b, sizeof(*b));
	return f(b, attr, count);
}

ARENA_EXPORT int sem_init(sem_t *s, int shared, unsigned int value)
{
	static void *next;
	typeof(sem_init) *f = libc(&next, __func__);

	if (shared)
		waited_for(s, sizeof(*s));
	return f(s, shared, value);
}

/* The end of a thread is waited for at an address in its stack. */
ARENA_EXPORT int pthread_attr_setstack(pthread_attr_t *attr, void *stack, size_t len)
{
	static void *next;
	typeof(pthread_attr_setstack) *f = libc(&next, __func__);

	waited_for(stack, len);
	return f(attr, stack, len);
}
