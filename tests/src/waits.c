// SPDX-License-Identifier: GPL-2.0
/*
 * Waiters for tags, bounce buffers and claims on blocks: many of them for few resources,
 * pollers that do not poll, waiters that are killed. Each case ends because all waiters
 * get their turn. If one does not, no I/O completes any more, and the case fails after
 * NVDIO_STALL seconds (default 60) without a single completion.
 *
 * The names of the cases are the rows of docs/review-1.md.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

/* What the processes of a case share: completed I/Os, a cache line each, and an end. */
#define MAX_WORKERS 64
static struct progress {
	atomic_ullong done __attribute__((aligned(64)));
	atomic_bool bad;
} *progress;
static atomic_bool *stop;

struct crew {
	pid_t pid[MAX_WORKERS];
	int nr;
};

/* Start @n processes that run @fn, until it returns or *stop is set. */
static void start(struct crew *c, int n, void (*fn)(int nr, struct progress *p))
{
	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			bail("fork");
		if (!pid) {
			fn(c->nr, &progress[c->nr]);
			_exit(progress[c->nr].bad);
		}
		c->pid[c->nr++] = pid;
	}
}

static uint64_t all_done(void)
{
	uint64_t sum = 0;

	for (int i = 0; i < MAX_WORKERS; i++)
		sum += progress[i].done;
	return sum;
}

static int stall_limit(void)
{
	return getenv("NVDIO_STALL") ? atoi(getenv("NVDIO_STALL")) : 60;
}

static bool member(const struct crew *c, pid_t pid)
{
	for (int i = 0; i < c->nr; i++)
		if (c->pid[i] == pid)
			return true;
	return false;
}

/*
 * Wait until all processes have ended. Returns false, and kills them, if there was no
 * progress for too long; *@bad is the number of processes that saw an error.
 */
static bool finish(struct crew *c, int *bad)
{
	uint64_t last = all_done();
	double moved = now();
	int left = c->nr;

	*bad = 0;
	while (left) {
		int status;
		pid_t pid = waitpid(-1, &status, WNOHANG);

		if (pid > 0) {
			if (member(c, pid)) {
				left--;
				*bad += !WIFEXITED(status) || WEXITSTATUS(status);
			}
			moved = now();
			continue;
		}
		usleep(20000);
		if (all_done() != last) {
			last = all_done();
			moved = now();
		} else if (now() - moved > stall_limit()) {
			for (int i = 0; i < c->nr; i++)
				kill(c->pid[i], SIGKILL);
			return false;
		}
	}
	return true;
}

static void begin(struct crew *c)
{
	memset(progress, 0, MAX_WORKERS * sizeof(*progress));
	*stop = false;
	memset(c, 0, sizeof(*c));
}

/* The usual end of a case. */
static void all_end(struct crew *c, const char *text)
{
	int bad;
	bool ended = finish(c, &bad);

	ok(ended, "%s: no stall (%llu I/Os)", text, (unsigned long long)all_done());
	is(bad, 0, "%s: no error", text);
	if (!ended)
		exit(t_end());
}

/* Count an I/O; false when the process has to end. errno is the error if it is not @good. */
static bool may_go_on(int nr, struct progress *p, bool good)
{
	p->done++;
	if (!good) {
		p->bad = true;
		fprintf(stderr, "# worker %d: %s\n", nr, strerror(errno));
	}
	return good && !*stop;
}

#define WRITES 60

/* ---- B1: claims and bounce buffers ---- */

static void big_write(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	char *b = malloc(MiB);

	memset(b, nr, MiB);
	for (int i = 0; i < WRITES / 4; i++)
		if (!may_go_on(nr, p, pwrite(fd, b, MiB, 0) == (ssize_t)MiB))
			break;
}

static void small_write(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	char b[100];

	memset(b, nr, sizeof(b));
	for (int i = 0; i < WRITES; i++) {
		off_t off = 4096 * (i % 200) + 77;

		if (!may_go_on(nr, p, pwrite(fd, b, sizeof(b), off) == sizeof(b)))
			break;
	}
}

static void zero_range(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);

	for (int i = 0; i < WRITES / 4; i++) {
		uint64_t range[2] = { 0, MiB };

		if (!may_go_on(nr, p, !ioctl(fd, BLKZEROOUT, range)))
			break;
	}
}

static void claims_and_buffers(void)
{
	struct crew c;

	begin(&c);
	start(&c, 16, big_write);
	start(&c, 4, small_write);
	start(&c, 2, zero_range);
	all_end(&c, "B1: large and partial writes, and zeroing, of the same blocks");
}

/* ---- B2, B13: many asynchronous copies for few buffers ---- */

static bool send_copy(io_context_t aio, struct iocb *io, int fd, bool write, char *b,
		      size_t len, long long off)
{
	if (write)
		io_prep_pwrite(io, fd, b, len, off);
	else
		io_prep_pread(io, fd, b, len, off);
	return io_submit(aio, 1, &io) == 1;
}

/* @n * @times copies, @n at a time. */
static void aio_copies(int nr, struct progress *p, int n, int times, bool write, size_t len)
{
	int fd = dev_open(O_RDWR);
	char *b = pages(len);
	io_context_t aio = NULL;
	struct iocb *cb = calloc(n, sizeof(*cb));
	struct io_event ev[64];
	int flying = 0, sent = 0, got;

	if (io_setup(n, &aio))
		bail("io_setup");
	memset(b, nr, len);
	while (sent < n * times || flying) {
		for (; flying < n && sent < n * times; sent++, flying++) {
			long long off = (sent % 50) * MiB / 2 + 333;

			/* Slots complete out of order, but all have the same contents. */
			if (!send_copy(aio, &cb[sent % n], fd, write, b, len, off)) {
				may_go_on(nr, p, false);
				return;
			}
		}
		got = io_getevents(aio, 1, 64, ev, NULL);
		for (int i = 0; i < got; i++) {
			flying--;
			errno = -(long)ev[i].res;
			may_go_on(nr, p, ev[i].res == len);
		}
	}
	io_destroy(aio);
}

static void copies_read(int nr, struct progress *p)
{
	aio_copies(nr, p, 64, 16, false, 5000);
}

static void copies_write(int nr, struct progress *p)
{
	aio_copies(nr, p, 64, 4, true, 3001);
}

static void parked_copies(void)
{
	struct crew c;

	begin(&c);
	start(&c, 4, copies_read);
	start(&c, 4, copies_write);
	all_end(&c, "B13: more asynchronous copies than buffers");
}

static void many_copies(int nr, struct progress *p)
{
	aio_copies(nr, p, 250, 1000, false, MiB);
}

static void one_read(int nr, struct progress *p)
{
	int fd = dev_open(O_RDONLY);
	char b[1000];

	may_go_on(nr, p, pread(fd, b, sizeof(b), 5) == sizeof(b));
}

/* Kill a process with many copies in flight, and wait until it is gone. */
static void kill_copier(void)
{
	struct crew c;
	int status;

	begin(&c);
	start(&c, 1, many_copies);
	for (double t = now(); !all_done() && now() - t < 60;)
		usleep(1000);
	kill(c.pid[0], SIGKILL);
	for (double t = now(); waitpid(c.pid[0], &status, WNOHANG) != c.pid[0];) {
		usleep(10000);
		if (now() - t < stall_limit())
			continue;
		ok(false, "B2: a process that is killed with 250 copies in flight ends");
		exit(t_end());
	}
}

static void killed_copies(void)
{
	for (int i = 0; i < 5; i++) {
		struct crew c;

		kill_copier();
		begin(&c);
		start(&c, 1, one_read);
		all_end(&c, "B2: after kill -9 with 250 copies in flight");
	}
}

/* ---- B3: few tags, many submitters ---- */

static void direct_reads(int nr, struct progress *p)
{
	int fd = dev_open(O_RDONLY | O_DIRECT);
	char *b = pages(16 * KiB);

	for (int i = 0; i < 12; i++) {
		size_t len = 4096 + 12288 * (i & 1);

		if (!may_go_on(nr, p, pread(fd, b, len, (nr * 64 + i) * 16384) > 0))
			break;
	}
}

static void direct_writes(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *b = pages(16 * KiB);

	for (int i = 0; i < WRITES; i++)
		if (!may_go_on(nr, p, pwrite(fd, b, 16384, (i % 8) * 16384) == 16384))
			break;
}

/* Move sleeping waiters to other CPUs, and so to other queues. */
_Noreturn static void migrate(const struct crew *c)
{
	int cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t seed = t_seed;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (int i = 0;; i++) {
		cpu_set_t cpu;

		CPU_ZERO(&cpu);
		CPU_SET(below(&seed, cpus), &cpu);
		sched_setaffinity(c->pid[i % c->nr], sizeof(cpu), &cpu);
	}
}

/*
 * A lost wake-up shows only at the last waiters, which no later completion wakes, so
 * there are many runs.
 */
static void few_tags(void)
{
	for (int i = 0; i < 15; i++) {
		struct crew c;
		pid_t mover;

		begin(&c);
		start(&c, 40, direct_reads);
		if (i & 1)
			start(&c, 4, small_write);
		mover = fork();
		if (!mover)
			migrate(&c);
		all_end(&c, "B3: more submitters than tags");
		kill(mover, SIGKILL);
		waitpid(mover, NULL, 0);
	}
}

/* ---- B4: commands whose blocks are unknown ---- */

static void partial_for_ever(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	off_t off = 40 * MiB + nr * 8 * KiB + 7;
	char b[700];

	memset(b, nr, sizeof(b));
	while (may_go_on(nr, p, pwrite(fd, b, sizeof(b), off) == sizeof(b)))
		;
}

static void aligned_one(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *b = pages(8192);

	for (int i = 0; i < 3; i++)
		may_go_on(nr, p, pwrite(fd, b, 8192, 40 * MiB) == 8192);
}

struct dsm_range {
	uint32_t attr, nlb;
	uint64_t slba;
};

static void dsm(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	struct dsm_range range = { .nlb = 1, .slba = 50 * MiB / dev.lba };

	for (int i = 0; i < 3; i++) {
		struct nvme_passthru_cmd c = {
			.opcode = 9, .nsid = dev_nsid(), .addr = (uintptr_t)&range,
			.data_len = sizeof(range), .cdw11 = 4,
		};

		if (!may_go_on(nr, p, !ioctl(fd, NVME_IOCTL_IO_CMD, &c)))
			break;
	}
}

#define WRITERS 16

/* Two processes that are numbered after the writers: WRITERS and WRITERS + 1. */
static void start_others(struct crew *c)
{
	static void (*const others[])(int nr, struct progress *p) = { dsm, aligned_one };

	for (int i = 0; i < 2; i++) {
		struct progress *p = &progress[WRITERS + i];
		pid_t pid = fork();

		if (pid < 0)
			bail("fork");
		if (!pid) {
			others[i](WRITERS + i, p);
			_exit(p->bad);
		}
		c->pid[c->nr++] = pid;
	}
}

static void fair_order(void)
{
	struct progress *dsm_done, *write_done;
	struct crew c;
	int bad;
	bool ended = false;

	begin(&c);
	dsm_done = &progress[WRITERS];
	write_done = &progress[WRITERS + 1];
	start(&c, WRITERS, partial_for_ever);
	start_others(&c);
	/* Progress of the writers does not count here, only that of the other two. */
	for (double t = now(); now() - t < 2 * stall_limit() && !ended; usleep(20000))
		ended = dsm_done->done >= 3 && write_done->done >= 3;
	is(dsm_done->done, 3, "B4: Dataset Management among 16 partial writers gets its turn");
	is(write_done->done, 3, "B4: so does a direct write");
	*stop = true;
	if (!ended)
		exit(t_end());
	ok(finish(&c, &bad) && !bad, "B4: and all end");
}

/* ---- B6: the doorbell within a plug ---- */

static int threads(void)
{
	DIR *d = opendir("/proc/self/task");
	int n = -2;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

/* Reads in one submit. */
#define PLUGGED 4000

/* Returns how many of the reads succeed. */
static int reap_reads(struct io_uring *r)
{
	int good = 0;

	for (int i = 0; i < PLUGGED; i++) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(r, &cqe))
			bail("cqe");
		good += cqe->res == 4096;
		io_uring_cqe_seen(r, cqe);
	}
	return good;
}

/*
 * Many reads in one submit, in a process of its own, since an io_uring worker thread
 * stays for seconds after its work. progress[0] is the number of reads that were refused
 * at first, progress[1] the number of threads.
 */
static void one_submit(int fd, char *b)
{
	uint64_t eagain = counter("stats/nowait_eagain");
	struct io_uring r;
	int good, sent;
	double t;

	if (io_uring_queue_init(4096, &r, 0))
		bail("io_uring");
	for (int i = 0; i < PLUGGED; i++)
		/* Not contiguous, or a block device would merge them. */
		io_uring_prep_read(io_uring_get_sqe(&r), fd, b, 4096,
				   (uint64_t)(i * 1237 % PLUGGED) * 8192);
	t = now();
	sent = io_uring_submit(&r);
	progress[1].done = threads();
	good = reap_reads(&r);
	t = now() - t;
	progress[0].done = counter("stats/nowait_eagain") - eagain;
	if (sent != PLUGGED || good != PLUGGED) {
		note("B6: %d reads submitted, %d succeeded", sent, good);
		progress[0].bad = true;
	}
	note("B6: %.1f ms, %llu threads, %llu times EAGAIN", t * 1e3, progress[1].done,
	     progress[0].done);
}

/* The fewest refused reads of up to @tries submits, and how many threads there were. */
static bool fewest_refused(int tries, unsigned long long *least, unsigned long long *nr_threads)
{
	int fd = dev_open(O_RDONLY | O_DIRECT);
	char *b = pages(4096);
	bool good = true;

	*least = PLUGGED;
	for (int i = 0; i < tries && *least; i++) {
		struct crew c;
		int failed;

		begin(&c);
		fflush(stdout);
		c.pid[c.nr++] = fork();
		if (!c.pid[0]) {
			one_submit(fd, b);
			fflush(stdout);
			_exit(progress[0].bad);
		}
		good &= finish(&c, &failed) && !failed;
		if (progress[0].done < *least) {
			*least = progress[0].done;
			*nr_threads = progress[1].done;
		}
	}
	close(fd);
	return good;
}

static void long_plug(void)
{
	unsigned long long least, nr_threads;

	ok(fewest_refused(1, &least, &nr_threads), "B6: all reads of a long submit complete");
}

/*
 * The device keeps up, because the doorbell is written before the last read is submitted;
 * without that, 2,977 reads were refused. A device on a busy host does not keep up in
 * each try, hence several.
 */
static void long_plug_refused(void)
{
	unsigned long long least, nr_threads = 0;

	if (dev.counted && counter("../queue_depth") < 1024) {
		t_skip("B6: with a queue depth below 1024, some reads must be refused");
		return;
	}
	ok(fewest_refused(30, &least, &nr_threads), "B6: all reads of long submits complete");
	ok(least < PLUGGED / 10, "B6: hardly any of 4,000 reads in one submit is refused (%llu)",
	   least);
	ok(least || nr_threads == 1, "B6: and if none is, there is no worker thread");
}

/* ---- B10: remainders of large writes that wait for claims ---- */

static void large_direct(int nr, struct progress *p)
{
	enum { N = 64, TIMES = 3 };
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *b = pages(MiB);
	struct io_uring r;

	memset(b, nr, MiB);
	if (io_uring_queue_init(N, &r, 0))
		bail("io_uring");
	for (int k = 0; k < TIMES; k++) {
		for (int i = 0; i < N; i++)
			io_uring_prep_write(io_uring_get_sqe(&r), fd, b, MiB, 0);
		io_uring_submit(&r);
		for (int i = 0; i < N; i++) {
			struct io_uring_cqe *cqe;

			if (io_uring_wait_cqe(&r, &cqe))
				bail("cqe");
			errno = -cqe->res;
			may_go_on(nr, p, cqe->res == (int)MiB);
			io_uring_cqe_seen(&r, cqe);
		}
	}
}

static void remainders(void)
{
	struct crew c;

	begin(&c);
	start(&c, 6, large_direct);
	start(&c, 4, copies_write);
	start(&c, 4, small_write);
	all_end(&c, "B10: large direct writes among partial writes of the same blocks");
}

/* ---- B9: a Format during partial writes ---- */

#define FORMAT_BLOCKS 512
#define FORMAT_BYTE 7

#define BYTES 64		/* writes in flight */

/* One byte of each block, many at a time, until *stop is set. */
static void byte_writes(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR), flying = 0, got;
	char b = 1;
	io_context_t aio = NULL;
	struct iocb cb[BYTES];
	struct io_event ev[BYTES];

	if (io_setup(BYTES, &aio))
		bail("io_setup");
	for (int i = nr; !*stop || flying; i++) {
		if (!*stop && flying < BYTES) {
			long long off = (i % FORMAT_BLOCKS) * (long long)dev.lba + FORMAT_BYTE;

			flying += send_copy(aio, &cb[i % BYTES], fd, true, &b, 1, off);
			continue;
		}
		got = io_getevents(aio, 1, BYTES, ev, NULL);
		for (int j = 0; j < got; j++) {
			flying--;
			errno = -(long)ev[j].res;
			may_go_on(nr, p, ev[j].res == 1);
		}
	}
}

/* The current LBA format, from Identify Namespace. */
static int lba_format(int fd)
{
	unsigned char id[4096];
	struct nvme_passthru_cmd c = {
		.opcode = 6, .nsid = dev_nsid(), .addr = (uintptr_t)id,
		.data_len = sizeof(id),
	};

	if (ioctl(fd, NVME_IOCTL_ADMIN_CMD, &c))
		bail("identify");
	return id[26] & 15;
}

/* Format among partial writers; counts in *@old the bytes from before that are left. */
static int format_once(int fd, char *b, int *old)
{
	size_t len = (size_t)FORMAT_BLOCKS * dev.lba;
	struct nvme_passthru_cmd c = {
		.opcode = 0x80, .nsid = dev_nsid(), .cdw10 = lba_format(fd), .timeout_ms = 600000,
	};
	struct crew writers;
	uint64_t before;
	int bad, ret;

	memset(b, 0xa5, len);
	put(fd, b, len, 0);
	begin(&writers);
	start(&writers, 4, byte_writes);
	for (before = all_done(); all_done() < before + 200;)
		usleep(1000);
	ret = ioctl(fd, NVME_IOCTL_ADMIN_CMD, &c);
	*stop = true;
	if (!finish(&writers, &bad) || bad)
		ok(false, "B9: writers end (%d errors)", bad);
	get(fd, b, len, 0);
	for (size_t j = 0; j < len; j++)
		*old += b[j] && (j % dev.lba != FORMAT_BYTE || b[j] != 1);
	return ret;
}

static void formatted(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT), old = 0, ret = 0;
	char *b = pages((size_t)FORMAT_BLOCKS * dev.lba);

	for (int i = 0; i < 8 && !ret; i++)
		ret = format_once(fd, b, &old);
	is(ret, 0, "B9: Format during partial writes");
	is(old, 0, "B9: no byte from before the Format comes back");
	close(fd);
}

/* ---- B11: memory that is never populated ---- */

/* Reads into memory that is never populated. */
static void absent_reads(int nr, struct progress *p)
{
	enum { N = 16 };
	int fd = dev_open(O_RDWR), uffd;
	char *b = missing_pages(N * MiB, &uffd);
	io_context_t aio = NULL;
	struct iocb cb[N], *list[N];
	struct io_event ev;

	if (io_setup(N, &aio))
		bail("io_setup");
	for (int i = 0; i < N; i++) {
		io_prep_pread(&cb[i], fd, b + i * MiB, MiB, i * MiB);
		list[i] = &cb[i];
	}
	may_go_on(nr, p, true);
	io_submit(aio, N, list);
	io_getevents(aio, 1, 1, &ev, NULL);
}

/* A partial write from such memory, which keeps its claim on the blocks. */
static void absent_write(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR), uffd;
	char *b = missing_pages(MiB, &uffd);

	may_go_on(nr, p, true);
	(void)!pwrite(fd, b, 1000, 60 * MiB + 5);
}

static void others(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	char *b = malloc(MiB);

	memset(b, 1, MiB);
	for (int i = 0; i < 4; i++) {
		const ssize_t len = MiB - 9;

		may_go_on(nr, p, pread(fd, b, MiB, i * MiB) == (ssize_t)MiB);
		may_go_on(nr, p, pwrite(fd, b, len, 60 * MiB + i) == len);
	}
}

static void absent_memory(void)
{
	struct crew waiting, c;

	begin(&waiting);
	start(&waiting, 4, absent_reads);
	start(&waiting, 2, absent_write);
	for (double t = now(); all_done() < 6 && now() - t < 60;)
		usleep(1000);
	usleep(300000);
	memset(&progress[0], 0, 6 * sizeof(*progress));
	c.nr = 0;
	start(&c, 4, others);
	all_end(&c, "B11: others, while 6 processes wait for their memory");
	for (int i = 0; i < waiting.nr; i++)
		kill(waiting.pid[i], SIGKILL);
	for (int i = 0; i < waiting.nr; i++)
		waitpid(waiting.pid[i], NULL, 0);
	ok(true, "B11: those 6 end when they are killed");
}

/* ---- A4: a task that does not poll ---- */

/* Send a polled Dataset Management command to @r, and do not poll for it. */
static void send_unpolled(struct io_uring *r, int fd, const struct dsm_range *range)
{
	int flags = IORING_SETUP_IOPOLL | IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	struct nvme_uring_cmd cmd = {
		.opcode = 9, .nsid = dev_nsid(), .addr = (uintptr_t)range,
		.data_len = sizeof(*range), .cdw11 = 4, .timeout_ms = UINT32_MAX,
	};

	if (io_uring_queue_init(64, r, flags))
		bail("io_uring with IOPOLL");
	prep_command(io_uring_get_sqe(r), fd, NVME_URING_CMD_IO, &cmd);
	/* io_uring_submit() would poll. */
	io_uring_smp_store_release(r->sq.ktail, r->sq.sqe_tail);
	is(io_uring_enter(r->ring_fd, 1, 0, 0, NULL), 1, "A4: a polled command is sent");
}

static void not_polled(void)
{
	const struct dsm_range range = { .nlb = 1 };
	struct io_uring r;
	struct crew c;
	int fd;

	if (!counter("../poll_queue_count")) {
		t_skip("A4: no poll queues");
		return;
	}
	fd = dev_open(O_RDWR | O_DIRECT);
	send_unpolled(&r, fd, &range);
	/* Not at once: it may be about to complete. */
	usleep(200000);
	ok(counter("leaks/requests") >= 1, "A4: it is in flight, as no task polls for it");
	begin(&c);
	start(&c, 2, small_write);
	start(&c, 2, direct_writes);
	start(&c, 2, dsm);
	all_end(&c, "A4: writes to the blocks of a command that is not polled for");
	io_uring_queue_exit(&r);
	close(fd);
}

/* ---- a command fails while others of its call are in flight ---- */

static long long cut_sync(int fd, char *b, long long at)
{
	struct iovec v = { b, MiB };

	return reterr(preadv2(fd, &v, 1, at, RWF_NOWAIT));
}

static long long cut_uring(int fd, char *b, long long at)
{
	struct io_uring_cqe *cqe;
	struct io_uring r;
	long long ret;

	if (io_uring_queue_init(8, &r, 0))
		bail("io_uring");
	io_uring_prep_read(io_uring_get_sqe(&r), fd, b, MiB, at);
	io_uring_submit(&r);
	if (io_uring_wait_cqe(&r, &cqe))
		bail("cqe");
	ret = cqe->res;
	io_uring_queue_exit(&r);
	return ret;
}

static void check_cut(const char *by, long long ret)
{
	ok(ret < 0 && ret != -EAGAIN, "cut: %s: the error is reported (%lld)", by, ret);
	is(counter("leaks/requests"), 0, "cut: after all of its commands have completed");
	is(counter("leaks/bounce_buffers"), 0, "cut: and their buffers are free");
}

/* More chunks than tags, the first of which fails before the last is sent. */
static void cut(void)
{
	const char *at = getenv("BAD_AT");
	int fd = dev_open(O_RDWR);
	char *b = pages(MiB);

	if (!at) {
		t_skip("cut: there is no bad block (BAD_AT)");
	} else {
		memset(b, 1, MiB);
		check_cut("io_uring", cut_uring(fd, b, atoll(at)));
		check_cut("preadv2", cut_sync(fd, b, atoll(at)));
	}
	close(fd);
}

static void setup(void)
{
	progress = shared_memory(MAX_WORKERS * sizeof(*progress) + 4096);
	stop = (atomic_bool *)&progress[MAX_WORKERS];
}

static const struct t_case cases[] = {
	{ "B1", claims_and_buffers },
	{ "B2", killed_copies },
	{ "B13", parked_copies },
	{ "B3", few_tags },
	{ "B4", fair_order },
	{ "B6", long_plug },
	{ "B6_refused", long_plug_refused },
	{ "B9", formatted },
	{ "B10", remainders },
	{ "B11", absent_memory },
	{ "A4", not_polled },
	{ "cut", cut },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
