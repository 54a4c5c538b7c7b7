// SPDX-License-Identifier: GPL-2.0
/* Indices of rings without io_uring: sizes, room, wraps, and what a program may write. */
#include "pure/ring.h"
#include "unit.h"

static struct nvdio_ring_size size;

static int asked(u32 sq, u32 cq)
{
	return nvdio_ring_size(sq, cq, &size);
}

static void sizes(void)
{
	is(asked(8, 16), 0, "8 and 16 entries");
	is(size.sq_entries, 8, "are 8");
	is(size.cq_entries, 16, "and 16");
	is(size.sq_off, 256, "behind the indices");
	is(size.cq_off, 256 + 8 * 32, "one behind the other");
	is(size.bytes, 256 + 8 * 32 + 16 * 16, "and that is all");
	is(asked(5, 0), 0, "5 entries");
	is(size.sq_entries, 8, "are 8");
	is(size.cq_entries, 16, "and twice as many completions");
	is(asked(1, 0), 0, "1 entry");
	ok(size.sq_entries == 1 && size.cq_entries == 2, "is one, and 2 completions");
	ok(size.cq_off == 256 + 64, "on a cache line of their own");
	is(asked(5, 7), 0, "as many");
	ok(size.sq_entries == 8 && size.cq_entries == 8, "after rounding");
	is(asked(NVDIO_RING_SQ_MAX, NVDIO_RING_CQ_MAX), 0, "the most");
	ok(size.sq_entries == NVDIO_RING_SQ_MAX && size.cq_entries == NVDIO_RING_CQ_MAX,
	   "are so many");
	is(asked(NVDIO_RING_SQ_MAX, 0), 0, "the most, and twice as many");
	is(asked(0, 1), -EINVAL, "none is refused");
	is(asked(NVDIO_RING_SQ_MAX + 1, 0), -EINVAL, "one too many is");
	is(asked(1, NVDIO_RING_CQ_MAX + 1), -EINVAL, "one completion too many is");
	is(asked(9, 8), -EINVAL, "fewer completions are");
	is(asked(0xffffffff, 0xffffffff), -EINVAL, "nonsense is");
	is(asked(1, 0xffffffff), -EINVAL, "so is this");
}

static void between(void)
{
	is(nvdio_ring_between(5, 5, 8), 0, "nothing");
	is(nvdio_ring_between(5, 13, 8), 8, "all");
	is(nvdio_ring_between(5, 14, 8), NVDIO_RING_BROKEN, "one more");
	is(nvdio_ring_between(5, 4, 8), NVDIO_RING_BROKEN, "one less");
	is(nvdio_ring_between(0xfffffffe, 2, 8), 4, "over 2^32");
	is(nvdio_ring_between(0xfffffffe, 0xfffffffd, 8), NVDIO_RING_BROKEN, "back from there");
	is(nvdio_ring_between(0, 0x80000000, 8), NVDIO_RING_BROKEN, "far away");
}

static void room(void)
{
	is(nvdio_ring_room(0, 0, 0, 8), 8, "all of it");
	is(nvdio_ring_room(3, 0, 0, 8), 5, "3 in flight");
	is(nvdio_ring_room(3, 3, 0, 8), 5, "3 not seen");
	is(nvdio_ring_room(3, 3, 3, 8), 8, "3 seen");
	is(nvdio_ring_room(8, 0, 0, 8), 0, "8 in flight");
	is(nvdio_ring_room(8, 8, 0, 8), 0, "8 not seen");
	is(nvdio_ring_room(8, 2, 3, 8), NVDIO_RING_BROKEN, "one seen that there is not yet");
	is(nvdio_ring_room(8, 2, 0x80000002, 8), NVDIO_RING_BROKEN, "very many of these");
	is(nvdio_ring_room(12, 8, 1, 8), 0, "the program has gone back");
	is(nvdio_ring_room(12, 8, 0xffffffff, 8), NVDIO_RING_BROKEN, "very far");
	is(nvdio_ring_room(1, 0xffffffff, 0xfffffffe, 8), 5, "over 2^32");
}

static void reached(void)
{
	ok(nvdio_ring_reached(5, 5) && nvdio_ring_reached(6, 5) && !nvdio_ring_reached(4, 5),
	   "before, at, behind");
	ok(nvdio_ring_reached(2, 0xfffffffe) && !nvdio_ring_reached(0xfffffffe, 2), "over 2^32");
}

/*
 * A ring by the rules, against a count of what is in flight, and a program that writes
 * any index: there is never more in flight than entries.
 */
static void random_program(void)
{
	const u32 entries = 64;
	u32 sent = NVDIO_RING_START, posted = sent, reaped = sent;
	unsigned int wrong = 0, lost = 0, refused = 0, moved = 0;

	for (int i = 0; i < 2000000; i++) {
		const u32 r = below(&t_seed, 100);
		u32 said = reaped, n;

		if (r < 40 && posted != sent) {
			posted += 1 + below(&t_seed, sent - posted);
		} else if (r < 70 && reaped != posted && posted - reaped <= entries) {
			reaped += 1 + below(&t_seed, posted - reaped);
		} else {
			if (r > 97)
				said += below(&t_seed, 200) - 100;
			else if (r > 96)
				said = rnd(&t_seed);
			n = nvdio_ring_room(sent, posted, said, entries);
			if (n == NVDIO_RING_BROKEN) {
				refused++;
				continue;
			}
			if (said == reaped && n != entries - (sent - reaped) &&
			    sent - reaped <= entries)
				lost++;
			n = below(&t_seed, n + 1);
			sent += n;
			moved += n;
			/* Its lie is the truth from now on. */
			if (n)
				reaped = said;
		}
		if (sent - posted > entries)
			wrong++;
	}
	is(wrong, 0, "never more in flight than there are entries");
	is(lost, 0, "an honest program gets all of the room");
	ok(refused > 1000 && moved > 100000, "%u refused, %u sent", refused, moved);
}

static const struct t_case cases[] = {
	{ "sizes", sizes },
	{ "between", between },
	{ "room", room },
	{ "reached", reached },
	{ "random_program", random_program },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
