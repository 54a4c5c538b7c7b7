// SPDX-License-Identifier: GPL-2.0
/*
 * What programs expect of a disk beside reading and writing: durability,
 * discarding and zeroing, the block device's ioctls, flags of open() and pwritev2().
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

/* The first MiB is the pattern but for [from, to), which is zeroes. */
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

static void durability(void)
{
	static const int opens[] = { 0, O_DIRECT, O_DSYNC, O_DIRECT | O_DSYNC, O_DIRECT | O_SYNC };
	uint64_t n = counter("stats/flush"), errors = counter("stats/errors");
	struct iovec v = { data, 4096 };
	io_context_t aio = NULL;
	struct io_uring r;
	struct io_event ev;
	struct iocb cb, *cbs = &cb;

	is_ret(fsync(fd), 0, "fsync");
	is_ret(fdatasync(fd), 0, "fdatasync");
	is(counter("stats/flush") - n, 2, "both were a Flush");
	n = counter("stats/flush");
	if (io_uring_queue_init(8, &r, 0) || io_setup(8, &aio))
		bail("ring");
	for (int i = 0; i < 2; i++) {
		io_uring_prep_fsync(io_uring_get_sqe(&r), fd, i ? IORING_FSYNC_DATASYNC : 0);
		is(one_sqe(&r), 0, "IORING_OP_FSYNC%s", i ? ", datasync" : "");
	}
	is(counter("stats/flush") - n, 2, "both were a Flush");
	n = counter("stats/flush");
	for (int i = 0; i < 2; i++) {
		if (i)
			io_prep_fdsync(&cb, fd);
		else
			io_prep_fsync(&cb, fd);
		is(io_submit(aio, 1, &cbs), 1, "libaio %s", i ? "fdsync" : "fsync");
		is(io_getevents(aio, 1, 1, &ev, NULL), 1, "its event");
		is(ev.res, 0, "its result");
	}
	is(counter("stats/flush") - n, 2, "both were a Flush");
	io_destroy(aio);

	/* A write that is durable when it ends: FUA, and no Flush. */
	n = counter("stats/flush");
	for (size_t i = 0; i < ARRAY_SIZE(opens); i++) {
		struct paths p = path_start();
		int f = dev_open(O_RDWR | opens[i]);

		fill(data, MiB, t_seed + i, 0);
		is_ret(pwritev2(f, &v, 1, 8192, i < 2 ? RWF_DSYNC : 0), 4096, "durable write, %s%s", path_name(opens[i]), i < 2 ? ", RWF_DSYNC" : ", O_DSYNC or O_SYNC");
		went_by(p, opens[i], 1, "durable write");
		get(fd, back, 4096, 8192);
		is(memcmp(back, data, 4096), 0, "its data");
		close(f);
	}
	is(counter("stats/flush"), n, "FUA, no Flush");
	is(counter("stats/errors"), errors, "no errors");
	/* Larger than a command. */
	is_ret(pwritev2(fd, &(struct iovec){ data, MiB }, 1, 0, RWF_SYNC), MiB, "1 MiB with RWF_SYNC");
	get(fd, back, MiB, 0);
	is(memcmp(back, data, MiB), 0, "its data");
	io_uring_queue_exit(&r);
}

static void ioctls(void)
{
	const int ro = dev_open(O_RDONLY);
	unsigned long sectors;
	unsigned int u;
	uint64_t n;
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

	fill(data, MiB, t_seed ^ 99, 0);
	for (size_t k = 0; k < MiB; k++)
		data[k] |= 1;
	put(fd, data, MiB, 0);
	n = counter("stats/discard") + counter("stats/write_zeroes");
	for (int z = 0; z < 2; z++) {
		const char *name = z ? "BLKZEROOUT" : "BLKDISCARD";
		unsigned long op = z ? BLKZEROOUT : BLKDISCARD;

		is(range(ro, op, 0, MiB), -EBADF, "%s: read-only node", name);
		is(range(fd, op, 1, dev.lba), -EINVAL, "%s: odd start", name);
		is(range(fd, op, 0, dev.lba + 1), -EINVAL, "%s: odd length", name);
		is(range(fd, op, 0, 0), -EINVAL, "%s: nothing", name);
		is(range(fd, op, dev.size - dev.lba, 2 * dev.lba), -EINVAL, "%s: over the end", name);
		is(range(fd, op, -(uint64_t)dev.lba, 2 * dev.lba), -EINVAL, "%s: overflow", name);
		is(range(fd, op, dev.lba, -(uint64_t)dev.lba), -EINVAL, "%s: overflow of the length", name);
		is_ret(ioctl(fd, op, 0x1000), -EFAULT, "%s: bad address", name);
	}
	is(counter("stats/discard") + counter("stats/write_zeroes"), n, "nothing was sent");
	ok(zeroed(0, 0), "nothing was changed");

	n = counter("stats/discard");
	is(range(fd, BLKDISCARD, 8192, 128 * KiB), 0, "BLKDISCARD");
	ok(zeroed(8192, 8192 + 128 * KiB), "BLKDISCARD: QEMU's blocks read as zeroes, and no others");
	is(counter("stats/discard") - n, 1, "BLKDISCARD: one command");
	put(fd, data, MiB, 0);
	n = counter("stats/write_zeroes");
	is(range(fd, BLKZEROOUT, 4096, 256 * KiB), 0, "BLKZEROOUT");
	ok(zeroed(4096, 4096 + 256 * KiB), "BLKZEROOUT: these blocks are zeroes, and no others");
	ok(counter("stats/write_zeroes") > n, "BLKZEROOUT: Write Zeroes");
	put(fd, data, MiB, dev.size - MiB);
	n = counter("stats/write_zeroes");
	is(range(fd, BLKZEROOUT, 0, dev.size), 0, "BLKZEROOUT of all");
	get(fd, back, MiB, dev.size - MiB);
	ok(zeroed(0, MiB) && zero(back, MiB), "BLKZEROOUT of all: first and last MiB");
	get(fd, back, MiB, dev.size - MiB);
	ok(zero(back, MiB), "BLKZEROOUT of all: last MiB");
	ok(counter("stats/write_zeroes") - n > 1, "BLKZEROOUT of all: several commands (%llu)", (unsigned long long)(counter("stats/write_zeroes") - n));
	put(fd, data, MiB, 0);
	n = counter("stats/discard");
	is(range(fd, BLKDISCARD, 0, dev.size), 0, "BLKDISCARD of all");
	ok(zeroed(0, MiB), "BLKDISCARD of all: first MiB");
	ok(counter("stats/discard") > n, "BLKDISCARD of all: the counter");
	close(ro);
}

static void ring_discard(void)
{
	static const struct { uint64_t at, len; bool ro; int want; } tries[] = {
		{ 0, 65536, false, 0 }, { 131072, 4096, false, 0 },
		{ 4096 * 20 + 1, 4096, false, -EINVAL }, { 4096 * 20, 0, false, -EINVAL },
		{ 4096 * 20, 4096, true, -EBADF }, { -4096UL, 8192, false, -EINVAL },
	};
	uint64_t n = counter("stats/discard");
	int ro = dev_open(O_RDONLY);
	struct io_uring r;

	if (io_uring_queue_init(8, &r, 0))
		bail("ring");
	put(fd, data, MiB, 0);
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
		is(one_sqe(&r), tries[i].want, "BLOCK_URING_CMD_DISCARD of %llu at %llu%s", (unsigned long long)tries[i].len, (unsigned long long)tries[i].at, tries[i].ro ? ", read-only" : "");
	}
	get(fd, back, MiB, 0);
	ok(zero(back, 65536) && !memcmp(back + 65536, data + 65536, 65536) && zero(back + 131072, 4096) &&
	   !memcmp(back + 135168, data + 135168, MiB - 135168), "those two ranges are discarded, and no other");
	is(counter("stats/discard") - n, 2, "two commands");
	io_uring_queue_exit(&r);
	close(ro);
}

static void flags(void)
{
	struct iovec v = { data, 4096 };
	struct paths p;
	off_t off;
	int f, file, pipes[2];

	put(fd, data, MiB, 0);
	for (int i = 0; i < 2; i++) {
		f = dev_open(O_RDWR | O_APPEND | (i ? O_DIRECT : 0));
		fill(back, 4096, t_seed + 5 + i, 0);
		v.iov_base = back;
		is_ret(pwritev(f, &v, 1, 12288), 4096, "O_APPEND, %s: pwrite", i ? "direct" : "copy");
		get(fd, back + 4096, 4096, 12288);
		is(memcmp(back, back + 4096, 4096), 0, "goes where it says, as on a disk");
		is_ret(write(f, back, 4096), 4096, "O_APPEND: write");
		get(fd, back + 4096, 4096, 0);
		is(memcmp(back, back + 4096, 4096), 0, "goes to the file position, as on a disk");
		close(f);
	}
	put(fd, data, MiB, 0);
	f = open(dev.path, O_RDWR | O_TRUNC | O_CREAT, 0600);
	ok(f >= 0, "open with O_TRUNC and O_CREAT");
	is(lseek(f, 0, SEEK_END), dev.size, "the size is as before");
	ok(zeroed(0, 0), "the data are as before");
	is_ret(ftruncate(f, 4096), -EINVAL, "ftruncate is refused");
	close(f);

	for (int i = 0; i < 2; i++) {
		f = dev_open(O_RDWR | (i ? O_DIRECT : 0));
		p = path_start();
		v = (struct iovec){ back, 4096 };
		memset(back, 1, 4096);
		is_ret(pwritev2(f, &v, 1, 0, RWF_ATOMIC), -EOPNOTSUPP, "RWF_ATOMIC is refused, %s", path_name(i ? O_DIRECT : 0));
		is_ret(preadv2(f, &v, 1, 0, 0x40000000), -EOPNOTSUPP, "an unknown flag is refused");
		went(p, 0, 0, "and not counted");
		ok(zeroed(0, 0), "and nothing is written");
		is_ret(preadv2(f, &v, 1, 0, RWF_HIPRI), 4096, "RWF_HIPRI, %s", path_name(i ? O_DIRECT : 0));
		is(memcmp(back, data, 4096), 0, "RWF_HIPRI: data");
		is_ret(preadv2(f, &v, 1, 4096, RWF_NOWAIT), 4096, "RWF_NOWAIT, nothing to wait for");
		is(memcmp(back, data + 4096, 4096), 0, "RWF_NOWAIT: data");
		close(f);
	}

	/* 256 KiB: file to device and back, by splice and by sendfile. */
	file = memfd_create("t", 0);
	if (file < 0 || pipe(pipes))
		bail("memfd or pipe");
	for (int i = 0; i < 2; i++) {
		const char *name = i ? "sendfile" : "splice";
		const size_t all = 256 * KiB;
		loff_t in, out;
		size_t done;
		ssize_t n;

		for (int to_dev = 1; to_dev >= 0; to_dev--) {
			int src = to_dev ? file : fd, dst = to_dev ? fd : file;

			fill(back, all, t_seed + 20 + i, to_dev ? 0 : all);
			put(src, back, all, to_dev ? 0 : 2 * MiB);
			in = to_dev ? 0 : 2 * MiB;
			out = to_dev ? 3 * MiB : all;
			off = in;
			lseek(dst, out, SEEK_SET);
			p = path_start();
			for (done = 0; done < all; done += n) {
				if (i) {
					n = sendfile(dst, src, &off, all - done);
				} else {
					n = splice(src, &in, pipes[1], NULL, 65536 < all - done ? 65536 : all - done, 0);
					if (n > 0)
						n = splice(pipes[0], NULL, dst, &out, n, 0);
				}
				if (n <= 0)
					break;
			}
			is(done, all, "%s %s the device", name, to_dev ? "to" : "from");
			get(dst, back, all, to_dev ? 3 * MiB : all);
			holds(back, all, t_seed + 20 + i, to_dev ? 0 : all, "%s %s the device: data", name, to_dev ? "to" : "from");
			ok(counter("stats/copy") > p.copy, "%s: by the copy path", name);
		}
	}
	close(file);
	close(pipes[0]);
	close(pipes[1]);
}

int main(int argc, char **argv)
{
	t_begin(argc, argv);
	data = pages(MiB);
	back = pages(MiB);
	fd = dev_open(O_RDWR);
	durability();
	ioctls();
	ring_discard();
	flags();
	return t_end();
}
