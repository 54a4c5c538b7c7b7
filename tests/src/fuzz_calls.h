/* SPDX-License-Identifier: GPL-2.0 */
/* The calls that fuzz.c makes: what they are, and the memory and files that they use. */
#ifndef NVDIO_FUZZ_CALLS_H
#define NVDIO_FUZZ_CALLS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What others see of a process that makes calls. */
struct fuzz_progress {
	atomic_uint calls, worked;
	char doing[256];		/* the last one */
};

/*
 * Before everything else in a process: it makes calls on namespace @nsid that depend on *@state,
 * which they change, and on nothing else; with @printed they are only printed. Makes its memory.
 */
void fuzz_begin(struct fuzz_progress *progress, uint64_t *state, unsigned int nsid, bool printed);

/* Open the nodes that there are, as the user that the caller is. */
void fuzz_open(void);

/* One call, or a few that belong together. */
void fuzz_call(void);

/* Was something written behind the buffers since the last time? If so, says where. */
bool fuzz_overrun(void);

/* Close the ring in an orderly manner, with what is in flight in it. */
void fuzz_end(void);

#endif
