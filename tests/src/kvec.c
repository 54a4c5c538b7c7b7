// SPDX-License-Identifier: GPL-2.0
/*
 * KVEC: kernel memory, passed by a kernel worker thread, which has no mm. A 9p mount
 * with trans=fd sends and receives its messages through two files of any kind, with
 * kernel_write() and kernel_read(). Here one file is the device and the other a
 * socket, and this program is the server: it answers the first request and refuses
 * the second with an errno that mount() then returns.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

#define AT (3 * MiB + 333)	/* not block-aligned */
#define REFUSAL ENAMETOOLONG

static char *dir;		/* to mount on */

/* Rversion: msize 8192, "9P2000.L". Rlerror to tag 0: REFUSAL. */
static const unsigned char rversion[21] =
	"\x15\0\0\0\x65\xff\xff\0\x20\0\0\x08\0\x39P2000.L";
static const unsigned char rlerror[11] = {
	11, 0, 0, 0, 7, 0, 0, REFUSAL, 0, 0, 0
};

/*
 * mount() in a child: it cannot be killed while it waits for an answer, but it fails
 * when the other end of the socket is closed, which the exit of this program does.
 */
static pid_t begin(int rfd, int wfd, int ours)
{
	char options[128];
	pid_t pid = fork();

	if (pid < 0)
		bail("fork");
	if (pid)
		return pid;
	close(ours);
	snprintf(options, sizeof(options),
		 "trans=fd,rfdno=%d,wfdno=%d,version=9p2000.L,msize=8192", rfd,
		 wfd);
	_exit(mount("none", dir, "9p", 0, options) ? errno : 0);
}

/* The errno that mount() returned. */
static int end(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		bail("the mounting child");
	return WEXITSTATUS(status);
}

/* Wait until the kernel has written a message of type @type at @off. */
static bool appears(int fd, uint64_t off, unsigned char type)
{
	unsigned char m[128] = { 0 };
	double limit = now() + 20;

	while (now() < limit) {
		get(fd, m, sizeof(m), off);
		if (m[4] == type && m[0] >= 7)
			return true;
		usleep(20000);
	}
	return false;
}

/* The kernel writes to the device and reads from the socket. */
static void writes(void)
{
	int fd = dev_open(O_RDWR), plain = dev_open(O_RDWR), s[2];
	unsigned char m[256] = { 0 };
	pid_t pid;
	struct paths p;

	put(plain, m, sizeof(m), AT);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) ||
	    lseek(fd, AT, SEEK_SET) != (off_t)AT)
		bail("socket");
	p = path_start();
	pid = begin(s[0], fd, s[1]);
	ok(appears(plain, AT, 100), "a worker's kernel_write() reached the device");
	get(plain, m, 21, AT);
	ok(m[0] == 21 && !memcmp(m + 13, "9P2000.L", 8), "and the message is complete");
	if (write(s[1], rversion, 21) != 21)
		bail("socket");
	ok(appears(plain, AT + 21, 104), "its second message follows the first");
	if (write(s[1], rlerror, 11) != 11)
		bail("socket");
	is(end(pid), REFUSAL, "mount() returns the errno that the server sent");
	if (dev.counted)
		ok(counter("stats/copy") > p.copy && path_start().direct == p.direct,
		   "the copy path was used");
	close(s[0]);
	close(s[1]);
	close(plain);
	close(fd);
}

/*
 * The kernel reads from the device and writes to the socket. The client reads each
 * part of an answer at the same file offset, so it never gets a valid answer and
 * gives up; but it does read.
 */
static void reads(void)
{
	int fd = dev_open(O_RDWR), s[2], err;
	struct paths p, q;
	pid_t pid;

	put(fd, rversion, 21, AT);
	put(fd, rlerror, 11, AT + 21);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) ||
	    lseek(fd, AT, SEEK_SET) != (off_t)AT)
		bail("socket");
	p = path_start();
	pid = begin(fd, s[0], s[1]);
	/* Data on the socket makes the client poll both files. */
	usleep(300000);
	(void)!write(s[1], "x", 1);
	usleep(300000);
	close(s[1]);
	close(s[0]);
	err = end(pid);
	ok(err != 0, "mount() failed, errno %d", err);
	q = path_start();
	if (dev.counted)
		ok(q.copy > p.copy && q.direct == p.direct,
		   "a worker's kernel_read() took the copy path, %lu times",
		   q.copy - p.copy);
	close(fd);
}

/* The alignment rules of O_DIRECT apply to the kernel as well. */
static void direct(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT), s[2], err;
	pid_t pid;
	struct paths p = path_start();

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, s))
		bail("socket");
	pid = begin(s[0], fd, s[1]);
	err = end(pid);
	ok(err && err != REFUSAL,
	   "O_DIRECT: 21 bytes of kernel memory are refused (%d)", err);
	went(p, 0, 0, "and no data is transferred");
	close(s[0]);
	close(s[1]);
	close(fd);
}

static void remove_dir(void)
{
	rmdir(dir);
}

static void setup(void)
{
	dir = mkdtemp(strdup("/tmp/kvecXXXXXX"));
	if (!dir)
		bail("mkdtemp");
	atexit(remove_dir);
}

static const struct t_case cases[] = {
	{ "writes", writes },
	{ "reads", reads },
	{ "direct", direct },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
