// SPDX-License-Identifier: GPL-2.0
/*
 * Standing PRP lists of mapped memory: their number and contents.
 */
#include "pure/map_table.h"

/**
 * nvdio_map_table_lists() - number of PRP lists
 * @nr_pages: number of pages, of NVDIO_MPS
 *
 * Context: any.
 * Return: number of lists of NVDIO_MAP_LIST_SIZE bytes.
 */
u32 nvdio_map_table_lists(u32 nr_pages)
{
	return nr_pages / NVDIO_MAP_LIST_PAGES +
	       !!(nr_pages % NVDIO_MAP_LIST_PAGES);
}

/**
 * nvdio_map_table_set() - store the bus address of a page
 * @table: table; its lists exist
 * @page: number of the page
 * @dma: its bus address
 *
 * Each page but the first 256 is in two lists.
 *
 * Context: any; no command uses @table yet.
 */
void nvdio_map_table_set(const struct nvdio_map_table *table, u32 page,
			 u64 dma)
{
	const u32 list = page / NVDIO_MAP_LIST_PAGES;
	const u32 entry = page % NVDIO_MAP_LIST_PAGES;

	table->lists[list][entry] = cpu_to_le64(dma);
	if (list)
		table->lists[list - 1][NVDIO_MAP_LIST_PAGES + entry] =
			cpu_to_le64(dma);
}
