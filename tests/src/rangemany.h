/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Many I/Os in one call, by batches and by rings without io_uring, all in the same terms, for
 * the programs that test ranges.
 */
#ifndef NVDIO_TEST_RANGEMANY_H
#define NVDIO_TEST_RANGEMANY_H

#include <errno.h>
#include <stdlib.h>

#include "batch.h"
#include "ownring.h"

#define MANY_MAX 64U			/* I/Os in one call */
#define MANY_LEN (512 * KiB)		/* of the memory */

struct many_way {
	const char *name;
	bool own;			/* a ring without io_uring */
	bool fixed;			/* a registered buffer, else a map */
	unsigned int flags;		/* of the ring of io_uring */
};

/* A way, open on a file. */
struct many {
	const struct many_way *w;
	int fd;
	struct own own;
	struct io_uring ring;
	unsigned int most;		/* I/Os of a batch */
	uint32_t map;
	char *mem;
};

static inline int range_by(int fd, uint64_t start, uint64_t len, uint32_t flags)
{
	struct nvdio_range r = { .start = start, .len = len, .flags = flags };

	return (int)reterr(ioctl(fd, NVDIO_IOC_RANGE, &r));
}

static inline int range_or_bail(int fd, uint64_t start, uint64_t len, uint32_t flags)
{
	const int range = range_by(fd, start, len, flags);

	if (range < 0)
		bail("NVDIO_IOC_RANGE: %s", strerror(-range));
	return range;
}

/* Memory of the program's own, which also a file that is only for reading can map. */
static inline uint32_t many_map(int fd, char *mem, size_t len, uint32_t flags)
{
	struct nvdio_map_add add = {
		.addr = (uintptr_t)mem, .len = len, .flags = NVDIO_MAP_USER | flags
	};

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add))
		bail("NVDIO_IOC_MAP_ADD: %s", strerror(errno));
	return add.id;
}

static inline void many_begin(struct many *m, const struct many_way *w, int fd)
{
	struct nvdio_info info;
	struct iovec iov;

	if (ioctl(fd, NVDIO_IOC_INFO, &info))
		bail("NVDIO_IOC_INFO: %s", strerror(errno));
	m->most = info.batch_max;
	m->w = w;
	m->fd = fd;
	/* What is registered has to be contiguous. */
	m->mem = !w->fixed ? pages(MANY_LEN) :
		 mmap(NULL, 2 * MiB, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (m->mem == MAP_FAILED)
		bail("no huge page");
	m->map = w->fixed ? NVDIO_MAP_RING_BUF : many_map(fd, m->mem, MANY_LEN, 0);
	if (w->own) {
		own_open(&m->own, fd, MANY_MAX, 0);
		return;
	}
	iov = (struct iovec){ m->mem, 2 * MiB };
	if (io_uring_queue_init(8, &m->ring, w->flags) ||
	    (w->fixed && io_uring_register_buffers(&m->ring, &iov, 1)))
		bail("no ring of io_uring");
}

static inline void many_end(struct many *m)
{
	if (m->w->own)
		own_close(&m->own);
	else
		io_uring_queue_exit(&m->ring);
	if (!m->w->fixed)
		ioctl(m->fd, NVDIO_IOC_MAP_DEL, &m->map);
	munmap(m->mem, m->w->fixed ? 2 * MiB : MANY_LEN);
}

/* An I/O with data at @at of the memory. */
static inline struct nvdio_io many_io(const struct many *m, unsigned int op, uint64_t off,
				      uint32_t len, size_t at)
{
	return (struct nvdio_io){
		.op = op, .off = off, .len = len, .map = m->map,
		.addr = at + (m->w->fixed ? (uintptr_t)m->mem : 0),
	};
}

static inline long many_own(struct own *r, struct nvdio_io *ios, unsigned int nr, int *res)
{
	long ret;

	for (unsigned int i = 0; i < nr; i++) {
		ios[i].cookie = i;
		own_put(r, &ios[i]);
	}
	own_publish(r);
	for (unsigned int sent = 0; sent < nr; sent += ret) {
		ret = own_enter(r, nr - sent, 0);
		if (ret <= 0)
			return ret ?: -EIO;
	}
	for (unsigned int i = 0; i < nr; i++) {
		struct nvdio_ring_cqe cqe;

		while (!own_ready(r)) {
			ret = own_enter(r, 0, 1);
			if (ret < 0 && ret != -EINTR && !own_ready(r))
				return ret;
		}
		cqe = own_get(r);
		if (cqe.cookie >= nr)
			bail("a completion of %x", cqe.cookie);
		res[cqe.cookie] = cqe.res;
	}
	return 0;
}

static inline long many_batched(struct many *m, struct nvdio_io *ios, unsigned int nr, int *res)
{
	struct nvdio_result results[MANY_MAX] = { };
	int good = 0, ret;

	ret = batch(&m->ring, m->fd, ios, nr, results, NVDIO_BATCH_ALL_RESULTS, m->w->fixed);
	for (unsigned int i = 0; ret >= 0 && i < nr; i++) {
		res[i] = results[i].res;
		good += res[i] >= 0;
	}
	if (ret >= 0 && ret != good)
		bail("a batch says that %d have succeeded, its results %d", ret, good);
	return ret < 0 ? ret : 0;
}

/*
 * Carry out @nr I/Os, in as few calls as can be; @res is set to the result of each.
 * Return: 0; or -errno, if a call has failed.
 */
static inline long many_send(struct many *m, struct nvdio_io *ios, unsigned int nr, int *res)
{
	long ret = 0;

	if (m->w->own)
		return many_own(&m->own, ios, nr, res);
	for (unsigned int n; nr && !ret; nr -= n, ios += n, res += n) {
		n = nr < m->most ? nr : m->most;
		ret = many_batched(m, ios, n, res);
	}
	return ret;
}

/* Carry out one. Return: its result, or that of the call. */
static inline long many_one(struct many *m, unsigned int op, uint64_t off, uint32_t len)
{
	struct nvdio_io io = many_io(m, op, off, len, 0);
	int res = 0;
	long ret = many_send(m, &io, 1, &res);

	return ret ?: res;
}

static const struct many_way many_batch = { .name = "a batch" };
static const struct many_way many_ring = { .name = "a ring", .own = true };

#endif
