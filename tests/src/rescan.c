// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces that change under open files: another size, another format, another
 * namespace with the same identifier; and Identify commands that fail. The module of
 * tests/shim must be loaded: it replaces the controller's answers.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/netlink.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "t.h"

#define INTERNAL_ERROR	0x0006
#define INVALID_FIELD	0x4002	/* with Do Not Retry */

static int ctrl;
static char *buf;

/* Set what the shim puts in place of the controller's answers. */
static void answer(const char *name, unsigned long value)
{
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path),
		 "/sys/module/nvdio_answers/parameters/%s", name);
	f = fopen(path, "w");
	if (!f || fprintf(f, "%lu", value) < 0 || fclose(f))
		bail("%s", path);
}

static int rescan(void)
{
	return ioctl(ctrl, NVME_IOCTL_RESCAN);
}

static uint64_t size_of(int fd)
{
	uint64_t size = 0;

	if (ioctl(fd, BLKGETSIZE64, &size))
		note("BLKGETSIZE64: errno %d", errno);
	return size;
}

/* A socket that receives uevents; and how many of them announced a new size. */
static int events(void)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = 1 };
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK,
		       NETLINK_KOBJECT_UEVENT);

	if (s < 0 || bind(s, (void *)&to, sizeof(to)))
		bail("netlink");
	return s;
}

static int resizes(int s)
{
	char msg[8192];
	ssize_t len;
	int n = 0;

	while ((len = recv(s, msg, sizeof(msg) - 1, 0)) > 0) {
		bool ours = false, resize = false;

		msg[len] = '\0';
		for (char *p = msg; p < msg + len; p += strlen(p) + 1) {
			if (!strncmp(p, "change@", 7) && strstr(p, dev.name))
				ours = true;
			if (!strcmp(p, "RESIZE=1"))
				resize = true;
		}
		n += ours && resize;
	}
	return n;
}

/* ---- a size that changes ---- */

static void has_size(int fd, uint64_t size, const char *what)
{
	unsigned long sectors = 0;

	is(size_of(fd), size, "C2: %s: BLKGETSIZE64 of an open file", what);
	ioctl(fd, BLKGETSIZE, &sectors);
	is(sectors, size / 512, "C2: %s: BLKGETSIZE", what);
	is_ret(lseek(fd, 0, SEEK_END), size, "C2: %s: lseek to the end", what);
	is(counter("size"), size / 512, "C2: %s: size in sysfs", what);
}

static void ends_at(int fd, uint64_t size, const char *what)
{
	is_ret(pread(fd, buf, 4096, size), 0, "C2: %s: read at the end", what);
	is_ret(pwrite(fd, buf, 4096, size), -ENOSPC, "C2: %s: write at the end",
	       what);
	is_ret(pread(fd, buf, 8192, size - 4096), 4096,
	       "C2: %s: read across the end", what);
}

static int fds[2], uevents;

static const char *what(const char *change, int i)
{
	static char text[64];

	snprintf(text, sizeof(text), "%s, %s", change, path_name(i ? 0 : O_DIRECT));
	return text;
}

static void shrink(uint64_t half)
{
	answer("blocks", half / dev.lba);
	is_ret(rescan(), 0, "C2: rescan of a namespace that shrank");
	is(resizes(uevents), 1, "C2: shrunk: one uevent with RESIZE=1");
	for (int i = 0; i < 2; i++) {
		has_size(fds[i], half, what("shrunk", i));
		ends_at(fds[i], half, what("shrunk", i));
	}
	is_ret(ioctl(fds[0], BLKDISCARD, (uint64_t[]){ half, 4096 }), -EINVAL,
	       "C2: shrunk: no discard beyond the end");
	get(fds[0], buf, 4096, half - 4096);
	holds(buf, 4096, 1, 0, "C2: shrunk: the remaining blocks have their data");

	is_ret(rescan(), 0, "C2: rescan without a change");
	is(resizes(uevents), 0, "C2: no change: no uevent");
}

static void grow(uint64_t end)
{
	answer("blocks", 0);
	is_ret(rescan(), 0, "C2: rescan of a namespace that grew");
	is(resizes(uevents), 1, "C2: grown: one uevent with RESIZE=1");
	for (int i = 0; i < 2; i++) {
		has_size(fds[i], end, what("grown", i));
		ends_at(fds[i], end, what("grown", i));
		get(fds[i], buf, 4096, end - 4096);
		holds(buf, 4096, 2, 0, "C2: %s: the last block", what("grown", i));
	}
}

/* As if it had shrunk and the driver did not know yet. */
static void too_small(uint64_t end)
{
	answer("blocks", 2 * end / dev.lba);
	is_ret(rescan(), 0, "C2: a size that the namespace does not have");
	for (int i = 0; i < 2; i++)
		is_ret(pread(fds[i], buf, 4096, end), -EREMOTEIO,
		       "C2: %s: the controller fails commands beyond its end",
		       path_name(i ? 0 : O_DIRECT));
	answer("blocks", 0);
	is_ret(rescan(), 0, "C2: rescan with the real size");
	has_size(fds[0], end, "back");
}

static void resize(void)
{
	const uint64_t half = dev.size / 2, end = dev.size;

	uevents = events();
	fds[0] = dev_open(O_RDWR | O_DIRECT);
	fds[1] = dev_open(O_RDWR);
	fill(buf, 4096, 1, 0);
	put(fds[0], buf, 4096, half - 4096);
	fill(buf, 4096, 2, 0);
	put(fds[0], buf, 4096, end - 4096);
	resizes(uevents);
	shrink(half);
	grow(end);
	too_small(end);
	close(fds[0]);
	close(fds[1]);
	close(uevents);
}

/* ---- a size that changes during I/O ---- */

static atomic_bool stop;
static atomic_ulong good, bad;

static void *worker(void *arg)
{
	long nr = (long)arg;
	int fd = dev_open(O_RDWR | (nr & 1 ? O_DIRECT : 0));
	uint64_t state = t_seed + nr, half = dev.size / 2;
	char *mine = pages(64 * KiB);

	while (!stop) {
		uint64_t off = below(&state, half / 65536) * 65536;
		bool behind = below(&state, 2);
		ssize_t ret;

		/* The upper half comes and goes. */
		if (nr & 2 && !behind)
			ret = pwrite(fd, mine, 65536, off);
		else
			ret = pread(fd, mine, 65536, off + behind * half);
		if (ret == 65536 || (!ret && behind))
			good++;
		else
			bad++;
	}
	close(fd);
	return NULL;
}

static void resize_under_io(void)
{
	pthread_t t[4];
	int failed = 0;

	for (long i = 0; i < 4; i++) {
		if (pthread_create(&t[i], NULL, worker, (void *)i))
			bail("pthread_create");
	}
	for (int i = 0; i < 40; i++) {
		answer("blocks", i & 1 ? 0 : dev.size / 2 / dev.lba);
		failed += rescan() != 0;
		usleep(20000);
	}
	stop = true;
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	is(failed, 0, "C2: 40 rescans with I/O in flight");
	ok(good, "C2: I/O continued during them (%lu)", good);
	is(bad, 0, "C2: none of it failed");
}

/* ---- Identify commands that fail ---- */

static void fails(unsigned int cns, const char *what, int want)
{
	int fd = dev_open(O_RDONLY | O_DIRECT);

	answer("cns", cns);
	answer("status", INTERNAL_ERROR);
	is_ret(rescan(), want, "C2: rescan when %s fails", what);
	is_ret(pread(fd, buf, 4096, 0), 4096,
	       "C2: %s fails temporarily: an open file stays valid", what);
	is(access(dev.path, F_OK), 0, "C2: %s fails: the node stays", what);
	answer("status", 0);
	is_ret(rescan(), 0, "C2: rescan when %s works again", what);
	is_ret(pread(fd, buf, 4096, 0), 4096, "C2: the file still works");
	close(fd);
}

static void fails_permanently(void)
{
	int fd = dev_open(O_RDONLY | O_DIRECT);

	answer("cns", 0);
	answer("status", INVALID_FIELD);
	is_ret(rescan(), 0, "C2: rescan, the controller says Do Not Retry");
	is_ret(pread(fd, buf, 4096, 0), -ENODEV, "C2: an open file is dead then");
	is_ret(access(dev.path, F_OK), -ENOENT, "C2: the node is gone");
	answer("status", 0);
	is_ret(rescan(), 0, "C2: rescan when the controller answers again");
	close(fd);
	fd = dev_open(O_RDONLY | O_DIRECT);
	is_ret(pread(fd, buf, 4096, 0), 4096, "C2: the namespace has a node again");
	close(fd);
}

/* ---- another namespace, another format ---- */

static void replaced(const char *name, unsigned long value, const char *what)
{
	int old = dev_open(O_RDWR | O_DIRECT), new;

	answer(name, value);
	is_ret(rescan(), 0, "%s: rescan", what);
	is_ret(pread(old, buf, 4096, 0), -ENODEV, "%s: an old file reads", what);
	is_ret(pwrite(old, buf, 4096, 0), -ENODEV, "%s: an old file writes",
	       what);
	new = open(dev.path, O_RDWR | O_DIRECT);
	ok(new >= 0, "%s: there is a new node", what);
	if (new >= 0 && !strcmp(name, "ident"))
		is_ret(pread(new, buf, 4096, 0), 4096, "%s: a new file reads",
		       what);
	close(new);
	answer(name, 0);
	rescan();
	is_ret(pread(old, buf, 4096, 0), -ENODEV,
	       "%s: the old file stays dead when the original is back", what);
	close(old);
}

static void too_large(void)
{
	answer("lbads", 30);
	is_ret(rescan(), 0, "blocks of 1 GiB: rescan");
	is_ret(access(dev.path, F_OK), -ENOENT, "blocks of 1 GiB: no node");
	answer("lbads", 0);
	is_ret(rescan(), 0, "blocks of 1 GiB: rescan with the real size");
	is(access(dev.path, F_OK), 0, "blocks of 1 GiB: the node is back");
}

static void size(void)
{
	resize();
	resize_under_io();
}

static void failure(void)
{
	fails(0, "Identify Namespace", 0);
	fails(2, "the list of namespaces", -EIO);
	fails(3, "the list of identifiers", 0);
	fails_permanently();
}

static void format(void)
{
	replaced("ident", 1, "A11: another namespace of the same size");
	answer("blocks", dev.size / 4096);
	replaced("lbads", 12, "C2: another format of the same size");
	answer("blocks", 0);
	rescan();
	too_large();
}

static void setup(void)
{
	ctrl = ctrl_open(O_RDWR);
	buf = pages(8192);
}

static const struct t_case cases[] = {
	{ "size", size },
	{ "failure", failure },
	{ "format", format },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
