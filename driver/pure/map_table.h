/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mapped memory (core/map.h): its standing PRP lists, and the index that finds
 * it by page frame number.
 */
#ifndef NVDIO_MAP_TABLE_H
#define NVDIO_MAP_TABLE_H

#include "pure/dptr.h"
#include "pure/pure.h"

/* A PRP list holds the entries of this many pages, and of as many again. */
#define NVDIO_MAP_LIST_PAGES	256U

/* Size and alignment of a list. */
#define NVDIO_MAP_LIST_SIZE	(2 * NVDIO_MAP_LIST_PAGES * sizeof(__le64))

/* Maximum bytes of a command for mapped memory that needs PRP lists. */
#define NVDIO_MAP_LIST_BYTES	(NVDIO_MAP_LIST_PAGES * NVDIO_MPS)

/**
 * struct nvdio_map_table - the bus addresses of mapped memory
 * @base: bus address of its first byte, if @lists is NULL
 * @lists: PRP lists; NULL if the memory is contiguous on the bus and the
 *	controller supports SGLs
 * @list_dma: their bus addresses
 * @nr_pages: number of pages, of NVDIO_MPS
 *
 * List k has the addresses of pages 256k to 256k + 511, as far as they exist,
 * so that for any part of at most 257 pages the addresses of all but its first
 * page stand in one list, side by side, and none of them is the last entry of a
 * list that a controller might take for a pointer to the next one (NVMe Base
 * 2.0, 4.1.1): a PRP list that starts in the middle ends where the data end.
 */
struct nvdio_map_table {
	u64 base;
	__le64 **lists;
	u64 *list_dma;
	u32 nr_pages;
};

u32 nvdio_map_table_lists(u32 nr_pages);
void nvdio_map_table_set(const struct nvdio_map_table *table, u32 page,
			 u64 dma);

/**
 * nvdio_map_table_dma() - bus address of a byte
 * @table: table
 * @offset: the byte's, in the memory
 *
 * Context: any.
 * Return: PRP entry for what of its page begins there.
 */
static __always_inline __le64
nvdio_map_table_dma(const struct nvdio_map_table *table, u64 offset)
{
	const u32 page = offset >> NVDIO_MPS_SHIFT;

	if (unlikely(!table->lists))
		return cpu_to_le64(table->base + offset);
	return table->lists[page / NVDIO_MAP_LIST_PAGES]
			   [page % NVDIO_MAP_LIST_PAGES] |
	       cpu_to_le64(offset & NVDIO_MPS_MASK);
}

/**
 * nvdio_map_table_prp() - where the PRP list from some page on is
 * @table: table with lists
 * @page: number of the page
 *
 * Context: any.
 * Return: bus address of the page's entry; the entries of the 255 pages after
 * it follow.
 */
static __always_inline u64
nvdio_map_table_prp(const struct nvdio_map_table *table, u32 page)
{
	return table->list_dma[page / NVDIO_MAP_LIST_PAGES] +
	       page % NVDIO_MAP_LIST_PAGES * sizeof(__le64);
}

#endif /* NVDIO_MAP_TABLE_H */
