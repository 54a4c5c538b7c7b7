/* SPDX-License-Identifier: GPL-2.0 */
/* The program's side of a ring without io_uring (driver/uapi/nvdio.h), for loop.c. */
#ifndef LOOP_RING_H
#define LOOP_RING_H

#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../driver/uapi/nvdio.h"

struct own_ring {
	int fd;
	struct nvdio_ring_head *head;
	struct nvdio_io *sq;
	const struct nvdio_ring_cqe *cq;
	uint32_t sq_mask, cq_mask;
	uint32_t sq_tail, sent, cq_head;	/* copies of our own */
	unsigned int map;
};

/* Memory of the node, with an identifier; NULL when there is none. */
static inline char *own_buffers(struct own_ring *r, int node, size_t size)
{
	struct nvdio_map_add add = { .len = size, .flags = NVDIO_MAP_ALLOC };
	char *p;

	if (ioctl(node, NVDIO_IOC_MAP_ADD, &add))
		return NULL;
	r->map = add.id;
	p = mmap(NULL, size, PROT_READ, MAP_SHARED, node, add.mmap_offset);
	return p == MAP_FAILED ? NULL : p;
}

/* Returns 0, or -1 with errno. */
static inline int own_setup(struct own_ring *r, int node, unsigned int sq, unsigned int cq)
{
	struct nvdio_ring_create c = { .sq_entries = sq, .cq_entries = cq };
	char *p;

	r->fd = ioctl(node, NVDIO_IOC_RING_CREATE, &c);
	if (r->fd < 0)
		return -1;
	p = mmap(NULL, c.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (p == MAP_FAILED)
		return -1;
	r->head = (void *)p;
	r->sq = (void *)(p + c.sq_off);
	r->cq = (void *)(p + c.cq_off);
	r->sq_tail = r->head->sq_tail;
	r->sent = r->sq_tail;
	r->cq_head = r->head->cq_head;
	r->sq_mask = c.sq_entries - 1;
	r->cq_mask = c.cq_entries - 1;
	return 0;
}

/* The next entry to fill in; the caller sends no more than there are. */
static inline struct nvdio_io *own_next(struct own_ring *r)
{
	return &r->sq[r->sq_tail++ & r->sq_mask];
}

/* Submit what was filled in; wait until so many can be seen. Returns 0, or -1 with errno. */
static inline int own_enter(struct own_ring *r, unsigned int wait)
{
	const unsigned int nr = r->sq_tail - r->sent;

	__atomic_store_n(&r->head->sq_tail, r->sq_tail, __ATOMIC_RELEASE);
	if (ioctl(r->fd, NVDIO_IOC_RING_ENTER, NVDIO_RING_ENTER(nr, wait)) != (int)nr)
		return -1;
	r->sent = r->sq_tail;
	return 0;
}

/* Number of completions that can be seen. */
static inline unsigned int own_ready(const struct own_ring *r)
{
	return __atomic_load_n(&r->head->cq_tail, __ATOMIC_ACQUIRE) - r->cq_head;
}

/* One of them. */
static inline const struct nvdio_ring_cqe *own_cqe(const struct own_ring *r, unsigned int i)
{
	return &r->cq[(r->cq_head + i) & r->cq_mask];
}

/* They were seen. */
static inline void own_seen(struct own_ring *r, unsigned int nr)
{
	r->cq_head += nr;
	__atomic_store_n(&r->head->cq_head, r->cq_head, __ATOMIC_RELEASE);
}

#endif
