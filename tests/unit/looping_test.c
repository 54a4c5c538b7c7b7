// SPDX-License-Identifier: GPL-2.0
/*
 * Data pointers whose list loops (driver/endless.h), against a controller that follows
 * NVMe Base 2.0, 4.1.1: for each number of bytes that it transfers and each length of the
 * buffer, that it finds the right memory, and that it never leaves the command's memory.
 */
#include <string.h>

#include "pure/looping.h"
#include "unit.h"

#define PAGES		2049	/* 8 MiB, not page-aligned */
#define SCRATCH		0x77000000ULL
#define GUARD		0xa5

enum { NOTHING, DATA, LIST };
static const char * const names[] = { "nothing", "data", "a list" };

static unsigned char buffer[PAGES][NVDIO_MPS], scratch[NVDIO_MPS], out[PAGES * NVDIO_MPS];
static __le64 lists[NVDIO_LOOPING_LISTS][512], was[NVDIO_LOOPING_LISTS][512];
static struct nvdio_desc_mem mem[NVDIO_LOOPING_LISTS];
static struct scatterlist sg[PAGES];
static u32 offset, nr_lists;
static int prp2;		/* what the controller took PRP2 for */
static bool strayed, user_list;	/* left the memory; read a list from the data */

/* Most pages are not contiguous; those that are share a scatterlist entry. */
static u64 page_addr(u32 i)
{
	return 0x1200000000ULL + i * 0x3000ULL - i % 4 * 0x2000;
}

static unsigned char *at(u64 addr)
{
	u64 page = addr & ~0xfffULL;
	u32 i;

	if (page == SCRATCH)
		return scratch + (addr & 0xfff);
	for (i = 0; i < nr_lists; i++)
		if (page == mem[i].dma)
			return (unsigned char *)lists[i] + (addr & 0xfff);
	if (page >= 0x1200000000ULL && page < page_addr(PAGES)) {
		i = (page - 0x1200000000ULL) / 0x3000;
		i -= i % 4;
		for (u32 k = i < 4 ? 0 : i - 4; k < i + 8 && k < PAGES; k++)
			if (page == page_addr(k))
				return buffer[k] + (addr & 0xfff);
	}
	strayed = true;
	return NULL;
}

static __le64 *list_at(u64 addr)
{
	for (u32 i = 0; i < nr_lists; i++)
		if (addr == mem[i].dma)
			return lists[i];
	user_list = true;
	return NULL;
}

/* Move @moved bytes as a controller does; byte i of what it sends is i * 7 + 1. */
static void controller(const union nvme_data_ptr *dptr, u32 moved, bool sends)
{
	u64 addr = le64toh(dptr->prp1), two = le64toh(dptr->prp2);
	u32 done = 0, k = 0, chunk = NVDIO_MPS - (addr & 0xfff);
	__le64 *list = NULL;

	prp2 = moved <= chunk ? NOTHING : moved <= chunk + NVDIO_MPS ? DATA : LIST;
	if (prp2 == LIST)
		list = list_at(two);
	while (done < moved) {
		unsigned char *p;

		if (chunk > moved - done)
			chunk = moved - done;
		p = at(addr);
		if (!p)
			return;
		for (u32 i = 0; i < chunk; i++, done++) {
			if (sends)
				p[i] = done * 7 + 1;
			else if (done < sizeof(out))
				out[done] = p[i];
		}
		chunk = NVDIO_MPS;
		if (done == moved)
			return;
		if (prp2 == DATA) {
			addr = two;
			continue;
		}
		if (!list)
			return;
		/* The last entry of a list is a pointer if more than a page is left. */
		if (k == 511 && moved - done > NVDIO_MPS) {
			list = list_at(le64toh(list[511]));
			k = 0;
			if (!list)
				return;
		}
		addr = le64toh(list[k++]);
		if (addr & 0xfff)
			strayed = true;
	}
}

/* The scatterlist for @len bytes; returns the number of pages. */
static u32 make_sg(u32 len)
{
	u32 pages = len ? DIV_ROUND_UP(offset + len, NVDIO_MPS) : 1, entries = 0, n;

	for (u32 i = 0; i < pages; i += n) {
		n = 1;
		while (i + n < pages && page_addr(i + n) == page_addr(i) + n * NVDIO_MPS)
			n++;
		sg[entries++] = (struct scatterlist){
			.dma_address = page_addr(i), .dma_length = n * NVDIO_MPS,
		};
	}
	sg[entries - 1].last = true;
	return pages;
}

static void make_lists(void)
{
	for (u32 i = 0; i < nr_lists; i++)
		mem[i] = (struct nvdio_desc_mem){
			lists[i], 0x340000000ULL + i * 0x2000, NVDIO_MPS
		};
}

/* Gather what the controller sent; returns what is wrong with it, or NULL. */
static const char *gather(u32 len, u32 sent, u32 pages)
{
	unsigned char *linear = (unsigned char *)buffer;

	for (u32 i = 0; i + 1 < nr_lists && offset + len > NVDIO_MPS; i++) {
		u32 page = nvdio_looping_page(i);

		if (page >= pages)
			return "a list for a page that does not exist";
		memcpy(linear + page * NVDIO_MPS, lists[i], nvdio_looping_taken(lists[i], was[i]));
	}
	memcpy(out, linear + offset, len);
	/* Except for the high dword of the last entry that was written to. */
	for (u32 i = ALIGN(sent, 8); i < len; i++)
		if (out[i])
			return "bytes that were not sent";
	return NULL;
}

/* One combination: returns NULL, or what is wrong with it. */
static const char *cell(u32 len, u32 moved, bool fetch, bool *got)
{
	unsigned char *linear = (unsigned char *)buffer;
	struct nvdio_cursor cur = { .sg = sg };
	u32 i, pages, n = moved < len ? moved : len;
	union nvme_data_ptr dptr;
	const char *wrong;

	offset = nvdio_looping_offset(len, fetch);
	if (offset & 3 || offset >= NVDIO_MPS)
		return "offset";
	nr_lists = nvdio_looping_lists(offset, len);
	if (nr_lists < 2 || nr_lists > NVDIO_LOOPING_LISTS)
		return "number of lists";
	pages = make_sg(len);
	make_lists();
	memset(buffer, 0, (size_t)pages * NVDIO_MPS);
	for (i = 0; i < len && fetch; i++)
		linear[offset + i] = i * 7 + 1;
	nvdio_looping_build(&cur, offset, len, mem, SCRATCH, &dptr);
	memcpy(was, lists, sizeof(was));
	strayed = false;
	user_list = false;
	memset(out, GUARD, moved < sizeof(out) ? moved : sizeof(out));
	controller(&dptr, moved, !fetch);
	if (strayed)
		return "memory that does not belong to the command";
	if (user_list)
		return "something else taken for a list";
	wrong = fetch ? NULL : gather(len, n, pages);
	if (wrong)
		return wrong;
	*got = true;
	for (i = 0; i < n && *got; i++)
		*got = out[i] == (unsigned char)(i * 7 + 1);
	return NULL;
}

static const u32 numbers[] = {
	0, 4, 8, 512, 4092, 4096, 4097, 4100, 4101, 4104, 5000, 8188, 8192, 8193, 8196, 12288,
	16384, 65536, 511 * 4096, 512 * 4096, 512 * 4096 + 8, 513 * 4096, 513 * 4096 + 4,
	2097152 + 8192, 1022 * 4096, 1024 * 4096 + 4, 2048 * 4096,
};

/* May the controller be given the list instead of the data? (looping.h) */
static bool hopeless(u32 len, u32 moved)
{
	const u32 o = nvdio_looping_offset(len, true);

	for (u32 i = 0; i < NVDIO_LOOPING_LISTS; i++) {
		u32 page = (1 + i * 511) * 4096 - o;

		if (len > page && moved > page && moved <= page + 4096)
			return moved != len;
	}
	return false;
}

static void one_number(u32 len, u32 moved, bool fetch)
{
	bool got = false, want = !fetch || !hopeless(len, moved);
	const char *wrong = cell(len, moved, fetch, &got);

	ok(!wrong && got == want,
	   "A7: %u bytes %s the controller, data_len %u: PRP1 +%u, PRP2 is %s%s%s%s",
	   moved, fetch ? "to" : "from", len, offset, names[prp2],
	   want ? "" : ", which it cannot have", wrong ? ": " : "", wrong ?: "");
}

static void all_numbers(void)
{
	for (int fetch = 0; fetch < 2; fetch++)
		for (size_t l = 0; l < ARRAY_SIZE(numbers); l++)
			for (size_t m = 0; m < ARRAY_SIZE(numbers); m++)
				if (!fetch || nvdio_looping_fetchable(numbers[l]))
					one_number(numbers[l], numbers[m], fetch);
}

static void fetchable(void)
{
	ok(nvdio_looping_fetchable(4096) && !nvdio_looping_fetchable(4097) &&
	   !nvdio_looping_fetchable(4100) && nvdio_looping_fetchable(4101),
	   "A7: only 4097 to 4100 bytes cannot be fetched");
}

static void random_numbers(void)
{
	unsigned int n = 0, wrong = 0, taken[3] = {};
	const char *what = NULL;
	uint64_t seed = t_seed;
	bool got = false;

	while (n < 3000 && !what) {
		u32 len = below(&seed, below(&seed, 8) ? 20000 : 2048 * 4096 + 1);
		u32 moved = below(&seed, 8) ? below(&seed, 20000) : below(&seed, 9000 * 1024);
		bool fetch = below(&seed, 2);

		if (fetch && !nvdio_looping_fetchable(len))
			continue;
		/* Controllers transfer dwords. */
		if (fetch ? moved & 3 : below(&seed, 4))
			moved &= ~3U;
		what = cell(len, moved, fetch, &got);
		taken[prp2]++;
		if (!what && !got && !(fetch && hopeless(len, moved))) {
			note("  %u of %u, fetch %d, offset %u", moved, len, fetch, offset);
			wrong++;
		}
		n++;
	}
	ok(!what && !wrong && taken[DATA] > 100 && taken[LIST] > 100,
	   "A7: %u random combinations (%u nothing, %u data, %u lists)%s%s",
	   n, taken[0], taken[1], taken[2], what ? ": " : "", what ?: "");
}

static const struct t_case cases[] = {
	{ "all_numbers", all_numbers },
	{ "fetchable", fetchable },
	{ "random_numbers", random_numbers },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
