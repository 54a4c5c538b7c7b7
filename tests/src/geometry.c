// SPDX-License-Identifier: GPL-2.0
/*
 * Buffers of every shape: one LBA to 8 MiB, at odd offsets inside a page, in
 * 4 KiB pages, transparent huge pages and hugetlb pages, and iovecs of many odd
 * segments. Bytes around the buffer must stay as they were.
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
#define ARENA (MAX + 4 * MiB)	/* two of them: written from, read into */

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

/* AnonHugePages of this process, KiB: tells whether THP was really given. */
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

/* Write len from src+so, read into dst+to, compare; true when all is right. */
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
	if (kind == MADV_HUGEPAGE)
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
	   "%s: 8 MiB over huge page borders", what);
	munmap(src, ARENA);
	munmap(dst, ARENA);
	close(fd);
}

/* n dword-sized segments that add up to len, taken in order from a shuffled arena. */
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

/* Has the controller SGLs, and may the driver use them? */
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
 * Can it go without a copy? PRPs know no gaps inside a page; where there is
 * one, a command has to end, which it can between two blocks only.
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

static void vectors(int flags)
{
	static const unsigned int counts[] = { 1, 2, 3, 5, 17, 64, 200, 1024 };
	static struct iovec w[1024], r[1024];
	int fd = dev_open(O_RDWR | flags);
	unsigned int c, k;

	src = arena(MADV_NOHUGEPAGE);
	dst = arena(MADV_NOHUGEPAGE);
	for (c = 0; c < ARRAY_SIZE(counts); c++) {
		unsigned int n = counts[c], direct = 0, copy = 0;
		struct paths p = path_start();
		bool good = true;

		for (k = 0; k < 12 && good; k++) {
			uint64_t seed = rnd(&t_seed), state = t_seed;
			size_t len = (1 + below(&t_seed, 2 * MiB / dev.lba)) *
				     dev.lba;
			ssize_t a, b;

			/* Fewer segments to a block than an SGL has room for. */
			if (len < n * dev.lba / 64)
				len = n * dev.lba / 64;
			len = (len + dev.lba - 1) / dev.lba * dev.lba;
			memset(dst, 0, len + 4 * PG);
			segments(w, n, len, src, k & 1, &t_seed);
			segments(r, n, len, dst, k & 2, &t_seed);
			put_segs(w, n, seed);
			a = pwritev(fd, w, n, at);
			b = pread(fd, dst + MAX, dev.lba, at);
			if (a == (ssize_t)len)
				good = differs(dst + MAX, dev.lba, seed, 0) < 0;
			if (a == (ssize_t)len && b == dev.lba)
				b = preadv(fd, r, n, at);
			*(no_copy(w, n, flags) ? &direct : &copy) += 1;
			*(no_copy(r, n, flags) ? &direct : &copy) += 1;
			*(flags & O_DIRECT ? &direct : &copy) += 1;
			good = good && a == (ssize_t)len && b == a &&
			       check_segs(r, n, seed);
			if (!good)
				note("state %#llx: %u segments, %zu bytes: write %zd, read %zd",
				     (unsigned long long)state, n, len, a, b);
		}
		ok(good, "%s: iovecs of %u dword-aligned segments",
		   path_name(flags), n);
		if (good)
			went(p, direct, copy,
			     "%s: counters: %u of them without a copy, %u with",
			     path_name(flags), direct, copy);
	}

	/* Too many segments in a block for any controller: right all the same. */
	for (c = 0; c < 1024; c++) {
		w[c].iov_base = src + c * 12;
		r[c].iov_base = dst + c * 8;
		w[c].iov_len = r[c].iov_len = 4;
	}
	put_segs(w, 1024, 77);
	memset(dst, 0, 4 * PG);
	is_ret(pwritev(fd, w, 1024, at), 4096, "%s: 1024 segments of a dword written",
	       path_name(flags));
	is_ret(preadv(fd, r, 1024, at), 4096, "%s:   and read", path_name(flags));
	ok(check_segs(r, 1024, 77), "%s:   with the right data", path_name(flags));

	/* One page many times: legal as a source. */
	for (c = 0; c < 64; c++) {
		w[c].iov_base = src + (c % 3) * 4;
		w[c].iov_len = dev.lba;
	}
	fill(src, PG + 64, rnd(&t_seed), 0);
	is_ret(pwritev(fd, w, 64, at), 64 * dev.lba,
	       "%s: the same page 64 times in one write", path_name(flags));
	if (pread(fd, dst, 64 * dev.lba, at) != 64 * dev.lba)
		bail("read");
	for (c = 0; c < 64; c++)
		if (memcmp(dst + c * dev.lba, w[c].iov_base, dev.lba))
			break;
	is(c, 64, "%s: blocks right of 64", path_name(flags));

	/* Segments of no length between others. */
	for (c = 0; c < 9; c++) {
		w[c].iov_base = c & 1 ? src + c * dev.lba : NULL;
		w[c].iov_len = c & 1 ? dev.lba : 0;
	}
	is_ret(pwritev(fd, w, 9, at), 4 * dev.lba,
	       "%s: empty segments are skipped", path_name(flags));
	munmap(src, ARENA);
	munmap(dst, ARENA);
	close(fd);
}

/* A read into memory that no one has touched yet, and into a file mapping. */
static void unusual_memory(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT), file;
	uint64_t seed = rnd(&t_seed);
	char name[] = "/tmp/geometryXXXXXX";
	char *p;

	p = pages(MiB);
	fill(p, MiB, seed, 0);
	put(fd, p, MiB, at);

	p = mmap(NULL, MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	is_ret(pread(fd, p, MiB, at), MiB, "read into untouched memory");
	holds(p, MiB, seed, 0, "  the data is there");
	munmap(p, MiB);

	/* Zero pages as the source of a write. */
	p = mmap(NULL, MiB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		 -1, 0);
	is_ret(pwrite(fd, p, MiB, at + MiB), MiB, "write from untouched memory");
	dst = pages(MiB);
	get(fd, dst, MiB, at + MiB);
	ok(all(dst, MiB, 0), "  zeroes were written");
	munmap(p, MiB);

	file = mkstemp(name);
	unlink(name);
	if (file < 0 || ftruncate(file, MiB))
		bail("file in /tmp");
	p = mmap(NULL, MiB, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	is_ret(pread(fd, p, MiB, at), MiB, "read into a shared file mapping");
	if (msync(p, MiB, MS_SYNC) || pread(file, dst, MiB, 0) != MiB)
		bail("file in /tmp");
	holds(dst, MiB, seed, 0, "  the file has the data");
	munmap(p, MiB);
	close(file);
	close(fd);
}

int main(int argc, char **argv)
{
	t_begin(argc, argv);
	sizes("4 KiB pages", MADV_NOHUGEPAGE);
	sizes("transparent huge pages", MADV_HUGEPAGE);
	sizes("hugetlb pages", MAP_HUGETLB);
	vectors(O_DIRECT);
	vectors(0);
	unusual_memory();
	return t_end();
}
