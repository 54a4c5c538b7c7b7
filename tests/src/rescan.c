// SPDX-License-Identifier: GPL-2.0
/*
 * Namespaces that change under open files: their size, their format, which one
 * they are; and Identify commands that fail. tests/shim has to be loaded.
 *
 * rescan DEVICE size|failure|format
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

/* What the shim puts in place of the controller's answers. */
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

/* A socket that gets the kernel's events, and is there a change with RESIZE? */
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

static void resize(void)
{
	const uint64_t half = dev.size / 2, end = dev.size;
	int s = events(), fd[2];

	fd[0] = dev_open(O_RDWR | O_DIRECT);
	fd[1] = dev_open(O_RDWR);
	fill(buf, 4096, 1, 0);
	put(fd[0], buf, 4096, half - 4096);
	fill(buf, 4096, 2, 0);
	put(fd[0], buf, 4096, end - 4096);
	resizes(s);

	answer("blocks", half / dev.lba);
	is_ret(rescan(), 0, "C2: rescan of a namespace that shrank");
	is(resizes(s), 1, "C2: shrunk: one uevent with RESIZE=1");
	for (int i = 0; i < 2; i++) {
		has_size(fd[i], half, i ? "shrunk, copy" : "shrunk, direct");
		ends_at(fd[i], half, i ? "shrunk, copy" : "shrunk, direct");
	}
	is_ret(ioctl(fd[0], BLKDISCARD, (uint64_t[]){ half, 4096 }), -EINVAL,
	       "C2: shrunk: no discard behind the end");
	get(fd[0], buf, 4096, half - 4096);
	holds(buf, 4096, 1, 0, "C2: shrunk: what stayed is there");

	is_ret(rescan(), 0, "C2: rescan without a change");
	is(resizes(s), 0, "C2: no change: no uevent");

	answer("blocks", 0);
	is_ret(rescan(), 0, "C2: rescan of a namespace that grew");
	is(resizes(s), 1, "C2: grown: one uevent with RESIZE=1");
	for (int i = 0; i < 2; i++) {
		const char *what = i ? "grown, copy" : "grown, direct";

		has_size(fd[i], end, what);
		ends_at(fd[i], end, what);
		get(fd[i], buf, 4096, end - 4096);
		holds(buf, 4096, 2, 0, "C2: %s: the last block", what);
	}

	/* As if it had shrunk, and nobody had looked yet. */
	answer("blocks", 2 * end / dev.lba);
	is_ret(rescan(), 0, "C2: a size that the namespace does not have");
	for (int i = 0; i < 2; i++)
		is_ret(pread(fd[i], buf, 4096, end), -EREMOTEIO,
		       "C2: %s: the controller fails what is not there",
		       path_name(i ? 0 : O_DIRECT));
	answer("blocks", 0);
	is_ret(rescan(), 0, "C2: and back");
	has_size(fd[0], end, "back");
	close(fd[0]);
	close(fd[1]);
	close(s);
}

/* ---- and I/O meanwhile ---- */

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

		/* The upper half is there or not. */
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
	ok(good, "C2: I/O went on meanwhile (%lu)", good);
	is(bad, 0, "C2: and none of it failed");
}

/* ---- Identify commands that fail ---- */

static void fails(unsigned int cns, const char *what, int want)
{
	int fd = dev_open(O_RDONLY | O_DIRECT);

	answer("cns", cns);
	answer("status", INTERNAL_ERROR);
	is_ret(rescan(), want, "C2: rescan when %s fails", what);
	is_ret(pread(fd, buf, 4096, 0), 4096,
	       "C2: %s fails for now: an open file stays", what);
	is(access(dev.path, F_OK), 0, "C2: %s fails: the node stays", what);
	answer("status", 0);
	is_ret(rescan(), 0, "C2: rescan when %s works again", what);
	is_ret(pread(fd, buf, 4096, 0), 4096, "C2: the file is still good");
	close(fd);
}

static void fails_for_good(void)
{
	int fd = dev_open(O_RDONLY | O_DIRECT);

	answer("cns", 0);
	answer("status", INVALID_FIELD);
	is_ret(rescan(), 0, "C2: rescan, the controller says Do Not Retry");
	is_ret(pread(fd, buf, 4096, 0), -ENODEV, "C2: then it is gone");
	is_ret(access(dev.path, F_OK), -ENOENT, "C2: and its node, too");
	answer("status", 0);
	is_ret(rescan(), 0, "C2: rescan when it is there again");
	close(fd);
	fd = dev_open(O_RDONLY | O_DIRECT);
	is_ret(pread(fd, buf, 4096, 0), 4096, "C2: and it has a node again");
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
	       "%s: the old file is dead even when it is all as before", what);
	close(old);
}

static void too_large(void)
{
	answer("lbads", 30);
	is_ret(rescan(), 0, "blocks of 1 GiB: rescan");
	is_ret(access(dev.path, F_OK), -ENOENT, "blocks of 1 GiB: no node");
	answer("lbads", 0);
	is_ret(rescan(), 0, "blocks of 1 GiB: rescan with others");
	is(access(dev.path, F_OK), 0, "blocks of 1 GiB: the node is back");
}

int main(int argc, char **argv)
{
	const char *part = argc > 2 ? argv[2] : "";
	char path[64];

	t_begin(argc, argv);
	snprintf(path, sizeof(path), "%s", dev.path);
	*strrchr(path, 'n') = '\0';
	ctrl = open(path, O_RDWR);
	if (ctrl < 0)
		bail("%s", path);
	buf = pages(8192);

	if (!strcmp(part, "size")) {
		resize();
		resize_under_io();
	} else if (!strcmp(part, "failure")) {
		fails(0, "Identify Namespace", 0);
		fails(2, "the list of namespaces", -EIO);
		fails(3, "the list of identifiers", 0);
		fails_for_good();
	} else {
		replaced("ident", 1, "A11: another namespace of the same size");
		answer("blocks", dev.size / 4096);
		replaced("lbads", 12, "C2: another format of the same size");
		answer("blocks", 0);
		rescan();
		too_large();
	}
	return t_end();
}
