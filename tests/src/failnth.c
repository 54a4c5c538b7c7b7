// SPDX-License-Identifier: GPL-2.0
/*
 * A call is repeated with its first, second, third ... allocation failing, until it has
 * no more of them. Each time it succeeds, or fails with an errno; a controller that is
 * bound then works, and of one that is not nothing is left. What can fail, and for whom,
 * is set up by tests/guest/failnth.
 *
 * usage: failnth PCI SWEEP [FROM [TO]]
 *
 * PCI is the address of the only controller. It has to be bound, and is afterwards. FROM
 * and TO are the first allocation that fails, and the last.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "failnth.h"
#include "tap.h"

#define CTRL_NODE	"/dev/nvdio0"
#define BLOCK	4096U
#define PIECES	256

/* More allocations than any call has. */
#define MANY	1000000

/* So many complaints are printed. */
#define PRINTED	20

static const char *pci;
static char *buf;
static int nth_fd;

/* The allocation that fails, the errno of the call, and how many times what was wrong. */
static unsigned int nth, wrongs;
int failnth_err;
/* Of all calls: how many failed, left the controller dead, or without its namespace's file. */
static unsigned int failed, dead, absent;

void complain(const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (wrongs++ < PRINTED)
		note("allocation %u, errno %d: %s", nth, failnth_err, text);
}

/* ---- the calls ---- */

/* Write @text to a file of sysfs. */
static int put_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), ret = -1;

	if (fd >= 0) {
		ret = write(fd, text, strlen(text)) < 0 ? -1 : 0;
		close(fd);
	}
	return ret;
}

static int do_bind(void)
{
	return put_text("/sys/bus/pci/drivers/nvdio/bind", pci);
}

static int do_unbind(void)
{
	return put_text("/sys/bus/pci/drivers/nvdio/unbind", pci);
}

/* Of the PCI device. */
static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/%s", pci, name);
	return path;
}

static int do_flr(void)
{
	return put_text(path_of("reset"), "1");
}

int with_fd(const char *path, int flags, int (*call)(int fd))
{
	int fd = open(path, flags | O_CLOEXEC), ret = -1, saved;

	if (fd < 0)
		return -1;
	ret = call(fd);
	saved = errno;
	close(fd);
	errno = saved;
	return ret;
}

static int ioctl_reset(int fd)
{
	return ioctl(fd, NVME_IOCTL_RESET);
}

static int do_reset(void)
{
	return with_fd(CTRL_NODE, O_RDWR, ioctl_reset);
}

static int ioctl_rescan(int fd)
{
	return ioctl(fd, NVME_IOCTL_RESCAN);
}

static int do_rescan(void)
{
	return with_fd(CTRL_NODE, O_RDWR, ioctl_rescan);
}

static int ioctl_identify(int fd)
{
	struct nvme_admin_cmd cmd = {
		.opcode = 6,		/* Identify */
		.addr = (uintptr_t)buf,
		.data_len = 4096,
		.cdw10 = 1,		/* Controller */
	};

	return ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd);
}

static int do_identify(void)
{
	return with_fd(CTRL_NODE, O_RDWR, ioctl_identify);
}

/* @want bytes, or an error. */
int whole(ssize_t got, ssize_t want)
{
	if (got >= 0 && got != want)
		complain("%zd of %zd bytes", got, want);
	return got < 0 ? -1 : 0;
}

static int pread_all(int fd)
{
	return whole(pread(fd, buf, BYTES, BYTES), BYTES);
}

static int do_read(void)
{
	return with_fd(NS_NODE, O_RDONLY, pread_all);
}

static int pwrite_all(int fd)
{
	return whole(pwrite(fd, buf, BYTES - 1, BYTES), BYTES - 1);
}

static int do_write(void)
{
	return with_fd(NS_NODE, O_WRONLY, pwrite_all);
}

/* The pieces are in reverse order, so that none of them are merged. */
static int preadv_all(int fd)
{
	struct iovec iov[PIECES];
	unsigned int i;

	for (i = 0; i < PIECES; i++)
		iov[i] = (struct iovec) {
			.iov_base = buf + (PIECES - 1 - i) * (BYTES / PIECES),
			.iov_len = BYTES / PIECES,
		};
	return whole(preadv(fd, iov, PIECES, BYTES), BYTES);
}

static int do_direct(void)
{
	return with_fd(NS_NODE, O_RDONLY | O_DIRECT, preadv_all);
}

static int blkdiscard(int fd)
{
	uint64_t range[2] = { BYTES, BLOCK };

	return ioctl(fd, BLKDISCARD, range);
}

static int do_discard(void)
{
	return with_fd(NS_NODE, O_RDWR, blkdiscard);
}

/* A range, read through. */
static int range_read(int fd)
{
	struct nvdio_range range = { .start = BYTES, .len = 2 * BYTES };
	int of = ioctl(fd, NVDIO_IOC_RANGE, &range), ret, saved;

	if (of < 0)
		return -1;
	ret = preadv_all(of);
	saved = errno;
	close(of);
	errno = saved;
	return ret;
}

static int do_range(void)
{
	return with_fd(NS_NODE, O_RDONLY, range_read);
}

/* ---- what has to hold after each call ---- */

/* Is there a controller, a node, or a thread? */
static void look_for(const char *dir, const char *prefix)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d))) {
		if (!strncmp(e->d_name, prefix, strlen(prefix)))
			complain("left: %s/%s", dir, e->d_name);
	}
	if (d)
		closedir(d);
}

static void look_in(const char *path, const char *text)
{
	char line[512];
	FILE *f = fopen(path, "re");

	while (f && fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (strstr(line, text))
			complain("left: %s: %.100s", path, line);
	}
	if (f)
		fclose(f);
}

/* The rescuers of workqueues. */
static void look_for_threads(void)
{
	DIR *d = opendir("/proc");
	struct dirent *e;
	char path[300];

	while (d && (e = readdir(d))) {
		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		if (e->d_name[0] >= '1' && e->d_name[0] <= '9')
			look_in(path, "kworker/R-nvdio");
	}
	if (d)
		closedir(d);
}

/* Nothing is left of a controller that is not bound. */
static void gone(void)
{
	char enabled[8] = "";
	int fd = open(path_of("enable"), O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, enabled, sizeof(enabled) - 1) <= 0 || atoi(enabled))
		complain("left: PCI device enabled '%s'", enabled);
	if (fd >= 0)
		close(fd);
	look_for("/sys/class/nvdio", "nvdio");
	look_for("/dev", "nvdio");
	look_for(path_of(""), "msi_irqs");
	look_in("/proc/interrupts", "nvdio");
	look_in("/proc/iomem", "nvdio");
	if (nth % 16 == 1)
		look_for_threads();
}

static bool bound(void)
{
	return !access(path_of("driver"), F_OK);
}

static bool is_live(void)
{
	char state[16] = "";
	int fd = open("/sys/class/nvdio/nvdio0/state", O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, state, sizeof(state) - 1) <= 0)
		complain("no state");
	if (fd >= 0)
		close(fd);
	if (strcmp(state, "live\n") && strcmp(state, "dead\n"))
		complain("state '%s'", state);
	return !strcmp(state, "live\n");
}

static bool block_works(int flags, const char *mark, bool write)
{
	int fd = open(NS_NODE, (write ? O_WRONLY : O_RDONLY) | flags | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		return false;
	memset(buf, 0, BLOCK);
	if (write)
		memcpy(buf, mark, 16);
	got = write ? pwrite(fd, buf, BLOCK, 0) : pread(fd, buf, BLOCK, 0);
	close(fd);
	return got == BLOCK && !memcmp(buf, mark, 16);
}

/* A block is written and read, on both paths. */
static void works(void)
{
	static unsigned int times;
	char mark[16] = "";
	bool direct = ++times & 1;

	snprintf(mark, sizeof(mark), "%u", times);
	if (!block_works(direct ? O_DIRECT : 0, mark, true))
		complain("a write failed: %s", strerror(errno));
	if (!block_works(direct ? 0 : O_DIRECT, mark, false))
		complain("a read failed: %s", strerror(errno));
}

static void bind_anew(void)
{
	if (do_unbind() || do_bind())
		complain("cannot be bound again: %s", strerror(errno));
}

/*
 * A bound controller is live and has its namespace, if need be after a scan. A dead one
 * has to be bound anew.
 */
static void alive(void)
{
	if (!is_live()) {
		dead++;
		bind_anew();
	}
	if (access(NS_NODE, F_OK)) {
		absent++;
		/*
		 * Files in /dev come from the kernel's devtmpfs, which has its own
		 * allocations; then the node is there, and no file for it.
		 */
		if (do_rescan() || access(NS_NODE, F_OK))
			bind_anew();
	}
	works();
}

static void after_bind(void)
{
	if (bound() != !failnth_err)
		complain("%s", failnth_err ? "bound" : "not bound");
	if (bound()) {
		alive();
		if (do_unbind())
			complain("cannot be unbound: %s", strerror(errno));
	}
	gone();
}

void after_io(void)
{
	if (!is_live())
		complain("dead");
	works();
}

static const struct sweep {
	const char *name;
	int (*call)(void);
	void (*after)(void);
} sweeps[] = {
	{ "bind", do_bind, after_bind },
	{ "flr", do_flr, alive },
	{ "reset", do_reset, alive },
	{ "rescan", do_rescan, alive },
	{ "identify", do_identify, after_io },
	{ "read", do_read, after_io },
	{ "write", do_write, after_io },
	{ "direct", do_direct, after_io },
	{ "discard", do_discard, after_io },
	{ "range", do_range, after_io },
	{ "map_user", do_map_user, after_map },
	{ "map_alloc", do_map_alloc, after_map },
	{ "map_dmabuf", do_map_dmabuf, after_map },
	{ "map_mmap", do_map_mmap, after_map },
	{ "batch", do_batch, after_map },
	{ "ring", do_ring, after_map },
};

/* Let the @n-th allocation of this task fail from now on, or none. */
static void set_nth(unsigned int n)
{
	char text[16];
	int len = snprintf(text, sizeof(text), "%u", n);

	if (pwrite(nth_fd, text, len, 0) != len)
		bail("fail-nth: %s", strerror(errno));
}

/* One call. Return: how many more allocations there would have to be for one to fail. */
static unsigned int call_with(const struct sweep *s, unsigned int n)
{
	char left[16] = "";
	int ret;

	nth = n;
	set_nth(n);
	ret = s->call();
	failnth_err = ret ? errno : 0;
	if (pread(nth_fd, left, sizeof(left) - 1, 0) <= 0)
		bail("fail-nth: %s", strerror(errno));
	set_nth(0);
	return atoi(left);
}

static void sweep(const struct sweep *s, unsigned int from, unsigned int to)
{
	unsigned int n, left = 0;
	double begin = now();

	for (n = from; n <= to && !left; n++) {
		left = call_with(s, n);
		failed += !!failnth_err;
		if (left && failnth_err)
			complain("failed, although no allocation has");
		s->after();
		if (n % 64 == 0)
			note("%u, %.0f s", n, now() - begin);
	}
	is(wrongs, 0,
	   "allocation %u to %u of %s fails: %u errors, %u times dead, %u without namespace",
	   from, n - 2, s->name, failed, dead, absent);
	ok(n > from + 1, "%s: there is at least one", s->name);
}

static const struct sweep *find(const char *name)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sweeps); i++) {
		if (!strcmp(sweeps[i].name, name))
			return &sweeps[i];
	}
	return NULL;
}

int main(int argc, char **argv)
{
	const struct sweep *s = argc > 2 ? find(argv[2]) : NULL;
	unsigned int from = argc > 3 ? atoi(argv[3]) : 1;
	unsigned int to = argc > 4 ? atoi(argv[4]) : MANY;
	bool is_bind;

	if (!s || argc > 5) {
		fprintf(stderr, "usage: failnth PCI SWEEP [FROM [TO]]\n");
		return 2;
	}
	pci = argv[1];
	nth_fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	if (nth_fd < 0)
		bail("no fail-nth: %s", strerror(errno));
	buf = mmap(NULL, BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (buf == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	if (s->call == do_batch || s->call == do_ring)
		many_prepare();
	else if (s->after == after_map)
		map_prepare();
	is_bind = s->call == do_bind;
	if (is_bind && do_unbind())
		bail("unbind: %s", strerror(errno));
	tap_begin();
	sweep(s, from, to);
	if (is_bind)
		is(do_bind(), 0, "it is bound again");
	return t_end();
}
