// SPDX-License-Identifier: GPL-2.0
/*
 * Large calls: more pages than a command, an interrupt handler or the software IOTLB can
 * take at once. The cases need different machines; tests/dma.t selects them with -t.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

/* Memory in 4 KiB pages that has not been touched. */
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
 * All pages are the zero page, so none are contiguous and the scatterlist fills up. The
 * driver must not read beyond its end.
 */
static void zero_pages(void)
{
	const size_t most = dev.size < 1024 * MiB ? dev.size : 1024 * MiB;
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *p = untouched(most);
	size_t len;

	is_ret(pwrite(fd, p, most, 0), most,
	       "A1: %zu MiB of untouched memory written", most / MiB);
	/* 33 pages fill the preallocated arrays. */
	is_ret(pwrite(fd, p + 512, 128 * KiB, 0), 128 * KiB,
	       "A1: 33 pages of untouched memory written");
	/* Sizes around those of the allocator fill the allocated ones. */
	for (len = 160 * KiB; len <= 8 * MiB; len += len / 4 / PG * PG)
		if (pwrite(fd, p, len, 0) != (ssize_t)len)
			break;
	ok(len > 8 * MiB, "A1: 160 KiB to 8 MiB of untouched memory written");
	munmap(p, most);
	close(fd);
}

/*
 * Many folios in few scatterlist entries, since they are contiguous: huge pages that have
 * been split. Only root can request that.
 */
static char *contiguous_folios(size_t len)
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

/* Reads and writes of many pages; tests/guest/dma traces where they are unpinned. */
static void pinned(void)
{
	const size_t len = 6 * MiB;
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *p = contiguous_folios(len);
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

/* ---- calls that do not fit into the software IOTLB ---- */

/* Write and read back as one call each, with contents. */
static bool round_trip(int fd, char *p, size_t len, uint64_t at)
{
	uint64_t seed = at + len;
	ssize_t n;

	fill(p, len, seed, 0);
	n = pwrite(fd, p, len, at);
	if (n != (ssize_t)len) {
		note("write of %zu at %llu: %lld", len, (unsigned long long)at,
		     reterr(n));
		return false;
	}
	memset(p, 0, len);
	n = pread(fd, p, len, at);
	if (n != (ssize_t)len) {
		note("read of %zu at %llu: %lld", len, (unsigned long long)at,
		     reterr(n));
		return false;
	}
	n = differs(p, len, seed, 0);
	if (n >= 0)
		note("%zu at %llu: byte %zd is wrong", len,
		     (unsigned long long)at, n);
	return n < 0;
}

static void one_call(void)
{
	const size_t len = 100 * MiB;
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *p = untouched(len + PG);

	ok(round_trip(fd, p, len, 0), "C9: 100 MiB in one call");
	ok(round_trip(fd, p + 516, 20 * MiB + dev.lba, 4 * MiB),
	   "C9: 20 MiB and a block from the middle of a page in one call");
	munmap(p, len + PG);
	close(fd);
}

/* Blocks that begin in one segment, and mapping window, and end in another. */
static void segments(void)
{
	static struct iovec iov[1024];
	const size_t len = 12 * MiB, room = 2 * len + 8 * PG;
	int fd = dev_open(O_RDWR | O_DIRECT), turn, i;
	uint64_t seed, from, r = t_seed;
	char *p = untouched(room);
	bool good = true;

	for (turn = 0; turn < 6 && good; turn++) {
		const int n = turn & 1 ? 1024 : 200;
		size_t left = len, at = 4 * below(&r, PG / 4);

		for (i = 0; i < n; i++) {
			size_t mean = left / (n - i);
			size_t take = 4 + 4 * below(&r, mean / 3);

			if (i == n - 1)
				take = left;
			iov[i] = (struct iovec){ p + at, take };
			left -= take;
			at += take + 4 * below(&r, 200);
		}
		seed = rnd(&r);
		for (i = 0, from = 0; i < n; from += iov[i++].iov_len)
			fill(iov[i].iov_base, iov[i].iov_len, seed, from);
		good &= pwritev(fd, iov, n, 8 * MiB) == (ssize_t)len;
		memset(p, 0, room);
		good &= preadv(fd, iov, n, 8 * MiB) == (ssize_t)len;
		for (i = 0, from = 0; i < n; from += iov[i++].iov_len)
			good &= differs(iov[i].iov_base, iov[i].iov_len, seed,
					from) < 0;
		if (!good)
			note("turn %d, %d segments, errno %d", turn, n, errno);
	}
	ok(good, "C9: 12 MiB in 200 and in 1024 segments of any length");
	munmap(p, room);
	close(fd);
}

struct worker {
	pthread_t thread;
	uint64_t at;
	bool good;
};

static void *work(void *arg)
{
	const size_t len = 12 * MiB;
	struct worker *w = arg;
	int fd = dev_open(O_RDWR | O_DIRECT), i;
	char *p = untouched(len);

	w->good = true;
	for (i = 0; i < 3; i++)
		w->good &= round_trip(fd, p, len - i * (2 * MiB + dev.lba),
				      w->at + i * 4096);
	for (i = 0; i < 50; i++)
		w->good &= round_trip(fd, p, 4096 + 4096 * (i % 3),
				      w->at + i * 64 * KiB);
	munmap(p, len);
	close(fd);
	return NULL;
}

static void threads(void)
{
	struct worker w[8];
	unsigned int i, good = 0;

	for (i = 0; i < ARRAY_SIZE(w); i++) {
		w[i].at = i * 16 * MiB;
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			bail("pthread_create");
	}
	for (i = 0; i < ARRAY_SIZE(w); i++) {
		pthread_join(w[i].thread, NULL);
		good += w[i].good;
	}
	is(good, ARRAY_SIZE(w), "C9: 8 threads of 12 MiB and 4 to 12 KiB calls");
}

static void aio(void)
{
	enum { N = 32 };
	const size_t len = 2 * MiB;
	int fd = dev_open(O_RDWR | O_DIRECT), i, good = 0;
	struct iocb cb[N], *cbs[N];
	struct io_event ev[N];
	io_context_t ctx = NULL;
	char *p = untouched(N * len);

	if (io_setup(N, &ctx))
		bail("io_setup");
	for (i = 0; i < N; i++) {
		fill(p + i * len, len, i, 0);
		io_prep_pwrite(&cb[i], fd, p + i * len, len, i * len);
		cbs[i] = &cb[i];
	}
	is(io_submit(ctx, N, cbs), N, "C9: libaio: 32 writes of 2 MiB submitted");
	if (io_getevents(ctx, N, N, ev, NULL) == N)
		for (i = 0; i < N; i++)
			good += ev[i].res == len;
	is(good, N, "C9: libaio:   all written");
	memset(p, 0, N * len);
	for (i = 0; i < N; i++)
		io_prep_pread(&cb[i], fd, p + i * len, len, i * len);
	is(io_submit(ctx, N, cbs), N, "C9: libaio: 32 reads of 2 MiB submitted");
	good = 0;
	if (io_getevents(ctx, N, N, ev, NULL) == N)
		for (i = 0; i < N; i++)
			good += ev[i].res == len &&
				differs(p + i * len, len, i, 0) < 0;
	is(good, N, "C9: libaio:   all read, with the right data");
	io_destroy(ctx);
	munmap(p, N * len);
	close(fd);
}

static void await(struct io_uring *ring, int n, int *res)
{
	struct io_uring_cqe *cqe;

	while (n--) {
		if (io_uring_wait_cqe(ring, &cqe))
			bail("io_uring_wait_cqe");
		res[cqe->user_data] = cqe->res;
		io_uring_cqe_seen(ring, cqe);
	}
}

/* Reads into registered buffers, and passthrough. */
static void registered(int fd, char *p)
{
	enum { N = 8 };
	const size_t len = 4 * MiB;
	struct iovec iov = { p, N * len };
	int res[N], i, good = 0;
	struct io_uring r;

	if (io_uring_queue_init(N, &r, 0) || io_uring_register_buffers(&r, &iov, 1))
		bail("io_uring");
	for (i = 0; i < N; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&r);

		io_uring_prep_read_fixed(sqe, fd, p + i * len, len, i * len, 0);
		sqe->user_data = i;
	}
	io_uring_submit(&r);
	await(&r, N, res);
	for (i = 0; i < N; i++)
		good += res[i] == (int)len;
	is(good, N, "C9: io_uring: 8 reads of 4 MiB into registered memory");
	ok(differs(p, N * len, 5, 0) < 0, "C9: io_uring:   with the right data");
	io_uring_queue_exit(&r);
}

static void passthrough(int fd, char *p)
{
	static const unsigned int lens[] = { 4096, 64 * KiB, 512 * KiB };
	struct io_uring r;
	int res;

	if (io_uring_queue_init(1, &r, IORING_SETUP_SQE128 | IORING_SETUP_CQE32))
		bail("io_uring");
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&r);
		struct nvme_uring_cmd c = {
			.opcode = 2, .nsid = dev_nsid(), .addr = (uintptr_t)p,
			.data_len = lens[i], .cdw10 = MiB / dev.lba,
			.cdw12 = lens[i] / dev.lba - 1,
		};

		memset(p, 0, lens[i]);
		prep_command(sqe, fd, NVME_URING_CMD_IO, &c);
		io_uring_submit(&r);
		await(&r, 1, &res);
		ok(!res && differs(p, lens[i], 5, MiB) < 0,
		   "C9: io_uring: passthrough of %u bytes (%d)", lens[i], res);
	}
	io_uring_queue_exit(&r);
}

static void ring(void)
{
	const size_t len = 32 * MiB;
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *p = untouched(len);

	fill(p, len, 5, 0);
	put(fd, p, len, 0);
	memset(p, 0, len);
	registered(fd, p);
	if (dev.counted)
		passthrough(fd, p);
	munmap(p, len);
	close(fd);
}

/* The commands of all mapping windows go to one poll queue, which the caller polls. */
static void polled(void)
{
	const size_t len = 8 * MiB;
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *p = untouched(len);
	struct iovec iov = { p, len };

	fill(p, len, 9, 0);
	is_ret(pwritev2(fd, &iov, 1, 0, RWF_HIPRI), len, "C9: 8 MiB written, polled");
	memset(p, 0, len);
	is_ret(preadv2(fd, &iov, 1, 0, RWF_HIPRI), len, "C9: 8 MiB read, polled");
	holds(p, len, 9, 0, "C9:   with the right data");
	munmap(p, len);
	close(fd);
}

/* For a slow device, so that the software IOTLB stays full for a while. */
static void nowait(void)
{
	enum { N = 48 };
	const size_t len = MiB;
	int fd = dev_open(O_RDWR | O_DIRECT), res[N], i, flags;
	char *p = untouched(N * len);
	struct io_uring r;

	memset(p, 0, N * len);
	if (io_uring_queue_init(N, &r, 0))
		bail("io_uring_queue_init");
	for (flags = RWF_NOWAIT; flags >= 0; flags -= RWF_NOWAIT) {
		int good = 0, again = 0;

		for (i = 0; i < N; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&r);

			io_uring_prep_read(sqe, fd, p + i * len, len, i * len);
			sqe->rw_flags = flags;
			sqe->user_data = i;
		}
		io_uring_submit(&r);
		await(&r, N, res);
		for (i = 0; i < N; i++) {
			good += res[i] == (int)len;
			again += res[i] == -EAGAIN;
			if (res[i] != (int)len && res[i] != -EAGAIN)
				note("read %d: %d", i, res[i]);
		}
		note("%d read, %d EAGAIN", good, again);
		if (flags)
			ok(good && again && good + again == N,
			   "C9: RWF_NOWAIT: reads are done, or refused because there is no room");
		else
			is(good, N, "C9: may wait: all reads are done");
	}
	io_uring_queue_exit(&r);
	munmap(p, N * len);
	close(fd);
}

/* A process that waits for room can be killed; commands in flight complete. */
static void killed(void)
{
	const size_t len = 32 * MiB;
	int i, status, died = 0;
	pid_t pid[8];

	for (i = 0; i < 8; i++) {
		pid[i] = fork();
		if (pid[i])
			continue;
		for (;;) {
			int fd = dev_open(O_RDWR | O_DIRECT);
			char *p = untouched(len);

			if (pread(fd, p, len, 0) != (ssize_t)len)
				_exit(1);
			munmap(p, len);
			close(fd);
		}
	}
	sleep(1);
	for (i = 0; i < 8; i++)
		kill(pid[i], SIGKILL);
	for (i = 0; i < 8; i++) {
		waitpid(pid[i], &status, 0);
		died += WIFSIGNALED(status);
	}
	is(died, 8, "C9: processes that read 32 MiB can be killed");
}

/* A little of everything; tests/guest/dma traces where the IOTLB copies. */
static void copied(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *p = untouched(MiB);

	ok(round_trip(fd, p, 4096, 0) && round_trip(fd, p, 8192, 0) &&
	   round_trip(fd, p, 128 * KiB, 0) && round_trip(fd, p + 4, 512 * KiB, 0),
	   "C9: 4 KiB to 512 KiB");
	munmap(p, MiB);
	close(fd);
	ring();
}

static const struct t_case cases[] = {
	{ "zero_pages", zero_pages },
	{ "pinned", pinned },
	{ "one_call", one_call },
	{ "segments", segments },
	{ "threads", threads },
	{ "aio", aio },
	{ "ring", ring },
	{ "polled", polled },
	{ "nowait", nowait },
	{ "killed", killed },
	{ "copied", copied },
};

int main(int argc, char **argv)
{
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
