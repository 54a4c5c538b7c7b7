// SPDX-License-Identifier: GPL-2.0
/*
 * The direct path and the copy path are coherent: either one reads what the other has
 * written, checked against a model in memory; threads that write parts of the same
 * block through the copy path lose no update; and O_DIRECT can be switched on and off
 * with F_SETFL while I/O is running.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

#define AT (2 * MiB)

/* ---- random operations against a model ---- */

#define SPAN (2 * MiB)
#define STEPS 1500

static void model(void)
{
	int direct = dev_open(O_RDWR | O_DIRECT), copy = dev_open(O_RDWR);
	char *want = pages(SPAN), *buf = pages(SPAN + 2 * PG);
	unsigned int i, n_direct = 0, n_copy = 0;
	uint64_t state = t_seed;
	struct paths p;
	bool good = true;

	fill(want, SPAN, rnd(&t_seed), 0);
	put(direct, want, SPAN, AT);
	p = path_start();
	for (i = 0; i < STEPS && good; i++) {
		bool d = rnd(&t_seed) & 1, wr = rnd(&t_seed) & 1;
		uint64_t unit = d ? dev.lba : 1;
		/* Mostly short, sometimes long. */
		uint64_t most = below(&t_seed, 16) ? 3 * PG : SPAN / 4;
		uint64_t len = (1 + below(&t_seed, most / unit)) * unit;
		uint64_t off = below(&t_seed, (SPAN - len) / unit + 1) * unit;
		char *at = buf + (d ? 4 * below(&t_seed, PG / 4) :
				  below(&t_seed, PG));
		ssize_t n;

		if (wr) {
			fill(at, len, rnd(&t_seed), 0);
			memcpy(want + off, at, len);
			n = pwrite(d ? direct : copy, at, len, AT + off);
		} else {
			memset(at, 0, len);
			n = pread(d ? direct : copy, at, len, AT + off);
		}
		good = n == (ssize_t)len && !memcmp(at, want + off, len);
		if (!good)
			note("step %u: %s %s of %lu at %lu: %zd", i,
			     d ? "direct" : "copy", wr ? "write" : "read", len,
			     off, n);
		n_direct += d;
		n_copy += !d;
	}
	ok(good, "%d random reads and writes on both paths match the model (state %#lx)",
	   STEPS, state);
	went(p, n_direct, n_copy, "model: each call took its path");
	get(direct, buf, SPAN, AT);
	ok(!memcmp(buf, want, SPAN), "the whole range at the end, direct");
	get(copy, buf, SPAN, AT);
	ok(!memcmp(buf, want, SPAN), "the whole range at the end, copy");
	close(direct);
	close(copy);
}

/* ---- parts of the same blocks ---- */

#define WRITERS 8
#define UPDATES 150

struct writer {
	pthread_t id;
	int fd;
	uint64_t off;
	size_t len;
	unsigned int lost, failed;
};

/* Count upwards in bytes that only this thread writes. */
static void *count_up(void *v)
{
	struct writer *w = v;
	unsigned char mine[256], back[256];
	unsigned int i;

	for (i = 1; i <= UPDATES; i++) {
		memset(mine, i, w->len);
		if (pwrite(w->fd, mine, w->len, w->off) != (ssize_t)w->len)
			w->failed++;
		if (pread(w->fd, back, w->len, w->off) != (ssize_t)w->len)
			w->failed++;
		if (memcmp(mine, back, w->len))
			w->lost++;
	}
	return NULL;
}

static void parts(const char *what, size_t len, size_t stride, uint64_t off)
{
	static struct writer w[WRITERS];
	unsigned int i, lost = 0, failed = 0, wrong = 0;
	unsigned char last[256];
	size_t k;

	for (i = 0; i < WRITERS; i++) {
		w[i] = (struct writer){
			.fd = dev_open(O_RDWR), .off = off + i * stride,
			.len = len
		};
		if (pthread_create(&w[i].id, NULL, count_up, &w[i]))
			bail("thread");
	}
	for (i = 0; i < WRITERS; i++) {
		pthread_join(w[i].id, NULL);
		lost += w[i].lost;
		failed += w[i].failed;
		get(w[i].fd, last, len, w[i].off);
		for (k = 0; k < len; k++)
			wrong += last[k] != (unsigned char)UPDATES;
		close(w[i].fd);
	}
	is(failed, 0, "%s: all calls succeeded", what);
	is(lost, 0, "%s: %d threads, no update was lost", what, WRITERS);
	is(wrong, 0, "%s: all final values are there", what);
}

/* ---- a direct writer next to copy writers ---- */

static atomic_bool stop;

struct neighbour {
	int fd;
	unsigned int lost, writes;
};

/* Write whole blocks on both sides of the blocks whose parts are being written. */
static void *whole_blocks(void *v)
{
	struct neighbour *n = v;
	size_t lba = dev.lba;
	char *blk = pages(2 * lba), *back = pages(2 * lba);
	uint64_t seed = 99;

	while (!atomic_load(&stop)) {
		uint64_t side = n->writes & 1 ? AT - lba : AT + 2 * lba;

		fill(blk, lba, ++seed, 0);
		if (pwrite(n->fd, blk, lba, side) != (ssize_t)lba ||
		    pread(n->fd, back, lba, side) != (ssize_t)lba ||
		    memcmp(blk, back, lba))
			n->lost++;
		n->writes++;
	}
	return NULL;
}

static void adjacent_blocks(void)
{
	struct neighbour n = { .fd = dev_open(O_RDWR | O_DIRECT) };
	pthread_t id;

	atomic_store(&stop, false);
	if (pthread_create(&id, NULL, whole_blocks, &n))
		bail("thread");
	/* Unaligned writes across a block boundary, next to direct writes. */
	parts("parts across a block boundary, next to direct writes", 60, 60,
	      AT + dev.lba - 4 * 60);
	atomic_store(&stop, true);
	pthread_join(id, NULL);
	ok(n.writes > 0, "the direct writer ran: %u writes", n.writes);
	is(n.lost, 0, "the direct writer's blocks were never overwritten");
	close(n.fd);
}

/*
 * Copy writers change parts of the same blocks that a direct writer writes as a whole.
 * Bytes outside of the copy writers' parts come from the direct writer only: if one is
 * old, a read-modify-write has written back what it read before the direct write.
 */
struct part {
	pthread_t id;
	int fd;
	uint64_t off;
	unsigned int failed;
};

static void *part_writer(void *v)
{
	struct part *p = v;
	unsigned char mine[8];
	unsigned int i;

	for (i = 0; !atomic_load(&stop); i++) {
		memset(mine, i, sizeof(mine));
		if (pwrite(p->fd, mine, sizeof(mine), p->off) != sizeof(mine))
			p->failed++;
	}
	return NULL;
}

/* Write both blocks and read them back; returns whether a byte of it was lost. */
static bool lost_bytes(int fd, char *want, char *back, const struct part *p)
{
	size_t len = 2 * dev.lba;

	fill(want, len, rnd(&t_seed), 0);
	put(fd, want, len, AT);
	get(fd, back, len, AT);
	for (unsigned int k = 0; k < 4; k++)
		memcpy(back + p[k].off - AT, want + p[k].off - AT, 8);
	return memcmp(back, want, len);
}

static void same_block(void)
{
	char *want = pages(2 * dev.lba), *back = pages(2 * dev.lba);
	int fd = dev_open(O_RDWR | O_DIRECT);
	unsigned int k, lost = 0, failed = 0;
	struct part p[4] = { 0 };

	atomic_store(&stop, false);
	for (k = 0; k < 4; k++) {
		/* The last part lies on both sides of the boundary. */
		p[k].off = AT + (k < 3 ? 40 + 100 * k : dev.lba - 4);
		p[k].fd = dev_open(O_RDWR);
		if (pthread_create(&p[k].id, NULL, part_writer, &p[k]))
			bail("thread");
	}
	for (unsigned int i = 0; i < 250; i++)
		lost += lost_bytes(fd, want, back, p);
	atomic_store(&stop, true);
	for (k = 0; k < 4; k++) {
		pthread_join(p[k].id, NULL);
		failed += p[k].failed;
		close(p[k].fd);
	}
	is(failed, 0, "copy writes to the blocks of a direct writer: all succeeded");
	is(lost, 0, "the direct writer's bytes never revert to older ones (250 passes)");
	close(fd);
}

/* Direct and copy writes to one block, alternating. */
static void alternating(void)
{
	int direct = dev_open(O_RDWR | O_DIRECT), copy = dev_open(O_RDWR);
	char *want = pages(dev.lba), *buf = pages(dev.lba);
	unsigned int i, wrong = 0;

	for (i = 0; i < 200; i++) {
		size_t off = below(&t_seed, dev.lba - 1);
		size_t len = 1 + below(&t_seed, dev.lba - off);

		fill(want, dev.lba, rnd(&t_seed), 0);
		put(direct, want, dev.lba, AT);
		memset(want + off, i, len);
		put(copy, want + off, len, AT + off);
		get(direct, buf, dev.lba, AT);
		wrong += !!memcmp(want, buf, dev.lba);
	}
	is(wrong, 0, "a copy write to part of a block that was just written direct");
	close(direct);
	close(copy);
}

/* ---- F_SETFL ---- */

static void *toggle(void *v)
{
	int fd = *(int *)v;
	bool on = false;

	while (!atomic_load(&stop)) {
		on = !on;
		if (fcntl(fd, F_SETFL, on ? O_DIRECT : 0))
			return (void *)1;
		usleep(200);
	}
	return NULL;
}

static void toggling_o_direct(void)
{
	size_t len = 256 * KiB;
	char *a = pages(len), *b = pages(len);
	int fd = dev_open(O_RDWR);
	unsigned int i, wrong = 0;
	struct paths p = path_start(), q;
	pthread_t id;
	void *res;

	atomic_store(&stop, false);
	if (pthread_create(&id, NULL, toggle, &fd))
		bail("thread");
	for (i = 0; i < 400; i++) {
		fill(a, len, i + 1, 0);
		memset(b, 0, len);
		if (pwrite(fd, a, len, AT) != (ssize_t)len ||
		    pread(fd, b, len, AT) != (ssize_t)len || memcmp(a, b, len))
			wrong++;
	}
	atomic_store(&stop, true);
	pthread_join(id, &res);
	ok(!res, "F_SETFL always succeeded");
	is(wrong, 0, "400 writes and reads while O_DIRECT is toggled");
	q = path_start();
	if (dev.counted) {
		ok(q.direct > p.direct && q.copy > p.copy,
		   "both paths were taken (direct %lu, copy %lu)",
		   q.direct - p.direct, q.copy - p.copy);
		is(q.direct - p.direct + q.copy - p.copy, 800,
		   "each call took exactly one path");
	}
	close(fd);
}

static void parts_of_one_block(void)
{
	parts("parts of one block", 8, 8, AT + 3);
	parts("parts of one block, not dword-sized", 61, 61, AT + 5);
}

static void parts_across_blocks(void)
{
	parts("parts across block boundaries", 200, 200, AT + dev.lba - 601);
}

static const struct t_case cases[] = {
	{ "model", model },
	{ "parts_of_one_block", parts_of_one_block },
	{ "parts_across_blocks", parts_across_blocks },
	{ "adjacent_blocks", adjacent_blocks },
	{ "same_block", same_block },
	{ "alternating", alternating },
	{ "toggling_o_direct", toggling_o_direct },
};

int main(int argc, char **argv)
{
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
