// SPDX-License-Identifier: GPL-2.0
/* Finding mapped memory where nothing is known of its address. */
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/pkeys.h>

#include "pure/pfn_index.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "hw/queue.h"
#include "io/map_find.h"
#include "io/map_watch.h"
#include "uapi/nvdio.h"

/* What @vma says of the range in @cached; its address space is locked. */
static void learn_vma(const struct nvdio_queue *q,
		      struct vm_area_struct *vma,
		      struct nvdio_map_cached *cached)
{
	const unsigned long start = max(vma->vm_start, cached->start);
	const unsigned long end = min(vma->vm_end,
				      cached->start + cached->len);
	const struct nvdio_maps *maps = &q->ctrl->maps;
	struct nvdio_map *map = vma->vm_private_data;

	cached->start = start;
	cached->len = end - start;
	/* Keys of memory protection are the thread's, and nobody tells. */
	if (!vma->vm_ops || vma->vm_ops != READ_ONCE(maps->vm_ops) ||
	    map->ctrl != q->ctrl || vma_pkey(vma))
		return;
	cached->map = map;
	cached->offset = ((u64)(vma->vm_pgoff & NVDIO_MAP_PGOFF_MASK) <<
			  PAGE_SHIFT) + (start - vma->vm_start);
	cached->gen = atomic_read(&map->gen);
	cached->source = vma->vm_flags & VM_READ;
	/* The program may write to it, the controller not. */
	cached->dest = vma->vm_flags & VM_WRITE &&
		       !(map->flags & NVDIO_MAP_READ_ONLY);
}

/* Let I/O of the queue know it. Return: true if it is mapped memory. */
static bool learn_store(struct nvdio_queue *q,
			const struct nvdio_map_cached *cached)
{
	const unsigned long end = cached->start + cached->len;
	const struct nvdio_map_range range = {
		.mm = cached->mm,
		.start = cached->start,
		.limit = {
			cached->map && cached->dest ? end : 0,
			cached->map && cached->source ? end : 0,
		},
		.map = cached->map,
		.delta = cached->offset - cached->start,
		.end = end,
		.gen = cached->gen,
	};
	bool ret = cached->map;

	spin_lock(&q->sq_lock);
	/* One that is hidden meanwhile has been purged from here. */
	if (!ret || !cached->map->hidden) {
		memmove(&q->map_cache[1], &q->map_cache[0],
			sizeof(q->map_cache) - sizeof(range));
		q->map_cache[0] = range;
	} else {
		ret = false;
	}
	spin_unlock(&q->sq_lock);
	return ret;
}

/*
 * Memory of the program's that was registered.
 * Return: NVDIO_MAP_HIT: the queue knows it now; NVDIO_MAP_NONE: it is none, in the
 * range that @cached has now.
 */
static enum nvdio_map_found learn_watched(struct nvdio_queue *q,
					  unsigned long addr,
					  struct nvdio_map_cached *cached)
{
	struct nvdio_maps *maps = &q->ctrl->maps;
	enum nvdio_map_found found;
	int tries;

	for (tries = 0; tries < 2; tries++) {
		rcu_read_lock();
		found = nvdio_map_watch_find(maps, addr, cached);
		/* Maps are freed after an RCU grace period. */
		if (found == NVDIO_MAP_HIT && !learn_store(q, cached))
			found = NVDIO_MAP_UNKNOWN;
		rcu_read_unlock();
		if (found != NVDIO_MAP_UNKNOWN)
			return found;
		if (!nvdio_map_watch_again(maps, addr))
			break;
	}
	cached->len = 0;
	return NVDIO_MAP_NONE;
}

/**
 * nvdio_map_learn() - find out what an address of the caller is
 * @q: queue to whose cache of addresses it is added
 * @addr: address
 *
 * What changes an address space locks it for writing, and changes @gen and
 * @vmas before it unlocks it. munmap() does so after it has allowed readers in
 * again, but then the VMA is not to be found any more. So what is learnt here
 * holds for as long as they are the same. For memory of the program's, see
 * io/map_watch.c.
 *
 * Context: may sleep for the caller's mmap_lock, as pinning its pages would.
 * Return: true if nvdio_map_find_user() may know it now.
 */
bool nvdio_map_learn(struct nvdio_queue *q, unsigned long addr)
{
	struct nvdio_map_cached cached = { .mm = current->mm };
	struct vm_area_struct *vma;
	bool ret = false;

	if (!current->mm)
		return false;
	addr = nvdio_map_untag(addr);
	/* Before all that is looked at; pairs with nvdio_map_watch_show(). */
	cached.gen = atomic_read_acquire(&q->ctrl->maps.vmas);
	if (learn_watched(q, addr, &cached) == NVDIO_MAP_HIT)
		return true;
	if (!cached.len || mmap_read_lock_killable(current->mm))
		return false;
	vma = vma_lookup(current->mm, addr);
	if (vma) {
		learn_vma(q, vma, &cached);
		ret = learn_store(q, &cached);
	}
	mmap_read_unlock(current->mm);
	return ret;
}

/**
 * nvdio_map_find_none() - is it known of an address that its memory is not mapped?
 * @q: queue of the map's controller
 * @addr: address in the caller's address space, without a tag, of memory that
 *	nvdio_map_find_user() has not found
 *
 * Context: sq_lock held.
 * Return: true: it is not, or not for this, or not as a whole; false: nothing is
 * known of it.
 */
bool nvdio_map_find_none(const struct nvdio_queue *q, unsigned long addr)
{
	const struct nvdio_map_range *r = q->map_cache;

	for (; r < q->map_cache + NVDIO_MAP_CACHE; r++) {
		const atomic_t *gen = r->map ? &r->map->gen :
					       &q->ctrl->maps.vmas;

		if (r->mm == current->mm && addr >= r->start && addr < r->end &&
		    r->gen == atomic_read(gen))
			return true;
	}
	return false;
}

/*
 * Are @count pages from @page on those of @map from number @nr on? One page is
 * compared with the map's, more with the index.
 */
static bool next_pages(const struct nvdio_queue *q, const struct nvdio_map *map,
		       u64 nr, struct page *page, u32 count)
{
	struct nvdio_map *found;
	u32 first;

	if (likely(count == 1))
		return nr < nvdio_map_pages(map) && map->pages[nr] == page;
	return nvdio_pfn_find_run(q->pfns, page_to_pfn(page), count, &found,
				  &first) && found == map && first == nr;
}

/*
 * How many of the @nr pieces from @bv on are whole pages, those of @map from
 * number @first on? What registered buffers of small pages look like, of which
 * there may be hundreds in a command.
 */
static u32 whole_pages(const struct bio_vec *bv, const struct nvdio_map *map,
		       u64 first, u32 nr)
{
	/* bv_len and bv_offset, in one comparison. */
	static const u32 whole[] = { PAGE_SIZE, 0 };
	const u32 nr_pages = nvdio_map_pages(map);
	struct page **pages = map->pages + first;
	u32 i;

	static_assert(offsetof(struct bio_vec, bv_offset) ==
		      offsetof(struct bio_vec, bv_len) + sizeof(u32));
	if (first > nr_pages || nr > nr_pages - first)
		return 0;
#pragma GCC unroll 8
	for (i = 0; i < nr; i++)
		if (bv[i].bv_page != pages[i] ||
		    memcmp((const void *)(bv + i) +
			   offsetof(struct bio_vec, bv_len),
			   whole, sizeof(whole)))
			break;
	return i;
}

/**
 * nvdio_map_find_run() - find contiguous memory by its pages
 * @q: queue of the map's controller; its @pfns is not NULL
 * @page: first page
 * @offset: bytes from the start of @page
 * @len: bytes, more than 0
 * @dest: for a Read
 * @mapped: set
 *
 * Sound because a map holds its pages: a page with this number is the map's.
 * The caller has shown its right to the page by having it.
 *
 * Context: sq_lock held.
 * Return: true if all of it is mapped, side by side.
 */
bool nvdio_map_find_run(const struct nvdio_queue *q, struct page *page,
			size_t offset, size_t len, bool dest,
			struct nvdio_mapped *mapped)
{
	const size_t skip = offset & ~PAGE_MASK;
	struct nvdio_map *map;
	u32 nr;

	if (likely(skip + len <= PAGE_SIZE))
		return nvdio_map_find_page(q, page, offset, dest, mapped);
	page += offset >> PAGE_SHIFT;
	if (!nvdio_pfn_find_run(q->pfns, page_to_pfn(page),
				DIV_ROUND_UP(skip + len, PAGE_SIZE), &map, &nr))
		return false;
	if (dest && map->flags & NVDIO_MAP_READ_ONLY)
		return false;
	mapped->map = map;
	mapped->offset = ((u64)nr << PAGE_SHIFT) + skip;
	return true;
}

/**
 * nvdio_map_find_bvec() - find the memory of an iterator by its pages
 * @q: queue of the map's controller; its @pfns is not NULL
 * @iter: BVEC iterator
 * @len: bytes, more than 0, at most what @iter has
 * @dest: for a Read
 * @mapped: set
 *
 * Context: sq_lock held.
 * Return: true if all of it is mapped, side by side.
 */
bool nvdio_map_find_bvec(const struct nvdio_queue *q,
			 const struct iov_iter *iter, size_t len, bool dest,
			 struct nvdio_mapped *mapped)
{
	const struct bio_vec *bv = iter->bvec;
	const size_t skip = iter->iov_offset;
	size_t part = min(len, bv->bv_len - skip);
	u64 end;

	if (likely(offset_in_page(bv->bv_offset + skip) + part <= PAGE_SIZE) ?
	    !nvdio_map_find_page(q, bv->bv_page, bv->bv_offset + skip, dest,
				 mapped) :
	    !nvdio_map_find_run(q, bv->bv_page, bv->bv_offset + skip, part,
				dest, mapped))
		return false;
	end = mapped->offset + part;
	len -= part;
	bv++;
	if (PAGE_ALIGNED(end)) {
		part = whole_pages(bv, mapped->map, end >> PAGE_SHIFT,
				   len >> PAGE_SHIFT);
		bv += part;
		end += part << PAGE_SHIFT;
		len -= part << PAGE_SHIFT;
	}
	for (; len; bv++) {
		const size_t offset = bv->bv_offset & ~PAGE_MASK;

		part = min_t(size_t, len, bv->bv_len);
		if (((offset ^ end) & ~PAGE_MASK) ||
		    !next_pages(q, mapped->map, end >> PAGE_SHIFT,
				bv->bv_page + (bv->bv_offset >> PAGE_SHIFT),
				DIV_ROUND_UP(offset + part, PAGE_SIZE)))
			return false;
		end += part;
		len -= part;
	}
	return true;
}

/**
 * nvdio_map_find_pageless() - the slow path of nvdio_map_find()
 * @q: queue of the map's controller
 * @id: identifier, at most NVDIO_MAPS_MAX
 *
 * For a map without pages, or none. One that is hidden may be freed at any moment.
 *
 * Context: sq_lock held.
 * Return: as nvdio_map_find().
 */
struct nvdio_map *nvdio_map_find_pageless(const struct nvdio_queue *q, u32 id)
{
	struct nvdio_map *map;

	rcu_read_lock();
	map = xa_load(&q->ctrl->maps.ids, id);
	if (map && (READ_ONCE(map->hidden) || !nvdio_map_is_for_caller(map)))
		map = NULL;
	rcu_read_unlock();
	return map;
}

/**
 * nvdio_map_find_id() - find memory by the identifier of its map
 * @q: queue of the map's controller
 * @range: range that the caller has in place of a node, for which maps of others do
 *	not exist that were not added through it; or NULL
 * @id: identifier, of user space
 * @offset: bytes from the start of the map
 * @len: bytes, more than 0
 * @dest: for a Read
 * @mapped: set
 *
 * The map stays as that of nvdio_map_find().
 *
 * Context: sq_lock held.
 * Return: 0; -ENOENT if there is no such identifier, or none for the caller;
 * -EINVAL if the memory is not in the map, or not dword aligned; -EACCES for a Read
 * into memory that is for Writes only.
 */
int nvdio_map_find_id(const struct nvdio_queue *q, const struct file *range,
		      u32 id, u64 offset, u64 len, bool dest,
		      struct nvdio_mapped *mapped)
{
	struct nvdio_map *map = nvdio_map_find(q, id);
	u64 size;

	/* Of maps of others not even their size is told. */
	if (!map || (range && !nvdio_map_is_own(map, range)))
		return -ENOENT;
	size = (u64)nvdio_map_pages(map) << PAGE_SHIFT;
	if (offset & NVDIO_DMA_MASK || offset >= size || len > size - offset)
		return -EINVAL;
	if (dest && map->flags & NVDIO_MAP_READ_ONLY)
		return -EACCES;
	mapped->map = map;
	mapped->offset = array_index_nospec(offset, size);
	return 0;
}
