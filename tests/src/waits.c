// SPDX-License-Identifier: GPL-2.0
/*
 * Who waits for what: many waiters, few tags and bounce buffers, pollers that do
 * not poll, waiters that are killed. Each case ends because everybody gets
 * his turn; where one does not, nothing moves any more, and the case fails after
 * NVDIO_STILL seconds (default 60) without a single I/O.
 *
 * NVDIO_CASE=B1 runs the cases of that name alone.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

/* I/Os that came back, of all processes of a case; one line for each. */
#define MAX_WORKERS 64
static struct progress {
	_Alignas(64) volatile uint64_t done;
	volatile bool bad;
} *progress;
static volatile bool *stop;

typedef void work_fn(int nr, struct progress *p);

struct crew {
	pid_t pid[MAX_WORKERS];
	int nr;
};

/* Start @n processes that do @fn until they are done or *stop is set. */
static void start(struct crew *c, int n, work_fn *fn)
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

static int still_limit(void)
{
	return getenv("NVDIO_STILL") ? atoi(getenv("NVDIO_STILL")) : 60;
}

/*
 * Wait for the end of all. Returns false, and leaves them behind, if nothing
 * has moved for too long; *@bad is the number of those that saw an error.
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
			for (int i = 0; i < c->nr; i++) {
				if (c->pid[i] != pid)
					continue;
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
		} else if (now() - moved > still_limit()) {
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

	ok(ended, "%s: nobody stands still (%llu I/Os)", text, (unsigned long long)all_done());
	is(bad, 0, "%s: no error", text);
	if (!ended)
		exit(t_end());
}

static bool may_move(int nr, struct progress *p, bool good)
{
	(void)nr;
	p->done++;
	if (!good) {
		p->bad = true;
		fprintf(stderr, "# worker %d: %s\n", nr, strerror(errno));
	}
	return good && !*stop;
}

#define ROUNDS 60

/* ---- B1: claims and bounce buffers ---- */

static void big_write(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	char *b = malloc(MiB);

	memset(b, nr, MiB);
	for (int i = 0; i < ROUNDS / 4; i++)
		if (!may_move(nr, p, pwrite(fd, b, MiB, 0) == (ssize_t)MiB))
			break;
}

static void small_write(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	char b[100];

	memset(b, nr, sizeof(b));
	for (int i = 0; i < ROUNDS; i++)
		if (!may_move(nr, p, pwrite(fd, b, sizeof(b), 4096 * (i % 200) + 77) == sizeof(b)))
			break;
}

static void zero_range(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);

	for (int i = 0; i < ROUNDS / 4; i++) {
		uint64_t range[2] = { 0, MiB };

		if (!may_move(nr, p, !ioctl(fd, BLKZEROOUT, range)))
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

static void aio_copies(int nr, struct progress *p, int n, int rounds, bool write, size_t len)
{
	int fd = dev_open(O_RDWR);
	char *b = pages(len);
	io_context_t aio = NULL;
	struct iocb *cb = calloc(n, sizeof(*cb)), *list[1];
	struct io_event ev[64];
	int flying = 0, sent = 0;

	if (io_setup(n, &aio))
		bail("io_setup");
	memset(b, nr, len);
	while (sent < n * rounds || flying) {
		while (flying < n && sent < n * rounds) {
			struct iocb *io = &cb[sent % n];
			long long off = (sent % 50) * MiB / 2 + 333;

			/* Slots come back out of order: their contents are all alike. */
			if (write)
				io_prep_pwrite(io, fd, b, len, off);
			else
				io_prep_pread(io, fd, b, len, off);
			list[0] = io;
			if (io_submit(aio, 1, list) != 1) {
				may_move(nr, p, false);
				return;
			}
			sent++;
			flying++;
		}
		int got = io_getevents(aio, 1, 64, ev, NULL);

		for (int i = 0; i < got; i++) {
			flying--;
			errno = -(long)ev[i].res;
			may_move(nr, p, ev[i].res == len);
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

static void killed_one(int nr, struct progress *p)
{
	(void)nr;
	aio_copies(nr, p, 250, 1000, false, MiB);
}

static void one_read(int nr, struct progress *p)
{
	int fd = dev_open(O_RDONLY);
	char b[1000];

	may_move(nr, p, pread(fd, b, sizeof(b), 5) == sizeof(b));
}

static void killed_copies(void)
{
	for (int i = 0; i < 5; i++) {
		struct crew c;
		int status;

		begin(&c);
		start(&c, 1, killed_one);
		for (double t = now(); !all_done() && now() - t < 60;)
			usleep(1000);
		kill(c.pid[0], SIGKILL);
		for (double t = now(); waitpid(c.pid[0], &status, WNOHANG) != c.pid[0];) {
			usleep(10000);
			if (now() - t < still_limit())
				continue;
			ok(false, "B2: a process that is killed with 250 copies in flight ends");
			exit(t_end());
		}
		c.nr = 0;
		start(&c, 1, one_read);
		all_end(&c, "B2: after kill -9 with 250 copies in flight");
	}
}

/* ---- B3: few tags, many submitters ---- */

static void direct_reads(int nr, struct progress *p)
{
	int fd = dev_open(O_RDONLY | O_DIRECT);
	char *b = pages(16 * KiB);

	for (int i = 0; i < 12; i++)
		if (!may_move(nr, p, pread(fd, b, 4096 + 12288 * (i & 1), (nr * 64 + i) * 16384) > 0))
			break;
}

static void direct_writes(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *b = pages(16 * KiB);

	for (int i = 0; i < ROUNDS; i++)
		if (!may_move(nr, p, pwrite(fd, b, 16384, (i % 8) * 16384) == 16384))
			break;
}

/* Waiters go to another processor, and so to another queue, in their sleep. */
static void move_about(const struct crew *c)
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

/* It is the last ones whom nobody else's end wakes up, so there are many lasts. */
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
			move_about(&c);
		all_end(&c, "B3: more submitters than tags");
		kill(mover, SIGKILL);
		waitpid(mover, NULL, 0);
	}
}

/* ---- B4: commands that change nobody knows which blocks ---- */

static void partial_for_ever(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	char b[700];

	memset(b, nr, sizeof(b));
	for (int i = 0; may_move(nr, p, pwrite(fd, b, sizeof(b), 40 * MiB + nr * 8 * KiB + 7) == sizeof(b)); i++)
		;
}

static void aligned_one(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *b = pages(8192);

	for (int i = 0; i < 3; i++)
		may_move(nr, p, pwrite(fd, b, 8192, 40 * MiB) == 8192);
}

static void dsm(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	struct { uint32_t attr, nlb; uint64_t slba; } range = { 0, 1, 50 * MiB / dev.lba };

	for (int i = 0; i < 3; i++) {
		struct nvme_passthru_cmd c = {
			.opcode = 9, .nsid = ioctl(fd, NVME_IOCTL_ID), .addr = (uintptr_t)&range,
			.data_len = sizeof(range), .cdw11 = 4,
		};

		if (!may_move(nr, p, !ioctl(fd, NVME_IOCTL_IO_CMD, &c)))
			break;
	}
}

static void fair_order(void)
{
	struct crew writers, c;
	int bad;
	bool ended = false;

	begin(&writers);
	start(&writers, 16, partial_for_ever);
	c = (struct crew){ .nr = 0 };
	for (int i = 0; i < 2; i++) {
		pid_t pid = fork();

		if (!pid) {
			struct progress *p = &progress[16 + i];

			if (i)
				aligned_one(16 + i, p);
			else
				dsm(16 + i, p);
			_exit(p->bad);
		}
		c.pid[c.nr++] = pid;
	}
	/* Not when the writers move, but when these two do. */
	for (double t = now(); now() - t < 2 * still_limit(); usleep(20000)) {
		ended = progress[16].done >= 3 && progress[17].done >= 3;
		if (ended)
			break;
	}
	is(progress[16].done, 3, "B4: Dataset Management among 16 partial writers gets its turn");
	is(progress[17].done, 3, "B4: so does a direct write");
	*stop = true;
	if (!ended)
		exit(t_end());
	writers.pid[writers.nr++] = c.pid[0];
	writers.pid[writers.nr++] = c.pid[1];
	ok(finish(&writers, &bad) && !bad, "B4: and all end");
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

/* Reads of one submit. */
enum { PLUGGED = 4000 };

/*
 * Many reads in one submit, by a process of their own: a worker thread stays for
 * seconds after it had something to do. progress[0] is the number of reads that
 * were refused at first, progress[1] that of the threads.
 */
static void one_submit(int fd, char *b)
{
	uint64_t eagain = counter("stats/nowait_eagain");
	int good = 0, sent;
	struct io_uring r;
	double t;

	if (io_uring_queue_init(4096, &r, 0))
		bail("ring");
	for (int i = 0; i < PLUGGED; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&r);

		/* Not one behind the other, which a block device would merge. */
		io_uring_prep_read(sqe, fd, b, 4096, (uint64_t)(i * 1237 % PLUGGED) * 8192);
	}
	t = now();
	sent = io_uring_submit(&r);
	progress[1].done = threads();
	for (int i = 0; i < PLUGGED; i++) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(&r, &cqe))
			bail("cqe");
		good += cqe->res == 4096;
		io_uring_cqe_seen(&r, cqe);
	}
	t = now() - t;
	progress[0].done = counter("stats/nowait_eagain") - eagain;
	if (sent != PLUGGED || good != PLUGGED) {
		note("B6: %d reads sent, %d came back", sent, good);
		progress[0].bad = true;
	}
	note("B6: %.1f ms, %llu threads, %llu times EAGAIN", t * 1e3,
	     (unsigned long long)progress[1].done, (unsigned long long)progress[0].done);
}

/*
 * The device keeps up, for it is told of the first reads before the last are
 * submitted: 2,977 were refused when it was not. It does not always keep up on a
 * host whose processors are busy with other things, but sometimes.
 */
static void long_plug(void)
{
	int fd = dev_open(O_RDONLY | O_DIRECT);
	/* Where tags are few, there have to be some. */
	bool few = dev.counted && counter("../queue_depth") < 1024;
	uint64_t least = PLUGGED, threads_then = 0;
	char *b = pages(4096);
	bool bad = false;

	for (int i = 0; i < (few ? 1 : 30) && least; i++) {
		struct crew c;
		int failed;

		begin(&c);
		c.pid[c.nr++] = fork();
		if (!c.pid[0]) {
			one_submit(fd, b);
			fflush(stdout);
			_exit(progress[0].bad);
		}
		bad |= !finish(&c, &failed) || failed;
		if (progress[0].done < least) {
			least = progress[0].done;
			threads_then = progress[1].done;
		}
	}
	ok(!bad, "B6: all reads of a long submit come back");
	if (!few) {
		ok(least < PLUGGED / 10, "B6: hardly any of 4,000 reads in one submit is refused (%llu)",
		   (unsigned long long)least);
		ok(least || threads_then == 1, "B6: and where none is, there is no worker thread");
	}
	close(fd);
}

/* ---- B10: rests of large writes that wait for claims ---- */

static void large_direct(int nr, struct progress *p)
{
	enum { N = 64, ROUND = 3 };
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *b = pages(MiB);
	struct io_uring r;

	memset(b, nr, MiB);
	if (io_uring_queue_init(N, &r, 0))
		bail("ring");
	for (int round = 0; round < ROUND; round++) {
		for (int i = 0; i < N; i++)
			io_uring_prep_write(io_uring_get_sqe(&r), fd, b, MiB, 0);
		io_uring_submit(&r);
		for (int i = 0; i < N; i++) {
			struct io_uring_cqe *cqe;

			if (io_uring_wait_cqe(&r, &cqe))
				bail("cqe");
			errno = -cqe->res;
			may_move(nr, p, cqe->res == (int)MiB);
			io_uring_cqe_seen(&r, cqe);
		}
	}
}

static void rests(void)
{
	struct crew c;

	begin(&c);
	start(&c, 6, large_direct);
	start(&c, 4, copies_write);
	start(&c, 4, small_write);
	all_end(&c, "B10: large direct writes among partial writes of the same blocks");
}

/* ---- B9: a Format while partial writes are under way ---- */

enum { FORMAT_BLOCKS = 512, FORMAT_BYTE = 7 };

/* One byte of each block, many at a time; until *stop. */
static void byte_writes(int nr, struct progress *p)
{
	enum { N = 64 };
	int fd = dev_open(O_RDWR);
	char b = 1;
	io_context_t aio = NULL;
	struct iocb cb[N], *list[1];
	struct io_event ev[N];
	int flying = 0;

	if (io_setup(N, &aio))
		bail("io_setup");
	for (int i = nr; !*stop || flying; i++) {
		if (!*stop && flying < N) {
			io_prep_pwrite(&cb[i % N], fd, &b, 1,
				       (uint64_t)(i % FORMAT_BLOCKS) * dev.lba + FORMAT_BYTE);
			list[0] = &cb[i % N];
			if (io_submit(aio, 1, list) == 1)
				flying++;
			continue;
		}
		int got = io_getevents(aio, 1, N, ev, NULL);

		for (int j = 0; j < got; j++) {
			flying--;
			errno = -(long)ev[j].res;
			may_move(nr, p, ev[j].res == 1);
		}
	}
}

/* The namespace's present LBA format, with 4096 bytes of Identify Namespace. */
static int lba_format(int fd)
{
	unsigned char id[4096];
	struct nvme_passthru_cmd c = {
		.opcode = 6, .nsid = ioctl(fd, NVME_IOCTL_ID), .addr = (uintptr_t)id, .data_len = sizeof(id),
	};

	if (ioctl(fd, NVME_IOCTL_ADMIN_CMD, &c))
		bail("identify");
	return id[26] & 15;
}

static void formatted(void)
{
	size_t len = (size_t)FORMAT_BLOCKS * dev.lba;
	int fd = dev_open(O_RDWR | O_DIRECT), old = 0, ret = 0;
	char *b = pages(len);
	struct nvme_passthru_cmd c = {
		.opcode = 0x80, .nsid = ioctl(fd, NVME_IOCTL_ID), .cdw10 = lba_format(fd),
		.timeout_ms = 600000,
	};

	for (int i = 0; i < 8 && !ret; i++) {
		struct crew writers;
		uint64_t before;
		int bad;

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
			old += b[j] && (j % dev.lba != FORMAT_BYTE || b[j] != 1);
	}
	is(ret, 0, "B9: Format while partial writes are under way");
	is(old, 0, "B9: no byte from before it comes back");
	close(fd);
}

/* ---- B11: memory that does not come ---- */

static void *uffd_region(int *uffd, size_t len)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg;
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	*uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (*uffd < 0 || p == MAP_FAILED || ioctl(*uffd, UFFDIO_API, &api))
		bail("userfaultfd: %s", strerror(errno));
	reg = (struct uffdio_register){
		.range = { (uintptr_t)p, len }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	if (ioctl(*uffd, UFFDIO_REGISTER, &reg))
		bail("UFFDIO_REGISTER: %s", strerror(errno));
	return p;
}

/* The rest of its memory never comes; it writes, if @nr is odd. */
static void absent(int nr, struct progress *p)
{
	enum { N = 16 };
	int fd = dev_open(O_RDWR), uffd;
	char *b = uffd_region(&uffd, N * MiB);
	io_context_t aio = NULL;
	struct iocb cb[N], *list[N];
	struct io_event ev;

	if (io_setup(N, &aio))
		bail("io_setup");
	for (int i = 0; i < N; i++) {
		io_prep_pread(&cb[i], fd, b + i * MiB, MiB, i * MiB);
		list[i] = &cb[i];
	}
	may_move(nr, p, true);
	io_submit(aio, N, list);
	io_getevents(aio, 1, 1, &ev, NULL);
}

/* A partial write from memory that never comes, and its blocks. */
static void absent_write(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR), uffd;
	char *b = uffd_region(&uffd, MiB);

	may_move(nr, p, true);
	(void)!pwrite(fd, b, 1000, 60 * MiB + 5);
}

static void others(int nr, struct progress *p)
{
	int fd = dev_open(O_RDWR);
	char *b = malloc(MiB);

	memset(b, 1, MiB);
	for (int i = 0; i < 4; i++) {
		may_move(nr, p, pread(fd, b, MiB, i * MiB) == (ssize_t)MiB);
		may_move(nr, p, pwrite(fd, b, MiB - 9, 60 * MiB + i) == (ssize_t)MiB - 9);
	}
}

static void absent_memory(void)
{
	struct crew bad_ones, c;

	begin(&bad_ones);
	start(&bad_ones, 4, absent);
	start(&bad_ones, 2, absent_write);
	for (double t = now(); all_done() < 6 && now() - t < 60;)
		usleep(1000);
	usleep(300000);
	c = bad_ones;
	c.nr = 0;
	memset(&progress[0], 0, 6 * sizeof(*progress));
	c.nr = 0;
	start(&c, 4, others);
	all_end(&c, "B11: others, while 6 processes' memory does not come");
	for (int i = 0; i < bad_ones.nr; i++)
		kill(bad_ones.pid[i], SIGKILL);
	for (int i = 0; i < bad_ones.nr; i++)
		waitpid(bad_ones.pid[i], NULL, 0);
	ok(true, "B11: and these end when they are killed");
}

/* ---- A4: who does not poll ---- */

static void not_polled(void)
{
	struct io_uring r;
	struct crew c;
	struct { uint32_t attr, nlb; uint64_t slba; } range = { 0, 1, 0 };
	int fd = dev_open(O_RDWR | O_DIRECT);
	int flags = IORING_SETUP_IOPOLL | IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	struct io_uring_sqe *sqe;
	struct nvme_uring_cmd cmd = {
		.opcode = 9, .nsid = ioctl(fd, NVME_IOCTL_ID), .addr = (uintptr_t)&range,
		.data_len = sizeof(range), .cdw11 = 4, .timeout_ms = UINT32_MAX,
	};

	if (!counter("../poll_queue_count"))
		return;
	if (io_uring_queue_init(64, &r, flags))
		bail("IOPOLL ring");
	sqe = io_uring_get_sqe(&r);
	prep_command(sqe, fd, NVME_URING_CMD_IO, &cmd);
	/* io_uring_submit() would poll for it, too. */
	io_uring_smp_store_release(r.sq.ktail, r.sq.sqe_tail);
	is(io_uring_enter(r.ring_fd, 1, 0, 0, NULL), 1, "A4: a polled command is sent");
	/* Not at once: it may be on its way back already. */
	usleep(200000);
	ok(counter("leaks/requests") >= 1, "A4: and in flight, as nobody polls for it");
	begin(&c);
	start(&c, 2, small_write);
	start(&c, 2, direct_writes);
	start(&c, 2, dsm);
	all_end(&c, "A4: writers of blocks for which a command that nobody polls is in flight");
	io_uring_queue_exit(&r);
	close(fd);
}

/* ---- a command fails while others of its call are in flight ---- */

static void cut_one(int fd, char *b, bool sync)
{
	long long at = atoll(getenv("BAD_AT")), ret;

	if (sync) {
		struct iovec v = { b, MiB };

		ret = reterr(preadv2(fd, &v, 1, at, RWF_NOWAIT));
	} else {
		struct io_uring_cqe *cqe;
		struct io_uring r;

		if (io_uring_queue_init(8, &r, 0))
			bail("ring");
		io_uring_prep_read(io_uring_get_sqe(&r), fd, b, MiB, at);
		io_uring_submit(&r);
		if (io_uring_wait_cqe(&r, &cqe))
			bail("cqe");
		ret = cqe->res;
		io_uring_queue_exit(&r);
	}
	ok(ret < 0 && ret != -EAGAIN, "cut: %s: the error is reported (%lld)", sync ? "preadv2" : "io_uring", ret);
	is(counter("leaks/requests"), 0, "cut: after all of its commands are over");
	is(counter("leaks/bounce_buffers"), 0, "cut: and their buffers are back");
}

/* More chunks than tags, the first of which fails before the last is sent. */
static void cut(void)
{
	int fd = dev_open(O_RDWR);
	char *b = pages(MiB);

	if (!getenv("BAD_AT"))
		return;
	memset(b, 1, MiB);
	cut_one(fd, b, false);
	cut_one(fd, b, true);
	close(fd);
}

static const struct {
	const char *row;
	void (*fn)(void);
} cases[] = {
	{ "B1", claims_and_buffers },
	{ "B2", killed_copies },
	{ "B13", parked_copies },
	{ "B3", few_tags },
	{ "B4", fair_order },
	{ "B6", long_plug },
	{ "B9", formatted },
	{ "B10", rests },
	{ "B11", absent_memory },
	{ "A4", not_polled },
	{ "cut", cut },
};

int main(int argc, char **argv)
{
	const char *only = getenv("NVDIO_CASE");

	t_begin(argc, argv);
	progress = mmap(NULL, MAX_WORKERS * sizeof(*progress) + 4096, PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED)
		bail("mmap");
	stop = (bool *)&progress[MAX_WORKERS];
	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		double t = now();

		if (only && strcmp(only, cases[i].row))
			continue;
		cases[i].fn();
		note("%s took %.1f s", cases[i].row, now() - t);
	}
	return t_end();
}
