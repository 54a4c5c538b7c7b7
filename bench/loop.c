// SPDX-License-Identifier: GPL-2.0
/*
 * The measured loop, the same for every way into the controller: keep DEPTH
 * reads in flight, submit and reap BATCH of them at a time. Each thread has a
 * ring (or aio context) and a file of its own and is pinned to one processor.
 *
 * Under the lab's QEMU the interval between the markers (marker.h) is counted
 * by bench/insn.c; on real hardware it is timed, and counted by perf stat.
 * One line of JSON is printed per run. Any short or failed I/O is fatal.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../driver/uapi/nvdio.h"
#include "loop_lib.h"
#include "loop_ring.h"
#include "marker.h"

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))
#define HUGE_SIZE	(2ul << 20)
#define NVME_READ	0x02
#define NVME_WRITE	0x01

enum mode {
	NOP, URING, URING_FIXED, CMD, CMD_FIXED, BATCH, BATCH_FIXED, LIBAIO, PREAD, PREADV,
	RING, RING_WATCH, LIB_BATCH, LIB_RING,
};

static const char * const mode_names[] = {
	[NOP] = "nop", [URING] = "uring", [URING_FIXED] = "uring-fixed",
	[CMD] = "cmd", [CMD_FIXED] = "cmd-fixed", [BATCH] = "batch",
	[BATCH_FIXED] = "batch-fixed", [LIBAIO] = "libaio",
	[PREAD] = "pread", [PREADV] = "preadv",
	[RING] = "ring", [RING_WATCH] = "ring-watch",
	[LIB_BATCH] = "lib-batch", [LIB_RING] = "lib-ring",
};

static struct {
	enum mode mode;
	const char *dev;
	unsigned long bs;
	unsigned int depth, batch, threads, segs, id;
	unsigned long count, warm;
	double seconds;
	bool huge, mapped, write, buffered, iopoll, seq, nodefer;
	const char *perf_ctl, *perf_ack;
	/* found out */
	unsigned long blocks;		/* device size in units of bs */
	unsigned int lba_shift, nsid;
} o = {
	.mode = URING, .bs = 4096, .depth = 32, .batch = 8, .threads = 1,
	.segs = 1, .count = 20000, .warm = 2000,
};

struct thread {
	pthread_t tid;
	unsigned int nr;
	int fd;
	char *buf;
	size_t stride;
	uint64_t rng, next;
	unsigned long done;
	struct io_uring ring;
	io_context_t aio;
	struct iocb *iocbs, **free;
	unsigned int nfree;
	struct nvdio_io *ios;		/* of each I/O in flight */
	uint32_t map_id;
	struct own_ring own;
	struct lib_queue lib;
};

static pthread_barrier_t barrier;
static atomic_bool expired;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "loop: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

static bool is_cmd(void)
{
	return o.mode == CMD || o.mode == CMD_FIXED;
}

static bool is_ring(void)
{
	return o.mode <= BATCH_FIXED;
}

/* Each turn is one request to the kernel. */
static bool is_batch(void)
{
	return o.mode == BATCH || o.mode == BATCH_FIXED;
}

/* One without io_uring. */
static bool is_own(void)
{
	return o.mode == RING || o.mode == RING_WATCH;
}

/* Batches or a ring, as libnvdio does them. */
static bool is_lib(void)
{
	return o.mode == LIB_BATCH || o.mode == LIB_RING;
}

/* Are there several I/Os in flight? */
static bool is_queued(void)
{
	return is_ring() || is_own() || is_lib() || o.mode == LIBAIO;
}

static bool is_fixed(void)
{
	return o.mode == URING_FIXED || o.mode == CMD_FIXED || o.mode == BATCH_FIXED;
}

/* Size and block size as the passthrough commands see them. */
static void identify(int fd)
{
	unsigned char *ns = aligned_alloc(4096, 4096);
	struct nvme_admin_cmd cmd = {
		.opcode = 0x06, .addr = (uintptr_t)ns, .data_len = 4096,
	};
	uint64_t nsze;
	int nsid = ioctl(fd, NVME_IOCTL_ID);

	if (nsid <= 0)
		die("%s: NVME_IOCTL_ID: %s", o.dev, strerror(errno));
	cmd.nsid = nsid;
	if (ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd))
		die("%s: identify namespace: %s", o.dev, strerror(errno));
	memcpy(&nsze, ns, sizeof(nsze));
	o.nsid = nsid;
	o.lba_shift = ns[128 + 4 * (ns[26] & 15) + 2];
	o.blocks = (nsze << o.lba_shift) / o.bs;
	free(ns);
}

static void open_device(struct thread *t)
{
	int flags = o.write || o.mode == BATCH ? O_RDWR : O_RDONLY;
	uint64_t size;

	if (o.mode == NOP)
		return;
	if (!o.buffered && !is_cmd())
		flags |= O_DIRECT;
	t->fd = open(o.dev, flags);
	if (t->fd < 0)
		die("%s: %s", o.dev, strerror(errno));
	if (t->nr)
		return;
	if (is_cmd()) {
		identify(t->fd);
	} else {
		if (ioctl(t->fd, BLKGETSIZE64, &size))
			die("%s: BLKGETSIZE64: %s", o.dev, strerror(errno));
		o.blocks = size / o.bs;
	}
	if (!o.blocks)
		die("%s: smaller than one block of %lu", o.dev, o.bs);
}

/* The same with an identifier. */
static char *map_batch(struct thread *t, size_t size)
{
	struct nvdio_map_add add = { .len = size, .flags = NVDIO_MAP_ALLOC };
	char *p;

	if (ioctl(t->fd, NVDIO_IOC_MAP_ADD, &add))
		die("%s: NVDIO_IOC_MAP_ADD: %s", o.dev, strerror(errno));
	t->map_id = add.id;
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, add.mmap_offset);
	if (p == MAP_FAILED)
		die("%s: mmap: %s", o.dev, strerror(errno));
	memset(p, 0x5a, size);
	return p;
}

/* Memory of the node itself (docs/mapped.md). */
static char *map_buffers(size_t size)
{
	int fd = open(o.dev, O_RDWR);
	char *p;

	if (fd < 0)
		die("%s: %s", o.dev, strerror(errno));
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 NVDIO_MMAP_ALLOC);
	if (p == MAP_FAILED)
		die("%s: mmap: %s", o.dev, strerror(errno));
	close(fd);
	memset(p, 0x5a, size);
	return p;
}

/*
 * One buffer per I/O in flight. Small pages are touched in a random order, so
 * that neighbours in memory are not neighbours on the bus.
 */
static void make_buffers(struct thread *t)
{
	size_t size, n;
	char *p;
	int err;

	t->stride = (o.bs + 4095) & ~4095ul;
	size = t->stride * o.depth;
	size = (size + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1);
	if (o.mode == BATCH) {
		t->buf = map_batch(t, size);
		return;
	}
	if (is_own()) {
		t->buf = own_buffers(&t->own, t->fd, size);
		if (!t->buf)
			die("%s: memory of the node: %s", o.dev, strerror(errno));
		return;
	}
	if (is_lib()) {
		t->buf = lib_buffers(&t->lib, t->fd, size, &err);
		if (!t->buf)
			die("%s: nvdio_mem_alloc: %s", o.dev, strerror(-err));
		return;
	}
	if (o.mapped) {
		t->buf = map_buffers(size);
		return;
	}
	p = mmap(NULL, size + HUGE_SIZE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		die("buffers: %s", strerror(errno));
	p = (char *)(((uintptr_t)p + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1));
	if (madvise(p, size, o.huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE) && o.huge)
		die("no transparent huge pages: %s", strerror(errno));
	n = size / 4096;
	if (o.huge) {
		memset(p, 0x5a, size);
	} else {
		unsigned int *order = malloc(n * sizeof(*order));

		for (size_t i = 0; i < n; i++)
			order[i] = i;
		for (size_t i = n - 1; i > 0; i--) {
			size_t j = (i * 2654435761u) % (i + 1);
			unsigned int x = order[i];

			order[i] = order[j];
			order[j] = x;
		}
		for (size_t i = 0; i < n; i++)
			memset(p + order[i] * 4096ul, 0x5a, 4096);
		free(order);
	}
	t->buf = p;
}

/* All that does not change of a descriptor. */
static void make_batch(struct thread *t)
{
	t->ios = calloc(o.depth, sizeof(*t->ios));
	if (!t->ios)
		die("no memory");
	for (unsigned int i = 0; i < o.depth; i++) {
		t->ios[i].op = o.write ? NVDIO_IO_WRITE : NVDIO_IO_READ;
		t->ios[i].len = o.bs;
		t->ios[i].addr = i * t->stride;
		t->ios[i].map = t->map_id;
		if (o.mode == BATCH_FIXED) {
			t->ios[i].addr += (uintptr_t)t->buf;
			t->ios[i].map = NVDIO_MAP_RING_BUF;
		}
	}
}

static void make_ring(struct thread *t)
{
	struct io_uring_params p = { .flags = IORING_SETUP_CQSIZE };
	unsigned int entries = 1;
	struct iovec iov[1024];
	int ret;

	while (entries < o.batch)
		entries *= 2;
	p.cq_entries = 1;
	while (p.cq_entries < o.depth * 2 || p.cq_entries < entries * 2)
		p.cq_entries *= 2;
	if (!o.nodefer)
		p.flags |= IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN;
	if (o.iopoll)
		p.flags |= IORING_SETUP_IOPOLL;
	if (is_cmd())
		p.flags |= IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	ret = io_uring_queue_init_params(entries, &t->ring, &p);
	if (ret)
		die("io_uring_setup: %s", strerror(-ret));
	ret = io_uring_register_ring_fd(&t->ring);
	if (ret != 1)
		die("io_uring_register_ring_fd: %s", strerror(-ret));
	if (is_batch())
		make_batch(t);
	if (is_fixed()) {
		for (unsigned int i = 0; i < o.depth; i++)
			iov[i] = (struct iovec){ t->buf + i * t->stride, o.bs };
		/* An arena. */
		if (is_batch())
			iov[0].iov_len = o.depth * t->stride;
		ret = io_uring_register_buffers(&t->ring, iov, is_batch() ? 1 : o.depth);
		if (ret)
			die("register buffers: %s", strerror(-ret));
	}
	if (!is_fixed() && !is_batch())
		return;
	ret = io_uring_register_files(&t->ring, &t->fd, 1);
	if (ret)
		die("register file: %s", strerror(-ret));
}

/* xorshift64*: a few user instructions an I/O */
static uint64_t next_block(struct thread *t)
{
	uint64_t x = t->rng;

	if (o.seq) {
		x = t->next;
		t->next += o.threads;
		return x % o.blocks;
	}
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	t->rng = x;
	return ((__uint128_t)(x * 0x2545f4914f6cdd1dull) * o.blocks) >> 64;
}

static void prep_cmd(struct thread *t, struct io_uring_sqe *sqe, unsigned int i)
{
	struct nvme_uring_cmd *c = (void *)sqe->cmd;
	uint64_t lba = next_block(t) * (o.bs >> o.lba_shift);

	memset(sqe, 0, 128);
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = o.mode == CMD_FIXED ? 0 : t->fd;
	sqe->cmd_op = NVME_URING_CMD_IO;
	if (o.mode == CMD_FIXED) {
		sqe->flags = IOSQE_FIXED_FILE;
		sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
		sqe->buf_index = i;
	}
	c->opcode = o.write ? NVME_WRITE : NVME_READ;
	c->nsid = o.nsid;
	c->addr = (uintptr_t)(t->buf + i * t->stride);
	c->data_len = o.bs;
	c->cdw10 = lba;
	c->cdw11 = lba >> 32;
	c->cdw12 = (o.bs >> o.lba_shift) - 1;
}

static void prep_ring(struct thread *t, unsigned int i)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring);
	char *buf = t->buf + i * t->stride;
	uint64_t off;

	if (!sqe)
		die("submission queue is full");
	switch (o.mode) {
	case NOP:
		io_uring_prep_nop(sqe);
		break;
	case CMD:
	case CMD_FIXED:
		prep_cmd(t, sqe, i);
		break;
	case URING_FIXED:
		off = next_block(t) * o.bs;
		if (o.write)
			io_uring_prep_write_fixed(sqe, 0, buf, o.bs, off, i);
		else
			io_uring_prep_read_fixed(sqe, 0, buf, o.bs, off, i);
		sqe->flags = IOSQE_FIXED_FILE;
		break;
	default:
		off = next_block(t) * o.bs;
		if (o.write)
			io_uring_prep_write(sqe, t->fd, buf, o.bs, off);
		else
			io_uring_prep_read(sqe, t->fd, buf, o.bs, off);
	}
	sqe->user_data = i;
}

static bool good(int res)
{
	return res == (o.mode == NOP || is_cmd() ? 0 : (int)o.bs);
}

/* Submit what is prepared, wait for n completions, prepare n again. */
static void turn_ring(struct thread *t, unsigned int n, bool refill)
{
	unsigned int slots[1024], got = 0, seen, head;
	struct io_uring_cqe *cqe;

	/* Once is enough, except that polling gives up when the scheduler asks for it. */
	while (got < n) {
		int ret = io_uring_submit_and_wait(&t->ring, n - got);

		if (ret < 0)
			die("io_uring_enter: %s", strerror(-ret));
		seen = 0;
		io_uring_for_each_cqe(&t->ring, head, cqe) {
			if (got == n)
				break;
			if (!good(cqe->res))
				die("%s: completion %d instead of %lu", o.dev,
				    cqe->res, o.bs);
			slots[got++] = cqe->user_data;
			seen++;
		}
		io_uring_cq_advance(&t->ring, seen);
	}
	for (unsigned int i = 0; refill && i < n; i++)
		prep_ring(t, slots[i]);
}

/* Prepare batch number @nr, of o.batch descriptors. */
static void prep_batch(struct thread *t, unsigned int nr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&t->ring);
	struct nvdio_io *ios = t->ios + nr * o.batch;
	struct nvdio_batch *b;

	if (!sqe)
		die("submission queue is full");
	for (unsigned int i = 0; i < o.batch; i++)
		ios[i].off = next_block(t) * o.bs;
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->cmd_op = NVDIO_URING_BATCH;
	sqe->addr = (uintptr_t)ios;
	if (o.mode == BATCH_FIXED)
		sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	b = (void *)sqe->cmd;
	b->nr = o.batch;
	b->io_size = sizeof(*ios);
	sqe->user_data = nr;
}

/* Submit the batch that is prepared, wait for one, prepare it again. */
static void turn_batch(struct thread *t, bool refill)
{
	struct io_uring_cqe *cqe;
	unsigned int nr;
	int ret;

	do {
		ret = io_uring_submit_and_wait(&t->ring, 1);
		if (ret < 0)
			die("io_uring_enter: %s", strerror(-ret));
		ret = io_uring_peek_cqe(&t->ring, &cqe);
	} while (ret == -EAGAIN);
	if (cqe->res != (int)o.batch)
		die("%s: batch: completion %d instead of %u", o.dev, cqe->res, o.batch);
	nr = cqe->user_data;
	io_uring_cqe_seen(&t->ring, cqe);
	if (refill)
		prep_batch(t, nr);
}

static void submit_aio(struct thread *t, struct iocb **list, unsigned int n)
{
	while (n) {
		int ret = io_submit(t->aio, n, list);

		if (ret <= 0)
			die("io_submit: %s", strerror(-ret));
		list += ret;
		n -= ret;
	}
}

static void prep_aio(struct thread *t, unsigned int i)
{
	struct iocb *cb = &t->iocbs[i];
	char *buf = t->buf + i * t->stride;
	uint64_t off = next_block(t) * o.bs;

	if (o.write)
		io_prep_pwrite(cb, t->fd, buf, o.bs, off);
	else
		io_prep_pread(cb, t->fd, buf, o.bs, off);
	t->free[t->nfree++] = cb;
}

static void turn_aio(struct thread *t, unsigned int n, bool refill)
{
	struct io_event ev[1024];
	int ret;

	submit_aio(t, t->free, t->nfree);
	t->nfree = 0;
	ret = io_getevents(t->aio, n, n, ev, NULL);
	if (ret != (int)n)
		die("io_getevents: %d", ret);
	for (unsigned int i = 0; i < n; i++) {
		if (!good((int)ev[i].res))
			die("%s: completion %ld instead of %lu", o.dev,
			    (long)ev[i].res, o.bs);
		if (refill)
			prep_aio(t, ev[i].obj - t->iocbs);
	}
}

static void prep_own(struct thread *t, unsigned int i)
{
	*own_next(&t->own) = (struct nvdio_io){
		.off = next_block(t) * o.bs,
		.addr = i * t->stride,
		.len = o.bs,
		.map = t->own.map,
		.op = o.write ? NVDIO_IO_WRITE : NVDIO_IO_READ,
		.cookie = i,
	};
}

static void submit_own(struct thread *t, unsigned int wait)
{
	if (own_enter(&t->own, wait))
		die("NVDIO_IOC_RING_ENTER: %s", strerror(errno));
}

/* Submit what is prepared, wait for n completions, or watch for them; prepare n again. */
static void turn_own(struct thread *t, unsigned int n, bool refill)
{
	const struct nvdio_ring_cqe *cqe;

	submit_own(t, o.mode == RING ? n : 0);
	while (own_ready(&t->own) < n)
		;
	for (unsigned int i = 0; i < n; i++) {
		cqe = own_cqe(&t->own, i);
		if (!good(cqe->res))
			die("%s: completion %d instead of %lu", o.dev, cqe->res, o.bs);
		if (refill)
			prep_own(t, cqe->cookie);
	}
	own_seen(&t->own, n);
}

static void prep_lib(struct thread *t, unsigned int i)
{
	int ret = lib_prep(&t->lib, o.write, t->buf + i * t->stride, o.bs,
			   next_block(t) * o.bs, i);

	if (ret)
		die("libnvdio: prepare: %s", strerror(-ret));
}

/* Submit what is prepared, wait for n results, prepare n again. */
static void turn_lib(struct thread *t, unsigned int n, bool refill)
{
	struct nvdio_done done[1024];
	int ret = nvdio_wait(t->lib.queue, done, n, n, NULL);

	if (ret != (int)n)
		die("nvdio_wait: %d instead of %u", ret, n);
	for (unsigned int i = 0; i < n; i++) {
		if (!good(done[i].res))
			die("%s: result %d instead of %lu", o.dev, done[i].res, o.bs);
		if (refill)
			prep_lib(t, done[i].data);
	}
}

static void one_sync(struct thread *t)
{
	uint64_t off = next_block(t) * o.bs;
	struct iovec iov[1024];
	ssize_t ret;

	if (o.mode == PREAD) {
		ret = o.write ? pwrite(t->fd, t->buf, o.bs, off) :
				pread(t->fd, t->buf, o.bs, off);
	} else {
		for (unsigned int i = 0; i < o.segs; i++)
			iov[i] = (struct iovec){
				t->buf + i * (o.bs / o.segs), o.bs / o.segs };
		ret = o.write ? pwritev(t->fd, iov, o.segs, off) :
				preadv(t->fd, iov, o.segs, off);
	}
	if (ret != (ssize_t)o.bs)
		die("%s: %s returned %zd instead of %lu (%s)", o.dev,
		    mode_names[o.mode], ret, o.bs, ret < 0 ? strerror(errno) : "short");
}

static void setup(struct thread *t)
{
	int ret;

	t->rng = 0x9e3779b97f4a7c15ull * (t->nr + 1);
	t->next = t->nr;
	make_buffers(t);
	if (is_ring()) {
		make_ring(t);
	} else if (is_own()) {
		if (own_setup(&t->own, t->fd, o.batch, o.depth))
			die("NVDIO_IOC_RING_CREATE: %s", strerror(errno));
	} else if (is_lib()) {
		ret = nvdio_queue_open(&t->lib.queue, t->fd, o.depth,
				       o.mode == LIB_RING ? NVDIO_QUEUE_RING : NVDIO_QUEUE_BATCH);
		if (ret)
			die("nvdio_queue_open: %s", strerror(-ret));
	} else if (o.mode == LIBAIO) {
		ret = io_setup(o.depth * 2, &t->aio);
		if (ret)
			die("io_setup: %s", strerror(-ret));
		t->iocbs = calloc(o.depth, sizeof(*t->iocbs));
		t->free = calloc(o.depth, sizeof(*t->free));
	}
}

/* Prepare I/O number @i, or the batch that begins with it. */
static void prep(struct thread *t, unsigned int i)
{
	if (o.mode == LIBAIO)
		prep_aio(t, i);
	else if (is_own())
		prep_own(t, i);
	else if (is_lib())
		prep_lib(t, i);
	else if (!is_batch())
		prep_ring(t, i);
	else if (i % o.batch == 0)
		prep_batch(t, i / o.batch);
}

/* Send what is prepared. */
static void submit(struct thread *t)
{
	int ret = 0;

	if (is_own())
		submit_own(t, 0);
	else if (is_lib())
		ret = nvdio_submit(t->lib.queue);
	else if (o.mode != LIBAIO)	/* its first turn sends all */
		ret = io_uring_submit(&t->ring);
	if (ret < 0)
		die("submit: %s", strerror(-ret));
}

/* All but the last batch, which is left to the first turn. */
static void fill(struct thread *t)
{
	if (!is_queued())
		return;
	for (unsigned int i = 0; i < o.depth; i++) {
		prep(t, i);
		if ((i + 1) % o.batch == 0 && i + 1 < o.depth)
			submit(t);
	}
}

static void turn(struct thread *t, bool refill)
{
	if (is_batch())
		turn_batch(t, refill);
	else if (is_ring())
		turn_ring(t, o.batch, refill);
	else if (is_own())
		turn_own(t, o.batch, refill);
	else if (is_lib())
		turn_lib(t, o.batch, refill);
	else if (o.mode == LIBAIO)
		turn_aio(t, o.batch, refill);
	else
		one_sync(t);
}

static void run(struct thread *t, unsigned long count)
{
	unsigned long step = is_queued() ? o.batch : 1;
	unsigned long n = 0;

	while (count ? n < count : !expired) {
		mark_turn();
		turn(t, true);
		n += step;
	}
	t->done = n;
}

static void drain(struct thread *t)
{
	if (!is_queued())
		return;
	for (unsigned int left = o.depth; left; left -= o.batch)
		turn(t, false);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* All interrupts so far of lines whose name has nvme or nvdio in it. */
static uint64_t interrupts(void)
{
	FILE *f = fopen("/proc/interrupts", "r");
	static char line[16384];
	uint64_t sum = 0;

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f)) {
		char *p = strchr(line, ':'), *end;

		if (!p || !(strstr(line, "nvme") || strstr(line, "nvdio")))
			continue;
		for (p++;; p = end) {
			unsigned long v = strtoul(p, &end, 10);

			if (end == p || (*end != ' ' && *end != '\n'))
				break;
			sum += v;
		}
	}
	fclose(f);
	return sum;
}

static void perf_control(const char *word)
{
	static int ctl = -1, ack = -1;
	char answer[16];

	if (!o.perf_ctl)
		return;
	if (ctl < 0) {
		ctl = open(o.perf_ctl, O_WRONLY);
		ack = open(o.perf_ack, O_RDONLY);
		if (ctl < 0 || ack < 0)
			die("perf fifo: %s", strerror(errno));
	}
	if (write(ctl, word, strlen(word)) < 0 ||
	    read(ack, answer, sizeof(answer)) <= 0)
		die("perf control: %s", strerror(errno));
}

static void *thread_main(void *arg)
{
	static uint64_t t0, t1, irq0, irq1;
	struct thread *t = arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(t->nr, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cpu %u: %s", t->nr, strerror(errno));
	setup(t);
	fill(t);
	run(t, o.warm);

	pthread_barrier_wait(&barrier);
	if (!t->nr) {
		irq0 = interrupts();
		if (o.seconds)
			alarm((unsigned int)(o.seconds + 0.999));
		perf_control("enable\n");
		t0 = now_ns();
		mark_start(o.id);
	}
	/* One thread needs no meeting, and gets no futex calls counted. */
	if (o.threads > 1)
		pthread_barrier_wait(&barrier);
	run(t, o.seconds ? 0 : o.count);
	if (o.threads > 1)
		pthread_barrier_wait(&barrier);
	if (!t->nr) {
		mark_stop();
		t1 = now_ns();
		perf_control("disable\n");
		irq1 = interrupts();
	}
	pthread_barrier_wait(&barrier);
	drain(t);
	if (!t->nr) {
		unsigned long ios = 0;

		for (unsigned int i = 0; i < o.threads; i++)
			ios += (t + i)->done;
		printf("{\"id\": %u, \"mode\": \"%s\", \"dev\": \"%s\", \"bs\": %lu, ",
		       o.id, mode_names[o.mode], o.dev ? o.dev : "-", o.bs);
		printf("\"depth\": %u, \"batch\": %u, \"threads\": %u, \"huge\": %d, ",
		       o.depth, o.batch, o.threads, o.huge);
		printf("\"mapped\": %d, \"write\": %d, \"buffered\": %d, \"iopoll\": %d, ",
		       o.mapped, o.write, o.buffered, o.iopoll);
		printf("\"ios\": %lu, \"ns\": %lu, \"iops\": %.0f, \"irqs\": %lu}\n",
		       ios, t1 - t0, ios * 1e9 / (t1 - t0), irq1 - irq0);
	}
	return NULL;
}

static const char help[] =
	"usage: loop --mode MODE --dev NODE [options]\n"
	"  --mode M      nop uring uring-fixed cmd cmd-fixed batch batch-fixed libaio pread preadv\n"
	"                ring ring-watch lib-batch lib-ring\n"
	"  --dev NODE    /dev/nvdio0n1, /dev/nvme0n1, /dev/ng0n1 (cmd modes)\n"
	"  --bs N        bytes per I/O (4096)\n"
	"  --depth N     I/Os in flight per thread (32)\n"
	"  --batch N     submit and reap so many at a time (8); divides the depth\n"
	"  --count N     measured I/Os per thread (20000)\n"
	"  --seconds S   run so long instead\n"
	"  --warm N      I/Os per thread before measuring (2000)\n"
	"  --threads N   threads, one ring each, thread i on processor i (1)\n"
	"  --huge        buffers in huge pages (else scattered 4 KiB pages)\n"
	"  --mapped      buffers in memory of the node, by mmap()\n"
	"  --write       write instead of read: DESTROYS the data on the device\n"
	"  --buffered    without O_DIRECT (copy path, page cache)\n"
	"  --iopoll      polled completions\n"
	"  --seq         sequential, not random, offsets\n"
	"  --segs N      segments of a preadv (1)\n"
	"  --no-defer    ring without SINGLE_ISSUER and DEFER_TASKRUN\n"
	"  --id N        number of the interval, for the plugin's record\n"
	"  --perf CTL,ACK  fifos of `perf stat --control`\n";

static void usage(FILE *f)
{
	fputs(help, f);
}

static void on_alarm(int sig)
{
	(void)sig;
	expired = true;
}

static void set_mode(const char *name)
{
	for (o.mode = 0; o.mode < ARRAY_SIZE(mode_names); o.mode++)
		if (!strcmp(mode_names[o.mode], name))
			return;
	die("no mode %s", name);
}

static void set_perf(char *arg)
{
	o.perf_ctl = strtok(arg, ",");
	o.perf_ack = strtok(NULL, ",");
	if (!o.perf_ack)
		die("--perf needs CTL,ACK");
}

/* An option with a number; false if @c is none. */
static bool set_number(int c)
{
	unsigned long n = optarg ? strtoul(optarg, NULL, 0) : 0;

	switch (c) {
	case 'b':
		o.bs = n;
		break;
	case 'q':
		o.depth = n;
		break;
	case 'B':
		o.batch = n;
		break;
	case 'n':
		o.count = n;
		break;
	case 's':
		o.seconds = strtod(optarg, NULL);
		break;
	case 'w':
		o.warm = n;
		break;
	case 't':
		o.threads = n;
		break;
	case 'g':
		o.segs = n;
		break;
	case 'i':
		o.id = n;
		break;
	default:
		return false;
	}
	return true;
}

/* An option without an argument; false if @c is none. */
static bool set_flag(int c)
{
	switch (c) {
	case 'H':
		o.huge = true;
		break;
	case 'M':
		o.mapped = true;
		break;
	case 'W':
		o.write = true;
		break;
	case 'c':
		o.buffered = true;
		break;
	case 'p':
		o.iopoll = true;
		break;
	case 'S':
		o.seq = true;
		break;
	case 'D':
		o.nodefer = true;
		break;
	default:
		return false;
	}
	return true;
}

static void parse(int argc, char **argv)
{
	static const struct option opts[] = {
		{ "mode", 1, 0, 'm' }, { "dev", 1, 0, 'd' }, { "bs", 1, 0, 'b' },
		{ "depth", 1, 0, 'q' }, { "batch", 1, 0, 'B' }, { "count", 1, 0, 'n' },
		{ "seconds", 1, 0, 's' }, { "warm", 1, 0, 'w' },
		{ "threads", 1, 0, 't' }, { "huge", 0, 0, 'H' },
		{ "mapped", 0, 0, 'M' },
		{ "write", 0, 0, 'W' }, { "buffered", 0, 0, 'c' },
		{ "iopoll", 0, 0, 'p' }, { "seq", 0, 0, 'S' },
		{ "segs", 1, 0, 'g' }, { "no-defer", 0, 0, 'D' },
		{ "id", 1, 0, 'i' }, { "perf", 1, 0, 'P' }, { "help", 0, 0, 'h' },
		{ 0 }
	};
	int c;

	while ((c = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		if (set_number(c) || set_flag(c))
			continue;
		switch (c) {
		case 'm':
			set_mode(optarg);
			break;
		case 'd':
			o.dev = optarg;
			break;
		case 'P':
			set_perf(optarg);
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (o.mode == PREAD || o.mode == PREADV) {
		o.depth = 1;
		o.batch = 1;
	}
	if (!o.batch || !o.depth || o.depth % o.batch || o.depth > 1024 ||
	    !o.threads || !o.segs || o.segs > 1024 || !o.bs || !o.count || !o.warm)
		die("bad value: the batch must divide the depth (at most 1024)");
	if (!o.dev && o.mode != NOP)
		die("--dev is missing");
}

int main(int argc, char **argv)
{
	struct thread *threads;

	parse(argc, argv);
	signal(SIGALRM, on_alarm);
	threads = calloc(o.threads, sizeof(*threads));
	pthread_barrier_init(&barrier, NULL, o.threads);
	for (unsigned int i = 0; i < o.threads; i++) {
		threads[i].nr = i;
		open_device(&threads[i]);
	}
	for (unsigned int i = 1; i < o.threads; i++)
		if (pthread_create(&threads[i].tid, NULL, thread_main, &threads[i]))
			die("pthread_create failed");
	thread_main(&threads[0]);
	for (unsigned int i = 1; i < o.threads; i++)
		pthread_join(threads[i].tid, NULL);
	return 0;
}
