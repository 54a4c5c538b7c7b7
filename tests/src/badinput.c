// SPDX-License-Identifier: GPL-2.0
/*
 * Invalid arguments are refused with an errno, and neither the device nor the program's
 * memory is changed: by read/write, vectors, libaio and io_uring, on both paths.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

#define AT (4 * MiB)
#define REGION (9 * MiB)

static char *a, *b;
static uint64_t seed;
static struct io_uring ring;
static io_context_t aio;

enum engine { SYNC, VECTOR, AIO, URING, ENGINES };

static const char *const engine_name[] = {
	"pread/pwrite", "preadv/pwritev", "libaio", "io_uring"
};

static long move(enum engine e, int fd, void *buf, size_t len, off_t off,
		 bool wr)
{
	struct iovec v = { buf, len };
	struct iocb cb, *pcb = &cb;
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_event ev;
	long n;

	switch (e) {
	case SYNC:
		return reterr(wr ? pwrite(fd, buf, len, off)
				 : pread(fd, buf, len, off));
	case VECTOR:
		return reterr(wr ? pwritev(fd, &v, 1, off)
				 : preadv(fd, &v, 1, off));
	case AIO:
		if (wr)
			io_prep_pwrite(&cb, fd, buf, len, off);
		else
			io_prep_pread(&cb, fd, buf, len, off);
		n = io_submit(aio, 1, &pcb);
		if (n != 1)
			return n;
		n = io_getevents(aio, 1, 1, &ev, NULL);
		return n == 1 ? (long)ev.res : n;
	default:
		sqe = io_uring_get_sqe(&ring);
		if (wr)
			io_uring_prep_write(sqe, fd, buf, len, off);
		else
			io_uring_prep_read(sqe, fd, buf, len, off);
		n = io_uring_submit_and_wait(&ring, 1);
		if (n < 0 || io_uring_wait_cqe(&ring, &cqe))
			return -EIO;
		n = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
		return n;
	}
}

static void untouched(const char *what)
{
	static int fd = -1;

	if (fd < 0)
		fd = dev_open(O_RDWR | O_DIRECT);
	get(fd, b, REGION, AT);
	if (holds(b, REGION, seed, 0, "%s: the device's data is untouched",
		  what))
		return;
	/* Restore it, so that one failure does not look like many. */
	fill(b, REGION, seed, 0);
	put(fd, b, REGION, AT);
}

static void misaligned(enum engine e)
{
	const char *n = engine_name[e];
	int fd = dev_open(O_RDWR | O_DIRECT), wr, i;
	size_t lba = dev.lba;
	uint64_t errors = counter("stats/errors");
	struct paths p = path_start();

	memset(a, 0x77, REGION);
	for (wr = 0; wr < 2; wr++) {
		const char *op = wr ? "write" : "read";

		is(move(e, fd, a, lba, AT + 1, wr), -EINVAL,
		   "%s: direct %s at an offset that is off by 1", n, op);
		is(move(e, fd, a, lba, AT + lba / 2, wr), -EINVAL,
		   "%s: direct %s at half a block", n, op);
		is(move(e, fd, a, lba - 1, AT, wr), -EINVAL,
		   "%s: direct %s of a block minus 1 byte", n, op);
		is(move(e, fd, a, lba + lba / 2, AT, wr), -EINVAL,
		   "%s: direct %s of one and a half blocks", n, op);
		is(move(e, fd, a, 1, AT, wr), -EINVAL,
		   "%s: direct %s of 1 byte", n, op);
		for (i = 1; i < 4; i++)
			is(move(e, fd, a + i, lba, AT, wr), -EINVAL,
			   "%s: direct %s, buffer %d bytes past a dword", n, op, i);
	}
	went(p, 0, 0, "%s: no call was counted as successful", n);
	if (dev.counted)
		is(counter("stats/errors"), errors,
		   "%s: no device error was counted", n);
	for (i = 0; i < (int)REGION && a[i] == 0x77; i++)
		;
	is(i, REGION, "%s: the buffer is untouched", n);
	untouched(n);
	close(fd);
}

static void misaligned_vectors(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT);
	static struct iovec v[1025];

	/* The sum is whole blocks, a segment is not whole dwords. */
	v[0] = (struct iovec){ a, 2 };
	v[1] = (struct iovec){ a + PG, dev.lba - 2 };
	is_ret(preadv(fd, v, 2, AT), -EINVAL, "readv: segment of 2 bytes");
	is_ret(pwritev(fd, v, 2, AT), -EINVAL, "writev: segment of 2 bytes");
	v[0] = (struct iovec){ a, dev.lba };
	v[1] = (struct iovec){ a + PG + 2, dev.lba };
	is_ret(preadv(fd, v, 2, AT), -EINVAL, "readv: second segment 2 bytes past a dword");
	is_ret(pwritev(fd, v, 2, AT), -EINVAL, "writev: second segment 2 bytes past a dword");
	v[1] = (struct iovec){ a + PG, dev.lba - 4 };
	is_ret(preadv(fd, v, 2, AT), -EINVAL, "readv: the sum is not whole blocks");
	is_ret(pwritev(fd, v, 2, AT), -EINVAL, "writev: the sum is not whole blocks");
	v[1] = (struct iovec){ a, (size_t)-1 };
	is_ret(preadv(fd, v, 2, AT), -EINVAL, "readv: negative segment length");
	is_ret(preadv(fd, v, 1025, AT), -EINVAL, "readv: more than 1024 segments");
	is_ret(preadv(fd, v, 0, AT), 0, "readv: no segments");
	untouched("vectors");
	close(fd);
}

static bool pinned_none;

struct memory {
	const char *what;
	char *p;
	long rd, wr;		/* expected of a read into it and of a write from it; 1: success */
};

static void bad_memory(enum engine e, int flags)
{
	int fd = dev_open(O_RDWR | flags);
	const char *n = engine_name[e], *path = path_name(flags);
	char *none = pages(PG), *ro = pages(2 * PG), *gone = pages(PG);
	const struct memory m[] = {
		{ "a PROT_NONE page", none, -EFAULT, -EFAULT },
		{ "an unmapped page", gone, -EFAULT, -EFAULT },
		{ "NULL", NULL, -EFAULT, -EFAULT },
		{ "a kernel address", (char *)0xffff888000000000, -EFAULT, -EFAULT },
		{ "a non-canonical address", (char *)0x8000000000000000,
		  -EFAULT, -EFAULT },
		{ "a read-only page", ro, -EFAULT, 1 },
	};
	unsigned int i;
	struct paths p;

	fill(ro, PG, seed, 0);
	mprotect(none, PG, PROT_NONE);
	mprotect(ro, 2 * PG, PROT_READ);
	munmap(gone, PG);
	for (i = pinned_none; i < ARRAY_SIZE(m); i++) {
		p = path_start();
		is(move(e, fd, m[i].p, PG, AT, false), m[i].rd,
		   "%s, %s: read into %s", n, path, m[i].what);
		/* The contents of the read-only page are on the device already. */
		is(move(e, fd, m[i].p, PG, AT, true),
		   m[i].wr == 1 ? (long)PG : m[i].wr,
		   "%s, %s: write from %s", n, path, m[i].what);
		went(p, m[i].wr == 1 && flags, m[i].wr == 1 && !flags,
		     "%s, %s: only what succeeded is counted", n, path);
	}
	holds(ro, PG, seed, 0, "%s, %s: the read-only page is unchanged", n, path);
	untouched(n);
	munmap(none, PG);
	munmap(ro, 2 * PG);
	close(fd);
}

static void hole(enum engine e, int flags, size_t len, size_t at)
{
	const char *n = engine_name[e], *path = path_name(flags);
	int fd = dev_open(O_RDWR | flags);
	char *p = pages(len);

	memset(p, 0x99, len);
	if (pinned_none)
		munmap(p + at, PG);
	else
		mprotect(p + at, PG, PROT_NONE);
	is(move(e, fd, p, len, AT, true), -EFAULT,
	   "%s, %s: write of %zu KiB with a hole at %zu KiB", n, path, len / KiB, at / KiB);
	is(move(e, fd, p, len, AT, false), -EFAULT,
	   "%s, %s: read of %zu KiB with a hole at %zu KiB", n, path, len / KiB, at / KiB);
	munmap(p, len);
	close(fd);
}

/* A hole in the middle or at the end of a long buffer. */
static void holes(enum engine e, int flags)
{
	static const size_t lens[] = { 2 * PG, 64 * KiB, MiB, 8 * MiB };

	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		hole(e, flags, lens[i], lens[i] / 2);
		hole(e, flags, lens[i], lens[i] - PG);
	}
	untouched(engine_name[e]);
}

static void unmapped_segment(int flags)
{
	const char *path = path_name(flags);
	int fd = dev_open(O_RDWR | flags);
	char *p = pages(4 * PG);
	struct iovec v[3] = { { p, PG }, { p + 2 * PG, PG }, { p + 3 * PG, PG } };

	memset(p, 0x99, 4 * PG);
	munmap(p + 2 * PG, PG);
	is_ret(pwritev(fd, v, 3, AT), -EFAULT, "%s: writev with an unmapped segment", path);
	is_ret(preadv(fd, v, 3, AT), -EFAULT, "%s: readv with an unmapped segment", path);
	untouched("writev");
	munmap(p, 2 * PG);
	munmap(p + 3 * PG, PG);
	close(fd);
}

static void wrong_mode(int flags)
{
	const char *path = path_name(flags);
	int fd = dev_open(O_RDONLY | flags);
	enum engine e;

	for (e = 0; e < ENGINES; e++)
		is(move(e, fd, a, PG, AT, true), -EBADF,
		   "%s, %s: write on an O_RDONLY open", engine_name[e], path);
	close(fd);
	fd = dev_open(O_WRONLY | flags);
	for (e = 0; e < ENGINES; e++)
		is(move(e, fd, a, PG, AT, false), -EBADF,
		   "%s, %s: read on an O_WRONLY open", engine_name[e], path);
	close(fd);
	fd = dev_open(O_PATH);
	is_ret(pread(fd, a, PG, AT), -EBADF, "read on an O_PATH open");
	close(fd);
	untouched(path);
}

/* The end of the device (edges.c), by all engines. */
static void across_the_end(enum engine e, int flags)
{
	const char *n = engine_name[e], *path = path_name(flags);
	int fd = dev_open(O_RDWR | flags);
	long lba = dev.lba;

	is(move(e, fd, a, lba, dev.size, false), 0,
	   "%s, %s: read at the end", n, path);
	is(move(e, fd, a, lba, dev.size, true), -ENOSPC,
	   "%s, %s: write at the end", n, path);
	is(move(e, fd, a, 4 * lba, dev.size - lba, false), lba,
	   "%s, %s: read across the end", n, path);
	is(move(e, fd, a, 4 * lba, dev.size - lba, true), lba,
	   "%s, %s: write across the end", n, path);
	is(move(e, fd, a, 0, AT, true), 0, "%s, %s: write of 0 bytes", n, path);
	is(move(e, fd, a, 0, AT, false), 0, "%s, %s: read of 0 bytes", n, path);
	if (e != URING)		/* io_uring takes -1 as the file position */
		is(move(e, fd, a, lba, -lba, false), -EINVAL,
		   "%s, %s: negative offset", n, path);
	is(move(e, fd, a, lba, LLONG_MAX - 2 * lba + 1, true), -ENOSPC,
	   "%s, %s: the highest possible block", n, path);
	is(move(e, fd, a, lba, LLONG_MAX - lba + 1, true), -EINVAL,
	   "%s, %s: an end that overflows", n, path);
	close(fd);
}

/* The cases: each by every engine, and on both paths where they may differ. */

static void alignment(void)
{
	for (enum engine e = 0; e < ENGINES; e++)
		misaligned(e);
}

static void memory(void)
{
	for (enum engine e = 0; e < ENGINES; e++) {
		bad_memory(e, O_DIRECT);
		bad_memory(e, 0);
	}
}

static void memory_with_holes(void)
{
	for (enum engine e = 0; e < ENGINES; e++) {
		holes(e, O_DIRECT);
		holes(e, 0);
	}
	unmapped_segment(O_DIRECT);
	unmapped_segment(0);
}

static void end_of_device(void)
{
	for (enum engine e = 0; e < ENGINES; e++) {
		across_the_end(e, O_DIRECT);
		across_the_end(e, 0);
	}
}

static void open_mode(void)
{
	wrong_mode(O_DIRECT);
	wrong_mode(0);
}

static void setup(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT);

	a = pages(REGION);
	b = pages(REGION);
	pinned_none = pins_prot_none();
	if (pinned_none)
		note("this kernel pins pages that are PROT_NONE: not tested");
	if (io_uring_queue_init(8, &ring, 0) || io_setup(8, &aio))
		bail("io_uring or libaio");
	seed = rnd(&t_seed);
	fill(a, REGION, seed, 0);
	put(fd, a, REGION, AT);
	close(fd);
}

static const struct t_case cases[] = {
	{ "alignment", alignment },
	{ "vectors", misaligned_vectors },
	{ "memory", memory },
	{ "memory_with_holes", memory_with_holes },
	{ "end_of_device", end_of_device },
	{ "open_mode", open_mode },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
