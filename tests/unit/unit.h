/* SPDX-License-Identifier: GPL-2.0 */
/* TAP, seeds and random numbers for the unit tests; one file each, so inline. */
#ifndef NVDIO_UNIT_H
#define NVDIO_UNIT_H

#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static unsigned int unit_tests, unit_failed;

__attribute__((format(printf, 2, 3)))
static inline bool ok(bool pass, const char *fmt, ...)
{
	va_list ap;

	unit_tests++;
	unit_failed += !pass;
	printf("%s - ", pass ? "ok" : "not ok");
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	printf("\n");
	return pass;
}

static inline int unit_end(void)
{
	return unit_failed || !unit_tests;
}

/* NVDIO_SEED, or one from the clock. */
static inline uint64_t unit_seed(void)
{
	const char *s = getenv("NVDIO_SEED");
	struct timespec ts;
	uint64_t seed;

	setvbuf(stdout, NULL, _IOLBF, 0);
	clock_gettime(CLOCK_REALTIME, &ts);
	seed = s ? strtoull(s, NULL, 0) :
		   (uint64_t)ts.tv_sec * 1000003 + ts.tv_nsec;
	printf("# NVDIO_SEED=%" PRIu64 "\n", seed);
	return seed | 1;
}

static inline uint64_t rnd(uint64_t *s)
{
	uint64_t x = *s;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*s = x;
	return x * 0x2545f4914f6cdd1d;
}

static inline uint64_t below(uint64_t *s, uint64_t n)
{
	return (rnd(s) >> 8) % n;
}

#endif
