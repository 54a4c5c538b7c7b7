// SPDX-License-Identifier: GPL-2.0
/*
 * NVDIO_IOC_* and mmap() of a 32-bit program (call32.h); and their structures, shorter
 * and longer than the driver's. What is moved is compared.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "abi.h"
#include "call32.h"
#include "t.h"

#define AT (8 * MiB)		/* of the disk */
#define LEN (256 * KiB)
#define LOW_BYTES (8 * MiB)

/* An ioctl of nvdio's with a structure of another size. */
#define SIZED(cmd, size) (((cmd) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT)) | (size) << _IOC_SIZESHIFT)

static int fd, copy;		/* O_DIRECT, and without */
static unsigned char *low;	/* below 4 GiB */
static unsigned char *high;	/* what is on the disk, by 64-bit calls */
static void *arg;		/* where structures are */
static uint64_t seed;

/* mmap2() has the offset in units of 4096 bytes, and 32 bits for it. */
static long map32(int node, size_t len, uint64_t offset)
{
	if (offset >> 44)
		return -EOVERFLOW;
	return (uint32_t)call32_6(NR32_MMAP2, 0, len, PROT_READ | PROT_WRITE, MAP_SHARED, node,
				  offset / PG);
}

static bool mapped32(long p)
{
	return p >= 0 && p < 0xfffff000L;
}

static int add32(uint64_t addr, uint64_t len, uint32_t flags, struct nvdio_map_add *a)
{
	struct nvdio_map_add *in = arg;
	int ret;

	*in = (struct nvdio_map_add){ .addr = addr, .len = len, .flags = flags };
	ret = ioctl32(fd, NVDIO_IOC_MAP_ADD, in);
	*a = *in;
	return ret;
}

static int del32(uint32_t id)
{
	*(uint32_t *)arg = id;
	return ioctl32(fd, NVDIO_IOC_MAP_DEL, arg);
}

static int rw32(uint32_t id, uint32_t flags, uint64_t map_offset, uint64_t offset, uint64_t len)
{
	*(struct nvdio_rw *)arg = (struct nvdio_rw){
		.id = id, .flags = flags, .map_offset = map_offset, .offset = offset, .len = len
	};
	return ioctl32(fd, NVDIO_IOC_RW, arg);
}

static void disk_fill(void)
{
	fill(high, LEN, ++seed, 0);
	put(copy, high, LEN, AT);
}

static void disk_holds(const char *what)
{
	get(copy, high, LEN, AT);
	holds(high, LEN, seed, 0, "%s: contents of the disk", what);
}

/* By address, as it is recognised, and by identifier; both ways. */
static void moves(unsigned char *p, uint32_t id, const char *what)
{
	uint64_t before = counter("stats/mapped");

	disk_fill();
	memset(p, 0, LEN);
	is(call32(NR32_PREAD64, fd, low32(p), LEN, AT, 0), LEN, "%s: pread64", what);
	holds(p, LEN, seed, 0, "%s: contents", what);
	fill(p, LEN, ++seed, 0);
	is(call32(NR32_PWRITE64, fd, low32(p), LEN, AT, 0), LEN, "%s: pwrite64", what);
	disk_holds(what);
	is(counter("stats/mapped") - before, 2, "%s: recognised by address", what);
	if (!id)
		return;
	disk_fill();
	memset(p, 0, LEN);
	is(rw32(id, 0, 0, AT, LEN), LEN, "%s: RW, a read", what);
	holds(p, LEN, seed, 0, "%s: contents", what);
	fill(p, LEN, ++seed, 0);
	is(rw32(id, NVDIO_RW_WRITE, 0, AT, LEN), LEN, "%s: RW, a write", what);
	disk_holds(what);
	is(counter("stats/mapped") - before, 4, "%s: all by mapped memory", what);
}

static void none_left(const char *what)
{
	for (int i = 0; i < 300 && ctrl_counter("maps"); i++)
		usleep(100 * 1000);
	is(ctrl_counter("maps"), 0, "%s: no map is left", what);
}

static void info(void)
{
	struct { struct nvdio_info i; uint64_t more; } *in = arg;
	struct nvdio_info want;

	is_ret(ioctl(fd, NVDIO_IOC_INFO, &want), 0, "INFO of a 64-bit program");
	memset(in, 0xee, sizeof(*in));
	is(ioctl32(fd, NVDIO_IOC_INFO, in), 0, "INFO");
	ok(!memcmp(&in->i, &want, sizeof(want)), "they are told the same");
	is(in->more, 0xeeeeeeeeeeeeeeee, "and no more than that");
	memset(in, 0xee, sizeof(*in));
	is(ioctl32(fd, SIZED(NVDIO_IOC_INFO, 8), in), 0, "a program that knows two members");
	ok(in->i.lba_size == want.lba_size && in->i.features == 0xeeeeeeeeeeeeeeee,
	   "is told two");
	memset(in, 0xee, sizeof(*in));
	is(ioctl32(fd, SIZED(NVDIO_IOC_INFO, sizeof(*in)), in), 0, "one that knows more");
	ok(!memcmp(&in->i, &want, sizeof(want)) && !in->more, "is told that the rest is 0");
	is(ioctl32(fd, NVDIO_IOC_INFO, (void *)16), -EFAULT, "INFO to a bad address");
}

static void registered(void)
{
	struct nvdio_map_add a;

	is(add32(low32(low), LEN, NVDIO_MAP_USER, &a), 0, "MAP_ADD of the program's memory");
	ok(a.id && !a.mmap_offset, "it has an identifier, and no offset");
	moves(low, a.id, "registered");
	is(rw32(a.id, 0, LEN, AT, PG), -EINVAL, "RW behind it");
	is(del32(a.id), 0, "MAP_DEL");
	is(del32(a.id), -ENOENT, "once");
	is(rw32(a.id, 0, 0, AT, PG), -ENOENT, "RW of what is deleted");
	/* Not taken for its lower half. */
	is(add32(low32(low) | 1ULL << 32, LEN, NVDIO_MAP_USER, &a), -EFAULT,
	   "an address of more than 32 bits");
	none_left("registered");
}

static void node_memory(void)
{
	long p = map32(fd, LEN, NVDIO_MMAP_ALLOC);

	ok(mapped32(p), "mmap2() of the node");
	if (!mapped32(p))
		return;
	ok(all_zero((void *)p, LEN), "it is zeroed");
	moves((void *)p, 0, "memory of the node");
	munmap((void *)p, LEN);
	none_left("memory of the node");
}

/* Map all of @a at the offset that it has, and use it. */
static bool map_and_move(const struct nvdio_map_add *a, bool use)
{
	long p = map32(fd, a->len, a->mmap_offset);

	if (!mapped32(p))
		return false;
	if (use)
		moves((void *)p, a->id, "by its offset");
	munmap((void *)p, a->len);
	return true;
}

/* Identifiers of any size have an offset that a 32-bit program can pass. */
static void offsets(void)
{
	struct nvdio_map_add a;
	int refused = 0;
	uint32_t top = 0;

	for (int i = 0; i < 1100; i++) {
		const bool use = i % 500 == 40;

		if (add32(0, use ? LEN : PG, NVDIO_MAP_ALLOC, &a))
			bail("MAP_ADD");
		refused += !map_and_move(&a, use);
		top = a.id > top ? a.id : top;
		if (del32(a.id))
			bail("MAP_DEL");
	}
	is(refused, 0, "memory by identifier can be mapped");
	is(top, 1023, "each identifier was used");
	none_left("offsets");
}

/* Both kinds of offsets of one map. */
static void both_offsets(void)
{
	struct nvdio_map_add a;
	unsigned char *p, *q;
	long s;

	is(add32(0, LEN, NVDIO_MAP_ALLOC, &a), 0, "MAP_ADD");
	is(a.mmap_offset, NVDIO_MMAP_ID32(a.id), "a 32-bit program is told its offset");
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, NVDIO_MMAP_ID(a.id));
	q = mmap(NULL, LEN - PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		 NVDIO_MMAP_ID32(a.id) + PG);
	s = map32(fd, PG, NVDIO_MMAP_ID32(a.id) + LEN - PG);
	ok(p != MAP_FAILED && q != MAP_FAILED && mapped32(s), "three mappings of it");
	if (p == MAP_FAILED || q == MAP_FAILED || !mapped32(s))
		return;
	fill(p, LEN, 5, 0);
	holds(q, LEN - PG, 5, PG, "the second begins with its second page");
	holds((void *)s, PG, 5, LEN - PG, "the third has the last one");
	munmap(p, LEN);
	munmap(q, LEN - PG);
	munmap((void *)s, PG);
	is(map32(fd, 2 * PG, NVDIO_MMAP_ID32(a.id) + LEN - PG), (uint32_t)-EINVAL,
	   "not beyond its end");
	is(map32(fd, PG, NVDIO_MMAP_ID32(a.id) + LEN), (uint32_t)-EINVAL, "nor behind it");
	is(map32(fd, PG, NVDIO_MMAP_ID32(a.id + 1)), (uint32_t)-ENOENT, "nor the next one");
	is(map32(fd, PG, 0), (uint32_t)-EINVAL, "offset 0 is refused");
	is(map32(fd, PG, PG), (uint32_t)-EINVAL, "so is what is behind it");
	is(map32(fd, PG, NVDIO_MMAP_ID32(1) - PG), (uint32_t)-EINVAL, "up to the first one");
	is(map32(fd, PG, NVDIO_MMAP_ALLOC - PG), (uint32_t)-ENOENT, "and what is behind the last");
	is(del32(a.id), 0, "MAP_DEL");
	none_left("both offsets");
}

static void dmabuf(void)
{
	struct udmabuf_create c = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = LEN };
	int dev = open("/dev/udmabuf", O_RDWR), mem = memfd_create("mapcompat", MFD_ALLOW_SEALING);
	struct nvdio_map_add *in = arg;
	unsigned char *p;
	uint32_t id;

	if (dev < 0) {
		t_skip("no /dev/udmabuf");
		return;
	}
	if (mem < 0 || ftruncate(mem, LEN) || fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK))
		bail("memfd");
	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, mem, 0);
	c.memfd = mem;
	*in = (struct nvdio_map_add){ .len = LEN, .flags = NVDIO_MAP_DMABUF,
				      .dmabuf_fd = ioctl(dev, UDMABUF_CREATE, &c) };
	is(ioctl32(fd, NVDIO_IOC_MAP_ADD, in), 0, "MAP_ADD of a dma-buf");
	close(in->dmabuf_fd);
	id = in->id;
	disk_fill();
	is(rw32(id, 0, 0, AT, LEN), LEN, "RW, a read");
	holds(p, LEN, seed, 0, "dma-buf: contents");
	fill(p, LEN, ++seed, 0);
	is(rw32(id, NVDIO_RW_WRITE, 0, AT, LEN), LEN, "RW, a write");
	disk_holds("dma-buf");
	is(del32(id), 0, "MAP_DEL");
	*in = (struct nvdio_map_add){ .len = LEN, .flags = NVDIO_MAP_DMABUF, .dmabuf_fd = -1 };
	is(ioctl32(fd, NVDIO_IOC_MAP_ADD, in), -EBADF, "MAP_ADD of no file");
	munmap(p, LEN);
	close(mem);
	close(dev);
	none_left("dma-buf");
}

/* @cmd with @size bytes at @p, of which those from @known on are not known to the driver. */
static void one_size(uint32_t cmd, void *p, uint32_t size, uint32_t known, long want,
		     const char *what)
{
	unsigned char *in = arg;

	memcpy(in, p, known);
	memset(in + known, 0, size > known ? size - known : 0);
	is(ioctl32(fd, SIZED(cmd, size), in), want, "%s", what);
	if (size <= known)
		return;
	/* The last byte, and the first one. */
	memcpy(in, p, known);
	in[size - 1] = 1;
	is(ioctl32(fd, SIZED(cmd, size), in), -E2BIG, "%s: unless its end is not 0", what);
	memcpy(in, p, known);
	in[size - 1] = 0;
	in[known] = 0x80;
	is(ioctl32(fd, SIZED(cmd, size), in), -E2BIG, "%s: or what comes first", what);
}

static void sizes(void)
{
	struct nvdio_map_add add = { .len = LEN, .flags = NVDIO_MAP_ALLOC }, a;
	struct nvdio_rw rw = { .offset = AT, .len = LEN };
	uint32_t del[2] = { 0, 0 };

	one_size(NVDIO_IOC_MAP_ADD, &add, sizeof(add) + 8, sizeof(add), 0, "MAP_ADD, 8 more");
	one_size(NVDIO_IOC_MAP_ADD, &add, sizeof(add) + 4000, sizeof(add), 0,
		 "MAP_ADD, 4000 more");
	one_size(NVDIO_IOC_MAP_ADD, &add, sizeof(add) + 1, sizeof(add), 0, "MAP_ADD, 1 more");
	one_size(NVDIO_IOC_MAP_ADD, &add, sizeof(add) - 8, sizeof(add), -EINVAL,
		 "MAP_ADD, 8 less");
	one_size(NVDIO_IOC_MAP_ADD, &add, 0, sizeof(add), -EINVAL, "MAP_ADD, none");
	is(ctrl_counter("maps"), 3, "three were made");
	is(add32(0, LEN, NVDIO_MAP_ALLOC, &a), 0, "MAP_ADD");
	rw.id = a.id;
	one_size(NVDIO_IOC_RW, &rw, sizeof(rw) + 8, sizeof(rw), LEN, "RW, 8 more");
	one_size(NVDIO_IOC_RW, &rw, sizeof(rw) + 1, sizeof(rw), LEN, "RW, 1 more");
	one_size(NVDIO_IOC_RW, &rw, sizeof(rw) - 8, sizeof(rw), -EINVAL, "RW, 8 less");
	one_size(NVDIO_IOC_RW, &rw, 0, sizeof(rw), -EINVAL, "RW, none");
	one_size(NVDIO_IOC_MAP_DEL, del, 8, 8, -EINVAL, "MAP_DEL, 4 more");
	one_size(NVDIO_IOC_MAP_DEL, del, 2, 4, -EINVAL, "MAP_DEL, 2 less");
	is(del32(a.id), 0, "MAP_DEL");
	for (uint32_t id = a.id - 1; id && id + 4 > a.id; id--)
		del32(id);
	none_left("sizes");
}

static void setup(void)
{
	if (call32(NR32_GETPID, 0, 0, 0, 0, 0) != getpid())
		bail("this kernel runs no 32-bit programs");
	low = mmap(NULL, LOW_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	if (low == MAP_FAILED)
		bail("no memory below 4 GiB");
	arg = low + LOW_BYTES - 16 * KiB;
	high = pages(LEN);
	fd = dev_open(O_RDWR | O_DIRECT);
	copy = dev_open(O_RDWR);
	seed = t_seed;
	one_queue();
}

static const struct t_case cases[] = {
	{ "info", info },
	{ "registered", registered },
	{ "node_memory", node_memory },
	{ "offsets", offsets },
	{ "both_offsets", both_offsets },
	{ "dmabuf", dmabuf },
	{ "sizes", sizes },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
