// SPDX-License-Identifier: GPL-2.0
/* Queues: what is the same for batches and rings. */
#include <errno.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "queue.h"

int queue_ioctl(int fd, unsigned long number, void *arg)
{
	const int saved = errno;
	int ret;

	do {
		ret = ioctl(fd, number, arg);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}

PUBLIC int nvdio_queue_open(struct nvdio_queue **queue, int fd,
			    unsigned int depth, unsigned int flags)
{
	/* A ring is a little cheaper for few I/Os at once, and answers each. */
	const struct backend *const backends[] = { &backend_ring, &backend_batch };
	struct nvdio_info info = {};
	int ret, err = -EOPNOTSUPP;

	*queue = NULL;
	if (!depth || depth > NVDIO_QUEUE_DEPTH_MAX ||
	    flags & ~(NVDIO_QUEUE_BATCH | NVDIO_QUEUE_RING) ||
	    flags == (NVDIO_QUEUE_BATCH | NVDIO_QUEUE_RING))
		return -EINVAL;
	ret = queue_ioctl(fd, NVDIO_IOC_INFO, &info);
	if (ret < 0)
		return ret;
	/* The node of a controller has no blocks. */
	if (!info.lba_size)
		return -ENOTTY;
	for (unsigned int i = 0; i < 2; i++) {
		const struct backend *backend = backends[i];

		if ((flags && backend->type != flags) ||
		    !(info.features & backend->feature))
			continue;
		err = backend->open(queue, fd, &info, depth);
		if (!err) {
			(*queue)->backend = backend;
			(*queue)->info = info;
			(*queue)->depth = depth;
			return 0;
		}
	}
	return err;
}

PUBLIC void nvdio_queue_close(struct nvdio_queue *queue)
{
	struct nvdio_done done[64];
	int ret;

	if (!queue)
		return;
	/*
	 * What is prepared is sent as well: some of it may be on its way already.
	 * The driver may still read descriptors of what is in flight, and the caller
	 * expects that nothing reaches its memory afterwards.
	 */
	while (queue->used) {
		ret = nvdio_wait(queue, done, 64, 1, NULL);
		if (ret < 0 && ret != -EINTR)
			break;
	}
	queue->backend->close(queue);
}

PUBLIC unsigned int nvdio_queue_type(const struct nvdio_queue *queue)
{
	return queue->backend->type;
}

PUBLIC const struct nvdio_info *nvdio_queue_info(const struct nvdio_queue *queue)
{
	return &queue->info;
}

PUBLIC unsigned int nvdio_queue_room(const struct nvdio_queue *queue)
{
	return queue->depth - queue->used;
}

PUBLIC int nvdio_queue_fd(const struct nvdio_queue *queue)
{
	return queue->backend->fd(queue);
}

PUBLIC int nvdio_mem_arena(struct nvdio_queue *queue, void *addr, size_t len,
			   struct nvdio_mem *mem)
{
	int ret;

	if (!queue->backend->arena)
		return -EOPNOTSUPP;
	ret = queue->backend->arena(queue, addr, len);
	if (ret)
		return ret;
	*mem = (struct nvdio_mem){
		.addr = addr,
		.len = len,
		.id = NVDIO_MAP_RING_BUF,
	};
	return 0;
}

/* Prepare an I/O. Return: 0 or -EBUSY. */
static int queue_prep(struct nvdio_queue *queue, unsigned int op, uint64_t data,
		      uint32_t map, uint64_t addr, uint32_t len, uint64_t off,
		      unsigned int flags)
{
	struct nvdio_io *io;

	if (queue->used == queue->depth)
		return -EBUSY;
	io = queue->backend->prep(queue, data);
	if (!io)
		return -EBUSY;
	io->off = off;
	io->addr = addr;
	io->len = len;
	io->map = map;
	io->op = op;
	io->flags = flags;
	io->stream = 0;
	io->resv = 0;
	queue->used++;
	queue->unsent++;
	return 0;
}

/* What a descriptor calls @buf. */
static uint64_t mem_place(const struct nvdio_mem *mem, const void *buf)
{
	if (mem->id == NVDIO_MAP_RING_BUF)
		return (uintptr_t)buf;
	return (uintptr_t)buf - (uintptr_t)mem->addr;
}

PUBLIC int nvdio_prep_read(struct nvdio_queue *queue, const struct nvdio_mem *mem,
			   void *buf, __u32 len, __u64 off, __u64 data)
{
	return queue_prep(queue, NVDIO_IO_READ, data, mem->id,
			  mem_place(mem, buf), len, off, 0);
}

PUBLIC int nvdio_prep_write(struct nvdio_queue *queue, const struct nvdio_mem *mem,
			    const void *buf, __u32 len, __u64 off,
			    unsigned int flags, __u64 data)
{
	return queue_prep(queue, NVDIO_IO_WRITE, data, mem->id,
			  mem_place(mem, buf), len, off, flags);
}

PUBLIC int nvdio_prep_flush(struct nvdio_queue *queue, __u64 data)
{
	return queue_prep(queue, NVDIO_IO_FLUSH, data, 0, 0, 0, 0, 0);
}

PUBLIC int nvdio_submit(struct nvdio_queue *queue)
{
	const unsigned int unsent = queue->unsent;
	int ret = unsent ? queue->backend->submit(queue) : 0;

	/* Of some it may not be known what became of them: these are not sent twice. */
	return queue->unsent < unsent ? (int)(unsent - queue->unsent) : ret;
}

/* The time that is left until @until. Return: false if there is none. */
static bool time_left(const struct timespec *until, struct timespec *left)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left->tv_sec = until->tv_sec - now.tv_sec;
	left->tv_nsec = until->tv_nsec - now.tv_nsec;
	if (left->tv_nsec < 0) {
		left->tv_nsec += 1000000000;
		left->tv_sec--;
	}
	return left->tv_sec >= 0;
}

/* When @timeout will be over. */
static void time_until(struct timespec *until, const struct timespec *timeout)
{
	clock_gettime(CLOCK_MONOTONIC, until);
	until->tv_sec += timeout->tv_sec;
	until->tv_nsec += timeout->tv_nsec;
	if (until->tv_nsec >= 1000000000) {
		until->tv_nsec -= 1000000000;
		until->tv_sec++;
	}
}

PUBLIC int nvdio_wait(struct nvdio_queue *queue, struct nvdio_done *done,
		      unsigned int max, unsigned int min,
		      const struct timespec *timeout)
{
	const struct backend *backend = queue->backend;
	struct timespec until, left;
	unsigned int n = 0;
	int ret = 0;

	if (min > max)
		return -EINVAL;
	if (!min)
		ret = nvdio_submit(queue);
	n = backend->take(queue, done, max);
	if (n < min && timeout)
		time_until(&until, timeout);
	while (n < min && queue->used && ret >= 0) {
		if (timeout && !time_left(&until, &left))
			break;
		ret = backend->sleep(queue, min - n < queue->used ? min - n : queue->used,
				     timeout ? &left : NULL);
		n += backend->take(queue, done + n, max - n);
	}
	/* Enough was there, or no time, before anything was sent. */
	if (queue->unsent && ret >= 0)
		ret = nvdio_submit(queue);
	return n || ret >= 0 ? (int)n : ret;
}
