// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges (NVDIO_IOC_RANGE) of a namespace that changes: it shrinks, grows, is write
 * protected, gets another format. For a controller of lab/vm --vfu, whose only namespace
 * has 256 MiB.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "rangemany.h"
#include "t.h"

static int node, low, mid, high;	/* ranges below, across and above 128 MiB */
static char *b;

/* One I/O by a batch, and by a ring, both of which were there before. */
static struct many by[2];

static void many(unsigned int op, uint64_t off, uint32_t len, long want, const char *what)
{
	for (unsigned int i = 0; i < 2; i++)
		is(many_one(&by[i], op, off, len), want, "%s: %s: op %u of %u at %llu",
		   what, by[i].w->name, op, len, (unsigned long long)off);
}

/* Another size, or format, that the driver is told of. */
static void becomes(const char *what)
{
	char line[64];

	snprintf(line, sizeof(line), "vfu ns 1 %s >/dev/null", what);
	if (system(line) || ioctl(node, NVME_IOCTL_RESCAN))
		bail("%s", line);
	note("the namespace: %s", what);
}

static void has(int fd, uint64_t size, const char *what)
{
	uint64_t bytes = 1;

	is(lseek(fd, 0, SEEK_END), size, "%s: SEEK_END", what);
	is(ioctl(fd, BLKGETSIZE64, &bytes) ?: (long)bytes, size, "%s: BLKGETSIZE64", what);
	is(reterr(pread(fd, b, PG, size)), 0, "%s: pread at the end", what);
	is(reterr(pwrite(fd, b, PG, size)), -ENOSPC, "%s: pwrite there", what);
	is(range_by(fd, size, PG, 0), -ERANGE, "%s: a range there", what);
	if (fd == mid) {
		many(NVDIO_IO_READ, size, PG, -ENOSPC, what);
		many(NVDIO_IO_WRITE, size, PG, -ENOSPC, what);
		many(NVDIO_IO_WRITE, size - PG, 2 * PG, -ENOSPC, what);
		many(NVDIO_IO_WRITE, size - PG, PG, PG, what);
		many(NVDIO_IO_READ, size - PG, PG, PG, what);
	}
	if (!size)
		return;
	is(reterr(pread(fd, b, 2 * PG, size - PG)), PG, "%s: pread of the last page", what);
	is(reterr(pwrite(fd, b, 2 * PG, size - PG)), PG, "%s: pwrite of it", what);
}

static void sizes(void)
{
	uint64_t of[2] = { 0, PG };

	has(low, 16 * MiB, "below, before");
	has(mid, 16 * MiB, "across, before");
	has(high, 16 * MiB, "above, before");
	becomes("size=128M");
	has(low, 16 * MiB, "below");
	has(mid, 8 * MiB, "across");
	has(high, 0, "above");
	is(reterr(ioctl(high, BLKDISCARD, of)), -EINVAL, "above: BLKDISCARD");
	is(reterr(ioctl(high, BLKZEROOUT, of)), -EINVAL, "above: BLKZEROOUT");
	is(range_by(high, 0, PG, 0), -ERANGE, "above: a range");
	becomes("size=256M");
	has(mid, 16 * MiB, "across, back");
	has(high, 16 * MiB, "above, back");
	fcntl(high, F_SETFL, O_DIRECT);
	has(high, 16 * MiB, "above, back, direct");
}

static void protected(void)
{
	int ro = 1, is_ro = 0;

	is(ioctl(node, BLKROSET, &ro), 0, "BLKROSET");
	is(reterr(pwrite(low, b, PG, 0)), -EPERM, "pwrite");
	is(reterr(pwrite(low, b, PG, 16 * MiB)), -EPERM, "pwrite at the end");
	is(reterr(pread(low, b, PG, 0)), PG, "pread");
	is(ioctl(low, BLKROGET, &is_ro) ?: is_ro, 1, "BLKROGET");
	many(NVDIO_IO_WRITE, 0, PG, -EPERM, "protected");
	many(NVDIO_IO_WRITE, 16 * MiB, PG, -EPERM, "protected");
	many(NVDIO_IO_READ, 0, PG, PG, "protected");
	ro = 0;
	is(ioctl(node, BLKROSET, &ro), 0, "no longer");
	is(reterr(pwrite(low, b, PG, 0)), PG, "pwrite");
}

static void formatted(void)
{
	becomes("lbads=12");
	is(reterr(pread(low, b, PG, 0)), -ENODEV, "pread");
	is(reterr(pwrite(low, b, PG, 0)), -ENODEV, "pwrite");
	is(reterr(lseek(low, 0, SEEK_END)), -ENODEV, "lseek");
	is(range_by(low, 0, PG, 0), -ENODEV, "a range of it");
	many(NVDIO_IO_READ, 0, PG, -ENODEV, "another format");
	becomes("lbads=9");
	close(node);
	node = dev_open(O_RDWR);
	is(reterr(pread(low, b, PG, 0)), -ENODEV, "pread, the first format again");
	close(low);
	low = range_by(node, 0, PG, 0);
	is(reterr(pread(low, b, 2 * PG, 0)), PG, "a new range");
}

static void setup(void)
{
	node = dev_open(O_RDWR);
	b = (char *)pages(2 * PG);
	low = range_by(node, 64 * MiB, 16 * MiB, 0);
	mid = range_by(node, 120 * MiB, 16 * MiB, 0);
	high = range_by(node, 192 * MiB, 16 * MiB, 0);
	if (low < 0 || mid < 0 || high < 0 || dev.size != 256 * MiB)
		bail("not a namespace of 256 MiB");
	many_begin(&by[0], &many_batch, mid);
	many_begin(&by[1], &many_ring, mid);
}

static const struct t_case cases[] = {
	{ "sizes", sizes },
	{ "protected", protected },
	{ "formatted", formatted },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
