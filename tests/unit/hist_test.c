// SPDX-License-Identifier: GPL-2.0
/* Buckets of latencies: where they begin, against the formula that user space has. */
#include "pure/hist.h"
#include "unit.h"

/* As docs/tracing.md has it. */
static u64 lower(u32 i)
{
	const u32 e = i / 4 + 1;

	return i < 4 ? i : (4ULL + i % 4) << (e - 2);
}

static void edges(void)
{
	unsigned int begin = 0, end = 0;
	u32 i;

	for (i = 0; i < NVDIO_HIST_BUCKETS; i++)
		begin += nvdio_hist_bucket(lower(i)) == i;
	for (i = 0; i + 1 < NVDIO_HIST_BUCKETS; i++)
		end += nvdio_hist_bucket(lower(i + 1) - 1) == i;
	is(begin, NVDIO_HIST_BUCKETS, "the least of each bucket is in it");
	is(end, NVDIO_HIST_BUCKETS - 1, "and the most");
	is(nvdio_hist_bucket(~0ULL), NVDIO_HIST_BUCKETS - 1, "what is longer is in the last");
	is(nvdio_hist_bucket(1ULL << 62), NVDIO_HIST_BUCKETS - 1, "and what is less long");
}

static const struct t_case cases[] = {
	{ "edges", edges },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
