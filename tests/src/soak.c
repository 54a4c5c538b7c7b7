// SPDX-License-Identifier: GPL-2.0
/*
 * Many kinds of I/O at the same time: large and small writers of the same blocks, by copy
 * and direct; users with blocks of their own, in which every byte is compared; processes
 * killed with hundreds of requests in flight. No worker may stall, whatever the depth of
 * the queues and however few the bounce buffers.
 *
 * usage: soak DEVICE [SECONDS]
 *
 * With SOAK_FAULTS=1, when the driver's allocations are made to fail, calls may fail with
 * ENOMEM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

#define BEAT_US 100000
#define STALL 450		/* beats without any progress; shorter than lab/vm's limit */

#define SHARED (16 * MiB)	/* blocks that many workers write to */
#define OWN MiB			/* blocks of a single worker */
#define BURST 250		/* requests of a process that is killed, at most */
#define WORKERS_MAX 64

struct worker {
	const char *name;
	void (*pass)(struct worker *w);
	unsigned int n;
	atomic_uint passes, failed, wrong;
	atomic_int first;	/* the first unexpected result */
	atomic_bool ended;
	/* the worker's own */
	uint64_t state, at;
	char *buf, *want;
	int direct, copy;
	struct io_uring ring;
};

static struct {
	atomic_bool stop;
	struct worker w[WORKERS_MAX];
} *shared;

static bool faults;
static unsigned int bounce, burst;
static unsigned int nsid;

/* Record the result of a call that should return @want. */
static bool right(struct worker *w, long got, long want)
{
	if (got == want)
		return true;
	if (faults && got == -ENOMEM)
		return false;
	if (!atomic_fetch_add(&w->failed, 1))
		atomic_store(&w->first, got);
	return false;
}

/* ---- writers of the same blocks ---- */

static uint64_t somewhere(struct worker *w, size_t len, size_t unit)
{
	return below(&w->state, (SHARED - len) / unit + 1) * unit;
}

/* Several bounce buffers for each write: more than there are. */
static void large_copy(struct worker *w)
{
	/* With a single buffer, 16 writes of 1 MiB would take a minute. */
	size_t len = (bounce < 8 ? bounce * 256 * KiB : MiB) - below(&w->state, 2) * 100;
	uint64_t off = somewhere(w, len, dev.lba);

	right(w, reterr(pwrite(w->copy, w->buf, len, off)), len);
}

/* Read-modify-write. */
static void small_copy(struct worker *w)
{
	right(w, reterr(pwrite(w->copy, w->buf, 100, somewhere(w, 100, 1))), 100);
}

static void read_copy(struct worker *w)
{
	size_t len = 1 + below(&w->state, 300 * KiB);

	right(w, reterr(pread(w->copy, w->buf, len, somewhere(w, len, 1))), len);
}

static void write_direct(struct worker *w)
{
	size_t len = (1 + below(&w->state, 32)) * PG;

	right(w, reterr(pwrite(w->direct, w->buf, len, somewhere(w, len, PG))), len);
}

/* Write Zeroes, and a command whose blocks the driver does not know. */
static void zero_out(struct worker *w)
{
	uint64_t range[2] = { somewhere(w, 64 * KiB, dev.lba), 64 * KiB };
	unsigned int dsm[4] = { 0, 8, range[0] / dev.lba, 0 };
	struct nvme_passthru_cmd c = {
		.opcode = 9, .nsid = nsid, .addr = (uintptr_t)dsm,
		.data_len = sizeof(dsm), .cdw11 = 4,
	};

	right(w, reterr(ioctl(w->copy, BLKZEROOUT, range)), 0);
	right(w, reterr(ioctl(w->copy, NVME_IOCTL_IO_CMD, &c)), 0);
	right(w, reterr(fsync(w->copy)), 0);
}

/* ---- users with blocks of their own ---- */

static void compared(struct worker *w)
{
	bool d = below(&w->state, 2), wr = below(&w->state, 2);
	size_t unit = d ? dev.lba : 1;
	size_t most = below(&w->state, 8) ? 3 * PG : OWN / 4;
	size_t len = (1 + below(&w->state, most / unit)) * unit;
	uint64_t off = below(&w->state, (OWN - len) / unit + 1) * unit;
	char *at = w->buf + (d ? 4 * below(&w->state, PG / 4) : below(&w->state, PG));
	struct iovec v = { at, len };
	int fd = d ? w->direct : w->copy, flags = 0;

	if (d && !below(&w->state, 4))
		flags = RWF_HIPRI;
	if (wr) {
		fill(at, len, rnd(&w->state), 0);
		if (right(w, reterr(pwritev2(fd, &v, 1, w->at + off, flags)), len))
			memcpy(w->want + off, at, len);
		else	/* part of it may have been written */
			while (pread(w->copy, w->want + off, len, w->at + off) < 0 &&
			       errno == ENOMEM)
				;
		return;
	}
	memset(at, 0x5a, len);
	if (right(w, reterr(preadv2(fd, &v, 1, w->at + off, flags)), len) &&
	    memcmp(at, w->want + off, len))
		atomic_fetch_add(&w->wrong, 1);
}

/* Fill a ring with writes, then with reads of the same blocks. */
static void ringful(struct worker *w, bool direct)
{
	size_t len = direct ? PG : 3000;
	uint64_t seed = rnd(&w->state);
	unsigned int i, k, n = 32;
	bool whole = true;

	for (k = 0; k < 2; k++) {
		if (k)
			memset(w->buf, 0, n * PG);
		else
			fill(w->buf, n * PG, seed, 0);
		for (i = 0; i < n; i++) {
			struct io_uring_sqe *s = io_uring_get_sqe(&w->ring);

			io_uring_prep_rw(k ? IORING_OP_READ : IORING_OP_WRITE, s,
					 direct ? w->direct : w->copy,
					 w->buf + i * PG, len, w->at + i * PG);
		}
		/* Failed allocations may make a submit short. */
		while (io_uring_sq_ready(&w->ring))
			io_uring_submit(&w->ring);
		for (i = 0; i < n; i++) {
			struct io_uring_cqe *cqe;
			int ret = io_uring_wait_cqe(&w->ring, &cqe);

			whole &= right(w, ret ?: cqe->res, len);
			if (!ret)
				io_uring_cqe_seen(&w->ring, cqe);
		}
	}
	for (i = 0; whole && i < n; i++)
		if (differs(w->buf + i * PG, len, seed, i * PG) >= 0)
			atomic_fetch_add(&w->wrong, 1);
}

static void ring_direct(struct worker *w)
{
	ringful(w, true);
}

static void ring_copy(struct worker *w)
{
	ringful(w, false);
}

/* ---- processes that are killed ---- */

static void *write_for_ever(void *v)
{
	struct worker *w = v;
	uint64_t state = pthread_self();

	for (;;) {
		size_t len = MiB - below(&state, 2) * 100;

		(void)!pwrite(w->copy, w->buf, len, below(&state, SHARED - MiB));
	}
	return NULL;
}

static void flood_aio(struct worker *w, int fd, size_t len)
{
	static struct iocb cb[BURST], *pcb[BURST];
	io_context_t aio = 0;

	if (io_setup(burst, &aio))
		return;
	for (int i = 0; i < (int)burst; i++) {
		uint64_t off = somewhere(w, len, PG);

		if (i & 1)
			io_prep_pwrite(&cb[i], fd, w->buf + i * PG, len, off);
		else
			io_prep_pread(&cb[i], fd, w->buf + i * PG, len, off);
		pcb[i] = &cb[i];
	}
	for (int done = 0, n; done < (int)burst; done += n) {
		n = io_submit(aio, burst - done, pcb + done);
		if (n <= 0)
			return;
	}
}

static void flood_ring(struct worker *w, int fd, size_t len, unsigned int setup)
{
	struct io_uring r;

	if (io_uring_queue_init(burst, &r, setup))
		return;
	for (int i = 0; i < (int)burst; i++)
		io_uring_prep_rw(i & 1 ? IORING_OP_WRITE : IORING_OP_READ, io_uring_get_sqe(&r),
				 fd, w->buf + i * PG, len, somewhere(w, len, PG));
	io_uring_submit(&r);
}

_Noreturn static void victim(struct worker *w, unsigned int how, int up)
{
	pthread_t id;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)!write(up, "x", 1);
	switch (how) {
	case 0:
		flood_aio(w, w->copy, 1000);
		break;
	case 1:
		flood_aio(w, w->direct, PG);
		break;
	case 2:
		flood_ring(w, w->copy, 5000, 0);
		break;
	case 3:
		flood_ring(w, w->direct, PG, IORING_SETUP_IOPOLL);
		break;
	default:
		for (int i = 0; i < 8; i++)
			pthread_create(&id, NULL, write_for_ever, w);
	}
	for (;;)
		pause();
}

static void killed(struct worker *w)
{
	unsigned int how = below(&w->state, 6), us = below(&w->state, 30000);
	int up[2], status;
	pid_t pid;
	char c;

	if (pipe2(up, O_CLOEXEC))
		return;
	pid = fork();
	if (!pid)
		victim(w, how, up[1]);
	if (pid > 0) {
		/* It may be killed before it has started I/O, but rarely is. */
		(void)!read(up[0], &c, 1);
		usleep(us);
		kill(pid, SIGKILL);
		if (waitpid(pid, &status, 0) != pid)
			right(w, -errno, 0);
	}
	close(up[0]);
	close(up[1]);
}

/* ---- running all of them ---- */

static const struct {
	const char *name;
	void (*pass)(struct worker *w);
	unsigned int n;
} kinds[] = {
	{ "1 MiB writes by copy", large_copy, 16 },
	{ "100-byte writes", small_copy, 4 },
	{ "reads by copy", read_copy, 2 },
	{ "direct writes", write_direct, 4 },
	{ "zeroes, discards, flushes", zero_out, 2 },
	{ "compared", compared, 6 },
	{ "ring, direct", ring_direct, 2 },
	{ "ring, copy", ring_copy, 2 },
	{ "killed processes", killed, 2 },
};

static void *work(void *v)
{
	struct worker *w = v;

	while (!atomic_load(&shared->stop)) {
		w->pass(w);
		atomic_fetch_add(&w->passes, 1);
	}
	atomic_store(&w->ended, true);
	return NULL;
}

/* Each worker is a process, so that the parent can report one that hangs. */
static void process(struct worker *w)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	w->buf = pages(BURST * PG + MiB);
	w->want = pages(OWN);
	w->direct = dev_open(O_RDWR | O_DIRECT);
	w->copy = dev_open(O_RDWR);
	if (io_uring_queue_init(32, &w->ring, 0))
		bail("ring");
	fill(w->want, OWN, w->at, 0);
	/* Allocations may fail here, too. */
	while (pwrite(w->direct, w->want, OWN, w->at) != OWN)
		if (!faults || errno != ENOMEM)
			bail("first write");
	work(w);
	fflush(stdout);
	_exit(0);
}

/* Blocked tasks into the kernel's log. */
static void show_blocked_tasks(void)
{
	int fd = open("/proc/sysrq-trigger", O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		(void)!write(fd, "w", 1);
}

/*
 * Sleep for a beat; false when no worker has made progress for too long. (A single worker
 * that stalls while others run is found at the end, when they have stopped.)
 */
static bool beat(unsigned int n)
{
	static unsigned int seen, since;
	unsigned int i, all = 0;

	usleep(BEAT_US);
	for (i = 0; i < n; i++)
		all += atomic_load(&shared->w[i].passes) + atomic_load(&shared->w[i].ended);
	since = all == seen ? since + 1 : 0;
	seen = all;
	if (since < STALL)
		return true;
	for (i = 0; i < n; i++)
		if (!atomic_load(&shared->w[i].ended))
			note("%s, worker %u: stalled after %u passes", shared->w[i].name,
			     shared->w[i].n, atomic_load(&shared->w[i].passes));
	return false;
}

static unsigned int parameter(const char *name)
{
	unsigned int v = 0;
	char p[128];
	FILE *f;

	snprintf(p, sizeof(p), "/sys/module/nvdio/parameters/%s", name);
	f = fopen(p, "r");
	if (!f || fscanf(f, "%u", &v) != 1)
		bail("read %s", p);
	fclose(f);
	return v;
}

static pid_t pids[WORKERS_MAX];
static unsigned int nr_workers;
static double seconds = 10;

static void describe_workers(void)
{
	for (unsigned int k = 0; k < ARRAY_SIZE(kinds); k++)
		for (unsigned int i = 0; i < kinds[k].n; i++) {
			struct worker *w = &shared->w[nr_workers];

			w->name = kinds[k].name;
			w->pass = kinds[k].pass;
			w->n = i;
			w->state = rnd(&t_seed) | 1;
			w->at = SHARED + nr_workers * OWN;
			nr_workers++;
		}
	if (dev.size < SHARED + nr_workers * OWN)
		bail("device too small");
}

static void start_workers(void)
{
	fflush(stdout);
	for (unsigned int i = 0; i < nr_workers; i++) {
		pids[i] = fork();
		if (!pids[i])
			process(&shared->w[i]);
		if (pids[i] < 0)
			bail("fork");
	}
}

/* Let them run, tell them to stop, and wait for that; false when they stall. */
static bool run_workers(void)
{
	double end = now() + seconds;
	bool moving = true;
	unsigned int ended;

	while (moving && now() < end)
		moving = beat(nr_workers);
	atomic_store(&shared->stop, true);
	while (moving) {
		ended = 0;
		for (unsigned int i = 0; i < nr_workers; i++)
			ended += atomic_load(&shared->w[i].ended);
		if (ended == nr_workers)
			break;
		moving = beat(nr_workers);
	}
	return moving;
}

/* The test of the workers @w of kind @k. */
static void judge(unsigned int k, const struct worker *w, bool moving)
{
	unsigned int passes = 0, ended = 0, wrong = 0, failed = 0;
	int first = 0;

	for (unsigned int i = 0; i < kinds[k].n; i++, w++) {
		passes += atomic_load(&w->passes);
		ended += atomic_load(&w->ended);
		wrong += atomic_load(&w->wrong);
		failed += atomic_load(&w->failed);
		first = first ?: atomic_load(&w->first);
	}
	ok(!failed && !wrong && passes && (!moving || ended == kinds[k].n),
	   "%s: %u passes, %u failed, %u with wrong data", kinds[k].name, passes, failed, wrong);
	if (failed)
		note("  the first returned %s", first < 0 ? strerrorname_np(-first) : "too little");
}

static void soak(void)
{
	unsigned int i, k;
	bool moving;

	describe_workers();
	start_workers();
	moving = run_workers();
	ok(moving, "no worker stalls (%u workers, %.0f s)", nr_workers, seconds);
	if (!moving)
		show_blocked_tasks();
	for (i = 0; i < nr_workers; i++) {
		kill(pids[i], SIGKILL);
		if (moving)
			waitpid(pids[i], NULL, 0);
	}
	for (i = 0, k = 0; k < ARRAY_SIZE(kinds); i += kinds[k++].n)
		judge(k, &shared->w[i], moving);
}

static void setup(void)
{
	/* It ends by itself; STALL is the limit. */
	alarm(0);
	if (t_args[0])
		seconds = atof(t_args[0]);
	faults = getenv("SOAK_FAULTS");
	bounce = parameter("bounce_buffers");
	burst = bounce < 64 ? 32 : BURST;
	nsid = dev_nsid();
	shared = shared_memory(sizeof(*shared));
}

static const struct t_case cases[] = {
	{ "soak", soak },
};

int main(int argc, char **argv)
{
	t_args_usage = "[SECONDS]";
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
