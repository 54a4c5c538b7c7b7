/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which map has a page (core/map.h), by page frame number.
 *
 * Pages are grouped into frames of 512, the size of a huge page. A hash of them
 * with linear probing, at most half full, has for each either one run of a map,
 * if the frame belongs to it as a whole and in order, or a table of 512 entries.
 * An entry, and a run, is a slot and a page number in the map of that slot. Slot
 * 0 is never used and its map is NULL, so that what is all zero is nobody's.
 *
 * Writers are serialised by a mutex (nvdio_maps.lock). Readers hold the sq_lock
 * of their queue, which the writer does not, so that they may look while it
 * writes; they see a page as nobody's until its map is shown and from when it is
 * hidden. What the writer must not do before it has taken and released each
 * sq_lock once, so that no reader is left from before:
 *
 *	after nvdio_pfn_hide()		use the slot for another map
 *	after nvdio_pfn_del()		free what nvdio_pfn_reap() returns
 *	after nvdio_pfn_copy()		change the index in any way, or free the old
 *					one, before all queues have the new one
 */
#ifndef NVDIO_PFN_INDEX_H
#define NVDIO_PFN_INDEX_H

#include "pure/pure.h"

struct nvdio_map;

/* Slots are 1 to this: maximum number of maps of a controller. */
#define NVDIO_MAPS_MAX		1023U

#define NVDIO_PFN_FRAME_PAGES	512U
#define NVDIO_PFN_FRAME_MASK	(NVDIO_PFN_FRAME_PAGES - 1)

/* Size of a table; kzalloc() aligns it as well. */
#define NVDIO_PFN_TABLE_BYTES	(NVDIO_PFN_FRAME_PAGES * sizeof(u64))

/* In nvdio_pfn_frame.val: the rest of it is the address of a table. */
#define NVDIO_PFN_TABLE		1ULL

/**
 * struct nvdio_pfn_frame - a frame, as readers see it
 * @key: its last page frame number, so that 0 is none; constant once set
 * @val: a table's address with NVDIO_PFN_TABLE, or slot << 33 | page << 1 of its
 *	first page; 0: nobody's
 */
struct nvdio_pfn_frame {
	u64 key;
	u64 val;
};

/**
 * struct nvdio_pfn_side - a frame's other members, only for writers
 * @table: its table; also while there is nothing in it, until it is reaped
 * @used: number of entries in it
 */
struct nvdio_pfn_side {
	u64 *table;
	u32 used;
};

/**
 * struct nvdio_pfn_index - maps by page frame number
 * @maps: maps by slot; NULL: I/O is not to find it, or there is none
 * @mask: (@room - 1) times the size of a frame
 * @room: number of frames that there is memory for, a power of two
 * @keys: number of frames that have a key
 * @live: number of those that are somebody's; 0: the index is empty
 * @frames: frames; their struct nvdio_pfn_side are behind the last one
 */
struct nvdio_pfn_index {
	struct nvdio_map *maps[NVDIO_MAPS_MAX + 1];
	u64 mask;
	u32 room;
	u32 keys;
	u32 live;
	struct nvdio_pfn_frame frames[] __aligned(16);
};

/**
 * struct nvdio_pfn_run - pages that are side by side in memory and in a map
 * @pfn: page frame number of the first
 * @nr: number of pages
 * @page: number of the first in the map
 *
 * Pages are of PAGE_SIZE here.
 */
struct nvdio_pfn_run {
	unsigned long pfn;
	u32 nr;
	u32 page;
};

size_t nvdio_pfn_index_bytes(u32 frames);
u32 nvdio_pfn_frames(const struct nvdio_pfn_index *idx);
void nvdio_pfn_init(struct nvdio_pfn_index *idx, u32 frames);
void nvdio_pfn_copy(struct nvdio_pfn_index *to,
		    const struct nvdio_pfn_index *from);
int nvdio_pfn_add(struct nvdio_pfn_index *idx, u32 slot,
		  struct nvdio_pfn_run *run, u64 **table);
void nvdio_pfn_show(struct nvdio_pfn_index *idx, u32 slot,
		    struct nvdio_map *map);
void nvdio_pfn_hide(struct nvdio_pfn_index *idx, u32 slot);
void nvdio_pfn_del(struct nvdio_pfn_index *idx, u32 slot,
		   const struct nvdio_pfn_run *run);
u64 nvdio_pfn_next(const struct nvdio_pfn_index *idx, u64 key, u64 at);
u64 *nvdio_pfn_reap(struct nvdio_pfn_index *idx, u32 *at);
bool nvdio_pfn_find_run(const struct nvdio_pfn_index *idx, unsigned long pfn,
			u32 nr, struct nvdio_map **map, u32 *page);

/**
 * nvdio_pfn_first() - where in the hash the search for a frame begins
 * @idx: index
 * @key: key of the frame
 *
 * A multiplication spreads frames that are side by side, or a power of two apart.
 * This factor was the best of 100,000 at random (spread() in
 * tests/unit/pfn_index_test.c); it is positive where the processor's instruction
 * extends its sign.
 *
 * Context: any.
 * Return: offset in @idx->frames, in bytes.
 */
static __always_inline u64 nvdio_pfn_first(const struct nvdio_pfn_index *idx,
					   u64 key)
{
	return key * 0x40c8de47 >> 28 & idx->mask;
}

/**
 * nvdio_pfn_val() - whose the frame of a page is
 * @idx: index
 * @pfn: page frame number
 *
 * Context: any, under the sq_lock of a queue that has @idx.
 * Return: as nvdio_pfn_frame.val. Of a frame that was added just now it may still
 * be 0.
 */
static __always_inline u64 nvdio_pfn_val(const struct nvdio_pfn_index *idx,
					 unsigned long pfn)
{
	const u64 key = pfn | NVDIO_PFN_FRAME_MASK;
	const u64 at = nvdio_pfn_first(idx, key);
	const struct nvdio_pfn_frame *frame = (const void *)idx->frames + at;

	if (likely(READ_ONCE(frame->key) == key))
		return READ_ONCE(frame->val);
	return nvdio_pfn_next(idx, key, at);
}

/**
 * nvdio_pfn_table() - the table of a frame
 * @val: nvdio_pfn_val(), with NVDIO_PFN_TABLE
 *
 * Context: any, under the sq_lock of a queue that has @idx.
 * Return: 512 entries: slot << 32 | page, or 0.
 */
static __always_inline const u64 *nvdio_pfn_table(u64 val)
{
	return (const u64 *)(unsigned long)(val - NVDIO_PFN_TABLE);
}

/**
 * nvdio_pfn_entry() - whose a page is
 * @val: nvdio_pfn_val() of its frame
 * @pfn: its page frame number
 *
 * Context: any, under the sq_lock of a queue that has the index.
 * Return: slot << 32 | page; slot 0: nobody's.
 */
static __always_inline u64 nvdio_pfn_entry(u64 val, unsigned long pfn)
{
	pfn &= NVDIO_PFN_FRAME_MASK;
	if (likely(val & NVDIO_PFN_TABLE))
		return READ_ONCE(nvdio_pfn_table(val)[pfn]);
	return (val >> 1) + pfn;
}

/**
 * nvdio_pfn_find() - the map that has a page
 * @idx: index
 * @pfn: page frame number of a page that the caller has a reference to
 * @map: set to the map
 * @page: set to the number of the page in it
 *
 * A page that is in several maps, or several times in one, is found in one place.
 *
 * Context: any, under the sq_lock of a queue that has @idx.
 * Return: false: it is in no map, and @map and @page are undefined.
 */
static __always_inline bool nvdio_pfn_find(const struct nvdio_pfn_index *idx,
					   unsigned long pfn,
					   struct nvdio_map **map, u32 *page)
{
	const u64 entry = nvdio_pfn_entry(nvdio_pfn_val(idx, pfn), pfn);

	*page = entry;
	*map = READ_ONCE(idx->maps[entry >> 32]);
	return *map;
}

#endif /* NVDIO_PFN_INDEX_H */
