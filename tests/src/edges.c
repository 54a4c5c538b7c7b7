// SPDX-License-Identifier: GPL-2.0
/*
 * Size and end of the device behave as those of a block device: llseek, and reads and
 * writes at, across and beyond the end, on both paths.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

static char *a, *b;

static void sizes(void)
{
	int fd = dev_open(O_RDONLY), lba = 0;
	unsigned int pb = 0;
	uint64_t bytes = 0;

	is_ret(ioctl(fd, BLKGETSIZE64, &bytes), 0, "BLKGETSIZE64");
	is_ret(ioctl(fd, BLKSSZGET, &lba), 0, "BLKSSZGET");
	ok(lba == 512 || lba == 4096, "logical block size is 512 or 4096: %d", lba);
	is_ret(ioctl(fd, BLKPBSZGET, &pb), 0, "BLKPBSZGET");
	ok(pb >= (unsigned int)lba && !(pb & (pb - 1)),
	   "physical block size is a power of two of at least that: %u", pb);
	ok(bytes && bytes % lba == 0, "capacity is whole blocks: %llu",
	   (unsigned long long)bytes);
	if (dev.counted) {
		is(counter("size") * 512, bytes, "sysfs size is the same capacity");
		is(counter("lba_size"), lba, "sysfs lba_size is the same block size");
	}
	is_ret(ioctl(fd, BLKGETSIZE64, NULL), -EFAULT, "BLKGETSIZE64 to NULL");
	is_ret(ioctl(fd, _IO('x', 77), 0), -ENOTTY, "an unknown ioctl");
	close(fd);
}

static void seeks(void)
{
	int fd = dev_open(O_RDONLY);
	off_t size = dev.size;

	is_ret(lseek(fd, 0, SEEK_END), size, "SEEK_END is the capacity");
	is_ret(lseek(fd, -512, SEEK_END), size - 512, "SEEK_END backwards");
	is_ret(lseek(fd, 512, SEEK_CUR), size, "SEEK_CUR to the end");
	is_ret(lseek(fd, 1, SEEK_END), -EINVAL, "SEEK_END beyond the end");
	is_ret(lseek(fd, 0, SEEK_CUR), size, "  the position is unchanged");
	is_ret(lseek(fd, 1, SEEK_CUR), -EINVAL, "SEEK_CUR beyond the end");
	is_ret(lseek(fd, 12345, SEEK_SET), 12345, "SEEK_SET to any byte");
	is_ret(lseek(fd, -12346, SEEK_CUR), -EINVAL, "SEEK_CUR before 0");
	is_ret(lseek(fd, -1, SEEK_SET), -EINVAL, "SEEK_SET before 0");
	is_ret(lseek(fd, size, SEEK_SET), size, "SEEK_SET to the end");
	is_ret(lseek(fd, size + 1, SEEK_SET), -EINVAL, "SEEK_SET beyond the end");
	is_ret(lseek(fd, LLONG_MAX, SEEK_SET), -EINVAL, "SEEK_SET to LLONG_MAX");
	is_ret(lseek(fd, 0, 99), -EINVAL, "an unknown whence");
	close(fd);
}

static void reads_at_the_end(int flags)
{
	const char *path = path_name(flags);
	int fd = dev_open(O_RDWR | flags);
	uint64_t seed = rnd(&t_seed), end = dev.size;
	size_t lba = dev.lba, len = 64 * KiB;
	struct iovec v[2] = { { a, 32 * KiB }, { a + 32 * KiB, 32 * KiB } };

	fill(b, len, seed, 0);
	put(fd, b, len, end - len);

	is_ret(pread(fd, a, lba, end), 0, "%s: read at the end", path);
	is_ret(pread(fd, a, lba, end + MiB), 0, "%s: read beyond the end", path);
	is_ret(pread(fd, a, len, end - lba), lba, "%s: read across the end is short", path);
	holds(a, lba, seed, len - lba, "%s:   and returns the last block", path);
	memset(a, 0, len);
	is_ret(preadv(fd, v, 2, end - 48 * KiB), 48 * KiB, "%s: readv across the end is short",
	       path);
	holds(a, 48 * KiB, seed, 16 * KiB, "%s:   and returns what is there", path);
	is_ret(pread(fd, a, 8 * MiB, end - len), len, "%s: 8 MiB read across the end", path);
	holds(a, len, seed, 0, "%s:   returns what is there", path);
	close(fd);
}

static void writes_at_the_end(int flags)
{
	const char *path = path_name(flags);
	int fd = dev_open(O_RDWR | flags);
	uint64_t seed = rnd(&t_seed), end = dev.size;
	size_t lba = dev.lba, len = 64 * KiB;

	is_ret(pwrite(fd, b, lba, end), -ENOSPC, "%s: write at the end", path);
	is_ret(pwrite(fd, b, lba, end + MiB), -ENOSPC, "%s: write beyond the end", path);
	fill(b, len, seed, 0);
	is_ret(pwrite(fd, b, len, end - lba), lba, "%s: write across the end is short", path);
	get(fd, a, lba, end - lba);
	holds(a, lba, seed, 0, "%s:   and wrote the last block", path);
	close(fd);
}

static void position_at_the_end(int flags)
{
	const char *path = path_name(flags);
	int fd = dev_open(O_RDWR | flags);
	size_t lba = dev.lba, len = 64 * KiB;
	uint64_t end = dev.size;

	is_ret(lseek(fd, end - lba, SEEK_SET), end - lba, "%s: position", path);
	is_ret(read(fd, a, len), lba, "%s: read across the end", path);
	is_ret(read(fd, a, len), 0, "%s: the next read", path);
	is_ret(write(fd, b, len), -ENOSPC, "%s: a write there", path);
	is_ret(lseek(fd, 0, SEEK_CUR), end, "%s: the position is the end", path);
	close(fd);
}

static void nothing(int flags)
{
	const char *path = path_name(flags);
	int fd = dev_open(O_RDWR | flags);
	uint64_t end = dev.size;

	is_ret(pread(fd, a, 0, 0), 0, "%s: read of 0 bytes", path);
	is_ret(pwrite(fd, a, 0, 0), 0, "%s: write of 0 bytes", path);
	is_ret(pread(fd, a, 0, end), 0, "%s: read of 0 bytes at the end", path);
	is_ret(pwrite(fd, a, 0, end), 0, "%s: write of 0 bytes at the end", path);
	close(fd);
}

static void extreme_offsets(int flags)
{
	const char *path = path_name(flags);
	int fd = dev_open(O_RDWR | flags);
	off_t lba = dev.lba;

	is_ret(pread(fd, a, lba, LLONG_MAX - 2 * lba + 1), 0,
	       "%s: read at the highest possible block", path);
	is_ret(pwrite(fd, a, lba, LLONG_MAX - 2 * lba + 1), -ENOSPC,
	       "%s: write at the highest possible block", path);
	is_ret(pread(fd, a, lba, LLONG_MAX - lba + 1), -EINVAL,
	       "%s: read whose end overflows", path);
	is_ret(pwrite(fd, a, lba, LLONG_MAX - lba + 1), -EINVAL,
	       "%s: write whose end overflows", path);
	is_ret(pread(fd, a, lba, -lba), -EINVAL, "%s: read at a negative offset", path);
	is_ret(pwrite(fd, a, lba, -lba), -EINVAL, "%s: write at a negative offset", path);
	close(fd);
}

static void ends(int flags)
{
	reads_at_the_end(flags);
	writes_at_the_end(flags);
	position_at_the_end(flags);
	nothing(flags);
	extreme_offsets(flags);
}

static void direct(void)
{
	ends(O_DIRECT);
}

static void copy(void)
{
	ends(0);
}

/* The copy path is not bound to blocks, nor is it at the end of the device. */
static void bytes_at_end(void)
{
	uint64_t seed = rnd(&t_seed), end = dev.size;
	int fd = dev_open(O_RDWR);

	fill(b, 100, seed, 0);
	is_ret(pwrite(fd, b, 100, end - 1), 1, "copy: the last byte alone");
	is_ret(pread(fd, a, 100, end - 1), 1, "copy: it reads back");
	is(*(unsigned char *)a, *(unsigned char *)b, "copy:   as written");
	is_ret(pwrite(fd, b, 100, end - 7), 7, "copy: the last 7 bytes");
	is_ret(pread(fd, a, 9000, end - 7), 7, "copy: they read back");
	holds(a, 7, seed, 0, "copy:   as written");
	is_ret(pread(fd, a, 9000, end + 1), 0, "copy: read beyond the end");
	is_ret(pwrite(fd, b, 9000, end + 1), -ENOSPC, "copy: write beyond the end");
	close(fd);
}

static void opens(void)
{
	struct stat st;
	int fd;

	is_ret(stat(dev.path, &st), 0, "stat");
	if (dev.counted)
		ok(S_ISCHR(st.st_mode), "it is a character device");
	fd = open(dev.path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	ok(fd >= 0, "O_CREAT|O_TRUNC opens it");
	is_ret(lseek(fd, 0, SEEK_END), dev.size, "  and does not truncate it");
	close(fd);
	is_ret(open(dev.path, O_RDWR | O_CREAT | O_EXCL, 0600), -EEXIST,
	       "O_CREAT|O_EXCL");
	is_ret(open(dev.path, O_RDONLY | O_DIRECTORY), -ENOTDIR, "O_DIRECTORY");

		fd = dev_open(O_RDWR);
	is_ret(fcntl(fd, F_SETFL, O_DIRECT), 0, "F_SETFL sets O_DIRECT");
	is_ret(pread(fd, a + 1, dev.lba, 0), -EINVAL, "  whose alignment rules then apply");
	is_ret(fcntl(fd, F_SETFL, 0), 0, "F_SETFL clears O_DIRECT");
	is_ret(pread(fd, a + 1, dev.lba, 0), dev.lba, "  whose rules then no longer apply");
	close(fd);
}

static void setup(void)
{
	a = pages(8 * MiB);
	b = pages(8 * MiB);
}

static const struct t_case cases[] = {
	{ "sizes", sizes },
	{ "seeks", seeks },
	{ "direct", direct },
	{ "copy", copy },
	{ "bytes_at_end", bytes_at_end },
	{ "opens", opens },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
