// SPDX-License-Identifier: GPL-2.0
/*
 * What may happen while I/O is in flight. The device answers each command after
 * SLOW_MS milliseconds (default 800) and reads zeroes, so that "in flight" is
 * a state in which one can look around: QEMU's null-co with latency-ns. (That has
 * the data in memory at once, and only then waits: see late.c.)
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

/* Every task of the system, kernel threads included. */
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
	int rounds;		/* device latencies that one request takes */
};

struct seen {
	int accepted, back;
	bool whole, data;
	uint64_t busy, bounce;	/* most at once */
	int before, during;	/* tasks */
	double submit, all;	/* seconds */
};

static void submit_and_reap(const struct load *l, struct seen *r)
{
	static struct iocb cb[DEPTH_MAX], *pcb[DEPTH_MAX];
	static struct io_event ev[DEPTH_MAX];
	char *buf = pages(DEPTH_MAX * 8 * KiB);
	int fd = dev_open(O_RDWR | l->flags), i;
	struct io_uring ring;
	io_context_t aio = 0;
	double t;

	memset(buf, 0xaa, DEPTH_MAX * 8 * KiB);
	if (l->uring ? io_uring_queue_init(DEPTH_MAX, &ring, 0)
		     : io_setup(DEPTH_MAX, &aio))
		bail("queue");
	*r = (struct seen){ .whole = true, .data = true, .before = tasks() };
	t = now();
	for (i = 0; i < l->depth; i++) {
		char *b = buf + i * 8 * KiB;
		uint64_t off = l->first + i * l->step;

		if (l->uring) {
			struct io_uring_sqe *s = io_uring_get_sqe(&ring);

			if (l->wr)
				io_uring_prep_write(s, fd, b, l->len, off);
			else
				io_uring_prep_read(s, fd, b, l->len, off);
			io_uring_sqe_set_data64(s, i);
			continue;
		}
		if (l->wr)
			io_prep_pwrite(&cb[i], fd, b, l->len, off);
		else
			io_prep_pread(&cb[i], fd, b, l->len, off);
		pcb[i] = &cb[i];
	}
	r->accepted = l->uring ? io_uring_submit(&ring) :
				 io_submit(aio, l->depth, pcb);
	r->submit = now() - t;
	/* What a worker has to send may come a moment later. */
	do {
		r->busy = counter("leaks/requests");
		r->bounce = counter("leaks/bounce_buffers");
		r->during = tasks();
	} while (r->busy < (uint64_t)l->depth && now() - t < latency * 0.75);

	if (l->uring) {
		struct io_uring_cqe *cqe;

		for (; r->back < r->accepted &&
		       !io_uring_wait_cqe(&ring, &cqe); r->back++) {
			r->whole &= cqe->res == (int)l->len;
			io_uring_cqe_seen(&ring, cqe);
		}
		io_uring_queue_exit(&ring);
	} else {
		while (r->back < r->accepted) {
			int k = io_getevents(aio, 1, r->accepted - r->back, ev,
					     NULL);

			if (k <= 0)
				break;
			for (r->back += k; k--; )
				r->whole &= ev[k].res == l->len;
		}
		io_destroy(aio);
	}
	r->all = now() - t;
	for (i = 0; i < l->depth && !l->wr; i++)
		r->data &= all_zero(buf + i * 8 * KiB, l->len);
	munmap(buf, DEPTH_MAX * 8 * KiB);
	close(fd);
}

static void in_flight(const struct load *l)
{
	struct seen r;
	int tries = 0;
	bool deep, quick;

	/*
	 * A host that is busy with other things makes a try slow, and a driver
	 * that waits makes every try slow.
	 */
	do {
		struct paths p = path_start();

		submit_and_reap(l, &r);
		is(r.accepted, l->depth, "%s: all %d were accepted", l->what,
		   l->depth);
		ok(r.whole && r.back == l->depth, "%s: all came back whole",
		   l->what);
		ok(r.data, "%s: with the device's data", l->what);
		went_by(p, l->flags, l->depth, l->what);
		deep = r.busy >= (uint64_t)l->depth &&
		       (l->flags || r.bounce >= (uint64_t)l->depth);
		quick = r.submit < latency * 0.75 &&
			r.all < latency * (l->rounds + 2);
	} while (dev.counted && !(deep && quick) && ++tries < 4);
	if (!dev.counted)
		return;
	ok(deep, "%s: %lu requests were in flight at once, with %lu bounce buffers",
	   l->what, r.busy, r.bounce);
	/* No thread each: a few workers may have come or gone. */
	ok(r.during - r.before <= 4, "%s: %d tasks before, %d during", l->what,
	   r.before, r.during);
	ok(quick, "%s: submitted in %.0f ms, all over in %.0f (the device takes %.0f)",
	   l->what, 1e3 * r.submit, 1e3 * r.all, 1e3 * latency);
}

/* ---- things that happen meanwhile ---- */

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

#define POOL 64			/* bounce_buffers, as it is by default */

static void kill_meanwhile(const char *what, bool uring, int flags)
{
	int up[2], status;
	double t;
	char c;
	pid_t pid;

	if (pipe(up))
		bail("pipe");
	pid = fork();
	if (!pid) {
		char *buf = pages(FLIGHT_MAX * PG);
		pthread_t id;
		int i;

		if (uring) {
			int fd = dev_open(O_RDWR | flags);
			struct io_uring ring;

			if (io_uring_queue_init(FLIGHT_MAX, &ring, 0))
				_exit(2);
			for (i = 0; i < FLIGHT_MAX; i++) {
				struct io_uring_sqe *s = io_uring_get_sqe(&ring);

				if (i & 1)
					io_uring_prep_write(s, fd, buf + i * PG,
							    PG, i * PG);
				else
					io_uring_prep_read(s, fd, buf + i * PG,
							   PG, i * PG);
			}
			io_uring_submit(&ring);
		} else {
			take_off(flags, buf, FLIGHT_MAX, PG, PG);
		}
		/* And one thread that is inside a call. */
		pthread_create(&id, NULL, one_pread, (void *)(long)flags);
		usleep(latency * 2e5);
		(void)!write(up[1], "x", 1);
		for (;;)
			pause();
	}
	if (read(up[0], &c, 1) != 1)
		bail("child");
	if (dev.counted)
		ok(counter("leaks/requests") >= 64,
		   "kill, %s: %lu in flight", what, counter("leaks/requests"));
	if (dev.counted && flags)
		ok(counter("leaks/pages_pinned") >= 64,
		   "kill, %s: %lu pages pinned", what,
		   counter("leaks/pages_pinned"));
	/* Four times as many requests as buffers: the others wait for one. */
	if (dev.counted && !flags)
		is(counter("leaks/bounce_buffers"), POOL,
		   "E, B2: kill, %s: all bounce buffers are taken", what);
	t = now();
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid");
	ok(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	   "kill, %s: the process is gone (%.0f ms)", what, 1e3 * (now() - t));
	ok(settled(30), "kill, %s: nothing is pinned or in flight any more",
	   what);
	close(up[0]);
	close(up[1]);
}

static void close_meanwhile(int flags)
{
	const char *path = path_name(flags);
	int whole, fault, fd;
	size_t len = 64 * PG;
	char *buf = pages(len);
	struct flight *f;

	memset(buf, 0xaa, len);
	f = take_off(flags, buf, 64, PG, PG);
	is_ret(close(flight_fd(f)), 0, "close, %s: with 64 in flight", path);
	if (dev.counted)
		ok(counter("leaks/requests") >= 64,
		   "close, %s: they still are", path);
	land(f, PG, &whole, &fault);
	is(whole, 64, "close, %s: they came back whole", path);
	ok(all_zero(buf, len), "close, %s: with the device's data", path);

	/* The memory is given back while the device may still write to it. */
	memset(buf, 0xaa, len);
	f = take_off(flags, buf, 64, PG, PG);
	fd = flight_fd(f);
	munmap(buf, len);
	if (dev.counted && flags)
		ok(counter("leaks/pages_pinned") >= 64,
		   "munmap, %s: the pages are still pinned", path);
	land(f, PG, &whole, &fault);
	/* The copy out may find no memory: EFAULT then, not a crash. */
	is(flags ? whole : whole + fault, 64,
	   "munmap, %s: the reads came back %s", path,
	   flags ? "whole" : "whole or with EFAULT");
	close(fd);
	ok(settled(5), "munmap, %s: nothing is left over", path);

	/* io_destroy has to wait for what is in flight. */
	buf = pages(len);
	f = take_off(flags, buf, 64, PG, PG);
	close(flight_fd(f));
	is(flight_abandon(f), 0, "io_destroy, %s: with 64 in flight", path);
	ok(settled(5), "io_destroy, %s: nothing is left over", path);
	munmap(buf, len);
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

/* A signal does not cut a disk's read short. */
static void signal_meanwhile(int flags)
{
	struct sigaction sa = { .sa_handler = nothing };
	pthread_t self = pthread_self(), id;
	int fd = dev_open(O_RDWR | flags);
	char *buf = pages(PG);
	double t = now();

	memset(buf, 0xaa, PG);
	sigaction(SIGUSR1, &sa, NULL);
	pthread_create(&id, NULL, poke, &self);
	is_ret(pread(fd, buf, PG, 0), PG, "signal, %s: the read is whole",
	       path_name(flags));
	ok(all_zero(buf, PG), "signal, %s: with the device's data",
	   path_name(flags));
	ok(now() - t > latency * 0.8, "signal, %s: it waited for the device",
	   path_name(flags));
	pthread_join(id, NULL);
	close(fd);
}

int main(int argc, char **argv)
{
	const char *ms = getenv("SLOW_MS");
	struct load loads[] = {
		{ "copy, libaio, 32 reads", false, false, 0, 32, 1000, 17, 5000, 1 },
		{ "copy, libaio, 32 writes of whole blocks", false, true, 0, 32,
		  8 * KiB, 0, 64 * KiB, 1 },
		{ "copy, libaio, 32 writes of parts of blocks", false, true, 0,
		  32, 1000, 8209, 64 * KiB, 2 },
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
	unsigned int i;

	t_begin(argc, argv);
	latency = (ms ? atof(ms) : 800) / 1e3;
	for (i = 0; i < ARRAY_SIZE(loads); i++)
		in_flight(&loads[i]);
	kill_meanwhile("libaio, direct", false, O_DIRECT);
	kill_meanwhile("libaio, copy", false, 0);
	kill_meanwhile("io_uring, direct", true, O_DIRECT);
	kill_meanwhile("io_uring, copy", true, 0);
	close_meanwhile(O_DIRECT);
	close_meanwhile(0);
	signal_meanwhile(O_DIRECT);
	signal_meanwhile(0);
	return t_end();
}
