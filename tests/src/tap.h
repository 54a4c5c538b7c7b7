/* SPDX-License-Identifier: GPL-2.0 */
/*
 * TAP output, named cases, seeds and random numbers: everything that the test
 * programs (t.h) and the unit tests (../unit) have in common.
 *
 * A program is a table of cases and a main() that hands it to t_run(), or to
 * tap_run() where there is no device. It prints numbered TAP with the plan at the
 * end, and exits with 0 when all tests passed, 1 when one failed, and 2 when it
 * could not go on.
 */
#ifndef NVDIO_TAP_H
#define NVDIO_TAP_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef ARRAY_SIZE
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#endif

/* A behaviour under test; @name is what "-t NAME" selects. */
struct t_case {
	const char *name;
	void (*run)(void);
};

struct tap_program {
	const char *args;		/* the arguments after the options, for --help */
	void (*begin)(char **args);	/* called once before the first case; may be NULL */
	const struct t_case *cases;
	unsigned int nr;
};

/*
 * Parse the options (-t NAME, -l, --help), run the selected cases, print the plan.
 * Returns the exit status for main(). Each case starts from a seed of its own, so
 * NVDIO_SEED=N repeats a case's random numbers also when it runs alone.
 */
int tap_run(int argc, char **argv, const struct tap_program *program);

/* What tap_run() does before and after the cases, for a program without a table. */
void tap_begin(void);
int t_end(void);

/* How many tests failed so far. */
unsigned int tap_failed(void);

/* NVDIO_SEED, or taken from the clock; never 0. */
extern uint64_t t_seed;

/* One test: prints "ok" or "not ok" with a number and the text; returns @pass. */
bool ok(bool pass, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool vok(bool pass, const char *fmt, va_list ap);

/* One test: passes when @got == @want, else shows both. */
bool is(long long got, long long want, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * One test of a system call's result: @ret is what it returned, errno is read
 * immediately. @want >= 0 is a return value, @want < 0 a negated errno.
 */
bool is_ret(long long ret, long long want, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* -errno of the last call when @ret is -1, else @ret. */
long long reterr(long long ret);

/*
 * What follows cannot be tested here: prints "ok N # SKIP reason", which
 * tests/run reports. The caller returns from its case.
 */
void t_skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A comment in the TAP stream. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The program cannot go on: prints why and exits with status 2. */
_Noreturn void bail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Monotonic seconds. */
double now(void);

/* xorshift64*: the next number of *@state, and one below @n. */
uint64_t rnd(uint64_t *state);
uint64_t below(uint64_t *state, uint64_t n);

#endif
