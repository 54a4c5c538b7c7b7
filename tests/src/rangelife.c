// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges (NVDIO_IOC_RANGE) and O_EXCL in the lives of processes and controllers: handed
 * to a process that has no other rights, killed, reset, unbound.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libaio.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "rangemany.h"
#include "t.h"

#define AT (8 * MiB)
#define LEN (1 * MiB)
#define GUARD (64 * KiB)
#define RW (PROT_READ | PROT_WRITE)

static int node;
static unsigned char *b;

static int range_of(uint64_t start, uint64_t len)
{
	return range_or_bail(node, start, len, 0);
}

/* Are there batches, and rings? Not where all DMA bounces. */
static bool many_here(void)
{
	struct nvdio_info i = { };

	return !ioctl(node, NVDIO_IOC_INFO, &i) && i.features & NVDIO_FEATURE_BATCH;
}

/* ---- handed over ---- */

static int pair[2];

static void send_fd(int to, int fd)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(sizeof(int))]; } u = { };
	struct iovec v = { (char[]){ 0 }, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &u,
			    .msg_controllen = sizeof(u) };

	u.h = (struct cmsghdr){ CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
	memcpy(CMSG_DATA(&u.h), &fd, sizeof(fd));
	if (sendmsg(to, &m, 0) != 1)
		bail("sendmsg: %s", strerror(errno));
}

static int receive_fd(int from)
{
	union { struct cmsghdr h; char space[CMSG_SPACE(sizeof(int))]; } u = { };
	struct iovec v = { (char[]){ 0 }, 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = &u,
			    .msg_controllen = sizeof(u) };
	int fd;

	if (recvmsg(from, &m, 0) != 1 || u.h.cmsg_type != SCM_RIGHTS)
		bail("recvmsg");
	memcpy(&fd, CMSG_DATA(&u.h), sizeof(fd));
	return fd;
}

static uint32_t shared_by_node, shared_by_range;

static long rw_by_id(int fd, uint32_t id, uint32_t flags)
{
	struct nvdio_rw rw = { .id = id, .flags = flags, .len = PG };

	return reterr(ioctl(fd, NVDIO_IOC_RW, &rw));
}

static long map_id(int fd, uint32_t id)
{
	void *p = mmap(NULL, PG, RW, MAP_SHARED, fd, NVDIO_MMAP_ID(id));

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, PG);
	return 0;
}

/* What a process without rights can do with a range that it has received. */
static void with_range(void)
{
	int fd = receive_fd(pair[1]), part;
	char path[64];

	close(node);
	is(reterr(open(dev.path, O_RDWR)), -EACCES, "nobody cannot open the node");
	is(lseek(fd, 0, SEEK_END), LEN, "but has the range");
	is(reterr(pread(fd, b, PG, 0)), PG, "reads it");
	holds(b, PG, t_seed, GUARD, "its first page");
	fill(b, PG, t_seed + 1, 0);
	is(reterr(pwrite(fd, b, PG, LEN - PG)), PG, "writes it");
	is(reterr(pwrite(fd, b, PG, LEN)), -ENOSPC, "and nothing behind it");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ok(open(path, O_RDWR) < 0, "it is not opened again: %s", strerror(errno));
	part = range_by(fd, PG, PG, NVDIO_RANGE_READ_ONLY);
	ok(part >= 0, "nobody makes a range of it");
	is(rw_by_id(fd, shared_by_node, NVDIO_RW_WRITE), -ENOENT, "a map that the node shares");
	is(rw_by_id(fd, shared_by_node, 0), -ENOENT, "to read into");
	is(map_id(fd, shared_by_node), -ENOENT, "or to map");
	is(rw_by_id(fd, shared_by_range, NVDIO_RW_WRITE), PG, "a map that the range shares");
	is(map_id(fd, shared_by_range), 0, "to map");
	is(rw_by_id(part, shared_by_range, 0), -ENOENT, "is not one of another range");
}

static uint32_t add_shared(int fd)
{
	struct nvdio_map_add add = { .len = PG, .flags = NVDIO_MAP_ALLOC | NVDIO_MAP_SHARED };

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add))
		bail("NVDIO_IOC_MAP_ADD");
	return add.id;
}

static void del(int fd, uint32_t id)
{
	is(reterr(ioctl(fd, NVDIO_IOC_MAP_DEL, &id)), 0, "MAP_DEL");
}

static void handed(void)
{
	const long before = module_refs();
	const int fd = range_of(AT, LEN);
	struct stat st;

	is(module_refs(), before + 1, "a range holds the module");
	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair))
		bail("socketpair");
	stat(dev.path, &st);
	chmod(dev.path, 0600);
	fill(b, LEN + 2 * GUARD, t_seed, 0);
	put(node, b, LEN + 2 * GUARD, AT - GUARD);
	shared_by_node = add_shared(node);
	shared_by_range = add_shared(fd);
	send_fd(pair[0], fd);
	is(as_nobody(with_range), 0, "nobody's tests");
	chmod(dev.path, st.st_mode & 0777);
	get(node, b, LEN + 2 * GUARD, AT - GUARD);
	holds(b, GUARD, t_seed, 0, "the blocks before it");
	holds(b + GUARD + PG, LEN - 2 * PG, t_seed, GUARD + PG, "those in it");
	holds(b + GUARD + LEN - PG, PG, t_seed + 1, 0, "what nobody has written");
	holds(b + GUARD + LEN, GUARD, t_seed, GUARD + LEN, "the blocks behind it");
	del(node, shared_by_node);
	del(fd, shared_by_range);
	close(fd);
	close(pair[0]);
	close(pair[1]);
}

/* Sent to sockets that are themselves in flight, and that nobody receives from. */
static void cycles(void)
{
	const long before = module_refs();
	int s[2];

	for (int i = 0; i < 50; i++) {
		const int fd = range_of(AT, LEN);

		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, s))
			bail("socketpair");
		send_fd(s[0], fd);
		send_fd(s[0], s[0]);
		send_fd(s[0], s[1]);
		close(s[0]);
		close(s[1]);
		close(fd);
	}
	/* A new socket that is in flight makes the kernel collect others. */
	for (int i = 0; i < 300 && module_refs() != before; i++) {
		if (socketpair(AF_UNIX, SOCK_DGRAM, 0, s))
			bail("socketpair");
		send_fd(s[0], s[1]);
		close(s[0]);
		close(s[1]);
		usleep(100 * 1000);
	}
	is(module_refs(), before, "ranges that only cycles hold are closed");
}

/* ---- O_EXCL ---- */

static int excl(void)
{
	return (int)reterr(open(dev.path, O_RDWR | O_EXCL | O_CLOEXEC));
}

static void exclusive(void)
{
	int plain = dev_open(O_RDWR), fd = excl(), fd2, range;
	char path[64];

	ok(fd >= 0, "O_EXCL, with files open that have it not");
	is(excl(), -EBUSY, "once more");
	is(reterr(open(dev.path, O_RDONLY | O_EXCL)), -EBUSY, "for reading");
	fd2 = open(dev.path, O_RDWR);
	ok(fd2 >= 0, "without O_EXCL");
	is(reterr(pwrite(fd2, b, PG, 0)), PG, "and such a file writes");
	close(fd2);
	is(fcntl(fd, F_GETFL) & O_EXCL, 0, "the flag does not stay");
	is(excl(), -EBUSY, "closing a file without it changes nothing");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	is(reterr(open(path, O_RDWR | O_EXCL)), -EBUSY, "opened again by /proc");
	fd2 = dup(fd);
	close(fd);
	is(excl(), -EBUSY, "held by a second descriptor");
	range = range_by(fd2, AT, LEN, 0);
	close(fd2);
	fd = excl();
	ok(fd >= 0, "free after the last close, whatever ranges there are");
	close(fd);
	close(range);
	fd = open(dev.path, O_RDWR | O_EXCL | O_CREAT, 0600);
	is(reterr(fd), -EEXIST, "with O_CREAT it means what it always does");
	close(plain);
}

static void holder(void *in_flight)
{
	const int fd = excl(), range = range_by(fd, AT, LEN, 0);
	struct iocb cb[16], *list[16];
	io_context_t aio = NULL;

	if (fd < 0 || range < 0)
		return;
	if (*(const bool *)in_flight) {
		io_setup(16, &aio);
		fcntl(range, F_SETFL, O_DIRECT);
		for (int i = 0; i < 16; i++) {
			io_prep_pread(&cb[i], range, b + i * 64 * KiB, 64 * KiB, 0);
			list[i] = &cb[i];
		}
		io_submit(aio, 16, list);
	}
	child_ready();
	for (;;)
		pause();
}

/* A child that opens with O_EXCL, does I/O, and is killed: a range's I/O as well. */
static void dies(bool in_flight)
{
	const pid_t pid = child_start(holder, &in_flight);
	int fd;

	ok(pid > 0, "a child has O_EXCL");
	is(excl(), -EBUSY, "so nobody else has");
	ok(child_kill(pid), "it is killed");
	/* I/O in flight holds the range's file, but not the node's. */
	fd = excl();
	ok(fd >= 0, "it is free%s", in_flight ? ", with I/O in flight" : "");
	close(fd);
}

static void killed(void)
{
	for (int i = 0; i < 3; i++)
		dies(i);
}

struct race {
	atomic_int holders, taken, busy, wrong, go;
};

static void racer(struct race *r)
{
	while (!r->go)
		;
	for (int i = 0; i < 2000; i++) {
		const int fd = excl();

		if (fd >= 0) {
			r->wrong += atomic_fetch_add(&r->holders, 1) != 0;
			r->taken++;
			/* Long enough for the others to try. */
			sched_yield();
			atomic_fetch_sub(&r->holders, 1);
			close(fd);
		} else {
			r->busy++;
			r->wrong += fd != -EBUSY;
		}
	}
}

static void races(void)
{
	struct race *r = shared_memory(sizeof(*r));
	int fd;

	for (int i = 0; i < 3; i++) {
		if (!fork()) {
			racer(r);
			_exit(0);
		}
	}
	r->go = 1;
	while (wait(NULL) > 0)
		;
	is(r->wrong, 0, "never two at once: %d taken, %d busy", r->taken, r->busy);
	is(r->taken + r->busy, 6000, "and no other error");
	ok(r->taken, "it was taken");
	fd = excl();
	ok(fd >= 0, "and is free at the end");
	close(fd);
}

/* ---- controllers ---- */

struct load {
	pthread_t thread;
	int fd, index;
	atomic_int *stop;
	unsigned int turns, wrong;
	long error;
};

/* Writes and reads back a part of a range that is its own. */
static void *load(void *arg)
{
	struct load *l = arg;
	unsigned char *p = pages(64 * KiB);

	for (; !*l->stop && !l->error; l->turns++) {
		fill(p, 64 * KiB, l->turns + l->index, 0);
		l->error = reterr(pwrite(l->fd, p, 64 * KiB, 0));
		if (l->error == 64 * KiB)
			l->error = reterr(pread(l->fd, p, 64 * KiB, 0));
		if (l->error == 64 * KiB) {
			l->wrong += differs(p, 64 * KiB, l->turns + l->index, 0) >= 0;
			l->error = 0;
		}
	}
	munmap(p, 64 * KiB);
	return NULL;
}

/* Its pages, all in one call. Return: 0, or what went wrong. */
static long load_pages(struct many *m, unsigned int op)
{
	struct nvdio_io ios[16];
	int res[16];
	long ret;

	for (unsigned int i = 0; i < 16; i++)
		ios[i] = many_io(m, op, i * PG, PG, i * PG);
	ret = many_send(m, ios, 16, res);
	for (unsigned int i = 0; i < 16 && !ret; i++)
		ret = res[i] == (int)PG ? 0 : res[i];
	return ret;
}

/* The same by a batch, or by a ring, which keeps the range when it is closed. */
static void *load_many(void *arg)
{
	struct load *l = arg;
	struct many m;

	many_begin(&m, l->index & 1 ? &many_ring : &many_batch, l->fd);
	for (; !*l->stop && !l->error; l->turns++) {
		fill(m.mem, 64 * KiB, l->turns + l->index, 0);
		l->error = load_pages(&m, NVDIO_IO_WRITE);
		memset(m.mem, 0, 64 * KiB);
		if (!l->error)
			l->error = load_pages(&m, NVDIO_IO_READ);
		if (!l->error)
			l->wrong += differs(m.mem, 64 * KiB, l->turns + l->index, 0) >= 0;
	}
	many_end(&m);
	return NULL;
}

#define LOADS 6

static void loads_start(struct load *l, atomic_int *stop)
{
	const bool many = many_here();

	*stop = 0;
	for (int i = 0; i < LOADS; i++) {
		l[i] = (struct load){ .index = i, .stop = stop };
		l[i].fd = range_of(AT + i * 64 * KiB, 64 * KiB);
		if (i & 1)
			fcntl(l[i].fd, F_SETFL, 0);
		pthread_create(&l[i].thread, NULL, many && i > 3 ? load_many : load, &l[i]);
	}
}

static void loads_end(struct load *l, long want, const char *what)
{
	for (int i = 0; i < LOADS; i++) {
		pthread_join(l[i].thread, NULL);
		ok(l[i].turns && !l[i].wrong, "%s: %u turns, all as written", what, l[i].turns);
		is(l[i].error, want, "%s: its last result", what);
		close(l[i].fd);
	}
}

static void resets(void)
{
	const int ctrl = ctrl_open(O_RDWR);
	struct load l[LOADS];
	atomic_int stop;

	loads_start(l, &stop);
	for (int i = 0; i < 5; i++) {
		usleep(100 * 1000);
		is(reterr(ioctl(ctrl, NVME_IOCTL_RESET)), 0, "reset %d", i);
	}
	usleep(100 * 1000);
	stop = 1;
	loads_end(l, 0, "reset");
	close(ctrl);
}

static bool write_to(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY);
	const bool good = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);

	close(fd);
	return good;
}

/*
 * Bind it, wait for the node of its first namespace, and make that the device under test: while
 * files of the old one are open, its number is in use.
 */
static bool bind_again(const char *pci)
{
	static char path[64];
	char pattern[96];
	glob_t g = { };

	snprintf(pattern, sizeof(pattern), "/sys/bus/pci/devices/%s/nvdio/nvdio*/nvdio*n1", pci);
	if (!write_to("/sys/bus/pci/drivers/nvdio/bind", pci))
		return false;
	for (int i = 0; i < 300; i++) {
		if (!glob(pattern, 0, NULL, &g))
			snprintf(path, sizeof(path), "/dev/%.48s",
				 strrchr(g.gl_pathv[0], '/') + 1);
		globfree(&g);
		if (*path && !access(path, F_OK))
			break;
		usleep(100 * 1000);
	}
	dev.path = path;
	node = open(path, O_RDWR | O_DIRECT);
	return node >= 0;
}

static void gone(int fd, const char *what)
{
	uint64_t of[2] = { 0, PG };
	struct nvdio_info i;

	is(reterr(pread(fd, b, PG, 0)), -ENODEV, "%s: pread", what);
	is(reterr(pwrite(fd, b, PG, 0)), -ENODEV, "%s: pwrite", what);
	is(reterr(pread(fd, b, PG, LEN)), -ENODEV, "%s: pread at the end", what);
	is(reterr(lseek(fd, 0, SEEK_END)), -ENODEV, "%s: lseek", what);
	is(reterr(fsync(fd)), -ENODEV, "%s: fsync", what);
	is(reterr(ioctl(fd, BLKGETSIZE64, of)), -ENODEV, "%s: BLKGETSIZE64", what);
	is(reterr(ioctl(fd, BLKDISCARD, of)), -ENODEV, "%s: BLKDISCARD", what);
	is(reterr(ioctl(fd, NVDIO_IOC_INFO, &i)), -ENODEV, "%s: NVDIO_IOC_INFO", what);
	is(reterr(ioctl(fd, NVME_IOCTL_ID)), -ENODEV, "%s: NVME_IOCTL_ID", what);
	is(range_by(fd, 0, PG, 0), -ENODEV, "%s: NVDIO_IOC_RANGE", what);
	is(map_id(fd, 1), -ENODEV, "%s: mmap", what);
}

/* Batches, and a ring that was made before, of a range that has gone; both end here. */
static void many_gone(struct many *batch, struct many *ring)
{
	struct nvdio_ring_create c = { .sq_entries = 8 };
	struct pollfd p = { .fd = ring->own.fd, .events = POLLIN };

	is(many_one(batch, NVDIO_IO_READ, 0, PG), -ENODEV, "gone: a batch");
	is(own_enter(&ring->own, 1, 0), -ENODEV, "gone: a ring");
	is(own_enter(&ring->own, 0, 1), -ENODEV, "gone: a ring, to wait");
	is(poll(&p, 1, 0), 1, "gone: poll()");
	is(p.revents, POLLERR | POLLHUP, "gone: says so");
	is(reterr(ioctl(ring->fd, NVDIO_IOC_RING_CREATE, &c)), -ENODEV, "gone: another ring");
	many_end(batch);
	many_end(ring);
}

static void unbound(void)
{
	const char *pci = getenv("NVDIO_PCI"), *first = dev.path;
	int range = range_of(AT, LEN), old = excl(), new;
	void *m = mmap(NULL, PG, RW, MAP_SHARED, range, NVDIO_MMAP_ALLOC);
	const bool many = many_here();
	struct load l[LOADS];
	struct many batch, ring;
	atomic_int stop;

	if (!pci || m == MAP_FAILED)
		bail("NVDIO_PCI, or mmap()");
	ok(old >= 0, "O_EXCL");
	if (many) {
		many_begin(&batch, &many_batch, range);
		many_begin(&ring, &many_ring, range);
		is(many_one(&ring, NVDIO_IO_READ, 0, PG), PG, "a ring");
	}
	loads_start(l, &stop);
	usleep(200 * 1000);
	ok(write_to("/sys/bus/pci/drivers/nvdio/unbind", pci), "unbound, with ranges in use");
	loads_end(l, -ENODEV, "unbound");
	gone(range, "unbound");
	memset(m, 1, PG);
	close(node);
	ok(bind_again(pci), "bound again");
	gone(range, "bound again");
	if (many)
		many_gone(&batch, &ring);
	new = excl();
	ok(new >= 0, "O_EXCL of the new node, while that of the old one is held");
	close(old);
	is(excl(), -EBUSY, "closing that one frees nothing");
	close(new);
	new = range_of(AT, LEN);
	is(reterr(pread(new, b, PG, 0)), PG, "a new range");
	close(new);
	close(range);
	munmap(m, PG);
	/* The number is free now. */
	close(node);
	ok(write_to("/sys/bus/pci/drivers/nvdio/unbind", pci) && bind_again(pci), "and once more");
	is(strcmp(dev.path, first), 0, "the node has its first name: %s", dev.path);
}

static void setup(void)
{
	node = dev_open(O_RDWR | O_DIRECT);
	b = pages(LEN + 2 * GUARD);
}

static const struct t_case cases[] = {
	{ "handed", handed },
	{ "cycles", cycles },
	{ "exclusive", exclusive },
	{ "killed", killed },
	{ "races", races },
	{ "resets", resets },
	{ "unbound", unbound },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
