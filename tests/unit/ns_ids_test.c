// SPDX-License-Identifier: GPL-2.0
/*
 * Namespace identifiers: well-formed lists of descriptors, and random bytes in memory of
 * exactly their size; and which pairs of namespaces differ.
 */
#include "unit.h"

#include "pure/ns_ids.h"

static u64 state;

static size_t add(u8 *list, size_t at, u8 type, u8 len, u8 fill)
{
	list[at] = type;
	list[at + 1] = len;
	list[at + 2] = 0xee;
	list[at + 3] = 0xee;
	memset(list + at + 4, fill, len);
	return at + 4 + len;
}

static bool is_all(const u8 *p, size_t len, u8 fill)
{
	while (len--) {
		if (*p++ != fill)
			return false;
	}
	return true;
}

static void lists(void)
{
	struct nvdio_ns_ids ids = { };
	u8 list[4096] = { };
	size_t at = 0;

	at = add(list, at, 2, 16, 0x22);
	at = add(list, at, 9, 255, 0x99);
	at = add(list, at, 1, 7, 0x77);
	at = add(list, at, 1, 8, 0x11);
	at = add(list, at, 3, 16, 0x33);
	at = add(list, at, 4, 1, 0x02);
	nvdio_ns_ids_parse(&ids, list, sizeof(list));
	ok(ids.listed && is_all(ids.eui64, 8, 0x11) &&
	   is_all(ids.nguid, 16, 0x22) && is_all(ids.uuid, 16, 0x33) &&
	   ids.csi == 2,
	   "A11: all identifiers are found, malformed descriptors are skipped");

	memset(&ids, 0, sizeof(ids));
	memset(list, 0, sizeof(list));
	at = add(list, 0, 1, 8, 0x11);
	list[at] = 2;
	add(list, at + 4, 3, 16, 0x33);
	nvdio_ns_ids_parse(&ids, list, sizeof(list));
	ok(is_all(ids.eui64, 8, 0x11) && is_all(ids.uuid, 16, 0),
	   "A11: a length of 0 ends the list");
}

/* ASan checks that nothing is read outside of the list. */
static void random_lists(void)
{
	unsigned int i, j;

	state = t_seed;
	for (i = 0; i < 20000; i++) {
		size_t len = below(&state, 80);
		u8 *list = malloc(len);
		struct nvdio_ns_ids ids = { };

		for (j = 0; j < len; j++)
			list[j] = below(&state, 4) ? below(&state, 20) :
						     rnd(&state);
		nvdio_ns_ids_parse(&ids, list, len);
		free(list);
	}
	ok(true, "A11: %u lists of random bytes of any length", i);
}

/* One kind of identifier, with the values @x and @y (0: none), listed or not. */
static unsigned int pair(unsigned int kind, unsigned int listed, u8 x, u8 y)
{
	struct nvdio_ns_ids a = { .listed = listed & 1 }, b = { .listed = listed & 2 };
	bool want = x != y && (listed == 3 || (x && y));

	if (kind == 0) {
		a.eui64[7] = x;
		b.eui64[7] = y;
	} else if (kind == 1) {
		a.nguid[15] = x;
		b.nguid[15] = y;
	} else {
		a.uuid[0] = x;
		b.uuid[0] = y;
	}
	return (nvdio_ns_ids_differ(&a, &b) != want) + (nvdio_ns_ids_differ(&b, &a) != want);
}

static void pairs(void)
{
	unsigned int wrong = 0, nr;

	for (nr = 0; nr < 3 * 4 * 3 * 3; nr++)
		wrong += pair(nr / 36, nr / 9 % 4, nr / 3 % 3, nr % 3);
	ok(!wrong, "A11: %u pairs of namespaces: which ones differ", nr);
}

static void command_sets(void)
{
	struct nvdio_ns_ids a = { .listed = true }, b = a;

	b.csi = 2;
	ok(nvdio_ns_ids_differ(&a, &b), "A11: another command set");
	b.listed = false;
	ok(!nvdio_ns_ids_differ(&a, &b), "A11: an unknown command set");
}

static const struct t_case cases[] = {
	{ "lists", lists },
	{ "random_lists", random_lists },
	{ "pairs", pairs },
	{ "command_sets", command_sets },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
