/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Parts of a namespace of which a program knows what they may hold (faultload.c).
 *
 * A slice is a row of units: blocks, or records that do not begin where blocks do.
 * One thread writes to it, one write at a time to each unit; any thread may read it.
 * Each write of a unit has a generation that is larger than the last. What a read may
 * return is:
 *
 *	at least	the last generation whose write had succeeded, or that a read had
 *			returned, when the read was submitted
 *	at most		the last generation that was submitted when the read ended
 *
 * so that a write which fails leaves either, and nothing that was seen is unseen.
 */
#ifndef NVDIO_FAULT_AREA_H
#define NVDIO_FAULT_AREA_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice {
	uint64_t base;		/* of the first unit, on the namespace */
	uint32_t unit, n;	/* bytes of a unit, number of units */
	uint32_t writer;
	/* Units are no blocks: a write of one may be two commands, with a read in between. */
	bool divided;
	/* For each unit, generations counted from this run's first. */
	_Atomic uint32_t *issued, *least;
	/* A write of it has failed: it may be torn, until one succeeds. */
	_Atomic bool *torn;
	bool *busy;		/* being written; its writer's own */
};

/* What a read may return, from the time of its submission. */
struct expect {
	uint32_t *least;
	bool *torn;
};

/* What was found. A number of units each. */
struct verdict {
	uint64_t good;
	uint64_t divided;	/* torn, and may be: a write was in flight, of two commands */
	uint64_t torn;		/* may be if a write was in flight that failed, or had failed */
	uint64_t broken;	/* the checksum is wrong */
	uint64_t misplaced;	/* belongs elsewhere */
	uint64_t stale;		/* older than what it has to be */
	uint64_t future;	/* newer than anything written */
};

/* The first generation of this run; before anything else. */
void area_begin(uint64_t generation);

void slice_make(struct slice *s, uint64_t base, uint32_t unit, uint32_t n, uint32_t writer);
struct expect expect_make(uint32_t n);

/* Give @n units from @first the next generation, and @buf their contents. */
void slice_write(struct slice *s, uint32_t first, uint32_t n, char *buf);
/* That write has ended. */
void slice_written(struct slice *s, uint32_t first, uint32_t n, bool success);
/* None of these is being written. */
bool slice_idle(const struct slice *s, uint32_t first, uint32_t n);

/* Before and after a read of units. */
void slice_read(struct slice *s, uint32_t first, uint32_t n, struct expect *e);
void slice_check(struct slice *s, uint32_t first, uint32_t n, const char *buf,
		 const struct expect *e, struct verdict *v);

/* Nothing is in flight: only what a failed write has left may be torn. */
void slice_check_idle(struct slice *s, const char *buf, struct verdict *v);

#endif
