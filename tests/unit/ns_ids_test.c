// SPDX-License-Identifier: GPL-2.0
/*
 * Identifiers of namespaces: lists of descriptors as they should be, and of
 * random bytes in memory of exactly their size; and which namespaces differ.
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
	   "A11: all identifiers are found, odd descriptors passed over");

	memset(&ids, 0, sizeof(ids));
	memset(list, 0, sizeof(list));
	at = add(list, 0, 1, 8, 0x11);
	list[at] = 2;
	add(list, at + 4, 3, 16, 0x33);
	nvdio_ns_ids_parse(&ids, list, sizeof(list));
	ok(is_all(ids.eui64, 8, 0x11) && is_all(ids.uuid, 16, 0),
	   "A11: a length of 0 is the end");
}

/* Under ASan: nothing is read outside of the list. */
static void random_lists(void)
{
	unsigned int i, j;

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
	ok(true, "A11: %u lists of random bytes, cut anywhere", i);
}

/* Each kind of identifier: none, one, another; list read or not. */
static void pairs(void)
{
	unsigned int wrong = 0, nr = 0, x, y, kind, read;

	for (kind = 0; kind < 3; kind++) {
		for (read = 0; read < 4; read++) {
			for (x = 0; x < 3; x++) {
				for (y = 0; y < 3; y++) {
					struct nvdio_ns_ids a = { }, b = { };
					bool want;

					a.listed = read & 1;
					b.listed = read & 2;
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
					want = x != y &&
					       (read == 3 || (x && y));
					wrong += nvdio_ns_ids_differ(&a, &b) != want;
					wrong += nvdio_ns_ids_differ(&b, &a) != want;
					nr++;
				}
			}
		}
	}
	ok(!wrong, "A11: %u pairs of namespaces: which are not the same", nr);
}

static void command_sets(void)
{
	struct nvdio_ns_ids a = { .listed = true }, b = a;

	b.csi = 2;
	ok(nvdio_ns_ids_differ(&a, &b), "A11: another command set");
	b.listed = false;
	ok(!nvdio_ns_ids_differ(&a, &b), "A11: a command set that is not known");
}

int main(void)
{
	state = unit_seed();
	lists();
	random_lists();
	pairs();
	command_sets();
	return unit_end();
}
