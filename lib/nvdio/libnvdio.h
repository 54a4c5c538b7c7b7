/* SPDX-License-Identifier: GPL-2.0 */
/*
 * libnvdio: many I/Os in one call, on a namespace of nvdio.
 *
 * A queue takes reads, writes and flushes, sends those that were prepared in one call,
 * and gives a result for each. Behind it is either the batch command of io_uring
 * (NVDIO_URING_BATCH) or a ring of the driver's (NVDIO_IOC_RING_CREATE): the calls are
 * the same. Memory is mapped once, before (docs/mapped.md).
 *
 * Errors are negative errnos, as in liburing; errno itself is left alone.
 *
 * A queue is used by one thread; with NVDIO_QUEUE_BATCH this is the one that first calls
 * nvdio_submit() or nvdio_wait(), for others these return -EEXIST. Queues do
 * not know of each other, and memory may be used by all queues of its controller. After
 * fork(), only the parent uses the queue. docs/man/libnvdio.3 has the rest.
 */
#ifndef LIBNVDIO_H
#define LIBNVDIO_H

#include <linux/types.h>
#include <stddef.h>
#include <time.h>

#include "nvdio.h"

struct timespec;

#ifdef __cplusplus
extern "C" {
#endif

/* Flags of nvdio_queue_open(): one of them, or none for what there is. */
#define NVDIO_QUEUE_BATCH	0x1U	/* batches, through io_uring */
#define NVDIO_QUEUE_RING	0x2U	/* a ring, without io_uring */

/* Most I/Os of a queue */
#define NVDIO_QUEUE_DEPTH_MAX	8192U

struct nvdio_queue;

/**
 * struct nvdio_mem - memory for I/O
 * @addr: where the program has it; NULL: nowhere (a dma-buf), then what a call takes
 *	for an address in this memory is the number of bytes from its start
 * @len: bytes
 * @id: identifier of the map, or NVDIO_MAP_RING_BUF
 * @flags: NVDIO_MAP_*; 0: the arena of a queue
 */
struct nvdio_mem {
	void *addr;
	__u64 len;
	__u32 id;
	__u32 flags;
};

/**
 * struct nvdio_done - what became of an I/O
 * @data: what it was prepared with
 * @res: bytes, which are all of them, or -errno; of a flush 0, or -errno
 * @status: NVMe status, without the phase bit; 0 if the controller gave none
 * @resv: 0
 */
struct nvdio_done {
	__u64 data;
	__s32 res;
	__u16 status;
	__u16 resv;
};

/*
 * Make a queue for @depth I/Os on the namespace whose node is open as @fd, which may be
 * closed afterwards. Close waits until all of its I/O has ended.
 */
int nvdio_queue_open(struct nvdio_queue **queue, int fd, unsigned int depth,
		     unsigned int flags);
void nvdio_queue_close(struct nvdio_queue *queue);

/* NVDIO_QUEUE_BATCH or NVDIO_QUEUE_RING. */
unsigned int nvdio_queue_type(const struct nvdio_queue *queue);

/* What the node can do, as of nvdio_queue_open(). */
const struct nvdio_info *nvdio_queue_info(const struct nvdio_queue *queue);

/* How many I/Os can be prepared now. */
unsigned int nvdio_queue_room(const struct nvdio_queue *queue);

/* A descriptor for poll(): POLLIN, there are results. It stays the queue's. */
int nvdio_queue_fd(const struct nvdio_queue *queue);

/* New memory of @len bytes, or more; memory of the program's; that of a dma-buf. */
int nvdio_mem_alloc(int fd, size_t len, unsigned int flags,
		    struct nvdio_mem *mem);
int nvdio_mem_add(int fd, void *addr, size_t len, unsigned int flags,
		  struct nvdio_mem *mem);
int nvdio_mem_dmabuf(int fd, int dmabuf, size_t len, unsigned int flags,
		     struct nvdio_mem *mem);

/* Ends any of these. */
int nvdio_mem_free(int fd, struct nvdio_mem *mem);

/*
 * The program's memory as a registered buffer of the queue's io_uring, until the
 * queue is closed: it is not mapped between I/Os. Only with NVDIO_QUEUE_BATCH, and
 * once, before the first I/O.
 */
int nvdio_mem_arena(struct nvdio_queue *queue, void *addr, size_t len,
		    struct nvdio_mem *mem);

/*
 * Prepare an I/O. Return 0, or -EBUSY: the queue is full. @data comes back with the
 * result. @flags are NVDIO_IO_FUA and NVDIO_IO_ATOMIC.
 */
int nvdio_prep_read(struct nvdio_queue *queue, const struct nvdio_mem *mem,
		    void *buf, __u32 len, __u64 off, __u64 data);
int nvdio_prep_write(struct nvdio_queue *queue, const struct nvdio_mem *mem,
		     const void *buf, __u32 len, __u64 off, unsigned int flags,
		     __u64 data);
int nvdio_prep_flush(struct nvdio_queue *queue, __u64 data);

/* Send what is prepared. Return how many I/Os this were, or -errno. */
int nvdio_submit(struct nvdio_queue *queue);

/*
 * Send what is prepared, wait until there are @min results (or all that can come), or
 * @timeout is over, and take at most @max of them. Returns how many, or -errno if
 * there is none. With a @min of 0 it never sleeps.
 */
int nvdio_wait(struct nvdio_queue *queue, struct nvdio_done *done,
	       unsigned int max, unsigned int min,
	       const struct timespec *timeout);

#ifdef __cplusplus
}
#endif

#endif /* LIBNVDIO_H */
