// SPDX-License-Identifier: GPL-2.0
/* What is served where. */
#include <pthread.h>
#include <string.h>

#include "arena.h"

/* The last half is for pieces of what is unmapped in part. */
#define RANGES_MAX	8192
#define RANGES_ADD	(RANGES_MAX / 2)

struct arena_range arena_ranges[RANGES_MAX];
unsigned int arena_nr_ranges;
size_t arena_bytes;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* From the first address that was ever served to the last. */
static _Atomic uintptr_t low = UINTPTR_MAX, high;

void arena_lock(void)
{
	pthread_mutex_lock(&lock);
}

void arena_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

bool arena_maybe(const void *addr, size_t len)
{
	const uintptr_t start = (uintptr_t)addr;

	return start < atomic_load_explicit(&high, memory_order_relaxed) &&
		start + len > atomic_load_explicit(&low, memory_order_relaxed);
}

/* Index of the first range that ends behind @addr. */
static unsigned int find(uintptr_t addr)
{
	unsigned int from = 0, to = arena_nr_ranges, middle;

	while (from < to) {
		middle = (from + to) / 2;
		if (arena_ranges[middle].end > addr)
			to = middle;
		else
			from = middle + 1;
	}
	return from;
}

struct arena_range *arena_next(uintptr_t addr, uintptr_t end)
{
	const unsigned int i = find(addr);

	return i < arena_nr_ranges && arena_ranges[i].start < end ? &arena_ranges[i] : NULL;
}

bool arena_all(const void *addr, size_t len)
{
	const uintptr_t end = (uintptr_t)addr + len;
	const struct arena_range *range;
	uintptr_t at = (uintptr_t)addr;

	while (at < end) {
		range = arena_next(at, end);
		if (!range || range->start > at)
			return false;
		at = range->end;
	}
	return true;
}

static void insert(unsigned int i, struct arena_range range)
{
	memmove(arena_ranges + i + 1, arena_ranges + i,
		(arena_nr_ranges - i) * sizeof(*arena_ranges));
	arena_ranges[i] = range;
	arena_nr_ranges++;
}

static void delete(unsigned int i)
{
	arena_nr_ranges--;
	memmove(arena_ranges + i, arena_ranges + i + 1,
		(arena_nr_ranges - i) * sizeof(*arena_ranges));
}

bool arena_add(void *addr, size_t len, bool private)
{
	struct arena_range range = {
		.start = (uintptr_t)addr,
		.end = (uintptr_t)addr + len,
		.private = private,
	};

	if (arena_nr_ranges >= RANGES_ADD)
		return false;
	/* What was there has gone without the library's knowledge. */
	arena_remove(addr, len);
	insert(find(range.start), range);
	arena_bytes += len;
	if (range.start < low)
		low = range.start;
	if (range.end > high)
		high = range.end;
	return true;
}

void arena_remove(const void *addr, size_t len)
{
	const uintptr_t start = (uintptr_t)addr, end = start + len;
	struct arena_range *range, behind;
	unsigned int i;

	while ((range = arena_next(start, end))) {
		i = range - arena_ranges;
		behind = *range;
		arena_bytes -= (range->end < end ? range->end : end) -
			(range->start > start ? range->start : start);
		if (range->start < start) {
			range->end = start;
			i++;
		} else {
			delete(i);
		}
		if (behind.end <= end)
			continue;
		behind.start = end;
		/* Never seen. What is forgotten is not copied by fork(). */
		if (arena_nr_ranges < RANGES_MAX)
			insert(i, behind);
		else
			arena_bytes -= behind.end - end;
	}
}
