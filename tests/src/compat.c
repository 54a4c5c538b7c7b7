// SPDX-License-Identifier: GPL-2.0
/*
 * The calls of a 32-bit program, made through the 32-bit entry (int 0x80) with memory
 * below 4 GiB and 32-bit structures.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "call32.h"
#include "t.h"

/* struct nvme_user_io with u64 aligned to 4 bytes: smaller, hence another ioctl number. */
struct user_io32 {
	uint8_t opcode, flags;
	uint16_t control, nblocks, rsvd;
	uint64_t metadata, addr, slba;
	uint32_t dsmgmt, reftag;
	uint16_t apptag, appmask;
} __attribute__((packed));

#define SUBMIT_IO32 _IOW('N', 0x42, struct user_io32)
#define GETSIZE64_32 _IOR(0x12, 114, uint32_t)
#define BSZGET_32 _IOR(0x12, 112, uint32_t)
#define GETGEO 0x0301

struct iovec32 {
	uint32_t base, len;
};

static unsigned char *low;

static int fd;
static uint32_t *v;	/* what the ioctls fill in */

static uint32_t *filled(void)
{
	memset(low, 0xee, 64);
	return v;
}

#define UNCHANGED 0xeeeeeeee

static void queries(void)
{
	ok(!ioctl32(fd, GETSIZE64_32, filled()) && *(uint64_t *)low == dev.size,
	   "BLKGETSIZE64 with its 32-bit number");
	ok(!ioctl32(fd, BLKGETSIZE, filled()) && v[0] == dev.size / 512 && v[1] == UNCHANGED,
	   "BLKGETSIZE: 4 bytes");
	ok(!ioctl32(fd, BLKSSZGET, filled()) && v[0] == dev.lba, "BLKSSZGET");
	ok(!ioctl32(fd, BSZGET_32, filled()) && v[0] == 4096 && v[1] == UNCHANGED,
	   "BLKBSZGET with its 32-bit number");
	ok(!ioctl32(fd, BLKRAGET, filled()) && !v[0] && v[1] == UNCHANGED, "BLKRAGET: 4 bytes");
	ok(!ioctl32(fd, BLKSECTGET, filled()) && (v[0] & 0xffff) >= 8 && v[0] >> 16 == 0xeeee,
	   "BLKSECTGET: 2 bytes");
	ok(!ioctl32(fd, GETGEO, filled()) && low[0] == 64 && low[1] == 32 && !v[1] &&
	   v[2] == UNCHANGED, "HDIO_GETGEO: 8 bytes");
	is(ioctl32(fd, NVME_IOCTL_ID, v), dev_nsid(), "NVME_IOCTL_ID");
	is(ioctl32(fd, BLKSSZGET, (void *)1), -EFAULT, "BLKSSZGET to a bad address");
	is(ioctl32(fd, FS_IOC_GETFLAGS, v), -ENOTTY, "an unknown ioctl");
}

static void read_only(void)
{
	v[0] = 1;
	ok(!ioctl32(fd, BLKROSET, v) && !ioctl32(fd, BLKROGET, v + 1) && v[1] == 1,
	   "BLKROSET and BLKROGET");
	is(call32(NR32_PWRITE64, fd, low32(low), 4096, 0, 0), -EPERM,
	   "pwrite64 on a read-only namespace");
	v[0] = 0;
	ok(!ioctl32(fd, BLKROSET, v) && !ioctl32(fd, BLKROGET, v + 1) && !v[1],
	   "BLKROSET back to writable");
}

static void transfer(int flags)
{
	unsigned char *src = low, *dst = low + MiB;
	struct iovec32 *iov = (struct iovec32 *)(low + 3 * MiB);
	const char *path = path_name(flags);
	int f = dev_open(O_RDWR | flags);
	struct paths p = path_start();
	const uint32_t at = 8 * MiB, len = 256 * KiB;

	fill(src, len, t_seed, 0);
	is(call32(NR32_PWRITE64, f, low32(src), len, at, 0), len, "%s: pwrite64", path);
	is(call32(NR32_PREAD64, f, low32(dst), len, at, 0), len, "%s: pread64", path);
	holds(dst, len, t_seed, 0, "%s: its data", path);
	memset(dst, 0, len);
	iov[0] = (struct iovec32){ low32(dst), 64 * KiB };
	iov[1] = (struct iovec32){ low32(dst + 64 * KiB), 192 * KiB };
	lseek(f, at, SEEK_SET);
	is(call32(NR32_READV, f, low32(iov), 2, 0, 0), len, "%s: readv", path);
	holds(dst, len, t_seed, 0, "%s: its data", path);
	went_by(p, flags, 3, "32-bit calls");
	close(f);
}

static void copy(void)
{
	transfer(0);
}

static void direct(void)
{
	transfer(O_DIRECT);
}

static void commands(void)
{
	struct nvme_passthru_cmd *c = (void *)(low + 3 * MiB);
	struct user_io32 *io = (void *)(low + 3 * MiB);
	unsigned char *src = low, *dst = low + MiB;
	uint64_t passed = counter("stats/passthrough");

	fill(src, 4096, ~t_seed, 0);
	memset(io, 0, sizeof(*io));
	io->opcode = 1;
	io->nblocks = 4096 / dev.lba - 1;
	io->addr = low32(src) | 0xdead000000000000ULL;
	io->slba = 100;
	is(ioctl32(fd, SUBMIT_IO32, io), 0,
	   "NVME_IOCTL_SUBMIT_IO with its 32-bit structure: a write");
	memset(c, 0, sizeof(*c));
	c->opcode = 2;
	c->nsid = dev_nsid();
	/* A 32-bit program's addresses have 32 bits; the rest must be ignored. */
	c->addr = low32(dst) | 0xdead000000000000ULL;
	c->data_len = 4096;
	c->cdw10 = 100;
	c->cdw12 = 4096 / dev.lba - 1;
	memset(dst, 0, 4096);
	is(ioctl32(fd, NVME_IOCTL_IO_CMD, c), 0, "NVME_IOCTL_IO_CMD: a read");
	holds(dst, 4096, ~t_seed, 0, "it read what the first wrote");
	is(counter("stats/passthrough") - passed, 2, "both were counted as passthrough");
}

static void setup(void)
{
	if (call32(NR32_GETPID, 0, 0, 0, 0, 0) != getpid())
		bail("this kernel runs no 32-bit programs");
	low = mmap(NULL, 4 * MiB, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		bail("no memory below 4 GiB");
	v = (uint32_t *)low;
	fd = dev_open(O_RDWR);
}

static const struct t_case cases[] = {
	{ "queries", queries },
	{ "read_only", read_only },
	{ "copy", copy },
	{ "direct", direct },
	{ "commands", commands },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
