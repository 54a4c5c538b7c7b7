/* SPDX-License-Identifier: GPL-2.0 */
/* The program's side of rings without io_uring, for the programs that test them. */
#ifndef NVDIO_TEST_OWNRING_H
#define NVDIO_TEST_OWNRING_H

#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

struct own {
	int fd;
	char *mem;
	struct nvdio_ring_create shape;
	struct nvdio_ring_head *head;
	struct nvdio_io *sq;
	const struct nvdio_ring_cqe *cq;
	uint32_t tail, seen;		/* what sq_tail and cq_head are to be */
};

/* Map a ring that was made, or bail. */
static inline void own_map(struct own *r)
{
	r->mem = mmap(NULL, r->shape.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->mem == MAP_FAILED)
		bail("mmap() of a ring");
	r->head = (void *)r->mem;
	r->sq = (void *)(r->mem + r->shape.sq_off);
	r->cq = (const void *)(r->mem + r->shape.cq_off);
	r->tail = r->head->sq_tail;
	r->seen = r->head->cq_head;
}

/* Make a ring of @node, or bail. */
static inline void own_open(struct own *r, int node, unsigned int sq, unsigned int cq)
{
	r->shape = (struct nvdio_ring_create){ .sq_entries = sq, .cq_entries = cq };
	r->fd = ioctl(node, NVDIO_IOC_RING_CREATE, &r->shape);
	if (r->fd < 0)
		bail("NVDIO_IOC_RING_CREATE: %lld", reterr(r->fd));
	own_map(r);
}

static inline void own_close(struct own *r)
{
	munmap(r->mem, r->shape.bytes);
	close(r->fd);
}

/* Fill in the next entry; own_publish() tells the driver. */
static inline void own_put(struct own *r, const struct nvdio_io *io)
{
	r->sq[r->tail++ & (r->shape.sq_entries - 1)] = *io;
}

static inline void own_publish(struct own *r)
{
	__atomic_store_n(&r->head->sq_tail, r->tail, __ATOMIC_RELEASE);
}

static inline long own_enter(const struct own *r, unsigned int submit, unsigned int wait)
{
	return reterr(ioctl(r->fd, NVDIO_IOC_RING_ENTER, NVDIO_RING_ENTER(submit, wait)));
}

/* How many completions can be seen. */
static inline unsigned int own_ready(const struct own *r)
{
	return __atomic_load_n(&r->head->cq_tail, __ATOMIC_ACQUIRE) - r->seen;
}

/* The next completion, which must be there. */
static inline struct nvdio_ring_cqe own_get(struct own *r)
{
	struct nvdio_ring_cqe cqe = r->cq[r->seen & (r->shape.cq_entries - 1)];

	__atomic_store_n(&r->head->cq_head, ++r->seen, __ATOMIC_RELEASE);
	return cqe;
}

/* Send one I/O and wait for it. Returns the result of its completion, or bails. */
static inline long own_do(struct own *r, const struct nvdio_io *io, struct nvdio_ring_cqe *cqe)
{
	struct nvdio_ring_cqe c;
	long ret;

	own_put(r, io);
	own_publish(r);
	ret = own_enter(r, 1, 1);
	while (ret == 1 && !own_ready(r))
		if (own_enter(r, 0, 1) < 0)
			break;
	if (ret != 1 || !own_ready(r))
		bail("an I/O did not end: %ld", ret);
	c = own_get(r);
	if (c.cookie != io->cookie)
		bail("the completion of %x came instead of that of %x", c.cookie, io->cookie);
	if (cqe)
		*cqe = c;
	return c.res;
}

/* Memory of the node's, with identifier *@id; *@p is where it is. Bails. */
static inline void own_memory(int node, size_t len, uint32_t flags, uint32_t *id, char **p)
{
	struct nvdio_map_add add = { .len = len, .flags = NVDIO_MAP_ALLOC | flags };

	if (ioctl(node, NVDIO_IOC_MAP_ADD, &add))
		bail("NVDIO_IOC_MAP_ADD");
	*id = add.id;
	if (!p)
		return;
	*p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, node, add.mmap_offset);
	if (*p == MAP_FAILED)
		bail("mmap() of a map");
}

#endif
