// SPDX-License-Identifier: GPL-2.0
/*
 * What of a namespace a descriptor reaches: the edges, and random spans of spans of
 * namespaces that change, against additions that say whether they overflow.
 */
#include "pure/range.h"
#include "unit.h"

#define LBA 4096ULL
#define MASK ((u32)LBA - 1)
#define TOP (1ULL << 63)

static struct nvdio_span part;

static int narrow(const struct nvdio_span *of, u64 size, u64 start, u64 len)
{
	part = (struct nvdio_span){ 1, 1 };
	return nvdio_span_narrow(of, size, MASK, start, len, &part);
}

static void refused(int want, const struct nvdio_span *of, u64 size, u64 start, u64 len,
		    const char *what)
{
	is(narrow(of, size, start, len), want, "%s", what);
	ok(part.start == 1 && part.end == 1, "%s: nothing is set", what);
}

static void edges(void)
{
	const struct nvdio_span of = { 4 * LBA, 8 * LBA };
	const u64 size = 16 * LBA;

	is(narrow(NULL, size, 0, size), 0, "all of the namespace");
	ok(part.start == 0 && part.end == size, "is all of it");
	is(narrow(NULL, size, 15 * LBA, LBA), 0, "the last block");
	ok(part.start == 15 * LBA && part.end == size, "is the last block");
	refused(-ERANGE, NULL, size, 16 * LBA, LBA, "one behind the last");
	refused(-ERANGE, NULL, size, 15 * LBA, 2 * LBA, "the last one, and one more");
	refused(-ERANGE, NULL, size, 0, size + LBA, "one more than there are");
	is(narrow(&of, size, 0, 4 * LBA), 0, "all of a span");
	ok(part.start == of.start && part.end == of.end, "is that span");
	is(narrow(&of, size, 3 * LBA, LBA), 0, "its last block");
	ok(part.start == 7 * LBA && part.end == 8 * LBA, "is that one");
	refused(-ERANGE, &of, size, 4 * LBA, LBA, "one behind it");
	refused(-ERANGE, &of, size, 3 * LBA, 2 * LBA, "beyond the end of a span");
	refused(-ERANGE, &of, 6 * LBA, LBA, 2 * LBA, "beyond the end of what has shrunk");
	refused(-ERANGE, &of, 4 * LBA, 0, LBA, "a span that is gone");
}

static void blocks(void)
{
	refused(-EINVAL, NULL, 16 * LBA, 0, 0, "nothing");
	refused(-EINVAL, NULL, 16 * LBA, 1, LBA, "a start within a block");
	refused(-EINVAL, NULL, 16 * LBA, 0, LBA + 512, "a part of a block");
	refused(-EINVAL, NULL, 16 * LBA, 512, LBA - 512, "the end of a block");
}

static void overflow(void)
{
	const struct nvdio_span of = { 4 * LBA, 8 * LBA };
	const struct nvdio_span high = { TOP - 8 * LBA, TOP - 4 * LBA };

	refused(-ERANGE, NULL, 16 * LBA, -LBA, LBA, "a sum of 0");
	refused(-ERANGE, NULL, 16 * LBA, -LBA, 2 * LBA, "a sum of a block");
	refused(-ERANGE, NULL, 16 * LBA, 4 * LBA, -2 * LBA, "a length that wraps");
	refused(-ERANGE, NULL, 16 * LBA, -LBA, -LBA, "the largest numbers");
	refused(-ERANGE, &of, 16 * LBA, -4 * LBA, LBA, "the first block, from before a span");
	refused(-ERANGE, &of, 16 * LBA, -LBA, 2 * LBA, "a start before a span");
	refused(-ERANGE, &of, 16 * LBA, TOP, LBA, "2^63");
	refused(-ERANGE, &high, TOP - LBA, TOP, LBA, "2^63 more");
	is(narrow(&high, TOP - LBA, 3 * LBA, LBA), 0, "the last block of a high span");
	ok(part.start == TOP - 5 * LBA && part.end == TOP - 4 * LBA, "is where it is");
}

/* A number that is often near an edge. */
static u64 number(u64 size)
{
	const u64 r = rnd(&t_seed);

	switch (r % 8) {
	case 0:
		return r;
	case 1:
		return -(r >> 8) % (4 * LBA);
	case 2:
		return size + (r >> 8) % (4 * LBA) - 2 * LBA;
	case 3:
		return TOP + (r >> 8) % (4 * LBA) - 2 * LBA;
	default:
		return (r >> 8) % (size + 1);
	}
}

static u64 block(u64 size)
{
	return number(size) & ~(u64)MASK;
}

static void random_spans(void)
{
	unsigned int good = 0, wrong = 0, outside = 0;

	for (int i = 0; i < 1000000; i++) {
		const u64 size = (1 + rnd(&t_seed) % 64) * LBA;
		const u64 first = rnd(&t_seed) % (size / LBA);
		const u64 nr = 1 + rnd(&t_seed) % (size / LBA - first);
		const struct nvdio_span of = { LBA * first, LBA * (first + nr) };
		/* It may have changed since. */
		const u64 now = i & 1 ? size : rnd(&t_seed) % 80 * LBA;
		const u64 end = now < of.end ? now : of.end;
		const u64 start = block(size), len = block(size);
		u64 at = start, stop;
		const bool inside = len && !__builtin_add_overflow(start, len, &stop) &&
				    end > of.start && stop <= end - of.start;

		good += inside;
		wrong += (narrow(&of, now, start, len) == 0) != inside;
		if (inside)
			outside += part.start != of.start + start || part.end != of.start + stop ||
				   part.start < of.start || part.end > of.end;
		wrong += nvdio_span_size(&of, now) != (end > of.start ? end - of.start : 0);
		/* Nothing is anywhere that the position allows, also behind the namespace. */
		if (len && nvdio_span_place(&of, now, &at, len))
			outside += at != of.start + start || at + len > end;
		else if (len)
			outside += at != start || inside;
	}
	ok(good > 10000, "random spans: %u are inside", good);
	is(wrong, 0, "as many as should be, and of the right size");
	is(outside, 0, "none is outside");
}

static const struct t_case cases[] = {
	{ "edges", edges },
	{ "blocks", blocks },
	{ "overflow", overflow },
	{ "random_spans", random_spans },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
