// SPDX-License-Identifier: GPL-2.0
/*
 * Events while I/O is in flight: kill, close, munmap, signals. The device completes each
 * command after SLOW_MS milliseconds (default 800) and reads zeroes (QEMU's null-co with
 * latency-ns), so that a test can act while commands are in flight. (It transfers the
 * data at once and waits after that; see late.c for the opposite.)
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

#define DEPTH_MAX 256

static double latency;		/* seconds */

/* All tasks of the system, kernel threads included. */
static int tasks(void)
{
	DIR *d = opendir("/proc"), *t;
	struct dirent *e, *f;
	char p[300];
	int n = 0;

	while (d && (e = readdir(d))) {
		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(p, sizeof(p), "/proc/%s/task", e->d_name);
		t = opendir(p);
		while (t && (f = readdir(t)))
			n += f->d_name[0] != '.';
		if (t)
			closedir(t);
	}
	if (d)
		closedir(d);
	return n;
}

/* ---- many at once ---- */

struct load {
	const char *what;
	bool uring, wr;
	int flags, depth;
	size_t len;
	uint64_t first, step;
	int commands;		/* one after the other, that a request takes */
};

struct seen {
	int accepted, back;
	bool whole, data;
	uint64_t busy, bounce;	/* in flight, and in use, at the same time */
	int before, during;	/* tasks */
	double submit, all;	/* seconds */
};

#define STRIDE (8 * KiB)

static struct iocb iocbs[DEPTH_MAX], *iocb_list[DEPTH_MAX];

static void prepare(const struct load *l, struct io_uring *ring, int i, int fd, char *b)
{
	uint64_t off = l->first + i * l->step;

	if (l->uring) {
		struct io_uring_sqe *s = io_uring_get_sqe(ring);

		if (l->wr)
			io_uring_prep_write(s, fd, b, l->len, off);
		else
			io_uring_prep_read(s, fd, b, l->len, off);
		io_uring_sqe_set_data64(s, i);
		return;
	}
	if (l->wr)
		io_prep_pwrite(&iocbs[i], fd, b, l->len, off);
	else
		io_prep_pread(&iocbs[i], fd, b, l->len, off);
	iocb_list[i] = &iocbs[i];
}

static void reap_uring(const struct load *l, struct io_uring *ring, struct seen *r)
{
	struct io_uring_cqe *cqe;

	for (; r->back < r->accepted && !io_uring_wait_cqe(ring, &cqe); r->back++) {
		r->whole &= cqe->res == (int)l->len;
		io_uring_cqe_seen(ring, cqe);
	}
	io_uring_queue_exit(ring);
}

static void reap_aio(const struct load *l, io_context_t aio, struct seen *r)
{
	static struct io_event ev[DEPTH_MAX];

	while (r->back < r->accepted) {
		int k = io_getevents(aio, 1, r->accepted - r->back, ev, NULL);

		if (k <= 0)
			break;
		for (r->back += k; k--; )
			r->whole &= ev[k].res == l->len;
	}
	io_destroy(aio);
}

static void submit_and_reap(const struct load *l, struct seen *r)
{
	char *buf = pages(DEPTH_MAX * STRIDE);
	int fd = dev_open(O_RDWR | l->flags), i;
	struct io_uring ring;
	io_context_t aio = 0;
	double t;

	memset(buf, 0xaa, DEPTH_MAX * STRIDE);
	if (l->uring ? io_uring_queue_init(DEPTH_MAX, &ring, 0) : io_setup(DEPTH_MAX, &aio))
		bail("io_uring or libaio");
	*r = (struct seen){ .whole = true, .data = true, .before = tasks() };
	t = now();
	for (i = 0; i < l->depth; i++)
		prepare(l, &ring, i, fd, buf + i * STRIDE);
	r->accepted = l->uring ? io_uring_submit(&ring) : io_submit(aio, l->depth, iocb_list);
	r->submit = now() - t;
	/* Commands that a worker thread sends may follow a little later. */
	do {
		r->busy = counter("leaks/requests");
		r->bounce = counter("leaks/bounce_buffers");
		r->during = tasks();
	} while (r->busy < (uint64_t)l->depth && now() - t < latency * 0.75);
	if (l->uring)
		reap_uring(l, &ring, r);
	else
		reap_aio(l, aio, r);
	r->all = now() - t;
	for (i = 0; i < l->depth && !l->wr; i++)
		r->data &= all_zero(buf + i * STRIDE, l->len);
	munmap(buf, DEPTH_MAX * STRIDE);
	close(fd);
}

static void in_flight(const struct load *l)
{
	struct seen r;
	int tries = 0;
	bool deep, quick;

	/* A busy host makes a try slow; a driver that waits makes every try slow. */
	do {
		struct paths p = path_start();

		submit_and_reap(l, &r);
		is(r.accepted, l->depth, "%s: all %d were accepted", l->what,
		   l->depth);
		ok(r.whole && r.back == l->depth, "%s: all completed with their full length",
		   l->what);
		ok(r.data, "%s: with the device's data", l->what);
		went_by(p, l->flags, l->depth, l->what);
		deep = r.busy >= (uint64_t)l->depth &&
		       (l->flags || r.bounce >= (uint64_t)l->depth);
		quick = r.submit < latency * 0.75 &&
			r.all < latency * (l->commands + 2);
	} while (dev.counted && !(deep && quick) && ++tries < 4);
	if (!dev.counted)
		return;
	ok(deep, "%s: %lu requests were in flight at once, with %lu bounce buffers",
	   l->what, r.busy, r.bounce);
	/* There is no thread per request; a few workers may have started or ended. */
	ok(r.during - r.before <= 4, "%s: %d tasks before, %d during", l->what,
	   r.before, r.during);
	ok(quick, "%s: submitted in %.0f ms, completed in %.0f (the device takes %.0f)",
	   l->what, 1e3 * r.submit, 1e3 * r.all, 1e3 * latency);
}

/* ---- events during I/O ---- */

static bool settled(double limit)
{
	double end = now() + limit;
	bool quiet;

	do {
		quiet = !counter("leaks/requests") &&
			!counter("leaks/pages_pinned") &&
			!counter("leaks/segments_mapped") &&
			!counter("leaks/bounce_buffers");
		if (quiet)
			return true;
		usleep(20000);
	} while (now() < end);
	return false;
}

static void *one_pread(void *v)
{
	char *b = pages(8 * KiB);
	int fd = dev_open(O_RDWR | (v ? O_DIRECT : 0));

	(void)!pread(fd, b, 8 * KiB, 32 * MiB);
	return NULL;
}

#define POOL 64			/* the default of bounce_buffers */

static void flood_ring(int fd, char *buf)
{
	struct io_uring ring;

	if (io_uring_queue_init(FLIGHT_MAX, &ring, 0))
		_exit(2);
	for (int i = 0; i < FLIGHT_MAX; i++) {
		struct io_uring_sqe *s = io_uring_get_sqe(&ring);

		if (i & 1)
			io_uring_prep_write(s, fd, buf + i * PG, PG, i * PG);
		else
			io_uring_prep_read(s, fd, buf + i * PG, PG, i * PG);
	}
	io_uring_submit(&ring);
}

/* Has FLIGHT_MAX requests in flight and one thread in a call, writes to @up, and waits. */
_Noreturn static void victim(int up, bool uring, int flags)
{
	char *buf = pages(FLIGHT_MAX * PG);
	pthread_t id;

	if (uring)
		flood_ring(dev_open(O_RDWR | flags), buf);
	else
		take_off(flags, buf, FLIGHT_MAX, PG, PG);
	pthread_create(&id, NULL, one_pread, (void *)(long)flags);
	usleep(latency * 2e5);
	(void)!write(up, "x", 1);
	for (;;)
		pause();
}

static void resources_in_use(const char *what, int flags)
{
	uint64_t requests = counter("leaks/requests"), pinned = counter("leaks/pages_pinned");

	if (!dev.counted)
		return;
	ok(requests >= 64, "kill, %s: %lu in flight", what, requests);
	if (flags)
		ok(pinned >= 64, "kill, %s: %lu pages pinned", what, pinned);
	else	/* four times as many requests as buffers: the others wait for one */
		is(counter("leaks/bounce_buffers"), POOL,
		   "E, B2: kill, %s: all bounce buffers are in use", what);
}

static void kill_during(const char *what, bool uring, int flags)
{
	int up[2], status;
	pid_t pid;
	double t;
	char c;

	if (pipe(up))
		bail("pipe");
	pid = fork();
	if (!pid)
		victim(up[1], uring, flags);
	if (read(up[0], &c, 1) != 1)
		bail("child");
	resources_in_use(what, flags);
	t = now();
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid");
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	   "kill, %s: the process is gone (%.0f ms)", what, 1e3 * (now() - t));
	ok(settled(30), "kill, %s: nothing is pinned or in flight any more", what);
	close(up[0]);
	close(up[1]);
}

#define IN_FLIGHT 64

static void close_during(int flags)
{
	const char *path = path_name(flags);
	size_t len = IN_FLIGHT * PG;
	char *buf = pages(len);
	struct flight *f;
	int whole, fault;

	memset(buf, 0xaa, len);
	f = take_off(flags, buf, IN_FLIGHT, PG, PG);
	is_ret(close(flight_fd(f)), 0, "close, %s: with 64 in flight", path);
	if (dev.counted)
		ok(counter("leaks/requests") >= IN_FLIGHT, "close, %s: they still are", path);
	land(f, PG, &whole, &fault);
	is(whole, IN_FLIGHT, "close, %s: they completed with their full length", path);
	ok(all_zero(buf, len), "close, %s: with the device's data", path);
	munmap(buf, len);
}

/* The memory is unmapped while the device may still write to it. */
static void munmap_during(int flags)
{
	const char *path = path_name(flags);
	size_t len = IN_FLIGHT * PG;
	char *buf = pages(len);
	int whole, fault, fd;
	struct flight *f;

	memset(buf, 0xaa, len);
	f = take_off(flags, buf, IN_FLIGHT, PG, PG);
	fd = flight_fd(f);
	munmap(buf, len);
	if (dev.counted && flags)
		ok(counter("leaks/pages_pinned") >= IN_FLIGHT,
		   "munmap, %s: the pages are still pinned", path);
	land(f, PG, &whole, &fault);
	/* The copy path may find no memory to copy to: EFAULT, not a crash. */
	is(flags ? whole : whole + fault, IN_FLIGHT, "munmap, %s: the reads completed%s", path,
	   flags ? "" : ", or failed with EFAULT");
	close(fd);
	ok(settled(5), "munmap, %s: nothing is left", path);
}

/* io_destroy() has to wait for what is in flight. */
static void io_destroy_during(int flags)
{
	const char *path = path_name(flags);
	char *buf = pages(IN_FLIGHT * PG);
	struct flight *f = take_off(flags, buf, IN_FLIGHT, PG, PG);

	close(flight_fd(f));
	is(flight_abandon(f), 0, "io_destroy, %s: with 64 in flight", path);
	ok(settled(5), "io_destroy, %s: nothing is left", path);
	munmap(buf, IN_FLIGHT * PG);
}

static void nothing(int sig)
{
	(void)sig;
}

static void *poke(void *v)
{
	usleep(latency * 3e5);
	pthread_kill(*(pthread_t *)v, SIGUSR1);
	return NULL;
}

/* A signal does not interrupt a read of a block device. */
static void signal_during(int flags)
{
	struct sigaction sa = { .sa_handler = nothing };
	pthread_t self = pthread_self(), id;
	int fd = dev_open(O_RDWR | flags);
	char *buf = pages(PG);
	double t = now();

	memset(buf, 0xaa, PG);
	sigaction(SIGUSR1, &sa, NULL);
	pthread_create(&id, NULL, poke, &self);
	is_ret(pread(fd, buf, PG, 0), PG, "signal, %s: the read has its full length",
	       path_name(flags));
	ok(all_zero(buf, PG), "signal, %s: with the device's data",
	   path_name(flags));
	ok(now() - t > latency * 0.8, "signal, %s: it waited for the device",
	   path_name(flags));
	pthread_join(id, NULL);
	close(fd);
}

static void depth(void)
{
	static const struct load loads[] = {
		{ "copy, libaio, 32 reads", false, false, 0, 32, 1000, 17, 5000, 1 },
		{ "copy, libaio, 32 writes of whole blocks", false, true, 0, 32,
		  8 * KiB, 0, 64 * KiB, 1 },
		{ "copy, libaio, 32 writes of parts of blocks", false, true, 0, 32,
		  1000, 8209, 64 * KiB, 2 },
		{ "copy, io_uring, 32 reads", true, false, 0, 32, 1000, 17, 5000, 1 },
		{ "copy, io_uring, 32 writes of whole blocks", true, true, 0, 32,
		  8 * KiB, 0, 64 * KiB, 1 },
		{ "direct, libaio, 256 reads", false, false, O_DIRECT, 256,
		  8 * KiB, 0, 64 * KiB, 1 },
		{ "direct, libaio, 256 writes", false, true, O_DIRECT, 256,
		  8 * KiB, 0, 64 * KiB, 1 },
		{ "direct, io_uring, 256 reads", true, false, O_DIRECT, 256,
		  8 * KiB, 0, 64 * KiB, 1 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(loads); i++)
		in_flight(&loads[i]);
}

static void killed(void)
{
	kill_during("libaio, direct", false, O_DIRECT);
	kill_during("libaio, copy", false, 0);
	kill_during("io_uring, direct", true, O_DIRECT);
	kill_during("io_uring, copy", true, 0);
}

static void closed(void)
{
	close_during(O_DIRECT);
	close_during(0);
}

static void unmapped(void)
{
	munmap_during(O_DIRECT);
	munmap_during(0);
}

static void destroyed(void)
{
	io_destroy_during(O_DIRECT);
	io_destroy_during(0);
}

static void signalled(void)
{
	signal_during(O_DIRECT);
	signal_during(0);
}

static void setup(void)
{
	const char *ms = getenv("SLOW_MS");

	latency = (ms ? atof(ms) : 800) / 1e3;
}

static const struct t_case cases[] = {
	{ "depth", depth },
	{ "killed", killed },
	{ "closed", closed },
	{ "unmapped", unmapped },
	{ "destroyed", destroyed },
	{ "signalled", signalled },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
