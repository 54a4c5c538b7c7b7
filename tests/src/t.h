/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the test programs here share: named cases and TAP (tap.h), the device under
 * test, its counters, and buffers with known contents.
 *
 * A program is a table of cases and
 *
 *	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
 *
 * tests/guest/lib.sh runs it in the guest (function run) and carries its TAP on.
 */
#ifndef NVDIO_TEST_H
#define NVDIO_TEST_H

#include <stdio.h>
#include <sys/types.h>

#include "tap.h"

#define KiB 1024UL
#define MiB (1024UL * KiB)
/* A page, for which the Makefile may compile (PAGE_BYTES); t_run() refuses others. */
#ifndef PG
#define PG 4096UL
#endif

/* ---- running ---- */

/*
 * Open the device that the arguments name, run the cases, print the plan; returns
 * the exit status. On a device without nvdio's counters this bails out, except with
 * NVDIO_REFERENCE=1: then the same rules are tried on a block device, whose data is
 * overwritten, and nothing is asked about counters.
 */
int t_run(int argc, char **argv, const struct t_case *cases, unsigned int nr);

/* As t_run(); @setup is called when the device is known, before the first case. */
int t_run_setup(int argc, char **argv, void (*setup)(void),
		const struct t_case *cases, unsigned int nr);

/*
 * A program's arguments after the device, up to a NULL, and how --help names them
 * (to be set before t_run()). There must be none if t_args_usage is not set.
 */
extern char **t_args;
extern const char *t_args_usage;

/* For a program without a table of cases: the device is argv[1]; ends with t_end(). */
void t_begin(int argc, char **argv);

#define NOBODY 65534

/*
 * Run @part in a child process as user and group "nobody". Its tests are counted like
 * all others. Returns its exit status: 0 if no test failed in the child.
 */
int as_nobody(void (*part)(void));

/*
 * Start a process that does @part with @arg and never returns. It is killed when its parent
 * ends. This waits until it calls child_ready(), or is gone.
 * Return: its pid; or -1 if it ended first.
 */
pid_t child_start(void (*part)(void *arg), void *arg);

/* In a child of child_start(): what the parent waits for is done. */
void child_ready(void);

/* Kill @pid, from child_start(), and wait for it; false if it had ended before. */
bool child_kill(pid_t pid);

/* ---- the device ---- */

struct device {
	const char *path;
	char name[32];		/* last part of path */
	uint64_t size;		/* bytes */
	unsigned int lba;	/* bytes */
	bool counted;		/* nvdio's counters are there */
};

extern struct device dev;

/* open(dev.path), bail when it fails. */
int dev_open(int flags);

/* The namespace's identifier. */
unsigned int dev_nsid(void);

/*
 * Path of the node of the device's controller, and of its namespace @nsid; NULL when
 * there is none. The string is static.
 */
const char *ctrl_path(void);
const char *sibling_path(unsigned int nsid);

/* open(ctrl_path()), bail when it fails. */
int ctrl_open(int flags);

/* Value of /sys/class/nvdio/NAME/@file, 0 on a reference device. */
uint64_t counter(const char *file);

/* The same of the controller; never on a reference device. */
uint64_t ctrl_counter(const char *file);

/* How many refer to the module. */
long module_refs(void);

/* Is that @want again, now or within 10 s? Then what was open is released. */
bool module_refs_settle(long want);

/* Calls that took each path since path_start(). */
struct paths {
	uint64_t direct, copy;
};

struct paths path_start(void);

/*
 * One test: since @p exactly @direct calls were zero-copy and @copy calls
 * copied. No test on a reference device.
 */
void went(struct paths p, uint64_t direct, uint64_t copy, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * As went(): all @n calls took the path that @flags (O_DIRECT or not) asks for.
 * @n == 0: any number but none.
 */
void went_by(struct paths p, int flags, uint64_t n, const char *what);

/* "direct" or "copy" for open flags. */
const char *path_name(int flags);

/* ---- data ---- */

/*
 * Bytes that depend on @seed and on their index from @from: any part of a
 * pattern can be made or checked alone.
 */
void fill(void *buf, size_t len, uint64_t seed, uint64_t from);

/* Index of the first byte that differs from the pattern, or -1. */
ssize_t differs(const void *buf, size_t len, uint64_t seed, uint64_t from);

/* One test: @buf holds the pattern. */
bool holds(const void *buf, size_t len, uint64_t seed, uint64_t from,
	   const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* Page-aligned zeroed memory in 4 KiB pages, bail when there is none. */
void *pages(size_t len);

/* Memory of which no page is there until userfaultfd @uffd provides it, or bail. */
void *missing_pages(size_t len, int *uffd);

/*
 * Does this kernel pin pages without any access for reading, for whoever asks? That of s390x
 * does, without NUMA balancing. Seen by a call that has nothing to do with the device.
 */
bool pins_prot_none(void);

/* mmap() and munmap(). Return: 0 or -errno. */
long map_error(int node, size_t len, int prot, int flags, uint64_t offset);

/*
 * Wait until the controller at @pci has a node again, perhaps under another name, if something
 * refers to the old one still.
 */
bool node_is_back(const char *pci);

/* A line for the controller of lab/vfu, bail if it refuses. */
void vfu_tell(const char *line);

/* Zeroed memory that a process shares with its children, bail when there is none. */
void *shared_memory(size_t len);

/* Write or read all of it by plain calls of any size, bail on an error. */
void put(int fd, const void *buf, size_t len, uint64_t off);
void get(int fd, void *buf, size_t len, uint64_t off);

/* Run on this CPU only, bail when that fails. */
void stay_on(int cpu);

/* Stay on one processor, which has one queue. */
void one_queue(void);

struct io_uring_sqe;
struct nvme_uring_cmd;

/* Prepare command @c for a ring with 128-byte SQEs; @op is NVME_URING_CMD_*. */
void prep_command(struct io_uring_sqe *sqe, int fd, unsigned int op,
		  const struct nvme_uring_cmd *c);

/* All bytes are 0. */
bool all_zero(const char *p, size_t len);

/* ---- reads in flight ---- */

#define FLIGHT_MAX 256

struct flight;

/*
 * Open with @flags and submit @n (at most FLIGHT_MAX) libaio reads of @len bytes each,
 * into @buf + i * @step, from 64 KiB apart.
 */
struct flight *take_off(int flags, char *buf, int n, size_t len, size_t step);

/* The file that they were submitted on; to be closed by the caller, or not. */
int flight_fd(const struct flight *f);

/*
 * Wait for all of them (30 s at most) and free @f. Returns how many came back;
 * *@whole is how many of these had their full length, *@fault how many EFAULT.
 */
int land(struct flight *f, size_t len, int *whole, int *fault);

/* io_destroy() with all in flight; frees @f. */
int flight_abandon(struct flight *f);

#endif
