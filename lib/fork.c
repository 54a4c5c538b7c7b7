// SPDX-License-Identifier: GPL-2.0
/*
 * fork(). Memory of the node is shared with a child; what has been served as private
 * memory is not to be. The child gets a copy in its place, in ordinary memory, which is
 * made before, so that it is one of a moment, and can fail without harm.
 *
 * vfork(), posix_spawn() and threads do not come here, nor do they need it.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arena.h"

static void prepare(void)
{
	struct arena_range *range;

	/* Handlers of the program have run; their locks are held, ours is the last. */
	arena_lock();
	for (unsigned int i = 0; i < arena_nr_ranges; i++) {
		range = &arena_ranges[i];
		range->copy = NULL;
		if (!range->private)
			continue;
		range->copy = arena_sys_mmap(NULL, range->end - range->start,
					     PROT_READ | PROT_WRITE,
					     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (range->copy == MAP_FAILED)
			range->copy = NULL;
		else
			memcpy(range->copy, (void *)range->start, range->end - range->start);
	}
}

static void in_parent(void)
{
	for (unsigned int i = 0; i < arena_nr_ranges; i++)
		if (arena_ranges[i].copy)
			arena_sys_munmap(arena_ranges[i].copy,
					 arena_ranges[i].end - arena_ranges[i].start);
	arena_unlock();
}

static void in_child(void)
{
	unsigned int i = 0;

	while (i < arena_nr_ranges) {
		struct arena_range *range = &arena_ranges[i];
		const size_t len = range->end - range->start;

		if (!range->private) {
			i++;
			continue;
		}
		/* Without a copy the child can only look at what is the parent's. */
		if (!range->copy ||
		    arena_sys_mremap(range->copy, len, len, MREMAP_MAYMOVE | MREMAP_FIXED,
				     (void *)range->start) == MAP_FAILED)
			syscall(SYS_mprotect, range->start, len, PROT_READ);
		arena_remove((void *)range->start, len);
	}
	arena_blocks_forked();
	arena_serve_forked();
	arena_unlock();
}

void arena_fork_init(void)
{
	pthread_atfork(prepare, in_parent, in_child);
}
