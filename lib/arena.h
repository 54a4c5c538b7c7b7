/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libnvdio-arena.so: memory that stays mapped for a controller, for programs that
 * know nothing of it (docs/mapped.md).
 *
 * What the program gets from here is called served memory. The rule of all files:
 * when something is not possible the program gets ordinary memory, and when it does
 * something with served memory that only ordinary memory can do, that memory becomes
 * ordinary.
 */
#ifndef NVDIO_ARENA_H
#define NVDIO_ARENA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ARENA_PAGE	4096UL
#define ARENA_EXPORT	__attribute__((visibility("default")))

/* ---- settings.c: the environment ---- */

struct arena_settings {
	const char *node;	/* NULL: the first one that there is */
	size_t min;		/* bytes; smaller requests are not served */
	size_t max;		/* bytes of all that is served */
	bool shared;		/* serve mappings that are shared and anonymous */
	bool private;		/* and private ones */
	bool malloc;		/* and malloc() */
	bool stats;
};

/* Returns false if a value makes no sense, after saying so. */
bool arena_settings_read(struct arena_settings *s);

/* A line on stderr, of at most 300 bytes; preserves errno. */
void arena_say(int fd, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* ---- node.c: the node whose memory is served ---- */

/* Finds and opens it. NULL: the first that can be opened, silently if there is none. */
bool arena_node_open(const char *path);
const char *arena_node_path(void);

/* New memory of the node's, zeroed; MAP_FAILED and errno. The caller holds arena_lock. */
void *arena_node_map(void *hint, size_t len, int flags);

/* A number of a descriptor that programs do not expect to be free. Closes @fd. */
int arena_high_fd(int fd);

/* System calls, not what this library puts in their place. */
void *arena_sys_mmap(void *addr, size_t len, int prot, int flags, int fd, long offset);
int arena_sys_munmap(void *addr, size_t len);
void *arena_sys_mremap(void *old, size_t old_len, size_t len, int flags, void *to);

/* ---- ranges.c: what is served where ---- */

struct arena_range {
	uintptr_t start, end;
	bool private;
	void *copy;		/* for a child that is being forked */
};

/* All that is served, by address; under arena_lock. It can be read and written to. */
extern struct arena_range arena_ranges[];
extern unsigned int arena_nr_ranges;
extern size_t arena_bytes;

/* Of everything. The one lock; taken across fork(). */
void arena_lock(void);
void arena_unlock(void);

/*
 * Whether anything of it may be served; without the lock. Memory that its owner knows
 * of, and that is served, is always found.
 */
bool arena_maybe(const void *addr, size_t len);

/* False: there are too many. The caller holds arena_lock, as for all that follow. */
bool arena_add(void *addr, size_t len, bool private);
void arena_remove(const void *addr, size_t len);

/* The first range at or behind @addr that begins before @end, or NULL. */
struct arena_range *arena_next(uintptr_t addr, uintptr_t end);

/* Whether all of it is served. */
bool arena_all(const void *addr, size_t len);

/* ---- serve.c ---- */

/* The settings that hold; min is SIZE_MAX for what is not served. */
extern size_t arena_malloc_min, arena_shared_min, arena_private_min;

/* Node memory as arena_range, or MAP_FAILED. The caller holds arena_lock. */
void *arena_serve(void *hint, size_t len, int flags, bool private);

/* How much more may be served. */
size_t arena_left(void);

/*
 * The pages that any of @addr to @addr + @len is in cease to be served, but keep what
 * is in them. False: there was no memory for that. The caller holds arena_lock.
 */
bool arena_ordinary(const void *addr, size_t len);

/* Counts a request that the library could have served: whether it did. */
void arena_count(bool served);

/* In a forked child, which counts on its own. */
void arena_serve_forked(void);

/* ---- blocks.c: malloc()'s memory; all preserve errno ---- */

/* @len bytes at a multiple of @align, a power of 2; NULL: not served. */
void *arena_block_get(size_t len, size_t align);

/* Each of these returns false if @p is not the library's. */
bool arena_block_put(void *p);
bool arena_block_size(const void *p, size_t *len);

/* Gives the block @len bytes where it is; sets *@done to whether that was possible. */
bool arena_block_resize(void *p, size_t len, bool *done);

/* In a forked child: what it has is ordinary memory by now. */
void arena_blocks_forked(void);

/* ---- fork.c ---- */

void arena_fork_init(void);

/* The function of this name behind this library's; aborts if there is none. */
void *arena_libc(const char *name);

#endif
