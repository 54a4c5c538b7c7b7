/* SPDX-License-Identifier: GPL-2.0 */
/* What failnth.c, which repeats calls, and the calls in its other files have of each other. */
#ifndef NVDIO_FAILNTH_H
#define NVDIO_FAILNTH_H

#include <sys/types.h>

#define NS_NODE	"/dev/nvdio0n1"
#define BYTES	(1U << 20)

/* Of the last call: its errno, or 0. */
extern int failnth_err;

/* Something is wrong. */
void complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Make a call with a file: as it returns, or -1. */
int with_fd(const char *path, int flags, int (*call)(int fd));

/* Complain about @got bytes, unless they are @want, or an error; returns 0, or -1. */
int whole(ssize_t got, ssize_t want);

/* The controller is live, and I/O works. */
void after_io(void);

/* ---- failnth_map.c ---- */

/* To be called once. */
void map_prepare(void);

int do_map_user(void);
int do_map_alloc(void);
int do_map_dmabuf(void);
int do_map_mmap(void);

/* No map is left. */
void after_map(void);

/* ---- failnth_many.c; after_map() is for these as well ---- */

/* To be called once. */
void many_prepare(void);

int do_batch(void);
int do_ring(void);

#endif /* NVDIO_FAILNTH_H */
