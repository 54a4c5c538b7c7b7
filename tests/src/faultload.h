/* SPDX-License-Identifier: GPL-2.0 */
/* What faultload.c and the ways in which it does I/O, fault_engines.c, share. */
#ifndef NVDIO_FAULTLOAD_H
#define NVDIO_FAULTLOAD_H

#include <libaio.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>

#include "fault_area.h"
#include "t.h"

#define DEPTH		8
#define SLICE		MiB		/* bytes of a worker */
#define LONG		(160 * KiB)	/* the longest I/O */
#define LONG_CMD	(32 * KiB)	/* the same of passthrough, which is one command */
#define ROOM		(LONG + 3 * PG)	/* of a buffer: two more blocks, any offset in a page */
#define RECORD		704		/* bytes of a unit that is no block */
#define GUARD		0x5a		/* memory that nobody may write to */
#define PENDING		(-EINPROGRESS)	/* the I/O ends later */

struct worker;

struct io {
	struct worker *w;
	struct slice *s;
	bool write;
	uint32_t first, n;		/* units */
	size_t lead, len;		/* bytes in front of the units; of all */
	uint64_t off;
	char *room;			/* ROOM bytes between two guard pages */
	char *buf;			/* somewhere in it */
	size_t guarded;			/* of buf, since its last read ended */
	struct expect expect;
	uint32_t seq;
	atomic_ullong since;		/* ms; 0: not in flight */
	struct iocb cb;
	struct nvme_uring_cmd cmd;
};

struct engine {
	const char *name;
	int flags;			/* of open */
	unsigned int depth;
	bool records, commands, fixed;
	void (*begin)(struct worker *w);	/* may be NULL */
	/* PENDING, or what the call returned. */
	int (*submit)(struct io *io);
	void (*reap)(struct worker *w);	/* may be NULL */
};

struct worker {
	const struct engine *e;
	pthread_t thread;
	struct slice slice;
	int fd;
	uint64_t state;
	struct io io[DEPTH];
	unsigned int in_flight, ops;
	bool gone;
	atomic_bool ended;
	io_context_t aio;
	struct io_uring ring;
	/* counts */
	atomic_ullong completed, failed, failed_writes, doubled, acked;
	atomic_uint by_errno[256], by_status[2048];
	struct verdict v;
	uint64_t short_ones, stray;
};

extern const struct engine fault_engines[];
extern const unsigned int nr_fault_engines;

/* The namespace that passthrough commands are for. */
extern unsigned int fault_nsid;

/*
 * An engine's completion: @data is the ticket that it was submitted with. Counted as
 * doubled if no such I/O is in flight.
 */
void io_completed(struct worker *w, uint64_t data, int res);

/* The I/O that a completion is of: its place and number. */
static inline uint64_t io_ticket(const struct io *io)
{
	return (uint64_t)io->seq << 8 | (io - io->w->io);
}

/* An error that does not end an I/O, of fdatasync(). */
void count_error(struct worker *w, int res);

#endif
