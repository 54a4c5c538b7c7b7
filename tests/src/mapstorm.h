/* SPDX-License-Identifier: GPL-2.0 */
/* What mapstorm.c, which runs the processes, has for mapstorm_user.c. */
#ifndef NVDIO_MAPSTORM_H
#define NVDIO_MAPSTORM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

#define KNOWN (4 * MiB)		/* of the disk, from 0: a pattern that nobody changes */
#define OWN (512 * KiB)		/* of the disk, for each thread that writes */
#define OWN_AT(i) (8 * MiB + (i) * OWN)
#define NR 32			/* pages of a map */
#define DEEP 8			/* reads in flight, of STEP bytes each */
#define STEP (4 * PG)
#define WORKERS 15

/* What all processes share. */
extern struct storm {
	atomic_bool stop;	/* end after this pass */
	atomic_bool unbound;	/* every call may fail */
	atomic_uint passes[WORKERS], wrong, hit;
	char what[128];		/* the first that went wrong */
} *shared;

/* Of this process: its number, random numbers, the namespace. */
extern unsigned int me;
extern uint64_t state;
extern int fd;

/* Something has gone wrong. */
void wrong(const char *what, long got);

/* A call that cannot go on ends the process; that is wrong unless the driver is unbound. */
void must(long got, long want, const char *what);

/* @p holds @len bytes of pattern @seed, those from @from on. */
void pattern(const char *p, size_t len, uint64_t seed, uint64_t from, const char *what);

/* Memory: of the node, at @at or anywhere; NR new pages of it; and of the program. */
char *map_at(void *at, size_t len, int flags, uint64_t offset);
char *map_new(void);
char *ordinary(void *at, size_t len);

/* Where to read @len known bytes, and doing so. */
uint64_t known(uint64_t *random, size_t len);
void read_known(char *p, size_t len, const char *what);

/* DEEP reads into @p, of the same part of the disk as every other such read; and their end. */
void depart(char *p);
void arrive(const char *what);

/* Something else comes to @p, where reads are in flight; they arrive, and it is unmapped. */
void replace(char *p, bool unmap_first);

/* ---- mapstorm_user.c: one pass of each ---- */

bool have_dmabufs(void);

void registered(void);
void by_id(void);
void shared_id(void);
void dmabufs(void);
void rings(void);
void user_ends(void);

#endif /* NVDIO_MAPSTORM_H */
