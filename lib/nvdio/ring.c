// SPDX-License-Identifier: GPL-2.0
/*
 * Queues on a ring of the driver's: NVDIO_IOC_RING_CREATE, without io_uring.
 *
 * Descriptors are written where the driver reads them. The cookie of each is a place in an
 * array of the callers' data.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "queue.h"

/* Most I/Os of one call */
#define ENTER_MAX	65535U

/**
 * struct ring_queue - queue on a ring
 * @q: what all queues have
 * @fd: the ring
 * @mem: its memory
 * @bytes: size of that
 * @head: indices, at the start of that
 * @sq: submission array
 * @cq: completion array
 * @sq_mask: its entries minus 1
 * @cq_mask: likewise
 * @sq_tail: number of descriptors filled in so far
 * @cq_head: number of completions seen so far
 * @data: data of the callers', by cookie
 * @free: cookies that are not in use
 * @nr_free: how many
 * @lost: cookies of I/Os that the driver would not take
 * @nr_lost: how many
 * @lost_err: why: -errno
 */
struct ring_queue {
	struct nvdio_queue q;
	int fd;
	void *mem;
	size_t bytes;
	struct nvdio_ring_head *head;
	struct nvdio_io *sq;
	struct nvdio_ring_cqe *cq;
	uint32_t sq_mask;
	uint32_t cq_mask;
	uint32_t sq_tail;
	uint32_t cq_head;
	uint64_t *data;
	uint16_t *free;
	unsigned int nr_free;
	uint16_t *lost;
	unsigned int nr_lost;
	int lost_err;
};

static struct ring_queue *of(struct nvdio_queue *queue)
{
	return (struct ring_queue *)queue;
}

static void ring_free(struct ring_queue *r)
{
	if (r->mem)
		munmap(r->mem, r->bytes);
	if (r->fd >= 0)
		close(r->fd);
	free(r->data);
	free(r->free);
	free(r->lost);
	free(r);
}

static int ring_map(struct ring_queue *r, int fd, unsigned int depth)
{
	struct nvdio_ring_create create = {
		.sq_entries = depth,
		.cq_entries = depth,
	};
	const int saved = errno;
	void *mem;
	int err;

	r->fd = queue_ioctl(fd, NVDIO_IOC_RING_CREATE, &create);
	if (r->fd < 0)
		return r->fd;
	mem = mmap(NULL, create.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (mem == MAP_FAILED) {
		err = -errno;
		errno = saved;
		return err;
	}
	r->mem = mem;
	r->bytes = create.bytes;
	r->head = mem;
	r->sq = (void *)((char *)mem + create.sq_off);
	r->cq = (void *)((char *)mem + create.cq_off);
	r->sq_mask = create.sq_entries - 1;
	r->cq_mask = create.cq_entries - 1;
	/* They need not begin at 0. */
	r->sq_tail = r->head->sq_tail;
	r->cq_head = r->head->cq_head;
	return 0;
}

static int ring_open(struct nvdio_queue **queue, int fd,
		     const struct nvdio_info *info, unsigned int depth)
{
	struct ring_queue *r = calloc(1, sizeof(*r));
	int ret = -ENOMEM;

	(void)info;
	if (!r)
		return ret;
	r->fd = -1;
	r->data = calloc(depth, sizeof(*r->data));
	r->free = calloc(depth, sizeof(*r->free));
	r->lost = calloc(depth, sizeof(*r->lost));
	if (r->data && r->free && r->lost)
		ret = ring_map(r, fd, depth);
	if (ret) {
		ring_free(r);
		return ret;
	}
	while (r->nr_free < depth) {
		r->free[r->nr_free] = depth - 1 - r->nr_free;
		r->nr_free++;
	}
	*queue = &r->q;
	return 0;
}

static void ring_close(struct nvdio_queue *queue)
{
	ring_free(of(queue));
}

static struct nvdio_io *ring_prep(struct nvdio_queue *queue, uint64_t data)
{
	struct ring_queue *r = of(queue);
	struct nvdio_io *io = &r->sq[r->sq_tail++ & r->sq_mask];

	io->cookie = r->free[--r->nr_free];
	r->data[io->cookie] = data;
	return io;
}

/* The driver will never take these: each ends with an error. */
static void ring_lose(struct ring_queue *r, int err)
{
	while (r->q.unsent) {
		r->sq_tail--;
		r->lost[r->nr_lost++] = r->sq[r->sq_tail & r->sq_mask].cookie;
		r->q.unsent--;
	}
	r->lost_err = err;
	__atomic_store_n(&r->head->sq_tail, r->sq_tail, __ATOMIC_RELEASE);
}

/* Send all, and wait for @wait completions. Return: 0 or -errno. */
static int ring_enter(struct ring_queue *r, unsigned int wait, uint64_t timeout)
{
	const unsigned int submit = r->q.unsent;
	const int saved = errno;
	int ret;

	if (wait)
		r->head->timeout = timeout;
	__atomic_store_n(&r->head->sq_tail, r->sq_tail, __ATOMIC_RELEASE);
	ret = ioctl(r->fd, NVDIO_IOC_RING_ENTER, NVDIO_RING_ENTER(submit, wait));
	if (ret < 0) {
		ret = -errno;
		errno = saved;
	}
	/* What was taken is known even if it failed afterwards. */
	r->q.unsent = r->sq_tail - __atomic_load_n(&r->head->sq_head, __ATOMIC_ACQUIRE);
	if (ret == -ENODEV)
		ring_lose(r, ret);
	return ret == -ENODEV || ret == -ETIME || ret > 0 ? 0 : ret;
}

static int ring_submit(struct nvdio_queue *queue)
{
	return ring_enter(of(queue), 0, 0);
}

static unsigned int ring_take_lost(struct ring_queue *r, struct nvdio_done *done,
				   unsigned int max)
{
	unsigned int n;

	for (n = 0; n < max && r->nr_lost; n++) {
		const uint16_t cookie = r->lost[--r->nr_lost];

		done[n] = (struct nvdio_done){
			.data = r->data[cookie],
			.res = r->lost_err,
		};
		r->free[r->nr_free++] = cookie;
	}
	return n;
}

static unsigned int ring_take(struct nvdio_queue *queue, struct nvdio_done *done,
			      unsigned int max)
{
	struct ring_queue *r = of(queue);
	const uint32_t tail = __atomic_load_n(&r->head->cq_tail, __ATOMIC_ACQUIRE);
	unsigned int n = 0;

	for (; n < max && r->cq_head != tail; r->cq_head++) {
		const struct nvdio_ring_cqe *cqe = &r->cq[r->cq_head & r->cq_mask];

		done[n++] = (struct nvdio_done){
			.data = r->data[cqe->cookie],
			.res = cqe->res,
			.status = cqe->status,
		};
		r->free[r->nr_free++] = cqe->cookie;
	}
	if (n)
		__atomic_store_n(&r->head->cq_head, r->cq_head, __ATOMIC_RELEASE);
	if (r->nr_lost)
		n += ring_take_lost(r, done + n, max - n);
	queue->used -= n;
	return n;
}

static int ring_sleep(struct nvdio_queue *queue, unsigned int min,
		      const struct timespec *timeout)
{
	uint64_t ns = 0;

	if (timeout) {
		/* 0 would be no limit. */
		ns = timeout->tv_sec < INT32_MAX ?
		     timeout->tv_sec * 1000000000ULL + timeout->tv_nsec : 0;
		ns += !ns && timeout->tv_sec < INT32_MAX;
	}
	return ring_enter(of(queue), min < ENTER_MAX ? min : ENTER_MAX, ns);
}

static int ring_fd(const struct nvdio_queue *queue)
{
	return ((const struct ring_queue *)queue)->fd;
}

const struct backend backend_ring = {
	.type = NVDIO_QUEUE_RING,
	.feature = NVDIO_FEATURE_RING,
	.open = ring_open,
	.close = ring_close,
	.prep = ring_prep,
	.submit = ring_submit,
	.take = ring_take,
	.sleep = ring_sleep,
	.fd = ring_fd,
};
