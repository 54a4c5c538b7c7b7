// SPDX-License-Identifier: GPL-2.0
/*
 * Polled reads of an unprivileged process that does not poll for them, for longer than
 * io_timeout, which must be 1. With poll queues.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

/* More than the driver takes from a CQ in one pass. */
#define N	240

static int go[2];

/*
 * Submit N reads as nobody. Do not poll until the parent writes to the pipe, or, if
 * @stops, until it continues this process, which stops itself. Exits with the number of
 * reads that succeeded.
 */
static void child(bool stops)
{
	struct io_uring_params p = { .flags = IORING_SETUP_IOPOLL };
	int fd, whole = 0;
	struct io_uring r;
	char *b, c;

	alarm(300);
	if (setgid(NOBODY) || setuid(NOBODY))
		_exit(255);
	fd = open(dev.path, O_RDONLY | O_DIRECT);
	b = pages(N * 4096);
	if (fd < 0 || io_uring_queue_init_params(256, &r, &p))
		_exit(254);
	for (int i = 0; i < N; i++)
		io_uring_prep_read(io_uring_get_sqe(&r), fd, b + i * 4096, 4096,
				   i * 4096);
	if (io_uring_submit(&r) != N)
		_exit(253);
	if (stops)
		raise(SIGSTOP);
	else if (read(go[0], &c, 1) != 1)
		_exit(252);
	for (int i = 0; i < N; i++) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(&r, &cqe))
			break;
		whole += cqe->res == 4096;
		io_uring_cqe_seen(&r, cqe);
	}
	_exit(whole);
}

static pid_t start(bool stops)
{
	uint64_t direct = counter("stats/direct");
	pid_t pid = fork();
	int status;

	if (!pid)
		child(stops);
	if (stops)
		waitpid(pid, &status, WUNTRACED);
	/* Wait until all are submitted. */
	for (int i = 0; i < 300 && counter("stats/direct") < direct + N; i++)
		usleep(100000);
	return pid;
}

static void finish(pid_t pid, bool stops, const char *what)
{
	int status;

	if (stops)
		kill(pid, SIGCONT);
	else if (write(go[1], "", 1) != 1)
		bail("pipe");
	waitpid(pid, &status, 0);
	is(WIFEXITED(status) ? WEXITSTATUS(status) : -1, N,
	   "%s: all reads succeed in the end", what);
}

static void lazy(bool stops, const char *what)
{
	pid_t pid = start(stops);
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *b = pages(4096);

	/* The watchdog runs once a second, and io_timeout is 1. */
	for (int i = 0; i < 5; i++) {
		sleep(1);
		is_ret(pread(fd, b, 4096, 0), 4096,
		       "%s: another process reads, %d s", what, i + 1);
	}
	finish(pid, stops, what);
	close(fd);
}

/* A reset drains I/O in flight, which must not depend on a task that polls. */
static void reset(bool stops, const char *what)
{
	pid_t pid = start(stops);
	int fd = ctrl_open(O_RDWR);

	is_ret(ioctl(fd, NVME_IOCTL_RESET), 0, "%s: reset", what);
	is(counter("leaks/requests"), 0, "%s: all reads had completed before it",
	   what);
	close(fd);
	finish(pid, stops, what);
}

static void open_leaks(void)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/nvdio/%s/leaks/requests", dev.name);
	is_ret(open(path, O_RDONLY), -EACCES, "A12: only root may read leaks/requests");
}

static void hidden(void)
{
	is(as_nobody(open_leaks), 0, "A12: the test passed as nobody");
}

static void not_polling(void)
{
	lazy(false, "A3: 240 polled reads, not polled for");
}

static void stopped(void)
{
	lazy(true, "A3: 240 polled reads, their process is stopped");
}

static void reset_not_polling(void)
{
	reset(false, "A4: 240 polled reads, not polled for");
}

static void reset_stopped(void)
{
	reset(true, "A4: 240 polled reads, their process is stopped");
}

static void setup(void)
{
	if (pipe(go) || chmod(dev.path, 0644))
		bail("pipe or chmod");
}

static const struct t_case cases[] = {
	{ "hidden", hidden },
	{ "not_polling", not_polling },
	{ "stopped", stopped },
	{ "reset_not_polling", reset_not_polling },
	{ "reset_stopped", reset_stopped },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
