// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of all shapes: one LBA to 8 MiB, at odd offsets inside a page, in 4 KiB
 * pages, transparent huge pages and hugetlb pages, and iovecs of many odd segments.
 * The bytes around the buffer must not change.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

#define MAX (8 * MiB)
#define GUARD 64
#define ARENA (MAX + 4 * MiB)	/* one to write from, one to read into */

static char *src, *dst;
static uint64_t at = 16 * MiB;		/* where on the device */

static bool all(const char *p, size_t len, char c)
{
	while (len--)
		if (*p++ != c)
			return false;
	return true;
}

static char *arena(int kind)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *p;

	if (kind == MAP_HUGETLB) {
		p = mmap(NULL, ARENA, PROT_READ | PROT_WRITE,
			 flags | MAP_HUGETLB, -1, 0);
		if (p == MAP_FAILED && errno == ENOENT) {
			note("this machine has no huge pages: small ones");
			p = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, flags, -1, 0);
		}
		if (p == MAP_FAILED)
			bail("no huge pages (vm.nr_hugepages)");
		return p;
	}
	p = mmap(NULL, ARENA + 2 * MiB, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (p == MAP_FAILED)
		bail("mmap");
	p = (char *)(((uintptr_t)p + 2 * MiB - 1) & ~(2 * MiB - 1));
	madvise(p, ARENA, kind);
	return p;
}

/* AnonHugePages of this process in KiB: whether the kernel really gave huge pages. */
static long thp_kib(void)
{
	FILE *f = fopen("/proc/self/smaps_rollup", "r");
	char line[128];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "AnonHugePages: %ld", &kib) == 1)
			break;
	if (f)
		fclose(f);
	return kib;
}

/* Write @len from src + @so, read into dst + @to, compare; true when the data is right. */
static bool round_trip(int fd, size_t len, size_t so, size_t to)
{
	uint64_t seed = rnd(&t_seed);
	ssize_t n, bad;

	fill(src + so, len, seed, 0);
	memset(dst + to - GUARD, 0x5a, GUARD);
	memset(dst + to, 0, len);
	memset(dst + to + len, 0x5a, GUARD);

	n = pwrite(fd, src + so, len, at);
	if (n != (ssize_t)len) {
		note("write %zu from +%zu: %lld", len, so, reterr(n));
		return false;
	}
	n = pread(fd, dst + to, len, at);
	if (n != (ssize_t)len) {
		note("read %zu into +%zu: %lld", len, to, reterr(n));
		return false;
	}
	bad = differs(dst + to, len, seed, 0);
	if (bad >= 0)
		note("%zu from +%zu to +%zu: byte %zd wrong", len, so, to, bad);
	if (!all(dst + to - GUARD, GUARD, 0x5a) ||
	    !all(dst + to + len, GUARD, 0x5a)) {
		note("%zu into +%zu: wrote outside the buffer", len, to);
		return false;
	}
	return bad < 0;
}

static void sizes(const char *what, int kind)
{
	static const size_t offsets[] = { 0, 4, 508, 512, 1028, 2048, 4092 };
	const size_t lens[] = {
		dev.lba, 2 * dev.lba, 3 * dev.lba, 7 * dev.lba, 2 * PG, 3 * PG,
		64 * KiB, 128 * KiB - dev.lba, 128 * KiB, 512 * KiB - dev.lba,
		512 * KiB, 512 * KiB + dev.lba, MiB, 2 * MiB, 2 * MiB + PG,
		4 * MiB - dev.lba, MAX
	};
	int fd = dev_open(O_RDWR | O_DIRECT);
	unsigned int o, l;
	struct paths p;

	src = arena(kind);
	dst = arena(kind);
	memset(src, 1, ARENA);
	memset(dst, 1, ARENA);
	if (kind == MADV_HUGEPAGE && access("/sys/kernel/mm/transparent_hugepage", F_OK))
		note("this machine has no huge pages: small ones");
	/* Those of a machine with pages of 16 KiB have 32 MiB. */
	else if (kind == MADV_HUGEPAGE && PG == 4096)
		ok(thp_kib() > 0, "%s: the kernel gave huge pages", what);
	for (o = 0; o < ARRAY_SIZE(offsets); o++) {
		bool good = true;

		p = path_start();
		/* Source and destination at different offsets, both odd. */
		for (l = 0; l < ARRAY_SIZE(lens); l++)
			good &= round_trip(fd, lens[l], PG + offsets[o],
					   3 * PG + offsets[(o + 3) % 7]);
		ok(good, "%s: 1 LBA to 8 MiB from +%zu in the page, into +%zu",
		   what, offsets[o], offsets[(o + 3) % 7]);
		went_by(p, O_DIRECT, 2 * ARRAY_SIZE(lens), what);
	}
	/* A buffer that ends and starts in the middle of huge pages. */
	ok(round_trip(fd, MAX, 2 * MiB - 1028, MiB + 4),
	   "%s: 8 MiB across huge page boundaries", what);
	munmap(src, ARENA);
	munmap(dst, ARENA);
	close(fd);
}

/* @n dword-aligned segments of @len bytes in all, in order of their addresses. */
static void segments(struct iovec *v, unsigned int n, size_t len, char *base,
		     bool gaps, uint64_t *r)
{
	size_t left = len / 4, at_dword = below(r, PG / 4);
	unsigned int i;

	for (i = 0; i < n; i++) {
		size_t most = left - (n - 1 - i);
		size_t mean = 2 * left / (n - i);
		size_t take = i == n - 1 ? left :
			      1 + below(r, mean < most ? (mean ?: 1) : most);

		v[i].iov_base = base + 4 * at_dword;
		v[i].iov_len = 4 * take;
		left -= take;
		at_dword += take;
		if (gaps)
			at_dword += 1 + below(r, 300);
	}
}

static void put_segs(struct iovec *v, unsigned int n, uint64_t seed)
{
	uint64_t from = 0;

	for (; n--; from += v++->iov_len)
		fill(v->iov_base, v->iov_len, seed, from);
}

static bool check_segs(struct iovec *v, unsigned int n, uint64_t seed)
{
	uint64_t from = 0;

	for (; n--; from += v++->iov_len)
		if (differs(v->iov_base, v->iov_len, seed, from) >= 0)
			return false;
	return true;
}

/* May the driver use SGLs? */
static bool have_sgls(void)
{
	FILE *f = fopen("/sys/module/nvdio/parameters/sgl_threshold", "r");
	unsigned int threshold = 0;

	if (!dev.counted || !f || fscanf(f, "%u", &threshold) != 1)
		bail("sgl_threshold");
	fclose(f);
	return threshold;
}

/*
 * Can the call go without a copy? PRPs cannot describe a gap inside a page: there a
 * command has to end, which it can do only at a block boundary.
 */
static bool no_copy(const struct iovec *v, unsigned int n, int flags)
{
	size_t done = 0;
	unsigned int i;

	if (!(flags & O_DIRECT))
		return false;
	for (i = 0; i + 1 < n && dev.counted && !have_sgls(); i++) {
		uintptr_t end = (uintptr_t)v[i].iov_base + v[i].iov_len;
		uintptr_t next = (uintptr_t)v[i + 1].iov_base;

		done += v[i].iov_len;
		if (end != next && (end | next) % PG && done % dev.lba)
			return false;
	}
	return true;
}

static struct iovec w_iov[1024], r_iov[1024];

/* Write from @n random segments, read into @n others; true when the data is right. */
static bool random_vectors(int fd, unsigned int n, unsigned int turn)
{
	size_t len = (1 + below(&t_seed, 2 * MiB / dev.lba)) * dev.lba;
	uint64_t seed = rnd(&t_seed), state = t_seed;
	ssize_t wrote, got;
	bool good = true;

	/* An SGL must have enough descriptors for the segments of one block. */
	if (len < n * dev.lba / 64)
		len = n * dev.lba / 64;
	len = (len + dev.lba - 1) / dev.lba * dev.lba;
	memset(dst, 0, len + 4 * PG);
	segments(w_iov, n, len, src, turn & 1, &t_seed);
	segments(r_iov, n, len, dst, turn & 2, &t_seed);
	put_segs(w_iov, n, seed);
	wrote = pwritev(fd, w_iov, n, at);
	got = pread(fd, dst + MAX, dev.lba, at);
	if (wrote == (ssize_t)len)
		good = differs(dst + MAX, dev.lba, seed, 0) < 0;
	if (wrote == (ssize_t)len && got == dev.lba)
		got = preadv(fd, r_iov, n, at);
	good = good && wrote == (ssize_t)len && got == wrote && check_segs(r_iov, n, seed);
	if (!good)
		note("state %#llx: %u segments, %zu bytes: write %zd, read %zd",
		     (unsigned long long)state, n, len, wrote, got);
	return good;
}

static void vectors_of(int fd, int flags, unsigned int n)
{
	unsigned int direct = 0, copy = 0;
	struct paths p = path_start();
	bool good = true;

	for (unsigned int k = 0; k < 12 && good; k++) {
		good = random_vectors(fd, n, k);
		*(no_copy(w_iov, n, flags) ? &direct : &copy) += 1;
		*(no_copy(r_iov, n, flags) ? &direct : &copy) += 1;
		*(flags & O_DIRECT ? &direct : &copy) += 1;
	}
	ok(good, "%s: iovecs of %u dword-aligned segments", path_name(flags), n);
	if (good)
		went(p, direct, copy, "%s: counters: %u of them without a copy, %u with one",
		     path_name(flags), direct, copy);
}

/* More segments in a block than any controller takes: the data is right all the same. */
static void dword_segments(int fd, int flags)
{
	const char *path = path_name(flags);

	for (unsigned int i = 0; i < 1024; i++) {
		w_iov[i] = (struct iovec){ src + i * 12, 4 };
		r_iov[i] = (struct iovec){ dst + i * 8, 4 };
	}
	put_segs(w_iov, 1024, 77);
	memset(dst, 0, 4 * PG);
	is_ret(pwritev(fd, w_iov, 1024, at), 4096, "%s: 1024 segments of a dword written", path);
	is_ret(preadv(fd, r_iov, 1024, at), 4096, "%s:   and read", path);
	ok(check_segs(r_iov, 1024, 77), "%s:   with the right data", path);
}

/* The same page many times is a legal source. */
static void repeated_page(int fd, int flags)
{
	const char *path = path_name(flags);
	unsigned int i;

	for (i = 0; i < 64; i++)
		w_iov[i] = (struct iovec){ src + (i % 3) * 4, dev.lba };
	fill(src, PG + 64, rnd(&t_seed), 0);
	is_ret(pwritev(fd, w_iov, 64, at), 64 * dev.lba,
	       "%s: the same page 64 times in one write", path);
	get(fd, dst, 64 * dev.lba, at);
	for (i = 0; i < 64; i++)
		if (memcmp(dst + i * dev.lba, w_iov[i].iov_base, dev.lba))
			break;
	is(i, 64, "%s: 64 blocks have the right data", path);
}

static void empty_segments(int fd, int flags)
{
	for (unsigned int i = 0; i < 9; i++) {
		w_iov[i].iov_base = i & 1 ? src + i * dev.lba : NULL;
		w_iov[i].iov_len = i & 1 ? dev.lba : 0;
	}
	is_ret(pwritev(fd, w_iov, 9, at), 4 * dev.lba, "%s: empty segments are skipped",
	       path_name(flags));
}

static void vectors(int flags)
{
	static const unsigned int counts[] = { 1, 2, 3, 5, 17, 64, 200, 1024 };
	int fd = dev_open(O_RDWR | flags);

	src = arena(MADV_NOHUGEPAGE);
	dst = arena(MADV_NOHUGEPAGE);
	for (unsigned int i = 0; i < ARRAY_SIZE(counts); i++)
		vectors_of(fd, flags, counts[i]);
	dword_segments(fd, flags);
	repeated_page(fd, flags);
	empty_segments(fd, flags);
	munmap(src, ARENA);
	munmap(dst, ARENA);
	close(fd);
}

/* Write 1 MiB of a pattern to the device; returns its seed. */
static uint64_t pattern_at(int fd)
{
	uint64_t seed = rnd(&t_seed);
	char *p = pages(MiB);

	fill(p, MiB, seed, 0);
	put(fd, p, MiB, at);
	munmap(p, MiB);
	return seed;
}

static void *untouched(void)
{
	void *p = mmap(NULL, MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		bail("mmap");
	return p;
}

static void untouched_memory(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT);
	uint64_t seed = pattern_at(fd);
	char *p = untouched(), *back = pages(MiB);

	is_ret(pread(fd, p, MiB, at), MiB, "read into untouched memory");
	holds(p, MiB, seed, 0, "  the data is there");
	munmap(p, MiB);

	/* The zero page as the source of a write. */
	p = untouched();
	is_ret(pwrite(fd, p, MiB, at + MiB), MiB, "write from untouched memory");
	get(fd, back, MiB, at + MiB);
	ok(all(back, MiB, 0), "  zeroes were written");
	munmap(p, MiB);
	munmap(back, MiB);
	close(fd);
}

static void file_mapping(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT), file;
	uint64_t seed = pattern_at(fd);
	char name[] = "/tmp/geometryXXXXXX";
	char *p, *back = pages(MiB);

	file = mkstemp(name);
	unlink(name);
	if (file < 0 || ftruncate(file, MiB))
		bail("file in /tmp");
	p = mmap(NULL, MiB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	is_ret(pread(fd, p, MiB, at), MiB, "read into a shared file mapping");
	if (msync(p, MiB, MS_SYNC) || pread(file, back, MiB, 0) != MiB)
		bail("file in /tmp");
	holds(back, MiB, seed, 0, "  the file has the data");
	munmap(p, MiB);
	munmap(back, MiB);
	close(file);
	close(fd);
}

static void small_pages(void)
{
	sizes("4 KiB pages", MADV_NOHUGEPAGE);
}

static void transparent_huge_pages(void)
{
	sizes("transparent huge pages", MADV_HUGEPAGE);
}

static void hugetlb_pages(void)
{
	sizes("hugetlb pages", MAP_HUGETLB);
}

static void vectors_direct(void)
{
	vectors(O_DIRECT);
}

static void vectors_copy(void)
{
	vectors(0);
}

static const struct t_case cases[] = {
	{ "small_pages", small_pages },
	{ "transparent_huge_pages", transparent_huge_pages },
	{ "hugetlb_pages", hugetlb_pages },
	{ "vectors_direct", vectors_direct },
	{ "vectors_copy", vectors_copy },
	{ "untouched_memory", untouched_memory },
	{ "file_mapping", file_mapping },
};

int main(int argc, char **argv)
{
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
