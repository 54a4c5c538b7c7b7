// SPDX-License-Identifier: GPL-2.0
/*
 * Batches and rings without io_uring through a range (NVDIO_IOC_RANGE): contents, edges,
 * rights, whose maps, and what of it outlives what. range.c has the other ways to do I/O.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "rangemany.h"

#define AT (8 * MiB)		/* where the range is */
#define LEN (1 * MiB)
#define GUARD (256 * KiB)	/* looked at on both sides */
#define CELL (LEN / MANY_MAX)

static const struct many_way ways[] = {
	{ .name = "batch" },
	{ .name = "batch, registered", .fixed = true,
	  .flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN },
	{ .name = "batch, IOPOLL", .flags = IORING_SETUP_IOPOLL },
	{ .name = "batch, registered, IOPOLL", .fixed = true, .flags = IORING_SETUP_IOPOLL },
	{ .name = "batch, SQPOLL", .flags = IORING_SETUP_SQPOLL },
	{ .name = "ring", .own = true },
};

static int node, fd;		/* the node, and the range */
static char *model, *there;	/* the range and its guards, as they should be, and are */
static struct nvdio_io ios[MANY_MAX];
static int res[MANY_MAX], want[MANY_MAX];

static void disk_fill(void)
{
	fill(model, LEN + 2 * GUARD, rnd(&t_seed), 0);
	put(node, model, LEN + 2 * GUARD, AT - GUARD);
}

static void disk_holds(const char *what)
{
	get(node, there, LEN + 2 * GUARD, AT - GUARD);
	ok(!memcmp(there, model, LEN + 2 * GUARD),
	   "%s: the range and its guards are as they should be", what);
}

/* Send @nr of @ios; each result is what is wanted. */
static void sent(struct many *m, unsigned int nr, const char *what)
{
	unsigned int wrong = 0;

	is(many_send(m, ios, nr, res), 0, "%s: %s", m->w->name, what);
	for (unsigned int i = 0; i < nr; i++) {
		if (res[i] == want[i])
			continue;
		note("op %u of %#x at %#llx: %d, not %d", ios[i].op, ios[i].len,
		     (unsigned long long)ios[i].off, res[i], want[i]);
		wrong++;
	}
	is(wrong, 0, "%s: %s: results", m->w->name, what);
}

/* What @nr of @ios have done, by their wanted results, to the model or to the memory. */
static void moved(struct many *m, unsigned int nr, const char *what)
{
	const char *base = m->w->fixed ? NULL : m->mem;
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < nr; i++) {
		const char *p = base + ios[i].addr;

		if (want[i] < 0)
			wrong += ios[i].op == NVDIO_IO_READ && !all_zero(p, CELL);
		else if (ios[i].op == NVDIO_IO_WRITE)
			memcpy(model + GUARD + ios[i].off, p, ios[i].len);
		else if (ios[i].op == NVDIO_IO_READ)
			wrong += !!memcmp(p, model + GUARD + ios[i].off, ios[i].len);
	}
	is(wrong, 0, "%s: %s: contents", m->w->name, what);
	disk_holds(m->w->name);
}

/* ---- contents and edges ---- */

/* Edges, as many as are here, with @op. */
static unsigned int edges_fill(const struct many *m, unsigned int op)
{
	const uint64_t lba = dev.lba;
	const struct { uint64_t off; uint32_t len; int err; } of[] = {
		{ 0, lba, 0 }, { LEN - lba, lba, 0 }, { LEN - 2 * CELL, CELL, 0 },
		{ lba, PG, 0 },
		/* One block behind it, across its end, and the blocks of others. */
		{ LEN, lba, -ENOSPC }, { LEN - lba, 2 * lba, -ENOSPC },
		{ LEN, CELL, -ENOSPC }, { LEN - CELL + lba, CELL, -ENOSPC },
		{ LEN + GUARD - lba, lba, -ENOSPC }, { dev.size - AT - lba, lba, -ENOSPC },
		{ dev.size - AT, lba, -ENOSPC }, { dev.size - lba, lba, -ENOSPC },
		{ dev.size, lba, -ENOSPC }, { AT, lba, -ENOSPC }, { AT - lba, lba, -ENOSPC },
		/* Sums that are too large, or wrap around, with the range's start or without. */
		{ -lba, lba, -ENOSPC }, { -lba, 2 * lba, -ENOSPC }, { -PG, CELL, -ENOSPC },
		{ -(uint64_t)AT, lba, -ENOSPC }, { -(uint64_t)AT - lba, lba, -ENOSPC },
		{ -(uint64_t)AT - lba, 2 * lba, -ENOSPC }, { 1ULL << 63, lba, -ENOSPC },
		{ (1ULL << 63) - lba, lba, -ENOSPC }, { (1ULL << 63) - AT, lba, -ENOSPC },
		{ 1ULL << 32, lba, -ENOSPC },
		/* What are no blocks. */
		{ 1, lba, -EINVAL }, { lba / 2, lba, -EINVAL }, { 0, 0, -EINVAL },
		{ 0, lba / 2, -EINVAL }, { LEN - 1, 1, -EINVAL }, { 0, -lba, -EINVAL },
	};

	_Static_assert(ARRAY_SIZE(of) <= MANY_MAX, "more than can be sent");
	for (unsigned int i = 0; i < ARRAY_SIZE(of); i++) {
		ios[i] = many_io(m, op, of[i].off, of[i].len, i * PG);
		/* CELL bytes of memory each, of which the largest are apart. */
		ios[i].addr += i == 2 ? 40 * PG : 0;
		want[i] = of[i].err ?: (int)of[i].len;
	}
	return ARRAY_SIZE(of);
}

static void edges_of(const struct many_way *w, const char *what)
{
	struct many m;
	unsigned int nr;

	many_begin(&m, w, fd);
	disk_fill();
	fill(m.mem, MANY_LEN, rnd(&t_seed), 0);
	nr = edges_fill(&m, NVDIO_IO_WRITE);
	sent(&m, nr, what);
	moved(&m, nr, what);
	memset(m.mem, 0, MANY_LEN);
	nr = edges_fill(&m, NVDIO_IO_READ);
	sent(&m, nr, what);
	/* What failed has moved nothing: only those that succeeded are looked at singly. */
	for (unsigned int i = 0; i < nr; i++)
		if (want[i] < 0)
			ios[i].op = 0;
	moved(&m, nr, what);
	for (unsigned int i = 4; i < nr; i++)
		if (!all_zero(m.mem + i * PG, PG))
			want[0] = -1;
	is(want[0], dev.lba, "%s: %s: what failed has read nothing", w->name, what);
	many_end(&m);
}

static void edges(void)
{
	int outer = range_or_bail(node, AT - PG, LEN + 3 * PG, 0);
	const int direct = fd;

	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++)
		edges_of(&ways[i], "edges");
	fd = range_or_bail(outer, PG, LEN, 0);
	close(outer);
	edges_of(&ways[0], "edges of a range of a range");
	edges_of(&ways[5], "edges of a range of a range");
	close(fd);
	fd = direct;
}

/* In cells, so that no two of a call meet; some of them outside. */
static void random_of(const struct many_way *w, unsigned int turns)
{
	unsigned int wrong = 0;
	struct many m;

	many_begin(&m, w, fd);
	disk_fill();
	while (turns--) {
		memset(m.mem, 0, MANY_LEN);
		for (unsigned int i = 0; i < MANY_MAX / 2; i++) {
			const unsigned int op = 1 + below(&t_seed, 2), cell = 2 * i;
			const uint32_t len = dev.lba * (1 + below(&t_seed, CELL / dev.lba));
			uint64_t off = cell * CELL + (CELL - len);

			want[i] = len;
			if (!below(&t_seed, 6)) {
				off += below(&t_seed, 2) ? LEN : -(uint64_t)LEN;
				want[i] = -ENOSPC;
			}
			ios[i] = many_io(&m, op, off, len, i * CELL);
			if (op == NVDIO_IO_WRITE)
				fill(m.mem + i * CELL, len, rnd(&t_seed), 0);
		}
		if (many_send(&m, ios, MANY_MAX / 2, res))
			bail("%s", w->name);
		for (unsigned int i = 0; i < MANY_MAX / 2; i++) {
			const char *p = m.mem + i * CELL;

			wrong += res[i] != want[i];
			if (want[i] > 0 && ios[i].op == NVDIO_IO_WRITE)
				memcpy(model + GUARD + ios[i].off, p, want[i]);
			else if (want[i] > 0)
				wrong += !!memcmp(p, model + GUARD + ios[i].off, want[i]);
			else if (ios[i].op == NVDIO_IO_READ)
				wrong += !all_zero(p, CELL);
		}
	}
	is(wrong, 0, "%s: random I/Os, inside and outside", w->name);
	disk_holds(w->name);
	many_end(&m);
}

static void random_runs(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++)
		random_of(&ways[i], 12);
}

/* ---- rights ---- */

/* Reads, and in their middle writes, one of them with a flag, and a flush. */
static void rights_of(const struct many_way *w, int of, bool reads, bool writes, const char *what)
{
	struct many m;

	many_begin(&m, w, of);
	disk_fill();
	memset(m.mem, 0, MANY_LEN);
	for (unsigned int i = 0; i < 12; i++) {
		const bool write = i == 3 || i == 6 || i == 7;

		ios[i] = many_io(&m, write ? NVDIO_IO_WRITE : NVDIO_IO_READ, i * CELL, PG,
				 i * CELL);
		want[i] = (write ? writes : reads) ? (int)PG : -EBADF;
		if (write)
			fill(m.mem + i * CELL, PG, rnd(&t_seed), 0);
	}
	ios[6].flags = NVDIO_IO_FUA;
	ios[8] = (struct nvdio_io){ .op = NVDIO_IO_FLUSH };
	want[8] = 0;
	sent(&m, 12, what);
	moved(&m, 12, what);
	many_end(&m);
}

static void rights(void)
{
	int wo_node = dev_open(O_WRONLY | O_DIRECT), ro_node = dev_open(O_RDONLY | O_DIRECT);
	int wo = range_or_bail(wo_node, AT, LEN, 0), of_ro = range_or_bail(ro_node, AT, LEN, 0);
	int ro = range_or_bail(node, AT, LEN, NVDIO_RANGE_READ_ONLY);
	int again = range_or_bail(ro, 0, LEN, 0);

	for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++) {
		rights_of(&ways[i], ro, true, false, "read-only, of a node that is not");
		rights_of(&ways[i], wo, false, true, "write-only");
	}
	rights_of(&many_batch, again, true, false, "of a read-only range");
	rights_of(&many_ring, again, true, false, "of a read-only range");
	rights_of(&many_batch, of_ro, true, false, "of a read-only node");
	rights_of(&many_ring, of_ro, true, false, "of a read-only node");
	close(wo_node);
	close(ro_node);
	close(wo);
	close(of_ro);
	close(ro);
	close(again);
}

static void says(void)
{
	struct nvdio_info of_range, of_node;

	is(ioctl(fd, NVDIO_IOC_INFO, &of_range), 0, "INFO of the range");
	is(ioctl(node, NVDIO_IOC_INFO, &of_node), 0, "INFO of the node");
	is(of_range.features & NVDIO_FEATURE_BATCH, NVDIO_FEATURE_BATCH, "batches");
	is(of_range.features & NVDIO_FEATURE_RING, NVDIO_FEATURE_RING, "rings");
	is(of_range.batch_max, of_node.batch_max, "as many I/Os as by the node");
	is(of_range.batch_len_max, of_node.batch_len_max, "as long");
}

/* ---- writes of parts of blocks ---- */

#define PART 100		/* bytes at the start of each block */

static atomic_bool parts_stop;
static unsigned long parts_written;

/* Reads, changes and writes back the blocks, by the node. */
static void *parts(void *arg)
{
	int copy = dev_open(O_RDWR);
	char p[PART] = { };

	(void)arg;
	for (unsigned int i = 0; !parts_stop; i++) {
		if (pwrite(copy, p, PART, AT + i % 16 * PG) != PART)
			bail("pwrite: %s", strerror(errno));
		parts_written++;
	}
	close(copy);
	return NULL;
}

/* What was written to the rest of a block stays, whatever is done to its first bytes. */
static void claims_of(const struct many_way *w)
{
	const size_t rest = dev.lba - PART;
	unsigned int wrong = 0;
	pthread_t thread;
	struct many m;

	many_begin(&m, w, fd);
	parts_stop = false;
	parts_written = 0;
	pthread_create(&thread, NULL, parts, NULL);
	for (unsigned int turn = 0; turn < 150; turn++) {
		for (unsigned int op = NVDIO_IO_WRITE; op <= NVDIO_IO_READ; op++) {
			for (unsigned int i = 0; i < 16; i++) {
				ios[i] = many_io(&m, op, i * PG, dev.lba, i * PG);
				if (op == NVDIO_IO_WRITE)
					fill(m.mem + i * PG, dev.lba, turn, i * PG);
			}
			if (op == NVDIO_IO_READ) {
				usleep(below(&t_seed, 1000));
				memset(m.mem, 0, 16 * PG);
			}
			if (many_send(&m, ios, 16, res))
				bail("%s", w->name);
		}
		for (unsigned int i = 0; i < 16; i++)
			wrong += differs(m.mem + i * PG + PART, rest, turn, i * PG + PART) >= 0;
	}
	parts_stop = true;
	pthread_join(thread, NULL);
	ok(parts_written > 50, "%s: %lu writes of parts of blocks", w->name, parts_written);
	is(wrong, 0, "%s: none has brought back what was there before", w->name);
	many_end(&m);
}

static void claims(void)
{
	claims_of(&many_batch);
	claims_of(&many_ring);
}

/* ---- maps ---- */

/* What others share; filled in by the process whose memory it is. */
struct shared {
	char *mem;
	uint32_t by_node, by_range, alone;
};

/* In another process: share memory by the node and by the range. */
static void sharer(void *shared)
{
	struct shared *s = shared;

	s->by_node = many_map(node, s->mem, PG, NVDIO_MAP_SHARED);
	s->by_range = many_map(fd, s->mem + PG, PG, NVDIO_MAP_SHARED);
	s->alone = many_map(fd, s->mem + 2 * PG, PG, 0);
	child_ready();
	for (;;)
		pause();
}

/* @id among own memory, by commands of all kinds. */
static void with_map(const struct many_way *w, int of, uint32_t id, bool may, const char *what)
{
	const int nothing = may ? 0 : -ENOENT;
	struct many m;

	many_begin(&m, w, of);
	for (unsigned int i = 0; i < 8; i++) {
		const bool write = i > 4;

		ios[i] = many_io(&m, write ? NVDIO_IO_WRITE : NVDIO_IO_READ, i * PG,
				 i == 2 ? dev.lba : PG, 0);
		if (i % 3) {
			ios[i].map = id;
			ios[i].addr = 0;
		}
		want[i] = i % 3 && nothing ? nothing : (int)ios[i].len;
	}
	/* Its size is not told either. */
	ios[1].addr = may ? 0 : PG;
	ios[7].flags = NVDIO_IO_FUA;
	sent(&m, 8, what);
	many_end(&m);
}

static void maps_of(const struct many_way *w, const struct shared *s, char *mem)
{
	int part = range_or_bail(fd, 0, LEN / 2, 0), twin = range_or_bail(node, AT, LEN, 0);

	disk_fill();
	memset(mem, 0x55, 3 * PG);
	with_map(w, fd, s->by_node, false, "a map that another process shares by the node");
	with_map(w, part, s->by_node, false, "the same, by a range of the range");
	with_map(w, fd, s->alone, false, "one that it does not share");
	with_map(w, part, s->by_range, false, "one that it shares by a range, by another range");
	with_map(w, twin, s->by_range, false, "the same, by one of the same blocks");
	ok(mem[0] == 0x55 && !memcmp(mem, mem + 1, 3 * PG - 1),
	   "%s: none of it was read into", w->name);
	get(node, there, LEN, AT);
	for (unsigned int i = 0; i < LEN / PG; i++)
		if (!memcmp(there + i * PG, mem, PG))
			mem[0] = 0;
	is(mem[0], 0x55, "%s: nor written from", w->name);
	mem[0] = 0x55;
	with_map(w, fd, s->by_range, true, "one that it shares by this range");
	with_map(w, node, s->by_node, true, "the first one, by the node");
	ok(mem[PG] != 0x55 && mem[0] != 0x55, "%s: these are read into", w->name);
	close(part);
	close(twin);
}

static void maps(void)
{
	struct shared *s = shared_memory(sizeof(*s));
	char *mem = shared_memory(3 * PG);
	uint32_t own = many_map(node, pages(PG), PG, 0);
	pid_t pid;

	s->mem = mem;
	pid = child_start(sharer, s);
	if (pid < 0)
		bail("the other process has died");
	maps_of(&ways[0], s, mem);
	maps_of(&ways[2], s, mem);
	maps_of(&ways[5], s, mem);
	with_map(&ways[0], fd, own, true, "a map of one's own, added by the node");
	with_map(&ways[5], fd, own, true, "a map of one's own, added by the node");
	is(ioctl(node, NVDIO_IOC_MAP_DEL, &own), 0, "MAP_DEL");
	child_kill(pid);
}

/* ---- lives ---- */

static void fdinfo(int of, const char *want_of)
{
	char path[64], text[1024] = "";
	const char *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", of);
	f = fopen(path, "r");
	if (!f)
		bail("%s", path);
	text[fread(text, 1, sizeof(text) - 1, f)] = 0;
	fclose(f);
	at = strstr(text, "nvdio-");
	ok(at && !strcmp(at, want_of), "what fdinfo says");
	if (at && strcmp(at, want_of))
		note("%s", strtok(text, "\n"));
}

/* A ring outlives the descriptor that it was made from; its maps do, too. */
static void outlives(void)
{
	const long before = module_refs(), nr = (long)ctrl_counter("maps");
	int excl = open(dev.path, O_RDWR | O_EXCL), range = range_or_bail(excl, AT, LEN, 0);
	char text[128];
	struct many m;

	many_begin(&m, &many_ring, range);
	snprintf(text, sizeof(text), "nvdio-ring:\t%s %u %u\nnvdio-range:\t%s %lu %lu\n", dev.name,
		 MANY_MAX, 2 * MANY_MAX, dev.name, AT, LEN);
	fdinfo(m.own.fd, text);
	close(range);
	close(excl);
	excl = open(dev.path, O_RDWR | O_EXCL);
	ok(excl >= 0, "the ring of a range has nothing of O_EXCL");
	close(excl);
	disk_fill();
	is(many_one(&m, NVDIO_IO_READ, LEN - PG, PG), PG, "a ring of a range that is closed");
	ok(!memcmp(m.mem, model + GUARD + LEN - PG, PG), "reads what it should");
	is(many_one(&m, NVDIO_IO_READ, LEN, dev.lba), -ENOSPC, "and nothing behind it");
	own_close(&m.own);
	ok(module_refs_settle(before), "a ring: the range is released");
	for (int i = 0; i < 100 && (long)ctrl_counter("maps") != nr; i++)
		usleep(100000);
	is(ctrl_counter("maps"), nr, "so are its maps");
	munmap(m.mem, MANY_LEN);
	own_open(&m.own, node, 8, 32);
	snprintf(text, sizeof(text), "nvdio-ring:\t%s 8 32\n", dev.name);
	fdinfo(m.own.fd, text);
	own_close(&m.own);
}

/* Reads in flight by a batch and by a ring of @range. */
static void in_flight(struct many *b, struct many *r)
{
	for (unsigned int i = 0; i < 32; i++) {
		ios[i] = many_io(b, NVDIO_IO_READ, i * CELL, CELL, i * CELL % MANY_LEN);
		ios[i].cookie = i;
	}
	prep_batch(&b->ring, b->fd, ios, 32, NULL, 0, 0);
	if (io_uring_submit(&b->ring) != 1)
		bail("io_uring_submit");
	for (unsigned int i = 0; i < 32; i++) {
		ios[i].map = r->map;
		own_put(&r->own, &ios[i]);
	}
	own_publish(&r->own);
	if (own_enter(&r->own, 32, 0) != 32)
		bail("NVDIO_IOC_RING_ENTER");
}

/* Everything is closed with I/O in flight, the range first. */
static void closed(void)
{
	const long before = module_refs();
	unsigned int good = 0;

	disk_fill();
	for (int i = 0; i < 20; i++) {
		int range = range_or_bail(node, AT, LEN, 0);
		struct io_uring_cqe *cqe;
		struct many b, r;

		many_begin(&b, &many_batch, range);
		many_begin(&r, &many_ring, range);
		in_flight(&b, &r);
		close(range);
		close(r.own.fd);
		if (i % 2 && !io_uring_wait_cqe(&b.ring, &cqe))
			good += cqe->res == 32 &&
				!memcmp(b.mem, model + GUARD, 32 * CELL);
		io_uring_queue_exit(&b.ring);
		munmap(r.own.mem, r.own.shape.bytes);
		munmap(r.mem, MANY_LEN);
		munmap(b.mem, MANY_LEN);
	}
	is(good, 10, "batches of ranges that were closed meanwhile have all their data");
	ok(module_refs_settle(before), "closed: the range is released");
	disk_holds("closed");
}

/* Batches and a ring of @range, one after the other, for ever. */
static void busy(void *range)
{
	struct io_uring_cqe *cqe;
	struct many b, r;

	many_begin(&b, &many_batch, *(const int *)range);
	many_begin(&r, &many_ring, *(const int *)range);
	child_ready();
	for (;;) {
		in_flight(&b, &r);
		own_enter(&r.own, 0, 32);
		while (own_ready(&r.own))
			own_get(&r.own);
		io_uring_wait_cqe(&b.ring, &cqe);
		io_uring_cqe_seen(&b.ring, cqe);
	}
}

/* A process is killed, with I/O in flight, or while it waits. */
static void dies(void)
{
	const long before = module_refs();

	for (int i = 0; i < 6; i++) {
		int range = range_or_bail(node, AT, LEN, 0);
		const pid_t pid = child_start(busy, &range);

		close(range);
		ok(pid > 0, "a child has begun");
		usleep(20000 + below(&t_seed, 50000));
		ok(child_kill(pid), "and is killed");
	}
	ok(module_refs_settle(before), "killed: the range is released");
	for (int i = 0; i < 100 && counter("leaks/requests"); i++)
		usleep(100000);
	is(counter("leaks/requests"), 0, "no request is missing");
}

/* A process that has nothing but the range. */
static void as_user(void)
{
	close(node);
	is(reterr(open(dev.path, O_RDWR)), -EACCES, "nobody cannot open the node");
	for (unsigned int i = 0; i < 2; i++) {
		const struct many_way *w = i ? &many_ring : &many_batch;
		struct many m;

		many_begin(&m, w, fd);
		is(many_one(&m, NVDIO_IO_READ, LEN - PG, PG), PG, "%s of nobody: read", w->name);
		ok(!memcmp(m.mem, model + GUARD + LEN - PG, PG), "%s: contents", w->name);
		fill(m.mem, PG, 7 + i, 0);
		is(many_one(&m, NVDIO_IO_WRITE, i * PG, PG), PG, "%s: write", w->name);
		is(many_one(&m, NVDIO_IO_WRITE, LEN, PG), -ENOSPC, "%s: behind it", w->name);
		is(many_one(&m, NVDIO_IO_WRITE, -PG, PG), -ENOSPC, "%s: before it", w->name);
		many_end(&m);
	}
}

static void handed(void)
{
	struct stat st;

	stat(dev.path, &st);
	chmod(dev.path, 0600);
	disk_fill();
	is(as_nobody(as_user), 0, "nobody's tests");
	chmod(dev.path, st.st_mode & 0777);
	fill(model + GUARD, PG, 7, 0);
	fill(model + GUARD + PG, PG, 8, 0);
	disk_holds("what nobody has written");
}

static void setup(void)
{
	node = dev_open(O_RDWR | O_DIRECT);
	fd = range_or_bail(node, AT, LEN, 0);
	model = pages(LEN + 2 * GUARD);
	there = pages(LEN + 2 * GUARD);
}

static const struct t_case cases[] = {
	{ "says", says },
	{ "edges", edges },
	{ "random_runs", random_runs },
	{ "rights", rights },
	{ "claims", claims },
	{ "maps", maps },
	{ "outlives", outlives },
	{ "closed", closed },
	{ "dies", dies },
	{ "handed", handed },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
