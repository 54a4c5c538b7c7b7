// SPDX-License-Identifier: GPL-2.0
/*
 * The index of mapped pages: adding and deleting. Memory comes from the caller.
 */
#include "pure/pfn_index.h"

/* Fewest frames that an index has room for. */
#define FRAMES_MIN	64U

static struct nvdio_pfn_side *side_of(const struct nvdio_pfn_index *idx, u32 i)
{
	return (struct nvdio_pfn_side *)&idx->frames[idx->room] + i;
}

/* Does a copy have this frame: is it somebody's, or its table to be reaped? */
static bool is_kept(const struct nvdio_pfn_index *idx, u32 i)
{
	return idx->frames[i].val || side_of(idx, i)->table;
}

/**
 * nvdio_pfn_frames() - how large the next index should be
 * @idx: the one that is full, or NULL if there is none
 *
 * Context: any.
 * Return: number of frames to make room for; half of them may be used.
 */
u32 nvdio_pfn_frames(const struct nvdio_pfn_index *idx)
{
	u32 frames = FRAMES_MIN, nr = 0, i;

	for (i = 0; idx && i < idx->room; i++)
		nr += is_kept(idx, i);
	while (frames / 4 <= nr)
		frames *= 2;
	return frames;
}

/**
 * nvdio_pfn_index_bytes() - size of an index
 * @frames: number of frames to make room for
 *
 * Context: any.
 * Return: bytes.
 */
size_t nvdio_pfn_index_bytes(u32 frames)
{
	return sizeof(struct nvdio_pfn_index) +
	       frames * (sizeof(struct nvdio_pfn_frame) +
			 sizeof(struct nvdio_pfn_side));
}

/**
 * nvdio_pfn_init() - make an empty index
 * @idx: zeroed memory of nvdio_pfn_index_bytes(@frames)
 * @frames: number of frames to make room for, of nvdio_pfn_frames()
 *
 * Context: any; nobody else uses @idx.
 */
void nvdio_pfn_init(struct nvdio_pfn_index *idx, u32 frames)
{
	idx->mask = (u64)(frames - 1) * sizeof(struct nvdio_pfn_frame);
	idx->room = frames;
}

/* The frame with the key, or the free one that it would get. */
static u32 frame_of(const struct nvdio_pfn_index *idx, u64 key)
{
	const u32 mask = idx->room - 1;
	u32 i = nvdio_pfn_first(idx, key) / sizeof(struct nvdio_pfn_frame);

	while (idx->frames[i].key && idx->frames[i].key != key)
		i = (i + 1) & mask;
	return i;
}

/* Whose a frame is from now on. */
static void set_val(struct nvdio_pfn_index *idx, u32 i, u64 val)
{
	idx->live += !!val - !!idx->frames[i].val;
	/* A table's contents come before its address; see nvdio_pfn_entry(). */
	smp_store_release(&idx->frames[i].val, val);
}

static void set_key(struct nvdio_pfn_index *idx, u32 i, u64 key)
{
	if (idx->frames[i].key)
		return;
	idx->keys++;
	WRITE_ONCE(idx->frames[i].key, key);
}

/**
 * nvdio_pfn_copy() - fill a new index with what another one has
 * @to: index after nvdio_pfn_init(), of nvdio_pfn_frames(@from)
 * @from: index; it shares the tables with @to afterwards
 *
 * Frames that are nobody's are left out, unless their table is yet to be reaped.
 *
 * Context: any, under the writers' lock; nobody else uses @to.
 */
void nvdio_pfn_copy(struct nvdio_pfn_index *to,
		    const struct nvdio_pfn_index *from)
{
	u32 i, n;

	memcpy(to->maps, from->maps, sizeof(to->maps));
	for (i = 0; i < from->room; i++) {
		if (!is_kept(from, i))
			continue;
		n = frame_of(to, from->frames[i].key);
		*side_of(to, n) = *side_of(from, i);
		set_val(to, n, from->frames[i].val);
		set_key(to, n, from->frames[i].key);
	}
}

/* How many of @nr pages from @pfn on are in its frame? */
static u32 part_of(unsigned long pfn, u32 nr)
{
	const u32 first = pfn & NVDIO_PFN_FRAME_MASK;

	return min(NVDIO_PFN_FRAME_PAGES - first, nr);
}

/* Add part of a run that is in one frame. */
static int add_part(struct nvdio_pfn_index *idx, u64 entry,
		    unsigned long pfn, u32 nr, u64 **table)
{
	const u64 key = pfn | NVDIO_PFN_FRAME_MASK;
	const u32 first = pfn & NVDIO_PFN_FRAME_MASK;
	const u32 i = frame_of(idx, key);
	struct nvdio_pfn_side *side = side_of(idx, i);
	const u64 val = idx->frames[i].val;
	u32 n;

	if (!idx->frames[i].key && idx->keys >= idx->room / 2)
		return -ENOSPC;
	if (!val && nr == NVDIO_PFN_FRAME_PAGES) {
		set_val(idx, i, entry << 1);
		set_key(idx, i, key);
		return 0;
	}
	if (val && !(val & NVDIO_PFN_TABLE))
		return 0;
	if (!side->table) {
		if (!*table)
			return -ENOMEM;
		side->table = *table;
		*table = NULL;
	}
	for (n = first; n < first + nr; n++, entry++) {
		if (side->table[n])
			continue;
		WRITE_ONCE(side->table[n], entry);
		side->used++;
	}
	set_val(idx, i, (unsigned long)side->table | NVDIO_PFN_TABLE);
	set_key(idx, i, key);
	return 0;
}

/**
 * nvdio_pfn_add() - add pages of a map
 * @idx: index
 * @slot: slot of the map, which is hidden
 * @run: pages; advanced past those that were added
 * @table: NVDIO_PFN_TABLE_BYTES of zeroed memory, aligned to 2 bytes or more, or
 *	NULL; set to NULL when @idx has taken it
 *
 * A page that is in @idx already stays with its first map.
 *
 * Context: any, under the writers' lock.
 * Return: 0, or, for the caller to go on with what is left of @run,
 *	-ENOMEM: a table is needed;
 *	-ENOSPC: a larger index is (nvdio_pfn_frames(), nvdio_pfn_copy()).
 */
int nvdio_pfn_add(struct nvdio_pfn_index *idx, u32 slot,
		  struct nvdio_pfn_run *run, u64 **table)
{
	u32 part;
	int err;

	while (run->nr) {
		part = part_of(run->pfn, run->nr);
		err = add_part(idx, (u64)slot << 32 | run->page, run->pfn,
			       part, table);
		if (err)
			return err;
		run->pfn += part;
		run->page += part;
		run->nr -= part;
	}
	return 0;
}

/**
 * nvdio_pfn_show() - let readers find a map
 * @idx: index
 * @slot: its slot; its pages were added
 * @map: map
 *
 * Context: any, under the writers' lock.
 */
void nvdio_pfn_show(struct nvdio_pfn_index *idx, u32 slot,
		    struct nvdio_map *map)
{
	/* The map comes before its address; see nvdio_pfn_find(). */
	smp_store_release(&idx->maps[slot], map);
}

/**
 * nvdio_pfn_hide() - let readers no longer find a map
 * @idx: index
 * @slot: slot
 *
 * Those that have found it, and still do at this moment, are gone when the caller
 * has taken and released each sq_lock once. Its pages may be deleted before that.
 *
 * Context: any, under the writers' lock.
 */
void nvdio_pfn_hide(struct nvdio_pfn_index *idx, u32 slot)
{
	WRITE_ONCE(idx->maps[slot], NULL);
}

/* Delete part of a run that is in one frame. */
static void del_part(struct nvdio_pfn_index *idx, u32 slot, unsigned long pfn,
		     u32 nr)
{
	const u32 first = pfn & NVDIO_PFN_FRAME_MASK;
	const u32 i = frame_of(idx, pfn | NVDIO_PFN_FRAME_MASK);
	struct nvdio_pfn_side *side = side_of(idx, i);
	const u64 val = idx->frames[i].val;
	u32 n;

	if (!(val & NVDIO_PFN_TABLE)) {
		if (val >> 33 == slot)
			set_val(idx, i, 0);
		return;
	}
	for (n = first; n < first + nr; n++) {
		if (side->table[n] >> 32 != slot)
			continue;
		WRITE_ONCE(side->table[n], 0);
		side->used--;
	}
	if (!side->used)
		set_val(idx, i, 0);
}

/**
 * nvdio_pfn_del() - delete pages of a map
 * @idx: index
 * @slot: slot of the map, which is hidden
 * @run: pages, as they were added
 *
 * Pages that were not added, or stayed with another map, are passed over. When
 * all runs are deleted nothing names the slot.
 *
 * Context: any, under the writers' lock.
 */
void nvdio_pfn_del(struct nvdio_pfn_index *idx, u32 slot,
		   const struct nvdio_pfn_run *run)
{
	unsigned long pfn = run->pfn;
	u32 nr = run->nr, part;

	for (; nr; nr -= part, pfn += part) {
		part = part_of(pfn, nr);
		del_part(idx, slot, pfn, part);
	}
}

/**
 * nvdio_pfn_reap() - remove a table that nothing is left in
 * @idx: index
 * @at: where to go on; 0 for the first call
 *
 * Context: any, under the writers' lock, after readers that may still look at it
 * have gone.
 * Return: the table, which the caller may free, or NULL if there is none.
 */
u64 *nvdio_pfn_reap(struct nvdio_pfn_index *idx, u32 *at)
{
	u64 *table;

	while (*at < idx->room) {
		struct nvdio_pfn_side *side = side_of(idx, *at);

		if (side->table && !side->used) {
			table = side->table;
			side->table = NULL;
			return table;
		}
		(*at)++;
	}
	return NULL;
}

/**
 * nvdio_pfn_next() - nvdio_pfn_val(), when the search does not end where it began
 * @idx: index
 * @key: key of the frame
 * @at: nvdio_pfn_first() of @key
 *
 * Context: any, under the sq_lock of a queue that has @idx.
 * Return: as nvdio_pfn_val().
 */
u64 nvdio_pfn_next(const struct nvdio_pfn_index *idx, u64 key, u64 at)
{
	const struct nvdio_pfn_frame *frame;
	u64 found;

	for (;;) {
		frame = (const void *)idx->frames + at;
		found = READ_ONCE(frame->key);
		if (found == key)
			return READ_ONCE(frame->val);
		if (!found)
			return 0;
		at = (at + sizeof(*frame)) & idx->mask;
	}
}

/* Has a frame these entries, each one more than the one before it? */
static bool part_is(u64 val, unsigned long pfn, u32 nr, u64 entry)
{
	const u64 *table;
	u32 n;

	if (!(val & NVDIO_PFN_TABLE))
		return nvdio_pfn_entry(val, pfn) == entry;
	table = nvdio_pfn_table(val) + (pfn & NVDIO_PFN_FRAME_MASK);
	for (n = 0; n < nr; n++)
		if (READ_ONCE(table[n]) != entry + n)
			return false;
	return true;
}

/**
 * nvdio_pfn_find_run() - the map that has several pages, side by side
 * @idx: index
 * @pfn: page frame number of the first; the caller has a reference to each
 * @nr: number of pages, 1 or more
 * @map: set to the map
 * @page: set to the number of the first page in it
 *
 * Context: any, under the sq_lock of a queue that has @idx.
 * Return: false: there is no such map, and @map and @page are undefined.
 */
bool nvdio_pfn_find_run(const struct nvdio_pfn_index *idx, unsigned long pfn,
			u32 nr, struct nvdio_map **map, u32 *page)
{
	u64 val = nvdio_pfn_val(idx, pfn);
	u64 entry = nvdio_pfn_entry(val, pfn);
	u32 part;

	*page = entry;
	*map = READ_ONCE(idx->maps[entry >> 32]);
	if (!*map)
		return false;
	for (;;) {
		part = part_of(pfn, nr);
		if (!part_is(val, pfn, part, entry))
			return false;
		nr -= part;
		if (!nr)
			return true;
		pfn += part;
		entry += part;
		val = nvdio_pfn_val(idx, pfn);
	}
}
