// SPDX-License-Identifier: GPL-2.0
/*
 * Where the controller memory buffer is: registers that make sense, and random ones,
 * by the words of NVMe Base 2.0, 3.1.3.11 and 3.1.3.12.
 */
#include "pure/cmb.h"
#include "unit.h"

#define PAGE 4096ULL
#define DATA 0x18U		/* RDS, WDS */

static const u64 bars[NVDIO_CMB_BARS] = { 0x8000, 0, 16 << 20, 0, 1ULL << 40, 0 };
static struct nvdio_cmb_place place;

static int locate(u32 bir, u32 ofst, u32 sz, u32 szu, u32 flags)
{
	return nvdio_cmb_locate(bir | ofst << 12, sz << 12 | szu << 8 | flags, bars, PAGE, &place);
}

static void there(u32 bir, u32 ofst, u32 sz, u32 szu, u64 offset, u64 size)
{
	is(locate(bir, ofst, sz, szu, DATA), 0, "BIR %u, OFST %u, SZ %u, SZU %u", bir, ofst, sz,
	   szu);
	ok(place.bir == bir && place.offset == offset && place.size == size,
	   "is where it says: BAR %u, %llu bytes at %llu", place.bir,
	   (unsigned long long)place.size, (unsigned long long)place.offset);
}

static void good(void)
{
	there(2, 0, 16, 2, 0, 16 << 20);
	there(2, 0, 4096, 0, 0, 16 << 20);
	there(2, 15, 1, 2, 15 << 20, 1 << 20);
	there(2, 4095, 1, 0, 4095 << 12, 4096);
	there(4, 1, 15, 6, 1ULL << 36, 15ULL << 36);
}

static void directions(void)
{
	is(locate(2, 0, 16, 2, 0x18), 0, "data of both directions");
	ok(place.size && place.io, "is for I/O");
	is(locate(2, 0, 16, 2, 0x08), 0, "data of reads only");
	ok(place.size && !place.io, "is not for I/O");
	is(locate(2, 0, 16, 2, 0x10), 0, "data of writes only");
	ok(place.size && !place.io, "is not either");
	is(locate(2, 0, 16, 2, 0x07), 0, "queues and lists only");
	ok(!place.size && !place.io, "is none");
}

static void refused(int ret, const char *what)
{
	is(ret, -EINVAL, "%s is refused", what);
	is(place.size, 0, "and has no size");
}

static void lies(void)
{
	refused(locate(2, 0, 17, 2, DATA), "one unit more than the BAR");
	refused(locate(2, 1, 16, 2, DATA), "a buffer that leaves the BAR");
	refused(locate(2, 16, 1, 2, DATA), "one that begins at the BAR's end");
	refused(locate(2, 0xfffff, 1, 6, DATA), "one far away");
	refused(locate(2, 0xfffff, 0xfffff, 6, DATA), "the largest");
	refused(locate(2, 0, 1, 7, DATA), "a reserved unit");
	refused(locate(2, 0, 1, 15, DATA), "another one");
	refused(locate(0, 1, 1, 0, DATA), "BAR 0");
	refused(locate(1, 0, 1, 0, DATA), "BAR 1");
	refused(locate(3, 0, 1, 0, DATA), "the upper half of a BAR");
	refused(locate(6, 0, 1, 0, DATA), "BAR 6");
	refused(locate(7, 0, 1, 0, DATA), "BAR 7");
	is(nvdio_cmb_locate(2, 1 << 12 | DATA, bars, 65536, &place), -EINVAL,
	   "less than a page is refused");
	is(nvdio_cmb_locate(2 | 1 << 12, 16 << 12 | DATA, bars, 65536, &place), -EINVAL,
	   "so is what begins within one");
}

static void none(void)
{
	is(locate(2, 0, 0, 2, DATA), 0, "a size of 0");
	is(place.size, 0, "is none");
	is(locate(2, 0, 1, 2, 0x7), 0, "queues and lists alone");
	is(place.size, 0, "are none for data");
	is(locate(2, 0, 1, 2, 0x8), 0, "Reads alone");
	is(place.size, 1 << 20, "are");
	is(locate(7, 0xfffff, 0, 15, DATA), 0, "nonsense with a size of 0");
	is(place.size, 0, "is none");
}

static void random_registers(void)
{
	unsigned int inside = 0, wrong = 0;

	for (int i = 0; i < 1000000; i++) {
		u64 r = rnd(&t_seed);
		/* Small numbers, of which some fit. */
		u32 loc = (u32)r & (i & 1 ? 0xffffffff : 0x00007007);
		u32 sz = (u32)(r >> 32) & (i & 2 ? 0xffffffff : 0x0000f21f);

		if (nvdio_cmb_locate(loc, sz, bars, PAGE, &place) || !place.size)
			continue;
		inside++;
		if (!place.bir || place.bir >= NVDIO_CMB_BARS || place.size % PAGE ||
		    place.offset % PAGE || place.size > bars[place.bir] ||
		    place.offset + place.size > bars[place.bir])
			wrong++;
	}
	ok(inside > 1000, "random registers: %u are a buffer", inside);
	is(wrong, 0, "all of them inside of their BAR");
}

static const struct t_case cases[] = {
	{ "good", good },
	{ "directions", directions },
	{ "lies", lies },
	{ "none", none },
	{ "random_registers", random_registers },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
