// SPDX-License-Identifier: GPL-2.0
/*
 * What programs expect of a block device besides reads and writes: durability, discard
 * and write-zeroes, the block layer's ioctls, flags of open() and pwritev2(), splice.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

#ifndef RWF_ATOMIC
#define RWF_ATOMIC 0x40
#endif

static unsigned char *data, *back;	/* 1 MiB each */
static int fd;

static long range(int f, unsigned long op, uint64_t start, uint64_t len)
{
	uint64_t r[2] = { start, len };

	return reterr(ioctl(f, op, r));
}

static bool zero(const unsigned char *p, size_t n)
{
	return !n || (!p[0] && !memcmp(p, p + 1, n - 1));
}

/* The first MiB is the pattern except for [from, to), which is zero. */
static bool zeroed(size_t from, size_t to)
{
	get(fd, back, MiB, 0);
	return !memcmp(back, data, from) && zero(back + from, to - from) &&
	       !memcmp(back + to, data + to, MiB - to);
}

static int one_sqe(struct io_uring *r)
{
	struct io_uring_cqe *cqe;
	int res;

	io_uring_submit_and_wait(r, 1);
	if (io_uring_wait_cqe(r, &cqe))
		bail("io_uring_wait_cqe");
	res = cqe->res;
	io_uring_cqe_seen(r, cqe);
	return res;
}

/* Give all bytes of the pattern a value, so that none is 0, and write it. */
static void write_pattern(void)
{
	fill(data, MiB, t_seed ^ 99, 0);
	for (size_t i = 0; i < MiB; i++)
		data[i] |= 1;
	put(fd, data, MiB, 0);
}

static void fsync_calls(void)
{
	uint64_t n = counter("stats/flush");

	is_ret(fsync(fd), 0, "fsync");
	is_ret(fdatasync(fd), 0, "fdatasync");
	is(counter("stats/flush") - n, 2, "each was a Flush");
}

static void uring_fsync(void)
{
	uint64_t n = counter("stats/flush");
	struct io_uring r;

	if (io_uring_queue_init(8, &r, 0))
		bail("io_uring");
	for (int i = 0; i < 2; i++) {
		io_uring_prep_fsync(io_uring_get_sqe(&r), fd, i ? IORING_FSYNC_DATASYNC : 0);
		is(one_sqe(&r), 0, "IORING_OP_FSYNC%s", i ? ", datasync" : "");
	}
	is(counter("stats/flush") - n, 2, "each was a Flush");
	io_uring_queue_exit(&r);
}

static void aio_fsync(void)
{
	uint64_t n = counter("stats/flush");
	io_context_t aio = NULL;
	struct iocb cb, *cbs = &cb;
	struct io_event ev;

	if (io_setup(8, &aio))
		bail("io_setup");
	for (int i = 0; i < 2; i++) {
		if (i)
			io_prep_fdsync(&cb, fd);
		else
			io_prep_fsync(&cb, fd);
		is(io_submit(aio, 1, &cbs), 1, "libaio %s", i ? "fdsync" : "fsync");
		is(io_getevents(aio, 1, 1, &ev, NULL), 1, "its event");
		is(ev.res, 0, "its result");
	}
	is(counter("stats/flush") - n, 2, "each was a Flush");
	io_destroy(aio);
}

/* Writes that are durable when they complete: FUA, and no Flush. */
static void durable_writes(void)
{
	static const int opens[] = {
		0, O_DIRECT, O_DSYNC, O_DIRECT | O_DSYNC, O_DIRECT | O_SYNC
	};
	uint64_t n = counter("stats/flush"), errors = counter("stats/errors");
	struct iovec v = { data, 4096 };

	for (size_t i = 0; i < ARRAY_SIZE(opens); i++) {
		struct paths p = path_start();
		int f = dev_open(O_RDWR | opens[i]);

		fill(data, MiB, t_seed + i, 0);
		is_ret(pwritev2(f, &v, 1, 8192, i < 2 ? RWF_DSYNC : 0), 4096,
		       "durable write, %s%s", path_name(opens[i]),
		       i < 2 ? ", RWF_DSYNC" : ", O_DSYNC or O_SYNC");
		went_by(p, opens[i], 1, "durable write");
		get(fd, back, 4096, 8192);
		is(memcmp(back, data, 4096), 0, "its data");
		close(f);
	}
	is(counter("stats/flush"), n, "FUA, no Flush");
	is(counter("stats/errors"), errors, "no errors");
}

static void large_durable_write(void)
{
	struct iovec v = { data, MiB };

	fill(data, MiB, t_seed, 0);
	is_ret(pwritev2(fd, &v, 1, 0, RWF_SYNC), MiB, "1 MiB with RWF_SYNC");
	get(fd, back, MiB, 0);
	is(memcmp(back, data, MiB), 0, "its data");
}

static void limits(void)
{
	unsigned long sectors;
	unsigned int u;
	int i;

	is_ret(ioctl(fd, BLKGETSIZE, &sectors), 0, "BLKGETSIZE");
	is(sectors, dev.size / 512, "BLKGETSIZE: sectors");
	is_ret(ioctl(fd, BLKPBSZGET, &u), 0, "BLKPBSZGET");
	is(u, dev.lba, "BLKPBSZGET: the LBA size");
	is_ret(ioctl(fd, BLKIOMIN, &u), 0, "BLKIOMIN");
	is(u, dev.lba, "BLKIOMIN: the LBA size");
	u = 7;
	is_ret(ioctl(fd, BLKIOOPT, &u), 0, "BLKIOOPT");
	is(u, 0, "BLKIOOPT: 0");
	i = 7;
	is_ret(ioctl(fd, BLKALIGNOFF, &i), 0, "BLKALIGNOFF");
	is(i, 0, "BLKALIGNOFF: 0");
	i = 7;
	is_ret(ioctl(fd, BLKROGET, &i), 0, "BLKROGET");
	is(i, 0, "BLKROGET: writable");
	is_ret(ioctl(fd, BLKFLSBUF, 0), 0, "BLKFLSBUF");
	is_ret(ioctl(fd, BLKRRPART, 0), -EINVAL, "BLKRRPART is refused");
	is(range(fd, BLKSECDISCARD, 0, MiB), -EOPNOTSUPP, "BLKSECDISCARD is refused");
}

static uint64_t commands(void)
{
	return counter("stats/discard") + counter("stats/write_zeroes");
}

static void bad_ranges(void)
{
	static const struct {
		const char *name;
		unsigned long op;
	} ops[] = { { "BLKDISCARD", BLKDISCARD }, { "BLKZEROOUT", BLKZEROOUT } };
	const uint64_t lba = dev.lba;
	int ro = dev_open(O_RDONLY);
	uint64_t n;

	write_pattern();
	n = commands();
	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		const char *name = ops[i].name;
		unsigned long op = ops[i].op;

		is(range(ro, op, 0, MiB), -EBADF, "%s: read-only node", name);
		is(range(fd, op, 1, lba), -EINVAL, "%s: unaligned start", name);
		is(range(fd, op, 0, lba + 1), -EINVAL, "%s: unaligned length", name);
		is(range(fd, op, 0, 0), -EINVAL, "%s: empty", name);
		is(range(fd, op, dev.size - lba, 2 * lba), -EINVAL, "%s: across the end", name);
		is(range(fd, op, -lba, 2 * lba), -EINVAL, "%s: overflow", name);
		is(range(fd, op, lba, -lba), -EINVAL, "%s: overflow of the length", name);
		is_ret(ioctl(fd, op, 0x1000), -EFAULT, "%s: bad address", name);
	}
	is(commands(), n, "no command was sent");
	ok(zeroed(0, 0), "no data was changed");
	close(ro);
}

static void discard(void)
{
	uint64_t n;

	write_pattern();
	n = counter("stats/discard");
	is(range(fd, BLKDISCARD, 8192, 128 * KiB), 0, "BLKDISCARD");
	ok(zeroed(8192, 8192 + 128 * KiB),
	   "BLKDISCARD: these blocks read as zeroes (on QEMU), and no others");
	is(counter("stats/discard") - n, 1, "BLKDISCARD: one command");
	put(fd, data, MiB, 0);
	n = counter("stats/discard");
	is(range(fd, BLKDISCARD, 0, dev.size), 0, "BLKDISCARD of the whole device");
	ok(zeroed(0, MiB), "BLKDISCARD of the whole device: first MiB");
	ok(counter("stats/discard") > n, "BLKDISCARD of the whole device: the counter");
}

static void zero_out(void)
{
	unsigned long long sent;
	uint64_t n;

	write_pattern();
	n = counter("stats/write_zeroes");
	is(range(fd, BLKZEROOUT, 4096, 256 * KiB), 0, "BLKZEROOUT");
	ok(zeroed(4096, 4096 + 256 * KiB), "BLKZEROOUT: these blocks are zero, and no others");
	ok(counter("stats/write_zeroes") > n, "BLKZEROOUT: Write Zeroes");
	put(fd, data, MiB, dev.size - MiB);
	n = counter("stats/write_zeroes");
	is(range(fd, BLKZEROOUT, 0, dev.size), 0, "BLKZEROOUT of the whole device");
	sent = counter("stats/write_zeroes") - n;
	ok(zeroed(0, MiB), "BLKZEROOUT of the whole device: first MiB");
	get(fd, back, MiB, dev.size - MiB);
	ok(zero(back, MiB), "BLKZEROOUT of the whole device: last MiB");
	ok(sent > 1, "BLKZEROOUT of the whole device: several commands (%llu)", sent);
}

static void ring_discard(void)
{
	static const struct {
		uint64_t at, len;
		bool ro;
		int want;
	} tries[] = {
		{ 0, 65536, false, 0 }, { 131072, 4096, false, 0 },
		{ 4096 * 20 + 1, 4096, false, -EINVAL }, { 4096 * 20, 0, false, -EINVAL },
		{ 4096 * 20, 4096, true, -EBADF }, { -4096UL, 8192, false, -EINVAL },
	};
	uint64_t n = counter("stats/discard");
	int ro = dev_open(O_RDONLY);
	struct io_uring r;

	if (io_uring_queue_init(8, &r, 0))
		bail("io_uring");
	write_pattern();
	for (size_t i = 0; i < ARRAY_SIZE(tries); i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&r);

		if (!sqe)
			bail("io_uring_get_sqe");
		memset(sqe, 0, 64);
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->fd = tries[i].ro ? ro : fd;
		sqe->cmd_op = BLOCK_URING_CMD_DISCARD;
		sqe->addr = tries[i].at;
		sqe->addr3 = tries[i].len;
		is(one_sqe(&r), tries[i].want, "BLOCK_URING_CMD_DISCARD of %lu at %lu%s",
		   tries[i].len, tries[i].at, tries[i].ro ? ", read-only" : "");
	}
	get(fd, back, MiB, 0);
	ok(zero(back, 65536) && !memcmp(back + 65536, data + 65536, 65536) &&
	   zero(back + 131072, 4096) && !memcmp(back + 135168, data + 135168, MiB - 135168),
	   "those two ranges are discarded, and no others");
	is(counter("stats/discard") - n, 2, "two commands");
	io_uring_queue_exit(&r);
	close(ro);
}

/* O_APPEND has no meaning for a device that cannot grow. */
static void append(int flags)
{
	int f = dev_open(O_RDWR | O_APPEND | flags);
	const char *path = path_name(flags);
	struct iovec v = { back, 4096 };

	fill(back, 4096, t_seed + flags, 0);
	is_ret(pwritev(f, &v, 1, 12288), 4096, "O_APPEND, %s: pwrite", path);
	get(fd, back + 4096, 4096, 12288);
	is(memcmp(back, back + 4096, 4096), 0, "O_APPEND, %s: writes at its offset", path);
	is_ret(write(f, back, 4096), 4096, "O_APPEND, %s: write", path);
	get(fd, back + 4096, 4096, 0);
	is(memcmp(back, back + 4096, 4096), 0, "O_APPEND, %s: writes at the file position", path);
	close(f);
}

static void open_append(void)
{
	append(0);
	append(O_DIRECT);
}

static void open_truncate(void)
{
	int f;

	write_pattern();
	f = open(dev.path, O_RDWR | O_TRUNC | O_CREAT, 0600);
	ok(f >= 0, "open with O_TRUNC and O_CREAT");
	is(lseek(f, 0, SEEK_END), dev.size, "the size has not changed");
	ok(zeroed(0, 0), "the data has not changed");
	is_ret(ftruncate(f, 4096), -EINVAL, "ftruncate is refused");
	close(f);
}

static void rw_flags_on(int flags)
{
	int f = dev_open(O_RDWR | flags);
	struct iovec v = { back, 4096 };
	const char *path = path_name(flags);
	struct paths p = path_start();

	memset(back, 1, 4096);
	is_ret(pwritev2(f, &v, 1, 0, RWF_ATOMIC), -EOPNOTSUPP, "RWF_ATOMIC is refused, %s", path);
	is_ret(preadv2(f, &v, 1, 0, 0x40000000), -EOPNOTSUPP, "an unknown flag is refused");
	went(p, 0, 0, "and not counted");
	ok(zeroed(0, 0), "and nothing is written");
	is_ret(preadv2(f, &v, 1, 0, RWF_HIPRI), 4096, "RWF_HIPRI, %s", path);
	is(memcmp(back, data, 4096), 0, "RWF_HIPRI: data");
	is_ret(preadv2(f, &v, 1, 4096, RWF_NOWAIT), 4096,
	       "RWF_NOWAIT when there is no need to wait");
	is(memcmp(back, data + 4096, 4096), 0, "RWF_NOWAIT: data");
	close(f);
}

static void rw_flags(void)
{
	write_pattern();
	rw_flags_on(0);
	rw_flags_on(O_DIRECT);
}

#define SPLICED (256 * KiB)

static ssize_t by_sendfile(int src, loff_t *in, int dst, loff_t *out, size_t len)
{
	(void)out;
	return sendfile(dst, src, in, len);
}

static ssize_t by_splice(int src, loff_t *in, int dst, loff_t *out, size_t len)
{
	static int pipes[2];
	ssize_t n;

	if (!pipes[1] && pipe(pipes))
		bail("pipe");
	n = splice(src, in, pipes[1], NULL, len < 65536 ? len : 65536, 0);
	if (n > 0)
		n = splice(pipes[0], NULL, dst, out, n, 0);
	return n;
}

/* 256 KiB from a file to the device, or back. */
static void spliced(ssize_t (*move)(int src, loff_t *in, int dst, loff_t *out, size_t len),
		    const char *name, bool to_dev)
{
	const loff_t from = to_dev ? 0 : 2 * MiB, to = to_dev ? 3 * MiB : SPLICED;
	const char *direction = to_dev ? "to" : "from";
	int file = memfd_create("t", 0), src = to_dev ? file : fd, dst = to_dev ? fd : file;
	loff_t in = from, out = to;
	struct paths p;
	size_t done = 0;
	ssize_t n;

	if (file < 0)
		bail("memfd");
	fill(back, SPLICED, t_seed, 0);
	put(src, back, SPLICED, from);
	memset(back, 0, SPLICED);
	lseek(dst, to, SEEK_SET);
	p = path_start();
	while (done < SPLICED) {
		n = move(src, &in, dst, &out, SPLICED - done);
		if (n <= 0)
			break;
		done += n;
	}
	is(done, SPLICED, "%s %s the device", name, direction);
	get(dst, back, SPLICED, to);
	holds(back, SPLICED, t_seed, 0, "%s %s the device: data", name, direction);
	ok(counter("stats/copy") > p.copy, "%s: took the copy path", name);
	close(file);
}

static void splices(void)
{
	spliced(by_splice, "splice", true);
	spliced(by_splice, "splice", false);
	spliced(by_sendfile, "sendfile", true);
	spliced(by_sendfile, "sendfile", false);
}

static void setup(void)
{
	data = pages(MiB);
	back = pages(MiB);
	fd = dev_open(O_RDWR);
}

static const struct t_case cases[] = {
	{ "fsync_calls", fsync_calls },
	{ "uring_fsync", uring_fsync },
	{ "aio_fsync", aio_fsync },
	{ "durable_writes", durable_writes },
	{ "large_durable_write", large_durable_write },
	{ "limits", limits },
	{ "bad_ranges", bad_ranges },
	{ "discard", discard },
	{ "zero_out", zero_out },
	{ "ring_discard", ring_discard },
	{ "open_append", open_append },
	{ "open_truncate", open_truncate },
	{ "rw_flags", rw_flags },
	{ "splices", splices },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
