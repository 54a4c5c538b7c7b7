// SPDX-License-Identifier: GPL-2.0
/*
 * Rings without io_uring (driver/uapi/nvdio.h): what they are, whom they serve, and what
 * each error leaves alone. Contents: ownringio.c; with I/O in flight: ownringslow.c;
 * programs that mean no good: ownringbad.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/fs.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "ownring.h"

#define AT (8 * MiB)
#define LEN (64 * PG)
#define NOWHERE ((void *)16)

static int node;
static uint32_t map;
static char *mem;
static FILE *seen_errors;

static void setup(void)
{
	const char *path = getenv("NVDIO_SEEN");
	struct nvdio_info info;

	node = dev_open(O_RDWR);
	if (path)
		seen_errors = fopen(path, "a");
	if (ioctl(node, NVDIO_IOC_INFO, &info))
		bail("NVDIO_IOC_INFO");
	if (info.features & NVDIO_FEATURE_RING)
		own_memory(node, LEN, 0, &map, &mem);
}

static struct nvdio_io read_of(uint64_t off, uint64_t addr, uint32_t len, uint32_t cookie)
{
	return (struct nvdio_io){
		.off = off, .addr = addr, .len = len, .map = map, .op = NVDIO_IO_READ,
		.cookie = cookie,
	};
}

static struct nvdio_io write_of(uint64_t off, uint64_t addr, uint32_t len, uint32_t cookie)
{
	struct nvdio_io io = read_of(off, addr, len, cookie);

	io.op = NVDIO_IO_WRITE;
	return io;
}

/* One test: call @name has returned @want, an errno; tests/man.t compares with its page. */
static void fails(const char *name, long got, int want, const char *what)
{
	is(got, -want, "%s, %s: %s", name, strerrorname_np(want), what);
	if (got != -want || !seen_errors)
		return;
	fprintf(seen_errors, "%s %s\n", name, strerrorname_np(want));
	fflush(seen_errors);
}

static long create(int fd, struct nvdio_ring_create *c)
{
	return reterr(ioctl(fd, NVDIO_IOC_RING_CREATE, c));
}

static void bad_create(uint32_t sq, uint32_t cq, uint32_t flags, const char *what)
{
	struct nvdio_ring_create c = { .sq_entries = sq, .cq_entries = cq, .flags = flags };

	fails("RING_CREATE", create(node, &c), EINVAL, what);
}

static void create_errors(void)
{
	struct {
		struct nvdio_ring_create c;
		uint32_t more;
	} longer = { .c.sq_entries = 1, .more = 1 };
	const unsigned long cmd = NVDIO_IOC_RING_CREATE & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT);
	struct nvdio_ring_create c = { .sq_entries = 1 };
	const struct rlimit few = { 100, 100 };
	int ctrl = ctrl_open(O_RDWR), fds[100], n;
	long ret;

	bad_create(0, 0, 0, "no entries");
	bad_create(NVDIO_RING_SQ_MAX + 1, 0, 0, "too many");
	bad_create(1, NVDIO_RING_CQ_MAX + 1, 0, "too many completions");
	bad_create(9, 8, 0, "too few completions");
	bad_create(1, 0, 1, "an unknown flag");
	fails("RING_CREATE", reterr(ioctl(node, cmd | 4UL << _IOC_SIZESHIFT, &c)), EINVAL,
	      "a structure that is too short");
	fails("RING_CREATE",
	      reterr(ioctl(node, cmd | sizeof(longer) << _IOC_SIZESHIFT, &longer)), E2BIG,
	      "an unknown member");
	longer.more = 0;
	ret = reterr(ioctl(node, cmd | sizeof(longer) << _IOC_SIZESHIFT, &longer));
	ok(ret >= 0, "one that is 0");
	close(ret);
	fails("RING_CREATE", create(node, NOWHERE), EFAULT, "no memory there");
	fails("RING_CREATE", create(ctrl, &c), ENOTTY, "the node of the controller");
	close(ctrl);
	setrlimit(RLIMIT_NOFILE, &few);
	for (n = 0; n < 100; n++) {
		fds[n] = create(node, &c);
		if (fds[n] < 0)
			break;
	}
	fails("RING_CREATE", n < 100 ? fds[n] : 0, EMFILE, "no more descriptors");
	while (n--)
		close(fds[n]);
}

static void shape(void)
{
	struct own r, s;
	unsigned int bad = 0;

	own_open(&r, node, 5, 0);
	ok(r.shape.sq_entries == 8 && r.shape.cq_entries == 16, "5 entries are 8, and 16");
	ok(!(r.shape.bytes % PG) && r.shape.cq_off + 16 * sizeof(*r.cq) <= r.shape.bytes &&
	   r.shape.sq_off + 8 * sizeof(*r.sq) <= r.shape.cq_off &&
	   r.shape.sq_off >= sizeof(*r.head), "nothing overlaps");
	is(fcntl(r.fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC, "close-on-exec");
	ok(r.head->sq_tail == r.head->sq_head && r.head->sq_tail == r.head->cq_head &&
	   r.head->sq_tail == r.head->cq_tail, "all indices are the same");
	own_close(&r);
	own_open(&s, node, NVDIO_RING_SQ_MAX, NVDIO_RING_CQ_MAX);
	for (uint32_t i = sizeof(*s.head); i < s.shape.bytes; i++)
		bad += s.mem[i];
	is(bad, 0, "the largest is zeroed");
	memset(s.mem + sizeof(*s.head), 0xff, s.shape.bytes - sizeof(*s.head));
	own_close(&s);
}

static void one(void)
{
	struct nvdio_ring_cqe c = { .status = 77, .resv = 77 };
	struct nvdio_io w = write_of(AT, 0, 8 * PG, 0xdeadbeef);
	struct nvdio_io r = read_of(AT, 32 * PG, 8 * PG, 7);
	struct nvdio_io f = { .op = NVDIO_IO_FLUSH, .cookie = 0xffffffff };
	uint64_t reads = counter("stats/direct");
	struct own ring;

	own_open(&ring, node, 4, 0);
	fill(mem, 8 * PG, t_seed, 0);
	is(own_do(&ring, &w, &c), 8 * PG, "a write");
	ok(!c.status && !c.resv, "and no status");
	is(own_do(&ring, &f, &c), 0, "a flush");
	is(own_do(&ring, &r, &c), 8 * PG, "a read");
	holds(mem + 32 * PG, 8 * PG, t_seed, 0, "what was written is read");
	w.flags = NVDIO_IO_FUA;
	is(own_do(&ring, &w, NULL), 8 * PG, "a write with FUA");
	ok(counter("stats/direct") - reads >= 3, "they are counted");
	own_close(&ring);
}

/* One test: a descriptor fails with @want, those around it do not, memory is untouched. */
static void refused(struct own *r, struct nvdio_io io, int want, const char *what)
{
	struct nvdio_io good = read_of(AT, 0, PG, 1);
	unsigned int left = 7;
	bool right = true;

	memset(mem + PG, 0x5a, LEN - PG);
	io.cookie = 2;
	own_put(r, &good);
	own_put(r, &io);
	good.cookie = 4;
	own_put(r, &good);
	own_publish(r);
	if (own_enter(r, 3, 3) != 3 || own_ready(r) != 3)
		bail("%s: three I/Os did not end", what);
	for (int i = 0; i < 3; i++) {
		struct nvdio_ring_cqe c = own_get(r);

		left &= ~c.cookie;
		right &= c.res == (c.cookie == 2 ? -want : (long)PG) && !c.status;
		if (c.cookie == 2)
			fails("I/O", c.res, want, what);
	}
	ok(!left && right, "%s: the others have succeeded", what);
	for (size_t i = PG; i < LEN; i++)
		if (mem[i] != 0x5a)
			right = false;
	ok(right, "%s: nothing is moved", what);
}

static struct nvdio_io with_map(struct nvdio_io io, unsigned int id)
{
	io.map = id;
	return io;
}

static void descriptor_errors(void)
{
	struct nvdio_io io;
	uint32_t only;
	struct own r;

	own_open(&r, node, 4, 0);
	refused(&r, read_of(AT + 1, PG, PG, 0), EINVAL, "an offset within a block");
	refused(&r, read_of(AT, PG, PG - 4, 0), EINVAL, "a length of parts of blocks");
	refused(&r, read_of(AT, PG, 0, 0), EINVAL, "no length");
	refused(&r, read_of(AT, PG + 2, PG, 0), EINVAL, "memory that is not dword aligned");
	refused(&r, read_of(AT, LEN - PG + 4, PG, 0), EINVAL, "memory beyond the map");
	refused(&r, read_of(AT, LEN, PG, 0), EINVAL, "memory at its end");
	refused(&r, read_of(AT, -PG, PG, 0), EINVAL, "memory before it");
	refused(&r, read_of(AT, PG, 0xfffff000, 0), EINVAL, "a length that is too much");
	io = read_of(AT, PG, PG, 0);
	io.flags = NVDIO_IO_FUA;
	refused(&r, io, EINVAL, "a read with FUA");
	io.flags = 0x80;
	refused(&r, io, EINVAL, "an unknown flag");
	io = read_of(AT, PG, PG, 0);
	io.resv = 1;
	refused(&r, io, EINVAL, "a member that is not 0");
	io.resv = 0;
	io.stream = 1;
	refused(&r, io, EINVAL, "a stream");
	io = read_of(AT, PG, PG, 0);
	io.op = NVDIO_IO_FLUSH;
	refused(&r, io, EINVAL, "a flush of something");
	io.map = 0;
	io.addr = 0;
	refused(&r, io, EINVAL, "a flush of something, without memory");
	io.op = 5;
	refused(&r, io, EOPNOTSUPP, "an unknown operation");
	io.op = 0xff;
	refused(&r, io, EOPNOTSUPP, "another one");
	io = write_of(AT, PG, PG, 0);
	io.flags = NVDIO_IO_ATOMIC;
	refused(&r, io, EINVAL, "an atomic write that nothing promises");
	refused(&r, read_of(dev.size, PG, PG, 0), ENOSPC, "the end of the namespace");
	refused(&r, read_of(dev.size - PG, PG, 2 * PG, 0), ENOSPC, "beyond it");
	refused(&r, read_of(-PG, PG, PG, 0), ENOSPC, "far beyond it");
	refused(&r, with_map(io = read_of(AT, PG, PG, 0), 0), ENOENT, "no map");
	refused(&r, with_map(io, 4000), ENOENT, "a map that is not there");
	refused(&r, with_map(io, NVDIO_MAP_RING_BUF), EINVAL, "a buffer of io_uring's");
	own_memory(node, LEN, NVDIO_MAP_READ_ONLY, &only, NULL);
	refused(&r, with_map(io, only), EACCES, "a read into a map for writes");
	ioctl(node, NVDIO_IOC_MAP_DEL, &only);
	refused(&r, with_map(io, only), ENOENT, "a map that was deleted");
	own_close(&r);
}

static void rights(void)
{
	const struct nvdio_io r = read_of(AT, PG, PG, 0), w = write_of(AT, PG, PG, 0);
	int ro = dev_open(O_RDONLY), wo = dev_open(O_WRONLY), on = 1, off = 0;
	struct nvdio_io f = { .op = NVDIO_IO_FLUSH };
	struct own ring;

	own_open(&ring, ro, 4, 0);
	close(ro);
	refused(&ring, w, EBADF, "a write by a ring for reading");
	is(own_do(&ring, &r, NULL), PG, "a read by it");
	is(own_do(&ring, &f, NULL), 0, "a flush by it");
	own_close(&ring);
	own_open(&ring, wo, 4, 0);
	close(wo);
	is(own_do(&ring, &r, NULL), -EBADF, "a read by a ring for writing");
	is(own_do(&ring, &w, NULL), PG, "a write by it");
	own_close(&ring);
	own_open(&ring, node, 4, 0);
	is_ret(ioctl(node, BLKROSET, &on), 0, "the namespace is read-only now");
	refused(&ring, w, EPERM, "a write to it");
	is(own_do(&ring, &r, NULL), PG, "a read of it");
	is_ret(ioctl(node, BLKROSET, &off), 0, "no longer");
	is(own_do(&ring, &w, NULL), PG, "a write again");
	own_close(&ring);
}

/* Maps are of the file that they were added by; a ring needs none. */
static void maps_of_others(void)
{
	int other = dev_open(O_RDWR);
	struct nvdio_io io = read_of(AT, 0, PG, 0);
	struct own ring;
	uint32_t id;

	own_open(&ring, node, 4, 0);
	own_memory(other, LEN, 0, &id, NULL);
	io.map = id;
	is(own_do(&ring, &io, NULL), PG, "a map of another file of the same program");
	close(other);
	is(own_do(&ring, &io, NULL), -ENOENT, "its file is closed, and it is gone");
	own_close(&ring);
	other = dev_open(O_RDWR);
	own_open(&ring, other, 4, 0);
	own_memory(other, LEN, 0, &id, NULL);
	io.map = id;
	close(other);
	is(own_do(&ring, &io, NULL), PG, "but not if a ring was made from it");
	io.map = map;
	is(own_do(&ring, &io, NULL), PG, "another map, by a ring whose node is closed");
	own_close(&ring);
}

static void enter_rules(void)
{
	const struct nvdio_io io = read_of(AT, 0, PG, 0);
	struct own r;

	own_open(&r, node, 4, 0);
	is(own_enter(&r, 0, 0), 0, "nothing to do");
	is(own_enter(&r, 1, 0), 0, "nothing was filled in");
	is(own_enter(&r, 0, 5), 0, "nothing is in flight, nothing is waited for");
	own_put(&r, &io);
	own_put(&r, &io);
	own_publish(&r);
	is(own_enter(&r, 1, 0), 1, "one of two");
	is(own_enter(&r, 5, 1), 1, "fewer than asked for");
	is(own_enter(&r, 0, 65535), 0, "all that there will be are waited for");
	is(own_ready(&r), 2, "and are there");
	is(r.head->sq_head, r.tail, "all were taken");
	own_get(&r);
	own_get(&r);
	fails("RING_ENTER", reterr(ioctl(r.fd, NVDIO_IOC_RING_CREATE, NOWHERE)), ENOTTY,
	      "another ioctl");
	is(reterr(ioctl(node, NVDIO_IOC_RING_ENTER, 0)), -ENOTTY, "no ring");
	fails("RING_ENTER", reterr(ioctl(r.fd, NVDIO_IOC_RING_ENTER, 1UL << 32)), EINVAL,
	      "a number that is too large");
	r.head->timeout = 1;
	is(own_enter(&r, 0, 1), 0, "a timeout does not matter if there is nothing to wait for");
	own_close(&r);
}

static void on_alarm(int sig)
{
	(void)sig;
}

/* Send reads and wait for all of them. Returns how the wait, alone, has ended. */
static long wait_for_many(struct own *r)
{
	long ret;

	for (unsigned int i = 0; i < 64; i++) {
		const struct nvdio_io io = read_of(AT, 0, LEN / 2, i);

		own_put(r, &io);
	}
	own_publish(r);
	if (own_enter(r, 64, 0) != 64)
		bail("64 reads");
	ret = own_enter(r, 0, 64);
	r->head->timeout = 0;
	while (own_ready(r) < 64)
		own_enter(r, 0, 64);
	while (own_ready(r))
		own_get(r);
	return ret;
}

/* By a timeout and a signal, one of which will come before the I/O has ended. */
static void ends_of_waits(void)
{
	const struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = {};
	struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
	long ret = 0;
	struct own r;

	own_open(&r, node, 64, 0);
	for (int i = 0; i < 1000 && ret != -ETIME; i++) {
		r.head->timeout = 1;
		ret = wait_for_many(&r);
	}
	fails("RING_ENTER", ret, ETIME, "a wait of a nanosecond");
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < 1000 && ret != -EINTR; i++)
		ret = wait_for_many(&r);
	setitimer(ITIMER_REAL, &never, NULL);
	signal(SIGALRM, SIG_DFL);
	alarm(400);
	fails("RING_ENTER", ret, EINTR, "a wait that a signal ends");
	own_close(&r);
}

static void full(void)
{
	struct nvdio_io io = read_of(AT, 0, PG, 0);
	unsigned int twice = 0;
	struct own r;

	own_open(&r, node, 4, 8);
	for (int i = 0; i < 4; i++)
		own_put(&r, &io);
	own_publish(&r);
	is(own_enter(&r, 4, 4), 4, "4 of 8");
	for (int i = 0; i < 4; i++)
		own_put(&r, &io);
	own_publish(&r);
	is(own_enter(&r, 4, 0), 4, "8 of 8, of which 4 have ended");
	for (int i = 0; i < 4; i++)
		own_put(&r, &io);
	own_publish(&r);
	fails("RING_ENTER", own_enter(&r, 4, 8), EBUSY, "no room for another completion");
	is(own_enter(&r, 0, 8), 0, "all 8 are waited for");
	fails("RING_ENTER", own_enter(&r, 4, 0), EBUSY, "still none, unless they are seen");
	own_get(&r);
	own_get(&r);
	own_get(&r);
	is(own_enter(&r, 4, 8), 3, "room for 3 of 4, which does not wait");
	is(r.tail - r.head->sq_head, 1, "one is left");
	is(own_enter(&r, 1, 0), -EBUSY, "for which there is no room");
	own_get(&r);
	is(own_enter(&r, 1, 8), 1, "now there is");
	while (own_ready(&r))
		twice += own_get(&r).res == (int)PG;
	is(twice, 8, "all have ended, and none is lost");
	own_close(&r);
}

static void broken_indices(void)
{
	struct nvdio_io io = read_of(AT, 0, PG, 0);
	struct own r;

	own_open(&r, node, 4, 8);
	own_put(&r, &io);
	own_publish(&r);
	r.head->sq_tail += 4;
	fails("RING_ENTER", own_enter(&r, 1, 0), EINVAL, "a tail that is too far");
	r.head->sq_tail = r.head->sq_head - 1;
	is(own_enter(&r, 1, 0), -EINVAL, "one that is behind");
	own_publish(&r);
	r.head->cq_head += 1;
	is(own_enter(&r, 1, 0), -EINVAL, "a completion seen that was not there");
	is(own_enter(&r, 0, 1), -EINVAL, "nor can others be waited for");
	r.head->cq_head = r.seen - 100;
	is(own_enter(&r, 1, 0), -EINVAL, "the other way round");
	r.head->cq_head = r.seen;
	r.head->sq_head = 0;
	r.head->cq_tail = 0;
	is(own_enter(&r, 1, 1), 1, "what the driver writes it does not read");
	is(own_ready(&r), 1, "it is right again");
	is(own_get(&r).res, PG, "and all is well");
	own_close(&r);
}

static short ready(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };

	return poll(&p, 1, ms) < 0 ? -1 : p.revents;
}

static void polls(void)
{
	struct nvdio_io io = read_of(AT, 0, PG, 0);
	struct own r;

	own_open(&r, node, 4, 4);
	is(ready(r.fd, POLLIN | POLLOUT, 0), POLLOUT, "room, and no completions");
	for (int i = 0; i < 4; i++)
		own_put(&r, &io);
	own_publish(&r);
	is(own_enter(&r, 4, 0), 4, "all of it is in flight");
	is(ready(r.fd, POLLIN, 10000), POLLIN, "poll() waits for completions");
	is(own_enter(&r, 0, 4), 0, "all are there");
	is(ready(r.fd, POLLIN | POLLOUT, 0), POLLIN, "no room");
	own_get(&r);
	is(ready(r.fd, POLLIN | POLLOUT, 0), POLLIN | POLLOUT, "room for one");
	for (int i = 0; i < 3; i++)
		own_get(&r);
	is(ready(r.fd, POLLIN, 0), 0, "all were seen");
	own_close(&r);
}

/* @flags: EPOLLET or not. Each completion is told of, also if it comes after a look. */
static void epolls(uint32_t flags)
{
	struct epoll_event e = { .events = EPOLLIN | flags };
	struct nvdio_io io = read_of(AT, 0, PG, 0);
	int ep = epoll_create1(0), told = 0, got = 0;
	struct own r;

	own_open(&r, node, 4, 8);
	if (epoll_ctl(ep, EPOLL_CTL_ADD, r.fd, &e))
		bail("epoll_ctl");
	is(epoll_wait(ep, &e, 1, 0), 0, "epoll: nothing yet");
	for (int i = 0; i < 200; i++) {
		own_put(&r, &io);
		own_publish(&r);
		if (own_enter(&r, 1, 0) != 1)
			break;
		told += epoll_wait(ep, &e, 1, 10000);
		while (own_ready(&r))
			got += own_get(&r).res == (int)PG;
	}
	is(told, 200, "epoll tells of each of 200");
	is(got, 200, "and they are there");
	is(epoll_wait(ep, &e, 1, 0), 0, "epoll: nothing more");
	own_close(&r);
	close(ep);
}

static void epoll_level(void)
{
	epolls(0);
}

static void epoll_edge(void)
{
	epolls(EPOLLET);
}

/* One poll request of io_uring tells of each completion. */
static void multishot(void)
{
	struct __kernel_timespec patience = { .tv_sec = 20 };
	struct nvdio_io io = read_of(AT, 0, PG, 5);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	unsigned int told = 0;
	struct own r;

	own_open(&r, node, 4, 0);
	if (io_uring_queue_init(8, &ring, 0))
		bail("io_uring_queue_init");
	io_uring_prep_poll_multishot(io_uring_get_sqe(&ring), r.fd, POLLIN);
	io_uring_submit(&ring);
	for (int i = 0; i < 3; i++) {
		own_put(&r, &io);
		own_publish(&r);
		is(own_enter(&r, 1, 0), 1, "a read");
		if (io_uring_wait_cqe_timeout(&ring, &cqe, &patience))
			break;
		told++;
		io_uring_cqe_seen(&ring, cqe);
		while (own_ready(&r))
			own_get(&r);
	}
	is(told, 3, "poll of io_uring with many CQEs tells of each");
	io_uring_queue_exit(&ring);
	own_close(&r);
}

static void mmaps(void)
{
	const int rw = PROT_READ | PROT_WRITE;
	struct nvdio_io io = read_of(AT, 0, PG, 5);
	struct own r;
	size_t len;
	char *p;

	own_open(&r, node, 200, 0);
	len = r.shape.bytes;
	fails("mmap", reterr((long)mmap(NULL, len, rw, MAP_PRIVATE, r.fd, 0)), EINVAL,
	      "a private copy");
	is(reterr((long)mmap(NULL, PG, rw, MAP_SHARED, r.fd, PG)), -EINVAL, "another offset");
	is(reterr((long)mmap(NULL, len + PG, rw, MAP_SHARED, r.fd, 0)), -EINVAL, "more");
	p = mmap(NULL, PG, PROT_READ, MAP_SHARED, r.fd, 0);
	ok(p != MAP_FAILED && !memcmp(p, r.mem, PG), "less, and for reading");
	munmap(p, PG);
	ok(mremap(r.mem, len, len + PG, MREMAP_MAYMOVE) == MAP_FAILED, "it cannot grow");
	/* Without the mapping the driver still has the memory. */
	own_put(&r, &io);
	own_publish(&r);
	munmap(r.mem, len);
	is(own_enter(&r, 1, 1), 1, "an I/O without the mapping");
	own_map(&r);
	is(own_ready(&r), 1, "mapped again, its completion is there");
	close(r.fd);
	ok(own_get(&r).cookie == 5, "also when the descriptor is closed");
	memset(r.mem, 0xff, len);
	ok(!munmap(r.mem, len), "the mapping outlives it");
}

/* Runs @part in a child. Returns what it returns. */
static int in_child(int (*part)(struct own *r), struct own *r)
{
	int status;
	pid_t pid = fork();

	if (!pid)
		_exit(part(r));
	if (pid < 0 || waitpid(pid, &status, 0) != pid)
		bail("fork");
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int child_reads(struct own *r)
{
	return !r->head->sq_tail;
}

static int child_enters(struct own *r)
{
	return -own_enter(r, 1, 1);
}

static int child_maps(struct own *r)
{
	return mmap(NULL, PG, PROT_READ, MAP_SHARED, r->fd, 0) == MAP_FAILED ? errno : 0;
}

static int child_polls(struct own *r)
{
	return ready(r->fd, POLLOUT, 0);
}

static void children(void)
{
	struct nvdio_io io = read_of(AT, 0, PG, 5);
	struct own r;

	own_open(&r, node, 4, 0);
	own_put(&r, &io);
	own_publish(&r);
	is(in_child(child_reads, &r), -SIGSEGV, "a child does not have the memory");
	fails("RING_ENTER", -in_child(child_enters, &r), EPERM, "a child");
	fails("mmap", -in_child(child_maps, &r), EPERM, "a child");
	is(in_child(child_polls, &r), POLLOUT, "it may poll()");
	is(own_enter(&r, 1, 1), 1, "the parent goes on");
	is(own_get(&r).res, PG, "as if nothing had happened");
	own_close(&r);
}

/* Whoever polls, waits, or comes, after the node's controller was unbound. */
static void unbound(void)
{
	struct nvdio_ring_create c = { .sq_entries = 1 };
	struct nvdio_io io = read_of(AT, 0, PG, 5);
	struct own r;
	char command[100];
	pid_t pid;

	if (!getenv("NVDIO_PCI"))
		bail("NVDIO_PCI is not set");
	own_open(&r, node, 4, 0);
	is(own_do(&r, &io, NULL), PG, "a read");
	own_put(&r, &io);
	own_publish(&r);
	snprintf(command, sizeof(command), "sleep 1; echo %s >/sys/bus/pci/drivers/nvdio/unbind",
		 getenv("NVDIO_PCI"));
	pid = fork();
	if (!pid)
		_exit(!!system(command));
	is(ready(r.fd, POLLIN, 20000), POLLERR | POLLHUP, "poll() is woken by unbinding");
	waitpid(pid, NULL, 0);
	fails("RING_ENTER", own_enter(&r, 1, 1), ENODEV, "the controller is gone");
	is(own_enter(&r, 0, 1), -ENODEV, "nothing can be waited for");
	is(own_enter(&r, 0, 0), -ENODEV, "nor anything else");
	is(r.tail - r.head->sq_head, 1, "nothing was taken");
	fails("RING_CREATE", create(node, &c), ENODEV, "the controller is gone");
	own_close(&r);
}

/* Open the node as the only one with O_EXCL. Return: descriptor or -errno. */
static int open_exclusive(void)
{
	return (int)reterr(open(dev.path, O_RDWR | O_EXCL | O_CLOEXEC));
}

/* An exclusive opener is one for as long as there is its ring. */
static void exclusive(void)
{
	struct nvdio_io io = read_of(AT, 0, PG, 5);
	int fd = open_exclusive(), other;
	struct own r;

	ok(fd >= 0, "O_EXCL");
	own_open(&r, fd, 4, 0);
	close(fd);
	is(own_do(&r, &io, NULL), PG, "the ring of a node that is closed reads");
	is(open_exclusive(), -EBUSY, "O_EXCL again: the holder still has a ring");
	own_close(&r);
	for (int i = 0; i < 100; i++) {
		other = open_exclusive();
		if (other >= 0)
			break;
		usleep(100 * 1000);
	}
	ok(other >= 0, "when that is closed another may have it");
	close(other);
}

/* With swiotlb=force. */
static void bounces(void)
{
	struct nvdio_ring_create c = { .sq_entries = 1 };

	fails("RING_CREATE", create(node, &c), EOPNOTSUPP, "all DMA bounces");
}

static const struct t_case cases[] = {
	{ "create_errors", create_errors },
	{ "shape", shape },
	{ "one", one },
	{ "descriptor_errors", descriptor_errors },
	{ "rights", rights },
	{ "maps_of_others", maps_of_others },
	{ "enter_rules", enter_rules },
	{ "full", full },
	{ "ends_of_waits", ends_of_waits },
	{ "broken_indices", broken_indices },
	{ "polls", polls },
	{ "epoll_level", epoll_level },
	{ "epoll_edge", epoll_edge },
	{ "multishot", multishot },
	{ "mmaps", mmaps },
	{ "children", children },
	{ "exclusive", exclusive },
	{ "bounces", bounces },
	{ "unbound", unbound },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
