// SPDX-License-Identifier: GPL-2.0
/*
 * Data pointers for mapped memory (nvdio_cmd_dptr_map()), read as a controller
 * does by the words of NVMe Base 2.0, 4.1.1 (PRP) and 4.1.2 (SGL).
 *
 * NVDIO_SEED=N repeats a run.
 */
#include "pure/cmd.h"
#include "unit.h"

#define MPS 4096ULL
#define ROUNDS 20000

static struct nvdio_map_table table;
static u64 *pages;
static u32 nr_lists;
static u64 lists_seen, pairs_seen, last_seen;

/* Each list has memory of its own, so that the sanitizer sees who leaves it. */
static void make(u32 nr_pages)
{
	table.nr_pages = nr_pages;
	nr_lists = nvdio_map_table_lists(nr_pages);
	table.lists = calloc(nr_lists, sizeof(*table.lists));
	table.list_dma = calloc(nr_lists, sizeof(*table.list_dma));
	pages = calloc(nr_pages, sizeof(*pages));
	for (u32 k = 0; k < nr_lists; k++) {
		table.lists[k] = aligned_alloc(MPS, NVDIO_MAP_LIST_SIZE);
		memset(table.lists[k], 0xff, NVDIO_MAP_LIST_SIZE);
		table.list_dma[k] = 0xabc000000000ULL + k * 3 * MPS;
	}
	for (u32 p = 0; p < nr_pages; p++) {
		pages[p] = (rnd(&t_seed) >> 8) * MPS;
		nvdio_map_table_set(&table, p, pages[p]);
	}
}

static void end(void)
{
	for (u32 k = 0; k < nr_lists; k++)
		free(table.lists[k]);
	free(table.lists);
	free(table.list_dma);
	free(pages);
	memset(&table, 0, sizeof(table));
}

/* Eight bytes of a list, as the controller fetches them; 0 where there is none. */
static u64 fetch(u64 dma)
{
	for (u32 k = 0; k < nr_lists; k++)
		if (dma - table.list_dma[k] < NVDIO_MAP_LIST_SIZE && !(dma % 8))
			return le64toh(table.lists[k][(dma - table.list_dma[k]) / 8]);
	return 0;
}

/* Bytes from @at on, @len of them: is this where they belong? */
static bool piece_is(u64 dma, u64 offset, u64 len)
{
	return offset / MPS < table.nr_pages && len <= MPS - offset % MPS &&
	       dma == pages[offset / MPS] + offset % MPS;
}

/* Read the PRPs of a command for @len bytes: are they the map's from @offset on? */
static bool prps_are(const struct nvme_command *cmd, u64 offset, u32 len)
{
	u64 prp1 = le64toh(cmd->common.dptr.prp1), at = le64toh(cmd->common.dptr.prp2);
	u64 left = len, part = MPS - prp1 % MPS, prp;

	if (cmd->common.flags)
		return false;
	part = part < left ? part : left;
	if (!piece_is(prp1, offset, part))
		return false;
	offset += part;
	left -= part;
	if (!left)
		return !at;
	if (left <= MPS) {
		pairs_seen++;
		return piece_is(at, offset, left);
	}
	lists_seen++;
	for (; left; offset += part, left -= part, at += 8) {
		/* The last entry of a list points to the next one, if data are left. */
		if (at % MPS == MPS - 8) {
			last_seen++;
			if (left > MPS)
				at = fetch(at);
		}
		prp = fetch(at);
		part = left < MPS ? left : MPS;
		if (!piece_is(prp, offset, part))
			return false;
	}
	return true;
}

static bool window(u64 offset, u32 len)
{
	struct nvme_command cmd;

	if (offset + len > table.nr_pages * MPS || !len || len > NVDIO_MAP_LIST_BYTES)
		return true;
	memset(&cmd, 0xa5, sizeof(cmd));
	nvdio_cmd_dptr_map(&cmd, &table, offset, len);
	if (cmd.common.opcode == 0xa5 && cmd.common.metadata == 0xa5a5a5a5a5a5a5a5 &&
	    cmd.rw.slba == 0xa5a5a5a5a5a5a5a5 && prps_are(&cmd, offset, len))
		return true;
	note("%u pages: offset %" PRIu64 ", %u bytes: PRP1 %" PRIx64 ", PRP2 %" PRIx64,
	     table.nr_pages, offset, len, le64toh(cmd.common.dptr.prp1),
	     le64toh(cmd.common.dptr.prp2));
	return false;
}

/* All lengths, give or take a dword, at pages about the ends of lists. */
static void windows(void)
{
	static const u32 sizes[] = { 1, 2, 3, 255, 256, 257, 258, 511, 512, 513, 770 };
	static const u32 starts[] = { 0, 4, 512, 2048, 4092 };
	bool good = true;

	lists_seen = 0;
	pairs_seen = 0;
	last_seen = 0;
	for (size_t s = 0; s < ARRAY_SIZE(sizes); s++) {
		make(sizes[s]);
		for (u32 p = 0; p < sizes[s]; p++) {
			if (p % 256 > 3 && p % 256 < 252 && sizes[s] - p > 4)
				continue;
			for (size_t o = 0; o < ARRAY_SIZE(starts); o++)
				for (u32 n = 0; n <= 257 && good; n++)
					for (int d = -4; d <= 4 && good; d += 4)
						good = window(p * MPS + starts[o],
							      n * MPS + d);
		}
		end();
	}
	ok(good, "every length from pages about the ends of lists");
	ok(lists_seen > 1000 && pairs_seen > 1000,
	   "with lists (%" PRIu64 ") and without (%" PRIu64 ")", lists_seen, pairs_seen);
	ok(!last_seen, "the last entry of a list is never used (%" PRIu64 ")", last_seen);
}

static void random_windows(void)
{
	bool good = true;

	for (int i = 0; i < 40 && good; i++) {
		u32 nr = 1 + below(&t_seed, 2000);

		make(nr);
		for (int n = 0; n < ROUNDS / 40 && good; n++) {
			u64 offset = 4 * below(&t_seed, nr * MPS / 4);
			u64 most = nr * MPS - offset;

			if (most > NVDIO_MAP_LIST_BYTES)
				most = NVDIO_MAP_LIST_BYTES;
			good = window(offset, 4 + 4 * below(&t_seed, most / 4));
		}
		end();
	}
	ok(good, "any part of any memory");
}

/* Contiguous on the bus: PRPs as long as they do, then one SGL descriptor. */
static void contiguous(void)
{
	bool good = true;

	memset(&table, 0, sizeof(table));
	for (int i = 0; i < ROUNDS && good; i++) {
		u64 offset = (rnd(&t_seed) >> 20) & ~3ULL;
		u32 len = 4 + 4 * below(&t_seed, below(&t_seed, 2) ? 3 * MPS / 4 : 1 << 20);
		u64 prp1, prp2, at, first;
		struct nvme_command cmd;

		table.base = (rnd(&t_seed) >> 12) * MPS;
		memset(&cmd, 0xa5, sizeof(cmd));
		nvdio_cmd_dptr_map(&cmd, &table, offset, len);
		at = table.base + offset;
		first = MPS - at % MPS;
		prp1 = le64toh(cmd.common.dptr.prp1);
		prp2 = le64toh(cmd.common.dptr.prp2);
		if (len <= first + MPS)
			good = !cmd.common.flags && prp1 == at &&
			       prp2 == (len > first ? at + first : 0);
		else
			good = cmd.common.flags == 0x40 && prp1 == at && prp2 == len;
	}
	ok(good, "contiguous memory: PRPs within two pages, else one SGL descriptor");
}

static void count(void)
{
	ok(nvdio_map_table_lists(1) == 1 && nvdio_map_table_lists(256) == 1 &&
	   nvdio_map_table_lists(257) == 2 && nvdio_map_table_lists(~0U) == 1 << 24,
	   "the number of lists");
	ok(NVDIO_MAP_LIST_SIZE == MPS, "a list has the size of a page");
}

static const struct t_case cases[] = {
	{ "windows", windows },
	{ "random", random_windows },
	{ "contiguous", contiguous },
	{ "count", count },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
