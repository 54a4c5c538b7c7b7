/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every test program here shares: TAP output, the device under test,
 * its counters, and buffers with known contents.
 *
 * A program is `int main(argc, argv)`: t_begin(), any number of ok()/is(),
 * and `return t_end();`. TAP numbers and the plan are left to the caller
 * (tests/guest/run), so that many programs make one TAP stream.
 */
#ifndef NVDIO_TEST_H
#define NVDIO_TEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define KiB 1024UL
#define MiB (1024UL * KiB)
#define PG 4096UL

/* ---- TAP ---- */

/* One test: prints "ok" or "not ok" with the text; returns @pass. */
bool ok(bool pass, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* One test: passes when @got == @want; else shows both. */
bool is(long long got, long long want, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * One test of a system call's result: @ret is what it returned, errno is read
 * at once. @want >= 0 is a return value, @want < 0 a negated errno.
 */
bool is_ret(long long ret, long long want, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* A remark in the TAP stream. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The test cannot go on: prints why and exits with status 2. */
_Noreturn void bail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Exit status for main: 0 when every test so far passed. */
int t_end(void);

/* -errno of the last call when @ret is -1, else @ret. */
long long reterr(long long ret);

/* ---- the device ---- */

struct device {
	const char *path;
	char name[32];		/* last part of path */
	uint64_t size;		/* bytes */
	unsigned int lba;	/* bytes */
	bool counted;		/* nvdio's counters are there */
};

extern struct device dev;
extern uint64_t t_seed;		/* NVDIO_SEED, else from the clock; printed */

/*
 * Read argv: the device's path first. On a device without nvdio's counters it
 * bails out, except with NVDIO_REFERENCE=1: then the same rules are tried on a
 * block device (its data is overwritten), and questions about counters are not
 * asked.
 */
void t_begin(int argc, char **argv);

/* open(dev.path), bail when it fails. */
int dev_open(int flags);

/* Value of /sys/class/nvdio/NAME/@file, 0 on a reference device. */
uint64_t counter(const char *file);

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

/* Write or read all of it by plain calls of any size, bail on an error. */
void put(int fd, const void *buf, size_t len, uint64_t off);
void get(int fd, void *buf, size_t len, uint64_t off);

/* xorshift64*: the next number of *@state, and one below @n. */
uint64_t rnd(uint64_t *state);
uint64_t below(uint64_t *state, uint64_t n);

/* Stay on one processor, which has one queue. */
void one_queue(void);

struct io_uring_sqe;
struct nvme_uring_cmd;

/* Prepare command @c for a ring with 128-byte SQEs; @op is NVME_URING_CMD_*. */
void prep_command(struct io_uring_sqe *sqe, int fd, unsigned int op,
		  const struct nvme_uring_cmd *c);

/* Monotonic seconds. */
double now(void);

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
