// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that are larger than usual: more pages than a command, an interrupt or
 * the software IOTLB can take at once.
 *
 * usage: large DEVICE PART..., run as whoever may open DEVICE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

/* Memory in 4 KiB pages that nobody has touched. */
static char *untouched(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		bail("%zu bytes", len);
	madvise(p, len, MADV_NOHUGEPAGE);
	return p;
}

/*
 * Pages that are all the zero page: no two are neighbours, so there are as many
 * entries in the scatterlist as it has room for. Nothing behind is to be read.
 */
static void zero_pages(void)
{
	const size_t most = dev.size < 1024 * MiB ? dev.size : 1024 * MiB;
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *p = untouched(most);
	size_t len;

	is_ret(pwrite(fd, p, most, 0), most,
	       "A1: %zu MiB of untouched memory written", most / MiB);
	/* What preallocated arrays have room for: 33 pages. */
	is_ret(pwrite(fd, p + 512, 128 * KiB, 0), 128 * KiB,
	       "A1: 33 pages of untouched memory written");
	/* And allocated ones, of sizes that the allocator has. */
	for (len = 160 * KiB; len <= 8 * MiB; len += len / 4 / PG * PG)
		if (pwrite(fd, p, len, 0) != (ssize_t)len)
			break;
	ok(len > 8 * MiB, "A1: 160 KiB to 8 MiB of untouched memory written");
	munmap(p, most);
	close(fd);
}

/*
 * Many folios that make few entries, because they are neighbours: huge pages
 * that have been split. Only root can have that done.
 */
static char *neighbours(size_t len)
{
	char *p = untouched(len + 2 * MiB), text[64];
	int fd = open("/sys/kernel/debug/split_huge_pages", O_WRONLY), n;

	p = (char *)(((uintptr_t)p + 2 * MiB - 1) & ~(2 * MiB - 1));
	madvise(p, len, MADV_HUGEPAGE);
	memset(p, 1, len);
	n = snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getpid(),
		     (unsigned long)p, (unsigned long)p + len);
	if (fd < 0 || write(fd, text, n) != n)
		bail("split_huge_pages");
	close(fd);
	return p;
}

/* Reads and writes of many pages; who runs this looks at where they end. */
static void pinned(void)
{
	const size_t len = 6 * MiB;
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *p = neighbours(len);
	struct iovec iov[3];
	int i;

	is_ret(pwrite(fd, p, len, 0), len, "B5: %zu MiB written", len / MiB);
	is_ret(pread(fd, p, len, 0), len, "B5: %zu MiB read", len / MiB);
	for (i = 0; i < 3; i++)
		iov[i] = (struct iovec){ p + i * 2 * MiB, 2 * MiB };
	is_ret(pwritev(fd, iov, 3, 0), len, "B5: %zu MiB written from 3 segments",
	       len / MiB);
	is_ret(preadv(fd, iov, 3, 0), len, "B5: %zu MiB read to 3 segments",
	       len / MiB);
	close(fd);
}

static const struct part {
	const char *name;
	void (*run)(void);
} parts[] = {
	{ "zero_pages", zero_pages },
	{ "pinned", pinned },
};

int main(int argc, char **argv)
{
	unsigned int i;
	int a;

	t_begin(argc, argv);
	for (a = 2; a < argc; a++)
		for (i = 0; i < ARRAY_SIZE(parts); i++)
			if (!strcmp(argv[a], parts[i].name))
				parts[i].run();
	return t_end();
}
