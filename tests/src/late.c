// SPDX-License-Identifier: GPL-2.0
/*
 * Data that arrives late. The device executes about two commands per second (QEMU's
 * throttle) and does not move data before that; it reads zeroes. So whatever is done to
 * the memory after the submission is done before the data is there. LATE_DIR is a
 * directory on a real file system.
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

/* After these two, the throttle delays the next command. */
static void use_up_throttle(void)
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

static void fork_during_read(int flags)
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
	use_up_throttle();
	f = take_off(flags, buf, 4, half, PG);
	if (dev.counted)
		ok(counter("leaks/requests") >= 1, "fork, %s: in flight", path);
	pid = fork();
	if (!pid) {
		/* The child may change its copy. */
		for (i = 0; i < len; i++)
			buf[i] = 0x55;
		sleep(4);
		for (i = 0; i < len; i++)
			child &= buf[i] == 0x55;
		_exit(!child);
	}
	/* The parent writes next to where the data will arrive. */
	for (i = 0; i < len; i += PG)
		memset(buf + i + half, 0x11, half);
	if (dev.counted)
		ok(counter("leaks/requests") >= 1,
		   "fork, %s: still in flight after the parent wrote", path);
	ok(landed(f, half, 4), "fork, %s: the reads completed", path);
	for (i = 0; i < len; i++) {
		if (i % PG < half)
			data &= !buf[i];
		else
			own &= buf[i] == 0x11;
	}
	ok(data, "fork, %s: the parent has the device's data", path);
	ok(own, "fork, %s: and what it wrote next to it", path);
	if (waitpid(pid, &status, 0) != pid)
		bail("waitpid");
	ok(!status, "fork, %s: the child has only its own data", path);
	munmap(buf, len);
}

/*
 * A read into a file's mapping, whose pages are written back and cleaned while the device
 * is still busy. What the device writes after that must be written back again, or it is
 * lost when the page cache reclaims the pages.
 */
static void drop_caches(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, "3", 1) != 1)
		bail("drop_caches");
	close(fd);
}

/*
 * Start a read into the whole mapping and clean its pages before the data arrives.
 * Returns the read that is in flight, or NULL when the host was too busy for that.
 */
static struct flight *read_and_clean(int flags, char *map, size_t len)
{
	for (int tries = 0; tries < 5; tries++) {
		struct flight *f;

		use_up_throttle();
		f = take_off(flags, map, 1, len, 0);
		if (msync(map, len, MS_SYNC))
			bail("msync");
		if (map[len - 1] == (char)0xaa)
			return f;
		/* The host was busy and write-back too slow: try again. */
		landed(f, len, 1);
		memset(map, 0xaa, len);
	}
	return NULL;
}

static void write_back_during_read(int flags, size_t len)
{
	const char *dir = getenv("LATE_DIR"), *path = path_name(flags);
	char name[128], *map, *buf = pages(len);
	struct flight *f;
	int fd;

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
	f = read_and_clean(flags, map, len);
	if (!ok(f, "write-back, %s, %zu KiB: the data is not there yet", path, len / KiB))
		return;
	if (dev.counted)
		ok(counter("leaks/requests") >= 1,
		   "write-back, %s, %zu KiB: the read is still in flight", path, len / KiB);
	ok(landed(f, len, 1), "write-back, %s, %zu KiB: it completed", path, len / KiB);
	munmap(map, len);
	if (fsync(fd))
		bail("fsync");
	close(fd);
	drop_caches();
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (read(fd, buf, len) != (ssize_t)len)
		bail("%s", name);
	ok(all_zero(buf, len), "write-back, %s, %zu KiB: the file has the device's data", path,
	   len / KiB);
	close(fd);
	munmap(buf, len);
}

static void fork_direct(void)
{
	fork_during_read(O_DIRECT);
}

static void fork_copy(void)
{
	fork_during_read(0);
}

static void write_back_direct(void)
{
	write_back_during_read(O_DIRECT, PG);
	write_back_during_read(O_DIRECT, MiB);
}

static void write_back_copy(void)
{
	write_back_during_read(0, MiB);
}

static const struct t_case cases[] = {
	{ "fork_direct", fork_direct },
	{ "fork_copy", fork_copy },
	{ "write_back_direct", write_back_direct },
	{ "write_back_copy", write_back_copy },
};

int main(int argc, char **argv)
{
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
