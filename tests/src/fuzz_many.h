/* SPDX-License-Identifier: GPL-2.0 */
/* Those of fuzz.c's calls that are about many I/Os in one: batches, rings; and about ranges. */
#ifndef NVDIO_FUZZ_MANY_H
#define NVDIO_FUZZ_MANY_H

#include <liburing.h>

/* Where the memory of rings is in a child, behind that of fuzz_maps.h. */
#define FUZZ_RINGS (40 * MiB)

/* A descriptor for some blocks takes the place of a file, or is closed. */
void fuzz_range(void);

/* Make a ring, fill it in, enter it, close it, ... */
void fuzz_ring(void);

/* Make @sqe a batch; the file is the caller's. Returns what it is, as text. */
const char *fuzz_batch(struct io_uring_sqe *sqe);

/* ---- of fuzz_calls.c ---- */

/* Memory for @len bytes, which the kernel may write to. */
uintptr_t fuzz_buffer(uint64_t len);
/* File @f is @fd from now on. */
void fuzz_set_fd(int f, int fd);

#endif
