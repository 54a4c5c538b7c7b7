// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges (NVDIO_IOC_RANGE): rights, edges, and every way to move data through one, of
 * which the contents are compared by the node, as are the blocks on both sides.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <linux/nvme_ioctl.h>
#include <linux/pr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "call32.h"
#include "t.h"

#define AT (8 * MiB)		/* where the range is */
#define LEN (1 * MiB)
#define GUARD (256 * KiB)	/* looked at on both sides */
#define MOST (512 * KiB)	/* moved at once */
#define FAR 0x7fffffffffff0000LL

#ifndef BLOCK_URING_CMD_DISCARD
#define BLOCK_URING_CMD_DISCARD _IO(0x12, 0)
#endif

static int direct, copy;	/* the node, with O_DIRECT and without */
static unsigned char *b, *all;	/* what is moved; the range with its guards */
static uint64_t seed;

static int range_by(int fd, uint64_t start, uint64_t len, uint32_t flags)
{
	struct nvdio_range r = { .start = start, .len = len, .flags = flags };

	return (int)reterr(ioctl(fd, NVDIO_IOC_RANGE, &r));
}

static int range_or_bail(int fd, uint64_t start, uint64_t len, uint32_t flags)
{
	const int range = range_by(fd, start, len, flags);

	if (range < 0)
		bail("NVDIO_IOC_RANGE: %s", strerror(-range));
	return range;
}

/* New contents of the range and around it, by the node. */
static void disk_fill(void)
{
	fill(all, LEN + 2 * GUARD, ++seed, 0);
	put(copy, all, LEN + 2 * GUARD, AT - GUARD);
}

/* All is as filled, except for @len bytes at @pos of the range, which are of seed @s. */
static void disk_holds(uint64_t pos, uint64_t len, uint64_t s, const char *what)
{
	const uint64_t end = GUARD + pos + len;
	bool good;

	get(copy, all, LEN + 2 * GUARD, AT - GUARD);
	good = differs(all, GUARD + pos, seed, 0) < 0 &&
	       differs(all + end, LEN + 2 * GUARD - end, seed, end) < 0;
	ok(good, "%s: nothing else has changed", what);
	holds(all + GUARD + pos, len, s, 0, "%s: the blocks have it", what);
}

/* ---- ways to move data; all return bytes or -errno ---- */

static ssize_t by_pread(int fd, void *p, size_t len, off_t pos, bool out)
{
	return reterr(out ? pwrite(fd, p, len, pos) : pread(fd, p, len, pos));
}

static ssize_t by_read(int fd, void *p, size_t len, off_t pos, bool out)
{
	ssize_t ret;

	if (lseek(fd, pos, SEEK_SET) != pos)
		return -errno;
	ret = reterr(out ? write(fd, p, len) : read(fd, p, len));
	is(lseek(fd, 0, SEEK_CUR), pos + (ret > 0 ? ret : 0), "the file's position");
	return ret;
}

static ssize_t by_readv(int fd, void *p, size_t len, off_t pos, bool out)
{
	struct iovec v[2] = { { p, len / 2 / dev.lba * dev.lba }, };

	v[1] = (struct iovec){ p + v[0].iov_len, len - v[0].iov_len };
	return reterr(out ? pwritev(fd, v, 2, pos) : preadv(fd, v, 2, pos));
}

static ssize_t by_aio(int fd, void *p, size_t len, off_t pos, bool out)
{
	struct iocb cb, *list = &cb;
	io_context_t aio = NULL;
	struct io_event ev;
	ssize_t ret;

	if (io_setup(1, &aio))
		bail("io_setup");
	if (out)
		io_prep_pwrite(&cb, fd, p, len, pos);
	else
		io_prep_pread(&cb, fd, p, len, pos);
	ret = io_submit(aio, 1, &list);
	if (ret == 1)
		ret = io_getevents(aio, 1, 1, &ev, NULL) == 1 ? (long)ev.res : -EIO;
	io_destroy(aio);
	return ret;
}

static ssize_t ring_one(unsigned int flags, bool fixed, int fd, void *p, size_t len, off_t pos,
			bool out)
{
	struct iovec v = { p, len };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	ssize_t ret;

	if (io_uring_queue_init(4, &ring, flags))
		bail("io_uring_queue_init");
	sqe = io_uring_get_sqe(&ring);
	if (fixed && (io_uring_register_buffers(&ring, &v, 1) ||
		      io_uring_register_files(&ring, &fd, 1)))
		bail("io_uring_register");
	if (fixed && out)
		io_uring_prep_write_fixed(sqe, 0, p, len, pos, 0);
	else if (fixed)
		io_uring_prep_read_fixed(sqe, 0, p, len, pos, 0);
	else if (out)
		io_uring_prep_write(sqe, fd, p, len, pos);
	else
		io_uring_prep_read(sqe, fd, p, len, pos);
	if (fixed)
		sqe->flags |= IOSQE_FIXED_FILE;
	if (io_uring_submit(&ring) != 1 || io_uring_wait_cqe(&ring, &cqe))
		bail("io_uring");
	ret = cqe->res;
	io_uring_queue_exit(&ring);
	return ret;
}

static ssize_t by_ring(int fd, void *p, size_t len, off_t pos, bool out)
{
	return ring_one(0, false, fd, p, len, pos, out);
}

static ssize_t by_ring_fixed(int fd, void *p, size_t len, off_t pos, bool out)
{
	return ring_one(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, true, fd, p, len,
			pos, out);
}

static ssize_t by_ring_polled(int fd, void *p, size_t len, off_t pos, bool out)
{
	return ring_one(IORING_SETUP_IOPOLL, true, fd, p, len, pos, out);
}

static ssize_t by_hipri(int fd, void *p, size_t len, off_t pos, bool out)
{
	struct iovec v = { p, len };

	return reterr(out ? pwritev2(fd, &v, 1, pos, RWF_HIPRI) :
			      preadv2(fd, &v, 1, pos, RWF_HIPRI));
}

/* By memory of the range's own mmap(), and by identifier. */
static ssize_t by_mapped(int fd, void *p, size_t len, off_t pos, bool out)
{
	uint64_t before = counter("stats/mapped");
	void *m = mmap(NULL, MOST, PROT_READ | PROT_WRITE, MAP_SHARED, fd, NVDIO_MMAP_ALLOC);
	ssize_t ret;

	if (m == MAP_FAILED)
		return -errno;
	if (out)
		memcpy(m, p, len);
	ret = by_pread(fd, m, len, pos, out);
	if (!out)
		memcpy(p, m, len);
	munmap(m, MOST);
	if (ret > 0 && fcntl(fd, F_GETFL) & O_DIRECT)
		ok(counter("stats/mapped") > before, "the memory was recognised");
	return ret;
}

static ssize_t by_id(int fd, void *p, size_t len, off_t pos, bool out)
{
	struct nvdio_map_add add = { .addr = (uintptr_t)p, .len = MOST, .flags = NVDIO_MAP_USER };
	struct nvdio_rw rw = {
		.flags = out ? NVDIO_RW_WRITE : 0, .offset = pos, .len = len
	};
	ssize_t ret;

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add))
		return -errno;
	rw.id = add.id;
	ret = reterr(ioctl(fd, NVDIO_IOC_RW, &rw));
	is(reterr(ioctl(fd, NVDIO_IOC_MAP_DEL, &add.id)), 0, "MAP_DEL");
	return ret;
}

/* Through a pipe, 64 KiB at most. */
static ssize_t by_splice(int fd, void *p, size_t len, off_t pos, bool out)
{
	ssize_t n = 0, ret = 0;
	int pipe_fd[2];

	if (pipe(pipe_fd))
		bail("pipe");
	if (out) {
		ret = reterr(write(pipe_fd[1], p, len));
		while (ret > 0 && n < (ssize_t)len) {
			ret = reterr(splice(pipe_fd[0], NULL, fd, &pos, len - n, 0));
			n += ret > 0 ? ret : 0;
		}
	} else {
		ret = reterr(splice(fd, &pos, pipe_fd[1], NULL, len, 0));
		if (ret > 0)
			n = reterr(read(pipe_fd[0], p, ret));
	}
	close(pipe_fd[0]);
	close(pipe_fd[1]);
	return n ?: ret;
}

static const struct way {
	const char *name;
	ssize_t (*move)(int fd, void *p, size_t len, off_t pos, bool out);
	bool direct_only;
	size_t most;
} ways[] = {
	{ "pread", by_pread, false, MOST },
	{ "read", by_read, false, MOST },
	{ "preadv", by_readv, false, MOST },
	{ "libaio", by_aio, false, MOST },
	{ "io_uring", by_ring, false, MOST },
	{ "io_uring, registered", by_ring_fixed, false, MOST },
	{ "io_uring, IOPOLL", by_ring_polled, true, MOST },
	{ "RWF_HIPRI", by_hipri, true, MOST },
	{ "mapped memory", by_mapped, false, MOST },
	{ "identifier", by_id, false, MOST },
	{ "splice", by_splice, false, 32 * KiB },
};

/* @len at @pos; @want of it is inside. */
static void moves(const struct way *w, int fd, size_t len, uint64_t pos, size_t want)
{
	char what[96];

	snprintf(what, sizeof(what), "%s, %s, %zu at %llu", w->name,
		 path_name(fcntl(fd, F_GETFL)), len, (unsigned long long)pos);
	disk_fill();
	memset(b, 0, MOST);
	is(w->move(fd, b, len, pos, false), want, "%s: read", what);
	holds(b, want, seed, GUARD + pos, "%s: contents", what);
	ok(all_zero((char *)b + want, MOST - want), "%s: nothing behind them", what);
	fill(b, len, seed + 1000, 0);
	is(w->move(fd, b, len, pos, true), want, "%s: write", what);
	disk_holds(pos, want, seed + 1000, what);
}

static void in_each_way(int flags)
{
	int fd = range_or_bail(flags & O_DIRECT ? direct : copy, AT, LEN, 0);

	is(fcntl(fd, F_GETFL) & (O_ACCMODE | O_DIRECT), O_RDWR | flags, "flags of the file");
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		const struct way *w = &ways[i];
		const bool whole = w->move != by_splice;

		if (w->direct_only && !flags)
			continue;
		moves(w, fd, dev.lba, 0, dev.lba);
		moves(w, fd, w->most, 5 * dev.lba, w->most);
		moves(w, fd, dev.lba, LEN - dev.lba, dev.lba);
		if (whole) {
			moves(w, fd, 4 * PG, LEN - PG, PG);
			moves(w, fd, MOST, LEN - MOST / 2, MOST / 2);
		}
		memset(b, 1, PG);
		is(w->move(fd, b, PG, LEN, false), 0, "%s: a read at the end", w->name);
		is(w->move(fd, b, PG, LEN, true), -ENOSPC, "%s: a write there", w->name);
		disk_fill();
		is(w->move(fd, b, PG, LEN + GUARD, true), w->move == by_read ? -EINVAL : -ENOSPC,
		   "%s: a write behind it", w->name);
		disk_holds(0, 0, seed, w->name);
	}
	close(fd);
}

static void ways_direct(void)
{
	in_each_way(O_DIRECT);
}

static void ways_copy(void)
{
	in_each_way(0);
}

/* Bytes, not blocks: at both edges of the range, and across its end. */
static void bytes(void)
{
	int fd = range_or_bail(copy, AT, LEN, 0), both = range_or_bail(direct, AT, LEN, 0);
	static const struct { uint64_t pos; size_t len, want; } of[] = {
		{ 0, 1, 1 }, { 1, 7, 7 }, { LEN - 1, 1, 1 }, { LEN - 1, 2, 1 },
		{ LEN - 1000, 5000, 1000 }, { 3, 300 * KiB + 5, 300 * KiB + 5 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(of); i++)
		moves(&ways[0], fd, of[i].len, of[i].pos, of[i].want);
	is(by_pread(both, b, 1, 0, false), -EINVAL, "a byte with O_DIRECT");
	is(by_pread(both, b, dev.lba, 1, false), -EINVAL, "an odd position with O_DIRECT");
	is(fcntl(both, F_SETFL, 0), 0, "O_DIRECT is taken off");
	moves(&ways[0], both, 1, 0, 1);
	is(fcntl(both, F_SETFL, O_DIRECT), 0, "and put on again");
	moves(&ways[0], both, PG, 0, PG);
	close(fd);
	close(both);
}

/*
 * Where io_uring reads and writes at the file's position. It moves on only if the I/O was over at
 * once, also on the node; it is never one on the namespace.
 */
static void position(void)
{
	int fd = range_or_bail(copy, AT, LEN, 0);

	disk_fill();
	for (int i = 0; i < 10; i++) {
		const bool out = i & 1;
		off_t pos;

		lseek(fd, PG, SEEK_SET);
		is(ring_one(0, false, fd, b, PG, -1, out), PG, "io_uring at the position");
		holds(b, PG, seed, GUARD + PG, "contents");
		pos = lseek(fd, 0, SEEK_CUR);
		ok(pos == PG || pos == 2 * PG, "the position is now %lld", (long long)pos);
	}
	disk_holds(0, 0, seed, "the same written");
	close(fd);
}

static void edges(void)
{
	int fd = range_or_bail(direct, AT, LEN, 0), last;
	const uint64_t lba = dev.lba;

	is(lseek(fd, 0, SEEK_END), LEN, "SEEK_END");
	is(lseek(fd, -1, SEEK_END), LEN - 1, "SEEK_END - 1");
	is(reterr(lseek(fd, 1, SEEK_END)), -EINVAL, "beyond the end");
	is(reterr(lseek(fd, -1, SEEK_SET)), -EINVAL, "before the start");
	is(reterr(lseek(fd, INT64_MAX, SEEK_CUR)), -EINVAL, "an overflow");
	is(reterr(lseek(fd, INT64_MIN, SEEK_END)), -EINVAL, "another one");
	is(by_pread(fd, b, PG, FAR, false), 0, "pread near 2^63");
	is(by_pread(fd, b, PG, FAR, true), -ENOSPC, "pwrite there");
	is(by_pread(fd, b, PG, INT64_MIN, false), -EINVAL, "pread at 2^63");
	is(by_pread(fd, b, PG, -(off_t)AT, false), -EINVAL, "pread before the start");
	is(by_pread(fd, b, PG, -(off_t)AT, true), -EINVAL, "pwrite there");
	is(ring_one(0, false, fd, b, PG, FAR, false), 0, "io_uring near 2^63");
	is(ring_one(0, false, fd, b, PG, INT64_MIN, true), -EINVAL, "io_uring at 2^63");
	is(by_aio(fd, b, PG, -(off_t)AT, false), -EINVAL, "libaio before the start");
	is(by_id(fd, b, PG, -(off_t)AT, true), -ENOSPC, "an identifier before the start");
	close(fd);

	last = range_by(direct, dev.size - lba, lba, 0);
	ok(last >= 0, "a range of the device's last block");
	is(lseek(last, 0, SEEK_END), lba, "has a block");
	is(by_pread(last, b, PG, 0, false), lba, "of which there is no more to read");
	close(last);
	is(range_by(direct, dev.size, lba, 0), -ERANGE, "one behind the last");
	is(range_by(direct, dev.size - lba, 2 * lba, 0), -ERANGE, "the last one, and more");
	is(range_by(direct, 0, dev.size + lba, 0), -ERANGE, "more than there is");
	is(range_by(direct, -lba, lba, 0), -ERANGE, "a sum of 0");
	is(range_by(direct, -lba, 2 * lba, 0), -ERANGE, "an overflow");
	is(range_by(direct, lba, -lba, 0), -ERANGE, "a length that wraps");
	is(range_by(direct, 1ULL << 63, 1ULL << 63, 0), -ERANGE, "2^63");
	is(range_by(direct, 0, 0, 0), -EINVAL, "no blocks");
	is(range_by(direct, lba / 2, lba, 0), -EINVAL, "half a block");
	is(range_by(direct, 0, lba + 1, 0), -EINVAL, "a block and a byte");
}

static void rights(void)
{
	int ro = dev_open(O_RDONLY | O_DIRECT), wo = dev_open(O_WRONLY | O_DIRECT);
	int none = open(dev.path, O_ACCMODE), of_ro = range_or_bail(ro, AT, LEN, 0);
	int of_wo = range_or_bail(wo, AT, LEN, 0), less, less_again;
	uint64_t block[2] = { 0, dev.lba };

	disk_fill();
	is(range_by(none, AT, LEN, 0), -EBADF, "of a file without rights");
	is(range_by(wo, AT, LEN, NVDIO_RANGE_READ_ONLY), -EBADF, "for reading, of one for writing");
	is(range_by(direct, AT, LEN, 2), -EINVAL, "an unknown flag");
	less = range_or_bail(direct, AT, LEN, NVDIO_RANGE_READ_ONLY);
	less_again = range_or_bail(less, 0, LEN, 0);
	for (int i = 0; i < 3; i++) {
		const int fd = i ? i == 1 ? less : less_again : of_ro;
		int is_ro = 0;

		is(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY, "%d: read-only", i);
		is(fcntl(fd, F_GETFD), FD_CLOEXEC, "%d: closed by exec", i);
		is(by_pread(fd, b, PG, 0, false), PG, "%d: can be read", i);
		is(by_pread(fd, b, PG, 0, true), -EBADF, "%d: cannot be written", i);
		is(ring_one(0, false, fd, b, PG, 0, true), -EBADF, "%d: nor by io_uring", i);
		is(by_aio(fd, b, PG, 0, true), -EBADF, "%d: nor by libaio", i);
		is(by_id(fd, b, PG, 0, true), -EBADF, "%d: nor by identifier", i);
		is(reterr(ioctl(fd, BLKDISCARD, block)), -EBADF, "%d: nor discarded", i);
		is(reterr(ioctl(fd, BLKZEROOUT, block)), -EBADF, "%d: nor zeroed", i);
		is(ioctl(fd, BLKROGET, &is_ro) ?: is_ro, 1, "%d: BLKROGET", i);
		is(fcntl(fd, F_SETFL, O_RDWR | O_DIRECT), 0, "%d: F_SETFL", i);
		is(by_pread(fd, b, PG, 0, true), -EBADF, "%d: gives no rights", i);
		is((long)mmap(NULL, PG, PROT_WRITE, MAP_SHARED, fd, NVDIO_MMAP_ALLOC), -1,
		   "%d: mmap() for writing", i);
	}
	is(by_pread(of_wo, b, PG, 0, false), -EBADF, "write-only: cannot be read");
	is(by_pread(of_wo, b, PG, 0, true), PG, "write-only: can be written");
	close(less);
	close(less_again);
	close(of_ro);
	close(of_wo);
	close(none);
	close(ro);
	close(wo);
}

/* Each within the one before, at its end; they outlive it. */
static void narrower(void)
{
	int fd = range_or_bail(direct, AT, LEN, 0), next;
	uint64_t start = 0;

	disk_fill();
	is(range_by(fd, LEN, dev.lba, 0), -ERANGE, "a range behind the end of one");
	is(range_by(fd, 0, LEN + dev.lba, 0), -ERANGE, "a larger one");
	is(range_by(fd, -(uint64_t)AT, AT, 0), -ERANGE, "one before it");
	for (uint64_t len = LEN / 2; len >= PG; len /= 2) {
		next = range_or_bail(fd, len, len, 0);
		close(fd);
		fd = next;
		start += len;
		is(lseek(fd, 0, SEEK_END), len, "half of it");
	}
	is(by_pread(fd, b, 2 * PG, 0, false), PG, "what is left");
	holds(b, PG, seed, GUARD + start, "is the end");
	fill(b, PG, seed + 1000, 0);
	is(by_pread(fd, b, PG, 0, true), PG, "is written");
	disk_holds(start, PG, seed + 1000, "the end");
	close(fd);
}

static int ring_command(int fd, unsigned int op, uint64_t addr, uint64_t len)
{
	const unsigned int big = op == (unsigned int)BLOCK_URING_CMD_DISCARD ? 0 :
				 IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	const struct nvme_uring_cmd c = { .opcode = 2, .nsid = 1, .addr = addr, .data_len = len };
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	int ret;

	if (io_uring_queue_init(4, &ring, big))
		bail("io_uring_queue_init");
	sqe = io_uring_get_sqe(&ring);
	if (big) {
		prep_command(sqe, fd, op, &c);
	} else {
		memset(sqe, 0, sizeof(*sqe));
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->fd = fd;
		sqe->cmd_op = op;
		sqe->addr = addr;
		sqe->addr3 = len;
	}
	if (io_uring_submit(&ring) != 1 || io_uring_wait_cqe(&ring, &cqe))
		bail("io_uring");
	ret = cqe->res;
	io_uring_queue_exit(&ring);
	return ret;
}

static void blocks_by(const char *what, int fd, int (*fn)(int fd, uint64_t start, uint64_t len))
{
	disk_fill();
	is(fn(fd, LEN - PG, PG), 0, "%s: the last page", what);
	get(copy, all, LEN + 2 * GUARD, AT - GUARD);
	ok(differs(all, GUARD + LEN - PG, seed, 0) < 0 &&
	   differs(all + GUARD + LEN, GUARD, seed, GUARD + LEN) < 0, "%s: and no other", what);
	ok(all_zero((char *)all + GUARD + LEN - PG, PG), "%s: reads as zeroes", what);
	disk_fill();
	is(fn(fd, LEN, PG), -EINVAL, "%s: behind the end", what);
	is(fn(fd, LEN - PG, 2 * PG), -EINVAL, "%s: across the end", what);
	is(fn(fd, -(uint64_t)PG, PG), -EINVAL, "%s: before the start", what);
	is(fn(fd, -(uint64_t)PG, 2 * PG), -EINVAL, "%s: an overflow", what);
	is(fn(fd, 1, PG), -EINVAL, "%s: no block", what);
	is(fn(fd, 0, 0), -EINVAL, "%s: nothing", what);
	disk_holds(0, 0, seed, what);
	is(fn(fd, 0, LEN), 0, "%s: all", what);
	get(copy, all, LEN + 2 * GUARD, AT - GUARD);
	ok(differs(all, GUARD, seed, 0) < 0 &&
	   differs(all + GUARD + LEN, GUARD, seed, GUARD + LEN) < 0, "%s: the guards", what);
	ok(all_zero((char *)all + GUARD, LEN), "%s: reads as zeroes", what);
}

static int discard(int fd, uint64_t start, uint64_t len)
{
	uint64_t of[2] = { start, len };

	return (int)reterr(ioctl(fd, BLKDISCARD, of));
}

static int zero(int fd, uint64_t start, uint64_t len)
{
	uint64_t of[2] = { start, len };

	return (int)reterr(ioctl(fd, BLKZEROOUT, of));
}

static int discard_ring(int fd, uint64_t start, uint64_t len)
{
	return ring_command(fd, BLOCK_URING_CMD_DISCARD, start, len);
}

/* QEMU's controller gives zeroes for what was deallocated in whole pages. */
static void blocks(void)
{
	int fd = range_or_bail(direct, AT, LEN, 0);

	blocks_by("BLKDISCARD", fd, discard);
	blocks_by("BLKZEROOUT", fd, zero);
	blocks_by("io_uring discard", fd, discard_ring);
	is(reterr(fsync(fd)), 0, "fsync");
	is(reterr(fdatasync(fd)), 0, "fdatasync");
	ok(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, PG) < 0,
	   "fallocate: %s, as there is none for a node", strerror(errno));
	close(fd);
}

static void queries(void)
{
	int fd = range_or_bail(direct, AT, LEN + 512 * 7 / dev.lba * dev.lba, 0), n = 0;
	const uint64_t len = lseek(fd, 0, SEEK_END);
	struct nvdio_info i, whole;
	struct hd_geometry geo;
	unsigned long sectors;
	uint64_t bytes = 0;

	is(ioctl(fd, BLKGETSIZE64, &bytes) ?: (long)bytes, len, "BLKGETSIZE64");
	is(ioctl(fd, BLKGETSIZE, &sectors) ?: (long)sectors, len / 512, "BLKGETSIZE");
	is(ioctl(fd, BLKSSZGET, &n) ?: n, dev.lba, "BLKSSZGET");
	is(ioctl(fd, BLKBSZGET, &n) ?: n, len & -len & (PG - 1) ?: PG, "BLKBSZGET");
	is(ioctl(fd, HDIO_GETGEO, &geo) ?: geo.cylinders, 1, "HDIO_GETGEO");
	is(ioctl(fd, BLKROGET, &n) ?: n, 0, "BLKROGET");
	is(ioctl(fd, NVDIO_IOC_INFO, &i) ?: (long)i.size, len, "NVDIO_IOC_INFO: size");
	is(ioctl(direct, NVDIO_IOC_INFO, &whole) ?: (long)whole.size, dev.size, "that of the node");
	ok(i.lba_size == whole.lba_size && i.io_max == whole.io_max && i.maps_max == whole.maps_max,
	   "and else the same");
	is(reterr(ioctl(fd, BLKSECDISCARD, &bytes)), -EOPNOTSUPP, "BLKSECDISCARD");
	is(reterr(ioctl(fd, BLKRRPART)), -EINVAL, "BLKRRPART");
	close(fd);
}

/* A 32-bit program's calls. */
static void compat(void)
{
	struct nvdio_range *r = mmap(NULL, PG, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	uint64_t *n = (uint64_t *)(r + 1);
	int fd;

	if (call32(NR32_GETPID, 0, 0, 0, 0, 0) != getpid()) {
		t_skip("this kernel runs no 32-bit programs");
		return;
	}
	*r = (struct nvdio_range){ .start = AT, .len = LEN };
	fd = ioctl32(direct, NVDIO_IOC_RANGE, r);
	ok(fd >= 0, "a range of a 32-bit program");
	is(lseek(fd, 0, SEEK_END), LEN, "has its size");
	is(ioctl32(fd, _IOR(0x12, 114, int), n) ?: (long)*n, LEN, "BLKGETSIZE64");
	*n = 0;
	is(ioctl32(fd, BLKGETSIZE, n) ?: (long)*n, LEN / 512, "BLKGETSIZE");
	is(ioctl32(fd, HDIO_GETGEO, n) ?: ((unsigned short *)n)[1], 1, "HDIO_GETGEO");
	r->start = LEN;
	is(ioctl32(fd, NVDIO_IOC_RANGE, r), -ERANGE, "beyond its end");
	disk_fill();
	is(call32(NR32_PREAD64, fd, low32(r), dev.lba, LEN - dev.lba, 0), dev.lba,
	   "pread64 of the last block");
	holds(r, dev.lba, seed, GUARD + LEN - dev.lba, "its contents");
	close(fd);
	munmap(r, PG);
}

static void refused(void)
{
	static const unsigned int commands[] = {
		NVME_IOCTL_ID, NVME_IOCTL_ADMIN_CMD, NVME_IOCTL_SUBMIT_IO, NVME_IOCTL_IO_CMD,
		NVME_IOCTL_RESET, NVME_IOCTL_SUBSYS_RESET, NVME_IOCTL_RESCAN,
		NVME_IOCTL_ADMIN64_CMD, NVME_IOCTL_IO64_CMD, NVME_IOCTL_IO64_CMD_VEC,
		IOC_PR_REGISTER, IOC_PR_RESERVE, IOC_PR_RELEASE, IOC_PR_PREEMPT,
		IOC_PR_PREEMPT_ABORT, IOC_PR_CLEAR, BLKROSET, _IOC(_IOC_WRITE, 'N', 0x42, 44),
	};
	static const unsigned int ring[] = {
		NVME_URING_CMD_IO, NVME_URING_CMD_IO_VEC, NVME_URING_CMD_ADMIN,
		NVME_URING_CMD_ADMIN_VEC,
	};
	int fd = range_or_bail(direct, AT, LEN, 0);
	uint64_t before = counter("stats/passthrough");
	char arg[256] = { };

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		is(reterr(ioctl(fd, commands[i], arg)), -EACCES, "ioctl %#x", commands[i]);
	for (size_t i = 0; i < ARRAY_SIZE(ring); i++)
		is(ring_command(fd, ring[i], (uintptr_t)b, dev.lba), -EACCES, "io_uring, %#x",
		   ring[i]);
	is(ring_command(fd, 1, 0, 0), -ENOTTY, "io_uring, unknown");
	is(reterr(ioctl(fd, _IO('N', 0xcf), arg)), -ENOTTY, "unknown");
	is(reterr(ioctl(fd, 0x1234, arg)), -ENOTTY, "unknown");
	is(reterr((long)mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, NVDIO_MMAP_CMB)), -EACCES, "CMB");
	is(reterr((long)mmap(NULL, PG, PROT_READ, MAP_SHARED, fd, NVDIO_MMAP_REGS)), -EACCES,
	   "registers");
	is(reterr((long)mmap(NULL, PG, PROT_READ, MAP_PRIVATE, fd, NVDIO_MMAP_ALLOC)), -EINVAL,
	   "MAP_PRIVATE");
	is(counter("stats/passthrough") - before, 0, "nothing was sent");
	close(fd);
}

/* The structure, of other sizes; and descriptors that are not to be had. */
static void structure(void)
{
	struct { struct nvdio_range r; uint64_t more; } big = { { AT, LEN, 0, 0 }, 0 };
	struct rlimit old, low;
	int fd;

#define SIZED(size) (_IOC(_IOC_WRITE, 'N', 0xb4, size))
	fd = (int)reterr(ioctl(direct, SIZED(sizeof(big)), &big));
	ok(fd >= 0, "a longer structure");
	close(fd);
	big.more = 1;
	is(reterr(ioctl(direct, SIZED(sizeof(big)), &big)), -E2BIG, "that is not 0 there");
	is(reterr(ioctl(direct, SIZED(16), &big)), -EINVAL, "a shorter one");
	big.r.resv = 1;
	is(reterr(ioctl(direct, NVDIO_IOC_RANGE, &big)), -EINVAL, "resv");
	is(reterr(ioctl(direct, NVDIO_IOC_RANGE, (void *)16)), -EFAULT, "not memory");
	fd = ctrl_open(O_RDWR);
	is(range_by(fd, 0, LEN, 0), -ENOTTY, "of a controller");
	close(fd);
	getrlimit(RLIMIT_NOFILE, &old);
	low = (struct rlimit){ 32, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &low);
	for (int i = 0; i < 40 && (fd = range_by(direct, AT, LEN, 0)) >= 0; i++)
		;
	is(fd, -EMFILE, "as many as there may be");
	for (fd = 0; fd < 32; fd++)
		if (fd > 2 && fd != direct && fd != copy)
			close(fd);
	setrlimit(RLIMIT_NOFILE, &old);
	fd = range_by(direct, AT, LEN, 0);
	ok(fd >= 0, "and one again");
	close(fd);
}

static void setup(void)
{
	direct = dev_open(O_RDWR | O_DIRECT);
	copy = dev_open(O_RDWR);
	b = pages(MOST);
	all = pages(LEN + 2 * GUARD);
	seed = t_seed & 0xffffff;
}

static const struct t_case cases[] = {
	{ "edges", edges },
	{ "rights", rights },
	{ "narrower", narrower },
	{ "ways_direct", ways_direct },
	{ "ways_copy", ways_copy },
	{ "bytes", bytes },
	{ "position", position },
	{ "blocks", blocks },
	{ "queries", queries },
	{ "compat", compat },
	{ "refused", refused },
	{ "structure", structure },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
