// SPDX-License-Identifier: GPL-2.0
/*
 * Each way io_uring has of reading and writing, one at a time and then four rings
 * of four threads at once: data, and by the counters that it was that way.
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
	{ .name = "IOPOLL, DEFER_TASKRUN, FIXED", .setup = IORING_SETUP_IOPOLL | DEFER, .kind = FIXED },
	{ .name = "SQPOLL, IOPOLL, FIXED, huge pages, registered file", .setup = IORING_SETUP_SQPOLL | IORING_SETUP_IOPOLL, .kind = FIXED, .huge = true, .files = true },
	{ .name = "command", .setup = BIG, .kind = CMD },
	{ .name = "command, registered file, DEFER_TASKRUN", .setup = BIG | DEFER, .kind = CMD, .files = true },
	{ .name = "command, FIXED, huge pages", .setup = BIG, .kind = CMD, .huge = true, .command_fixed = true },
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

static bool polls;	/* there are poll queues */
static unsigned int nsid;

static unsigned char *memory(bool huge)
{
	void *p;

	if (!huge)
		return pages(HUGE);
	p = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
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
		bail("ring: %s", m->name);
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

/* Prepare one read or write of the ring's mode; its number is @slot. */
static struct io_uring_sqe *ring_rw(struct ring *r, unsigned int slot, bool write, unsigned char *p, size_t len, uint64_t off)
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
	case VEC: {
		struct iovec *v = r->v[slot];
		size_t a = len / 4 & ~3UL, b = len / 3 & ~3UL;

		v[0] = (struct iovec){ p, a };
		v[1] = (struct iovec){ p + a, b };
		v[2] = (struct iovec){ p + a + b, len - a - b };
		if (write)
			io_uring_prep_writev(sqe, fd, v, 3, off);
		else
			io_uring_prep_readv(sqe, fd, v, 3, off);
		break;
	}
	case FIXED:
		if (write)
			io_uring_prep_write_fixed(sqe, fd, p, len, off, 0);
		else
			io_uring_prep_read_fixed(sqe, fd, p, len, off, 0);
		break;
	case CMD: {
		struct nvme_uring_cmd c = {
			.opcode = write ? 1 : 2, .nsid = nsid,
			.addr = (uintptr_t)p, .data_len = len,
			.cdw10 = off / dev.lba, .cdw12 = len / dev.lba - 1,
		};

		prep_command(sqe, fd, NVME_URING_CMD_IO, &c);
		sqe->uring_cmd_flags = r->m->command_fixed ? IORING_URING_CMD_FIXED : 0;
		break;
	}
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

/* All of buf's first half, DEPTH at a time; returns how many went wrong. */
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

/* Pages that were pinned since boot; each processor's share is added first. */
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

static void one_mode(const struct mode *m, int flags, unsigned int turn)
{
	const uint64_t at = turn % 8 * MiB, seed = t_seed + turn;
	uint64_t polled, passed, pinned, direct, copied;
	const bool fixed = m->kind == FIXED || m->command_fixed;
	unsigned char *b = pages(DEPTH * SIZE);
	int plain = dev_open(O_RDWR);
	struct ring r;

	ring_open(&r, m, flags);
	fill(r.buf, DEPTH * SIZE, seed, 0);
	passed = counter("stats/passthrough");
	direct = counter("stats/direct");
	copied = counter("stats/copy");
	polled = counter("stats/polled");
	pinned = pins();
	is(ring_all(&r, true, at), 0, "%s, %s: %u writes", m->name, path_name(flags), DEPTH);
	pinned = pins() - pinned;
	polled = counter("stats/polled") - polled;
	/* By another way; this is one more copied call. */
	get(plain, b, DEPTH * SIZE, at);
	holds(b, DEPTH * SIZE, seed, 0, "%s: the device has them", m->name);
	fill(b, DEPTH * SIZE, seed ^ 1, 0);
	put(plain, b, DEPTH * SIZE, at);
	is(ring_all(&r, false, at), 0, "%s: %u reads", m->name, DEPTH);
	holds(r.buf, DEPTH * SIZE, seed ^ 1, 0, "%s: their data", m->name);
	passed = counter("stats/passthrough") - passed;
	direct = counter("stats/direct") - direct;
	copied = counter("stats/copy") - copied - 2;
	if (m->kind == CMD)
		ok(passed == 2 * DEPTH && !direct && !copied, "%s: counters: commands", m->name);
	else if (flags & O_DIRECT)
		ok(!passed && direct == 2 * DEPTH && !copied, "%s: counters: direct", m->name);
	else
		ok(!passed && !direct && copied == 2 * DEPTH, "%s: counters: copy", m->name);
	if (m->setup & IORING_SETUP_IOPOLL && polls)
		is(polled, DEPTH, "%s: all were found by polling", m->name);
	else if (!(m->setup & IORING_SETUP_IOPOLL))
		is(polled, 0, "%s: none was polled for", m->name);
	if (fixed || !(flags & O_DIRECT || m->kind == CMD))
		is(pinned, 0, "%s, %s: no page was pinned", m->name, path_name(flags));
	else
		ok(pinned >= DEPTH * SIZE / PG, "%s: pages were pinned (%llu)", m->name, (unsigned long long)pinned);
	ring_close(&r);
	munmap(b, DEPTH * SIZE);
	close(plain);
}

/* A chain: write, read it back into other memory; and a chain with a bad link. */
static void linked(void)
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
	/* Not a whole block: refused, and what follows is cancelled. */
	ring_rw(&r, 3, true, r.buf, 100, 4 * SIZE)->flags |= IOSQE_IO_LINK;
	ring_rw(&r, 4, true, r.buf, SIZE, 8 * SIZE);
	ring_rw(&r, 5, false, r.buf + MiB / 2, SIZE, 2 * SIZE);
	io_uring_submit(&r.u);
	for (int i = 0; i < 6; i++) {
		cqe = ring_wait(&r);
		res[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(&r.u, cqe);
	}
	ok(res[0] == SIZE && res[1] == SIZE && res[2] == SIZE && res[5] == SIZE, "linked: write, read, write elsewhere");
	holds(r.buf + MiB, SIZE, t_seed ^ 77, 0, "linked: the read came after the write");
	get(r.fd, r.buf + MiB, SIZE, SIZE);
	holds(r.buf + MiB, SIZE, t_seed ^ 77, 0, "linked: the second write came after the read");
	is(res[3], -EINVAL, "linked: a bad request");
	is(res[4], -ECANCELED, "linked: what follows it is cancelled");
	ring_close(&r);
}

static void poll_copied(void)
{
	static const struct mode m = { .name = "IOPOLL", .setup = IORING_SETUP_IOPOLL };
	struct paths p = path_start();
	struct io_uring_cqe *cqe;
	struct ring r;

	ring_open(&r, &m, 0);
	ring_rw(&r, 0, false, r.buf, SIZE, 0);
	io_uring_submit(&r.u);
	cqe = ring_wait(&r);
	is(cqe->res, -EOPNOTSUPP, "IOPOLL without O_DIRECT is refused, as on a disk");
	io_uring_cqe_seen(&r.u, cqe);
	went(p, 0, 0, "and not counted");
	ring_close(&r);
}

/* ---- four rings, four threads ---- */

#define SLOTS 16
#define STRIPE (512 * KiB)
#define PART (SLOTS * STRIPE)
#define MAX (64 * KiB)

struct part {
	pthread_t thread;
	unsigned int n;
	const struct mode *m;
	int flags;
	unsigned int ops, errors, wrong;
	unsigned char *shadow;
};

static void *part_run(void *arg)
{
	struct part *t = arg;
	uint64_t at = t->n * PART, s = t_seed + 1000 * t->n, serial = 0;
	struct { bool write, busy; size_t len; uint64_t off; } slot[SLOTS] = {};
	unsigned int busy = 0;
	struct ring r;
	double end;

	ring_open(&r, t->m, t->flags);
	get(r.fd, t->shadow, PART, at);
	/* For some time, but not before there was something to see: the host may be busy. */
	end = now() + 5;
	while (busy || now() < end || t->ops <= 50) {
		struct io_uring_cqe *cqe;

		for (unsigned int i = 0; i < SLOTS && (now() < end || t->ops <= 50); i++) {
			unsigned char *p = r.buf + i * MAX;
			size_t unit = t->flags & O_DIRECT || t->m->kind == CMD ? dev.lba : 4;

			if (slot[i].busy)
				continue;
			slot[i].write = below(&s, 2);
			slot[i].len = (1 + below(&s, MAX / unit)) * unit;
			if (below(&s, 2))
				slot[i].len = unit;
			slot[i].off = i * STRIPE + below(&s, (STRIPE - slot[i].len) / unit + 1) * unit;
			slot[i].busy = true;
			if (slot[i].write) {
				fill(p, slot[i].len, ++serial * 4 + t->n, 0);
				memcpy(t->shadow + slot[i].off, p, slot[i].len);
			} else {
				memset(p, 0xee, slot[i].len);
			}
			ring_rw(&r, i, slot[i].write, p, slot[i].len, at + slot[i].off);
			busy++;
		}
		if (!busy)
			break;
		io_uring_submit(&r.u);
		do {
			unsigned int i;

			cqe = ring_wait(&r);
			i = cqe->user_data;
			t->errors += cqe->res != (t->m->kind == CMD ? 0 : (int)slot[i].len);
			if (!slot[i].write)
				t->wrong += !!memcmp(r.buf + i * MAX, t->shadow + slot[i].off, slot[i].len);
			slot[i].busy = false;
			busy--;
			t->ops++;
			io_uring_cqe_seen(&r.u, cqe);
		} while (busy && !io_uring_peek_cqe(&r.u, &cqe));
	}
	ring_close(&r);
	return NULL;
}

static void four(void)
{
	static const struct mode mix[2][4] = {
		{
			{ .name = "SQPOLL, FIXED, registered file", .setup = IORING_SETUP_SQPOLL, .kind = FIXED, .files = true },
			{ .name = "DEFER_TASKRUN, vectors", .setup = DEFER, .kind = VEC },
			{ .name = "IOPOLL, FIXED, huge pages", .setup = IORING_SETUP_IOPOLL, .kind = FIXED, .huge = true },
			{ .name = "command", .setup = BIG, .kind = CMD },
		}, {
			{ .name = "READ/WRITE, IOSQE_ASYNC", .async = true },
			{ .name = "IOPOLL, vectors", .setup = IORING_SETUP_IOPOLL, .kind = VEC },
			{ .name = "command, IOPOLL", .setup = BIG | IORING_SETUP_IOPOLL, .kind = CMD },
			{ .name = "COOP_TASKRUN", .setup = IORING_SETUP_COOP_TASKRUN },
		},
	};
	static const int flags[2][4] = {
		{ O_DIRECT, 0, O_DIRECT, 0 }, { O_DIRECT, O_DIRECT, O_DIRECT, 0 },
	};
	unsigned char *b = pages(PART);
	int fd = dev_open(O_RDONLY);

	for (unsigned int k = 0; k < 2; k++) {
		struct part t[4] = {};

		for (unsigned int i = 0; i < 4; i++) {
			t[i] = (struct part){ .n = i, .m = &mix[k][i], .flags = flags[k][i], .shadow = pages(PART) };
			if (pthread_create(&t[i].thread, NULL, part_run, &t[i]))
				bail("thread");
		}
		for (unsigned int i = 0; i < 4; i++) {
			pthread_join(t[i].thread, NULL);
			ok(!t[i].errors && !t[i].wrong && t[i].ops > 50, "ring %u of 4, %s, %s: %u requests, %u failed, %u reads wrong", i, mix[k][i].name, path_name(flags[k][i]), t[i].ops, t[i].errors, t[i].wrong);
			for (size_t o = 0; o < PART; o += MiB)
				get(fd, b + o, MiB, i * PART + o);
			is(memcmp(b, t[i].shadow, PART), 0, "ring %u of 4: every byte of its 8 MiB is right", i);
			munmap(t[i].shadow, PART);
		}
	}
	munmap(b, PART);
	close(fd);
}

int main(int argc, char **argv)
{
	FILE *f;
	int n = 0;

	t_begin(argc, argv);
	f = fopen("/sys/module/nvdio/parameters/poll_queues", "r");
	if (f && fscanf(f, "%d", &n) != 1)
		n = 0;
	polls = n;
	note("%s poll queues", polls ? "with" : "without");
	nsid = dev.name[strlen(dev.name) - 1] - '0';
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		one_mode(&modes[i], O_DIRECT, i);
		/* Polling is for O_DIRECT; a command does not ask. */
		if (!(modes[i].setup & IORING_SETUP_IOPOLL) && modes[i].kind != CMD)
			one_mode(&modes[i], 0, i + 100);
	}
	linked();
	poll_copied();
	four();
	return t_end();
}
