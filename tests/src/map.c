// SPDX-License-Identifier: GPL-2.0
/*
 * Mapped memory (driver/uapi/nvdio.h) as memory of a program: what mmap(), munmap(),
 * mremap(), mprotect(), fork() and the ioctls do to it, and to I/O that uses it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

#define AT (8 * MiB)

static int fd;			/* the namespace, O_DIRECT */
static uint64_t seed;

static void *map_at(int node, size_t len, int prot, uint64_t offset)
{
	return mmap(NULL, len, prot, MAP_SHARED, node, (off_t)offset);
}

/* New mapped memory, bail when there is none. */
static char *map_new(size_t len)
{
	char *p = map_at(fd, len, PROT_READ | PROT_WRITE, NVDIO_MMAP_ALLOC);

	if (p == MAP_FAILED)
		bail("mmap of %zu bytes", len);
	return p;
}

/* Maps end soon after the last reference to them; wait until there are so many. */
static uint64_t maps_settled(uint64_t want)
{
	for (int i = 0; i < 300 && ctrl_counter("maps") != want; i++)
		usleep(100 * 1000);
	return ctrl_counter("maps");
}

static void none_left(const char *what)
{
	is(maps_settled(0), 0, "%s: no map is left", what);
	is(ctrl_counter("map_bytes"), 0, "%s: nor bytes of one", what);
}

static void write_to(const char *path, const char *text)
{
	int f = open(path, O_WRONLY);

	if (f < 0 || write(f, text, strlen(text)) < 0)
		bail("%s", path);
	close(f);
}

static int add(int node, struct nvdio_map_add *a)
{
	return ioctl(node, NVDIO_IOC_MAP_ADD, a);
}

static int del(int node, uint32_t id)
{
	return ioctl(node, NVDIO_IOC_MAP_DEL, &id);
}

/* Is what the disk has at AT what was written from elsewhere? By ordinary memory. */
static void disk_holds(size_t len, const char *what)
{
	char *p = pages(len);

	get(fd, p, len, AT);
	holds(p, len, seed, 0, "%s", what);
	munmap(p, len);
}

/* Write a new pattern to the disk at AT, from ordinary memory. */
static void disk_fill(size_t len)
{
	char *p = pages(len);

	fill(p, len, ++seed, 0);
	put(fd, p, len, AT);
	munmap(p, len);
}

/* @buf is good for @len bytes in both directions. */
static void works(char *buf, size_t len, const char *what)
{
	disk_fill(len);
	is_ret(pread(fd, buf, len, AT), len, "%s: read", what);
	holds(buf, len, seed, 0, "%s: what was read", what);
	fill(buf, len, ++seed, 0);
	is_ret(pwrite(fd, buf, len, AT), len, "%s: write", what);
	disk_holds(len, what);
}

static void refused_mmaps(void)
{
	int ctrl = ctrl_open(O_RDWR);

	is(map_error(fd, PG, PROT_READ | PROT_WRITE, MAP_SHARED, 0), -EINVAL,
	   "offset 0 of a namespace is refused");
	is(map_error(fd, PG, PROT_READ | PROT_WRITE, MAP_SHARED, PG), -EINVAL, "so is one page on");
	is(map_error(ctrl, PG, PROT_READ | PROT_WRITE, MAP_SHARED, PG), -EINVAL,
	   "and so on the controller");
	is(map_error(ctrl, PG, PROT_READ | PROT_WRITE, MAP_SHARED, 0), 0,
	   "offset 0 of the controller is new memory");
	is(map_error(ctrl, PG, PROT_READ | PROT_WRITE, MAP_SHARED, NVDIO_MMAP_ALLOC), 0,
	   "so is the offset for it");
	is(map_error(fd, PG, PROT_READ | PROT_WRITE, MAP_PRIVATE, NVDIO_MMAP_ALLOC), -EINVAL,
	   "MAP_PRIVATE is refused");
	is(map_error(fd, PG, PROT_READ | PROT_WRITE, MAP_SHARED, NVDIO_MMAP_ALLOC + PG), -EINVAL,
	   "an offset into new memory is refused");
	is(map_error(fd, PG, PROT_READ | PROT_WRITE, MAP_SHARED, NVDIO_MMAP_ID(77)), -ENOENT,
	   "an identifier that nobody has is refused");
	is(map_error(fd, PG, PROT_READ | PROT_WRITE, MAP_SHARED, NVDIO_MMAP_ID(1ULL << 21)),
	   -ENOENT,
	   "so is a large one");
	is(map_error(fd, 1UL << 44, PROT_READ | PROT_WRITE, MAP_SHARED, NVDIO_MMAP_ALLOC), -EINVAL,
	   "16 TiB are refused");
	is(map_error(fd, 64UL << 30, PROT_READ | PROT_WRITE, MAP_SHARED, NVDIO_MMAP_ALLOC), -ENOMEM,
	   "64 GiB are too much");
	close(ctrl);
	none_left("refused");
}

static void contents(void)
{
	static const size_t sizes[] = { PG, 2 * PG, 5 * PG, 128 * KiB, 1 * MiB, 3 * MiB + PG };

	for (unsigned int i = 0; i < ARRAY_SIZE(sizes); i++) {
		char *p = map_new(sizes[i]), what[32];

		snprintf(what, sizeof(what), "%zu KiB", sizes[i] / KiB);
		is(ctrl_counter("map_bytes"), sizes[i], "%s: they are counted", what);
		ok(all_zero(p, sizes[i]), "%s: zeroed", what);
		works(p, sizes[i], what);
		if (sizes[i] > PG)
			works(p + dev.lba, sizes[i] - PG, what);
		munmap(p, sizes[i]);
		none_left(what);
	}
}

static void read_only_file(void)
{
	int ro = dev_open(O_RDONLY | O_DIRECT);
	char *p;

	is(map_error(ro, PG, PROT_READ | PROT_WRITE, MAP_SHARED, NVDIO_MMAP_ALLOC), -EACCES,
	   "a file that is open for reading has no writable memory");
	p = map_at(ro, PG, PROT_READ, NVDIO_MMAP_ALLOC);
	ok(p != MAP_FAILED, "but readable memory");
	ok(all_zero(p, PG), "which is zeroed");
	is_ret(pread(fd, p, PG, 0), -EFAULT, "and cannot be read into");
	is_ret(pwrite(fd, p, PG, AT), PG, "but written from");
	is_ret(mprotect(p, PG, PROT_READ | PROT_WRITE), -EACCES, "nor made writable");
	munmap(p, PG);
	close(ro);
	none_left("read-only");
}

static void holes(void)
{
	char *p = map_new(8 * PG);

	works(p, 8 * PG, "whole");
	munmap(p + 2 * PG, 3 * PG);
	works(p, 2 * PG, "before a hole");
	works(p + 5 * PG, 3 * PG, "behind a hole");
	is_ret(pread(fd, p + 2 * PG, PG, AT), -EFAULT, "a hole cannot be read into");
	is_ret(pwrite(fd, p + 4 * PG, PG, AT), -EFAULT, "nor written from");
	is_ret(pread(fd, p + PG, 2 * PG, AT), -EFAULT, "nor memory that ends in it");
	is(ctrl_counter("maps"), 1, "there is one map all the time");
	munmap(p, 2 * PG);
	works(p + 5 * PG, 3 * PG, "what is left");
	munmap(p + 5 * PG, 3 * PG);
	none_left("holes");
}

static void replaced(void)
{
	struct nvdio_map_add a = { .len = 4 * PG, .flags = NVDIO_MAP_ALLOC };
	char *p, *q, *other;

	is_ret(add(fd, &a), 0, "memory with an identifier");
	is(a.mmap_offset, NVDIO_MMAP_ID(a.id), "it says where to map it");
	p = map_at(fd, 4 * PG, PROT_READ | PROT_WRITE, a.mmap_offset);
	q = map_at(fd, 4 * PG, PROT_READ | PROT_WRITE, a.mmap_offset);
	ok(p != MAP_FAILED && q != MAP_FAILED, "it is mapped twice");
	works(p, 4 * PG, "by one address");
	ok(!memcmp(p, q, 4 * PG), "and seen by the other");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, a.mmap_offset + 4 * PG), -EINVAL,
	   "there is nothing behind it");
	is(map_error(fd, 2 * PG, PROT_READ, MAP_SHARED, a.mmap_offset + 3 * PG), -EINVAL,
	   "nor half of something");
	other = map_at(fd, PG, PROT_READ, a.mmap_offset + 3 * PG);
	ok(other != MAP_FAILED && !memcmp(other, q + 3 * PG, PG), "its last page alone");
	munmap(other, PG);

	/* Other memory in its place: known addresses mean something else. */
	fill(q, 4 * PG, 12345, 0);
	other = mmap(p + PG, 2 * PG, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	ok(other == p + PG, "MAP_FIXED over two pages of it");
	works(p, 4 * PG, "both kinds in one call");
	holds(q + PG, 2 * PG, 12345, PG, "what was replaced is as it was");
	is(memcmp(p, q, PG), 0, "what was not has changed");
	munmap(p, 4 * PG);
	is_ret(del(fd, a.id), 0, "its identifier is deleted");
	is_ret(del(fd, a.id), -ENOENT, "once");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, a.mmap_offset), -ENOENT,
	   "and means nothing now");
	works(q, 4 * PG, "the memory is still there");
	is(ctrl_counter("maps"), 1, "until it is unmapped");
	munmap(q, 4 * PG);
	none_left("replaced");
}

static void moved(void)
{
	char *p = map_new(8 * PG), *q;

	works(p, 8 * PG, "before mremap()");
	q = mmap(NULL, 8 * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ok(mremap(p, 8 * PG, 8 * PG, MREMAP_MAYMOVE | MREMAP_FIXED, q) == q, "it is moved");
	holds(q, 8 * PG, seed, 0, "contents move with it");
	is_ret(pread(fd, p, PG, AT), -EFAULT, "nothing is left behind");
	works(q, 8 * PG, "after mremap()");
	ok(mremap(q, 8 * PG, 16 * PG, MREMAP_MAYMOVE) == MAP_FAILED, "it does not grow");
	ok(mremap(q, 8 * PG, 4 * PG, 0) == q, "it shrinks");
	is_ret(pread(fd, q + 4 * PG, PG, AT), -EFAULT, "what it lost is gone");
	is_ret(pread(fd, q, 5 * PG, AT), -EFAULT, "also as the end of a call");
	works(q, 4 * PG, "what is left");
	is_ret(madvise(q, 4 * PG, MADV_DONTNEED), 0, "MADV_DONTNEED");
	holds(q, 4 * PG, seed, 0, "it keeps its contents");
	works(q, 4 * PG, "after MADV_DONTNEED");
	munmap(q, 4 * PG);
	none_left("moved");
}

static void protected(void)
{
	char *p = map_new(4 * PG);

	works(p, 4 * PG, "writable");
	is_ret(mprotect(p, 4 * PG, PROT_READ), 0, "mprotect() for reading");
	is_ret(pread(fd, p, PG, AT), -EFAULT, "it cannot be read into");
	is_ret(pwrite(fd, p, 4 * PG, AT), 4 * PG, "but written from");
	is_ret(mprotect(p, PG, PROT_NONE), 0, "mprotect() of a page for nothing");
	is_ret(pwrite(fd, p, PG, AT), pins_prot_none() ? (long)PG : -EFAULT,
	       "it can be written from if the kernel pins it");
	is_ret(pread(fd, p, PG, AT), -EFAULT, "never read into");
	is_ret(mprotect(p, 4 * PG, PROT_READ | PROT_WRITE), 0, "mprotect() for all");
	works(p, 4 * PG, "writable again");
	munmap(p, 4 * PG);
	none_left("protected");
}

/* Run @part in a child; one test: it ended well. Its own tests are counted there. */
static int child(int (*part)(char *), char *p)
{
	int status = -1;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		bail("fork");
	if (!pid)
		_exit(part(p));
	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static struct nvdio_map_add inherited;

/* Returns the number of the step that failed. */
static int in_child(char *p)
{
	if (differs(p, 4 * PG, seed, 0) >= 0)
		return 1;
	if (pread(fd, p, PG, 0) != (ssize_t)PG)
		return 2;
	fill(p, 4 * PG, seed + 1, 0);
	if (pwrite(fd, p, 4 * PG, AT) != 4 * PG)
		return 3;
	if (munmap(p + PG, PG))
		return 4;
	if (pread(fd, p + PG, PG, 0) != -1 || errno != EFAULT)
		return 5;
	if (del(fd, inherited.id) != -1 || errno != ENOENT)
		return 6;
	if (map_error(fd, PG, PROT_READ, MAP_SHARED, inherited.mmap_offset) != -ENOENT)
		return 7;
	return 0;
}

static int shared_in_child(char *p)
{
	char *q = map_at(fd, PG, PROT_READ, inherited.mmap_offset);

	if (q == MAP_FAILED)
		return 1;
	return memcmp(p, q, PG) ? 2 : 0;
}

static int exec_child(char *p)
{
	if (pread(fd, p, PG, AT) != (ssize_t)PG)
		return 1;
	execl("/bin/true", "true", NULL);
	return 2;
}

static void forked(void)
{
	char *p;

	inherited = (struct nvdio_map_add){ .len = 4 * PG, .flags = NVDIO_MAP_ALLOC };
	is_ret(add(fd, &inherited), 0, "memory with an identifier");
	p = map_at(fd, 4 * PG, PROT_READ | PROT_WRITE, inherited.mmap_offset);
	works(p, 4 * PG, "before fork()");
	is(child(in_child, p), 0, "a child uses the memory, but not its identifier");
	seed++;
	holds(p, 4 * PG, seed, 0, "what the child did to it is seen here");
	disk_holds(4 * PG, "and on the disk");
	works(p, 4 * PG, "after fork()");
	is(child(exec_child, p), 0, "a child replaces its program");
	works(p, 4 * PG, "after exec()");
	is_ret(del(fd, inherited.id), 0, "the identifier is deleted");
	inherited.flags |= NVDIO_MAP_SHARED;
	is_ret(add(fd, &inherited), 0, "memory that may be shared");
	munmap(p, 4 * PG);
	p = map_at(fd, 4 * PG, PROT_READ | PROT_WRITE, inherited.mmap_offset);
	fill(p, 4 * PG, 777, 0);
	is(child(shared_in_child, p), 0, "a child may use its identifier");
	is_ret(del(fd, inherited.id), 0, "it is deleted");
	munmap(p, 4 * PG);
	none_left("forked");
}

/* Enough for large folios, of which a part goes its own way. */
static int huge_in_child(char *p)
{
	return differs(p, 4 * MiB, seed, 0) >= 0 || munmap(p + PG, PG) ||
	       pread(fd, p + 2 * PG, PG, AT) != (ssize_t)PG;
}

/* Bytes of the program's file mappings that are mapped as huge pages. */
static unsigned long huge_bytes(void)
{
	FILE *f = fopen("/proc/self/smaps", "r");
	unsigned long sum = 0, kib;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "FilePmdMapped: %lu", &kib) == 1)
			sum += kib * KiB;
	if (f)
		fclose(f);
	return sum;
}

/* Are huge pages of 2 MiB? With larger pages they are larger; some machines have none. */
static bool has_huge(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", "r");
	unsigned long size = 0;

	if (f && fscanf(f, "%lu", &size) != 1)
		size = 0;
	if (f)
		fclose(f);
	return size == 2 * MiB;
}

static void huge(void)
{
	char *p = map_new(4 * MiB);

	works(p, 4 * MiB, "huge");
	ok(huge_bytes() >= (has_huge() ? 2 * MiB : 0), "huge: %lu KiB are mapped as huge pages",
	   huge_bytes() / KiB);
	is(child(huge_in_child, p), 0, "huge: a child uses it");
	works(p, 4 * MiB, "huge, after fork()");
	madvise(p + 8 * PG, 8 * PG, MADV_COLD);
	madvise(p + 8 * PG, 8 * PG, MADV_PAGEOUT);
	works(p, 4 * MiB, "huge, a part of it cold");
	is_ret(mprotect(p + 3 * PG, PG, PROT_READ), 0, "huge: mprotect() of a page");
	is_ret(pread(fd, p + 3 * PG, PG, AT), -EFAULT, "huge: which cannot be read into");
	is_ret(pwrite(fd, p, 1 * MiB, AT), 1 * MiB, "huge: but all be written from");
	disk_holds(1 * MiB, "huge, a part of it read-only");
	is_ret(munmap(p + 2 * MiB - PG, 2 * PG), 0, "huge: munmap() of two pages");
	is_ret(pread(fd, p + 1 * MiB, 1 * MiB, AT), -EFAULT, "huge: they are gone");
	works(p + 2 * MiB + PG, 2 * MiB - PG, "huge, behind the hole");
	works(p + 4 * PG, 1 * MiB, "huge, before the hole");
	munmap(p, 4 * MiB);
	none_left("huge");
}

/* ---- ioctls ---- */

static void info(void)
{
	struct { struct nvdio_info i; uint64_t more; } big;
	int ctrl = ctrl_open(O_RDWR);
	struct nvdio_info i, c;
	uint32_t abi[4];

	memset(&i, 0xff, sizeof(i));
	is_ret(ioctl(fd, NVDIO_IOC_INFO, &i), 0, "NVDIO_IOC_INFO");
	is(i.abi, NVDIO_ABI, "it has the version");
	is(i.lba_size, dev.lba, "the block size");
	is(i.size, dev.size, "the size");
	is(i.dma_align, 4, "the alignment");
	ok(i.features & NVDIO_FEATURE_MAPS, "maps are possible");
	ok(i.maps_max >= 256 && i.map_bytes_max >= 1ULL << 38, "at least 256 maps of 256 GiB");
	ok(i.map_bytes_max <= NVDIO_MMAP_ID(2) - NVDIO_MMAP_ID(1), "no offset of one is another's");
	ok(i.map_io_max && i.map_io_max <= i.io_max, "%u bytes a command, %u of a map", i.io_max,
	   i.map_io_max);
	is_ret(ioctl(ctrl, NVDIO_IOC_INFO, &c), 0, "on the controller");
	is(c.size + c.lba_size, 0, "it has no size");
	is(c.features, i.features, "but the same features");
	memset(&abi, 0xff, sizeof(abi));
	is_ret(ioctl(fd, _IOC(_IOC_READ, 'N', 0xb0, 8), abi), 0, "a program that knows less");
	is(abi[0], NVDIO_ABI, "gets what it knows");
	is(abi[2], ~0U, "and no more");
	memset(&big, 0xff, sizeof(big));
	is_ret(ioctl(fd, _IOC(_IOC_READ, 'N', 0xb0, sizeof(big)), &big), 0, "one that knows more");
	is(big.i.lba_size, dev.lba, "gets what there is");
	is(big.more, 0, "and 0");
	is_ret(ioctl(fd, NVDIO_IOC_INFO, NULL), -EFAULT, "no memory for it");
	is_ret(ioctl(fd, _IOC(_IOC_READ, 'N', 0xb3, 8), abi), -ENOTTY, "no ioctl");
	close(ctrl);
}

static void add_errors(void)
{
	char *m = mmap(NULL, 4 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const uint64_t at = (uintptr_t)m;
	const struct {
		struct nvdio_map_add a;
		long error;
		const char *what;
	} bad[] = {
		{ { .len = PG }, -EINVAL, "no kind" },
		{ { .len = PG, .flags = 3, .addr = at }, -EINVAL, "two kinds" },
		{ { .len = PG, .flags = NVDIO_MAP_ALLOC | 32 }, -EINVAL, "an unknown flag" },
		{ { .len = PG, .flags = NVDIO_MAP_ALLOC, .resv = 1 }, -EINVAL,
		  "a reserved member" },
		{ { .len = PG, .flags = NVDIO_MAP_ALLOC, .addr = at }, -EINVAL,
		  "an address for new memory" },
		{ { .len = PG, .flags = NVDIO_MAP_ALLOC, .dmabuf_fd = 1 }, -EINVAL,
		  "a descriptor for it" },
		{ { .len = 0, .flags = NVDIO_MAP_ALLOC }, -EINVAL, "no length" },
		{ { .len = 512, .flags = NVDIO_MAP_ALLOC }, -EINVAL, "a length of no pages" },
		{ { .len = 1ULL << 62, .flags = NVDIO_MAP_ALLOC }, -EINVAL, "a huge length" },
		{ { .len = 64ULL << 30, .flags = NVDIO_MAP_ALLOC }, -ENOMEM, "more than there is" },
		{ { .len = PG, .flags = NVDIO_MAP_USER, .addr = at + 8 }, -EINVAL,
		  "an odd address" },
		{ { .len = PG, .flags = NVDIO_MAP_USER, .addr = -PG }, -EINVAL,
		  "the last address" },
		{ { .len = PG, .flags = NVDIO_MAP_USER, .addr = 1ULL << 63 }, -EFAULT,
		  "the kernel's" },
		{ { .len = PG, .flags = NVDIO_MAP_USER }, -EFAULT, "NULL" },
		{ { .len = 4 * PG, .flags = NVDIO_MAP_USER, .addr = at }, -EFAULT, "a hole" },
	};

	munmap(m + 2 * PG, PG);
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		struct nvdio_map_add a = bad[i].a;

		is_ret(add(fd, &a), bad[i].error, "MAP_ADD with %s", bad[i].what);
	}
	munmap(m, 4 * PG);
	none_left("errors");
}

/* Structures of other sizes, and memory that they cannot be in. */
static void add_sizes(void)
{
	struct { struct nvdio_map_add a; uint64_t more; } big = {
		.a = { .len = PG, .flags = NVDIO_MAP_ALLOC }
	};
	char *m = mmap(NULL, 2 * PG, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct nvdio_map_add *last = (void *)(m + PG);

	is_ret(ioctl(fd, NVDIO_IOC_MAP_ADD, NULL), -EFAULT, "MAP_ADD without memory");
	is_ret(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'N', 0xb1, 16), &big), -EINVAL,
	       "one that is too short");
	is_ret(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'N', 0xb1, sizeof(big)), &big), 0,
	       "one that is longer");
	is_ret(del(fd, big.a.id), 0, "and back");
	big = (typeof(big)){ .a = { .len = PG, .flags = NVDIO_MAP_ALLOC }, .more = 1 };
	is_ret(ioctl(fd, _IOC(_IOC_READ | _IOC_WRITE, 'N', 0xb1, sizeof(big)), &big), -E2BIG,
	       "one with an unknown member");
	is_ret(del(fd, 0), -ENOENT, "MAP_DEL of 0");
	is_ret(del(fd, 1 << 20), -ENOENT, "of a large number");
	is_ret(ioctl(fd, NVDIO_IOC_MAP_DEL, NULL), -EFAULT, "of nothing");
	/* It cannot be told its identifier. */
	mprotect(m, PG, PROT_READ);
	is_ret(add(fd, (struct nvdio_map_add *)m), -EINVAL,
	       "MAP_ADD of zeroes in memory that is read-only");
	*last = (struct nvdio_map_add){ .len = PG, .flags = NVDIO_MAP_ALLOC };
	mprotect(m + PG, PG, PROT_READ);
	is_ret(add(fd, last), -EFAULT, "one that cannot be answered");
	munmap(m, 2 * PG);
	none_left("sizes");
}

static void user_memory(void)
{
	const size_t len = 1 * MiB;
	char *p = pages(len);
	struct nvdio_map_add a = { .addr = (uintptr_t)p, .len = len, .flags = NVDIO_MAP_USER },
					    b = a;

	is_ret(add(fd, &a), 0, "memory of the program");
	is(a.mmap_offset, 0, "it has no offset");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_ID(a.id)), -EINVAL,
	   "nor can be mapped again");
	works(p, len, "registered");
	is_ret(add(fd, &b), 0, "the same memory twice");
	works(p, len, "registered twice");
	is_ret(del(fd, a.id), 0, "once less");
	works(p, len, "registered once");
	is_ret(del(fd, b.id), 0, "none");
	works(p, len, "not registered");
	mprotect(p, len, PROT_READ);
	b.flags = NVDIO_MAP_USER;
	is_ret(add(fd, &b), -EFAULT, "memory that is read-only");
	b.flags |= NVDIO_MAP_READ_ONLY;
	is_ret(add(fd, &b), 0, "it can be registered for that");
	is_ret(pwrite(fd, p, len, AT), len, "and be written from");
	disk_holds(len, "registered read-only");
	is_ret(pread(fd, p, PG, AT), -EFAULT, "and not read into");
	munmap(p, len);
	is(ctrl_counter("maps"), 1, "it outlives its address");
	is_ret(del(fd, b.id), 0, "and ends with its identifier");
	none_left("user");
}

/* Memory that the controller only reads, in a program that writes to it. */
static void read_only_memory(void)
{
	struct nvdio_map_add a = { .len = 8 * PG, .flags = NVDIO_MAP_ALLOC | NVDIO_MAP_READ_ONLY };
	uint64_t mapped;
	char *p;

	is_ret(add(fd, &a), 0, "memory for writes to the disk");
	p = map_at(fd, a.len, PROT_READ | PROT_WRITE, a.mmap_offset);
	ok(p != MAP_FAILED, "a program may write to it");
	fill(p, a.len, ++seed, 0);
	mapped = counter("stats/mapped");
	is_ret(pwrite(fd, p, a.len, AT), a.len, "it is written from");
	is(counter("stats/mapped") - mapped, 1, "as what is mapped");
	disk_holds(a.len, "memory for writes");
	disk_fill(a.len);
	mapped = counter("stats/mapped");
	is_ret(pread(fd, p, a.len, AT), a.len, "it is read into");
	is(counter("stats/mapped") - mapped, 0, "as any other memory");
	holds(p, a.len, seed, 0, "and that is what was read");
	munmap(p, a.len);
	is_ret(del(fd, a.id), 0, "its identifier is deleted");
	none_left("read-only memory");
}

static void many(void)
{
	struct nvdio_map_add a = { .len = PG, .flags = NVDIO_MAP_ALLOC };
	struct nvdio_info i;
	uint32_t nr = 0;
	int other = dev_open(O_RDWR | O_DIRECT);

	if (ioctl(fd, NVDIO_IOC_INFO, &i))
		bail("NVDIO_IOC_INFO");
	while (nr < i.maps_max && !add(other, &a))
		nr++;
	is(nr, i.maps_max, "as many maps as NVDIO_IOC_INFO says");
	is(ctrl_counter("maps"), nr, "they are counted");
	is_ret(add(other, &a), -ENOSPC, "one more is refused");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_ALLOC), -ENOSPC, "also by mmap()");
	is_ret(del(fd, a.id), 0, "one is deleted, through another file");
	is_ret(add(other, &a), 0, "and another one added");
	close(other);
	none_left("after close()");
}

/* A registered buffer of io_uring outlives the mapping of its memory. */
static void registered(void)
{
	struct nvdio_map_add a = { .len = 64 * PG, .flags = NVDIO_MAP_ALLOC };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	struct iovec v;
	char *p, *q;

	is_ret(add(fd, &a), 0, "memory with an identifier");
	p = map_at(fd, a.len, PROT_READ | PROT_WRITE, a.mmap_offset);
	q = map_at(fd, a.len, PROT_READ | PROT_WRITE, a.mmap_offset);
	v = (struct iovec){ p, a.len };
	if (io_uring_queue_init(4, &ring, 0))
		bail("io_uring");
	is(io_uring_register_buffers(&ring, &v, 1), 0, "it can be registered");
	for (int i = 0; i < 3; i++) {
		disk_fill(a.len);
		io_uring_prep_read_fixed(io_uring_get_sqe(&ring), fd, p, a.len, AT, 0);
		if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_wait_cqe(&ring, &cqe))
			bail("io_uring");
		is(cqe->res, a.len, "a registered read %d", i);
		io_uring_cqe_seen(&ring, cqe);
		holds(q, a.len, seed, 0, "what it has read");
		if (!i)
			munmap(p, a.len);
		if (i != 1)
			continue;
		/* Now the pages are only the ring's: no map any more. */
		is_ret(del(fd, a.id), 0, "the identifier is deleted");
	}
	munmap(q, a.len);
	none_left("registered");
	io_uring_prep_read_fixed(io_uring_get_sqe(&ring), fd, p, a.len, AT, 0);
	if (io_uring_submit_and_wait(&ring, 1) < 0 || io_uring_wait_cqe(&ring, &cqe))
		bail("io_uring");
	is(cqe->res, a.len, "the ring still has the pages");
	io_uring_queue_exit(&ring);
}

/* Result of a read of @len bytes from AT into @p, which is in a registered buffer. */
static long read_fixed(struct io_uring *ring, char *p, size_t len)
{
	struct io_uring_cqe *cqe;
	long res;

	io_uring_prep_read_fixed(io_uring_get_sqe(ring), fd, p, len, AT, 0);
	if (io_uring_submit_and_wait(ring, 1) < 0 || io_uring_wait_cqe(ring, &cqe))
		bail("io_uring");
	res = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return res;
}

static void ring_of(struct io_uring *ring, char *p, size_t len)
{
	const struct iovec v = { p, len };

	if (io_uring_queue_init(4, ring, 0) || io_uring_register_buffers(ring, &v, 1))
		bail("io_uring with a buffer of %zu bytes", len);
}

/* PRPs and SGLs have no place for the lowest bits. */
static void odd_addresses(void)
{
	char *p = map_new(8 * PG);
	struct io_uring ring;

	ring_of(&ring, p, 8 * PG);
	is(read_fixed(&ring, p + 1, PG), -EINVAL, "a registered read to an odd address");
	is(read_fixed(&ring, p + PG + 2, 5 * PG), -EINVAL, "one of several pages");
	is_ret(pread(fd, p + 1, PG, AT), -EINVAL, "a plain one");
	disk_fill(5 * PG);
	is(read_fixed(&ring, p + PG + 4, 5 * PG), 5 * PG, "one to a multiple of four");
	holds(p + PG + 4, 5 * PG, seed, 0, "is done");
	io_uring_queue_exit(&ring);
	munmap(p, 8 * PG);
	none_left("odd");
}

/*
 * Contiguous memory of more than standing PRP lists can describe, in the middle of
 * a map that is scattered.
 */
static void long_commands(void)
{
	const size_t before = 100 * PG, len = 2 * MiB;
	struct nvdio_map_add a = { .len = before + len, .flags = NVDIO_MAP_USER };
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
	struct io_uring ring;
	char *area, *p;

	if (!has_huge()) {
		t_skip("no huge pages of 2 MiB");
		return;
	}
	write_to("/proc/sys/vm/nr_hugepages", "16");
	area = mmap(NULL, 3 * len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = (char *)(((uintptr_t)area + 2 * len - 1) & ~(len - 1));
	if (mmap(p - before, before, PROT_READ | PROT_WRITE, flags, -1, 0) == MAP_FAILED ||
	    mmap(p, len, PROT_READ | PROT_WRITE, flags | MAP_HUGETLB, -1, 0) == MAP_FAILED)
		bail("no huge page");
	a.addr = (uintptr_t)p - before;
	is_ret(add(fd, &a), 0, "small pages and a huge one");
	disk_fill(len);
	ring_of(&ring, p, len);
	is(read_fixed(&ring, p, len), len, "a registered read of %zu bytes", len);
	holds(p, len, seed, 0, "is done");
	works(p, len, "all of it");
	io_uring_queue_exit(&ring);
	is_ret(del(fd, a.id), 0, "MAP_DEL");
	munmap(area, 3 * len);
	none_left("long");
}

static void limited(void)
{
	const struct rlimit limit = { 1 * MiB, 1 * MiB };
	struct nvdio_map_add a = { .len = 1 * MiB, .flags = NVDIO_MAP_ALLOC };
	char *p;
	int i;

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		bail("setrlimit");
	is(map_error(fd, 1 * MiB + PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_ALLOC), -ENOMEM,
	   "more than RLIMIT_MEMLOCK is refused");
	p = map_at(fd, 1 * MiB, PROT_READ | PROT_WRITE, NVDIO_MMAP_ALLOC);
	ok(p != MAP_FAILED, "as much as it is not");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_ALLOC), -ENOMEM,
	   "nor one page more");
	is_ret(add(fd, &a), -ENOMEM, "nor an identifier");
	munmap(p, 1 * MiB);
	for (i = 0; i < 50; i++) {
		p = map_at(fd, 1 * MiB, PROT_READ | PROT_WRITE, NVDIO_MMAP_ALLOC);
		if (p == MAP_FAILED || pread(fd, p, 64 * KiB, 0) != 64 * KiB)
			break;
		munmap(p, 1 * MiB);
	}
	is(i, 50, "what was unmapped is free again at once");
	p = pages(2 * MiB);
	a = (struct nvdio_map_add){ .addr = (uintptr_t)p, .len = 2 * MiB, .flags = NVDIO_MAP_USER };
	is_ret(add(fd, &a), -ENOMEM, "more memory of the program's is refused");
	a.len = 1 * MiB;
	is_ret(add(fd, &a), 0, "as much as it is not");
	is_ret(del(fd, a.id), 0, "and back");
}

static void rlimit_memlock(void)
{
	is(as_nobody(limited), 0, "all tests passed as nobody");
	none_left("limited");
}

/* ---- everything at once ---- */

#define SLOTS		8
#define SLOT_BYTES	(256 * KiB)
#define STORM_THREADS	3
#define STORM_SECONDS	4

static char *slots;		/* SLOTS addresses, of SLOT_BYTES each */
static const int *storm_over;	/* shared with children */
static int storm_wrong;

/* Something else becomes of the addresses @p to @p + @len; it may fail. */
static void storm_change(char *p, size_t len, unsigned int what, char *other)
{
	const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	switch (what) {
	case 0:
	case 1:
	case 2:
		mmap(p, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
		     NVDIO_MMAP_ALLOC);
		break;
	case 3:
		mmap(p, len, PROT_READ | PROT_WRITE, flags, -1, 0);
		break;
	case 4:
		mmap(p, len, PROT_NONE, flags, -1, 0);
		break;
	case 5:
		mprotect(p, len, PROT_READ);
		break;
	case 6:
		mprotect(p, len, PROT_READ | PROT_WRITE);
		break;
	case 7:
		if (mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, other) != MAP_FAILED)
			mmap(p, len, PROT_NONE, flags, -1, 0);
		break;
	default:
		madvise(p, len, MADV_DONTNEED);
	}
}

/* All or nothing, whatever happens to the memory meanwhile. */
static void storm_io(char *p, size_t len, bool write)
{
	ssize_t ret = write ? pwrite(fd, p, len, AT) : pread(fd, p, len, AT);

	if (ret != (ssize_t)len && (ret != -1 || errno != EFAULT))
		__atomic_add_fetch(&storm_wrong, 1, __ATOMIC_RELAXED);
}

static void storm_register(char *p, size_t len)
{
	struct nvdio_map_add a = {
		.addr = (uintptr_t)p, .len = len, .flags = NVDIO_MAP_USER
	};

	if (add(fd, &a))
		return;
	storm_io(p, len, false);
	if (del(fd, a.id))
		__atomic_add_fetch(&storm_wrong, 1, __ATOMIC_RELAXED);
}

static void storm_child(char *p, size_t len, bool killed)
{
	pid_t pid = fork();

	if (!pid) {
		storm_io(p, len, false);
		munmap(p, PG);
		storm_io(p + PG, len - PG, false);
		if (killed)
			kill(getpid(), SIGKILL);
		_exit(0);
	}
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

#define STORM_AT	(AT + 16 * MiB)

static bool storm_reads(char *p)
{
	return pread(fd, p, PG, STORM_AT) == (ssize_t)PG && differs(p, PG, seed, 0) < 0;
}

/* What one thread does to addresses that no other one uses has a known result. */
static bool storm_own(char *p)
{
	const int flags = MAP_FIXED, prot = PROT_READ | PROT_WRITE;

	if (mmap(p, PG, prot, flags | MAP_SHARED, fd, NVDIO_MMAP_ALLOC) != p || !storm_reads(p))
		return false;
	if (mprotect(p, PG, PROT_READ) || pread(fd, p, PG, STORM_AT) != -1 || errno != EFAULT)
		return false;
	if (mmap(p, PG, prot, flags | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != p || !storm_reads(p))
		return false;
	return !munmap(p, PG) && pread(fd, p, PG, STORM_AT) == -1 && errno == EFAULT;
}

static void *storm_thread(void *arg)
{
	char *own = slots + (SLOTS + (uintptr_t)arg) * SLOT_BYTES;
	unsigned int r = t_seed + (uintptr_t)arg;

	while (!__atomic_load_n(storm_over, __ATOMIC_RELAXED)) {
		const unsigned int what = rand_r(&r) % 64;
		const size_t skip = rand_r(&r) % 4 * PG;
		char *p = slots + rand_r(&r) % SLOTS * SLOT_BYTES;
		char *other = slots + rand_r(&r) % SLOTS * SLOT_BYTES;

		if (what % 8 == 7 && !storm_own(own))
			__atomic_add_fetch(&storm_wrong, 1, __ATOMIC_RELAXED);
		if (what < 9)
			storm_change(p, SLOT_BYTES, what, other);
		else if (what < 18)
			storm_change(p + skip, 2 * PG, what - 9, other);
		else if (what < 20)
			storm_register(p + skip, 8 * PG);
		else if (what == 20)
			storm_child(p, SLOT_BYTES / 2, r & 1);
		else
			storm_io(p + skip, what & 2 ? PG : SLOT_BYTES - 4 * PG, what & 1);
	}
	return NULL;
}

/* @resets: the controller is reset meanwhile. */
static void storm(bool resets)
{
	int ctrl = ctrl_open(O_RDWR), *over = shared_memory(PG);
	pthread_t threads[STORM_THREADS];

	const size_t len = (SLOTS + STORM_THREADS) * SLOT_BYTES;
	const uint64_t mapped = counter("stats/mapped");
	char *pattern = pages(PG);

	fill(pattern, PG, ++seed, 0);
	put(fd, pattern, PG, STORM_AT);
	storm_over = over;
	slots = mmap(NULL, len, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uintptr_t i = 0; i < STORM_THREADS; i++)
		if (pthread_create(&threads[i], NULL, storm_thread,
				   (void *)i))
			bail("pthread_create");
	for (int i = 0; i < STORM_SECONDS; i++) {
		sleep(1);
		if (resets && ioctl(ctrl, NVME_IOCTL_RESET))
			bail("reset");
	}
	__atomic_store_n(over, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < STORM_THREADS; i++)
		pthread_join(threads[i], NULL);
	is(storm_wrong, 0, "all reads and writes were whole, or EFAULT");
	ok(counter("stats/mapped") > mapped, "%llu of them mapped",
	   (unsigned long long)(counter("stats/mapped") - mapped));
	munmap(slots, len);
	munmap(pattern, PG);
	close(ctrl);
	none_left("storm");
}

static void storm_of_changes(void)
{
	storm(false);
}

static void storm_with_resets(void)
{
	storm(true);
}

/* ---- for a controller that takes its time ---- */

#define FLIGHT 16

static void unmapped_in_flight(void)
{
	char *p = map_new(FLIGHT * 64 * KiB);
	uint64_t mapped = counter("stats/mapped"), maps;
	int whole, fault;
	struct flight *f = take_off(O_DIRECT, p, FLIGHT, 64 * KiB, 64 * KiB);
	int file = flight_fd(f);

	is(counter("stats/mapped") - mapped, FLIGHT,
	   "munmap() in flight: the memory is recognised");
	munmap(p, FLIGHT * 64 * KiB);
	maps = ctrl_counter("maps");
	/* On a busy host they may have ended by now. */
	ok(maps || !counter("leaks/requests"),
	   "munmap() in flight: there is a map as long as they are");
	is(land(f, 64 * KiB, &whole, &fault), FLIGHT, "munmap() in flight: all reads come back");
	is(whole, FLIGHT, "munmap() in flight: all are whole");
	close(file);
	none_left("munmap() in flight");
}

/* They are recognised by address, so MAP_DEL waits for them; see also held(). */
static void deleted_in_flight(void)
{
	struct nvdio_map_add a = { .len = FLIGHT * 64 * KiB, .flags = NVDIO_MAP_USER };
	struct flight *f;
	int whole, fault, file;
	char *p = pages(a.len);

	a.addr = (uintptr_t)p;
	is_ret(add(fd, &a), 0, "MAP_ADD");
	f = take_off(O_DIRECT, p, FLIGHT, 64 * KiB, 64 * KiB);
	file = flight_fd(f);
	is_ret(del(fd, a.id), 0, "MAP_DEL in flight");
	is(ctrl_counter("maps"), 0, "there is no map on return");
	is(land(f, 64 * KiB, &whole, &fault), FLIGHT, "MAP_DEL in flight: all reads come back");
	is(whole, FLIGHT, "MAP_DEL in flight: all are whole");
	close(file);
	munmap(p, a.len);
	none_left("MAP_DEL in flight");
}

static int leave_in_flight(char *p)
{
	p = map_new(FLIGHT * 64 * KiB);
	take_off(O_DIRECT, p, FLIGHT, 64 * KiB, 64 * KiB);
	return 0;
}

static int die_in_flight(char *p)
{
	leave_in_flight(p);
	kill(getpid(), SIGKILL);
	return 0;
}

static void gone_in_flight(void)
{
	is(child(leave_in_flight, NULL), 0, "a child exits with reads in flight");
	none_left("exit in flight");
	is(child(die_in_flight, NULL), 128 + SIGKILL, "a child is killed with reads in flight");
	none_left("killed in flight");
}

/* ---- for a controller that does what it is told (lab/vm --vfu) ---- */

/* The namespace may have got a new node. */
static void reset_and_reopen(void)
{
	int ctrl = ctrl_open(O_RDWR);

	close(fd);
	if (ioctl(ctrl, NVME_IOCTL_RESET))
		bail("reset");
	close(ctrl);
	for (int i = 0; i < 300 && access(dev.path, R_OK); i++)
		usleep(100 * 1000);
	fd = dev_open(O_RDWR | O_DIRECT);
}

static void sgls_lost(void)
{
	char *old = map_new(64 * KiB), *new;

	works(old, 64 * KiB, "with SGLs");
	vfu_tell("set sgls 0");
	reset_and_reopen();
	is(ctrl_counter("sgls"), 0, "a reset takes the SGLs");
	works(old, 64 * KiB, "memory from before");
	works(old + 512, PG, "one page of it");
	new = map_new(64 * KiB);
	works(new, 64 * KiB, "memory from afterwards");
	vfu_tell("set sgls 1");
	reset_and_reopen();
	is(ctrl_counter("sgls"), 1, "another one gives them back");
	works(old, 64 * KiB, "the older memory");
	works(new, 64 * KiB, "the newer memory");
	munmap(old, 64 * KiB);
	munmap(new, 64 * KiB);
	none_left("SGLs");
}

/* Blocks that are larger than what two PRPs can always describe. */
static void sgls_lost_blocks(void)
{
	struct nvdio_map_add a = { .len = 64 * KiB, .flags = NVDIO_MAP_ALLOC };
	struct nvdio_rw r = { .len = 8 * KiB };
	int ctrl = ctrl_open(O_RDWR);
	char *buf;

	/* The identifier is the controller's file's: those of the namespace are replaced. */
	is_ret(add(ctrl, &a), 0, "MAP_ADD");
	buf = mmap(NULL, a.len, PROT_READ | PROT_WRITE, MAP_SHARED, ctrl, a.mmap_offset);
	if (buf == MAP_FAILED)
		bail("mmap");
	r.id = a.id;
	vfu_tell("ns 1 lbads=13");
	reset_and_reopen();
	fill(buf, a.len, 1, 0);
	is_ret(pwrite(fd, buf, 16 * KiB, 0), 16 * KiB, "blocks of 8 KiB: write");
	memset(buf, 0, a.len);
	is_ret(ioctl(fd, NVDIO_IOC_RW, &r), 8 * KiB, "blocks of 8 KiB: NVDIO_IOC_RW");
	holds(buf, 8 * KiB, 1, 0, "blocks of 8 KiB: what was read");
	vfu_tell("set sgls 0");
	reset_and_reopen();
	memset(buf, 0, a.len);
	is_ret(ioctl(fd, NVDIO_IOC_RW, &r), -EOPNOTSUPP, "without SGLs: a read");
	r.flags = NVDIO_RW_WRITE;
	is_ret(ioctl(fd, NVDIO_IOC_RW, &r), -EOPNOTSUPP, "without SGLs: a write");
	is_ret(pread(fd, buf + PG, 16 * KiB, 0), 16 * KiB, "without SGLs: pread()");
	holds(buf + PG, 16 * KiB, 1, 0, "without SGLs: what it has read");
	vfu_tell("set sgls 1");
	vfu_tell("ns 1 lbads=9");
	reset_and_reopen();
	munmap(buf, a.len);
	close(ctrl);
	none_left("large blocks");
}

/* Delete memory of which the controller has a read. */
static int delete_held(char *p)
{
	struct nvdio_map_add a = { .len = 64 * KiB, .flags = NVDIO_MAP_ALLOC };

	if (add(fd, &a))
		return 1;
	p = map_at(fd, a.len, PROT_READ | PROT_WRITE, a.mmap_offset);
	take_off(O_DIRECT, p, 1, a.len, a.len);
	munmap(p, a.len);
	return del(fd, a.id) ? 2 : 0;
}

/* Start delete_held() in a child; returns when the controller has its read. */
static pid_t held_child(void)
{
	pid_t pid;

	vfu_tell("hold read count=1");
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(delete_held(NULL));
	for (int i = 0; i < 300 && system("test \"$(vfu held)\" = 1"); i++)
		usleep(100 * 1000);
	usleep(300 * 1000);
	is(ctrl_counter("maps"), 1, "a child has memory that the controller reads into");
	is(waitpid(pid, NULL, WNOHANG), 0, "and waits for it");
	return pid;
}

static void held(void)
{
	pid_t pid = held_child();
	int status = -1;

	vfu_tell("release");
	ok(waitpid(pid, &status, 0) == pid && !status, "the read ends, and MAP_DEL");
	none_left("released");
	pid = held_child();
	kill(pid, SIGKILL);
	sleep(1);
	is(ctrl_counter("maps"), 1, "the child is killed, the memory stays");
	vfu_tell("release");
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status), "the read ends, and the child");
	none_left("killed");
	pid = held_child();
	reset_and_reopen();
	ok(waitpid(pid, &status, 0) == pid && !status, "a reset: the read is sent again, and ends");
	none_left("reset");
}

#define MANY 300		/* maps: more than a workqueue has workers */

/* Maps of which the controller keeps reads are in nobody's way. */
static void many_held(void)
{
	static struct iocb cb[MANY], *pcb[MANY];
	static struct io_event ev[MANY];
	io_context_t aio = 0;
	char command[64];
	int held = 1;

	if (io_setup(MANY, &aio))
		bail("io_setup");
	vfu_tell("hold read count=all");
	for (int i = 0; i < MANY; i++) {
		char *p = map_new(PG);

		io_prep_pread(&cb[i], fd, p, PG, AT);
		pcb[i] = &cb[i];
		if (io_submit(aio, 1, &pcb[i]) != 1)
			bail("io_submit");
		munmap(p, PG);
	}
	snprintf(command, sizeof(command), "test \"$(vfu held)\" = %u", MANY);
	for (int i = 0; i < 300 && (held = system(command)); i++)
		usleep(100 * 1000);
	is(held, 0, "the controller has %u reads, each into a map of its own", MANY);
	is(ctrl_counter("maps"), MANY, "they stay, without addresses");
	munmap(map_new(PG), PG);
	for (int i = 0; i < 300 && ctrl_counter("maps") > MANY; i++)
		usleep(100 * 1000);
	is(ctrl_counter("maps"), MANY, "one that has no read ends");
	vfu_tell("clear");
	vfu_tell("release");
	is(io_getevents(aio, MANY, MANY, ev, NULL), MANY, "the reads end");
	io_destroy(aio);
	none_left("many held");
}

/* ---- the driver is unbound ---- */

/*
 * The controller is back under a new name: memory of the old one still holds its
 * number.
 */
static void dev_is_back(const char *pci)
{
	static char path[64];
	char pattern[128];
	glob_t found;

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%.32s/nvdio/nvdio*/nvdio*n1", pci);
	for (int i = 0; i < 300; i++) {
		if (!glob(pattern, 0, NULL, &found) && found.gl_pathc == 1) {
			snprintf(dev.name, sizeof(dev.name), "%.31s",
				 strrchr(found.gl_pathv[0], '/') + 1);
			snprintf(path, sizeof(path), "/dev/%s", dev.name);
			globfree(&found);
			dev.path = path;
			if (!access(path, R_OK))
				return;
		}
		usleep(100 * 1000);
	}
	bail("%s has not come back", pattern);
}

static void unbound(void)
{
	struct nvdio_map_add a = { .len = 4 * PG, .flags = NVDIO_MAP_ALLOC }, b = a;
	char *p = map_new(16 * PG), *q, *u = pages(4 * PG), link[128], target[256], *pci;
	ssize_t len;

	snprintf(link, sizeof(link), "/sys/class/nvdio/%s/device", ctrl_path() + 5);
	len = readlink(link, target, sizeof(target) - 1);
	if (len < 0)
		bail("%s", link);
	target[len] = '\0';
	pci = strrchr(target, '/') + 1;
	is_ret(add(fd, &a), 0, "memory with an identifier");
	b.flags = NVDIO_MAP_USER;
	b.addr = (uintptr_t)u;
	is_ret(add(fd, &b), 0, "memory of the program");
	q = map_at(fd, 4 * PG, PROT_READ | PROT_WRITE, a.mmap_offset);
	works(p, 8 * PG, "bound");
	works(q, 4 * PG, "bound, by identifier");
	write_to("/sys/bus/pci/drivers/nvdio/unbind", pci);
	is_ret(pread(fd, p, PG, AT), -ENODEV, "unbound: no reads");
	holds(q, 4 * PG, seed, 0, "unbound: the memory is there");
	ok(all_zero(p + 8 * PG, 8 * PG), "unbound: also what was not touched before");
	fill(p, 16 * PG, 4711, 0);
	holds(p, 16 * PG, 4711, 0, "unbound: and works");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_ALLOC), -ENODEV,
	   "unbound: no new memory");
	is(map_error(fd, PG, PROT_READ, MAP_SHARED, a.mmap_offset), -ENODEV,
	   "unbound: no identifier");
	is_ret(add(fd, &a), -ENODEV, "unbound: no MAP_ADD");
	is_ret(del(fd, b.id), -ENODEV, "unbound: no MAP_DEL");
	close(fd);
	is_ret(syscall(SYS_delete_module, "nvdio", O_NONBLOCK), -EAGAIN,
	       "unbound: the module is in use");
	write_to("/sys/bus/pci/drivers/nvdio/bind", pci);
	dev_is_back(pci);
	fd = dev_open(O_RDWR | O_DIRECT);
	is(ctrl_counter("maps"), 0, "bound again: there are no maps");
	works(p, 16 * PG, "bound again: memory from before");
	works(u, 4 * PG, "bound again: the program's memory");
	munmap(p, 16 * PG);
	p = map_new(4 * PG);
	works(p, 4 * PG, "bound again: new memory");
	is(ctrl_counter("maps"), 1, "bound again: one map");
	munmap(p, 4 * PG);
	munmap(q, 4 * PG);
	none_left("bound again");
}

static void setup(void)
{
	fd = dev_open(O_RDWR | O_DIRECT);
	seed = t_seed;
}

static const struct t_case cases[] = {
	{ "refused_mmaps", refused_mmaps },
	{ "contents", contents },
	{ "read_only_file", read_only_file },
	{ "holes", holes },
	{ "replaced", replaced },
	{ "moved", moved },
	{ "protected", protected },
	{ "forked", forked },
	{ "huge", huge },
	{ "info", info },
	{ "add_errors", add_errors },
	{ "add_sizes", add_sizes },
	{ "user_memory", user_memory },
	{ "read_only_memory", read_only_memory },
	{ "many", many },
	{ "registered", registered },
	{ "odd_addresses", odd_addresses },
	{ "long_commands", long_commands },
	{ "rlimit_memlock", rlimit_memlock },
	{ "storm_of_changes", storm_of_changes },
	{ "storm_with_resets", storm_with_resets },
	{ "unmapped_in_flight", unmapped_in_flight },
	{ "deleted_in_flight", deleted_in_flight },
	{ "gone_in_flight", gone_in_flight },
	{ "sgls_lost", sgls_lost },
	{ "sgls_lost_blocks", sgls_lost_blocks },
	{ "held", held },
	{ "many_held", many_held },
	{ "unbound", unbound },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
