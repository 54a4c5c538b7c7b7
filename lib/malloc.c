// SPDX-License-Identifier: GPL-2.0
/*
 * malloc() and similar functions: large requests are served (blocks.c), all others are the next
 * library's.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arena.h"

static struct {
	void *(*malloc)(size_t n);
	void (*free)(void *p);
	void *(*calloc)(size_t n, size_t size);
	void *(*realloc)(void *p, size_t n);
	void *(*memalign)(size_t align, size_t n);
	void *(*aligned_alloc)(size_t align, size_t n);
	int (*posix_memalign)(void **p, size_t align, size_t n);
	void *(*valloc)(size_t n);
	void *(*pvalloc)(size_t n);
	size_t (*usable)(void *p);
} next;

static atomic_bool next_known;

/*
 * To find them dlsym() may need memory itself. It gets some of this, for good. Each
 * piece has its size in front.
 */
#define EARLY_ALIGN	16

static __thread bool finding __attribute__((tls_model("initial-exec")));
static char early[16384] __attribute__((aligned(EARLY_ALIGN)));
static size_t early_used;

static bool is_early(const void *p)
{
	return (size_t)((const char *)p - early) < sizeof(early);
}

static size_t early_size(const void *p)
{
	return *(const size_t *)((const char *)p - EARLY_ALIGN);
}

static void *early_get(size_t n)
{
	const size_t all = ((n + EARLY_ALIGN - 1) & -(size_t)EARLY_ALIGN) + EARLY_ALIGN;
	size_t at;

	if (n > sizeof(early))
		return NULL;
	at = __atomic_fetch_add(&early_used, all, __ATOMIC_RELAXED);
	if (at > sizeof(early) || all > sizeof(early) - at)
		return NULL;
	*(size_t *)(early + at) = n;
	return early + at + EARLY_ALIGN;
}

void *arena_libc(const char *name)
{
	void *f = dlsym(RTLD_NEXT, name);

	if (!f) {
		arena_say(2, "no function %s()", name);
		abort();
	}
	return f;
}

/* Several threads may do this; it is the same for all. False: this thread is doing so. */
static bool find_next(void)
{
	if (atomic_load_explicit(&next_known, memory_order_acquire))
		return true;
	if (finding)
		return false;
	finding = true;
	next.malloc = arena_libc("malloc");
	next.free = arena_libc("free");
	next.calloc = arena_libc("calloc");
	next.realloc = arena_libc("realloc");
	next.memalign = arena_libc("memalign");
	next.aligned_alloc = arena_libc("aligned_alloc");
	next.posix_memalign = arena_libc("posix_memalign");
	next.valloc = arena_libc("valloc");
	next.pvalloc = arena_libc("pvalloc");
	next.usable = arena_libc("malloc_usable_size");
	finding = false;
	atomic_store_explicit(&next_known, true, memory_order_release);
	return true;
}

static bool large(size_t n)
{
	return n >= arena_malloc_min;
}

ARENA_EXPORT void *malloc(size_t n)
{
	void *p = large(n) ? arena_block_get(n, 1) : NULL;

	if (p)
		return p;
	return find_next() ? next.malloc(n) : early_get(n);
}

ARENA_EXPORT void free(void *p)
{
	if (!p || is_early(p) || arena_block_put(p))
		return;
	if (find_next())
		next.free(p);
}

ARENA_EXPORT void *calloc(size_t n, size_t size)
{
	size_t all;
	void *p;

	if (!__builtin_mul_overflow(n, size, &all) && large(all)) {
		p = arena_block_get(all, 1);
		if (p)
			return memset(p, 0, all);
	}
	return find_next() ? next.calloc(n, size) : early_get(n * size);
}

/* Of a block that has to go elsewhere, and is not libc's, or should not be any longer. */
static void *move(void *p, size_t had, size_t n)
{
	void *to = malloc(n);

	if (!to)
		return NULL;
	memcpy(to, p, had < n ? had : n);
	free(p);
	return to;
}

ARENA_EXPORT void *realloc(void *p, size_t n)
{
	bool done;
	size_t had;

	if (!p)
		return malloc(n);
	if (is_early(p))
		return move(p, early_size(p), n);
	/* One that is small by now makes room. */
	if (n >= arena_malloc_min / 2 && arena_block_resize(p, n, &done) && done)
		return p;
	if (arena_block_size(p, &had)) {
		if (n)
			return move(p, had, n);
		free(p);
		return NULL;
	}
	if (!find_next())
		return NULL;
	if (!large(n))
		return next.realloc(p, n);
	had = next.usable(p);
	/* It has been large, and was not served. */
	if (large(had))
		return next.realloc(p, n);
	return move(p, had, n);
}

static bool power_of_2(size_t n)
{
	return n && !(n & (n - 1));
}

ARENA_EXPORT void *memalign(size_t align, size_t n)
{
	void *p = large(n) && power_of_2(align) ? arena_block_get(n, align) : NULL;

	if (p)
		return p;
	return find_next() ? next.memalign(align, n) : NULL;
}

ARENA_EXPORT void *aligned_alloc(size_t align, size_t n)
{
	void *p = large(n) && power_of_2(align) ? arena_block_get(n, align) : NULL;

	if (p)
		return p;
	return find_next() ? next.aligned_alloc(align, n) : NULL;
}

ARENA_EXPORT int posix_memalign(void **to, size_t align, size_t n)
{
	void *p = NULL;

	if (large(n) && power_of_2(align) && align >= sizeof(void *))
		p = arena_block_get(n, align);
	if (p) {
		*to = p;
		return 0;
	}
	return find_next() ? next.posix_memalign(to, align, n) : ENOMEM;
}

ARENA_EXPORT void *valloc(size_t n)
{
	void *p = large(n) ? arena_block_get(n, 1) : NULL;

	if (p)
		return p;
	return find_next() ? next.valloc(n) : NULL;
}

ARENA_EXPORT void *pvalloc(size_t n)
{
	void *p = large(n) ? arena_block_get(n, 1) : NULL;

	if (p)
		return p;
	return find_next() ? next.pvalloc(n) : NULL;
}

ARENA_EXPORT size_t malloc_usable_size(void *p)
{
	size_t n;

	if (!p)
		return 0;
	if (is_early(p))
		return early_size(p);
	if (arena_block_size(p, &n))
		return n;
	return find_next() ? next.usable(p) : 0;
}
