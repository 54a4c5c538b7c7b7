/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Looping PRP lists: data pointers that never end, for commands whose data size
 * only the controller knows.
 *
 * What PRP2 means depends on that size (NVMe Base 2.0, 4.1.1). For data that
 * start at @offset in their first page:
 *
 *	bytes moved		PRP2 is
 *	up to 4096 - offset	not used
 *	up to 8192 - offset	the second page of data
 *	more			a list: the second and all further pages
 *
 * The last entry of a list is the same case again: a page of data if no more
 * than one page is left, else a pointer to the next list.
 *
 * User data must never be interpreted as a list (invariant 9), and a list is
 * found only where a PRP points to one. So PRP2 and the last entry of each list
 * always point to lists. After the PRPs of the buffer come PRPs of a scratch
 * page up to the end of the list page. Its last entry points to one more list
 * page, which holds nothing but the scratch page and, as its last entry,
 * itself. However much the controller moves, it never reaches memory that is
 * not the command's.
 *
 * That leaves the middle row. A controller that writes that many bytes puts the
 * last ones over the list, which it then does not use: nvdio_looping_taken()
 * finds them there. A controller that fetches that many gets the list in place
 * of the last bytes. So a buffer whose end is in that row starts late enough in
 * its first page to be in the last row instead, and a command that fetches all
 * of the buffer gets all of it. What cannot be solved:
 *
 *	data_len	commands that fetch this many bytes get a list instead
 *	4097 to 4100	(refused: no dword-aligned start is late enough)
 *	4101 to 8192	data_len - 4099 (rounded up to dwords) to data_len - 4
 *	more		4097 to 8192
 *
 * The same applies again every 511 pages.
 */
#ifndef NVDIO_LOOPING_H
#define NVDIO_LOOPING_H

#include "pure/dptr.h"
#include "pure/pure.h"

/* List pages for the longest command, and the one that loops. */
#define NVDIO_LOOPING_LISTS	(NVDIO_MAX_LISTS + 1)

bool nvdio_looping_fetchable(u64 len);
u32 nvdio_looping_offset(u64 len, bool fetch);
u32 nvdio_looping_lists(u32 offset, u32 len);
void nvdio_looping_build(struct nvdio_cursor *cur, u32 offset, u32 len,
			 const struct nvdio_desc_mem *lists, u64 scratch,
			 union nvme_data_ptr *dptr);
u32 nvdio_looping_page(u32 list);
u32 nvdio_looping_taken(const __le64 *list, const __le64 *was);

#endif /* NVDIO_LOOPING_H */
