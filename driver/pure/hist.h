/* SPDX-License-Identifier: GPL-2.0 */
/* Buckets of latency histograms: powers of two, each divided in four. */
#ifndef NVDIO_HIST_PURE_H
#define NVDIO_HIST_PURE_H

#include "pure/pure.h"

/* log2 of the number of buckets from one power of two to the next. */
#define NVDIO_HIST_SUB_BITS	2
/* The last begins at 120 s, and has all that is longer. */
#define NVDIO_HIST_BUCKETS	144U

/**
 * nvdio_hist_bucket() - the bucket of a latency
 * @ns: nanoseconds
 *
 * Context: any.
 * Return: 0 to NVDIO_HIST_BUCKETS - 1: below 4 @ns itself, otherwise
 * 4 * (e - 1) + the two bits below the highest, which is bit e.
 */
static inline u32 nvdio_hist_bucket(u64 ns)
{
	u32 shift, bucket;

	if (ns >> (NVDIO_HIST_SUB_BITS + 1) == 0)
		return ns;
	shift = 63 - NVDIO_HIST_SUB_BITS - __builtin_clzll(ns);
	/* The highest bit of what is left counts as one more power of two. */
	bucket = (shift << NVDIO_HIST_SUB_BITS) + (u32)(ns >> shift);
	return bucket < NVDIO_HIST_BUCKETS ? bucket : NVDIO_HIST_BUCKETS - 1;
}

#endif /* NVDIO_HIST_PURE_H */
