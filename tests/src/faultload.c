// SPDX-License-Identifier: GPL-2.0
/*
 * Reads and writes by every engine on both paths, while something goes wrong: each
 * block says where it belongs, of which generation it is, and has a checksum, so that
 * what is wrong, lost or done twice is noticed (fault_area.h).
 *
 * usage: faultload [-d] [-t] [-l SECONDS] DEVICE
 *        faultload -s
 *
 *	-d		only with O_DIRECT
 *	-t		the device may tear a block that is read while it is written
 *	-l SECONDS	I/O that has not ended by then is lost (default 100)
 *	-s		no device: do what a broken one does, and see it counted (TAP)
 *
 * It fills its part of the namespace, prints "ready blocks=N" (N blocks from the first
 * one are stamped, see lab/vfu/stamp.h) and carries out lines from its standard input:
 *
 *	now		print the counts
 *	stop		submit nothing more, wait until all has ended; print the counts
 *	verify [DEVICE]	read everything back, in three ways; print the counts
 *
 * It ends with its input. Counts are one line of KEY=VALUE: in flight, completed,
 * failed (and by errno, or by status for passthrough), lost, doubled, wrong, stray (bytes
 * of memory that was not to be written to), acked (blocks whose writes succeeded).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "faultload.h"

static struct worker *workers;
static unsigned int nr_workers;
static atomic_bool stopping;
static bool tears;
static unsigned int limit = 100;
static uint64_t area;			/* bytes of all slices of blocks */

static uint64_t now_ms(void)
{
	return (uint64_t)(now() * 1000) + 1;
}

/* ---- one I/O */

static size_t longest(const struct engine *e)
{
	return e->commands ? LONG_CMD : LONG;
}

static uint64_t stray_bytes(const char *p, size_t len)
{
	uint64_t n = 0;

	while (len--)
		n += *p++ != GUARD;
	return n;
}

/* What a buffer's memory was left with is still there. */
static void check_guard(struct io *io)
{
	io->w->stray += stray_bytes(io->buf, io->guarded);
	io->guarded = 0;
}

static struct slice *choose_slice(struct worker *w, bool write)
{
	struct worker *other = &workers[below(&w->state, nr_workers)];

	/* Records are only of use to those who know where they begin. */
	if (write || w->e->records || other->e->records || below(&w->state, 2))
		return &w->slice;
	return &other->slice;
}

static bool prepare(struct worker *w, struct io *io)
{
	size_t most = below(&w->state, 8) ? 8 * KiB : longest(w->e);
	struct slice *s;
	bool trail;

	io->write = below(&w->state, 2);
	s = choose_slice(w, io->write);
	io->s = s;
	io->n = 1 + below(&w->state, most / s->unit);
	io->first = below(&w->state, s->n - io->n + 1);
	if (io->write && !slice_idle(s, io->first, io->n))
		return false;
	check_guard(io);
	/* For DMA in whole dwords. */
	io->buf = io->room + below(&w->state, PG / 4) * 4;
	io->off = s->base + (uint64_t)io->first * s->unit;
	io->len = (size_t)io->n * s->unit;
	io->lead = 0;
	if (io->write) {
		slice_write(s, io->first, io->n, io->buf);
		return true;
	}
	/* Without O_DIRECT reads begin and end anywhere. */
	trail = !(w->e->flags & O_DIRECT);
	if (trail && io->off >= dev.lba)
		io->lead = below(&w->state, dev.lba);
	io->off -= io->lead;
	io->len += io->lead + (trail ? below(&w->state, dev.lba) : 0);
	slice_read(s, io->first, io->n, &io->expect);
	return true;
}

void count_error(struct worker *w, int res)
{
	atomic_fetch_add(&w->failed, 1);
	if (res > 0)
		atomic_fetch_add(&w->by_status[res & 0x7ff], 1);
	else
		atomic_fetch_add(&w->by_errno[-res & 0xff], 1);
	w->gone |= res == -ENODEV || res == -EBADF;
}

/* It has ended, with the bytes that were moved, or 0 for a command; or an error. */
static void finish(struct io *io, int res)
{
	struct worker *w = io->w;
	bool command = w->e->commands;
	bool success = command ? !res : res == (int)io->len;

	atomic_fetch_add(&w->completed, 1);
	if (!command && res >= 0 && !success) {
		w->short_ones++;
		res = -ENODATA;
	}
	if (!success)
		count_error(w, res);
	if (io->write) {
		slice_written(io->s, io->first, io->n, success);
		atomic_fetch_add(&w->failed_writes, !success);
		if (success && !w->e->records)
			atomic_fetch_add(&w->acked, io->n);
	} else {
		if (success)
			slice_check(io->s, io->first, io->n, io->buf + io->lead, &io->expect,
				    &w->v);
		memset(io->buf, GUARD, io->len);
		io->guarded = io->len;
	}
	atomic_store(&io->since, 0);
	w->in_flight--;
	/* A device that refuses everything is not to be asked all the time. */
	if (!success)
		usleep(2000);
}

void io_completed(struct worker *w, uint64_t data, int res)
{
	struct io *io = &w->io[data & 0xff];

	if ((data & 0xff) < DEPTH && atomic_load(&io->since) && io_ticket(io) == data)
		finish(io, res);
	else
		atomic_fetch_add(&w->doubled, 1);
}

/* ---- workers */

static void fill_slice(struct worker *w)
{
	struct slice *s = &w->slice;
	uint32_t i, n, most = LONG_CMD / s->unit;

	for (i = 0; i < s->n; i += n) {
		n = s->n - i < most ? s->n - i : most;
		slice_write(s, i, n, w->io[0].buf);
		put(w->fd, w->io[0].buf, (size_t)n * s->unit, s->base + (uint64_t)i * s->unit);
		slice_written(s, i, n, true);
	}
	if (!w->e->records)
		atomic_store(&w->acked, s->n);
}

static void submit_some(struct worker *w)
{
	unsigned int i;

	for (i = 0; i < w->e->depth && !w->gone && !atomic_load(&stopping); i++) {
		struct io *io = &w->io[i];
		int ret;

		if (atomic_load(&io->since) || !prepare(w, io))
			continue;
		io->seq++;
		atomic_store(&io->since, now_ms());
		w->in_flight++;
		ret = w->e->submit(io);
		if (ret != PENDING)
			finish(io, ret);
	}
}

static void *work(void *arg)
{
	struct worker *w = arg;

	while (w->in_flight || !(w->gone || atomic_load(&stopping))) {
		submit_some(w);
		if (w->in_flight)
			w->e->reap(w);
	}
	/* What comes now has come before. */
	if (w->e->reap)
		w->e->reap(w);
	atomic_store(&w->ended, true);
	return NULL;
}

/* A buffer between two pages that are not to be touched. */
static char *guarded_buffer(void)
{
	size_t len = ROOM + 2 * PG;
	char *p = pages(len);

	memset(p, GUARD, len);
	return p + PG;
}

static void make_worker(struct worker *w, const struct engine *e, uint64_t base, unsigned int n)
{
	unsigned int i;

	w->e = e;
	w->state = t_seed + n * 0x9e3779b97f4a7c15;
	w->fd = dev_open(O_RDWR | e->flags);
	/* Three bytes on, so that no record begins with a block. */
	if (e->records)
		slice_make(&w->slice, base + 3, RECORD, SLICE / RECORD / 2, n);
	else
		slice_make(&w->slice, base, dev.lba, SLICE / dev.lba, n);
	w->slice.divided = e->records;
	for (i = 0; i < e->depth; i++) {
		w->io[i].w = w;
		w->io[i].room = guarded_buffer();
		w->io[i].buf = w->io[i].room;
		w->io[i].expect = expect_make(LONG / (dev.lba < RECORD ? dev.lba : RECORD));
	}
	if (e->begin)
		e->begin(w);
	fill_slice(w);
}

static void make_workers(bool direct_only)
{
	unsigned int i;

	workers = calloc(nr_fault_engines, sizeof(*workers));
	if (!workers)
		bail("memory");
	for (i = 0; i < nr_fault_engines; i++) {
		const struct engine *e = &fault_engines[i];

		if (direct_only && !(e->flags & O_DIRECT))
			continue;
		make_worker(&workers[nr_workers], e, nr_workers * SLICE, nr_workers);
		if (!e->records)
			area += SLICE;
		nr_workers++;
	}
	printf("ready blocks=%" PRIu64 "\n", area / dev.lba);
	for (i = 0; i < nr_workers; i++)
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			bail("pthread_create");
}

/* ---- reports */

static unsigned int overdue(const struct worker *w, uint64_t t, uint64_t ms)
{
	unsigned int i, n = 0;

	for (i = 0; i < w->e->depth; i++) {
		uint64_t since = atomic_load(&w->io[i].since);

		n += since && since + ms <= t;
	}
	return n;
}

static void print_errors(void)
{
	unsigned int i, k, n;

	for (i = 1; i < 256; i++) {
		for (k = n = 0; k < nr_workers; k++)
			n += atomic_load(&workers[k].by_errno[i]);
		if (n)
			printf(" %s=%u", strerrorname_np(i) ?: "errno?", n);
	}
	for (i = 1; i < 2048; i++) {
		for (k = n = 0; k < nr_workers; k++)
			n += atomic_load(&workers[k].by_status[i]);
		if (n)
			printf(" sc:%#x=%u", i, n);
	}
}

static void report(const char *what, const struct verdict *verified)
{
	uint64_t completed = 0, failed = 0, failed_writes = 0, doubled = 0, acked = 0, wrong = 0;
	uint64_t torn = 0, stray = 0, good = 0, t = now_ms() + 1;
	unsigned int i, in_flight = 0, lost = 0;

	for (i = 0; i <= nr_workers; i++) {
		const struct verdict *v = i < nr_workers ? &workers[i].v : verified;
		struct worker *w = &workers[i];

		if (v) {
			wrong += v->broken + v->misplaced + v->stale + v->future;
			torn += v->torn;
			good += v->good;
		}
		if (i == nr_workers)
			break;
		in_flight += overdue(w, t, 0);
		lost += overdue(w, t, limit * 1000ULL);
		completed += atomic_load(&w->completed);
		failed += atomic_load(&w->failed);
		failed_writes += atomic_load(&w->failed_writes);
		doubled += atomic_load(&w->doubled);
		acked += atomic_load(&w->acked);
		wrong += w->short_ones;
		stray += w->stray;
	}
	/* Only a write that failed tears a block, unless the device does. */
	if (!failed_writes && !tears)
		wrong += torn;
	printf("%s in_flight=%u completed=%" PRIu64 " failed=%" PRIu64 " lost=%u doubled=%" PRIu64
	       " wrong=%" PRIu64 " stray=%" PRIu64 " acked=%" PRIu64 " checked=%" PRIu64
	       " torn=%" PRIu64, what, in_flight, completed, failed, lost, doubled, wrong, stray,
	       acked, good, torn);
	print_errors();
	printf("\n");
}

/* Wait until all have ended, or something is lost. */
static void stop(void)
{
	unsigned int i, lost, busy;

	atomic_store(&stopping, true);
	do {
		usleep(20000);
		for (i = lost = busy = 0; i < nr_workers; i++) {
			busy += !atomic_load(&workers[i].ended);
			lost += overdue(&workers[i], now_ms(), limit * 1000ULL);
		}
	} while (busy && !lost);
	for (i = 0; i < nr_workers && !busy; i++) {
		unsigned int k;

		for (k = 0; k < workers[i].e->depth; k++) {
			struct io *io = &workers[i].io[k];

			check_guard(io);
			workers[i].stray += stray_bytes(io->room - PG, PG) +
					    stray_bytes(io->room + ROOM, PG);
		}
		close(workers[i].fd);
	}
	report("stopped", NULL);
}

/* Read @len bytes at @off by passthrough, in commands that are not too long. */
static bool command_read(int fd, char *buf, size_t len, uint64_t off)
{
	size_t done, part;

	for (done = 0; done < len; done += part) {
		struct nvme_passthru_cmd c = {
			.opcode = 2, .nsid = fault_nsid, .addr = (uintptr_t)buf + done,
			.cdw10 = (off + done) / dev.lba,
		};

		part = len - done < LONG_CMD ? len - done : LONG_CMD;
		c.data_len = part;
		c.cdw12 = part / dev.lba - 1;
		if (ioctl(fd, NVME_IOCTL_IO_CMD, &c))
			return false;
	}
	return true;
}

static void verify(const char *path)
{
	int direct, copy;
	struct verdict v = {};
	char *buf = pages(SLICE + 2 * PG);
	unsigned int i, k, unread = 0;

	dev.path = path;
	direct = dev_open(O_RDONLY | O_DIRECT);
	copy = dev_open(O_RDONLY);
	for (i = 0; i < nr_workers; i++) {
		struct slice *s = &workers[i].slice;
		uint64_t from = s->base & ~(uint64_t)(PG - 1);
		size_t len = s->base - from + (size_t)s->n * s->unit;

		len = (len + PG - 1) & ~(PG - 1);
		for (k = 0; k < 3; k++) {
			bool done;

			memset(buf, GUARD, len);
			done = k == 2 ? command_read(direct, buf, len, from) :
			       pread(k ? copy : direct, buf, len, from) == (ssize_t)len;
			unread += !done;
			if (done)
				slice_check_idle(s, buf + (s->base - from), &v);
		}
	}
	close(direct);
	close(copy);
	munmap(buf, SLICE + 2 * PG);
	if (unread)
		printf("unread %u\n", unread);
	report("verified", &v);
}

static bool carry_out(char *line)
{
	char *arg;

	line[strcspn(line, "\n")] = '\0';
	arg = strchr(line, ' ');
	if (!strcmp(line, "now"))
		report("now", NULL);
	else if (!strcmp(line, "stop"))
		stop();
	else if (!strncmp(line, "verify", 6))
		verify(arg ? arg + 1 : dev.path);
	else
		return false;
	return true;
}

/* ---- self test: what the table of faults shows as 0 can be something else */

#define TEST_UNIT	512

/* One read or write in flight, of the first unit. Its ticket. */
static uint64_t test_submit(struct worker *w, bool write)
{
	struct io *io = &w->io[0];

	io->write = write;
	io->s = &w->slice;
	io->n = 1;
	io->len = TEST_UNIT;
	if (write)
		slice_write(io->s, 0, 1, io->buf);
	else
		slice_read(io->s, 0, 1, &io->expect);
	io->seq++;
	atomic_store(&io->since, now_ms());
	w->in_flight++;
	return io_ticket(io);
}

static void test_doubled(struct worker *w)
{
	uint64_t first = test_submit(w, true), second;

	io_completed(w, first, TEST_UNIT);
	is(w->doubled, 0, "a completion");
	io_completed(w, first, TEST_UNIT);
	is(w->doubled, 1, "the same once more, with nothing in flight: doubled");
	second = test_submit(w, true);
	io_completed(w, first, -EIO);
	is(w->doubled, 2, "and while its place is in use again: doubled");
	ok(w->in_flight == 1 && atomic_load(&w->io[0].since), "which the I/O there survives");
	io_completed(w, second, TEST_UNIT);
	is(w->doubled, 2, "its own completion is none");
	io_completed(w, first | 0xff, 0);
	is(w->doubled, 3, "a completion of a place that there is not: doubled");
	is(w->completed, 2, "those that were doubled are not counted as completed");
}

static void test_others(struct worker *w)
{
	struct io *io = &w->io[0];
	char kept[TEST_UNIT];
	uint64_t ticket;

	memcpy(kept, io->buf, sizeof(kept));
	ticket = test_submit(w, false);
	is(overdue(w, now_ms() + 1000, 100000), 0, "in flight for a second: not lost");
	is(overdue(w, now_ms() + 101000, 100000), 1, "for more than the limit: lost");
	memset(io->buf, 0, TEST_UNIT);
	io_completed(w, ticket, TEST_UNIT);
	is(w->v.broken, 1, "a read of something else: wrong");
	io->buf[1] = 0;
	check_guard(io);
	is(w->stray, 1, "memory that changes after the end of its read: stray");
	ticket = test_submit(w, true);
	io_completed(w, ticket, TEST_UNIT);
	ticket = test_submit(w, false);
	memcpy(io->buf, kept, sizeof(kept));
	io_completed(w, ticket, TEST_UNIT);
	is(w->v.stale, 1, "a read of what was there before: wrong");
	ticket = test_submit(w, false);
	io_completed(w, ticket, TEST_UNIT - 1);
	is(w->short_ones, 1, "a read that is too short: wrong");
}

static int self_test(void)
{
	static const struct engine none = { .name = "none", .flags = O_DIRECT, .depth = 1 };
	static struct worker w = { .e = &none };

	area_begin(1);
	slice_make(&w.slice, 0, TEST_UNIT, 1, 1);
	w.io[0].w = &w;
	w.io[0].room = guarded_buffer();
	w.io[0].buf = w.io[0].room;
	w.io[0].expect = expect_make(1);
	test_doubled(&w);
	test_others(&w);
	return t_end();
}

int main(int argc, char **argv)
{
	bool direct_only = false, test = false;
	static char line[256];
	int option, fd, lba;

	while ((option = getopt(argc, argv, "dtl:sh")) != -1) {
		if (option == 'd')
			direct_only = true;
		else if (option == 't')
			tears = true;
		else if (option == 's')
			test = true;
		else if (option == 'l')
			limit = atoi(optarg);
		else
			break;
	}
	if (option != -1 || optind != argc - !test) {
		fprintf(stderr,
			"usage: %s [-d] [-t] [-l SECONDS] DEVICE (its data is overwritten), or %s -s\n",
			argv[0], argv[0]);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	tap_begin();
	if (test)
		return self_test();
	dev.path = argv[optind];
	fd = dev_open(O_RDONLY);
	if (ioctl(fd, BLKSSZGET, &lba))
		bail("block size of %s", dev.path);
	close(fd);
	dev.lba = lba;
	fault_nsid = dev_nsid();
	/* Above what an earlier run can have written. */
	area_begin(now_ms() << 24);
	make_workers(direct_only);
	while (fgets(line, sizeof(line), stdin))
		if (!carry_out(line))
			bail("not a command: %s", line);
	return 0;
}
