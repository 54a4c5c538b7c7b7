// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "tap.h"

uint64_t t_seed;

/* Shared memory, so that a forked child's tests are numbered and counted as well. */
static struct {
	unsigned int tests, failed;
} *count;

static unsigned int next_number(void)
{
	if (!count)
		tap_begin();
	return __atomic_add_fetch(&count->tests, 1, __ATOMIC_RELAXED);
}

bool vok(bool pass, const char *fmt, va_list ap)
{
	char text[512];

	vsnprintf(text, sizeof(text), fmt, ap);
	printf("%s %u - %s\n", pass ? "ok" : "not ok", next_number(), text);
	if (!pass)
		__atomic_add_fetch(&count->failed, 1, __ATOMIC_RELAXED);
	return pass;
}

bool ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vok(pass, fmt, ap);
	va_end(ap);
	return pass;
}

bool is(long long got, long long want, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vok(got == want, fmt, ap);
	va_end(ap);
	if (got != want)
		note("  got %lld, wanted %lld", got, want);
	return got == want;
}

static const char *show(long long v, char *s, size_t len)
{
	if (v < 0)
		snprintf(s, len, "%s", strerrorname_np(-v) ?: "an unknown error");
	else
		snprintf(s, len, "%lld", v);
	return s;
}

long long reterr(long long ret)
{
	return ret == -1 ? -errno : ret;
}

bool is_ret(long long ret, long long want, const char *fmt, ...)
{
	long long got = reterr(ret);
	char a[32], b[32];
	va_list ap;

	va_start(ap, fmt);
	vok(got == want, fmt, ap);
	va_end(ap);
	if (got != want)
		note("  got %s, wanted %s", show(got, a, sizeof(a)), show(want, b, sizeof(b)));
	return got == want;
}

void t_skip(const char *fmt, ...)
{
	va_list ap;

	printf("ok %u # SKIP ", next_number());
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("# ");
	vprintf(fmt, ap);
	printf("\n");
	va_end(ap);
}

void bail(const char *fmt, ...)
{
	int err = errno;
	va_list ap;

	va_start(ap, fmt);
	printf("# cannot go on: ");
	vprintf(fmt, ap);
	printf(" (errno %s)\n", strerrorname_np(err) ?: "?");
	va_end(ap);
	exit(2);
}

uint64_t rnd(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1d;
}

uint64_t below(uint64_t *state, uint64_t n)
{
	return rnd(state) % n;
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

void tap_begin(void)
{
	const char *s = getenv("NVDIO_SEED");
	struct timespec ts;

	setvbuf(stdout, NULL, _IOLBF, 0);
	count = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
		     -1, 0);
	if (count == MAP_FAILED) {
		perror("mmap");
		exit(2);
	}
	clock_gettime(CLOCK_REALTIME, &ts);
	t_seed = s ? strtoull(s, NULL, 0) : (uint64_t)ts.tv_sec * 1000003 + ts.tv_nsec;
	t_seed |= 1;
	note("NVDIO_SEED=%" PRIu64, t_seed);
}

unsigned int tap_failed(void)
{
	return __atomic_load_n(&count->failed, __ATOMIC_RELAXED);
}

int t_end(void)
{
	printf("1..%u\n", count->tests);
	/* A program that tested nothing did not pass. */
	return count->failed || !count->tests;
}

/* ---- options and cases ---- */

#define MAX_CASES 64

static void list(const struct tap_program *p)
{
	for (unsigned int i = 0; i < p->nr; i++)
		printf("%s\n", p->cases[i].name);
}

static void usage(FILE *f, const char *name, const struct tap_program *p)
{
	fprintf(f, "usage: %s [-t CASE]... %s\n"
		"       %s -l\n\n"
		"  -t CASE  run only this case (may be repeated)\n"
		"  -l       list the cases\n\n"
		"NVDIO_SEED=N in the environment repeats a run's random numbers.\n",
		name, p->args, name);
}

static void select_case(const char *name, const struct tap_program *p, bool *selected)
{
	for (unsigned int i = 0; i < p->nr; i++) {
		if (!strcmp(p->cases[i].name, name)) {
			selected[i] = true;
			return;
		}
	}
	fprintf(stderr, "no case '%s' (-l lists them)\n", name);
	exit(2);
}

/* Returns whether "-t" was given at all. */
static bool parse(int argc, char **argv, const struct tap_program *p, bool *selected)
{
	static const struct option options[] = {
		{ "help", no_argument, NULL, 'h' },
		{ "list", no_argument, NULL, 'l' },
		{ "test", required_argument, NULL, 't' },
		{ }
	};
	bool some = false;
	int c;

	while ((c = getopt_long(argc, argv, "hlt:", options, NULL)) != -1) {
		switch (c) {
		case 'h':
			usage(stdout, argv[0], p);
			exit(0);
		case 'l':
			list(p);
			exit(0);
		case 't':
			select_case(optarg, p, selected);
			some = true;
			break;
		default:
			usage(stderr, argv[0], p);
			exit(2);
		}
	}
	return some;
}

/* Depends on the run's seed and on the case, but not on the cases before it. */
static uint64_t case_seed(uint64_t seed, const char *name)
{
	while (*name)
		seed = (seed ^ (unsigned char)*name++) * 0x100000001b3;
	return seed | 1;
}

int tap_run(int argc, char **argv, const struct tap_program *p)
{
	bool selected[MAX_CASES] = { }, some;
	double start;
	uint64_t seed;

	if (p->nr > MAX_CASES)
		bail("more than %d cases", MAX_CASES);
	some = parse(argc, argv, p, selected);
	tap_begin();
	seed = t_seed;
	if (p->begin)
		p->begin(argv + optind);
	for (unsigned int i = 0; i < p->nr; i++) {
		if (some && !selected[i])
			continue;
		start = now();
		t_seed = case_seed(seed, p->cases[i].name);
		p->cases[i].run();
		note("case %s took %.1f s", p->cases[i].name, now() - start);
	}
	return t_end();
}
