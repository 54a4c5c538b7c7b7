// SPDX-License-Identifier: GPL-2.0
/* What is served, and what is not any longer. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "arena.h"

/* At most this many requests are not tried after a failure. */
#define SKIP_MAX	1024

/* Until settings are read nothing is served. */
size_t arena_malloc_min = SIZE_MAX;
size_t arena_shared_min = SIZE_MAX;
size_t arena_private_min = SIZE_MAX;

static struct arena_settings settings;

/* To fail may take the kernel long, if it looks for memory: so not each time. */
static unsigned int skip, skip_next = 1;
static size_t failed_bytes;

/* For the line at the end. */
static int stats_fd = -1;
static unsigned long served, refused, maps;
static size_t most;
static int last_error;

size_t arena_left(void)
{
	return arena_bytes < settings.max ? settings.max - arena_bytes : 0;
}

void arena_count(bool was_served)
{
	__atomic_fetch_add(was_served ? &served : &refused, 1, __ATOMIC_RELAXED);
}

void *arena_serve(void *hint, size_t len, int flags, bool private)
{
	void *p = MAP_FAILED;

	if (len > arena_left()) {
		last_error = E2BIG;
		return MAP_FAILED;
	}
	/* What has been unmapped since may be what was missing. */
	if (skip && arena_bytes >= failed_bytes) {
		skip--;
		return MAP_FAILED;
	}
	p = arena_node_map(hint, len, flags);
	if (p == MAP_FAILED) {
		last_error = errno;
		skip = skip_next;
		skip_next = skip_next < SKIP_MAX / 2 ? 2 * skip_next : SKIP_MAX;
		failed_bytes = arena_bytes;
		return MAP_FAILED;
	}
	if (!arena_add(p, len, private)) {
		last_error = ENOSPC;
		arena_sys_munmap(p, len);
		return MAP_FAILED;
	}
	skip = 0;
	skip_next = 1;
	maps++;
	if (arena_bytes > most)
		most = arena_bytes;
	return p;
}

bool arena_ordinary(const void *addr, size_t len)
{
	const uintptr_t start = (uintptr_t)addr & -ARENA_PAGE;
	const uintptr_t end = ((uintptr_t)addr + len + ARENA_PAGE - 1) & -ARENA_PAGE;
	struct arena_range *range;
	uintptr_t from, to;
	void *p;

	while ((range = arena_next(start, end))) {
		from = range->start > start ? range->start : start;
		to = range->end < end ? range->end : end;
		p = arena_sys_mmap(NULL, to - from, PROT_READ | PROT_WRITE, MAP_ANONYMOUS |
				   (range->private ? MAP_PRIVATE : MAP_SHARED), -1, 0);
		if (p == MAP_FAILED)
			return false;
		memcpy(p, (void *)from, to - from);
		if (arena_sys_mremap(p, to - from, to - from, MREMAP_MAYMOVE | MREMAP_FIXED,
				     (void *)from) == MAP_FAILED) {
			arena_sys_munmap(p, to - from);
			return false;
		}
		arena_remove((void *)from, to - from);
	}
	return true;
}

void arena_serve_forked(void)
{
	served = 0;
	refused = 0;
	maps = 0;
	most = arena_bytes;
	last_error = 0;
}

/* Before main(), and before other libraries' functions of this kind. */
__attribute__((constructor(101))) static void begin(void)
{
	const int err = errno;

	if (arena_settings_read(&settings) && arena_node_open(settings.node)) {
		/* Programs close their stderr early, to see errors. */
		if (settings.stats)
			stats_fd = arena_high_fd(dup(2));
		arena_fork_init();
		arena_shared_min = settings.shared ? settings.min : SIZE_MAX;
		arena_private_min = settings.private ? settings.min : SIZE_MAX;
		arena_malloc_min = settings.malloc ? settings.min : SIZE_MAX;
	}
	errno = err;
}

__attribute__((destructor)) static void end(void)
{
	char why[40] = "";

	if (stats_fd < 0)
		return;
	if (last_error)
		snprintf(why, sizeof(why), ", last for %s", last_error == E2BIG ?
			 "NVDIO_ARENA_MAX" : strerrorname_np(last_error));
	arena_say(stats_fd, "%s: process %d: %lu requests served, %lu not%s; "
		  "%lu maps, at most %zu bytes", arena_node_path(), getpid(), served, refused,
		  why, maps, most);
}
