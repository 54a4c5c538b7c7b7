/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the program "queues" share. */
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

/* The kinds of queues, and the device. */
extern const unsigned int types[2];
extern int fd;

const char *type_name(unsigned int type);

/* A queue, and memory of the driver's; bail when there is none. */
struct nvdio_queue *queue(unsigned int depth, unsigned int type);
struct nvdio_mem memory(size_t len);
void release(struct nvdio_mem *mem);

/* The result of the only I/O, if @prepared is 0. */
struct nvdio_done result(struct nvdio_queue *q, int prepared);

/* Two tests: a queue on @on cannot be opened. */
void open_fails(int on, unsigned int depth, unsigned int flags, int err, const char *what);

/* Cases, in queues_wait.c. */
void queues_full(void);
void queues_closes(void);
void queues_undisturbed(void);
void queues_wrong_thread(void);
void queues_forbidden(void);
void queues_held(void);
void queues_overtaken(void);
void queues_status(void);
void queues_gone(void);

/* Carries it out. Threads may have one each. Returns: all was as it should be. */
bool load_run(struct load *load);

#endif
