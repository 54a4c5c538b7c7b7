/* SPDX-License-Identifier: GPL-2.0 */
/* What queues.c and queues_load.c share: random I/O by libnvdio. */
#ifndef NVDIO_TEST_QUEUES_H
#define NVDIO_TEST_QUEUES_H

#include "libnvdio.h"
#include "t.h"

#define CELL		(64 * KiB)	/* of the device; one I/O uses one */
#define SLOT		(CELL + PG)	/* of memory; likewise */
#define STRIDE		(128 * KiB)	/* from slot to slot: none is in two huge pages */
#define CELLS		64U
#define AREA		(CELLS * CELL)
#define LOAD_DEPTH	48U
#define LOAD_MEM	(LOAD_DEPTH * STRIDE)

/**
 * struct load - random reads and writes, all contents compared
 * @q: queue, of LOAD_DEPTH I/Os
 * @mem: memory of LOAD_MEM bytes each
 * @nr_mem: how many
 * @base: where on the device, AREA bytes from there on
 * @model: what is there, AREA bytes
 * @most: bytes of the longest I/O
 * @seed: for random numbers
 * @ios: how many
 * @why: set to what went wrong, or left as it is
 */
struct load {
	struct nvdio_queue *q;
	const struct nvdio_mem *mem;
	unsigned int nr_mem;
	uint64_t base;
	char *model;
	uint32_t most;
	uint64_t seed;
	unsigned int ios;
	char why[120];
};

/* Carries it out. Threads may have one each. Returns: all was as it should be. */
bool load_run(struct load *load);

#endif
