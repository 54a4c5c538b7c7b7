// SPDX-License-Identifier: GPL-2.0
/*
 * Data that come late. The device lets about two commands a second through
 * (QEMU's throttle), and moves data only then; it reads zeroes. So what happens
 * to the memory after the submission happens before the data are there.
 * LATE_DIR is a directory on a real file system.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

/* After these the next command has to wait. */
static void fill_bucket(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT);
	char *b = pages(PG);

	get(fd, b, PG, 0);
	get(fd, b, PG, 0);
	munmap(b, PG);
	close(fd);
}

static bool landed(struct flight *f, size_t len, int n)
{
	int whole, fault, fd = flight_fd(f);

	land(f, len, &whole, &fault);
	close(fd);
	return whole == n;
}

static void fork_meanwhile(int flags)
{
	const char *path = path_name(flags);
	size_t half = PG / 2, len = 4 * PG, i;
	char *buf = pages(len);
	struct flight *f;
	bool data = true, own = true, child = true;
	int status;
	pid_t pid;

	/* Each read fills the first half of a page; the second half is ours. */
	memset(buf, 0xaa, len);
	fill_bucket();
	f = take_off(flags, buf, 4, half, PG);
	if (dev.counted)
		ok(counter("leaks/requests") >= 1, "fork, %s: in flight", path);
	pid = fork();
	if (!pid) {
		/* In its copy the child may do as it likes. */
		for (i = 0; i < len; i++)
			buf[i] = 0x55;
		sleep(4);
		for (i = 0; i < len; i++)
			child &= buf[i] == 0x55;
		_exit(!child);
	}
	/* The parent writes beside the data that is on its way. */
	for (i = 0; i < len; i += PG)
		memset(buf + i + half, 0x11, half);
	if (dev.counted)
		ok(counter("leaks/requests") >= 1,
		   "fork, %s: still in flight after the parent wrote", path);
	ok(landed(f, half, 4), "fork, %s: the reads came back", path);
	for (i = 0; i < len; i++) {
		if (i % PG < half)
			data &= !buf[i];
		else
			own &= buf[i] == 0x11;
	}
	ok(data, "fork, %s: the parent has the device's data", path);
	ok(own, "fork, %s: and what it wrote beside it", path);
	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid");
	ok(!status, "fork, %s: the child has only its own data", path);
	munmap(buf, len);
}

/*
 * A read into a file's mapping; write-back cleans its pages while the device is
 * still busy. What the device writes after that has to be written back again,
 * or it is lost when the page cache lets the pages go.
 */
static void clean_meanwhile(int flags, size_t len)
{
	const char *dir = getenv("LATE_DIR"), *path = path_name(flags);
	char name[128], *map, *buf = pages(len);
	struct flight *f;
	bool early = false;
	int fd, tries;

	if (!dir)
		bail("LATE_DIR has to be a directory on a disk");
	snprintf(name, sizeof(name), "%s/clean", dir);
	memset(buf, 0xaa, len);
	fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, buf, len) != (ssize_t)len || fsync(fd))
		bail("%s", name);
	map = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		bail("mmap");
	for (tries = 0; tries < 5; tries++) {
		fill_bucket();
		f = take_off(flags, map, 1, len, 0);
		if (msync(map, len, MS_SYNC))
			bail("msync");
		early = map[len - 1] == (char)0xaa;
		if (early)
			break;
		/* The host was busy, and write-back too slow: once more. */
		landed(f, len, 1);
		memset(map, 0xaa, len);
	}
	ok(early, "write-back, %s, %zu KiB: the data are not there yet",
	   path, len / KiB);
	if (dev.counted)
		ok(counter("leaks/requests") >= 1,
		   "write-back, %s, %zu KiB: the read is still in flight", path,
		   len / KiB);
	ok(landed(f, len, 1), "write-back, %s, %zu KiB: it came back", path, len / KiB);
	munmap(map, len);
	if (fsync(fd))
		bail("fsync");
	close(fd);
	fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "3", 1) != 1)
		bail("drop_caches");
	close(fd);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (read(fd, buf, len) != (ssize_t)len)
		bail("%s", name);
	ok(all_zero(buf, len), "write-back, %s, %zu KiB: the file has the device's data",
	   path, len / KiB);
	close(fd);
	munmap(buf, len);
}

int main(int argc, char **argv)
{
	t_begin(argc, argv);
	fork_meanwhile(O_DIRECT);
	fork_meanwhile(0);
	clean_meanwhile(O_DIRECT, PG);
	clean_meanwhile(O_DIRECT, MiB);
	clean_meanwhile(0, MiB);
	return t_end();
}
