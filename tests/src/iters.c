// SPDX-License-Identifier: GPL-2.0
/*
 * Every iterator type that a program can hand to the driver: UBUF (read, pread),
 * IOVEC (readv, preadv2), BVEC (registered buffers, splice, sendfile). Each method
 * writes a pattern that pread() must see, and reads one that pwrite() wrote, on both
 * paths. (KVEC: see kvec.c.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

#define LEN (96 * KiB)		/* not a power of two, more than one PRP list entry */

static char *a, *b;		/* LEN each */
static struct io_uring ring;
static io_context_t aio;

/* A method of moving LEN bytes at an offset; returns bytes or -errno. */
struct method {
	const char *name;
	long (*move)(int fd, char *buf, uint64_t off, bool wr);
	int calls;	/* calls of the driver, 0: any number */
};

static long by_pread(int fd, char *buf, uint64_t off, bool wr)
{
	return reterr(wr ? pwrite(fd, buf, LEN, off)
			    : pread(fd, buf, LEN, off));
}

static long by_read(int fd, char *buf, uint64_t off, bool wr)
{
	long n;

	if (lseek(fd, off, SEEK_SET) != (off_t)off)
		return -errno;
	n = wr ? write(fd, buf, LEN) : read(fd, buf, LEN);
	if (n < 0)
		return -errno;
	/* The file position has to move by what was transferred. */
	return lseek(fd, 0, SEEK_CUR) == (off_t)(off + n) ? n : -ESPIPE;
}

/* Seven segments: LBA-sized ends and unequal middles, all whole blocks. */
static int cut(struct iovec *v, char *buf)
{
	unsigned int n = 7, i, blocks = LEN / dev.lba, used = 0;

	for (i = 0; i < n; i++) {
		unsigned int take = i < n - 1 ? 1 + i % 3 : blocks - used;

		v[i].iov_base = buf + used * dev.lba;
		v[i].iov_len = take * dev.lba;
		used += take;
	}
	return n;
}

static long by_preadv(int fd, char *buf, uint64_t off, bool wr)
{
	struct iovec v[8];
	int n = cut(v, buf);

	return reterr(wr ? pwritev(fd, v, n, off) : preadv(fd, v, n, off));
}

static long by_preadv2(int fd, char *buf, uint64_t off, bool wr)
{
	struct iovec v[8];
	int n = cut(v, buf);

	/* Offset -1: the file position. */
	if (lseek(fd, off, SEEK_SET) != (off_t)off)
		return -errno;
	return reterr(wr ? pwritev2(fd, v, n, -1, 0)
			    : preadv2(fd, v, n, -1, 0));
}

static long by_aio(struct iocb *cb)
{
	struct io_event ev;
	int n = io_submit(aio, 1, &cb);

	if (n != 1)
		return n < 0 ? n : -EIO;
	n = io_getevents(aio, 1, 1, &ev, NULL);
	if (n != 1 || ev.obj != cb)
		return -EIO;
	return ev.res;
}

static long by_aio_pread(int fd, char *buf, uint64_t off, bool wr)
{
	struct iocb cb;

	if (wr)
		io_prep_pwrite(&cb, fd, buf, LEN, off);
	else
		io_prep_pread(&cb, fd, buf, LEN, off);
	return by_aio(&cb);
}

static long by_aio_preadv(int fd, char *buf, uint64_t off, bool wr)
{
	struct iovec v[8];
	int n = cut(v, buf);
	struct iocb cb;

	if (wr)
		io_prep_pwritev(&cb, fd, v, n, off);
	else
		io_prep_preadv(&cb, fd, v, n, off);
	return by_aio(&cb);
}

static long by_ring(void)
{
	struct io_uring_cqe *cqe;
	long res;
	int n = io_uring_submit_and_wait(&ring, 1);

	if (n < 0)
		return n;
	n = io_uring_wait_cqe(&ring, &cqe);
	if (n < 0)
		return n;
	res = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return res;
}

static long by_uring(int fd, char *buf, uint64_t off, bool wr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (wr)
		io_uring_prep_write(sqe, fd, buf, LEN, off);
	else
		io_uring_prep_read(sqe, fd, buf, LEN, off);
	return by_ring();
}

static long by_uring_v(int fd, char *buf, uint64_t off, bool wr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	struct iovec v[8];
	int n = cut(v, buf);

	if (wr)
		io_uring_prep_writev(sqe, fd, v, n, off);
	else
		io_uring_prep_readv(sqe, fd, v, n, off);
	return by_ring();
}

static long by_uring_fixed(int fd, char *buf, uint64_t off, bool wr)
{
	struct iovec v = { buf, LEN };
	struct io_uring_sqe *sqe;
	long n = io_uring_register_buffers(&ring, &v, 1);

	if (n)
		return n;
	sqe = io_uring_get_sqe(&ring);
	if (wr)
		io_uring_prep_write_fixed(sqe, fd, buf, LEN, off, 0);
	else
		io_uring_prep_read_fixed(sqe, fd, buf, LEN, off, 0);
	n = by_ring();
	io_uring_unregister_buffers(&ring);
	return n;
}

/*
 * Through a registered 2 MiB page, at an offset inside it: one bvec larger than
 * a page with bv_offset or iov_offset beyond the first page.
 */
static char *huge;

static long by_uring_fixed_huge(int fd, char *buf, uint64_t off, bool wr)
{
	char *at = huge + 5 * PG + 1028;
	struct iovec v = { huge, 2 * MiB };
	struct io_uring_sqe *sqe;
	long n = io_uring_register_buffers(&ring, &v, 1);

	if (n)
		return n;
	sqe = io_uring_get_sqe(&ring);
	if (wr) {
		memcpy(at, buf, LEN);
		io_uring_prep_write_fixed(sqe, fd, at, LEN, off, 0);
	} else {
		io_uring_prep_read_fixed(sqe, fd, at, LEN, off, 0);
	}
	n = by_ring();
	if (!wr)
		memcpy(buf, at, LEN);
	io_uring_unregister_buffers(&ring);
	return n;
}

/* Move @n bytes from the pipe @in to the device at *@pos. */
static long drain_to_device(int in, int fd, loff_t *pos, long n)
{
	while (n > 0) {
		long k = splice(in, NULL, fd, pos, n, 0);

		if (k <= 0)
			return k ? -errno : -EIO;
		n -= k;
	}
	return 0;
}

/* Move @n bytes from the pipe @in to @buf. */
static long drain_to_memory(int in, char *buf, long n)
{
	while (n > 0) {
		long k = read(in, buf, n);

		if (k <= 0)
			return -EIO;
		buf += k;
		n -= k;
	}
	return 0;
}

static long splice_all(const int *p, int fd, char *buf, loff_t pos, bool wr)
{
	long done = 0, n, err;

	while (done < (long)LEN) {
		struct iovec v = { buf + done, LEN - done };

		n = wr ? vmsplice(p[1], &v, 1, 0)
		       : splice(fd, &pos, p[1], NULL, LEN - done, 0);
		if (n <= 0)
			return n ? -errno : 0;
		err = wr ? drain_to_device(p[0], fd, &pos, n)
			 : drain_to_memory(p[0], buf + done, n);
		if (err)
			return err;
		done += n;
	}
	return done;
}

/* memory -> vmsplice -> pipe -> splice -> device, and back. */
static long by_splice(int fd, char *buf, uint64_t off, bool wr)
{
	long ret;
	int p[2];

	if (pipe(p))
		return -errno;
	if (fcntl(p[0], F_SETPIPE_SZ, (int)(2 * LEN)) < 0)
		ret = -errno;
	else
		ret = splice_all(p, fd, buf, off, wr);
	close(p[0]);
	close(p[1]);
	return ret;
}

/* memfd -> sendfile -> device, and back. */
static long by_sendfile(int fd, char *buf, uint64_t off, bool wr)
{
	int mfd = memfd_create("sendfile", MFD_CLOEXEC);
	long done = 0, n = -EIO;
	loff_t pos = off;

	if (mfd < 0)
		return -errno;
	if (wr && pwrite(mfd, buf, LEN, 0) != LEN)
		goto out;
	if (wr && lseek(fd, off, SEEK_SET) != (off_t)off)
		goto out;
	while (done < (long)LEN) {
		loff_t mpos = done;

		n = wr ? sendfile(fd, mfd, &mpos, LEN - done)
			  : sendfile(mfd, fd, &pos, LEN - done);
		if (n < 0)
			n = -errno;
		if (n <= 0)
			goto out;
		done += n;
	}
	if (!wr && pread(mfd, buf, LEN, 0) != LEN)
		n = -EIO;
	else
		n = done;
out:
	close(mfd);
	return n;
}

static const struct method methods[] = {
	{ "UBUF: pread/pwrite", by_pread, 1 },
	{ "UBUF: read/write at the file position", by_read, 1 },
	{ "IOVEC: preadv/pwritev", by_preadv, 1 },
	{ "IOVEC: preadv2/pwritev2 at the file position", by_preadv2, 1 },
	{ "UBUF: libaio PREAD/PWRITE", by_aio_pread, 1 },
	{ "IOVEC: libaio PREADV/PWRITEV", by_aio_preadv, 1 },
	{ "UBUF: io_uring READ/WRITE", by_uring, 1 },
	{ "IOVEC: io_uring READV/WRITEV", by_uring_v, 1 },
	{ "BVEC: io_uring READ_FIXED/WRITE_FIXED", by_uring_fixed, 1 },
	{ "BVEC: the same, 2 MiB page, odd offset", by_uring_fixed_huge, 1 },
	{ "BVEC: splice, vmsplice", by_splice, 0 },
	{ "BVEC: sendfile", by_sendfile, 0 },
};

static void write_by(const struct method *m, int flags, uint64_t off)
{
	int fd = dev_open(O_RDWR | flags), plain = dev_open(O_RDWR);
	const char *path = path_name(flags);
	uint64_t seed = rnd(&t_seed);
	struct paths p;

	fill(a, LEN, seed, 0);
	memset(b, 0, LEN);
	put(plain, b, LEN, off);
	p = path_start();
	is(m->move(fd, a, off, true), LEN, "%s, %s: write", m->name, path);
	went_by(p, flags, m->calls, m->name);
	get(plain, b, LEN, off);
	holds(b, LEN, seed, 0, "%s, %s: the device has what was written", m->name, path);
	holds(a, LEN, seed, 0, "%s, %s: the source is unchanged", m->name, path);
	close(fd);
	close(plain);
}

static void read_by(const struct method *m, int flags, uint64_t off)
{
	int fd = dev_open(O_RDWR | flags), plain = dev_open(O_RDWR);
	const char *path = path_name(flags);
	uint64_t seed = rnd(&t_seed);
	struct paths p;

	fill(a, LEN, seed, 0);
	put(plain, a, LEN, off);
	memset(b, 0, LEN);
	p = path_start();
	is(m->move(fd, b, off, false), LEN, "%s, %s: read", m->name, path);
	went_by(p, flags, m->calls, m->name);
	holds(b, LEN, seed, 0, "%s, %s: the read returns what the device has", m->name, path);
	close(fd);
	close(plain);
}

static void direct(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(methods); i++) {
		write_by(&methods[i], O_DIRECT, MiB + i * 256 * KiB);
		read_by(&methods[i], O_DIRECT, MiB + i * 256 * KiB);
	}
}

static void copy(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(methods); i++) {
		write_by(&methods[i], 0, 8 * MiB + i * 256 * KiB);
		read_by(&methods[i], 0, 8 * MiB + i * 256 * KiB);
	}
}

/* ---- pages that are side by side for the program, and apart in memory ---- */

#define APART 72			/* pages; more than a PRP list of the driver has */

static char *apart;			/* APART pages and one that is not there */

/*
 * Pages in an order that no allocator has: every second one of twice as many, backwards.
 */
static void setup_apart(void)
{
	char *from = pages(2 * APART * PG);
	struct iovec v;

	apart = mmap(NULL, (APART + 1) * PG, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (apart == MAP_FAILED)
		bail("mmap");
	for (unsigned int i = 0; i < APART; i++)
		if (mremap(from + 2 * (APART - 1 - i) * PG, PG, PG, MREMAP_MAYMOVE | MREMAP_FIXED,
			   apart + i * PG) == MAP_FAILED)
			bail("mremap");
	v = (struct iovec){ apart, APART * PG };
	if (io_uring_register_buffers(&ring, &v, 1))
		bail("registered buffer");
}

static long move_pread(int fd, char *p, size_t n, uint64_t off, bool wr)
{
	return reterr(wr ? pwrite(fd, p, n, off) : pread(fd, p, n, off));
}

/* Two segments, which meet where a page ends, if there is one. */
static long move_preadv(int fd, char *p, size_t n, uint64_t off, bool wr)
{
	size_t first = PG - (uintptr_t)p % PG;
	struct iovec v[2] = { { p, first < n ? first : n } };

	v[1] = (struct iovec){ p + v[0].iov_len, n - v[0].iov_len };
	return reterr(wr ? pwritev(fd, v, 2, off) : preadv(fd, v, 2, off));
}

static long move_aio(int fd, char *p, size_t n, uint64_t off, bool wr)
{
	struct iocb cb;

	if (wr)
		io_prep_pwrite(&cb, fd, p, n, off);
	else
		io_prep_pread(&cb, fd, p, n, off);
	return by_aio(&cb);
}

static long move_fixed(int fd, char *p, size_t n, uint64_t off, bool wr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (wr)
		io_uring_prep_write_fixed(sqe, fd, p, n, off, 0);
	else
		io_uring_prep_read_fixed(sqe, fd, p, n, off, 0);
	return by_ring();
}

static const struct mover {
	const char *name;
	long (*move)(int fd, char *p, size_t n, uint64_t off, bool wr);
	bool pins;
} movers[] = {
	{ "pread", move_pread, true },
	{ "preadv", move_preadv, true },
	{ "libaio", move_aio, true },
	{ "registered", move_fixed, false },
};

/* Write @n bytes at @at in @apart, and read them; true if all is right around them, too. */
static bool there_and_back(int fd, const struct mover *m, size_t at, size_t n, char *back)
{
	uint64_t seed = rnd(&t_seed);
	char *p = apart + at;
	bool good;
	long wrote, got;

	memset(apart, 0x5a, APART * PG);
	fill(p, n, seed, 0);
	wrote = m->move(fd, p, n, MiB, true);
	get(fd, back, n, MiB);
	good = wrote == (long)n && differs(back, n, seed, 0) < 0;
	seed = rnd(&t_seed);
	fill(back, n, seed, 0);
	put(fd, back, n, MiB);
	got = m->move(fd, p, n, MiB, false);
	good = good && got == (long)n && differs(p, n, seed, 0) < 0;
	for (size_t i = 0; good && i < APART * PG; i++)
		good = (i >= at && i < at + n) || apart[i] == 0x5a;
	if (!good)
		note("%s, %zu bytes at +%zu: wrote %ld, read %ld", m->name, n, at, wrote, got);
	return good;
}

static void scattered(void)
{
	static const size_t offsets[] = { 0, 512, 1028, 4092 };
	const size_t sizes[] = {
		dev.lba, 2 * dev.lba, PG, 2 * PG - dev.lba, 2 * PG, 3 * PG, 8 * PG, 32 * PG,
		33 * PG, 64 * PG, 65 * PG, 66 * PG, 70 * PG
	};
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *back = pages(APART * PG);

	setup_apart();
	for (unsigned int i = 0; i < ARRAY_SIZE(movers) * ARRAY_SIZE(offsets); i++) {
		const struct mover *m = &movers[i / ARRAY_SIZE(offsets)];
		size_t at = PG + offsets[i % ARRAY_SIZE(offsets)];
		struct paths p = path_start();
		bool good = true;

		for (unsigned int k = 0; k < ARRAY_SIZE(sizes); k++)
			good &= there_and_back(fd, m, at, sizes[k] / dev.lba * dev.lba ?: dev.lba,
					       back);
		ok(good, "pages apart, %s: 1 block to 280 KiB at +%zu in a page", m->name,
		   at - PG);
		went_by(p, O_DIRECT, 4 * ARRAY_SIZE(sizes), m->name);
	}
	munmap(back, APART * PG);
	close(fd);
}

/* The last page that is needed is not there, or not writable: nothing happens at all. */
static void scattered_fault(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT), read_only;
	char *end;

	if (!apart)
		setup_apart();
	end = apart + APART * PG;
	for (unsigned int i = 0; i < ARRAY_SIZE(movers); i++) {
		const struct mover *m = &movers[i];

		if (!m->pins)
			continue;
		for (size_t n = 2 * PG; n <= 32 * PG; n *= 16) {
			is(m->move(fd, end - n + PG, n, MiB, true), -EFAULT,
			   "%s: write of %zu KiB, the last page is not there", m->name, n / KiB);
			is(m->move(fd, end - n + PG, n, MiB, false), -EFAULT, "%s: read", m->name);
		}
		read_only = mprotect(end - PG, PG, PROT_READ);
		is(m->move(fd, end - 2 * PG, 2 * PG, MiB, false), -EFAULT,
		   "%s: read, the second page is not writable", m->name);
		is(m->move(fd, end - 2 * PG, 2 * PG, MiB, true), 2 * PG, "%s:   a write is fine",
		   m->name);
		if (read_only || mprotect(end - PG, PG, PROT_READ | PROT_WRITE))
			bail("mprotect");
	}
	is(counter("leaks/pages_pinned"), 0, "no page is pinned");
	io_uring_unregister_buffers(&ring);
	close(fd);
}

static void setup(void)
{
	a = pages(LEN);
	b = pages(LEN);
	huge = mmap(NULL, 2 * MiB, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (huge == MAP_FAILED && errno == ENOENT) {
		note("this machine has no huge pages: small ones");
		huge = pages(2 * MiB);
	}
	if (huge == MAP_FAILED)
		bail("no huge page (vm.nr_hugepages)");
	memset(huge, 0, 2 * MiB);
	if (io_uring_queue_init(8, &ring, 0) || io_setup(8, &aio))
		bail("io_uring or libaio");
}

static const struct t_case cases[] = {
	{ "direct", direct },
	{ "copy", copy },
	{ "scattered", scattered },
	{ "scattered_fault", scattered_fault },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
