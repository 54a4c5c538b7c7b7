/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Data pointers that end nowhere, for commands of which nobody but the
 * controller knows how many bytes they move. Pure logic.
 *
 * What the controller takes PRP2 for depends on how many these are (NVMe Base
 * 2.0, 4.1.1). With data that begin @offset bytes into their first page:
 *
 *	bytes moved		PRP2 is
 *	up to 4096 - offset	not looked at
 *	up to 8192 - offset	the second page of data
 *	more			a list: the second and all further pages
 *
 * A list's last entry is such a case again: a page of data if no more than that
 * is left, else a pointer to the next list.
 *
 * User data must never be taken for a list (invariant 9), and a list can only
 * be had where PRP2 points to one. So PRP2 and last entries always do. Behind the PRPs of the
 * buffer come PRPs of a scratch page up to the end of the list's last page, and
 * there a pointer to one more page, of nothing but the scratch page and, at its
 * end, that page itself: however much the controller moves, it never gets to
 * memory that is not the command's.
 *
 * What is left is the middle row. A controller that sends so much writes its
 * end over the list, which it does not use then: nvdio_looping_taken() finds it
 * there. One that fetches so much gets the list for the end of the data. So a
 * buffer whose end is in that row begins so late in its first page that it is
 * in the last row: a command that fetches all of it gets all of it. What
 * remains, and cannot be had:
 *
 *	data_len	a command that fetches these numbers of bytes gets a list
 *	4097 to 4100	(refused: no dword is late enough)
 *	4101 to 8192	data_len - 4099 (rounded up to dwords) to data_len - 4
 *	more		4097 to 8192
 *
 * and the same again 511 pages later.
 */
#ifndef NVDIO_LOOPING_H
#define NVDIO_LOOPING_H

#include "pure/dptr.h"
#include "pure/pure.h"

/* List pages of the longest command: one more for what comes behind it. */
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
