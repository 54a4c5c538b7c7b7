/* SPDX-License-Identifier: GPL-2.0 */
/*
 * struct nvdio_map: memory that stays mapped for a controller, so that I/O to
 * and from it needs no pinning, no mapping and no list (docs/mapped.md).
 */
#ifndef NVDIO_MAP_H
#define NVDIO_MAP_H

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/scatterlist.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "pure/map_table.h"

struct dma_buf;
struct dma_buf_attachment;
struct file;
struct mm_struct;
struct nvdio_ctrl;
struct nvdio_map_watch;
struct nvdio_pfn_index;
struct page;
struct user_struct;

/* Offset in a map of page @pgoff of a node: NVDIO_MMAP_* are multiples of 1 << 40. */
#define NVDIO_MAP_PGOFF_MASK	((1UL << (40 - PAGE_SHIFT)) - 1)

/**
 * struct nvdio_map - mapped memory
 * @ref: the id, each VMA, and whoever works with it hold one; I/O holds none
 * @ctrl: controller; the map holds a reference to its device
 * @link: entry in @ctrl->maps.list
 * @id: identifier, 1 or more
 * @flags: NVDIO_MAP_* of uapi/nvdio.h
 * @gen: changes whenever an address of a program may have ceased to mean what
 *	it meant of this map: munmap(), mremap(), mprotect(); under the
 *	mmap_lock of that program, and before another address space change;
 *	of its own memory, before its page tables change (io/map_watch.c)
 * @hidden: I/O must not find it any more; under sq_lock of any queue
 * @owner: file through which it was added by id; NULL: it has no id, or no longer;
 *	written under @ctrl->maps.lock
 * @table: bus addresses
 * @pages: its pages, of PAGE_SIZE; NULL for a dma-buf
 * @watch: watches its addresses in the program, or NULL
 * @sgt: scatterlist of @pages
 * @buf: dma-buf, or NULL
 * @attach: attachment of the controller to @buf
 * @bus: its bus addresses: @sgt, or the scatterlist of the exporter of @buf, of which
 *	only the bus addresses may be looked at
 * @mapped: @bus is mapped; under @ctrl->maps.lock
 * @mm: address space that may use its id, held by mmgrab(); NULL if @owner was
 *	never set
 * @user: whose RLIMIT_MEMLOCK it counts against, or NULL
 * @work: takes it apart when the last reference has gone
 * @delay: jiffies that @work was delayed by the last time
 * @rcu: frees it: I/O looks at maps that it finds by id while they end
 */
struct nvdio_map {
	struct kref ref;
	struct nvdio_ctrl *ctrl;
	struct list_head link;
	u32 id;
	u32 flags;
	atomic_t gen;
	bool hidden;
	const struct file *owner;
	struct nvdio_map_table table;
	struct page **pages;
	struct nvdio_map_watch *watch;
	struct sg_table sgt;
	struct dma_buf *buf;
	struct dma_buf_attachment *attach;
	struct sg_table *bus;
	bool mapped;
	struct mm_struct *mm;
	struct user_struct *user;
	struct delayed_work work;
	unsigned int delay;
	struct rcu_head rcu;
};

/**
 * struct nvdio_maps - the maps of a controller
 * @lock: serialises adding and deleting; taken before sq_lock
 * @list: all of them
 * @ids: by identifier
 * @next_id: from where on an unused identifier is looked for
 * @nr: number of maps
 * @bytes: their size
 * @ending: number of those without a reference
 * @settled: waiters for @ending to become 0
 * @pfns: those by page frame number; a copy of the pointer is in each queue
 * @vmas: changes whenever an address of a program may have become one of mapped
 *	memory, or ceased to be: mmap(), fork() and all that changes @gen of a
 *	map; as @gen of a map
 * @watched: memory of programs, by address; read under RCU (io/map_watch.c)
 * @vm_ops: those of VMAs of mapped memory, of which vm_private_data is a map;
 *	NULL until there is one
 */
struct nvdio_maps {
	struct mutex lock;	/* of all members */
	struct list_head list;
	struct xarray ids;
	u32 next_id;
	u32 nr;
	u64 bytes;
	atomic_t ending;
	wait_queue_head_t settled;
	struct nvdio_pfn_index *pfns;
	atomic_t vmas;
	struct list_head watched;
	const struct vm_operations_struct *vm_ops;
};

/*
 * Maximum number of pages of a map: an array of them is limited to 2 GiB, and an offset
 * of mmap() has 40 bits for where in the map it is.
 */
#define NVDIO_MAP_PAGES_MAX	((u32)BIT(PAGE_SHIFT > 13 ? 40 - PAGE_SHIFT : 27))

/**
 * nvdio_map_pages() - number of pages of a map
 * @map: map
 *
 * Context: any.
 * Return: number of pages of PAGE_SIZE.
 */
static inline u32 nvdio_map_pages(const struct nvdio_map *map)
{
	return map->table.nr_pages >> (PAGE_SHIFT - NVDIO_MPS_SHIFT);
}

/**
 * nvdio_map_is_own() - may a range use the identifier of a map?
 * @map: map that the caller may use through a node
 * @file: the range
 *
 * NVDIO_MAP_SHARED is meant for those who may open nodes, and they could read the whole
 * disk anyway. Who was given a range could not, so for them it is nothing but what
 * was added through the same range.
 *
 * Context: task.
 * Return: true if the map is of the caller's address space, or was added through
 * @file.
 */
static inline bool nvdio_map_is_own(const struct nvdio_map *map,
				    const struct file *file)
{
	return map->mm == current->mm || READ_ONCE(map->owner) == file;
}

/* Entries of a queue's cache of addresses. */
#define NVDIO_MAP_CACHE		4

/**
 * struct nvdio_map_cached - what a range of addresses was found to be
 * @mm: address space; only compared
 * @start: first address
 * @len: bytes; 0: the entry is empty
 * @map: the map it is of, which purges it from here before it ends; NULL: none
 * @offset: offset of @start in the map
 * @gen: value of @map->gen, or of @vmas of struct nvdio_maps if @map is NULL,
 *	for which this holds
 * @source: the program may read the memory, so that Writes may come from there
 * @dest: the program may write to it, so that Reads may go there
 */
struct nvdio_map_cached {
	const struct mm_struct *mm;
	unsigned long start;
	unsigned long len;
	struct nvdio_map *map;
	u64 offset;
	int gen;
	bool source;
	bool dest;
};

/**
 * struct nvdio_map_range - the same in the cache of a queue, for one look at it
 * @mm: as in struct nvdio_map_cached
 * @start: first address
 * @limit: where what may be read from, or, by index true, written to the namespace
 *	ends; 0: nothing may
 * @map: as in struct nvdio_map_cached
 * @delta: what is added to an address for the offset in @map, modulo 2^64
 * @end: address after the last; 0: the entry is empty
 * @gen: as in struct nvdio_map_cached
 */
struct nvdio_map_range {
	const struct mm_struct *mm;
	unsigned long start;
	unsigned long limit[2];
	struct nvdio_map *map;
	u64 delta;
	unsigned long end;
	int gen;
};

#endif /* NVDIO_MAP_H */
