// SPDX-License-Identifier: GPL-2.0
/*
 * Splitter and PRP/SGL builder against a model. driver/pure/dptr.c cuts random scatterlists
 * into commands; a reference controller walks each command's data pointer as NVMe Base
 * 2.0 says (4.1.1, 4.1.2) and must find exactly the bytes of the scatterlist, in order. A
 * slow reference splitter computes how long each command could have been.
 *
 * NVDIO_TURNS=N sets the number of random scatterlists.
 */
#include "unit.h"

#include "pure/dptr.h"

#define MAX_SG 1200
#define MPS 4096ULL

/* ---- scatterlists ---- */

struct run {
	u64 addr, len;
};

struct geometry {
	struct scatterlist sg[MAX_SG];
	u64 start[MAX_SG];	/* of the entries, in the data */
	unsigned int n;
	u64 total;
	struct nvdio_dptr_limits limits;
	const char *style;
};

static u64 state;

static void add(struct geometry *g, u64 addr, u64 len)
{
	struct scatterlist *sg = &g->sg[g->n++];

	assert(g->n <= MAX_SG && len && len <= UINT32_MAX);
	sg->dma_address = addr;
	sg->dma_length = len;
	sg->last = false;
	sg->chain = NULL;
	g->start[g->n - 1] = g->total;
	g->total += len;
}

/* A page anywhere, also around 4 GiB and at the top of the address space. */
static u64 any_page(void)
{
	u64 p = rnd(&state);

	switch (below(&state, 8)) {
	case 0:
		return (0xffff0000 + below(&state, 32) * MPS) & ~(MPS - 1);
	case 1:
		return (p >> 1) & ~(MPS - 1);
	default:
		return (p >> 20) & ~(MPS - 1);
	}
}

static u64 dword_below(u64 n)
{
	return below(&state, n / 4) * 4;
}

/*
 * One buffer in virtual memory: an offset in the first page, then pages that
 * are neighbours in memory, or not; merged as a page pinner would, or not.
 */
static void one_buffer(struct geometry *g, u64 total)
{
	u64 off = below(&state, 3) ? dword_below(MPS) : 0;
	unsigned int together = below(&state, 4);
	u64 addr = any_page() + off, len = 0, left = total;

	g->style = "one buffer";
	while (left && g->n < MAX_SG - 1) {
		u64 part = MPS - ((addr + len) & (MPS - 1));
		u64 room = UINT32_MAX / 2;

		if (part > left)
			part = left;
		len += part;
		left -= part;
		if (left && below(&state, 4) < together && len < room)
			continue;
		add(g, addr, len);
		/* Sometimes the next entry goes on where this one ends. */
		addr = below(&state, 8) ? any_page() : addr + len;
		len = 0;
	}
	if (left)
		add(g, addr, left);
}

/* An iovec: parts of any dword length at any dword address. */
static void vector(struct geometry *g, u64 total)
{
	u64 left = total;
	unsigned int want = 1 + below(&state, below(&state, 4) ? 12 : 900);

	g->style = "vector";
	while (left && g->n < MAX_SG - 1) {
		u64 most = 2 * left / (want > g->n ? want - g->n : 1);
		u64 len = 4 + dword_below((most < 8 ? 8 : most));

		if (len > left)
			len = left;
		add(g, any_page() + dword_below(MPS), len);
		left -= len;
	}
	if (left)
		add(g, any_page() + dword_below(MPS), left);
}

/* An iovec of whole blocks, page-aligned or not: gaps that can be cut at. */
static void blocks(struct geometry *g, u64 total, u64 lba)
{
	u64 left = total;

	g->style = "blocks";
	while (left && g->n < MAX_SG - 1) {
		u64 len = (1 + below(&state, 16)) * lba;

		if (len > left)
			len = left;
		add(g, any_page() + (below(&state, 2) ? 0 :
				     below(&state, MPS / lba) * lba), len);
		left -= len;
	}
	if (left)
		add(g, any_page(), left);
}

static void make(struct geometry *g)
{
	static const u32 thresholds[] = { 0, 1, 4096, 32768, UINT32_MAX };
	u64 lba = below(&state, 2) ? 512 : 4096;
	u64 most = below(&state, 4) ? 256 : (20ULL << 20) / lba;
	u64 total = (1 + below(&state, most)) * lba;

	memset(g, 0, sizeof(*g));
	switch (below(&state, 3)) {
	case 0:
		one_buffer(g, total);
		break;
	case 1:
		vector(g, total);
		break;
	default:
		blocks(g, total, lba);
	}
	g->limits.lba_mask = lba - 1;
	g->limits.max_bytes = below(&state, 3) ?
		MPS << below(&state, 12) :		/* as MDTS makes it */
		(1 + below(&state, NVDIO_MAX_CMD_BYTES / lba)) * lba;
	if (g->limits.max_bytes > NVDIO_MAX_CMD_BYTES)
		g->limits.max_bytes = NVDIO_MAX_CMD_BYTES;
	g->limits.max_descs = below(&state, 3) ? below(&state, 257) : 0;
	g->limits.sgl_threshold = thresholds[below(&state, 5)];
}

/* ---- the reference controller ---- */

struct memory {			/* list memory that the command may be read from */
	struct nvdio_desc_mem *m;
	unsigned int n;
};

static char why[256];

__attribute__((format(printf, 1, 2)))
static int refuse(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return -1;
}

/* A quadword of list memory by its bus address. */
static const void *at(struct memory *mem, u64 dma, u64 bytes)
{
	unsigned int i;

	for (i = 0; i < mem->n; i++)
		if (dma >= mem->m[i].dma &&
		    dma + bytes <= mem->m[i].dma + mem->m[i].bytes)
			return (char *)mem->m[i].virt + (dma - mem->m[i].dma);
	return NULL;
}

static void emit(struct run *out, unsigned int *n, u64 addr, u64 len)
{
	if (*n && out[*n - 1].addr + out[*n - 1].len == addr)
		out[*n - 1].len += len;
	else
		out[(*n)++] = (struct run){ addr, len };
}

static int walk_prp(const union nvme_data_ptr *d, u64 len, struct memory *mem,
		    struct run *out, unsigned int *n)
{
	u64 prp1 = le64_to_cpu(d->prp1), prp2 = le64_to_cpu(d->prp2);
	u64 part = MPS - (prp1 & (MPS - 1)), list, lists = 0;

	if (prp1 & 3)
		return refuse("PRP1 %#" PRIx64 " is not dword aligned", prp1);
	if (part > len)
		part = len;
	emit(out, n, prp1, part);
	len -= part;
	if (!len) {
		if (prp2)
			return refuse("PRP2 is reserved here, but not 0");
		return 0;
	}
	if (len <= MPS) {
		if (prp2 & (MPS - 1))
			return refuse("PRP2 %#" PRIx64 " has an offset", prp2);
		emit(out, n, prp2, len);
		return 0;
	}
	if (prp2 & 7)
		return refuse("PRP list pointer %#" PRIx64 " is not aligned", prp2);
	list = prp2;
	while (len) {
		const __le64 *e = at(mem, list, 8);
		u64 pages_left = (len + MPS - 1) / MPS, prp;

		if (!e)
			return refuse("list entry at %#" PRIx64 " is outside the lists", list);
		prp = le64_to_cpu(*e);
		if (prp & (MPS - 1))
			return refuse("list entry %#" PRIx64 " has an offset", prp);
		/* The last entry of a page leads on if one entry is not enough. */
		if ((list & (MPS - 1)) == MPS - 8 && pages_left > 1) {
			list = prp;
			if (++lists > 100)
				return refuse("lists without end");
			continue;
		}
		part = len < MPS ? len : MPS;
		emit(out, n, prp, part);
		len -= part;
		list += 8;
	}
	return 0;
}

static int walk_sgl(const union nvme_data_ptr *d, u64 len, struct memory *mem,
		    u32 max_descs, struct run *out, unsigned int *n)
{
	const struct nvme_sgl_desc *s = &d->sgl;
	u64 count = 1, i;

	if (s->type == NVME_SGL_FMT_LAST_SEG_DESC << 4) {
		u64 addr = le64_to_cpu(s->addr), bytes = le32_to_cpu(s->length);

		if (!bytes || bytes % 16)
			return refuse("segment length %" PRIu64, bytes);
		s = at(mem, addr, bytes);
		if (!s)
			return refuse("segment %#" PRIx64 "+%" PRIu64 " is outside the lists",
			       addr, bytes);
		count = bytes / 16;
		if (count > max_descs)
			return refuse("%" PRIu64 " descriptors, at most %u", count, max_descs);
	}
	for (i = 0; i < count; i++, s++) {
		u64 part = le32_to_cpu(s->length);

		if (s->type != NVME_SGL_FMT_DATA_DESC << 4 ||
		    s->rsvd[0] | s->rsvd[1] | s->rsvd[2])
			return refuse("descriptor %" PRIu64 " of type %#x", i, s->type);
		if (le64_to_cpu(s->addr) & 3 || part & 3)
			return refuse("descriptor %" PRIu64 " is not dword aligned", i);
		if (!part || part > len)
			return refuse("descriptor %" PRIu64 " of %" PRIu64 " bytes", i, part);
		emit(out, n, le64_to_cpu(s->addr), part);
		len -= part;
	}
	if (len)
		return refuse("the SGL is %" PRIu64 " bytes short", len);
	return 0;
}

/* ---- the reference splitter ---- */

/* Address of byte @pos of the scatterlist, and how far it runs. */
static u64 addr_at(const struct geometry *g, u64 pos, u64 *run)
{
	unsigned int i = 0, end = g->n;

	while (end - i > 1) {
		unsigned int mid = (i + end) / 2;

		if (g->start[mid] <= pos)
			i = mid;
		else
			end = mid;
	}
	pos -= g->start[i];
	*run = g->sg[i].dma_length - pos;
	return g->sg[i].dma_address + pos;
}

/* Most whole blocks from @pos on that PRPs, and that an SGL, can describe. */
static void reach(const struct geometry *g, u64 pos, u64 *prp, u64 *sgl)
{
	u64 want = g->total - pos, done = 0, run, end = 0, descs = 0;
	bool prp_open = true, sgl_open = true;

	if (want > g->limits.max_bytes)
		want = g->limits.max_bytes;
	*prp = *sgl = 0;
	while (done < want && (prp_open || sgl_open)) {
		u64 addr = addr_at(g, pos + done, &run);

		if (run > want - done)
			run = want - done;
		if (done && addr != end &&
		    (addr % MPS != 0 || end % MPS != 0))
			prp_open = false;
		if (++descs > g->limits.max_descs)
			sgl_open = false;
		end = addr + run;
		done += run;
		if (prp_open)
			*prp = done;
		if (sgl_open)
			*sgl = done;
	}
	*prp &= ~(u64)g->limits.lba_mask;
	*sgl &= ~(u64)g->limits.lba_mask;
}

/* ---- one geometry ---- */

struct seen {
	unsigned long prp1, prp2, list, chained, sgl1, sgl, split, none;
};

static struct seen seen;

struct command {
	struct nvdio_dptr_plan plan;
	struct nvdio_desc_mem lists[NVDIO_MAX_LISTS];
	struct memory mem;
	union nvme_data_ptr d;
	char *small;		/* one short list, or NULL */
};

/* Plan the command at @pos; its length must be the longest possible. */
static int plan(const struct geometry *g, struct nvdio_cursor *cur, u64 pos, struct command *c)
{
	struct nvdio_cursor before = *cur;
	u64 prp, sgl, best;

	reach(g, pos, &prp, &sgl);
	best = prp > sgl ? prp : sgl;
	nvdio_dptr_plan(cur, g->total - pos, &g->limits, &c->plan);
	if (memcmp(&before, cur, sizeof(before)))
		return refuse("planning moved the cursor");
	if (c->plan.bytes != best)
		return refuse("at %" PRIu64 ": %u bytes planned, %" PRIu64 " possible (PRP %" PRIu64
			      ", SGL %" PRIu64 ")", pos, c->plan.bytes, best, prp, sgl);
	if (best && c->plan.sgl && !g->limits.max_descs)
		return refuse("an SGL for a controller without");
	return 0;
}

/* Memory for the lists: of 4 KiB each, or a short one where one list is enough. */
static int give_lists(struct command *c)
{
	static char pages[NVDIO_MAX_LISTS][4096] __attribute__((aligned(4096)));
	/* The lists are not contiguous, whatever the address. */
	u64 base = any_page(), bytes;

	c->small = NULL;
	c->mem = (struct memory){ c->lists, nvdio_dptr_lists(&c->plan, 4096) };
	if (c->mem.n > NVDIO_MAX_LISTS)
		return refuse("%u lists", c->mem.n);
	for (unsigned int i = 0; i < c->mem.n; i++) {
		memset(pages[i], 0xee, 4096);
		c->lists[i] = (struct nvdio_desc_mem){ pages[i], base + 2 * i * MPS, 4096 };
	}
	if (c->mem.n != 1 || !below(&state, 2))
		return 0;
	/* To the byte, so that ASan sees one entry too many. */
	bytes = (c->plan.entries * (c->plan.sgl ? 16 : 8) + 15) & ~15ULL;
	if (nvdio_dptr_lists(&c->plan, bytes) != 1)
		return refuse("%u entries do not fit %" PRIu64 " bytes", c->plan.entries, bytes);
	c->small = malloc(bytes);
	assert(c->small);
	c->lists[0] = (struct nvdio_desc_mem){
		c->small, base + (4096 - bytes) / 16 * 16, bytes
	};
	return 0;
}

/* The @n runs that the controller found must be the bytes from @pos on, in order. */
static int same_bytes(const struct geometry *g, u64 pos, u32 bytes, struct run *out,
		      unsigned int n)
{
	u64 p = pos, run;

	for (unsigned int i = 0; i < n; i++) {
		while (out[i].len) {
			u64 a = addr_at(g, p, &run);

			if (a != out[i].addr)
				return refuse("byte %" PRIu64 " goes to %#" PRIx64
					      ", not %#" PRIx64, p, out[i].addr, a);
			if (run > out[i].len)
				run = out[i].len;
			out[i].addr += run;
			out[i].len -= run;
			p += run;
		}
	}
	if (p - pos != bytes)
		return refuse("%" PRIu64 " bytes described of %u", p - pos, bytes);
	return 0;
}

/* Build the planned command and let the reference controller walk it. */
static int walk(const struct geometry *g, struct nvdio_cursor *cur, u64 pos, struct command *c)
{
	static struct run out[8192];
	unsigned int n = 0;
	int bad;

	if (give_lists(c))
		return -1;
	memset(&c->d, 0xee, sizeof(c->d));
	nvdio_dptr_build(cur, &c->plan, c->mem.n ? c->lists : NULL, &c->d);
	bad = c->plan.sgl ?
		walk_sgl(&c->d, c->plan.bytes, &c->mem, g->limits.max_descs, out, &n) :
		walk_prp(&c->d, c->plan.bytes, &c->mem, out, &n);
	free(c->small);
	return bad ?: same_bytes(g, pos, c->plan.bytes, out, n);
}

static void count_kind(const struct command *c)
{
	if (c->plan.sgl && c->plan.entries)
		seen.sgl++;
	else if (c->plan.sgl)
		seen.sgl1++;
	else if (c->mem.n > 1)
		seen.chained++;
	else if (c->plan.entries)
		seen.list++;
	else if (c->plan.bytes + (c->d.prp1 & (MPS - 1)) > MPS)
		seen.prp2++;
	else
		seen.prp1++;
}

static int check_list(const struct geometry *g, struct scatterlist *sg)
{
	struct nvdio_cursor cur = { .sg = sg };
	unsigned int commands = 0;
	bool possible = nvdio_dptr_possible(sg, g->total, &g->limits);
	u64 pos = 0, run;

	while (pos < g->total) {
		struct command c;

		if (plan(g, &cur, pos, &c))
			return -1;
		if (!c.plan.bytes) {
			seen.none++;
			return possible ? refuse("called possible, but stops at %" PRIu64, pos) : 0;
		}
		if (walk(g, &cur, pos, &c))
			return -1;
		pos += c.plan.bytes;
		commands++;
		if (sg_dma_address(cur.sg) + cur.offset != addr_at(g, pos - 1, &run) + 1)
			return refuse("the cursor is not after the last byte, %" PRIu64, pos);
		count_kind(&c);
	}
	if (!possible)
		return refuse("called impossible, but it was possible");
	seen.split += commands > 1;
	return 0;
}

/*
 * The scatterlist is in memory of its own and its last entry is not marked, as those of
 * the driver are not: ASan sees a step beyond it.
 */
static int check(const struct geometry *g)
{
	size_t size = g->n * sizeof(*g->sg);
	struct scatterlist *sg = malloc(size);
	int ret;

	assert(sg);
	memcpy(sg, g->sg, size);
	ret = check_list(g, sg);
	free(sg);
	return ret;
}

static void show(const struct geometry *g)
{
	unsigned int i;

	printf("#   %s, LBA %u, max_bytes %u, max_descs %u, sgl_threshold %u, %u entries:\n",
	       g->style, g->limits.lba_mask + 1, g->limits.max_bytes,
	       g->limits.max_descs, g->limits.sgl_threshold, g->n);
	for (i = 0; i < g->n && i < 40; i++)
		printf("#     %#" PRIx64 " + %u\n", g->sg[i].dma_address,
		       g->sg[i].dma_length);
}

/* ---- single cases that random input may miss ---- */

static void one(const char *what, const u64 (*runs)[2], unsigned int n,
		struct nvdio_dptr_limits limits, bool sgl, u32 bytes,
		u32 entries)
{
	static struct geometry g;
	struct nvdio_cursor cur = { .sg = g.sg };
	struct nvdio_dptr_plan plan;
	unsigned int i;

	memset(&g, 0, sizeof(g));
	g.limits = limits;
	g.style = what;
	for (i = 0; i < n; i++)
		add(&g, runs[i][0], runs[i][1]);
	nvdio_dptr_plan(&cur, g.total, &limits, &plan);
	if (!ok(plan.sgl == sgl && plan.bytes == bytes && plan.entries == entries,
		"%s", what))
		printf("#   sgl %d, bytes %u, entries %u; wanted %d, %u, %u\n",
		       plan.sgl, plan.bytes, plan.entries, sgl, bytes, entries);
	if (!ok(!check(&g), "%s: walked", what))
		printf("#   %s\n", why);
}

static void single_cases(void)
{
	const struct nvdio_dptr_limits prp = { NVDIO_MAX_CMD_BYTES, 511, 0, 32768 };
	const struct nvdio_dptr_limits sgl = { NVDIO_MAX_CMD_BYTES, 511, 256, 32768 };
	const struct nvdio_dptr_limits mdts = { 524288, 511, 0, 32768 };
	const u64 page[][2] = { { 0x10000, 4096 } };
	const u64 in_page[][2] = { { 0x10004, 512 } };
	const u64 two[][2] = { { 0x10ffc, 4096 } };
	const u64 three[][2] = { { 0x10ffc, 4096 + 512 }, };
	const u64 big[][2] = { { 0x100000, 8 << 20 } };
	const u64 big_odd[][2] = { { 0x100ffc, 8 << 20 } };
	const u64 page512[][2] = { { 0x100000, 513 * 4096 } };
	const u64 page514[][2] = { { 0x100000, 514 * 4096 } };
	const u64 gap[][2] = { { 0x10000, 1024 }, { 0x20000, 4096 } };
	const u64 gap_in_lba[][2] = { { 0x10000, 4 }, { 0x20000, 508 } };
	const u64 joined[][2] = { { 0x10000, 1024 }, { 0x10400, 3072 } };

	state = t_seed;
	one("A1: nothing is read beyond the last entry", page, 1, prp, false,
	    4096, 0);
	one("one page", page, 1, prp, false, 4096, 0);
	one("one block inside a page", in_page, 1, prp, false, 512, 0);
	one("across one page boundary", two, 1, prp, false, 4096, 0);
	one("across two page boundaries needs a list", three, 1, prp, false, 4608, 2);
	one("8 MiB in PRPs", big, 1, prp, false, 8 << 20, 2047);
	one("8 MiB in PRPs from the last dword of a page", big_odd, 1, prp, false,
	    8 << 20, 2048);
	one("a list page that is exactly full", page512, 1, prp, false, 513 * 4096, 512);
	one("a list page and one more entry", page514, 1, prp, false, 514 * 4096, 513);
	one("8 MiB as an SGL is one descriptor", big, 1, sgl, true, 8 << 20, 0);
	one("MDTS limits the length", big, 1, mdts, false, 524288, 127);
	one("a gap without SGLs ends the command", gap, 2, prp, false, 1024, 0);
	one("a gap with SGLs does not", gap, 2, sgl, true, 5120, 2);
	one("a gap inside a block is impossible without SGLs", gap_in_lba, 2, prp,
	    false, 0, 0);
	one("a gap inside a block with SGLs is possible", gap_in_lba, 2, sgl, true, 512, 2);
	one("contiguous entries are not a gap", joined, 2, prp, false, 4096, 0);
}

static void random_geometries(void)
{
	const char *r = getenv("NVDIO_TURNS");
	unsigned long i, turns = r ? strtoul(r, NULL, 0) : 30000;
	static struct geometry g;

	state = t_seed;
	memset(&seen, 0, sizeof(seen));
	for (i = 0; i < turns; i++) {
		make(&g);
		if (check(&g))
			break;
	}
	if (!ok(i == turns, "%lu random geometries are described to the byte", turns)) {
		note("  %s (turn %lu)", why, i);
		show(&g);
	}
	/* A property that no input reached was not tested. */
	ok(seen.prp1 > 100 && seen.prp2 > 100, "PRP1 alone and PRP pairs occurred: %lu, %lu",
	   seen.prp1, seen.prp2);
	ok(seen.list > 100 && seen.chained > 100, "PRP lists and chained lists: %lu, %lu",
	   seen.list, seen.chained);
	ok(seen.sgl1 > 100 && seen.sgl > 100, "SGL descriptors and segments: %lu, %lu",
	   seen.sgl1, seen.sgl);
	ok(seen.split > 100 && seen.none > 100, "splits and impossible lists: %lu, %lu",
	   seen.split, seen.none);
}

static const struct t_case cases[] = {
	{ "single_cases", single_cases },
	{ "random_geometries", random_geometries },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
