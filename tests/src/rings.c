// SPDX-License-Identifier: GPL-2.0
/*
 * Each mode of reading and writing through io_uring, one at a time and then by four rings
 * of four threads: the data, and by the counters which path it took.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t.h"

#define DEPTH 32
#define SIZE (16 * KiB)
#define HUGE (2 * MiB)

#define BIG (IORING_SETUP_SQE128 | IORING_SETUP_CQE32)
#define DEFER (IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN)

enum { PLAIN, VEC, FIXED, CMD };

static const struct mode {
	const char *name;
	unsigned int setup;
	int kind;
	bool huge, files, async, command_fixed;
} modes[] = {
	{ .name = "READ/WRITE" },
	{ .name = "READV/WRITEV", .kind = VEC },
	{ .name = "FIXED", .kind = FIXED },
	{ .name = "FIXED, huge pages", .kind = FIXED, .huge = true },
	{ .name = "registered file", .files = true },
	{ .name = "IOSQE_ASYNC", .async = true },
	{ .name = "SQPOLL", .setup = IORING_SETUP_SQPOLL },
	{ .name = "DEFER_TASKRUN", .setup = DEFER },
	{ .name = "DEFER_TASKRUN, vectors", .setup = DEFER, .kind = VEC },
	{ .name = "COOP_TASKRUN", .setup = IORING_SETUP_COOP_TASKRUN },
	{ .name = "IOPOLL", .setup = IORING_SETUP_IOPOLL },
	{ .name = "IOPOLL, vectors", .setup = IORING_SETUP_IOPOLL, .kind = VEC },
	{ .name = "IOPOLL, DEFER_TASKRUN, FIXED", .setup = IORING_SETUP_IOPOLL | DEFER,
	  .kind = FIXED },
	{ .name = "SQPOLL, IOPOLL, FIXED, huge pages, registered file",
	  .setup = IORING_SETUP_SQPOLL | IORING_SETUP_IOPOLL, .kind = FIXED, .huge = true,
	  .files = true },
	{ .name = "command", .setup = BIG, .kind = CMD },
	{ .name = "command, registered file, DEFER_TASKRUN", .setup = BIG | DEFER, .kind = CMD,
	  .files = true },
	{ .name = "command, FIXED, huge pages", .setup = BIG, .kind = CMD, .huge = true,
	  .command_fixed = true },
	{ .name = "command, IOPOLL", .setup = BIG | IORING_SETUP_IOPOLL, .kind = CMD },
	{ .name = "command, SQPOLL", .setup = BIG | IORING_SETUP_SQPOLL, .kind = CMD },
};

struct ring {
	struct io_uring u;
	const struct mode *m;
	int fd;
	unsigned char *buf;	/* 2 MiB */
	struct iovec v[64][3];
};

static bool polls;		/* there are poll queues */
static unsigned int nsid;

static unsigned char *memory(bool huge)
{
	void *p;

	if (!huge)
		return pages(HUGE);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (p == MAP_FAILED)
		bail("no huge page");
	memset(p, 0, HUGE);
	return p;
}

static void ring_open(struct ring *r, const struct mode *m, int flags)
{
	struct iovec v;

	memset(r, 0, sizeof(*r));
	r->m = m;
	r->fd = dev_open(O_RDWR | flags);
	r->buf = memory(m->huge);
	if (io_uring_queue_init(64, &r->u, m->setup))
		bail("io_uring: %s", m->name);
	v = (struct iovec){ r->buf, HUGE };
	if ((m->kind == FIXED || m->command_fixed) && io_uring_register_buffers(&r->u, &v, 1))
		bail("register buffers");
	if (m->files && io_uring_register_files(&r->u, &r->fd, 1))
		bail("register files");
}

static void ring_close(struct ring *r)
{
	io_uring_queue_exit(&r->u);
	munmap(r->buf, HUGE);
	close(r->fd);
}

static void prep_vec(struct io_uring_sqe *sqe, struct iovec *v, int fd, bool write,
		     unsigned char *p, size_t len, uint64_t off)
{
	size_t a = len / 4 & ~3UL, b = len / 3 & ~3UL;

	v[0] = (struct iovec){ p, a };
	v[1] = (struct iovec){ p + a, b };
	v[2] = (struct iovec){ p + a + b, len - a - b };
	if (write)
		io_uring_prep_writev(sqe, fd, v, 3, off);
	else
		io_uring_prep_readv(sqe, fd, v, 3, off);
}

static void prep_cmd(struct io_uring_sqe *sqe, const struct mode *m, int fd, bool write,
		     unsigned char *p, size_t len, uint64_t off)
{
	struct nvme_uring_cmd c = {
		.opcode = write ? 1 : 2, .nsid = nsid, .addr = (uintptr_t)p, .data_len = len,
		.cdw10 = off / dev.lba, .cdw12 = len / dev.lba - 1,
	};

	prep_command(sqe, fd, NVME_URING_CMD_IO, &c);
	sqe->uring_cmd_flags = m->command_fixed ? IORING_URING_CMD_FIXED : 0;
}

/* Prepare one read or write in the ring's mode; its number is @slot. */
static struct io_uring_sqe *ring_rw(struct ring *r, unsigned int slot, bool write,
				    unsigned char *p, size_t len, uint64_t off)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&r->u);
	int fd = r->m->files ? 0 : r->fd;

	if (!sqe)
		bail("io_uring_get_sqe");
	switch (r->m->kind) {
	case PLAIN:
		if (write)
			io_uring_prep_write(sqe, fd, p, len, off);
		else
			io_uring_prep_read(sqe, fd, p, len, off);
		break;
	case VEC:
		prep_vec(sqe, r->v[slot], fd, write, p, len, off);
		break;
	case FIXED:
		if (write)
			io_uring_prep_write_fixed(sqe, fd, p, len, off, 0);
		else
			io_uring_prep_read_fixed(sqe, fd, p, len, off, 0);
		break;
	case CMD:
		prep_cmd(sqe, r->m, fd, write, p, len, off);
		break;
	}
	sqe->flags |= (r->m->files ? IOSQE_FIXED_FILE : 0) | (r->m->async ? IOSQE_ASYNC : 0);
	io_uring_sqe_set_data64(sqe, slot);
	return sqe;
}

static struct io_uring_cqe *ring_wait(struct ring *r)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_wait_cqe(&r->u, &cqe);

	if (ret)
		bail("io_uring_wait_cqe: %d", ret);
	return cqe;
}

/* DEPTH requests for the first part of buf; returns how many failed. */
static unsigned int ring_all(struct ring *r, bool write, uint64_t off)
{
	unsigned int bad = 0;
	const int want = r->m->kind == CMD ? 0 : SIZE;

	for (unsigned int i = 0; i < DEPTH; i++)
		ring_rw(r, i, write, r->buf + i * SIZE, SIZE, off + i * SIZE);
	io_uring_submit(&r->u);
	for (unsigned int i = 0; i < DEPTH; i++) {
		struct io_uring_cqe *cqe = ring_wait(r);

		if (cqe->res != want && !bad++)
			note("  request %llu: %d", (unsigned long long)cqe->user_data, cqe->res);
		io_uring_cqe_seen(&r->u, cqe);
	}
	return bad;
}

/* Pages pinned since boot; reading stat_refresh folds the per-CPU counters. */
static uint64_t pins(void)
{
	char line[64];
	unsigned long v = 0;
	FILE *f = fopen("/proc/sys/vm/stat_refresh", "r");

	if (f) {
		while (fgets(line, sizeof(line), f))
			;
		fclose(f);
	}
	f = fopen("/proc/vmstat", "r");
	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "nr_foll_pin_acquired %lu", &v) == 1)
			break;
	if (f)
		fclose(f);
	return v;
}

struct counts {
	uint64_t passed, direct, copied, polled, pinned;
};

static struct counts counts(void)
{
	return (struct counts){
		.passed = counter("stats/passthrough"), .direct = counter("stats/direct"),
		.copied = counter("stats/copy"), .polled = counter("stats/polled"),
		.pinned = pins(),
	};
}

/* The path of all writes and reads: @was is what the counters were before them. */
static void check_path(const struct mode *m, int flags, struct counts was)
{
	uint64_t passed = counter("stats/passthrough") - was.passed;
	uint64_t direct = counter("stats/direct") - was.direct;
	/* Without the two calls that check the data. */
	uint64_t copied = counter("stats/copy") - was.copied - 2;

	if (m->kind == CMD)
		ok(passed == 2 * DEPTH && !direct && !copied, "%s: counters: commands", m->name);
	else if (flags & O_DIRECT)
		ok(!passed && direct == 2 * DEPTH && !copied, "%s: counters: direct", m->name);
	else
		ok(!passed && !direct && copied == 2 * DEPTH, "%s: counters: copy", m->name);
}

/* What happened during the writes: polling and pinning. */
static void check_writes(const struct mode *m, int flags, struct counts was,
			 struct counts is_now)
{
	const bool fixed = m->kind == FIXED || m->command_fixed;
	uint64_t polled = is_now.polled - was.polled, pinned = is_now.pinned - was.pinned;

	if (m->setup & IORING_SETUP_IOPOLL && polls)
		is(polled, DEPTH, "%s: all were found by polling", m->name);
	else if (!(m->setup & IORING_SETUP_IOPOLL))
		is(polled, 0, "%s: none was polled for", m->name);
	/* The kernel counts pins of all programs. */
	if (getenv("NVDIO_BESIDE"))
		return;
	if (fixed || !(flags & O_DIRECT || m->kind == CMD))
		is(pinned, 0, "%s, %s: no page was pinned", m->name, path_name(flags));
	else
		ok(pinned >= DEPTH * SIZE / PG, "%s: pages were pinned (%llu)", m->name,
		   (unsigned long long)pinned);
}

static void one_mode(const struct mode *m, int flags, unsigned int turn)
{
	const uint64_t at = turn % 8 * MiB, seed = t_seed + turn;
	unsigned char *b = pages(DEPTH * SIZE);
	int plain = dev_open(O_RDWR);
	struct counts before, written;
	struct ring r;

	ring_open(&r, m, flags);
	fill(r.buf, DEPTH * SIZE, seed, 0);
	before = counts();
	is(ring_all(&r, true, at), 0, "%s, %s: %u writes", m->name, path_name(flags), DEPTH);
	written = counts();
	get(plain, b, DEPTH * SIZE, at);
	holds(b, DEPTH * SIZE, seed, 0, "%s: the device has them", m->name);
	fill(b, DEPTH * SIZE, seed ^ 1, 0);
	put(plain, b, DEPTH * SIZE, at);
	is(ring_all(&r, false, at), 0, "%s: %u reads", m->name, DEPTH);
	holds(r.buf, DEPTH * SIZE, seed ^ 1, 0, "%s: their data", m->name);
	check_path(m, flags, before);
	check_writes(m, flags, before, written);
	ring_close(&r);
	munmap(b, DEPTH * SIZE);
	close(plain);
}

static void all_modes(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		one_mode(&modes[i], O_DIRECT, i);
		/* io_uring polls only O_DIRECT files; commands do not depend on the flag. */
		if (!(modes[i].setup & IORING_SETUP_IOPOLL) && modes[i].kind != CMD)
			one_mode(&modes[i], 0, i + 100);
	}
}

/* A chain: write, read it back into other memory; and a chain with a bad link. */
static void chains(void)
{
	static const struct mode m = { .name = "linked" };
	struct io_uring_cqe *cqe;
	int res[6] = {};
	struct ring r;

	ring_open(&r, &m, O_DIRECT);
	fill(r.buf, SIZE, t_seed ^ 77, 0);
	ring_rw(&r, 0, true, r.buf, SIZE, 0)->flags |= IOSQE_IO_LINK;
	ring_rw(&r, 1, false, r.buf + MiB, SIZE, 0)->flags |= IOSQE_IO_LINK;
	ring_rw(&r, 2, true, r.buf + MiB, SIZE, SIZE);
	/* Not a whole block: refused, and the next one is cancelled. */
	ring_rw(&r, 3, true, r.buf, 100, 4 * SIZE)->flags |= IOSQE_IO_LINK;
	ring_rw(&r, 4, true, r.buf, SIZE, 8 * SIZE);
	ring_rw(&r, 5, false, r.buf + MiB / 2, SIZE, 2 * SIZE);
	io_uring_submit(&r.u);
	for (int i = 0; i < 6; i++) {
		cqe = ring_wait(&r);
		res[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(&r.u, cqe);
	}
	ok(res[0] == SIZE && res[1] == SIZE && res[2] == SIZE && res[5] == SIZE,
	   "linked: write, read, write elsewhere");
	holds(r.buf + MiB, SIZE, t_seed ^ 77, 0, "linked: the read came after the write");
	get(r.fd, r.buf + MiB, SIZE, SIZE);
	holds(r.buf + MiB, SIZE, t_seed ^ 77, 0, "linked: the second write came after the read");
	is(res[3], -EINVAL, "linked: a bad request");
	is(res[4], -ECANCELED, "linked: the next request is cancelled");
	ring_close(&r);
}

static void iopoll_copy(void)
{
	static const struct mode m = { .name = "IOPOLL", .setup = IORING_SETUP_IOPOLL };
	struct paths p = path_start();
	struct io_uring_cqe *cqe;
	struct ring r;

	ring_open(&r, &m, 0);
	ring_rw(&r, 0, false, r.buf, SIZE, 0);
	io_uring_submit(&r.u);
	cqe = ring_wait(&r);
	is(cqe->res, -EOPNOTSUPP, "IOPOLL without O_DIRECT is refused, as on a block device");
	io_uring_cqe_seen(&r.u, cqe);
	went(p, 0, 0, "and not counted");
	ring_close(&r);
}

/* ---- four rings, four threads ---- */

#define SLOTS 16
#define STRIPE (512 * KiB)
#define PART (SLOTS * STRIPE)
#define MAX (64 * KiB)

#define LEAST 50		/* requests of a thread, even if the host is busy */

struct part {
	pthread_t thread;
	unsigned int n;
	const struct mode *m;
	int flags;
	unsigned int ops, errors, wrong;
	unsigned char *shadow;
	/* the thread's own */
	struct ring r;
	uint64_t at, state, serial;
	struct {
		bool write, busy;
		size_t len;
		uint64_t off;
	} slot[SLOTS];
	unsigned int busy;
};

/* A random request for slot @i, which has a stripe of the part to itself. */
static void part_send(struct part *t, unsigned int i)
{
	size_t unit = t->flags & O_DIRECT || t->m->kind == CMD ? dev.lba : 4;
	unsigned char *p = t->r.buf + i * MAX;
	uint64_t *s = &t->state;
	size_t len, off;
	bool write = below(s, 2);

	len = (1 + below(s, MAX / unit)) * unit;
	if (below(s, 2))
		len = unit;
	off = i * STRIPE + below(s, (STRIPE - len) / unit + 1) * unit;
	if (write) {
		fill(p, len, ++t->serial * 4 + t->n, 0);
		memcpy(t->shadow + off, p, len);
	} else {
		memset(p, 0xee, len);
	}
	t->slot[i].write = write;
	t->slot[i].busy = true;
	t->slot[i].len = len;
	t->slot[i].off = off;
	ring_rw(&t->r, i, write, p, len, t->at + off);
	t->busy++;
}

static void part_reap(struct part *t, struct io_uring_cqe *cqe)
{
	unsigned int i = cqe->user_data;
	size_t len = t->slot[i].len;

	t->errors += cqe->res != (t->m->kind == CMD ? 0 : (int)len);
	if (!t->slot[i].write)
		t->wrong += !!memcmp(t->r.buf + i * MAX, t->shadow + t->slot[i].off, len);
	t->slot[i].busy = false;
	t->busy--;
	t->ops++;
	io_uring_cqe_seen(&t->r.u, cqe);
}

/* For 5 seconds, and until there were enough requests: the host may be busy. */
static void *part_run(void *arg)
{
	struct part *t = arg;
	struct io_uring_cqe *cqe;
	double end;

	t->at = t->n * PART;
	t->state = t_seed + 1000 * t->n;
	ring_open(&t->r, t->m, t->flags);
	get(t->r.fd, t->shadow, PART, t->at);
	end = now() + 5;
	while (t->busy || now() < end || t->ops <= LEAST) {
		for (unsigned int i = 0; i < SLOTS; i++)
			if (!t->slot[i].busy && (now() < end || t->ops <= LEAST))
				part_send(t, i);
		if (!t->busy)
			break;
		io_uring_submit(&t->r.u);
		cqe = ring_wait(&t->r);
		do {
			part_reap(t, cqe);
		} while (t->busy && !io_uring_peek_cqe(&t->r.u, &cqe));
	}
	ring_close(&t->r);
	return NULL;
}

static void four_threads(const struct mode *mix, const int *flags)
{
	struct part *t = calloc(4, sizeof(*t));
	unsigned char *b = pages(PART);
	int fd = dev_open(O_RDONLY);
	unsigned int i;

	for (i = 0; i < 4; i++) {
		t[i].n = i;
		t[i].m = &mix[i];
		t[i].flags = flags[i];
		t[i].shadow = pages(PART);
		if (pthread_create(&t[i].thread, NULL, part_run, &t[i]))
			bail("thread");
	}
	for (i = 0; i < 4; i++) {
		pthread_join(t[i].thread, NULL);
		ok(!t[i].errors && !t[i].wrong && t[i].ops > LEAST,
		   "ring %u of 4, %s, %s: %u requests, %u failed, %u reads wrong", i, mix[i].name,
		   path_name(flags[i]), t[i].ops, t[i].errors, t[i].wrong);
		for (size_t o = 0; o < PART; o += MiB)
			get(fd, b + o, MiB, i * PART + o);
		is(memcmp(b, t[i].shadow, PART), 0,
		   "ring %u of 4: every byte of its 8 MiB is right", i);
		munmap(t[i].shadow, PART);
	}
	free(t);
	munmap(b, PART);
	close(fd);
}

static void threads_1(void)
{
	static const struct mode mix[] = {
		{ .name = "SQPOLL, FIXED, registered file", .setup = IORING_SETUP_SQPOLL,
		  .kind = FIXED, .files = true },
		{ .name = "DEFER_TASKRUN, vectors", .setup = DEFER, .kind = VEC },
		{ .name = "IOPOLL, FIXED, huge pages", .setup = IORING_SETUP_IOPOLL,
		  .kind = FIXED, .huge = true },
		{ .name = "command", .setup = BIG, .kind = CMD },
	};
	static const int flags[] = { O_DIRECT, 0, O_DIRECT, 0 };

	four_threads(mix, flags);
}

static void threads_2(void)
{
	static const struct mode mix[] = {
		{ .name = "READ/WRITE, IOSQE_ASYNC", .async = true },
		{ .name = "IOPOLL, vectors", .setup = IORING_SETUP_IOPOLL, .kind = VEC },
		{ .name = "command, IOPOLL", .setup = BIG | IORING_SETUP_IOPOLL, .kind = CMD },
		{ .name = "COOP_TASKRUN", .setup = IORING_SETUP_COOP_TASKRUN },
	};
	static const int flags[] = { O_DIRECT, O_DIRECT, O_DIRECT, 0 };

	four_threads(mix, flags);
}

static void setup(void)
{
	polls = dev.counted && counter("../poll_queue_count");
	note("%s poll queues", polls ? "with" : "without");
	nsid = dev_nsid();
}

static const struct t_case cases[] = {
	{ "modes", all_modes },
	{ "chains", chains },
	{ "iopoll_copy", iopoll_copy },
	{ "threads_1", threads_1 },
	{ "threads_2", threads_2 },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
