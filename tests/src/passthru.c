// SPDX-License-Identifier: GPL-2.0
/*
 * Passthrough commands by ioctl and io_uring. A length that does not fit the command is
 * refused, or the transfer stays inside of the memory given for it, which guard bytes
 * around it show; commands that would break the driver's state are refused even to root;
 * and commands that need privileges are tried as nobody, on nodes open to everyone.
 */
#define _GNU_SOURCE
#include <endian.h>
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
#include <unistd.h>

#include "t.h"

#define AREA MiB
#define GUARD 0x5a

enum { OP_WRITE = 1, OP_READ = 2, OP_DSM = 9 };
enum { ADM_LOG = 2, ADM_IDENTIFY = 6, ADM_SET = 9, ADM_GET = 0xa };
enum { INVALID_OPCODE_DNR = 0x4001, LBA_RANGE_DNR = 0x4080 };

static const char serial[] = "nvdio0";	/* what lab/vm gives the controller */
static int fd, ctrl;
static int ro, both, cc;	/* of nobody: the device to read, to write; the controller */
static unsigned char *area;	/* all GUARD, except where a command may write */
static unsigned char *pattern;	/* the contents of the device's first MiB; no byte is GUARD */
static unsigned int nsid, blocks;	/* blocks: of 4 KiB */

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

/* First byte outside [from, to) that is no longer GUARD, or -1. */
static long touched(size_t from, size_t to)
{
	long at = first_not_guard(0, from);

	return at < 0 ? first_not_guard(to, AREA) : at;
}

static long cmd_on(int f, unsigned long op, void *c)
{
	return reterr(ioctl(f, op, c));
}

static struct nvme_passthru_cmd rw(int op, void *p, uint32_t len, uint64_t slba, unsigned int nlb)
{
	return (struct nvme_passthru_cmd){
		.opcode = op, .nsid = nsid, .addr = (uintptr_t)p,
		.data_len = len, .cdw10 = slba, .cdw11 = slba >> 32,
		.cdw12 = nlb - 1,
	};
}

/* A command by io_uring; @fixed: to a registered buffer, which is all of area. */
static long ring_cmd(int f, unsigned int op, struct nvme_uring_cmd *c,
		     bool fixed, unsigned int setup, uint64_t *result)
{
	/* One with and one without IOPOLL; a forked child makes its own. */
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
			bail("io_uring");
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

struct method {
	const char *name;
	long (*read)(void *p, unsigned int len);	/* a Read of 4 KiB */
};

static long read_by_ioctl(void *p, unsigned int len)
{
	struct nvme_passthru_cmd c = rw(OP_READ, p, len, 0, blocks);

	return cmd_on(fd, NVME_IOCTL_IO_CMD, &c);
}

static long read_by_ioctl64(void *p, unsigned int len)
{
	struct nvme_passthru_cmd64 c = {
		.opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)p, .data_len = len,
		.cdw12 = blocks - 1,
	};

	return cmd_on(fd, NVME_IOCTL_IO64_CMD, &c);
}

static struct nvme_uring_cmd uring_read(void *p, unsigned int len)
{
	return (struct nvme_uring_cmd){
		.opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)p, .data_len = len,
		.cdw12 = blocks - 1,
	};
}

static long read_by_uring(void *p, unsigned int len)
{
	struct nvme_uring_cmd c = uring_read(p, len);

	return ring_cmd(fd, NVME_URING_CMD_IO, &c, false, 0, NULL);
}

static long read_by_uring_fixed(void *p, unsigned int len)
{
	struct nvme_uring_cmd c = uring_read(p, len);

	return ring_cmd(fd, NVME_URING_CMD_IO, &c, true, 0, NULL);
}

static long read_by_uring_iopoll(void *p, unsigned int len)
{
	struct nvme_uring_cmd c = uring_read(p, len);

	return ring_cmd(fd, NVME_URING_CMD_IO, &c, false, IORING_SETUP_IOPOLL, NULL);
}

/* Read into @len bytes at area + @at; true if it is 4 KiB of data, or refused untouched. */
static bool read_contained(const struct method *m, size_t at, unsigned int len, long *got)
{
	arm();
	*got = m->read(area + at, len);
	if (*got == (len >= 4096 ? 0 : -EINVAL) &&
	    touched(at, *got ? at : at + 4096) < 0 && (*got || !memcmp(area + at, pattern, 4096)))
		return true;
	note("  %u bytes at %zu: %ld, touched %ld", len, at, *got, touched(at, at + 4096));
	return false;
}

static void read_lengths(const struct method *m)
{
	static const unsigned int lens[] = { 0, 4, 3584, 4092, 4095, 4096, 4100, 65536 };
	static const unsigned int shifts[] = { 0, 4, 2048, 4092, 1, 4095 };
	unsigned int bad = 0, good = 0, refused = 0;
	uint64_t count = counter("stats/passthrough");

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++)
		for (size_t j = 0; j < ARRAY_SIZE(shifts); j++) {
			long got;

			bad += !read_contained(m, 8192 + shifts[j], lens[i], &got);
			good += !got;
			refused += got == -EINVAL;
		}
	ok(!bad && good && refused,
	   "%s: a Read of 4 KiB fills 4 KiB or nothing (%u right, %u refused)", m->name, good,
	   refused);
	is(counter("stats/passthrough") - count, good, "%s: the counter", m->name);
}

static void lengths(void)
{
	static const struct method methods[] = {
		{ "ioctl", read_by_ioctl },
		{ "ioctl64", read_by_ioctl64 },
		{ "io_uring", read_by_uring },
		{ "io_uring, registered buffer", read_by_uring_fixed },
		{ "io_uring, IOPOLL", read_by_uring_iopoll },
	};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		read_lengths(&methods[i]);
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
			bad += cmd_on(fd, NVME_IOCTL_IO_CMD, &c) ||
			       memcmp(area + at, pattern + 4096, n) || touched(at, at + n) >= 0;
		}
	ok(!bad, "Reads of 1 block to 512 KiB, at +8 and +9 in a page");
	arm();
	c = rw(OP_READ, area, AREA, 0, AREA / dev.lba);
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), -EINVAL, "more than MDTS");
	is(touched(0, 0), -1, "more than MDTS: no data is transferred");
}

/* One test: the Read of 4 KiB to area + 4096, with some fields changed, returns @want. */
static void form(long want, const char *text, struct nvme_passthru_cmd c)
{
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), want, "%s", text);
}

#define READ_WITH(...) ({						\
	struct nvme_passthru_cmd c = rw(OP_READ, area + 4096, 4096, 0, blocks); \
	__VA_ARGS__;							\
	c;								\
})

static void fields(void)
{
	arm();
	form(-EINVAL, "PSDT set", READ_WITH(c.flags = 0x40));
	form(-EINVAL, "FUSE set", READ_WITH(c.flags = 1));
	form(-EINVAL, "metadata",
	     READ_WITH(c.metadata = (uintptr_t)area, c.metadata_len = 8));
	form(-EINVAL, "8 bytes of metadata per block, as with protection information",
	     READ_WITH(c.metadata = (uintptr_t)area, c.metadata_len = 8 * blocks));
	form(-EINVAL, "all namespaces", READ_WITH(c.nsid = 0xffffffff));
	form(-EINVAL, "no namespace", READ_WITH(c.nsid = 0));
	form(-EINVAL, "another namespace", READ_WITH(c.nsid = nsid + 1));
	form(0, "Flush with a length", READ_WITH(c.opcode = 0));
	form(INVALID_OPCODE_DNR,
	     "D: bidirectional data: the controller's status (Invalid Opcode, DNR)",
	     READ_WITH(c.opcode = 0x13));
	form(INVALID_OPCODE_DNR, "D: a vendor specific opcode, bidirectional data",
	     READ_WITH(c.opcode = 0xff));
	form(0, "D: metadata length without a pointer", READ_WITH(c.metadata_len = 8));
	form(LBA_RANGE_DNR,
	     "beyond the end: the controller's status (LBA Out of Range, DNR)",
	     READ_WITH(c.cdw11 = 0x100));
	is(touched(4096, 8192), -1, "nothing was transferred but the 4 KiB of the Read");
}

static void addresses(void)
{
	void *ro = mmap(NULL, PG, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	arm();
	form(-EFAULT, "bad address", READ_WITH(c.addr = 0x1000));
	form(-EFAULT, "bad address, odd", READ_WITH(c.addr = 0x1001));
	/* Not one whose end is 2^64: on s390x that is EOVERFLOW. */
	form(-EFAULT, "kernel address", READ_WITH(c.addr = 0xffff888000000000UL));
	form(-EFAULT, "Read into read-only memory", READ_WITH(c.addr = (uintptr_t)ro));
	form(-EFAULT, "Read into read-only memory, odd", READ_WITH(c.addr = (uintptr_t)ro + 1));
	is(touched(0, 0), -1, "bad addresses: no data is transferred");
	is(((unsigned char *)ro)[0], 0, "read-only memory is unchanged");
	munmap(ro, PG);
}

static struct iovec segs[1025];

/* A Read of 4 KiB into the first @n of segs. */
static long send_segs(bool ring, unsigned int n)
{
	struct nvme_passthru_cmd64 c = {
		.opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)segs, .vec_cnt = n,
		.cdw12 = blocks - 1,
	};
	struct nvme_uring_cmd u = {
		.opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)segs, .data_len = n,
		.cdw12 = blocks - 1,
	};

	return ring ? ring_cmd(fd, NVME_URING_CMD_IO_VEC, &u, false, 0, NULL)
		    : cmd_on(fd, NVME_IOCTL_IO64_CMD_VEC, &c);
}

#define LAST_SEG (5 * 4096 + 4)

/* 4 KiB in four segments and an empty one; the last has @last bytes. */
static void five_segs(size_t last)
{
	segs[0] = (struct iovec){ area + 400, 1000 };
	segs[1] = (struct iovec){ area + 8192, 24 };
	segs[2] = (struct iovec){ area + 3 * 4096, 2048 };
	segs[3] = (struct iovec){ area + LAST_SEG, last };
	segs[4] = (struct iovec){ area, 0 };
	arm();
}

static void five_segments(bool ring, const char *by)
{
	five_segs(1024);
	is(send_segs(ring, 5), 0, "%s: 5 segments", by);
	ok(!memcmp(area + 400, pattern, 1000) && !memcmp(area + 8192, pattern + 1000, 24) &&
	   !memcmp(area + 3 * 4096, pattern + 1024, 2048) &&
	   !memcmp(area + LAST_SEG, pattern + 3072, 1024), "%s: 5 segments: data", by);
	ok(area[399] == GUARD && area[1400] == GUARD && area[8191] == GUARD &&
	   area[8216] == GUARD && area[LAST_SEG - 1] == GUARD &&
	   area[LAST_SEG + 1024] == GUARD && touched(400, LAST_SEG + 1024) < 0,
	   "%s: 5 segments: the memory between them is untouched", by);
	five_segs(1020);
	is(send_segs(ring, 5), -EINVAL, "%s: segments 4 bytes too short", by);
	is(touched(0, 0), -1, "%s: segments too short: untouched", by);
	five_segs(4000);
	is(send_segs(ring, 5), 0, "%s: segments too long", by);
	ok(area[LAST_SEG + 1024] == GUARD && touched(400, LAST_SEG + 1024) < 0,
	   "%s: segments too long: no more than the command's bytes", by);
}

static void odd_segments(bool ring, const char *by)
{
	segs[0] = (struct iovec){ area + 4097, 4095 };
	segs[1] = (struct iovec){ area + 1, 1 };
	arm();
	is(send_segs(ring, 2), 0, "%s: odd segments", by);
	ok(!memcmp(area + 4097, pattern, 4095) && area[1] == pattern[4095] &&
	   area[0] == GUARD && area[2] == GUARD && touched(1, 8192) < 0,
	   "%s: odd segments: data", by);
	segs[0].iov_len = 4096;
	arm();
	is(send_segs(ring, 1), 0, "%s: one segment", by);
	ok(!memcmp(area + 4097, pattern, 4096) && touched(4097, 8193) < 0,
	   "%s: one segment: data", by);
}

static void bad_segments(bool ring, const char *by)
{
	struct nvme_passthru_cmd64 c = {
		.opcode = OP_READ, .nsid = nsid, .addr = 0x1000, .vec_cnt = 2,
		.cdw12 = blocks - 1,
	};
	struct nvme_uring_cmd u = {
		.opcode = OP_READ, .nsid = nsid, .addr = 0x1000, .data_len = 2,
		.cdw12 = blocks - 1,
	};

	is(send_segs(ring, 0), -EINVAL, "%s: no segment", by);
	is(send_segs(ring, 1025), -EINVAL, "%s: too many segments", by);
	segs[0].iov_base = (void *)0x1000;
	is(send_segs(ring, 1), -EFAULT, "%s: bad segment", by);
	is(ring ? ring_cmd(fd, NVME_URING_CMD_IO_VEC, &u, false, 0, NULL)
		: cmd_on(fd, NVME_IOCTL_IO64_CMD_VEC, &c), -EFAULT,
	   "%s: bad address of segments", by);
}

static void vectors(void)
{
	for (int ring = 0; ring < 2; ring++) {
		const char *by = ring ? "io_uring" : "ioctl";

		five_segments(ring, by);
		odd_segments(ring, by);
		bad_segments(ring, by);
	}
}

static void fixed_vectors(void)
{
	struct iovec v[2] = { { area + 4096, 2048 }, { area + 16384 + 4, 2048 } };
	struct nvme_uring_cmd u = {
		.opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)v, .data_len = 2,
		.cdw12 = blocks - 1,
	};
	long got;

	arm();
	got = ring_cmd(fd, NVME_URING_CMD_IO_VEC, &u, true, 0, NULL);
	if (got) {
		/* io_uring cannot do this before Linux 6.16. */
		ok(got == -EOPNOTSUPP || got == -EINVAL,
		   "vector in a registered buffer: refused (%ld)", got);
		is(touched(0, 0), -1, "vector in a registered buffer: untouched");
		return;
	}
	ok(!memcmp(area + 4096, pattern, 2048) && !memcmp(area + 16388, pattern + 2048, 2048) &&
	   touched(4096, 16388 + 2048) < 0 && area[6144] == GUARD,
	   "vector in a registered buffer: data");
	v[1].iov_len = 2044;
	arm();
	is(ring_cmd(fd, NVME_URING_CMD_IO_VEC, &u, true, 0, NULL), -EINVAL,
	   "vector in a registered buffer, short");
	is(touched(0, 0), -1, "vector in a registered buffer, short: untouched");
	v[1] = (struct iovec){ area + AREA - 1024, 2048 };
	is(ring_cmd(fd, NVME_URING_CMD_IO_VEC, &u, true, 0, NULL), -EFAULT,
	   "vector across the end of a registered buffer");
	is(touched(0, 0), -1, "vector across the end: untouched");
}

#define WRITE_AT (2 * MiB)

static void writes(void)
{
	unsigned char *b = pages(8192);
	struct nvme_passthru_cmd c;

	for (unsigned int odd = 0; odd < 2; odd++) {
		fill(area, AREA, t_seed + odd, 0);
		c = rw(OP_WRITE, area + odd, 8192, WRITE_AT / dev.lba, blocks);
		is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), 0, "Write from +%u", odd);
		get(fd, b, 8192, WRITE_AT);
		holds(b, 4096, t_seed + odd, odd, "Write from +%u: the device has it", odd);
		is(memcmp(b + 4096, pattern + 4096, 4096), 0,
		   "Write from +%u: the next block is unchanged", odd);
	}
	c.data_len = 4095;
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), -EINVAL, "Write from too little memory");
	munmap(b, 8192);
}

static void submit_io(void)
{
	unsigned char *b = pages(4096);
	struct nvme_user_io io = {
		.opcode = OP_WRITE, .addr = (uintptr_t)area + 4, .slba = WRITE_AT / dev.lba,
		.nblocks = blocks - 1,
	};

	fill(area, 8192, t_seed, 0);
	is(cmd_on(fd, NVME_IOCTL_SUBMIT_IO, &io), 0, "SUBMIT_IO write");
	io.opcode = OP_READ;
	io.addr = (uintptr_t)b;
	is(cmd_on(fd, NVME_IOCTL_SUBMIT_IO, &io), 0, "SUBMIT_IO read");
	is(memcmp(b, area + 4, 4096), 0, "SUBMIT_IO: data");
	io.opcode = OP_DSM;
	is(cmd_on(fd, NVME_IOCTL_SUBMIT_IO, &io), -EINVAL,
	   "SUBMIT_IO is for read, write and compare");
	io.opcode = OP_READ;
	io.metadata = (uintptr_t)area;
	is(cmd_on(fd, NVME_IOCTL_SUBMIT_IO, &io), 0,
	   "SUBMIT_IO: a metadata pointer without a length is ignored");
	munmap(b, 4096);
}

/* Little-endian, as all that the controller reads. */
struct dsm_range {
	uint32_t attr, nlb;
	uint64_t slba;
};

/* More ranges than the memory holds: those after it must not be used. */
static void dataset_management(void)
{
	const uint64_t slba = WRITE_AT / dev.lba;
	struct dsm_range *range = (void *)(area + 4096 - 16);
	unsigned char *b = pages(65536);
	struct nvme_passthru_cmd c = {
		.opcode = OP_DSM, .nsid = nsid, .addr = (uintptr_t)range, .data_len = 16,
		.cdw10 = 1, .cdw11 = 4,
	};

	put(fd, pattern, 65536, WRITE_AT);
	memset(range, 0, 64);
	range[0] = (struct dsm_range){ .nlb = htole32(blocks), .slba = htole64(slba) };
	range[1] = (struct dsm_range){ .nlb = htole32(blocks),
				       .slba = htole64(slba + 2 * blocks) };
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), -EINVAL,
	   "Dataset Management of two ranges in the memory of one");
	get(fd, b, 65536, WRITE_AT);
	is(memcmp(b, pattern, 65536), 0, "nothing was deallocated");
	c.data_len = 32;
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), 0,
	   "Dataset Management of two ranges, across a page boundary");
	get(fd, b, 65536, WRITE_AT);
	ok(all_zero((char *)b, 4096) && all_zero((char *)b + 8192, 4096) &&
	   !memcmp(b + 4096, pattern + 4096, 4096) &&
	   !memcmp(b + 12288, pattern + 12288, 65536 - 12288),
	   "both were deallocated, and nothing else");
	put(fd, pattern, 65536, WRITE_AT);
	munmap(b, 65536);
}

static const unsigned int admin_lens[] = {
	0, 4, 8, 512, 4092, 4095, 4096, 4100, 8192, 65536
};

/* Was Identify Controller, into @len bytes at @at, refused or right, as it should be? */
static bool identified(long got, size_t at, unsigned int len)
{
	return got == (len < 4096 ? -EINVAL : 0) && touched(at, got ? at : at + 4096) < 0 &&
	       (got || !memcmp(area + at + 4, serial, strlen(serial)));
}

static void identify(void)
{
	unsigned int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(admin_lens); i++)
		for (unsigned int odd = 0; odd < 2; odd++) {
			size_t at = 4096 + odd, len = admin_lens[i];
			struct nvme_passthru_cmd c = {
				.opcode = ADM_IDENTIFY, .addr = (uintptr_t)area + at,
				.data_len = len, .cdw10 = 1,
			};
			struct nvme_uring_cmd u = {
				.opcode = ADM_IDENTIFY, .addr = (uintptr_t)area + at,
				.data_len = len, .cdw10 = 1,
			};

			arm();
			bad += !identified(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), at, len);
			arm();
			bad += !identified(ring_cmd(ctrl, NVME_URING_CMD_ADMIN, &u, odd, 0, NULL),
					   at, len);
		}
	ok(!bad, "E: Identify fills 4 KiB or nothing, by ioctl and io_uring, with its contents");
}

/*
 * The controller transfers 8 bytes of Timestamp and 4 KiB for other features; no field
 * of the command gives the length.
 */
static void get_features(void)
{
	struct nvme_passthru_cmd c;
	unsigned int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(admin_lens); i++)
		for (unsigned int fid = 0; fid < 256; fid += fid < 32 ? 1 : 16) {
			c = (struct nvme_passthru_cmd){
				.opcode = ADM_GET, .nsid = nsid, .addr = (uintptr_t)area + 4096,
				.data_len = admin_lens[i], .cdw10 = fid,
			};
			arm();
			if (cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c) < 0 && i)
				bad += errno != EINVAL && errno != EIO;
			bad += touched(4096, 4096 + admin_lens[i]) >= 0;
		}
	ok(!bad, "Get Features stays inside the memory given, for lengths of 0 to 64 KiB");
	c = (struct nvme_passthru_cmd){
		.opcode = ADM_GET, .addr = (uintptr_t)area + 4096, .data_len = 4, .cdw10 = 0xe,
	};
	arm();
	is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), 0, "8 bytes of Timestamp into 4");
	is(touched(4096, 4100), -1, "8 bytes of Timestamp into 4: the guard");
}

static void smart_log(void)
{
	struct nvme_passthru_cmd c = {
		.opcode = ADM_LOG, .nsid = 0xffffffff, .addr = (uintptr_t)area + 4096,
		.data_len = 512, .cdw10 = 2 | 127 << 16,
	};
	unsigned char smart[32];

	arm();
	is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), 0, "SMART log");
	ok(touched(4096, 4608) < 0 && touched(0, 0) >= 4096, "SMART log: 512 bytes");
	memcpy(smart, area + 4096, sizeof(smart));
	arm();
	c.addr = (uintptr_t)area + 8192 + 1;
	is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), 0, "SMART log to an odd address");
	/* The temperature, and zeroes that cannot be guard bytes; counters may have changed. */
	ok(!memcmp(smart, area + 8193, sizeof(smart)) && smart[1] | smart[2] &&
	   all_zero((char *)smart + 6, sizeof(smart) - 6),
	   "E: both SMART logs are the same (%d K)", smart[1] | smart[2] << 8);
	c.addr = (uintptr_t)area + 4096;
	c.cdw10 = 2 | 128 << 16;
	arm();
	is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), -EINVAL,
	   "SMART log, a dword more than the memory");
	is(touched(0, 0), -1, "SMART log: untouched");
}

static void error_log(void)
{
	unsigned int bad = 0;

	for (unsigned int l = 4; l <= 512 * KiB; l *= 2) {
		struct nvme_passthru_cmd c = {
			.opcode = ADM_LOG, .nsid = 0xffffffff, .addr = (uintptr_t)area + 4096,
			.data_len = l, .cdw10 = 1 | ((l / 4 - 1) & 0xffff) << 16,
			.cdw11 = (l / 4 - 1) >> 16,
		};

		arm();
		/* There were no errors. */
		bad += cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c) || touched(4096, 4096 + l) >= 0 ||
		       !all_zero((char *)area + 4096, l < 64 ? l : 64);
	}
	ok(!bad, "E: error log of 4 bytes to 512 KiB, with its contents");
}

/* Set the Timestamp with data_len @set_len, get it with @get_len; true if it is right. */
static bool timestamp(uint64_t stamp, size_t at, unsigned int set_len, size_t get_len)
{
	struct nvme_passthru_cmd c = {
		.opcode = ADM_SET, .addr = (uintptr_t)area + at, .data_len = set_len,
		.cdw10 = 0xe,
	};
	size_t moved = get_len < 4096 ? get_len : 4096;
	uint64_t got = htole64(stamp);
	long ret;

	arm();
	memcpy(area + at, &got, 8);
	ret = cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c);
	c.opcode = ADM_GET;
	c.data_len = get_len;
	arm();
	if (!ret)
		ret = cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c);
	got = 0;
	memcpy(&got, area + at, 6);
	got = le64toh(got);
	/* The controller's clock advances, but not by half a day. */
	if (!ret && got >= stamp && got < stamp + 12 * 3600 * 1000 && !area[at + 7] &&
	    touched(at, at + moved) < 0 && all_zero((char *)area + at + 8, moved - 8))
		return true;
	note("  set with %u, get with %zu bytes at %zu: %ld, %llx is %llx", set_len, get_len, at,
	     ret, (unsigned long long)stamp, (unsigned long long)got);
	return false;
}

/* The controller transfers 8 bytes, whatever data_len is. */
static void timestamps(void)
{
	static const unsigned int lens[] = {
		8, 4095, 4096, 4097, 4098, 4099, 4100, 4101, 5000, 8191, 8192, 8193, 16384,
		65536, 512 * KiB
	};
	uint64_t stamp = 0x010000000000ULL;

	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		unsigned int bad = 0;

		for (size_t k = 0; k < 2 * ARRAY_SIZE(lens); k++) {
			stamp += 24 * 3600 * 1000;
			bad += !timestamp(stamp, 4096 + k % 2, lens[i], lens[k / 2]);
		}
		is(bad, 0, "A7: Timestamp, set with data_len %u, read with any", lens[i]);
	}
}

/* Number of methods that do not refuse the admin command. */
static unsigned int not_refused(unsigned char opcode, unsigned int cdw10)
{
	struct nvme_passthru_cmd c = { .opcode = opcode, .cdw10 = cdw10 };
	struct nvme_passthru_cmd64 c64 = { .opcode = opcode, .cdw10 = cdw10 };
	struct nvme_uring_cmd u = { .opcode = opcode, .cdw10 = cdw10 };

	return (cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c) != -EACCES) +
	       (cmd_on(fd, NVME_IOCTL_ADMIN_CMD, &c) != -EACCES) +
	       (cmd_on(ctrl, NVME_IOCTL_ADMIN64_CMD, &c64) != -EACCES) +
	       (ring_cmd(ctrl, NVME_URING_CMD_ADMIN, &u, false, 0, NULL) != -EACCES) +
	       (ring_cmd(ctrl, NVME_URING_CMD_ADMIN_VEC, &u, false, 0, NULL) != -EACCES);
}

/* Commands that would change state which belongs to the driver. */
static void driver_state(void)
{
	static const unsigned char ops[] = { 0, 1, 4, 5, 8, 0xc, 0x45, 0x7c, 0x7f };
	static const unsigned char features[] = { 7, 0xc, 0xd, 0xf, 0x16 };
	struct nvme_passthru_cmd c = rw(OP_READ, area, 4096, 0, blocks);

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++)
		is(not_refused(ops[i], 1), 0,
		   "%sroot may not send admin command %02xh, by 5 methods",
		   ops[i] == 0x45 ? "A9: " : "", ops[i]);
	for (size_t i = 0; i < ARRAY_SIZE(features); i++)
		is(not_refused(ADM_SET, features[i]), 0,
		   "root may not set feature %02xh, by 5 methods", features[i]);
	arm();
	is(cmd_on(fd, NVME_IOCTL_IO_CMD, &c), 0, "a Read still works");
	is(memcmp(area, pattern, 4096), 0, "and returns what is there");
}

static void nodes(void)
{
	struct nvme_uring_cmd u = { .opcode = ADM_GET, .cdw10 = 7 };
	uint64_t res = 0;
	long got;

	is(ring_cmd(ctrl, NVME_URING_CMD_ADMIN, &u, false, 0, &res), 0,
	   "io_uring: Get Features, Number of Queues");
	ok(res & 0xffff || res >> 16, "its result is in the CQE (%llx)", (unsigned long long)res);
	/* Newer kernels wait for the interrupt; older ones refuse. */
	res = 0;
	got = ring_cmd(ctrl, NVME_URING_CMD_ADMIN, &u, false, IORING_SETUP_IOPOLL, &res);
	ok(got == -EOPNOTSUPP || (!got && res),
	   "admin command in an IOPOLL ring: refused, or done (%ld)", got);
	is(ring_cmd(ctrl, NVME_URING_CMD_IO, &u, false, 0, NULL), -ENOTTY,
	   "no I/O commands on the controller's node");
	is(ring_cmd(fd, NVME_URING_CMD_ADMIN, &u, false, 0, NULL), -ENOTTY,
	   "no admin commands on the namespace's node by io_uring");
}

static void small_sqes(void)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring r;

	if (io_uring_queue_init(8, &r, 0))
		bail("io_uring");
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
		is(cqe->res, -EOPNOTSUPP, "a ring with 64-byte SQEs, %s",
		   i ? "controller" : "namespace");
		io_uring_cqe_seen(&r, cqe);
	}
	io_uring_queue_exit(&r);
}

/* Directives with an operation that has no data, and with data that does not fit. */
static void directives(void)
{
	static const struct {
		unsigned char opcode;
		const char *name;
	} ops[] = { { 0x19, "Send" }, { 0x1a, "Receive" } };

	for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
		/* Operation 1 of Identify is Enable, or Return Parameters. */
		struct nvme_passthru_cmd c = { .opcode = ops[i].opcode, .nsid = nsid, .cdw11 = 1 };
		long got;

		arm();
		got = cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c);
		ok(got >= 0, "D: Directive %s without data: sent (%ld)", ops[i].name, got);
		c.addr = (uintptr_t)area + 4096;
		c.data_len = 8;
		c.cdw10 = 2;
		is(cmd_on(ctrl, NVME_IOCTL_ADMIN_CMD, &c), -EINVAL,
		   "Directive %s of 12 bytes in 8", ops[i].name);
		is(touched(0, 0), -1, "no data is transferred");
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

#define EMPTY_CALLS 5000

static long empty_segments(bool ring, struct iovec *v)
{
	struct nvme_passthru_cmd64 c = {
		.opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)v, .vec_cnt = 1024,
	};
	struct nvme_uring_cmd u = {
		.opcode = OP_READ, .nsid = nsid, .addr = (uintptr_t)v, .data_len = 1024,
	};

	return ring ? ring_cmd(ro, NVME_URING_CMD_IO_VEC, &u, false, 0, NULL)
		    : cmd_on(ro, NVME_IOCTL_IO64_CMD_VEC, &c);
}

/* Empty segments, by a caller with the fewest rights; each call takes 16 KiB of memory. */
static void nobody_segments(void)
{
	struct iovec *v = calloc(1024, sizeof(*v));

	for (int ring = 0; ring < 2; ring++) {
		const char *by = ring ? "io_uring" : "ioctl";
		long before = 0, bad = 0;

		for (int i = -10; i < EMPTY_CALLS; i++) {
			if (!i)
				before = kib_available();
			bad += empty_segments(ring, v) != -EINVAL;
		}
		before -= kib_available();
		is(bad, 0, "A2: nobody, by %s: empty segments are refused", by);
		ok(before < EMPTY_CALLS * 8,
		   "A2: nobody, by %s: the memory of %d calls is freed (%ld KiB less)", by,
		   EMPTY_CALLS, before);
	}
	free(v);
}

/* One test: an I/O command on a node open for reading, or writing, returns @want. */
static void nobody_io(int f, long want, const char *text, struct nvme_passthru_cmd c)
{
	c.nsid = nsid;
	is(cmd_on(f, NVME_IOCTL_IO_CMD, &c), want, "%s", text);
}

/* Root has made sure that the Write changes nothing: it writes the pattern. */
static void nobody_reads_and_writes(void)
{
	uint64_t count = counter("stats/passthrough");
	struct nvme_passthru_cmd c;
	struct nvme_uring_cmd u = uring_read(area, 4096);

	ok(ro >= 0 && both >= 0 && cc >= 0 && getuid() == NOBODY, "nobody opened the nodes");
	arm();
	c = rw(OP_READ, area, 4096, 0, blocks);
	nobody_io(ro, 0, "nobody: Read, read-only file", c);
	is(memcmp(area, pattern, 4096), 0, "nobody: Read: data");
	c.opcode = OP_WRITE;
	nobody_io(both, 0, "nobody: Write, file open for writing", c);
	is(counter("stats/passthrough") - count, 2, "nobody: both were sent");
	count += 2;
	nobody_io(ro, -EACCES, "nobody: Write, read-only file", c);
	is(ring_cmd(ro, NVME_URING_CMD_IO, &u, false, 0, NULL), 0,
	   "nobody: Read by io_uring, read-only file");
	count++;
	u.opcode = OP_WRITE;
	is(ring_cmd(ro, NVME_URING_CMD_IO, &u, false, 0, NULL), -EACCES,
	   "nobody: Write by io_uring, read-only file");
	is(ring_cmd(ro, NVME_URING_CMD_IO, &u, true, 0, NULL), -EACCES,
	   "nobody: Write from a registered buffer, read-only file");
	is(counter("stats/passthrough"), count, "nobody: no refused read or write was sent");
}

static void nobody_io_commands(void)
{
	const uint64_t p = (uintptr_t)area;

	nobody_io(ro, -EACCES, "nobody: Write Zeroes, read-only file",
		  (struct nvme_passthru_cmd){ .opcode = 8 });
	nobody_io(ro, -EACCES, "nobody: Write Uncorrectable, read-only file",
		  (struct nvme_passthru_cmd){ .opcode = 4 });
	nobody_io(ro, -EACCES, "nobody: Dataset Management, read-only file",
		  (struct nvme_passthru_cmd){
			  .opcode = OP_DSM, .addr = p, .data_len = 16, .cdw11 = 4 });
	nobody_io(both, -EACCES, "nobody: Copy from other namespaces",
		  (struct nvme_passthru_cmd){
			  .opcode = 0x19, .addr = p, .data_len = 64, .cdw12 = 0x200 });
	nobody_io(both, -EACCES, "A10: nobody: Cancel",
		  (struct nvme_passthru_cmd){ .opcode = 0x18, .cdw10 = 0xffff });
}

/* The effects log decides about a command whose length the driver knows. */
static void nobody_management_receive(void)
{
	struct nvme_passthru_cmd c = {
		.opcode = 0x12, .nsid = nsid, .addr = (uintptr_t)area, .data_len = 512,
		.cdw10 = 1, .cdw11 = 127,
	};

	ok(cmd_on(ro, NVME_IOCTL_IO_CMD, &c) > 0,
	   "D: nobody: I/O Management Receive is allowed by the effects log");
}

static void nobody_vendor_commands(void)
{
	unsigned int bad = 0, n = 0;

	for (unsigned int op = 0x80; op < 256; op++) {
		struct nvme_passthru_cmd c = {
			.opcode = op, .nsid = nsid, .addr = (uintptr_t)area,
			.data_len = op & 3 ? 512 : 0,
		};
		struct nvme_uring_cmd u = {
			.opcode = op, .nsid = nsid, .addr = (uintptr_t)area,
			.data_len = op & 3 ? 512 : 0,
		};

		bad += cmd_on(both, NVME_IOCTL_IO_CMD, &c) != -EACCES;
		bad += ring_cmd(both, NVME_URING_CMD_IO, &u, false, 0, NULL) != -EACCES;
		n += 2;
	}
	is(bad, 0, "nobody: vendor specific I/O commands (%u tries)", n);
}

static void nobody_unknown_lengths(void)
{
	unsigned int bad = 0, n = 0;

	for (unsigned int op = 0x1a; op < 0x80; op++) {
		struct nvme_passthru_cmd c = {
			.opcode = op, .nsid = nsid, .addr = (uintptr_t)area, .data_len = 512,
		};

		/* The length of I/O Management Send is known. */
		if (!(op & 3) || op == 0x1d)
			continue;
		bad += cmd_on(both, NVME_IOCTL_IO_CMD, &c) != -EACCES;
		n++;
	}
	is(bad, 0, "nobody: I/O commands of unknown length (%u tries)", n);
}

/* Number of methods that do not refuse the admin command, whose length is right. */
static unsigned int nobody_not_refused(unsigned char op)
{
	const unsigned int len = op & 3 ? 4096 : 0;
	const uint64_t p = (uintptr_t)area;
	struct nvme_passthru_cmd c = { .opcode = op, .nsid = nsid, .addr = p, .data_len = len };
	struct nvme_passthru_cmd64 c64 = { .opcode = op, .nsid = nsid, .addr = p, .data_len = len };
	struct nvme_uring_cmd u = { .opcode = op, .nsid = nsid, .addr = p, .data_len = len };

	return (cmd_on(cc, NVME_IOCTL_ADMIN_CMD, &c) != -EACCES) +
	       (cmd_on(ro, NVME_IOCTL_ADMIN_CMD, &c) != -EACCES) +
	       (cmd_on(cc, NVME_IOCTL_ADMIN64_CMD, &c64) != -EACCES) +
	       (ring_cmd(cc, NVME_URING_CMD_ADMIN, &u, false, 0, NULL) != -EACCES);
}

static void nobody_admin_commands(void)
{
	unsigned int bad = 0;

	for (unsigned int op = 0; op < 256; op++) {
		unsigned int n = op == ADM_IDENTIFY ? 0 : nobody_not_refused(op);

		if (n && !bad)
			note("  first at admin command %02xh", op);
		bad += n;
	}
	is(bad, 0, "nobody: all admin commands except Identify, by 4 methods");
}

static void nobody_identify(void)
{
	static const unsigned char public[] = { 0, 1, 5, 6, 8 };
	unsigned int bad = 0, n = 0;

	for (unsigned int cns = 0; cns < 256; cns++) {
		struct nvme_passthru_cmd c = {
			.opcode = ADM_IDENTIFY, .nsid = cns == 1 || cns == 6 ? 0 : nsid,
			.addr = (uintptr_t)area, .data_len = 4096, .cdw10 = cns,
		};
		long got = cmd_on(cc, NVME_IOCTL_ADMIN_CMD, &c);

		if (memchr(public, cns, sizeof(public)))
			n += got >= 0;
		else
			bad += got != -EACCES;
	}
	is(n, sizeof(public), "nobody: the Identify that Linux allows to all");
	is(bad, 0, "nobody: every other Identify");
}

static void nobody_ioctls(void)
{
	is(cmd_on(cc, NVME_IOCTL_RESET, NULL), -EACCES, "nobody: RESET");
	is(cmd_on(cc, NVME_IOCTL_SUBSYS_RESET, NULL), -EACCES, "nobody: SUBSYS_RESET");
	is(cmd_on(cc, NVME_IOCTL_RESCAN, NULL), -EACCES, "nobody: RESCAN, controller");
	is(cmd_on(ro, NVME_IOCTL_RESCAN, NULL), -EACCES, "nobody: RESCAN, namespace");
	is(cmd_on(ro, BLKFLSBUF, NULL), -EACCES, "nobody: BLKFLSBUF");
}

static void nobody(void)
{
	uint64_t count;

	ro = open(dev.path, O_RDONLY);
	both = open(dev.path, O_RDWR);
	cc = open(ctrl_path(), O_RDWR);
	nobody_reads_and_writes();
	count = counter("stats/passthrough");
	nobody_io_commands();
	nobody_segments();
	nobody_vendor_commands();
	nobody_unknown_lengths();
	nobody_admin_commands();
	nobody_identify();
	nobody_ioctls();
	is(counter("stats/passthrough"), count, "nobody: nothing that was refused was sent");
	nobody_management_receive();
	is(counter("stats/passthrough"), count + 1, "nobody: I/O Management Receive was sent");
}

static void unprivileged(void)
{
	char *node = strdup(ctrl_path());

	if (chmod(dev.path, 0666) || chmod(node, 0666))
		bail("chmod");
	is(as_nobody(nobody), 0, "all tests passed as nobody");
	chmod(dev.path, 0600);
	chmod(node, 0600);
	free(node);
}

static void unknown_ioctls(void)
{
	is_ret(ioctl(ctrl, 0x1234), -ENOTTY, "unknown ioctl, controller");
	is_ret(ioctl(fd, 0x1234), -ENOTTY, "unknown ioctl, namespace");
}

static void identifier(void)
{
	is_ret(ioctl(fd, NVME_IOCTL_ID), counter("nsid"), "NVME_IOCTL_ID");
}

static void setup(void)
{
	fd = dev_open(O_RDWR);
	ctrl = ctrl_open(O_RDWR);
	nsid = dev_nsid();
	blocks = 4096 / dev.lba;
	area = pages(AREA);
	pattern = pages(AREA);
	fill(pattern, AREA, t_seed, 0);
	for (size_t i = 0; i < AREA; i++)
		if (pattern[i] == GUARD)
			pattern[i]++;
	put(fd, pattern, AREA, 0);
	put(fd, pattern, AREA, WRITE_AT);
}

static const struct t_case cases[] = {
	{ "identifier", identifier },
	{ "lengths", lengths },
	{ "sizes", sizes },
	{ "fields", fields },
	{ "addresses", addresses },
	{ "vectors", vectors },
	{ "fixed_vectors", fixed_vectors },
	{ "writes", writes },
	{ "submit_io", submit_io },
	{ "dataset_management", dataset_management },
	{ "identify", identify },
	{ "get_features", get_features },
	{ "smart_log", smart_log },
	{ "error_log", error_log },
	{ "timestamps", timestamps },
	{ "directives", directives },
	{ "driver_state", driver_state },
	{ "nodes", nodes },
	{ "small_sqes", small_sqes },
	{ "unprivileged", unprivileged },
	{ "unknown_ioctls", unknown_ioctls },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
