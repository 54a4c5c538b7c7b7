/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Finding mapped memory (core/map.h) on the fast path: by the address that a
 * program passes, or by its pages.
 *
 * All of it happens under sq_lock, under which the command is then submitted.
 * Who hides a map takes each sq_lock once and knows then that every command for
 * it is in flight (io/map.c), so nothing is counted here (invariant 4).
 */
#ifndef NVDIO_MAP_FIND_H
#define NVDIO_MAP_FIND_H

#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/pfn.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "pure/pfn_index.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "hw/queue.h"
#include "io/map_watch.h"
#include "uapi/nvdio.h"

/**
 * struct nvdio_mapped - a part of a map
 * @map: map
 * @offset: bytes from its start
 */
struct nvdio_mapped {
	struct nvdio_map *map;
	u64 offset;
};

int nvdio_map_find_id(const struct nvdio_queue *q, const struct file *range,
		      u32 id, u64 offset, u64 len, bool dest,
		      struct nvdio_mapped *mapped);
struct nvdio_map *nvdio_map_find_pageless(const struct nvdio_queue *q, u32 id);
bool nvdio_map_learn(struct nvdio_queue *q, unsigned long addr);
bool nvdio_map_find_none(const struct nvdio_queue *q, unsigned long addr);
bool nvdio_map_find_run(const struct nvdio_queue *q, struct page *page,
			size_t offset, size_t len, bool dest,
			struct nvdio_mapped *mapped);
bool nvdio_map_find_bvec(const struct nvdio_queue *q,
			 const struct iov_iter *iter, size_t len, bool dest,
			 struct nvdio_mapped *mapped);

/**
 * nvdio_map_is_for_caller() - may the caller use the identifier of a map?
 * @map: map
 *
 * Context: task.
 * Return: true if it may.
 */
static __always_inline bool nvdio_map_is_for_caller(const struct nvdio_map *map)
{
	/* Pairs with nvdio_map_publish(). */
	return smp_load_acquire(&map->owner) &&
	       (map->mm == current->mm || map->flags & NVDIO_MAP_SHARED);
}

/**
 * nvdio_map_find() - find a map by its identifier
 * @q: queue of the map's controller
 * @id: identifier, of user space
 *
 * No reference is taken. A map that is not hidden now stays until sq_lock is
 * released, and then for as long as the command that is submitted for it.
 *
 * Context: sq_lock held.
 * Return: the map; NULL if there is no such identifier, or none for the caller.
 */
static __always_inline struct nvdio_map *
nvdio_map_find(const struct nvdio_queue *q, u32 id)
{
	struct nvdio_map *map;

	if (unlikely(id > NVDIO_MAPS_MAX))
		return NULL;
	id = array_index_nospec(id, NVDIO_MAPS_MAX + 1);
	/* Who hides one takes it out of there, and then sq_lock. */
	if (likely(q->pfns)) {
		map = READ_ONCE(q->pfns->maps[id]);
		if (likely(map))
			return nvdio_map_is_for_caller(map) ? map : NULL;
	}
	return nvdio_map_find_pageless(q, id);
}

/**
 * nvdio_map_find_phys() - find memory in one page by its physical address
 * @q: queue of the map's controller; its @pfns is not NULL
 * @phys: physical address in a page that the caller has a reference to
 * @dest: for a Read
 * @mapped: set
 *
 * Inline for what is most common; otherwise nvdio_map_find_run().
 *
 * Context: sq_lock held.
 * Return: true if the page is mapped.
 */
static __always_inline bool
nvdio_map_find_phys(const struct nvdio_queue *q, phys_addr_t phys,
		    const bool dest, struct nvdio_mapped *mapped)
{
	struct nvdio_map *map;
	u32 nr;

	if (!nvdio_pfn_find(q->pfns, PHYS_PFN(phys), &map, &nr))
		return false;
	if (dest && unlikely(map->flags & NVDIO_MAP_READ_ONLY))
		return false;
	mapped->map = map;
	mapped->offset = ((u64)nr << PAGE_SHIFT) + offset_in_page(phys);
	return true;
}

/**
 * nvdio_map_find_page() - find memory in one page by its page
 * @q: queue of the map's controller; its @pfns is not NULL
 * @page: first page
 * @offset: bytes from the start of @page
 * @dest: for a Read
 * @mapped: set
 *
 * Context: sq_lock held.
 * Return: true if the page at @offset is mapped.
 */
static __always_inline bool
nvdio_map_find_page(const struct nvdio_queue *q, struct page *page,
		    size_t offset, const bool dest, struct nvdio_mapped *mapped)
{
	return nvdio_map_find_phys(q, page_to_phys(page) + offset, dest,
				   mapped);
}

/**
 * nvdio_map_untag() - an address as VMAs and MMU notifiers have it
 * @addr: address that a program has passed, and that access_ok() has seen
 *
 * Only on arm64 programs have tags in addresses as a rule. On others what has one is
 * looked for by its pages, and pays for being unknown each time; that it is not
 * taken for something else is all that matters there.
 *
 * Context: any.
 * Return: the address without a tag.
 */
static __always_inline unsigned long nvdio_map_untag(unsigned long addr)
{
	return IS_ENABLED(CONFIG_ARM64) ? untagged_addr(addr) : addr;
}

/**
 * nvdio_map_find_user() - find memory by its address
 * @q: queue of the map's controller
 * @addr: address in the caller's address space
 * @len: bytes, more than 0; the range was found to be in user space, by
 *	access_ok() or when the iterator was made
 * @dest: for a Read
 * @mapped: set for NVDIO_MAP_HIT
 *
 * Sound because the pages of a map do not change, and the addresses by which a
 * program knows them are watched: whatever unmaps, moves or protects them ends
 * what is known here before the system call that does so returns.
 *
 * Context: sq_lock held.
 * Return: enum nvdio_map_found.
 */
static __always_inline enum nvdio_map_found
nvdio_map_find_user(const struct nvdio_queue *q, unsigned long addr, size_t len,
		    const bool dest, struct nvdio_mapped *mapped)
{
	const struct nvdio_map_range *r = q->map_cache;
	const struct mm_struct *mm = current->mm;

	/* Where user space has all addresses (s390), nothing was refused before. */
	if (IS_ENABLED(CONFIG_ALTERNATE_USER_ADDRESS_SPACE) &&
	    unlikely(addr + len < addr))
		return NVDIO_MAP_NONE;
	addr = nvdio_map_untag(addr);
	do {
		if (r->mm != mm || addr < r->start ||
		    addr + len > r->limit[!dest] ||
		    unlikely(r->gen != atomic_read(&r->map->gen)))
			continue;
		mapped->map = r->map;
		mapped->offset = addr + r->delta;
		return NVDIO_MAP_HIT;
	} while (++r != q->map_cache + NVDIO_MAP_CACHE);
	return nvdio_map_find_none(q, addr) ? NVDIO_MAP_NONE :
					      NVDIO_MAP_UNKNOWN;
}

#endif /* NVDIO_MAP_FIND_H */
