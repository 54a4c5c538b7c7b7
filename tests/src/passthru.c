// SPDX-License-Identifier: GPL-2.0
/*
 * Commands that programs make themselves: by ioctl and by io_uring. Lengths that
 * do not fit the command are refused or contained, which a guarded buffer shows;
 * what breaks the driver's state is refused to root; and what is refused to
 * others is tried as nobody, on nodes that everyone can open.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

#define AREA MiB
#define GUARD 0x5a
#define CTRL_NODE "/dev/nvdio0"

enum { OP_WRITE = 1, OP_READ = 2, OP_DSM = 9 };
enum { ADM_LOG = 2, ADM_IDENTIFY = 6, ADM_SET = 9, ADM_GET = 0xa };

static int fd, ctrl;
static unsigned char *area;	/* all guard, but for what a command may fill */
static unsigned char *pattern;	/* what the device's first MiB holds; no byte is GUARD */
static unsigned int nsid;

static void arm(void)
{
	memset(area, GUARD, AREA);
}

static long first_not_guard(size_t from, size_t to)
{
	static unsigned char guard[PG];

	memset(guard, GUARD, sizeof(guard));
	while (from < to) {
		size_t n = to - from < PG ? to - from : PG;

		if (memcmp(area + from, guard, n))
			break;
		from += n;
	}
	while (from < to && area[from] == GUARD)
		from++;
	return from < to ? (long)from : -1;
}

/* First byte outside [from, to) that is not the guard any more, or -1. */
static long touched(size_t from, size_t to)
{
	long at = first_not_guard(0, from);

	return at < 0 ? first_not_guard(to, AREA) : at;
}

static long cmd_on(int f, unsigned long op, void *c)
{
	return reterr(ioctl(f, op, c));
}

static struct nvme_passthru_cmd rw(int op, void *p, uint32_t len, uint64_t slba,
				   unsigned int blocks)
{
	return (struct nvme_passthru_cmd){
		.opcode = op, .nsid = nsid, .addr = (uintptr_t)p,
		.data_len = len, .cdw10 = slba, .cdw11 = slba >> 32,
		.cdw12 = blocks - 1,
	};
}

/* The same command by io_uring; @fixed: from a registered buffer (all of area). */
static long ring_cmd(int f, unsigned int op, struct nvme_uring_cmd *c,
		     bool fixed, unsigned int setup, uint64_t *result)
{
	/* One with and one without IOPOLL; forked children make their own. */
	static struct io_uring kept[2];
	static pid_t owner[2];
	struct io_uring *r = &kept[!!setup];
	struct iovec v = { area, AREA };
	struct io_uring_sqe *sqe;
	struct io_uring_cqe *cqe;
	long res;

	if (owner[!!setup] != getpid()) {
		if (io_uring_queue_init(8, r, IORING_SETUP_SQE128 |
					IORING_SETUP_CQE32 | setup))
			bail("ring");
		if (io_uring_register_buffers(r, &v, 1))
			bail("register buffers");
		owner[!!setup] = getpid();
	}
	sqe = io_uring_get_sqe(r);
	if (!sqe)
		bail("io_uring_get_sqe");
	prep_command(sqe, f, op, c);
	sqe->uring_cmd_flags = fixed ? IORING_URING_CMD_FIXED : 0;
	io_uring_submit_and_wait(r, 1);
	if (io_uring_wait_cqe(r, &cqe))
		bail("io_uring_wait_cqe");
	res = cqe->res;
	if (result)
		*result = cqe->big_cqe[0];
	io_uring_cqe_seen(r, cqe);
	return res;
}

/* A Read of 4 KiB by every way, into memory of every length and alignment. */
static void lengths(void)
{
	static const unsigned int lens[] = { 0, 4, 3584, 4092, 4095, 4096, 4100, 65536 };
	static const unsigned int shifts[] = { 0, 4, 2048, 4092, 1, 4095 };
	static const char * const ways[] = { "ioctl", "ioctl64", "io_uring", "io_uring, registered buffer", "io_uring, IOPOLL" };
	const unsigned int blocks = 4096 / dev.lba;

	for (size_t way = 0; way < ARRAY_SIZE(ways); way++) {
		unsigned int bad = 0, good = 0, refused = 0;
		uint64_t count = counter("stats/passthrough");

		for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
			for (size_t j = 0; j < ARRAY_SIZE(shifts); j++) {
				size_t at = 8192 + shifts[j];
				struct nvme_passthru_cmd c = rw(OP_READ, area + at, lens[i], 0, blocks);
				struct nvme_passthru_cmd64 c64 = { .opcode = OP_READ, .nsid = nsid, .addr = c.addr, .data_len = lens[i], .cdw12 = blocks - 1 };
				struct nvme_uring_cmd u = { .opcode = OP_READ, .nsid = nsid, .addr = c.addr, .data_len = lens[i], .cdw12 = blocks - 1 };
				long want = lens[i] >= 4096 ? 0 : -EINVAL, got;

				arm();
				switch (way) {
				case 0:
					got = cmd_on(fd, NVME_IOCTL_IO_CMD, &c);
					break;
				case 1:
					got = cmd_on(fd, NVME_IOCTL_IO64_CMD, &c64);
					break;
				case 2:
					got = ring_cmd(fd, NVME_URING_CMD_IO, &u, false, 0, NULL);
					break;
				case 3:
					got = ring_cmd(fd, NVME_URING_CMD_IO, &u, true, 0, NULL);
					break;
				default:
					got = ring_cmd(fd, NVME_URING_CMD_IO, &u, false, IORING_SETUP_IOPOLL, NULL);
				}
				good += !got;
				refused += got == -EINVAL;
				if (got != want || touched(at, got ? at : at + 4096) >= 0 ||
				    (!got && memcmp(area + at, pattern, 4096))) {
					if (!bad++)
						note("  %u bytes at +%u: %ld, touched %ld", lens[i], shifts[j], got, touched(at, at + 4096));
				}
			}
		ok(!bad && good && refused, "%s: a Read of 4 KiB fills 4 KiB or nothing (%u right, %u refused)", ways[way], good, refused);
		is(counter("stats/passthrough") - count, good, "%s: the counter", ways[way]);
	}
}

static void sizes(void)
{
	struct nvme_passthru_cmd c;
	unsigned int bad = 0;

	for (size_t n = dev.lba; n <= AREA / 2; n *= 2)
		for (unsigned int odd = 0; odd < 2; odd++) {
			size_t at = 4096 + (odd ? 9 : 8);

			arm();
			c = rw(OP_READ, area + at, n, 4096 / dev.lba, n / dev.lba);
			bad += cmd_on(fd, NVME_IOCTL_IO_CMD, &c) || memcmp(area + at, pattern + 4096, n) || touched(at, at + n) >= 0;
		}
	ok(!bad, "Reads of 1 block to 512 KiB, at +8 and +9 in a page");
	arm();
	c = rw(OP_READ, area, AREA, 0, AREA / dev.lba);
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), -EINVAL, "more than MDTS");
	is(touched(0, 0), -1, "more than MDTS: nothing was moved");
}

static void refused_forms(void)
{
	const unsigned int blocks = 4096 / dev.lba;
	struct nvme_passthru_cmd c, good = rw(OP_READ, area + 4096, 4096, 0, blocks);
	void *ro = mmap(NULL, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	arm();
#define TRY(want, text, ...) do { \
	c = good; \
	__VA_ARGS__; \
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), want, text); \
} while (0)
	TRY(-EINVAL, "PSDT set", c.flags = 0x40);
	TRY(-EINVAL, "FUSE set", c.flags = 1);
	TRY(-EINVAL, "metadata", c.metadata = (uintptr_t)area; c.metadata_len = 8);
	TRY(-EINVAL, "metadata of one block's 8 bytes each, as with PI", c.metadata = (uintptr_t)area; c.metadata_len = 8 * blocks);
	TRY(-EINVAL, "all namespaces", c.nsid = 0xffffffff);
	TRY(-EINVAL, "no namespace", c.nsid = 0);
	TRY(-EINVAL, "another namespace", c.nsid = nsid + 1);
	TRY(0, "Flush with a length", c.opcode = 0);
	TRY(0x4001, "D: data both ways: the controller's status (Invalid Opcode, DNR)", c.opcode = 0x13);
	TRY(0x4001, "D: a vendor's opcode, data both ways", c.opcode = 0xff);
	TRY(0, "D: metadata length without a pointer", c.metadata_len = 8);
	TRY(-EFAULT, "bad address", c.addr = 0x1000);
	TRY(-EFAULT, "bad address, odd", c.addr = 0x1001);
	TRY(-EFAULT, "address of the kernel", c.addr = -4096UL);
	TRY(-EFAULT, "Read into read-only memory", c.addr = (uintptr_t)ro);
	TRY(-EFAULT, "Read into read-only memory, odd", c.addr = (uintptr_t)ro + 1);
	TRY(0x4080, "behind the end: the controller's status (LBA Out of Range, DNR)", c.cdw11 = 0x100);
#undef TRY
	is(touched(4096, 8192), -1, "none of these moved anything but the Read's 4 KiB");
	is(((unsigned char *)ro)[0], 0, "read-only memory is as it was");
	munmap(ro, PG);
}

static void vectors(void)
{
	const unsigned int blocks = 4096 / dev.lba;
	struct iovec v[1025] = {
		{ area + 400, 1000 }, { area + 8192, 24 }, { area + 3 * 4096, 2048 },
		{ area + 5 * 4096 + 4, 1024 }, { area, 0 },
	};
	struct nvme_passthru_cmd64 c = { .opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)v, .vec_cnt = 5, .cdw12 = blocks - 1 };
	struct nvme_uring_cmd u = { .opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)v, .data_len = 5, .cdw12 = blocks - 1 };

	for (int ring = 0; ring < 2; ring++) {
		const char *by = ring ? "io_uring" : "ioctl";
#define SEND(n) (c.vec_cnt = u.data_len = (n), ring ? ring_cmd(fd, NVME_URING_CMD_IO_VEC, &u, false, 0, NULL) : cmd_on(fd, NVME_IOCTL_IO64_CMD_VEC, &c))
		v[0] = (struct iovec){ area + 400, 1000 };
		v[1] = (struct iovec){ area + 8192, 24 };
		v[3].iov_len = 1024;
		arm();
		is(SEND(5), 0, "%s: 5 segments", by);
		ok(!memcmp(area + 400, pattern, 1000) && !memcmp(area + 8192, pattern + 1000, 24) &&
		   !memcmp(area + 3 * 4096, pattern + 1024, 2048) && !memcmp(area + 5 * 4096 + 4, pattern + 3072, 1024),
		   "%s: 5 segments: data", by);
		ok(area[399] == GUARD && area[1400] == GUARD && area[8191] == GUARD && area[8216] == GUARD &&
		   area[5 * 4096 + 3] == GUARD && area[5 * 4096 + 4 + 1024] == GUARD && touched(400, 5 * 4096 + 4 + 1024) < 0,
		   "%s: 5 segments: what is between is untouched", by);
		v[3].iov_len = 1020;
		arm();
		is(SEND(5), -EINVAL, "%s: segments 4 bytes too short", by);
		is(touched(0, 0), -1, "%s: segments too short: untouched", by);
		v[3].iov_len = 4000;
		arm();
		is(SEND(5), 0, "%s: segments too long", by);
		ok(area[5 * 4096 + 4 + 1024] == GUARD && touched(400, 5 * 4096 + 4 + 1024) < 0, "%s: segments too long: no more than the command's bytes", by);
		v[0] = (struct iovec){ area + 4097, 4095 };
		v[1] = (struct iovec){ area + 1, 1 };
		arm();
		is(SEND(2), 0, "%s: odd segments", by);
		ok(!memcmp(area + 4097, pattern, 4095) && area[1] == pattern[4095] && area[0] == GUARD && area[2] == GUARD && touched(1, 8192) < 0,
		   "%s: odd segments: data", by);
		v[0].iov_len = 4096;
		arm();
		is(SEND(1), 0, "%s: one segment", by);
		ok(!memcmp(area + 4097, pattern, 4096) && touched(4097, 8193) < 0, "%s: one segment: data", by);
		is(SEND(0), -EINVAL, "%s: no segment", by);
		is(SEND(1025), -EINVAL, "%s: too many segments", by);
		v[0].iov_base = (void *)0x1000;
		is(SEND(1), -EFAULT, "%s: bad segment", by);
		c.addr = u.addr = 0x1000;
		is(SEND(2), -EFAULT, "%s: bad address of segments", by);
		c.addr = u.addr = (uintptr_t)v;
	}
#undef SEND
}

static void fixed_vectors(void)
{
	const unsigned int blocks = 4096 / dev.lba;
	struct iovec v[2] = { { area + 4096, 2048 }, { area + 16384 + 4, 2048 } };
	struct nvme_uring_cmd u = { .opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)v, .data_len = 2, .cdw12 = blocks - 1 };
	long got;

	arm();
	got = ring_cmd(fd, NVME_URING_CMD_IO_VEC, &u, true, 0, NULL);
	if (got) {
		/* Before Linux 6.16 io_uring has no such thing. */
		ok(got == -EOPNOTSUPP || got == -EINVAL, "vector in a registered buffer: refused (%ld)", got);
		is(touched(0, 0), -1, "vector in a registered buffer: untouched");
		return;
	}
	ok(!memcmp(area + 4096, pattern, 2048) && !memcmp(area + 16388, pattern + 2048, 2048) && touched(4096, 16388 + 2048) < 0 && area[6144] == GUARD,
	   "vector in a registered buffer: data");
	v[1].iov_len = 2044;
	arm();
	is(ring_cmd(fd, NVME_URING_CMD_IO_VEC, &u, true, 0, NULL), -EINVAL, "vector in a registered buffer, short");
	is(touched(0, 0), -1, "vector in a registered buffer, short: untouched");
	v[1] = (struct iovec){ area + AREA - 1024, 2048 };
	is(ring_cmd(fd, NVME_URING_CMD_IO_VEC, &u, true, 0, NULL), -EFAULT, "vector over the end of a registered buffer");
	is(touched(0, 0), -1, "vector over the end: untouched");
}

static void writes(void)
{
	const unsigned int blocks = 4096 / dev.lba;
	const uint64_t at = 2 * MiB, slba = at / dev.lba;
	unsigned char *b = pages(2 * AREA);
	struct { uint32_t attr, nlb; uint64_t slba; } *range;
	struct nvme_passthru_cmd c;
	struct nvme_user_io io;
	bool zero = true;

	for (unsigned int odd = 0; odd < 2; odd++) {
		fill(area, AREA, t_seed + odd, 0);
		c = rw(OP_WRITE, area + odd, 8192, slba, blocks);
		is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), 0, "Write from +%u", odd);
		get(fd, b, 8192, at);
		holds(b, 4096, t_seed + odd, odd, "Write from +%u: the device has it", odd);
		is(memcmp(b + 4096, pattern + 4096, 4096), 0, "Write from +%u: no block more", odd);
	}
	c.data_len = 4095;
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), -EINVAL, "Write from too little memory");

	io = (struct nvme_user_io){ .opcode = OP_WRITE, .addr = (uintptr_t)area + 4, .slba = slba, .nblocks = blocks - 1 };
	is(cmd_on(fd, NVME_IOCTL_SUBMIT_IO, &io), 0, "SUBMIT_IO write");
	io.opcode = OP_READ;
	io.addr = (uintptr_t)b;
	is(cmd_on(fd, NVME_IOCTL_SUBMIT_IO, &io), 0, "SUBMIT_IO read");
	is(memcmp(b, area + 4, 4096), 0, "SUBMIT_IO: data");
	io.opcode = OP_DSM;
	is(cmd_on(fd, NVME_IOCTL_SUBMIT_IO, &io), -EINVAL, "SUBMIT_IO is for read, write and compare");
	io.opcode = OP_READ;
	io.metadata = (uintptr_t)area;
	is(cmd_on(fd, NVME_IOCTL_SUBMIT_IO, &io), 0, "SUBMIT_IO: a metadata pointer without a length is nothing");

	/* Ranges that the memory does not hold are not read from behind it. */
	put(fd, pattern, 65536, at);
	range = (void *)(area + 4096 - 16);
	memset(range, 0, 64);
	range[0].nlb = blocks;
	range[0].slba = slba;
	range[1].nlb = blocks;
	range[1].slba = slba + 2 * blocks;
	c = (struct nvme_passthru_cmd){ .opcode = OP_DSM, .nsid = nsid, .addr = (uintptr_t)range, .data_len = 16, .cdw10 = 1, .cdw11 = 4 };
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), -EINVAL, "Dataset Management of two ranges in the memory of one");
	get(fd, b, 65536, at);
	is(memcmp(b, pattern, 65536), 0, "nothing was deallocated");
	c.data_len = 32;
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), 0, "Dataset Management of two ranges, over a page's end");
	get(fd, b, 65536, at);
	for (int i = 0; i < 4096; i++)
		zero = zero && !b[i] && !b[8192 + i];
	ok(zero && !memcmp(b + 4096, pattern + 4096, 4096) && !memcmp(b + 12288, pattern + 12288, 65536 - 12288),
	   "both were deallocated, and nothing else");
	munmap(b, 2 * AREA);
}

static void admin_lengths(void)
{
	static const unsigned int lens[] = { 0, 4, 8, 512, 4092, 4095, 4096, 4100, 8192, 65536 };
	struct nvme_passthru_cmd c;
	unsigned char smart[32];
	unsigned int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		for (unsigned int odd = 0; odd < 2; odd++) {
			size_t at = 4096 + odd;
			long got;

			c = (struct nvme_passthru_cmd){ .opcode = ADM_IDENTIFY, .addr = (uintptr_t)area + at, .data_len = lens[i], .cdw10 = 1 };
			arm();
			got = cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c);
			bad += got != (lens[i] < 4096 ? -EINVAL : 0) || touched(at, got ? at : at + 4096) >= 0 ||
			       (!got && memcmp(area + at + 4, "nvdio0", 6));
			arm();
			got = ring_cmd(ctrl, NVME_URING_CMD_ADMIN,
				       &(struct nvme_uring_cmd){ .opcode = ADM_IDENTIFY, .addr = (uintptr_t)area + at, .data_len = lens[i], .cdw10 = 1 }, odd, 0, NULL);
			bad += got != (lens[i] < 4096 ? -EINVAL : 0) || touched(at, got ? at : at + 4096) >= 0 ||
			       (!got && memcmp(area + at + 4, "nvdio0", 6));
		}
	ok(!bad, "Identify fills 4 KiB or nothing, by ioctl and io_uring, with what it says (E)");

	/*
	 * The controller sends 8 bytes of Timestamp, and moves 4 KiB for others;
	 * no length says so.
	 */
	bad = 0;
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		for (unsigned int fid = 0; fid < 256; fid += fid < 32 ? 1 : 16) {
			c = (struct nvme_passthru_cmd){ .opcode = ADM_GET, .nsid = nsid, .addr = (uintptr_t)area + 4096, .data_len = lens[i], .cdw10 = fid };
			arm();
			if (cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c) < 0 && i)
				bad += errno != EINVAL && errno != EIO;
			bad += touched(4096, 4096 + lens[i]) >= 0;
		}
	ok(!bad, "Get Features, whatever it moves, stays in the memory given (lengths 0 to 64 KiB)");
	c = (struct nvme_passthru_cmd){ .opcode = ADM_GET, .addr = (uintptr_t)area + 4096, .data_len = 4, .cdw10 = 0xe };
	arm();
	is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), 0, "8 bytes of Timestamp into 4");
	is(touched(4096, 4100), -1, "8 bytes of Timestamp into 4: the guard");

	c = (struct nvme_passthru_cmd){ .opcode = ADM_LOG, .nsid = 0xffffffff, .addr = (uintptr_t)area + 4096, .data_len = 512, .cdw10 = 2 | 127 << 16 };
	arm();
	is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), 0, "SMART log");
	ok(touched(4096, 4608) < 0 && touched(0, 0) >= 4096, "SMART log: 512 bytes");
	memcpy(smart, area + 4096, sizeof(smart));
	arm();
	c.addr = (uintptr_t)area + 8192 + 1;
	is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), 0, "SMART log to an odd address");
	/* Temperature, and zeroes that are no guard; counters may have moved. */
	ok(!memcmp(smart, area + 8193, sizeof(smart)) && smart[1] | smart[2] && all_zero((char *)smart + 6, sizeof(smart) - 6),
	   "E: both SMART logs say the same (%d K)", smart[1] | smart[2] << 8);
	c.addr = (uintptr_t)area + 4096;
	c.cdw10 = 2 | 128 << 16;
	arm();
	is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), -EINVAL, "SMART log, a dword more than the memory");
	is(touched(0, 0), -1, "SMART log: untouched");
	bad = 0;
	for (unsigned int l = 4; l <= 512 * KiB; l *= 2) {
		c = (struct nvme_passthru_cmd){ .opcode = ADM_LOG, .nsid = 0xffffffff, .addr = (uintptr_t)area + 4096, .data_len = l, .cdw10 = 1 | ((l / 4 - 1) & 0xffff) << 16, .cdw11 = (l / 4 - 1) >> 16 };
		arm();
		if (cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c))
			bad++;
		else
			/* There were no errors. */
			bad += touched(4096, 4096 + l) >= 0 || !all_zero((char *)area + 4096, l < 64 ? l : 64);
	}
	ok(!bad, "error log of 4 bytes to 512 KiB, with contents (E)");
}

/* Eight bytes, whatever data_len is: set, and read again, each by any length. */
static void timestamps(void)
{
	static const unsigned int lens[] = { 8, 4095, 4096, 4097, 4098, 4099, 4100, 4101, 5000, 8191, 8192, 8193, 16384, 65536, 512 * KiB };
	uint64_t stamp = 0x010000000000ULL;

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		unsigned int bad = 0;

		for (size_t k = 0; k < 2 * ARRAY_SIZE(lens); k++) {
			size_t at = 4096 + k % 2, len = lens[k / 2], moved = len < 4096 ? len : 4096;
			struct nvme_passthru_cmd c = { .opcode = ADM_SET, .addr = (uintptr_t)area + at, .data_len = lens[i], .cdw10 = 0xe };
			uint64_t got = 0;
			long ret;

			/* The controller's clock goes on, but not by a day. */
			stamp += 24 * 3600 * 1000;
			arm();
			memcpy(area + at, &stamp, 8);
			ret = cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c);
			c.opcode = ADM_GET;
			c.data_len = len;
			arm();
			if (!ret)
				ret = cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c);
			memcpy(&got, area + at, 6);
			if (ret || got < stamp || got >= stamp + 12 * 3600 * 1000 || area[at + 7] ||
			    touched(at, at + moved) >= 0 || !all_zero((char *)area + at + 8, moved - 8))
				if (!bad++)
					note("  set by %u, get by %zu bytes at +%zu: %ld, %llx is %llx", lens[i], len, at,
					     ret, (unsigned long long)stamp, (unsigned long long)got);
		}
		is(bad, 0, "A7: Timestamp, set with data_len %u, read with any", lens[i]);
	}
}

static void broken_state(void)
{
	static const unsigned char ops[] = { 0, 1, 4, 5, 8, 0xc, 0x45, 0x7c, 0x7f };
	static const unsigned char features[] = { 7, 0xc, 0xd, 0xf, 0x16 };
	const unsigned int blocks = 4096 / dev.lba;
	struct nvme_passthru_cmd64 c64;
	struct nvme_passthru_cmd c;
	unsigned int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(ops) + ARRAY_SIZE(features); i++) {
		bool op = i < ARRAY_SIZE(ops);
		unsigned int n = op ? ops[i] : features[i - ARRAY_SIZE(ops)];
		struct nvme_uring_cmd u = { .opcode = op ? n : ADM_SET, .cdw10 = op ? 1 : n };

		c = (struct nvme_passthru_cmd){ .opcode = u.opcode, .cdw10 = u.cdw10 };
		c64 = (struct nvme_passthru_cmd64){ .opcode = u.opcode, .cdw10 = u.cdw10 };
		bad = cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c) != -EACCES;
		bad += cmd_on(fd, NVME_IOCTL_ADMIN_CMD, &c) != -EACCES;
		bad += cmd_on(ctrl, NVME_IOCTL_ADMIN64_CMD, &c64) != -EACCES;
		bad += ring_cmd(ctrl, NVME_URING_CMD_ADMIN, &u, false, 0, NULL) != -EACCES;
		bad += ring_cmd(ctrl, NVME_URING_CMD_ADMIN_VEC, &u, false, 0, NULL) != -EACCES;
		is(bad, 0, "%sroot may not %s %02xh, by 5 ways", n == 0x45 ? "A9: " : "", op ? "send admin command" : "set feature", n);
	}
	arm();
	c = rw(OP_READ, area, 4096, 0, blocks);
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), 0, "after all that a Read works");
	is(memcmp(area, pattern, 4096), 0, "and reads what is there");
}

static void rings(void)
{
	struct nvme_uring_cmd u = { .opcode = ADM_GET, .cdw10 = 7 };
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring r;
	uint64_t res = 0;
	long got;

	is(ring_cmd(ctrl, NVME_URING_CMD_ADMIN, &u, false, 0, &res), 0, "io_uring: Get Features, Number of Queues");
	ok(res & 0xffff || res >> 16, "its result is in the CQE (%llx)", (unsigned long long)res);
	/* Newer kernels wait for the interrupt there; older ones refuse. */
	res = 0;
	got = ring_cmd(ctrl, NVME_URING_CMD_ADMIN, &u, false, IORING_SETUP_IOPOLL, &res);
	ok(got == -EOPNOTSUPP || (!got && res), "admin command in an IOPOLL ring: refused, or done (%ld)", got);
	is(ring_cmd(ctrl, NVME_URING_CMD_IO, &u, false, 0, NULL), -ENOTTY, "no I/O commands on the controller's node");
	is(ring_cmd(fd, NVME_URING_CMD_ADMIN, &u, false, 0, NULL), -ENOTTY, "no admin commands on the namespace's node by io_uring");
	if (io_uring_queue_init(8, &r, 0))
		bail("ring");
	for (int i = 0; i < 2; i++) {
		sqe = io_uring_get_sqe(&r);
		if (!sqe)
			bail("io_uring_get_sqe");
		memset(sqe, 0, 64);
		sqe->opcode = IORING_OP_URING_CMD;
		sqe->fd = i ? ctrl : fd;
		sqe->cmd_op = i ? NVME_URING_CMD_ADMIN : NVME_URING_CMD_IO;
		io_uring_submit_and_wait(&r, 1);
		if (io_uring_wait_cqe(&r, &cqe))
			bail("io_uring_wait_cqe");
		is(cqe->res, -EOPNOTSUPP, "a ring with 64-byte SQEs, %s", i ? "controller" : "namespace");
		io_uring_cqe_seen(&r, cqe);
	}
	io_uring_queue_exit(&r);
}

/* Directives whose operation has no data, and data for which there is no room. */
static void empty_commands(void)
{
	static const unsigned char ops[] = { 0x19, 0x1a };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		/* Identify's operation 1 of either is Enable, or Return Parameters. */
		struct nvme_passthru_cmd c = { .opcode = ops[i], .nsid = nsid, .cdw11 = 1 };
		long got;

		arm();
		got = cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c);
		ok(got >= 0, "D: Directive %s without data: sent (%ld)", i ? "Receive" : "Send", got);
		c.addr = (uintptr_t)area + 4096;
		c.data_len = 8;
		c.cdw10 = 2;
		is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), -EINVAL, "Directive %s of 12 bytes in 8", i ? "Receive" : "Send");
		is(touched(0, 0), -1, "and nothing was moved");
	}
}

static long kib_available(void)
{
	char line[128];
	long kib = -1;
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "MemAvailable: %ld", &kib) == 1)
			break;
	if (kib < 0)
		bail("/proc/meminfo");
	fclose(f);
	return kib;
}

/* Segments without a byte, by the one who may do least: 16 KiB for each call. */
static void empty_segments(int ro)
{
	struct iovec *v = calloc(1024, sizeof(*v));
	struct nvme_passthru_cmd64 c = { .opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)v, .vec_cnt = 1024 };
	struct nvme_uring_cmd u = { .opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)v, .data_len = 1024 };
	const int calls = 5000;

	for (int ring = 0; ring < 2; ring++) {
		long before = 0, bad = 0;

		for (int i = -10; i < calls; i++) {
			if (!i)
				before = kib_available();
			bad += (ring ? ring_cmd(ro, NVME_URING_CMD_IO_VEC, &u, false, 0, NULL) :
				cmd_on(ro, NVME_IOCTL_IO64_CMD_VEC, &c)) != -EINVAL;
		}
		before -= kib_available();
		is(bad, 0, "A2: nobody, by %s: empty segments are refused", ring ? "io_uring" : "ioctl");
		ok(before < calls * 8, "A2: nobody, by %s: memory of %d calls is free again (%ld KiB less)", ring ? "io_uring" : "ioctl", calls, before);
	}
	free(v);
}

/* What nobody has to be refused; exit status 0 when all was right. */
static void as_nobody(void)
{
	static const unsigned char public[] = { 0, 1, 5, 6, 8 };
	const unsigned int blocks = 4096 / dev.lba;
	int ro = open(dev.path, O_RDONLY), cc = open(CTRL_NODE, O_RDWR);
	int both = open(dev.path, O_RDWR);
	struct nvme_passthru_cmd c;
	struct nvme_uring_cmd u;
	unsigned int bad = 0, n = 0;
	uint64_t count = counter("stats/passthrough");

	ok(ro >= 0 && both >= 0 && cc >= 0 && getuid() == 65534, "nobody opened the nodes");
	arm();
	c = rw(OP_READ, area, 4096, 0, blocks);
	is(cmd_on(ro, NVME_IOCTL_IO_CMD, &c), 0, "nobody: Read, read-only node");
	is(memcmp(area, pattern, 4096), 0, "nobody: Read: data");
	c.opcode = OP_WRITE;
	is(cmd_on(both, NVME_IOCTL_IO_CMD, &c), 0, "nobody: Write, node open for writing");
	is(counter("stats/passthrough") - count, 2, "nobody: both were sent");
	count += 2;
	is(cmd_on(ro, NVME_IOCTL_IO_CMD, &c), -EACCES, "nobody: Write, read-only node");
	c = (struct nvme_passthru_cmd){ .opcode = 8, .nsid = nsid };
	is(cmd_on(ro, NVME_IOCTL_IO_CMD, &c), -EACCES, "nobody: Write Zeroes, read-only node");
	c = (struct nvme_passthru_cmd){ .opcode = 4, .nsid = nsid };
	is(cmd_on(ro, NVME_IOCTL_IO_CMD, &c), -EACCES, "nobody: Write Uncorrectable, read-only node");
	c = (struct nvme_passthru_cmd){ .opcode = OP_DSM, .nsid = nsid, .addr = (uintptr_t)area, .data_len = 16, .cdw11 = 4 };
	is(cmd_on(ro, NVME_IOCTL_IO_CMD, &c), -EACCES, "nobody: Dataset Management, read-only node");
	c = (struct nvme_passthru_cmd){ .opcode = 0x19, .nsid = nsid, .addr = (uintptr_t)area, .data_len = 64, .cdw12 = 0x200 };
	is(cmd_on(both, NVME_IOCTL_IO_CMD, &c), -EACCES, "nobody: Copy from other namespaces");

	empty_segments(ro);
	c = (struct nvme_passthru_cmd){ .opcode = 0x12, .nsid = nsid, .addr = (uintptr_t)area, .data_len = 512, .cdw10 = 1, .cdw11 = 127 };
	ok(cmd_on(ro, NVME_IOCTL_IO_CMD, &c) > 0, "D: nobody: I/O Management Receive goes by the effects log");
	count++;
	c = (struct nvme_passthru_cmd){ .opcode = 0x18, .nsid = nsid, .cdw10 = 0xffff };
	is(cmd_on(both, NVME_IOCTL_IO_CMD, &c), -EACCES, "A10: nobody: Cancel");

	for (unsigned int op = 0x80; op < 256; op++) {
		c = (struct nvme_passthru_cmd){ .opcode = op, .nsid = nsid, .addr = (uintptr_t)area, .data_len = op & 3 ? 512 : 0 };
		bad += cmd_on(both, NVME_IOCTL_IO_CMD, &c) != -EACCES;
		u = (struct nvme_uring_cmd){ .opcode = op, .nsid = nsid, .addr = (uintptr_t)area, .data_len = op & 3 ? 512 : 0 };
		bad += ring_cmd(both, NVME_URING_CMD_IO, &u, false, 0, NULL) != -EACCES;
		n += 2;
	}
	is(bad, 0, "nobody: vendors' I/O commands (%u tries)", n);
	bad = n = 0;
	for (unsigned int op = 0x1a; op < 0x80; op++) {
		/* I/O Management Send says what it moves. */
		if (!(op & 3) || op == 0x1d)
			continue;
		c = (struct nvme_passthru_cmd){ .opcode = op, .nsid = nsid, .addr = (uintptr_t)area, .data_len = 512 };
		bad += cmd_on(both, NVME_IOCTL_IO_CMD, &c) != -EACCES;
		n++;
	}
	is(bad, 0, "nobody: I/O commands of unknown length (%u tries)", n);

	/* Lengths that fit, so that nothing but the right to send it is missing. */
	bad = n = 0;
	for (unsigned int op = 0; op < 256; op++) {
		struct nvme_passthru_cmd64 c64;

		if (op == ADM_IDENTIFY)
			continue;
		c = (struct nvme_passthru_cmd){ .opcode = op, .nsid = nsid, .addr = (uintptr_t)area, .data_len = op & 3 ? 4096 : 0 };
		c64 = (struct nvme_passthru_cmd64){ .opcode = op, .nsid = nsid, .addr = c.addr, .data_len = c.data_len };
		u = (struct nvme_uring_cmd){ .opcode = op, .nsid = nsid, .addr = c.addr, .data_len = c.data_len };
		/* Create and attach carry 4 KiB with this opcode's low bits. */
		bad += cmd_on(cc, NVME_IOCTL_ADMIN_CMD, &c) != -EACCES;
		bad += cmd_on(ro, NVME_IOCTL_ADMIN_CMD, &c) != -EACCES;
		bad += cmd_on(cc, NVME_IOCTL_ADMIN64_CMD, &c64) != -EACCES;
		bad += ring_cmd(cc, NVME_URING_CMD_ADMIN, &u, false, 0, NULL) != -EACCES;
		if (bad && n < 10000) {
			note("  first at admin command %02xh", op);
			n = 10000;
		}
		n += 4;
	}
	is(bad, 0, "nobody: every admin command but Identify, by 4 ways");
	bad = n = 0;
	for (unsigned int cns = 0; cns < 256; cns++) {
		long got;

		c = (struct nvme_passthru_cmd){ .opcode = ADM_IDENTIFY, .nsid = cns == 1 || cns == 6 ? 0 : nsid, .addr = (uintptr_t)area, .data_len = 4096, .cdw10 = cns };
		got = cmd_on(cc, NVME_IOCTL_ADMIN_CMD, &c);
		if (memchr(public, cns, sizeof(public)))
			n += got >= 0;
		else
			bad += got != -EACCES;
	}
	is(n, sizeof(public), "nobody: Identify that Linux shows to all");
	is(bad, 0, "nobody: all other Identify");
	is(cmd_on(cc, NVME_IOCTL_RESET, NULL), -EACCES, "nobody: RESET");
	is(cmd_on(cc, NVME_IOCTL_SUBSYS_RESET, NULL), -EACCES, "nobody: SUBSYS_RESET");
	is(cmd_on(cc, NVME_IOCTL_RESCAN, NULL), -EACCES, "nobody: RESCAN, controller");
	is(cmd_on(ro, NVME_IOCTL_RESCAN, NULL), -EACCES, "nobody: RESCAN, namespace");
	is(cmd_on(ro, BLKFLSBUF, NULL), -EACCES, "nobody: BLKFLSBUF");
	u = (struct nvme_uring_cmd){ .opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)area, .data_len = 4096, .cdw12 = blocks - 1 };
	is(ring_cmd(ro, NVME_URING_CMD_IO, &u, false, 0, NULL), 0, "nobody: Read by io_uring, read-only node");
	count++;
	u.opcode = OP_WRITE;
	is(ring_cmd(ro, NVME_URING_CMD_IO, &u, false, 0, NULL), -EACCES, "nobody: Write by io_uring, read-only node");
	is(ring_cmd(ro, NVME_URING_CMD_IO, &u, true, 0, NULL), -EACCES, "nobody: Write from a registered buffer, read-only node");
	is(counter("stats/passthrough"), count, "nobody: nothing that was refused was sent");
}

static void unprivileged(void)
{
	int status;

	/* Root put the pattern where nobody's Write writes it again. */
	if (chmod(dev.path, 0666) || chmod(CTRL_NODE, 0666))
		bail("chmod");
	fflush(stdout);
	if (!fork()) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		as_nobody();
		fflush(stdout);
		_exit(t_end());
	}
	wait(&status);
	chmod(dev.path, 0600);
	chmod(CTRL_NODE, 0600);
	is(status, 0, "all that nobody tried came out right");
}

int main(int argc, char **argv)
{
	t_begin(argc, argv);
	fd = dev_open(O_RDWR);
	ctrl = open(CTRL_NODE, O_RDWR);
	if (ctrl < 0)
		bail("open %s", CTRL_NODE);
	nsid = ioctl(fd, NVME_IOCTL_ID);
	is(nsid, dev.name[strlen(dev.name) - 1] - '0', "NVME_IOCTL_ID");
	area = pages(AREA);
	pattern = pages(AREA);
	fill(pattern, AREA, t_seed, 0);
	for (size_t i = 0; i < AREA; i++)
		if (pattern[i] == GUARD)
			pattern[i]++;
	put(fd, pattern, AREA, 0);
	put(fd, pattern, AREA, 2 * MiB);

	lengths();
	sizes();
	refused_forms();
	vectors();
	fixed_vectors();
	writes();
	admin_lengths();
	timestamps();
	empty_commands();
	broken_state();
	rings();
	unprivileged();
	is_ret(ioctl(ctrl, 0x1234), -ENOTTY, "unknown ioctl, controller");
	is_ret(ioctl(fd, 0x1234), -ENOTTY, "unknown ioctl, namespace");
	return t_end();
}
