// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks of whole pages for malloc(), out of extents: the number of maps of a
 * controller is limited, so an extent is one map with many blocks.
 *
 * An extent has a tag for each of its pages, in ordinary memory. Only those of the first
 * and the last page of a block are used, so that its neighbours are found from there;
 * those of other pages are 0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "arena.h"

#define EXTENTS_MAX	1024
#define EXTENT_MIN	(2UL << 20)
#define EXTENT_GROWTH	(64UL << 20)

#define TAG_FIRST	1U	/* of a block; its only one has this as well */
#define TAG_USED	2U
#define TAG_SHIFT	2	/* above: pages of the block */
#define TAG_PAGES_MAX	(UINT32_MAX >> TAG_SHIFT)

struct extent {
	char *start;
	uint32_t *tags;
	uint32_t pages;
	uint32_t used;		/* pages of blocks in use */
	uint32_t room;		/* no free block has more pages; it may be less */
	bool retired;		/* has ordinary memory: for no new blocks */
};

static struct extent extents[EXTENTS_MAX];
static unsigned int nr_extents;

static void set(struct extent *e, uint32_t first, uint32_t pages, uint32_t used)
{
	e->tags[first + pages - 1] = pages << TAG_SHIFT | used;
	e->tags[first] = pages << TAG_SHIFT | used | TAG_FIRST;
}

static void clear(struct extent *e, uint32_t first, uint32_t pages)
{
	e->tags[first + pages - 1] = 0;
	e->tags[first] = 0;
}

static uint32_t tag_pages(const struct extent *e, uint32_t page)
{
	return e->tags[page] >> TAG_SHIFT;
}

static struct extent *extent_of(const void *p)
{
	for (unsigned int i = 0; i < nr_extents; i++) {
		struct extent *e = extents + i;

		if ((size_t)((char *)p - e->start) < e->pages * ARENA_PAGE)
			return e;
	}
	return NULL;
}

static void extent_end(struct extent *e)
{
	const size_t len = e->pages * ARENA_PAGE;

	arena_sys_munmap(e->start, len);
	arena_remove(e->start, len);
	arena_sys_munmap(e->tags, e->pages * sizeof(*e->tags));
	*e = extents[--nr_extents];
}

/* One more, for a block of @pages if there is as much. */
static struct extent *extent_new(uint32_t pages)
{
	const size_t need = pages * ARENA_PAGE;
	struct extent *e = extents + nr_extents;
	size_t len = arena_bytes / 4 / EXTENT_MIN * EXTENT_MIN;
	void *p = MAP_FAILED;

	if (nr_extents == EXTENTS_MAX)
		return NULL;
	if (len > EXTENT_GROWTH)
		len = EXTENT_GROWTH;
	if (len < need)
		len = (need + EXTENT_MIN - 1) / EXTENT_MIN * EXTENT_MIN;
	if (len > need && len <= arena_left())
		p = arena_serve(NULL, len, 0, true);
	if (p == MAP_FAILED) {
		len = need;
		p = arena_serve(NULL, len, 0, true);
	}
	if (p == MAP_FAILED)
		return NULL;
	e->tags = arena_sys_mmap(NULL, len / ARENA_PAGE * sizeof(*e->tags),
				 PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (e->tags == MAP_FAILED) {
		arena_sys_munmap(p, len);
		arena_remove(p, len);
		return NULL;
	}
	e->start = p;
	e->pages = len / ARENA_PAGE;
	e->room = e->pages;
	e->used = 0;
	e->retired = false;
	set(e, 0, e->pages, 0);
	nr_extents++;
	return e;
}

/* Uses @pages of the free block at @first, @skip pages from its start. */
static void *take(struct extent *e, uint32_t first, uint32_t skip, uint32_t pages)
{
	const uint32_t all = tag_pages(e, first), rest = all - skip - pages;

	clear(e, first, all);
	if (skip)
		set(e, first, skip, 0);
	set(e, first + skip, pages, TAG_USED);
	if (rest)
		set(e, first + skip + pages, rest, 0);
	e->used += pages;
	return e->start + (first + skip) * ARENA_PAGE;
}

static void *extent_take(struct extent *e, uint32_t pages, size_t align)
{
	uint32_t room = 0, first, n, skip;

	if (e->retired || e->room < pages)
		return NULL;
	for (first = 0; first < e->pages; first += n) {
		n = tag_pages(e, first);
		if (e->tags[first] & TAG_USED)
			continue;
		skip = (-((uintptr_t)e->start + first * ARENA_PAGE) & (align - 1)) / ARENA_PAGE;
		if (skip <= n && n - skip >= pages)
			return take(e, first, skip, pages);
		if (n > room)
			room = n;
	}
	e->room = room;
	return NULL;
}

/* Frees @pages pages from @first on, which are one block, and no longer in use. */
static void give(struct extent *e, uint32_t first, uint32_t pages)
{
	uint32_t n;

	e->used -= pages;
	if (first && !(e->tags[first - 1] & TAG_USED)) {
		n = tag_pages(e, first - 1);
		clear(e, first, pages);
		clear(e, first - n, n);
		first -= n;
		pages += n;
	}
	if (first + pages < e->pages && !(e->tags[first + pages] & TAG_USED)) {
		n = tag_pages(e, first + pages);
		clear(e, first, pages);
		clear(e, first + pages, n);
		pages += n;
	}
	set(e, first, pages, 0);
	if (pages > e->room)
		e->room = pages;
}

/* Of those that are not used at all one is kept. */
static void extents_trim(struct extent *e)
{
	if (e->used)
		return;
	for (unsigned int i = 0; i < nr_extents && !e->retired; i++)
		if (extents + i != e && !extents[i].used)
			e->retired = true;
	if (e->retired || e->pages * ARENA_PAGE > EXTENT_GROWTH)
		extent_end(e);
}

/* Ends those that are not used. Returns false if there are none. */
static bool extents_drop(void)
{
	bool ret = false;

	for (unsigned int i = 0; i < nr_extents; )
		if (extents[i].used) {
			i++;
		} else {
			extent_end(extents + i);
			ret = true;
		}
	return ret;
}

static void *extents_take(uint32_t pages, size_t align)
{
	struct extent *e;
	void *p = NULL;

	for (unsigned int i = 0; !p && i < nr_extents; i++)
		p = extent_take(extents + i, pages, align);
	if (p)
		return p;
	e = extent_new(pages + align / ARENA_PAGE - 1);
	if (!e && extents_drop())
		e = extent_new(pages + align / ARENA_PAGE - 1);
	return e ? extent_take(e, pages, align) : NULL;
}

void *arena_block_get(size_t len, size_t align)
{
	const int err = errno;
	uint32_t pages;
	void *p;

	if (align < ARENA_PAGE)
		align = ARENA_PAGE;
	/* So that the sum of the two is no problem, either. */
	if (len / ARENA_PAGE >= TAG_PAGES_MAX / 4 || align / ARENA_PAGE >= TAG_PAGES_MAX / 4)
		return NULL;
	pages = (len + ARENA_PAGE - 1) / ARENA_PAGE;
	arena_lock();
	p = extents_take(pages, align);
	arena_unlock();
	arena_count(p);
	errno = err;
	return p;
}

/*
 * The extent of the block at @p, with arena_lock; or NULL, without, if @p is not the
 * library's. Ends a program that passes what is in an extent, but no block.
 */
static struct extent *block_lock(const void *p, uint32_t *first, const char *caller)
{
	struct extent *e;

	/* Few that are libc's begin where a page does. */
	if ((uintptr_t)p % ARENA_PAGE || !arena_maybe(p, 1))
		return NULL;
	arena_lock();
	e = extent_of(p);
	if (!e) {
		arena_unlock();
		return NULL;
	}
	*first = ((char *)p - e->start) / ARENA_PAGE;
	if ((e->tags[*first] & (TAG_FIRST | TAG_USED)) != (TAG_FIRST | TAG_USED)) {
		/* A handler of the signal may want memory. */
		arena_unlock();
		arena_say(2, "%s: invalid pointer %p", caller, p);
		abort();
	}
	return e;
}

bool arena_block_put(void *p)
{
	const int err = errno;
	struct extent *e;
	uint32_t first;

	e = block_lock(p, &first, "free()");
	if (!e)
		return false;
	/* Pages that have become ordinary meanwhile would stay so. */
	if (!arena_all(p, tag_pages(e, first) * ARENA_PAGE))
		e->retired = true;
	give(e, first, tag_pages(e, first));
	extents_trim(e);
	arena_unlock();
	errno = err;
	return true;
}

bool arena_block_size(const void *p, size_t *len)
{
	struct extent *e;
	uint32_t first;

	e = block_lock(p, &first, "malloc_usable_size()");
	if (!e)
		return false;
	*len = tag_pages(e, first) * ARENA_PAGE;
	arena_unlock();
	return true;
}

bool arena_block_resize(void *p, size_t len, bool *done)
{
	uint32_t first, had, want, next, n;
	struct extent *e;

	e = block_lock(p, &first, "realloc()");
	if (!e)
		return false;
	*done = false;
	had = tag_pages(e, first);
	next = first + had;
	n = next < e->pages && !(e->tags[next] & TAG_USED) ? tag_pages(e, next) : 0;
	if (len / ARENA_PAGE >= TAG_PAGES_MAX / 4)
		goto unlock;
	want = (len + ARENA_PAGE - 1) / ARENA_PAGE;
	if (want > had && (e->retired || want > had + n))
		goto unlock;
	*done = true;
	if (want > had) {
		take(e, next, 0, want - had);
		clear(e, next, want - had);
	}
	if (want != had) {
		clear(e, first, had);
		set(e, first, want, TAG_USED);
	}
	if (want < had) {
		set(e, first + want, had - want, TAG_USED);
		give(e, first + want, had - want);
	}
unlock:
	arena_unlock();
	return true;
}

void arena_blocks_forked(void)
{
	for (unsigned int i = 0; i < nr_extents; i++)
		extents[i].retired = true;
}
