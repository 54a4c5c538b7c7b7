// SPDX-License-Identifier: GPL-2.0
/*
 * failnth.c for many I/Os in one call: a map, a batch or a ring without io_uring that uses it, and
 * the end of both. Each I/O has a result of its own, whatever has failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "batch.h"
#include "failnth.h"

#define PAGE	4096U
#define PAGES	16U
#define NR	24U		/* fewer than the queues of its machine have entries */
#define AT	(4 * BYTES)
#define NONE	77		/* no result */

static struct io_uring uring;
static char *mem;
static struct nvdio_io ios[NR];
static struct nvdio_result res[NR];

/* Writes of pages, then reads of them; one of each is refused. */
static void compose(uint32_t map)
{
	static unsigned char times;

	times++;
	for (unsigned int i = 0; i < NR; i++) {
		const bool write = i < NR / 2;

		ios[i] = (struct nvdio_io){
			.op = write ? NVDIO_IO_WRITE : NVDIO_IO_READ,
			.off = AT + i % PAGES * PAGE, .len = PAGE, .addr = i % PAGES * PAGE,
			.map = map, .cookie = i, .resv = i == 1 || i == NR - 1,
		};
		res[i] = (struct nvdio_result){ .res = NONE };
	}
	memset(mem, times, PAGES * PAGE);
}

/* Of @done I/Os as many as could have succeeded. */
static int all_of(int done)
{
	if (done < 0) {
		errno = -done;
		return -1;
	}
	if (done > (int)NR - 2)
		complain("%d I/Os have succeeded", done);
	/* As descriptors could not be read. */
	errno = EFAULT;
	return done == (int)NR - 2 ? 0 : -1;
}

/*
 * Each result says what it may, if it could be written at all. In a batch's, which are written
 * before it is known what fails, success may be left: the CQE tells.
 */
static void look_at(unsigned int i, int got, bool promised)
{
	const bool bad = ios[i].resv && !(promised && got == (int)PAGE);

	if (got != NONE && got != -EFAULT && got != -ENOMEM && got != (bad ? -EINVAL : (int)PAGE))
		complain("I/O %u: %d", i, got);
}

static int batch_once(int fd, uint32_t map)
{
	int ret;

	compose(map);
	ret = batch(&uring, fd, ios, NR, res, NVDIO_BATCH_ALL_RESULTS, 0);
	for (unsigned int i = 0; i < NR && ret >= 0; i++)
		look_at(i, res[i].res, true);
	return all_of(ret);
}

/* Fill in and send all, and wait. Returns as batch(). */
static int ring_all(int ring, const struct nvdio_ring_create *c, char *p)
{
	struct nvdio_ring_head *head = (void *)p;
	const struct nvdio_ring_cqe *cq = (void *)(p + c->cq_off);
	const uint32_t tail = head->sq_tail;
	int good = 0;

	memcpy(p + c->sq_off, ios, sizeof(ios));
	__atomic_store_n(&head->sq_tail, tail + NR, __ATOMIC_RELEASE);
	if (ioctl(ring, NVDIO_IOC_RING_ENTER, NVDIO_RING_ENTER(NR, NR)) < 0)
		return -errno;
	if (head->cq_tail != tail + NR)
		complain("%u completions", head->cq_tail - tail);
	for (unsigned int i = 0; i < NR; i++) {
		const struct nvdio_ring_cqe *e = &cq[(tail + i) & (c->cq_entries - 1)];

		if (e->cookie < NR)
			look_at(e->cookie, e->res, false);
		good += e->res == (int)PAGE;
	}
	return good;
}

static int ring_once(int fd, uint32_t map)
{
	struct nvdio_ring_create c = { .sq_entries = 32 };
	int ring = ioctl(fd, NVDIO_IOC_RING_CREATE, &c), ret = -1, saved;
	char *p;

	if (ring < 0)
		return -1;
	compose(map);
	p = mmap(NULL, c.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0);
	if (p != MAP_FAILED) {
		/* Indices begin at a multiple of its entries. */
		ret = all_of(ring_all(ring, &c, p));
		saved = errno;
		munmap(p, c.bytes);
		errno = saved;
	}
	saved = errno;
	close(ring);
	errno = saved;
	return ret;
}

static int with_map(int fd, int (*call)(int fd, uint32_t map))
{
	struct nvdio_map_add add = {
		.flags = NVDIO_MAP_USER, .addr = (uintptr_t)mem, .len = PAGES * PAGE,
	};
	int ret, saved;

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add))
		return -1;
	ret = call(fd, add.id);
	saved = errno;
	/* If it fails, the identifier ends with the file. */
	if (ioctl(fd, NVDIO_IOC_MAP_DEL, &add.id) && !ret)
		return -1;
	errno = saved;
	return ret;
}

static int batch_fd(int fd)
{
	return with_map(fd, batch_once);
}

int do_batch(void)
{
	return with_fd(NS_NODE, O_RDWR | O_DIRECT, batch_fd);
}

static int ring_fd(int fd)
{
	return with_map(fd, ring_once);
}

int do_ring(void)
{
	return with_fd(NS_NODE, O_RDWR | O_DIRECT, ring_fd);
}

void many_prepare(void)
{
	mem = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (mem == MAP_FAILED || io_uring_queue_init(8, &uring, 0))
		bail("no memory, or no ring");
}
