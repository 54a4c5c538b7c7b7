// SPDX-License-Identifier: GPL-2.0
/*
 * A namespace that was made read-only (BLKROSET): every kind of write is refused, to
 * every caller; and the queries that tools send to a block device, and reservations.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <linux/nvme_ioctl.h>
#include <linux/pr.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

static unsigned char *data, *other, *back;
static int cp, dio;
static unsigned int nsid;

static long range(int f, unsigned long op, uint64_t start, uint64_t len)
{
	uint64_t r[2] = { start, len };

	return reterr(ioctl(f, op, r));
}

static long ring_op(void (*prep)(struct io_uring *r), unsigned int setup)
{
	struct io_uring_cqe *cqe;
	struct io_uring r;
	long res;

	if (io_uring_queue_init(8, &r, setup))
		bail("io_uring");
	prep(&r);
	io_uring_submit_and_wait(&r, 1);
	if (io_uring_wait_cqe(&r, &cqe))
		bail("io_uring_wait_cqe");
	res = cqe->res;
	io_uring_queue_exit(&r);
	return res;
}

static struct io_uring_sqe *get_sqe(struct io_uring *r)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(r);

	if (!sqe)
		bail("io_uring_get_sqe");
	return sqe;
}

static void prep_write(struct io_uring *r)
{
	struct io_uring_sqe *sqe = get_sqe(r);

	io_uring_prep_write(sqe, dio, other, 4096, 0);
}

static void prep_discard(struct io_uring *r)
{
	struct io_uring_sqe *sqe = get_sqe(r);

	memset(sqe, 0, 64);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = cp;
	sqe->cmd_op = BLOCK_URING_CMD_DISCARD;
	sqe->addr = 0;
	sqe->addr3 = 4096;
}

static struct nvme_uring_cmd a_write(void)
{
	return (struct nvme_uring_cmd){
		.opcode = 1, .nsid = nsid, .addr = (uintptr_t)other, .data_len = 4096,
		.cdw12 = 4096 / dev.lba - 1,
	};
}

static void prep_short(struct io_uring *r)
{
	struct io_uring_sqe *sqe = get_sqe(r);
	struct nvme_uring_cmd c = a_write();

	prep_command(sqe, cp, NVME_URING_CMD_IO, &c);
}

static void prep_vec(struct io_uring *r)
{
	static struct iovec v[2];
	struct io_uring_sqe *sqe = get_sqe(r);
	struct nvme_uring_cmd c = a_write();

	v[0] = (struct iovec){ other, 2048 };
	v[1] = (struct iovec){ other + 2048, 2048 };
	c.addr = (uintptr_t)v;
	c.data_len = 2;
	prep_command(sqe, cp, NVME_URING_CMD_IO_VEC, &c);
}

static long aio_write(void)
{
	struct iocb cb, *p = &cb;
	io_context_t aio = NULL;
	struct io_event ev;
	long n;

	if (io_setup(1, &aio))
		bail("io_setup");
	io_prep_pwrite(&cb, dio, other, 4096, 0);
	n = io_submit(aio, 1, &p);
	if (n == 1)
		n = io_getevents(aio, 1, 1, &ev, NULL) == 1 ? (long)ev.res : -EIO;
	io_destroy(aio);
	return n;
}

static long command(unsigned char op, unsigned int len, unsigned int cdw11, unsigned int cdw12)
{
	struct nvme_passthru_cmd c = {
		.opcode = op, .nsid = nsid, .addr = (uintptr_t)other, .data_len = len,
		.cdw11 = cdw11, .cdw12 = cdw12,
	};

	return reterr(ioctl(cp, NVME_IOCTL_IO_CMD, &c));
}

static bool read_only;	/* what the namespace is now */

/* One test: @got is @want, or -EPERM if the namespace is read-only. */
static void writes(long got, long want, const char *what)
{
	is(got, read_only ? -EPERM : want, "BLKROSET, %s: %s",
	   read_only ? "read-only" : "writable", what);
}

static void data_writers(void)
{
	struct iovec v = { other, 4096 };

	writes(reterr(pwrite(cp, other, 4096, 0)), 4096, "pwrite, copied");
	writes(reterr(pwrite(cp, other, 7, 5)), 7, "pwrite of 7 bytes");
	writes(reterr(pwrite(dio, other, 4096, 0)), 4096, "pwrite, direct");
	writes(reterr(pwritev2(dio, &v, 1, 0, RWF_NOWAIT)), 4096, "pwritev2 with RWF_NOWAIT");
	writes(reterr(pwritev2(dio, &v, 1, 0, RWF_HIPRI)), 4096, "pwritev2 with RWF_HIPRI");
	writes(reterr(pwrite(dio, other, 4096, dev.size)), -ENOSPC, "pwrite at the end");
	writes(aio_write(), 4096, "libaio");
	writes(ring_op(prep_write, 0), 4096, "io_uring");
	writes(ring_op(prep_discard, 0), 0, "BLOCK_URING_CMD_DISCARD");
	writes(range(cp, BLKDISCARD, 0, 4096), 0, "BLKDISCARD");
	writes(range(cp, BLKZEROOUT, 0, 4096), 0, "BLKZEROOUT");
}

static void command_writers(void)
{
	const unsigned int big = IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	const unsigned int blocks = 4096 / dev.lba - 1;
	struct nvme_user_io io = { .opcode = 1, .addr = (uintptr_t)other, .nblocks = blocks };

	writes(ring_op(prep_short, big), 0, "Write by io_uring");
	writes(ring_op(prep_vec, big), 0, "Write by io_uring, segments");
	writes(reterr(ioctl(cp, NVME_IOCTL_SUBMIT_IO, &io)), 0, "SUBMIT_IO");
	writes(command(1, 4096, 0, blocks), 0, "Write");
	writes(command(8, 0, 0, blocks), 0, "Write Zeroes");
	writes(command(9, 16, 4, 0), 0, "Dataset Management");
}

static void set_read_only(bool on)
{
	int value = on, got = -1;

	is_ret(ioctl(cp, BLKROSET, &value), 0, "BLKROSET to %d", value);
	ioctl(dio, BLKROGET, &got);
	is(got, value, "BLKROGET of another file: %d", value);
	read_only = on;
}

static void nobody(void)
{
	struct pr_registration reg = { .new_key = 1 };
	int f = open(dev.path, O_RDONLY), one = 1;

	ok(f >= 0 && getuid() == NOBODY, "nobody opened the node");
	is_ret(ioctl(f, BLKROSET, &one), -EACCES, "BLKROSET: refused to nobody");
	is_ret(ioctl(f, IOC_PR_REGISTER, &reg), -EPERM,
	       "D: nobody: no reservations through a read-only file");
	close(f);
	f = open(dev.path, O_RDWR);
	is_ret(ioctl(f, BLKROSET, &one), -EACCES,
	       "BLKROSET: refused to nobody, even with a writable file");
	ok(ioctl(f, IOC_PR_REGISTER, &reg) < 0 && errno != EPERM && errno != ENOTTY,
	   "D: nobody: reservations through a writable file");
}

static void permissions(void)
{
	if (chmod(dev.path, 0666))
		bail("chmod");
	is(as_nobody(nobody), 0, "all tests passed as nobody");
	chmod(dev.path, 0600);
}

static void initial(void)
{
	int ro = -1;

	is_ret(ioctl(cp, BLKROGET, &ro), 0, "BLKROGET");
	is(ro, 0, "BLKROGET: writable");
	is_ret(ioctl(cp, BLKROSET, 1), -EFAULT, "BLKROSET from a bad address");
}

/* Reads and Flush are not writes. */
static void readers(void)
{
	get(cp, back, 64 * KiB, 0);
	is(memcmp(back, data, 64 * KiB), 0, "BLKROSET, read-only: the data is unchanged");
	is(reterr(pread(dio, back, 4096, 4096)), 4096, "BLKROSET, read-only: pread, direct");
	is(memcmp(back, data + 4096, 4096), 0, "and its data");
	is(command(2, 4096, 0, 4096 / dev.lba - 1), 0, "BLKROSET, read-only: Read");
	is(memcmp(other, data, 4096), 0, "and its data");
	is(reterr(fsync(cp)), 0, "BLKROSET, read-only: fsync");
	is(command(0, 0, 0, 0), 0, "BLKROSET, read-only: Flush");
}

static void flag(void)
{
	put(cp, data, 64 * KiB, 0);
	set_read_only(true);
	data_writers();
	command_writers();
	is(reterr(ioctl(cp, NVME_IOCTL_RESCAN)), 0, "BLKROSET: rescan");
	is(reterr(pwrite(cp, other, 4096, 0)), -EPERM, "BLKROSET: the rescan does not clear it");
	readers();
	set_read_only(false);
	memset(other, 0, 16);
	data_writers();
	command_writers();
}

static void queries(void)
{
	unsigned short sectors = 7;
	struct hd_geometry geo;
	unsigned long ra = 7;
	int bs = 0;

	is_ret(ioctl(cp, BLKSECTGET, &sectors), 0, "BLKSECTGET");
	ok(sectors >= 8, "BLKSECTGET: the largest command, in sectors (%u)", sectors);
	is_ret(ioctl(cp, BLKBSZGET, &bs), 0, "BLKBSZGET");
	is(bs, PG, "BLKBSZGET: a page");
	is_ret(ioctl(cp, BLKRAGET, &ra), 0, "BLKRAGET");
	is(ra, 0, "BLKRAGET: no readahead");
	ra = 7;
	is_ret(ioctl(cp, BLKFRAGET, &ra), 0, "BLKFRAGET");
	is(ra, 0, "BLKFRAGET: no readahead");
	is_ret(ioctl(cp, BLKRAGET, NULL), -EINVAL, "BLKRAGET to NULL");
	memset(&geo, 0xee, sizeof(geo));
	is_ret(ioctl(cp, HDIO_GETGEO, &geo), 0, "HDIO_GETGEO");
	ok(geo.heads == 64 && geo.sectors == 32 &&
	   geo.cylinders == (unsigned short)(dev.size >> 20) && !geo.start,
	   "HDIO_GETGEO: heads, sectors, cylinders, start (%u %u %u %lu)",
	   geo.heads, geo.sectors, geo.cylinders, geo.start);
	is_ret(ioctl(cp, HDIO_GETGEO, NULL), -EINVAL, "HDIO_GETGEO to NULL");
	is_ret(ioctl(cp, HDIO_GETGEO, 1), -EFAULT, "HDIO_GETGEO to a bad address");
}

/* QEMU has no reservations: what the controller refuses has been sent. */
static void sent(unsigned long op, const char *name, void *arg, unsigned int *flags)
{
	is_ret(ioctl(cp, op, arg), -EINVAL, "D: %s: sent, and the controller has no such opcode",
	       name);
	*flags = 0x80;
	is_ret(ioctl(cp, op, arg), -EOPNOTSUPP, "D: %s: unknown flags", name);
	is_ret(ioctl(cp, op, 1), -EFAULT, "D: %s: from a bad address", name);
}

static void reservations(void)
{
	struct pr_registration reg = { };
	struct pr_reservation reserve = { }, release = { };
	struct pr_preempt preempt = { }, abort = { };
	struct pr_clear clear = { };

	sent(IOC_PR_REGISTER, "IOC_PR_REGISTER", &reg, &reg.flags);
	sent(IOC_PR_RESERVE, "IOC_PR_RESERVE", &reserve, &reserve.flags);
	sent(IOC_PR_RELEASE, "IOC_PR_RELEASE", &release, &release.flags);
	sent(IOC_PR_PREEMPT, "IOC_PR_PREEMPT", &preempt, &preempt.flags);
	sent(IOC_PR_PREEMPT_ABORT, "IOC_PR_PREEMPT_ABORT", &abort, &abort.flags);
	sent(IOC_PR_CLEAR, "IOC_PR_CLEAR", &clear, &clear.flags);
}

static void setup(void)
{
	cp = dev_open(O_RDWR);
	dio = dev_open(O_RDWR | O_DIRECT);
	nsid = dev_nsid();
	data = pages(64 * KiB);
	other = pages(64 * KiB);
	back = pages(64 * KiB);
	fill(data, 64 * KiB, t_seed, 0);
}

static const struct t_case cases[] = {
	{ "initial", initial },
	{ "permissions", permissions },
	{ "flag", flag },
	{ "queries", queries },
	{ "reservations", reservations },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
