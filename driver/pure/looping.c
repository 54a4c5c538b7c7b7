// SPDX-License-Identifier: GPL-2.0
/* Building looping PRP lists, and finding data in them; see looping.h. */
#include "pure/dptr.h"
#include "pure/looping.h"

#define LIST_ENTRIES	((u32)(NVDIO_MPS / sizeof(__le64)))

/**
 * nvdio_looping_page() - page of data whose PRP is used to point to a list
 * @list: index of the list
 *
 * Context: any.
 * Return: index of the page of data that the controller takes the list for if
 * the data end in that page.
 */
u32 nvdio_looping_page(u32 list)
{
	/*
	 * Page 0 is PRP1's. Each earlier list spends one entry on its
	 * successor.
	 */
	return 1 + list * (LIST_ENTRIES - 1);
}

/* Start of the last such page that @len bytes reach. */
static u64 last_doubtful(u64 len)
{
	u32 pages = (len - 1) >> NVDIO_MPS_SHIFT;

	return (u64)nvdio_looping_page((pages - 1) / (LIST_ENTRIES - 1)) <<
	       NVDIO_MPS_SHIFT;
}

/**
 * nvdio_looping_fetchable() - can a controller fetch every byte of a buffer?
 * @len: bytes
 *
 * Context: any.
 * Return: false for the few lengths whose last bytes it would fetch from a
 * list.
 */
bool nvdio_looping_fetchable(u64 len)
{
	return len <= NVDIO_MPS || len > last_doubtful(len) + 4;
}

/**
 * nvdio_looping_offset() - where in its first page a buffer has to start
 * @len: bytes
 * @fetch: the controller may fetch the data
 *
 * Context: any.
 * Return: bytes, a multiple of 4, below NVDIO_MPS.
 */
u32 nvdio_looping_offset(u64 len, bool fetch)
{
	u64 end;

	if (!fetch || len <= NVDIO_MPS || !nvdio_looping_fetchable(len))
		return 0;
	end = last_doubtful(len) + NVDIO_MPS;
	/* Put the last dword past that page. */
	return len > end ? 0 : ALIGN_DOWN((u32)(end - len), 4) + 4;
}

/* Pages after the first. */
static u32 looping_entries(u32 offset, u32 len)
{
	return len ? DIV_ROUND_UP(offset + len, NVDIO_MPS) - 1 : 0;
}

/**
 * nvdio_looping_lists() - list pages that a buffer needs
 * @offset: from nvdio_looping_offset()
 * @len: bytes
 *
 * Context: any.
 * Return: 2 to NVDIO_LOOPING_LISTS.
 */
u32 nvdio_looping_lists(u32 offset, u32 len)
{
	const u32 entries = max(looping_entries(offset, len), 1U);

	/* The last entry of each points to the next list. */
	return DIV_ROUND_UP(entries, LIST_ENTRIES - 1) + 1;
}

/* Bus address of the next page of a buffer. */
static u64 next_page(struct nvdio_cursor *cur)
{
	u64 addr;

	if (cur->offset == sg_dma_len(cur->sg)) {
		cur->sg = sg_next(cur->sg);
		cur->offset = 0;
	}
	addr = sg_dma_address(cur->sg) + cur->offset;
	cur->offset += NVDIO_MPS;
	return addr;
}

/**
 * nvdio_looping_build() - build a looping PRP list
 * @cur: first page of the buffer, mapped; all entries are whole pages
 * @offset: from nvdio_looping_offset()
 * @len: bytes
 * @lists: nvdio_looping_lists() pages of descriptor memory
 * @scratch: bus address of a page whose contents do not matter
 * @dptr: filled in
 *
 * Context: any.
 */
void nvdio_looping_build(struct nvdio_cursor *cur, u32 offset, u32 len,
			 const struct nvdio_desc_mem *lists, u64 scratch,
			 union nvme_data_ptr *dptr)
{
	const u32 nr = nvdio_looping_lists(offset, len);
	u32 left = looping_entries(offset, len), i, k;

	dptr->prp1 = cpu_to_le64(next_page(cur) + offset);
	dptr->prp2 = cpu_to_le64(lists[0].dma);
	for (i = 0; i < nr; i++) {
		__le64 *prps = lists[i].virt;

		for (k = 0; k < LIST_ENTRIES - 1; k++) {
			prps[k] = cpu_to_le64(left ? next_page(cur) : scratch);
			left -= left ? 1 : 0;
		}
		prps[k] = cpu_to_le64(lists[min(i + 1, nr - 1)].dma);
	}
}

/**
 * nvdio_looping_taken() - did the controller write data over a list?
 * @list: the list after the command
 * @was: its contents before the command
 *
 * Data whose last bytes equal the old contents cannot be told from no data.
 * Controllers write whole dwords. The low dword of an entry is unpredictable,
 * but the high one may well equal the data written over it, so entries are
 * compared as a whole.
 *
 * Context: any.
 * Return: number of bytes at the start of @list that are data; see
 * nvdio_looping_page() for where they belong.
 */
u32 nvdio_looping_taken(const __le64 *list, const __le64 *was)
{
	u32 i = LIST_ENTRIES;

	while (i && list[i - 1] == was[i - 1])
		i--;
	return i * sizeof(__le64);
}
