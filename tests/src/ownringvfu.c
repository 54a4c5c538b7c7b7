// SPDX-License-Identifier: GPL-2.0
/*
 * Rings without io_uring whose I/O does not end, or ends badly: the controller is one of
 * lab/vm --vfu, which holds commands back until it is told to release them. So what has
 * happened before, and what after, does not depend on time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "ownring.h"

#define LEN (64 * PG)

static int node, direct;		/* without and with O_DIRECT */
static uint32_t map;
static char *mem;

static void setup(void)
{
	node = dev_open(O_RDWR);
	direct = dev_open(O_RDWR | O_DIRECT);
	own_memory(node, LEN, 0, &map, &mem);
}

static void vfu(const char *line)
{
	char command[200];

	snprintf(command, sizeof(command), "vfu %s >/dev/null", line);
	if (system(command))
		bail("%s", command);
}

static int held(void)
{
	FILE *f = popen("vfu held", "r");
	int n;

	if (!f || fscanf(f, "%d", &n) != 1)
		bail("vfu held");
	pclose(f);
	return n;
}

/* The controller has @n commands that it holds back. */
static void are_held(int n)
{
	for (int i = 0; i < 300 && held() != n; i++)
		usleep(100000);
	is(held(), n, "the controller holds %d", n);
}

static void put_reads(struct own *r, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		const struct nvdio_io io = {
			.off = i * PG, .addr = i * PG, .len = PG, .map = map,
			.op = NVDIO_IO_READ, .cookie = i,
		};

		own_put(r, &io);
	}
	own_publish(r);
}

/* Send one read, which is the @i'th. */
static void put_read(struct own *r, unsigned int i)
{
	const struct nvdio_io io = {
		.off = i * PG, .addr = i * PG, .len = PG, .map = map, .op = NVDIO_IO_READ,
		.cookie = i,
	};

	own_put(r, &io);
	own_publish(r);
	if (own_enter(r, 1, 0) != 1)
		bail("NVDIO_IOC_RING_ENTER");
}

/* One test: all @nr completions are there, each cookie once, with result @res. */
static void all_there(struct own *r, unsigned int nr, int res)
{
	uint64_t left = (1ULL << nr) - 1;
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < nr; i++) {
		const struct nvdio_ring_cqe c = own_get(r);

		wrong += c.res != res || !(left & 1ULL << c.cookie);
		left &= ~(1ULL << c.cookie);
	}
	ok(!left && !wrong && !own_ready(r), "%u completions, each once, with %d", nr, res);
}

static void timeouts(void)
{
	struct own r;

	own_open(&r, node, 8, 0);
	vfu("hold read count=all");
	put_reads(&r, 2);
	r.head->timeout = 1000000;
	is(own_enter(&r, 2, 2), 2, "both were taken, though the wait has timed out");
	is(own_ready(&r), 0, "neither has ended");
	is(own_enter(&r, 0, 1), -ETIME, "a wait that times out");
	r.head->timeout = -1;
	are_held(2);
	vfu("clear");
	vfu("release");
	is(own_enter(&r, 0, 2), 0, "one that has very much time");
	all_there(&r, 2, PG);
	own_close(&r);
}

/* Work for the task cuts a wait short, which is then made again: its time goes on. */
static void timeout_again(void)
{
	enum { WORKS = 50 };
	struct __kernel_timespec often = { .tv_nsec = 100000000 };
	struct io_uring uring;
	double since, took;
	struct own r;

	own_open(&r, node, 4, 8);
	if (io_uring_queue_init(2 * WORKS, &uring, 0))
		bail("io_uring_queue_init");
	vfu("hold read count=1");
	put_reads(&r, 1);
	r.head->timeout = 1000000000;
	io_uring_prep_timeout(io_uring_get_sqe(&uring), &often, 0, 0);
	io_uring_submit(&uring);
	is(own_enter(&r, 1, 1), 1, "a read is taken, work for the task ends the wait");
	are_held(1);
	usleep(500 * 1000);
	since = now();
	is(own_enter(&r, 0, 1), -ETIME, "the next wait ends by its timeout");
	took = now() - since;
	ok(took >= 0.9, "which is its own: %.2f s", took);
	io_uring_cq_advance(&uring, io_uring_cq_ready(&uring));
	io_uring_prep_timeout(io_uring_get_sqe(&uring), &often, WORKS,
			      IORING_TIMEOUT_MULTISHOT);
	io_uring_submit(&uring);
	is(own_enter(&r, 0, 1), -ETIME, "a wait ends by its timeout");
	ok(io_uring_cq_ready(&uring) < WORKS,
	   "work for the task did not begin it anew: %u of %d came",
	   io_uring_cq_ready(&uring), WORKS);
	io_uring_queue_exit(&uring);
	r.head->timeout = 0;
	vfu("release");
	is(own_enter(&r, 0, 1), 0, "the read ends");
	all_there(&r, 1, PG);
	own_close(&r);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void signals(void)
{
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART }, before;
	const struct itimerval often = { { 0, 50000 }, { 0, 50000 } }, never = {};
	struct own r;

	own_open(&r, node, 8, 0);
	sigaction(SIGALRM, &action, &before);
	vfu("hold read count=all");
	put_reads(&r, 1);
	setitimer(ITIMER_REAL, &often, NULL);
	is(own_enter(&r, 1, 1), 1, "it was taken, though a signal has ended the wait");
	is(own_enter(&r, 0, 1), -EINTR, "a wait that a signal ends");
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	alarm(400);
	vfu("clear");
	vfu("release");
	is(own_enter(&r, 0, 1), 0, "one that none ends");
	all_there(&r, 1, PG);
	own_close(&r);
}

static struct own shared;

static void *waits(void *arg)
{
	const unsigned int nr = (uintptr_t)arg;

	return (void *)own_enter(&shared, 0, nr);
}

/* @thread has ended, or does so within @s seconds. */
static bool ends(pthread_t thread, int s)
{
	struct timespec t;
	void *ret;

	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_sec += s;
	return !pthread_timedjoin_np(thread, &ret, &t) && !ret;
}

/* Two tasks wait for different numbers. */
static void waiters(void)
{
	pthread_t two, four;

	own_open(&shared, node, 8, 0);
	vfu("hold read count=2");
	put_reads(&shared, 4);
	is(own_enter(&shared, 4, 0), 4, "4 reads, of which 2 are held");
	pthread_create(&four, NULL, waits, (void *)4);
	pthread_create(&two, NULL, waits, (void *)2);
	ok(ends(two, 60), "who waits for 2 of them gets them");
	ok(!ends(four, 1), "who waits for 4 does not");
	are_held(2);
	vfu("release");
	ok(ends(four, 60), "until these have ended");
	all_there(&shared, 4, PG);
	own_close(&shared);
}

static long switches(void)
{
	FILE *f = fopen("/proc/thread-self/status", "r");
	char line[200];
	long n = -1;

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1)
			break;
	fclose(f);
	return n;
}

/* 8 reads that end one after the other. A command is compared with all rules. */
static void put_late_reads(struct own *r)
{
	for (int i = 0; i < 8; i++) {
		char line[100];

		snprintf(line, sizeof(line), "late read ms=%d skip=%d count=1", 400 + 150 * i, i);
		vfu(line);
	}
	put_reads(r, 8);
}

/*
 * Completions that come one by one wake nobody who waits for all of them. Who waits for each
 * shows that they do come one by one, and that this count would tell.
 */
static void wakeups(void)
{
	struct own r;
	long before;

	own_open(&r, node, 32, 0);
	put_late_reads(&r);
	before = switches();
	is(own_enter(&r, 8, 8), 8, "8 reads that end one after the other");
	before = switches() - before;
	ok(before <= 3, "the submitter was woken %ld times", before);
	all_there(&r, 8, PG);
	vfu("clear");
	put_late_reads(&r);
	before = switches();
	is(own_enter(&r, 8, 1), 8, "8 more, of which the first is waited for");
	while (own_ready(&r) < 8)
		if (own_enter(&r, 0, own_ready(&r) + 1))
			break;
	before = switches() - before;
	ok(before >= 4, "who waits for each was woken %ld times", before);
	all_there(&r, 8, PG);
	own_close(&r);
	vfu("clear");
}

static void poll_waits(void)
{
	struct pollfd p = { .events = POLLIN };
	struct own r;

	own_open(&r, node, 8, 0);
	p.fd = r.fd;
	vfu("hold read count=all");
	put_reads(&r, 1);
	is(own_enter(&r, 1, 0), 1, "a read");
	is(poll(&p, 1, 200), 0, "nothing is told of it");
	are_held(1);
	vfu("clear");
	vfu("release");
	is(poll(&p, 1, 20000), 1, "until it has ended");
	all_there(&r, 1, PG);
	own_close(&r);
}

/* Nobody waits for I/O in flight: not who closes, exits or is killed. */
static void close_in_flight(void)
{
	struct own r;

	own_open(&r, node, 8, 0);
	memset(mem, 0x5a, LEN);
	vfu("hold read count=all");
	put_reads(&r, 8);
	is(own_enter(&r, 8, 0), 8, "8 reads");
	own_close(&r);
	are_held(8);
	ok(mem[0] == 0x5a, "the ring is closed, and none of them has ended");
	vfu("clear");
	vfu("release");
	for (int i = 0; i < 300 && counter("leaks/requests"); i++)
		usleep(100000);
	is(counter("leaks/requests"), 0, "they end without it");
}

static void child(unsigned int wait, pid_t *pid)
{
	struct own r;
	int fd;

	*pid = fork();
	if (*pid)
		return;
	fd = dev_open(O_RDWR);
	own_memory(fd, LEN, 0, &map, &mem);
	own_open(&r, fd, 8, 0);
	put_reads(&r, 8);
	_exit(own_enter(&r, 8, wait) != 8);
}

static void exit_in_flight(void)
{
	int status;
	pid_t pid;

	vfu("hold read count=all");
	child(0, &pid);
	is(waitpid(pid, &status, 0), pid, "a program that exits is gone");
	is(status, 0, "with 8 reads in flight");
	are_held(8);
	vfu("clear");
	vfu("release");
	are_held(0);
}

static void kill_in_flight(void)
{
	int status;
	pid_t pid;

	vfu("hold read count=all");
	child(8, &pid);
	are_held(8);
	kill(pid, SIGKILL);
	is(waitpid(pid, &status, 0), pid, "a program that is killed while it waits is gone");
	ok(WIFSIGNALED(status), "with 8 reads in flight");
	are_held(8);
	vfu("clear");
	vfu("release");
	are_held(0);
}

static void *deletes(void *arg)
{
	(void)arg;
	return (void *)reterr(ioctl(node, NVDIO_IOC_MAP_DEL, &map));
}

/* A map that is deleted waits for the I/O of a ring. */
static void map_del_in_flight(void)
{
	pthread_t thread;
	struct own r;

	own_open(&r, node, 8, 0);
	own_memory(node, LEN, 0, &map, NULL);
	vfu("hold read count=all");
	put_reads(&r, 2);
	is(own_enter(&r, 2, 0), 2, "2 reads");
	are_held(2);
	pthread_create(&thread, NULL, deletes, NULL);
	ok(!ends(thread, 1), "their map is not deleted while they are in flight");
	vfu("clear");
	vfu("release");
	ok(ends(thread, 60), "but then");
	is(own_enter(&r, 0, 2), 0, "they have ended");
	all_there(&r, 2, PG);
	put_reads(&r, 2);
	is(own_enter(&r, 2, 2), 2, "2 more");
	all_there(&r, 2, -ENOENT);
	own_close(&r);
	own_memory(node, LEN, 0, &map, &mem);
}

/* Failures in the middle. */
static void statuses(void)
{
	unsigned int bad = 0, good = 0;
	struct nvdio_io write = { .len = PG, .op = NVDIO_IO_WRITE, .cookie = 9 };
	struct nvdio_ring_cqe c;
	uint64_t errors;
	struct own r;

	own_open(&r, node, 16, 0);
	errors = counter("stats/errors");
	vfu("status read sc=0x281 dnr=1 skip=3 count=2");
	put_reads(&r, 8);
	is(own_enter(&r, 8, 8), 8, "8 reads, of which 2 fail");
	while (own_ready(&r)) {
		c = own_get(&r);
		if (c.res == (int)PG && !c.status)
			good++;
		else if (c.res == -ENODATA && c.status == (0x281 | 0x4000))
			bad++;
		else
			note("%d, status %x", c.res, c.status);
	}
	is(good, 6, "6 succeed");
	is(bad, 2, "2 have the controller's status");
	is(counter("stats/errors") - errors, 2, "which is counted");
	vfu("clear");
	vfu("status write sc=0x81 dnr=1 count=1");
	write.map = map;
	is(own_do(&r, &write, &c), -ENOSPC, "a write that fails");
	is(c.status, 0x81 | 0x4000, "and its status");
	vfu("clear");
	errors = counter("stats/retries");
	vfu("status read sc=0x6 count=3");
	put_reads(&r, 8);
	is(own_enter(&r, 8, 8), 8, "8 reads, of which 3 fail once");
	all_there(&r, 8, PG);
	is(counter("stats/retries") - errors, 3, "they were sent again");
	vfu("status flush sc=0x6 count=1");
	write = (struct nvdio_io){ .op = NVDIO_IO_FLUSH, .cookie = 10 };
	is(own_do(&r, &write, NULL), 0, "a flush that fails once");
	own_close(&r);
	vfu("clear");
}

/* A reset ends nothing: all of it is sent again. */
static void reset_in_flight(void)
{
	struct own r;
	int ctrl = ctrl_open(O_RDWR);

	own_open(&r, node, 8, 0);
	vfu("hold read count=8");
	put_reads(&r, 8);
	is(own_enter(&r, 8, 0), 8, "8 reads");
	are_held(8);
	is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "a reset");
	is(own_enter(&r, 0, 8), 0, "all have ended");
	all_there(&r, 8, PG);
	own_close(&r);
	close(ctrl);
	vfu("clear");
}

/* Each command is completed twice: its ring hears of it once. */
static void completed_twice(void)
{
	struct own r;

	own_open(&r, node, 16, 64);
	vfu("dup read count=all");
	for (int i = 0; i < 4; i++) {
		put_reads(&r, 16);
		is(own_enter(&r, 16, 16), 16, "16 reads");
		all_there(&r, 16, PG);
	}
	own_close(&r);
	vfu("clear");
}

/*
 * A completion comes again when its tag is that of another command, which is in flight. The
 * tag is taken again at once only in a queue that never had two commands.
 */
static void completed_again(void)
{
	struct nvdio_io io = { .addr = PG, .len = PG, .map = map, .op = NVDIO_IO_READ };
	struct own r;

	stay_on(0);
	own_open(&r, node, 8, 0);
	vfu("again read count=1");
	is(own_do(&r, &io, NULL), PG, "a read whose completion will come again");
	vfu("clear");
	vfu("hold read count=1");
	put_read(&r, 0);
	are_held(1);
	for (io.cookie = 1; io.cookie < 20; io.cookie++)
		own_do(&r, &io, NULL);
	is(own_ready(&r), 0, "another one, which is held, is in flight after 19 others");
	vfu("clear");
	vfu("release");
	is(own_enter(&r, 0, 1), 0, "until it ends");
	all_there(&r, 1, PG);
	own_close(&r);
}

/* Commands of two rings and of others, all on one queue, are found at once. */
static void found_at_once(void)
{
	struct io_uring_cqe *cqe;
	struct io_uring uring;
	struct own r, s;

	stay_on(0);
	own_open(&r, node, 8, 0);
	own_open(&s, node, 8, 0);
	if (io_uring_queue_init(8, &uring, 0))
		bail("io_uring_queue_init");
	for (int others = 0; others < 2; others++) {
		vfu("hold read count=all");
		for (int i = 0; i < 4; i++) {
			put_read(&r, i);
			put_read(&s, i);
			if (!others || i != 2)
				continue;
			io_uring_prep_read(io_uring_get_sqe(&uring), direct, mem + 32 * PG, PG, 0);
			if (io_uring_submit(&uring) != 1)
				bail("io_uring_submit");
		}
		are_held(8 + others);
		vfu("clear");
		vfu("release");
		is(own_enter(&r, 0, 4), 0, "one ring has ended");
		all_there(&r, 4, PG);
		is(own_enter(&s, 0, 4), 0, "so has the other");
		all_there(&s, 4, PG);
		if (others && !io_uring_wait_cqe(&uring, &cqe)) {
			is(cqe->res, PG, "and the one of io_uring");
			io_uring_cqe_seen(&uring, cqe);
		}
	}
	io_uring_queue_exit(&uring);
	own_close(&r);
	own_close(&s);
}

/* More than the driver takes from a queue in one go. */
static void found_in_parts(void)
{
	struct own r;

	stay_on(0);
	own_open(&r, node, 64, 0);
	vfu("hold read count=all");
	put_reads(&r, 60);
	is(own_enter(&r, 60, 0), 60, "60 reads");
	are_held(60);
	vfu("clear");
	vfu("release");
	r.head->timeout = 20000000000;
	is(own_enter(&r, 0, 60), 0, "they end");
	all_there(&r, 60, PG);
	own_close(&r);
}

/* io_timeout=2: commands whose completion is lost. */
static void lost_completions(void)
{
	struct own r;

	own_open(&r, node, 8, 0);
	vfu("drop read count=2");
	put_reads(&r, 8);
	is(own_enter(&r, 8, 8), 8, "8 reads, of which 2 are lost");
	all_there(&r, 8, PG);
	own_close(&r);
	vfu("clear");
}

static void *unbinds(void *arg)
{
	char command[100];

	(void)arg;
	are_held(8);
	snprintf(command, sizeof(command), "echo %s >/sys/bus/pci/drivers/nvdio/unbind",
		 getenv("NVDIO_PCI"));
	return (void *)(long)system(command);
}

static void unbound_in_flight(void)
{
	struct pollfd p = { .events = POLLIN };
	pthread_t thread;
	struct own r;

	if (!getenv("NVDIO_PCI"))
		bail("NVDIO_PCI is not set");
	own_open(&r, node, 8, 0);
	p.fd = r.fd;
	vfu("hold read count=all");
	put_reads(&r, 8);
	pthread_create(&thread, NULL, unbinds, NULL);
	is(own_enter(&r, 8, 8), 8, "8 reads");
	all_there(&r, 8, -ENODEV);
	pthread_join(thread, NULL);
	is(poll(&p, 1, 0), 1, "poll() tells of it");
	is(p.revents, POLLERR | POLLHUP, "that the device is gone");
	put_reads(&r, 1);
	is(own_enter(&r, 1, 1), -ENODEV, "no more");
	own_close(&r);
}

static const struct t_case cases[] = {
	{ "timeouts", timeouts },
	{ "timeout_again", timeout_again },
	{ "signals", signals },
	{ "waiters", waiters },
	{ "wakeups", wakeups },
	{ "poll_waits", poll_waits },
	{ "close_in_flight", close_in_flight },
	{ "exit_in_flight", exit_in_flight },
	{ "kill_in_flight", kill_in_flight },
	{ "map_del_in_flight", map_del_in_flight },
	{ "statuses", statuses },
	{ "reset_in_flight", reset_in_flight },
	{ "completed_twice", completed_twice },
	{ "completed_again", completed_again },
	{ "found_at_once", found_at_once },
	{ "found_in_parts", found_in_parts },
	{ "lost_completions", lost_completions },
	{ "unbound_in_flight", unbound_in_flight },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
