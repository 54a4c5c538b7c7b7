/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of hostile.c have in common: a program that means no good. */
#ifndef NVDIO_TEST_HOSTILE_H
#define NVDIO_TEST_HOSTILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

/*
 * The memory that its maps and its registered buffer are in, a file that its parent has mapped
 * as well: parts, of which those with odd numbers are used, the others are guards.
 */
#define PART_LEN (16 * PG)
enum { PART_MAP = 1, PART_BUFFER = 3, PART_READ_ONLY = 5, PARTS = 7 };

/*
 * The first part of the disk, which it writes to if it may; what is behind it, but for one I/O,
 * are guard blocks. Whatever bytes of two good offsets are put together, it is one of these, or
 * none at all: who copies a descriptor while it changes may find such a mixture.
 */
#define AREA (8 * MiB)

/* Pages of descriptors and of results; what is behind them is not there. */
#define TABLE_IOS 256U
#define TABLE_RESULTS (2 * PG)
#define TABLE_NOWHERE (3 * PG)
#define TABLE_LEN (4 * PG)

/* What was done, by all processes. */
struct hostile_counts {
	atomic_ulong calls;		/* batches, or calls of ENTER */
	atomic_ulong taken;		/* descriptors */
	atomic_ulong bad_calls;		/* which were refused as a whole */
	atomic_ulong maps, deleted, rings, lost_rings, unmapped, forks;
};

/* A process. */
struct hostile {
	struct hostile_counts *n;
	int node;			/* where its I/Os go */
	int maps_node;			/* where its maps are from */
	bool writes;			/* @node is open for that */
	bool ranged;			/* @node is a range */
	uint32_t foreign;		/* a map of its parent's */
	int memory, table;		/* files */
	char *alias, *view;		/* both of @memory; the view comes and goes */
	char *table_alias, *table_view;
	atomic_uint map, alloc, read_only;	/* identifiers */
	atomic_bool stop;
};

extern struct hostile h;

/* A descriptor, of which something may be wrong; @batch: of a batch. */
struct nvdio_io hostile_io(uint64_t *rng, bool batch);

/* Change @io, or only a member of it. */
void hostile_change(struct nvdio_io *io, uint64_t *rng, bool batch);

/*
 * Start the threads of a kind of I/O; returns how many, at most HOSTILE_THREADS. @polls: by
 * rings of which most have IOPOLL.
 */
#define HOSTILE_THREADS 8U
struct hostile_thread {
	void *(*run)(void *arg);
	void *arg;
};

unsigned int hostile_batches(struct hostile_thread *t, bool polls);
unsigned int hostile_rings(struct hostile_thread *t);

#endif
