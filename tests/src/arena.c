// SPDX-License-Identifier: GPL-2.0
/*
 * Memory of a program, with libnvdio-arena.so and without: what malloc(), mmap() and
 * similar functions promise, fork() included. The argument is what /proc/self/maps shows for
 * memory that is served; "-": none is; "any": it does not matter which. It wants
 * NVDIO_ARENA_PRIVATE=1 and NVDIO_ARENA_MALLOC=1.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tap.h"

#define KiB		1024UL
#define MiB		(1024 * KiB)
#define PAGE		4096UL
#ifndef MAP_32BIT
#define MAP_32BIT	0
#endif
#define RW		(PROT_READ | PROT_WRITE)
#define SHARED		(MAP_SHARED | MAP_ANONYMOUS)
#define PRIVATE		(MAP_PRIVATE | MAP_ANONYMOUS)
#define BIG		(3 * MiB)

static const char *pattern;
static bool none, any;
static int null_pipe[2];

static void begin(char **args)
{
	if (!args[0] || args[1])
		bail("one argument: what /proc/self/maps shows");
	pattern = args[0];
	none = !strcmp(pattern, "-");
	any = !strcmp(pattern, "any");
	if (pipe(null_pipe))
		bail("pipe");
}

/* Whether the page at @p is served. */
static bool served(const void *p)
{
	FILE *f = fopen("/proc/self/maps", "r");
	unsigned long start, end;
	char line[512];
	bool ret = false;

	if (!f)
		bail("/proc/self/maps");
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 &&
		    (unsigned long)p >= start && (unsigned long)p < end)
			ret = strstr(line, pattern);
	fclose(f);
	return ret && !none;
}

static void is_served(const void *p, bool want, const char *what)
{
	if (!any)
		is(served(p), want && !none, "%s: it is %sserved", what, want ? "" : "not ");
}

/* Whether the kernel may read the byte at @p. */
static bool readable(const char *p)
{
	char c;

	if (write(null_pipe[1], p, 1) != 1)
		return false;
	return read(null_pipe[0], &c, 1) == 1;
}

static bool writable(char *p)
{
	char c = 0;

	if (write(null_pipe[1], &c, 1) != 1)
		bail("pipe");
	if (read(null_pipe[0], p, 1) == 1)
		return true;
	if (read(null_pipe[0], &c, 1) != 1)
		bail("pipe");
	return false;
}

static void fill(void *p, size_t len, uint64_t seed)
{
	for (size_t i = 0; i < len / 8; i++)
		((uint64_t *)p)[i] = seed * 0x9e3779b97f4a7c15 + i;
	memset((char *)p + len / 8 * 8, (int)seed & 0xff, len % 8);
}

static bool filled(const void *p, size_t len, uint64_t seed, size_t all)
{
	for (size_t i = 0; i < len / 8; i++)
		if (((const uint64_t *)p)[i] != seed * 0x9e3779b97f4a7c15 + i)
			return false;
	for (size_t i = len / 8 * 8; len == all && i < len; i++)
		if (((const unsigned char *)p)[i] != (seed & 0xff))
			return false;
	return true;
}

static bool zeroed(const char *p, size_t len)
{
	return !len || (!*p && !memcmp(p, p + 1, len - 1));
}

static void *must(void *p, const char *what)
{
	if (!p || p == MAP_FAILED)
		bail("no memory: %s", what);
	return p;
}

/* For children, which have no words. */
static bool not_served(const void *p)
{
	return !none && !any && !served(p);
}

/* The exit status of a child that runs @f, -1 if it did not exit. */
static int in_child(int (*f)(void *), void *arg)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		bail("fork");
	if (!pid)
		_exit(f(arg));
	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid");
	if (WIFSIGNALED(status))
		note("the child was ended by signal %d", WTERMSIG(status));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* ---- malloc() ---- */

static void sizes(void)
{
	static const size_t all[] = { 1, 100, 127 * KiB, 128 * KiB - 1, 128 * KiB, 128 * KiB + 1,
		131 * KiB, MiB, 2 * MiB, 5 * MiB + 3, 20 * MiB };
	const unsigned int n = ARRAY_SIZE(all);
	bool good = true, kept = true;
	char *p;

	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int j = 0; j < n; j++) {
			const size_t least = all[i] < all[j] ? all[i] : all[j];

			p = must(malloc(all[i]), "malloc");
			good &= malloc_usable_size(p) >= all[i] && !((uintptr_t)p % 16);
			fill(p, all[i], i + 1);
			p = must(realloc(p, all[j]), "realloc");
			kept &= filled(p, least, i + 1, all[i]);
			fill(p, all[j], j + 100);
			kept &= filled(p, all[j], j + 100, all[j]);
			free(p);
		}
	}
	ok(good, "malloc: usable size, alignment");
	ok(kept, "realloc: contents, from each of %u sizes to each", n);
	p = must(malloc(128 * KiB), "malloc");
	is_served(p, true, "malloc of 128 KiB");
	p = must(realloc(p, 64 * KiB), "realloc");
	p = must(realloc(p, 300 * KiB), "realloc");
	is_served(p, true, "realloc to 300 KiB");
	p = must(realloc(p, 100), "realloc");
	is_served(p, false, "realloc to 100 bytes");
	is((long)realloc(p, 0), 0, "realloc to 0 bytes frees");
	p = must(malloc(128 * KiB - 1), "malloc");
	is_served(p, false, "malloc of one byte less than 128 KiB");
	free(p);
	p = must(malloc(BIG), "malloc");
	is((long)realloc(p, 0), 0, "realloc of a large one to 0 bytes frees");
}

static void errors(void)
{
	/* The compiler would complain. */
	const size_t huge = SIZE_MAX / 2 + 1 + below(&t_seed, 1), half = huge + 1;
	void *p = &p, *q;

	is((long)malloc(huge), 0, "malloc of more than there can be");
	is(errno, ENOMEM, "its error");
	is((long)calloc(half, 2), 0, "calloc that overflows");
	q = must(malloc(BIG), "malloc");
	fill(q, BIG, 1);
	is((long)realloc(q, huge), 0, "realloc to more than there can be");
	ok(filled(q, BIG, 1, BIG), "what was there is there");
	errno = 77;
	free(q);
	is(errno, 77, "free() leaves errno alone");
	q = must(malloc(BIG), "malloc");
	is(errno, 77, "so does malloc()");
	free(q);
	free(NULL);
	is(malloc_usable_size(NULL), 0, "usable size of nothing");
	is(posix_memalign(&p, 3, BIG), EINVAL, "posix_memalign to 3 bytes");
	is(posix_memalign(&p, 4, BIG), EINVAL, "posix_memalign to 4 bytes");
	ok(p == &p, "it sets nothing");
	is((long)memalign(SIZE_MAX / 2 + 1, BIG), 0, "memalign to half of the address space");
}

static void zero(void)
{
	bool good = true;

	for (int i = 0; i < 20; i++) {
		const size_t len = 100 * KiB * (i + 1) + i;
		char *p = must(malloc(len), "malloc");

		fill(p, len, i);
		free(p);
		p = must(calloc(len / 4, 4), "calloc");
		good &= zeroed(p, len / 4 * 4);
		free(p);
	}
	ok(good, "calloc: zeroes, where there was something before");
}

static void alignments(void)
{
	bool good = true, kept = true;
	char *p[6];

	for (size_t align = 8; align <= 4 * MiB; align *= 2) {
		const size_t len = align < 256 * KiB ? 256 * KiB : align;

		if (posix_memalign((void **)&p[0], align, len))
			bail("posix_memalign");
		p[1] = must(aligned_alloc(align, len), "aligned_alloc");
		p[2] = must(memalign(align, len + 1), "memalign");
		p[3] = must(memalign(align, 100), "memalign");
		for (int i = 0; i < 4; i++)
			good &= !((uintptr_t)p[i] % align);
		p[4] = must(valloc(len), "valloc");
		p[5] = must(pvalloc(len - 1), "pvalloc");
		good &= !((uintptr_t)p[4] % PAGE) && !((uintptr_t)p[5] % PAGE);
		good &= malloc_usable_size(p[5]) >= len;
		for (int i = 0; i < 6; i++)
			fill(p[i], i == 3 ? 100 : len, i);
		for (int i = 0; i < 6; i++)
			kept &= filled(p[i], i == 3 ? 100 : len, i, 0);
		for (int i = 0; i < 6; i += 2)
			free(p[i]);
		for (int i = 1; i < 6; i += 2)
			free(p[i]);
	}
	ok(good, "posix_memalign, aligned_alloc, memalign, valloc, pvalloc: up to 4 MiB");
	ok(kept, "they do not overlap");
}

/* ---- threads ---- */

#define THREADS	8
#define SLOTS	48

static struct slot {
	pthread_mutex_t lock;
	char *p;
	size_t len;
	uint64_t seed;
} slots[SLOTS];
static atomic_bool storm_bad, storm_stop;

static size_t storm_size(uint64_t *seed)
{
	return below(seed, 4) ? 1 + below(seed, 600 * KiB) : 1 + below(seed, 2 * MiB);
}

/* Whatever is in a slot is freed, moved, replaced by whichever thread comes. */
static void storm_step(uint64_t *seed)
{
	struct slot *s = &slots[below(seed, SLOTS)];
	size_t len = storm_size(seed);
	char *p;

	pthread_mutex_lock(&s->lock);
	if (s->p && !filled(s->p, s->len, s->seed, s->len))
		storm_bad = true;
	if (s->p && below(seed, 2)) {
		p = must(realloc(s->p, len), "realloc");
		if (!filled(p, len < s->len ? len : s->len, s->seed, s->len))
			storm_bad = true;
	} else {
		free(s->p);
		p = below(seed, 2) ? malloc(len) : calloc(1, len);
		if (below(seed, 4) == 0) {
			free(p);
			p = memalign(1UL << (4 + below(seed, 17)), len);
		}
		must(p, "malloc");
	}
	s->p = p;
	s->len = len;
	s->seed = rnd(seed);
	fill(p, len, s->seed);
	pthread_mutex_unlock(&s->lock);
}

static void *storm_thread(void *arg)
{
	uint64_t seed = t_seed + (uintptr_t)arg * 2;

	for (int i = 0; i < 120 && !storm_stop; i++)
		storm_step(&seed);
	return NULL;
}

static void storm_begin(pthread_t *threads)
{
	storm_stop = false;
	for (int i = 0; i < SLOTS; i++)
		pthread_mutex_init(&slots[i].lock, NULL);
	for (long i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, storm_thread, (void *)i))
			bail("pthread_create");
}

static void storm_end(pthread_t *threads)
{
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	for (int i = 0; i < SLOTS; i++) {
		free(slots[i].p);
		slots[i].p = NULL;
	}
}

static void storm(void)
{
	pthread_t threads[THREADS];

	storm_begin(threads);
	storm_end(threads);
	ok(!storm_bad, "%d threads: each block keeps what is in it", THREADS);
}

static int child_mallocs(void *arg)
{
	uint64_t seed = t_seed + (uintptr_t)arg;

	for (int i = 0; i < 10; i++) {
		size_t len = storm_size(&seed);
		char *p = malloc(len);

		if (!p)
			return 1;
		fill(p, len, i);
		if (!filled(p, len, i, len))
			return 2;
		if (i % 2)
			free(p);
	}
	return 0;
}

static void storm_fork(void)
{
	pthread_t threads[THREADS];
	bool good = true;

	storm_begin(threads);
	for (long i = 0; i < 6; i++)
		good &= !in_child(child_mallocs, (void *)(i * 2));
	storm_stop = true;
	storm_end(threads);
	ok(good, "children of a process with threads that allocate do so as well");
	ok(!storm_bad, "and change nothing of their parent's");
}

/* ---- fork() ---- */

struct family {
	char *block, *old, *mapping, *shared;
};

static int grandchild(void *arg)
{
	struct family *f = arg;

	if (!filled(f->block, BIG, 11, BIG) || !filled(f->mapping, BIG, 12, BIG))
		return 1;
	memset(f->block, 3, BIG);
	memset(f->mapping, 3, BIG);
	f->shared[1] = 5;
	free(f->block);
	return munmap(f->mapping, BIG) ? 2 : 0;
}

static int child(void *arg)
{
	struct family *f = arg;
	char *p;

	if (!filled(f->block, BIG, 1, BIG) || !filled(f->mapping, BIG, 2, BIG))
		return 10;
	fill(f->block, BIG, 11);
	fill(f->mapping, BIG, 12);
	f->shared[0] = 4;
	free(f->old);
	p = malloc(BIG);
	if (!p)
		return 11;
	if (not_served(p))
		return 12;
	fill(p, BIG, 13);
	if (in_child(grandchild, f))
		return 13;
	if (!filled(f->block, BIG, 11, BIG) || !filled(f->mapping, BIG, 12, BIG) ||
	    !filled(p, BIG, 13, BIG))
		return 14;
	f->block = realloc(f->block, 2 * BIG);
	if (!f->block || !filled(f->block, BIG, 11, BIG))
		return 15;
	free(f->block);
	free(p);
	return 0;
}

static void forks(void)
{
	struct family f = {
		.block = must(malloc(BIG), "malloc"),
		.old = must(malloc(BIG), "malloc"),
		.mapping = must(mmap(NULL, BIG, RW, PRIVATE, -1, 0), "mmap"),
		.shared = must(mmap(NULL, BIG, RW, SHARED, -1, 0), "mmap"),
	};
	const char *start = f.block;

	is_served(f.block, true, "malloc");
	is_served(f.mapping, true, "a private mapping");
	is_served(f.shared, true, "a shared mapping");
	fill(f.block, BIG, 1);
	fill(f.old, BIG, 7);
	fill(f.mapping, BIG, 2);
	is(in_child(child, &f), 0,
	   "a child has copies, can use, resize and free them, and has children");
	ok(filled(start, BIG, 1, BIG), "nothing that it did to a block shows in the parent");
	ok(filled(f.mapping, BIG, 2, BIG), "nor what it did to a private mapping");
	is_served(start, true, "malloc, in the parent, after it");
	is(f.shared[0], 4, "what it wrote to a shared mapping does");
	is(f.shared[1], 5, "and what its child wrote there");
	free(f.block);
	free(f.old);
	munmap(f.mapping, BIG);
	munmap(f.shared, BIG);
}

/* Other ways to have a child. */
static void commands(void)
{
	char *const args[] = { "sh", "-c", "exit 7", NULL };
	char *p = must(malloc(BIG), "malloc"), line[10] = "";
	int status = 0;
	pid_t pid;
	FILE *f;

	fill(p, BIG, 1);
	is(WEXITSTATUS(system("exit 5")), 5, "system()");
	f = popen("echo hello", "r");
	ok(f && fgets(line, sizeof(line), f) && !strcmp(line, "hello\n"), "popen()");
	if (f)
		pclose(f);
	if (posix_spawnp(&pid, "sh", NULL, NULL, args, environ) || waitpid(pid, &status, 0) != pid)
		bail("posix_spawn");
	is(WEXITSTATUS(status), 7, "posix_spawn()");
	ok(filled(p, BIG, 1, BIG), "memory is as before");
	is_served(p, true, "and");
	free(p);
}

/* ---- mmap() ---- */

static void flags(void)
{
	static const struct {
		const char *name;
		int prot, flags;
		bool served;
	} all[] = {
		{ "MAP_SHARED", RW, SHARED, true },
		{ "MAP_SHARED, populated", RW, SHARED | MAP_POPULATE, true },
		{ "MAP_PRIVATE", RW, PRIVATE, true },
		{ "MAP_NORESERVE", RW, PRIVATE | MAP_NORESERVE, false },
		{ "PROT_NONE", PROT_NONE, PRIVATE, false },
		{ "PROT_READ", PROT_READ, SHARED, false },
		{ "MAP_STACK", RW, PRIVATE | MAP_STACK, false },
		{ "MAP_32BIT", RW, PRIVATE | MAP_32BIT, false },
		{ "MAP_LOCKED", RW, PRIVATE | MAP_LOCKED, false },
	};
	char *p;

	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		p = must(mmap(NULL, BIG + 1, all[i].prot, all[i].flags, -1, 0), all[i].name);
		is_served(p, all[i].served, all[i].name);
		is_served(p + BIG, all[i].served, "its last page");
		if (all[i].prot == RW) {
			ok(zeroed(p, BIG + PAGE), "%s: zeroes", all[i].name);
			fill(p, BIG, 1);
		}
		is_ret(munmap(p, BIG + 1), 0, "%s: munmap", all[i].name);
		ok(!readable(p) && !readable(p + BIG), "%s: it is gone", all[i].name);
	}
	p = must(mmap(NULL, 127 * KiB, RW, SHARED, -1, 0), "mmap");
	is_served(p, false, "127 KiB");
	munmap(p, 127 * KiB);
	is_ret((long)mmap(NULL, 0, RW, SHARED, -1, 0), -EINVAL, "nothing");
	is_ret((long)mmap(NULL, SIZE_MAX - PAGE, RW, SHARED, -1, 0), -ENOMEM, "everything");
	is_ret((long)mmap(NULL, BIG, RW, MAP_ANONYMOUS, -1, 0), -EINVAL,
	       "neither shared nor private");
	is_ret((long)mmap(NULL, BIG, RW, MAP_SHARED, -1, 0), -EBADF, "of no file");
}

static void fixed(void)
{
	char *p = must(mmap(NULL, BIG, RW, PRIVATE, -1, 0), "mmap");
	char *q;

	fill(p, BIG, 1);
	q = mmap(p + MiB, MiB, RW, PRIVATE | MAP_FIXED, -1, 0);
	ok(q == p + MiB, "MAP_FIXED in a mapping");
	is_served(q, false, "MAP_FIXED");
	is_served(p, true, "what is before it");
	is_served(q + MiB, true, "what is behind it");
	ok(zeroed(q, MiB), "it is new");
	ok(filled(p, MiB, 1, 0), "what is before it is as it was");
	is_ret((long)mmap(p, MiB, RW, PRIVATE | MAP_FIXED_NOREPLACE, -1, 0), -EEXIST,
	       "MAP_FIXED_NOREPLACE of what is there");
	is_ret(munmap(p, BIG), 0, "munmap of all three");
	ok(!readable(p) && !readable(q) && !readable(q + MiB), "they are gone");
}

static int reads_all(void *arg)
{
	const char *p = arg;

	return !filled(p, MiB, 1, 0) || readable(p + MiB) || readable(p + 2 * MiB - 1) ||
		*(uint64_t *)(p + 2 * MiB) != 0x9e3779b97f4a7c15 + 2 * MiB / 8;
}

static void partial(void)
{
	char *p = must(mmap(NULL, BIG, RW, PRIVATE, -1, 0), "mmap");

	fill(p, BIG, 1);
	is_ret(munmap(p + MiB, MiB), 0, "munmap of the middle");
	is(reads_all(p), 0, "the rest is there, the middle is not");
	is(in_child(reads_all, p), 0, "nor is it for a child");
	is_ret(munmap(p + 1, 1), -EINVAL, "munmap of an odd address");
	is_ret(munmap(p, BIG), 0, "munmap of all");
	ok(!readable(p) && !readable(p + 2 * MiB), "it is gone");
}

static void moves(int type, const char *name)
{
	char *p = must(mmap(NULL, BIG, RW, type, -1, 0), "mmap"), *q, *to;

	fill(p, BIG, 1);
	q = mremap(p, BIG, 2 * MiB, 0);
	ok(q == p && filled(p, 2 * MiB, 1, 0) && !readable(p + 2 * MiB), "%s: smaller",
	   name);
	is_served(p, true, name);
	q = must(mremap(p, 2 * MiB, 8 * MiB, MREMAP_MAYMOVE), "mremap");
	ok(filled(q, 2 * MiB, 1, 0), "%s: larger, contents", name);
	if (type == PRIVATE) {
		ok(zeroed(q + 2 * MiB, 6 * MiB), "%s: larger, zeroes", name);
		fill(q, 8 * MiB, 2);
		ok(filled(q, 8 * MiB, 2, 0), "%s: larger, it can be used", name);
	}
	munmap(q, 8 * MiB);
	p = must(mmap(NULL, BIG, RW, type, -1, 0), "mmap");
	to = must(mmap(NULL, BIG, RW, type, -1, 0), "mmap");
	fill(p, BIG, 3);
	q = mremap(p, BIG, BIG, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	ok(q == to && filled(q, BIG, 3, BIG) && !readable(p), "%s: elsewhere", name);
	is_ret(munmap(q, BIG), 0, "%s: munmap", name);
}

static void remap(void)
{
	char *p = must(mmap(NULL, BIG, RW, SHARED, -1, 0), "mmap"), *q;

	moves(PRIVATE, "private");
	moves(SHARED, "shared");
	fill(p, BIG, 1);
	q = must(mremap(p, 0, BIG, MREMAP_MAYMOVE), "mremap");
	fill(q, BIG, 2);
	ok(filled(p, BIG, 2, BIG), "shared: the same memory twice");
	munmap(p, BIG);
	munmap(q, BIG);
}

static int reads_first(void *arg)
{
	const char *p = arg;

	return !filled(p, MiB, 1, 0) || readable(p + MiB) || !filled(p + 2 * MiB, 0, 1, 0);
}

static void protect(char *p, const char *name)
{
	fill(p, BIG, 1);
	is_ret(mprotect(p + MiB, MiB, PROT_NONE), 0, "%s: mprotect(PROT_NONE)", name);
	ok(!readable(p + MiB) && !readable(p + 2 * MiB - 1), "%s: it cannot be read", name);
	ok(readable(p) && readable(p + 2 * MiB), "%s: the rest can", name);
	is_served(p, true, name);
	is(in_child(reads_first, p), 0, "%s: the same in a child", name);
	is_ret(mprotect(p + MiB, MiB, PROT_READ), 0, "%s: mprotect(PROT_READ)", name);
	ok(filled(p, BIG, 1, BIG), "%s: what was there is there", name);
	ok(!writable(p + MiB), "%s: it cannot be written to", name);
	is_ret(mprotect(p + MiB, MiB, RW), 0, "%s: mprotect, as before", name);
	fill(p, BIG, 2);
	ok(filled(p, BIG, 2, BIG), "%s: it can be used", name);
	is_ret(mprotect(p, PAGE, RW | PROT_EXEC), 0, "%s: mprotect(PROT_EXEC)", name);
}

static void protection(void)
{
	char *p = must(mmap(NULL, BIG, RW, PRIVATE, -1, 0), "mmap");

	protect(p, "private");
	munmap(p, BIG);
	p = must(mmap(NULL, BIG, RW, SHARED, -1, 0), "mmap");
	protect(p, "shared");
	munmap(p, BIG);
	p = must(memalign(PAGE, BIG), "memalign");
	protect(p, "malloc");
	free(p);
	p = must(calloc(1, BIG), "calloc");
	ok(zeroed(p, BIG), "freed, and used again");
	is_served(p, true, "that");
	is_served(p + MiB, true, "that, too");
	free(p);
}

static void advice(void)
{
	static const int harmless[] = { MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_WILLNEED, MADV_RANDOM,
		MADV_DONTDUMP, MADV_DODUMP, MADV_DONTFORK, MADV_DOFORK, MADV_MERGEABLE, MADV_COLD };
	char *p = must(mmap(NULL, BIG, RW, PRIVATE, -1, 0), "mmap");
	char *s = must(mmap(NULL, BIG, RW, SHARED, -1, 0), "mmap");

	fill(p, BIG, 1);
	fill(s, BIG, 1);
	for (unsigned int i = 0; i < ARRAY_SIZE(harmless); i++)
		is_ret(madvise(p, BIG, harmless[i]), 0, "private: advice %d", harmless[i]);
	ok(filled(p, BIG, 1, BIG), "private: what was there is there");
	is_served(p, true, "private");
	is_ret(madvise(p + PAGE, MiB, MADV_DONTNEED), 0, "private: MADV_DONTNEED");
	ok(zeroed(p + PAGE, MiB) && *(uint64_t *)p && p[MiB + PAGE],
	   "private: only that is zeroed");
	is_ret(madvise(p, BIG, MADV_FREE), 0, "private: MADV_FREE");
	is_ret(madvise(p, PAGE, MADV_WIPEONFORK), 0, "private: MADV_WIPEONFORK");
	is_ret(madvise(p + 1, PAGE, MADV_HUGEPAGE), -EINVAL, "an odd address");
	is_ret(madvise(s, BIG, MADV_DONTNEED), 0, "shared: MADV_DONTNEED");
	ok(filled(s, BIG, 1, BIG), "shared: what was there is there");
	is_ret(madvise(s, MiB, MADV_REMOVE), 0, "shared: MADV_REMOVE");
	ok(zeroed(s, MiB) && s[MiB], "shared: that is zeroed");
	is_ret(msync(s, BIG, MS_SYNC), 0, "shared: msync");
	is_ret(msync(p, BIG, MS_SYNC), 0, "private: msync");
	munmap(p, BIG);
	is_ret(msync(p, BIG, MS_SYNC), -ENOMEM, "msync of what is gone");
	munmap(s, BIG);
}

/* ---- limits ---- */

static void many(void)
{
	enum { N = 1300 };
	static char *p[N];
	bool good = true;

	for (int i = 0; i < N; i++) {
		p[i] = must(mmap(NULL, 128 * KiB, RW, SHARED, -1, 0), "mmap");
		good &= zeroed(p[i], 128 * KiB);
		fill(p[i], 128 * KiB, i);
	}
	is_served(p[0], true, "the first of 1300 mappings");
	is_served(p[N - 1], false, "the last of 1300 mappings");
	for (int i = 0; i < N; i++) {
		good &= filled(p[i], 128 * KiB, i, 0);
		munmap(p[i], 128 * KiB);
	}
	ok(good, "more mappings than a controller has maps: all have memory");
	p[0] = must(mmap(NULL, 128 * KiB, RW, SHARED, -1, 0), "mmap");
	is_served(p[0], true, "afterwards another one");
	munmap(p[0], 128 * KiB);
}

/* Wants NVDIO_ARENA_MAX=64M. */
static void most(void)
{
	char *p[100];
	bool good = true;

	for (int i = 0; i < 100; i++) {
		p[i] = must(malloc(MiB), "malloc");
		fill(p[i], MiB, i);
	}
	is_served(p[0], true, "the first of 100 MiB");
	is_served(p[99], false, "the last of 100 MiB");
	for (int i = 0; i < 100; i++) {
		good &= filled(p[i], MiB, i, 0);
		free(p[i]);
	}
	ok(good, "more than NVDIO_ARENA_MAX: all have memory");
	for (int i = 0; i < 3; i++) {
		p[0] = must(malloc(40 * MiB), "malloc");
		is_served(p[0], true, "afterwards 40 MiB");
		free(p[0]);
	}
	p[0] = must(malloc(65 * MiB), "malloc");
	is_served(p[0], false, "65 MiB");
	free(p[0]);
}

static int unprivileged(void *arg)
{
	const struct rlimit limit = { 2 * MiB, 2 * MiB };
	char *p;
	(void)arg;

	if (setrlimit(RLIMIT_MEMLOCK, &limit) || setgid(65534) || setuid(65534))
		return 1;
	p = malloc(MiB);
	if (!p)
		return 4;
	if (not_served(p))
		return 5;
	for (int i = 0; i < 30; i++) {
		p = malloc(BIG);
		if (!p || served(p))
			return 2;
		fill(p, BIG, i);
		p = mmap(NULL, BIG, RW, SHARED, -1, 0);
		if (p == MAP_FAILED || served(p) || !zeroed(p, BIG))
			return 3;
	}
	return 0;
}

static void memory_limit(void)
{
	if (getuid()) {
		t_skip("only root can become another user");
		return;
	}
	is(in_child(unprivileged, NULL), 0, "more than RLIMIT_MEMLOCK is not served, and less is");
}

/* ---- descriptors ---- */

static int no_descriptors(void *arg)
{
	char *p;
	(void)arg;

	close_range(0, ~0U, 0);
	p = malloc(BIG);
	if (!p)
		return 1;
	fill(p, BIG, 1);
	/* Something else in all of its places. */
	for (int i = 0; i < 1020; i++)
		open("/bin/sh", O_RDONLY);
	p = realloc(p, 20 * MiB);
	if (!p || !filled(p, BIG, 1, 0))
		return 2;
	fill(p, 20 * MiB, 2);
	close(500);
	if (not_served(p))
		return 3;
	p = mmap(NULL, BIG, RW, SHARED, -1, 0);
	if (p == MAP_FAILED || !zeroed(p, BIG))
		return 4;
	if (not_served(p))
		return 5;
	return 0;
}

static void descriptors(void)
{
	const struct rlimit limit = { 4096, 4096 };
	int fd = dup(0);

	ok(fd >= 0 && fd < 10, "low descriptors are free");
	close(fd);
	setrlimit(RLIMIT_NOFILE, &limit);
	is(in_child(no_descriptors, NULL), 0,
	   "all descriptors closed, and used for something else: memory is served");
}

/* ---- what is waited for by its page ---- */

struct shared {
	pthread_mutex_t mutex;
	sem_t sem;
	long count;
};

static int adds(void *arg)
{
	struct shared *s = arg;

	for (int i = 0; i < 3000; i++) {
		pthread_mutex_lock(&s->mutex);
		s->count++;
		if (i % 300 == 0)
			usleep(100);
		pthread_mutex_unlock(&s->mutex);
	}
	sem_post(&s->sem);
	return 0;
}

static void locks(void)
{
	char *p = must(mmap(NULL, BIG, RW, SHARED, -1, 0), "mmap");
	struct shared *s = (struct shared *)(p + MiB);
	pthread_mutexattr_t attr;
	pid_t pids[3];
	int status, bad = 0;

	fill(p, BIG, 1);
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->mutex, &attr);
	sem_init(&s->sem, 1, 0);
	s->count = 0;
	for (int i = 0; i < 3; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			bail("fork");
		if (!pids[i])
			_exit(adds(s));
	}
	for (int i = 0; i < 3; i++)
		sem_wait(&s->sem);
	for (int i = 0; i < 3; i++)
		bad |= waitpid(pids[i], &status, 0) != pids[i] || status;
	is(bad, 0, "three processes that use one mutex and one semaphore end well");
	is(s->count, 9000, "the mutex excludes");
	is_served(p, true, "the memory around it");
	is_served(s, false, "the mutex");
	ok(filled(p, MiB, 1, 0), "what is before it is as it was");
	munmap(p, BIG);
}

static void *naps(void *arg)
{
	usleep(50000);
	return arg;
}

static void stacks(void)
{
	char *p = must(memalign(PAGE, MiB), "memalign");
	pthread_attr_t attr;
	pthread_t thread;
	void *ret = NULL;

	pthread_attr_init(&attr);
	is(pthread_attr_setstack(&attr, p, MiB), 0, "a stack from malloc()");
	if (pthread_create(&thread, &attr, naps, p))
		bail("pthread_create");
	pthread_join(thread, &ret);
	ok(ret == p, "a thread with it can be waited for");
	free(p);
}

static const struct t_case cases[] = {
	{ "sizes", sizes }, { "errors", errors }, { "zero", zero }, { "alignments", alignments },
	{ "storm", storm }, { "storm_fork", storm_fork }, { "forks", forks },
	{ "commands", commands }, { "flags", flags }, { "fixed", fixed }, { "partial", partial },
	{ "remap", remap }, { "protection", protection }, { "advice", advice }, { "many", many },
	{ "most", most }, { "memory_limit", memory_limit }, { "descriptors", descriptors },
	{ "locks", locks }, { "stacks", stacks },
};

int main(int argc, char **argv)
{
	static const struct tap_program program = {
		"PATTERN", begin, cases, ARRAY_SIZE(cases),
	};

	return tap_run(argc, argv, &program);
}
