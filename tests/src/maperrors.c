// SPDX-License-Identifier: GPL-2.0
/*
 * The errors of NVDIO_IOC_* and mmap(), as docs/man/ lists them. What was seen is
 * appended to the file $NVDIO_SEEN, a line "CALL ERRNO" each; tests/man.t compares that
 * with the manual pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/dma-heap.h>
#include <linux/fs.h>
#include <linux/udmabuf.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

#define RW (PROT_READ | PROT_WRITE)
#define NOWHERE ((void *)16)
#define SIZED(cmd, size) (((cmd) & ~(_IOC_SIZEMASK << _IOC_SIZESHIFT)) | (size) << _IOC_SIZESHIFT)

static int fd, ctrl, ro, wo;	/* the namespace; its controller; and with fewer rights */

static FILE *seen;

/* One test: @name has returned @want, an errno. */
static void fails(const char *name, long got, int want, const char *what)
{
	is(got, -want, "%s, %s: %s", name, strerrorname_np(want), what);
	if (got != -want || !seen)
		return;
	fprintf(seen, "%s %s\n", name, strerrorname_np(want));
	fflush(seen);
}

static long call(int node, unsigned long cmd, void *arg)
{
	return reterr(ioctl(node, cmd, arg));
}

static uint32_t last;

static long add(uint64_t addr, uint64_t len, uint32_t flags, int buf)
{
	struct nvdio_map_add a = {
		.addr = addr, .len = len, .flags = flags, .dmabuf_fd = buf
	};
	long ret = call(fd, NVDIO_IOC_MAP_ADD, &a);

	last = a.id;
	return ret;
}

static uint32_t alloc(uint32_t flags)
{
	is(add(0, PG, NVDIO_MAP_ALLOC | flags, 0), 0, "a map");
	return last;
}

static long del(uint32_t id)
{
	return call(fd, NVDIO_IOC_MAP_DEL, &id);
}

static long rw(int node, uint32_t id, uint32_t flags, uint64_t map_offset, uint64_t offset,
	       uint64_t len)
{
	struct nvdio_rw r = {
		.id = id, .flags = flags, .map_offset = map_offset, .offset = offset, .len = len
	};

	return call(node, NVDIO_IOC_RW, &r);
}

static long range(int node, uint64_t start, uint64_t len, uint32_t flags)
{
	struct nvdio_range r = { .start = start, .len = len, .flags = flags };
	const long ret = call(node, NVDIO_IOC_RANGE, &r);

	if (ret >= 0)
		close(ret);
	return ret;
}

static long map(int node, size_t len, int prot, int flags, uint64_t offset)
{
	void *p = mmap(NULL, len, prot, flags, node, (off_t)offset);

	if (p == MAP_FAILED)
		return -errno;
	munmap(p, len);
	return 0;
}

static void none_left(const char *what)
{
	for (int i = 0; i < 300 && ctrl_counter("maps"); i++)
		usleep(100 * 1000);
	is(ctrl_counter("maps"), 0, "%s: no map is left", what);
}

static void info(void)
{
	fails("INFO", call(fd, NVDIO_IOC_INFO, NOWHERE), EFAULT, "not memory");
	is(call(1, NVDIO_IOC_INFO, NOWHERE), -ENOTTY, "not a node");
}

static void map_add(void)
{
	char *m = pages(4 * PG), *regs;
	const uint64_t at = (uintptr_t)m;
	struct { struct nvdio_map_add a; uint64_t more; } big = {
		.a = { .len = PG, .flags = NVDIO_MAP_ALLOC }, .more = 1
	};

	fails("MAP_ADD", call(fd, SIZED(NVDIO_IOC_MAP_ADD, sizeof(big)), &big), E2BIG,
	      "an unknown member");
	fails("MAP_ADD", call(fd, SIZED(NVDIO_IOC_MAP_ADD, 32), &big), EINVAL, "32 bytes");
	big.a.resv = 1;
	fails("MAP_ADD", call(fd, NVDIO_IOC_MAP_ADD, &big), EINVAL, "resv");
	fails("MAP_ADD", add(0, PG, 0, 0), EINVAL, "no kind");
	fails("MAP_ADD", add(0, PG, NVDIO_MAP_ALLOC | NVDIO_MAP_USER, 0), EINVAL, "two");
	fails("MAP_ADD", add(0, PG, NVDIO_MAP_ALLOC | 0x20, 0), EINVAL, "a flag");
	fails("MAP_ADD", add(at, PG, NVDIO_MAP_ALLOC, 0), EINVAL, "an address");
	fails("MAP_ADD", add(at, PG, NVDIO_MAP_USER, 1), EINVAL, "a descriptor");
	fails("MAP_ADD", add(at + 512, PG, NVDIO_MAP_USER, 0), EINVAL, "not a page");
	fails("MAP_ADD", add(at, 512, NVDIO_MAP_USER, 0), EINVAL, "not a whole page");
	fails("MAP_ADD", add(at, 0, NVDIO_MAP_USER, 0), EINVAL, "nothing");
	fails("MAP_ADD", add(0, 1ULL << 40, NVDIO_MAP_ALLOC, 0), EINVAL, "too much");
	fails("MAP_ADD", add(-PG, 2 * PG, NVDIO_MAP_USER, 0), EINVAL, "the last address");
	fails("MAP_ADD", call(fd, NVDIO_IOC_MAP_ADD, NOWHERE), EFAULT, "not memory");
	munmap(m + 2 * PG, PG);
	fails("MAP_ADD", add(at, 4 * PG, NVDIO_MAP_USER, 0), EFAULT, "a hole");
	mprotect(m, PG, PROT_READ);
	fails("MAP_ADD", add(at, PG, NVDIO_MAP_USER, 0), EFAULT, "not writable");
	is(add(at, PG, NVDIO_MAP_USER | NVDIO_MAP_READ_ONLY, 0), 0, "which need not be");
	is(del(last), 0, "MAP_DEL");
	regs = mmap(NULL, PG, PROT_READ, MAP_SHARED, ctrl, NVDIO_MMAP_REGS);
	if (regs == MAP_FAILED)
		bail("registers");
	fails("MAP_ADD", add((uintptr_t)regs, PG, NVDIO_MAP_USER | NVDIO_MAP_READ_ONLY, 0),
	      EFAULT, "of a device");
	fails("MAP_ADD", add(0, 64ULL << 30, NVDIO_MAP_ALLOC, 0), ENOMEM, "more than there is");
	munmap(regs, PG);
	munmap(m, 4 * PG);
	none_left("MAP_ADD");
}

static void map_add_dmabuf(void)
{
	struct dma_heap_allocation_data a = { .len = PG, .fd_flags = O_RDONLY };
	struct udmabuf_create c = { .size = 2 * PG };
	int dev = open("/dev/udmabuf", O_RDWR), heap = open("/dev/dma_heap/system", O_RDWR), buf;
	int mem = memfd_create("maperrors", MFD_ALLOW_SEALING);

	if (mem < 0 || ftruncate(mem, 2 * PG) || fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK))
		bail("memfd");
	fails("MAP_ADD", add(0, PG, NVDIO_MAP_DMABUF, -1), EBADF, "not a descriptor");
	fails("MAP_ADD", add(0, PG, NVDIO_MAP_DMABUF, mem), EINVAL, "not a dma-buf");
	c.memfd = mem;
	buf = ioctl(dev, UDMABUF_CREATE, &c);
	if (buf < 0)
		bail("UDMABUF_CREATE");
	fails("MAP_ADD", add(0, 3 * PG, NVDIO_MAP_DMABUF, buf), EINVAL, "a smaller one");
	fails("MAP_ADD", add(PG, PG, NVDIO_MAP_DMABUF, buf), EINVAL, "and an address");
	if (ioctl(heap, DMA_HEAP_IOCTL_ALLOC, &a))
		bail("DMA_HEAP_IOCTL_ALLOC");
	fails("MAP_ADD", add(0, PG, NVDIO_MAP_DMABUF, a.fd), EACCES, "open for reading");
	is(add(0, PG, NVDIO_MAP_DMABUF | NVDIO_MAP_READ_ONLY, a.fd), 0, "which may be enough");
	is(del(last), 0, "MAP_DEL");
	close(a.fd);
	close(buf);
	close(mem);
	close(heap);
	close(dev);
	none_left("dma-bufs");
}

static void nobody(void)
{
	struct rlimit limit = { 4 * PG, 4 * PG };
	char *m = pages(8 * PG);

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		bail("setrlimit");
	fails("MAP_ADD", add((uintptr_t)m, 8 * PG, NVDIO_MAP_USER, 0), ENOMEM, "RLIMIT_MEMLOCK");
	fails("MAP_ADD", add(0, 8 * PG, NVDIO_MAP_ALLOC, 0), ENOMEM, "RLIMIT_MEMLOCK");
	fails("mmap", map(fd, 8 * PG, RW, MAP_SHARED, NVDIO_MMAP_ALLOC), ENOMEM,
	      "RLIMIT_MEMLOCK");
	is(map(fd, 4 * PG, RW, MAP_SHARED, NVDIO_MMAP_ALLOC), 0, "as much as is permitted");
	fails("mmap", map(ctrl, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), EPERM, "registers");
}

static uint32_t strange, common;

/* Another process: it has the files, and another address space. */
static void others(void)
{
	fails("MAP_DEL", call(ro, NVDIO_IOC_MAP_DEL, &strange), ENOENT, "of others");
	fails("MAP_DEL", del(strange), ENOENT, "of others, by their file");
	fails("MAP_DEL", call(ro, NVDIO_IOC_MAP_DEL, &common), ENOENT, "shared, by another file");
	is(rw(ro, common, 0, 0, 0, PG), PG, "what is shared can be used by any");
	is(map(ro, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_ID(common)), 0, "and mapped");
	is(del(common), 0, "MAP_DEL by the file that it was made with");
	fails("RW", rw(ro, strange, 0, 0, 0, PG), ENOENT, "of others");
	fails("mmap", map(ro, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_ID(strange)), ENOENT,
	      "of others");
}

static void rights(void)
{
	is(as_nobody(nobody), 0, "the unprivileged child ended well");
	strange = alloc(0);
	common = alloc(NVDIO_MAP_SHARED);
	is(as_nobody(others), 0, "another process ended well");
	is(del(strange), 0, "MAP_DEL");
	fails("MAP_DEL", del(common), ENOENT, "which the other process has deleted");
	none_left("rights");
}

static void map_del(void)
{
	uint32_t id[2] = { alloc(0), 0 };

	fails("MAP_DEL", call(fd, NVDIO_IOC_MAP_DEL, NOWHERE), EFAULT, "not memory");
	fails("MAP_DEL", call(fd, SIZED(NVDIO_IOC_MAP_DEL, 8), id), EINVAL, "8 bytes");
	fails("MAP_DEL", del(0), ENOENT, "0");
	is(call(ro, NVDIO_IOC_MAP_DEL, id), 0, "by another file");
	fails("MAP_DEL", del(id[0]), ENOENT, "twice");
	none_left("MAP_DEL");
}

static void read_write(void)
{
	const uint32_t id = alloc(0), source = alloc(NVDIO_MAP_READ_ONLY), w = NVDIO_RW_WRITE;
	struct { struct nvdio_rw r; uint64_t more; } big = {
		.r = { .id = id, .len = PG }, .more = 1
	};
	int yes = 1, no = 0;

	fails("RW", call(fd, SIZED(NVDIO_IOC_RW, sizeof(big)), &big), E2BIG, "an unknown member");
	fails("RW", call(fd, SIZED(NVDIO_IOC_RW, 24), &big), EINVAL, "24 bytes");
	fails("RW", call(fd, NVDIO_IOC_RW, NOWHERE), EFAULT, "not memory");
	fails("RW", rw(fd, id, 4, 0, 0, PG), EINVAL, "a flag");
	fails("RW", rw(fd, id, 0, 2, 0, 512), EINVAL, "map_offset");
	fails("RW", rw(fd, id, 0, 0, 4, PG), EINVAL, "offset");
	fails("RW", rw(fd, id, 0, 0, 0, 4), EINVAL, "len");
	fails("RW", rw(fd, id, 0, 0, 0, 0x7ffff000ULL + dev.lba), EINVAL, "too much");
	fails("RW", rw(fd, id, 0, 4, 0, PG), EINVAL, "behind the map");
	fails("RW", rw(fd, id, 0, PG, 0, PG), EINVAL, "behind the map");
	fails("RW", rw(fd, source, 0, 0, 0, PG), EACCES, "only for writes");
	is(rw(fd, source, w, 0, 0, PG), PG, "a write");
	fails("RW", rw(ro, id, w, 0, 0, PG), EBADF, "open for reading");
	fails("RW", rw(wo, id, 0, 0, 0, PG), EBADF, "open for writing");
	fails("RW", rw(fd, 0, 0, 0, 0, PG), ENOENT, "0");
	fails("RW", rw(fd, id, w, 0, dev.size, PG), ENOSPC, "at the end");
	is(rw(fd, id, 0, 0, dev.size, PG), 0, "where a read moves nothing");
	is(rw(fd, id, 0, 0, dev.size - dev.lba, PG), dev.lba, "or less");
	fails("RW", rw(ctrl, id, 0, 0, 0, PG), ENOTTY, "a controller");
	if (ioctl(fd, BLKROSET, &yes))
		bail("BLKROSET");
	fails("RW", rw(fd, id, w, 0, 0, PG), EPERM, "read-only");
	if (ioctl(fd, BLKROSET, &no))
		bail("BLKROSET");
	is(del(id) + del(source), 0, "MAP_DEL");
	none_left("RW");
}

static void by_mmap(void)
{
	const uint32_t id = alloc(0);
	char *m = pages(PG);
	uint32_t user;

	is(add((uintptr_t)m, PG, NVDIO_MAP_USER, 0), 0, "memory of the program's");
	user = last;
	fails("mmap", map(ro, PG, RW, MAP_SHARED, NVDIO_MMAP_ALLOC), EACCES, "PROT_WRITE");
	fails("mmap", map(ctrl, PG, RW, MAP_SHARED, NVDIO_MMAP_REGS), EACCES, "registers");
	fails("mmap", map(fd, PG, RW, MAP_PRIVATE, NVDIO_MMAP_ALLOC), EINVAL, "MAP_PRIVATE");
	fails("mmap", map(fd, PG, RW, MAP_SHARED, 0), EINVAL, "0");
	is(map(ctrl, PG, RW, MAP_SHARED, 0), 0, "of the controller");
	fails("mmap", map(fd, PG, RW, MAP_SHARED, NVDIO_MMAP_ALLOC + PG), EINVAL, "ALLOC + 1");
	fails("mmap", map(fd, 2 * PG, RW, MAP_SHARED, NVDIO_MMAP_ID(id)), EINVAL, "too much");
	fails("mmap", map(fd, PG, RW, MAP_SHARED, NVDIO_MMAP_ID(user)), EINVAL, "USER");
	fails("mmap", map(fd, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), EINVAL, "registers");
	fails("mmap", map(ctrl, 2 * PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), EINVAL, "two");
	fails("mmap", map(fd, PG, RW, MAP_SHARED, NVDIO_MMAP_ID(user + 1)), ENOENT, "not an id");
	fails("mmap", map(fd, 64UL << 30, RW, MAP_SHARED, NVDIO_MMAP_ALLOC), ENOMEM, "64 GiB");
	fails("mmap", map(fd, PG, RW, MAP_SHARED, NVDIO_MMAP_CMB), EOPNOTSUPP, "no CMB");
	is(del(id) + del(user), 0, "MAP_DEL");
	munmap(m, PG);
	none_left("mmap");
}

static void many(void)
{
	int other = dev_open(O_RDWR), mine = fd;
	struct nvdio_info i;

	if (ioctl(fd, NVDIO_IOC_INFO, &i))
		bail("INFO");
	fd = other;
	for (uint32_t nr = 0; nr < i.maps_max; nr++)
		if (add(0, PG, NVDIO_MAP_ALLOC, 0))
			bail("map %u", nr);
	fails("MAP_ADD", add(0, PG, NVDIO_MAP_ALLOC, 0), ENOSPC, "maps_max");
	fails("mmap", map(fd, PG, RW, MAP_SHARED, NVDIO_MMAP_ALLOC), ENOSPC, "maps_max");
	fd = mine;
	close(other);
	none_left("maps_max");
}

/* Where all DMA goes through bounce buffers. */
static void bounces(void)
{
	struct nvdio_info i;
	char *m = pages(PG);

	is(call(fd, NVDIO_IOC_INFO, &i), 0, "INFO");
	is(i.features & (NVDIO_FEATURE_MAPS | NVDIO_FEATURE_DMABUF), 0, "no maps are possible");
	ok(!i.map_io_max && !i.maps_max && !i.map_bytes_max, "and what is said of them is 0");
	fails("MAP_ADD", add((uintptr_t)m, PG, NVDIO_MAP_USER, 0), EOPNOTSUPP, "USER");
	fails("MAP_ADD", add(0, PG, NVDIO_MAP_ALLOC, 0), EOPNOTSUPP, "ALLOC");
	fails("mmap", map(fd, PG, RW, MAP_SHARED, NVDIO_MMAP_ALLOC), EOPNOTSUPP, "ALLOC");
	munmap(m, PG);
}

static void write_to(const char *path, const char *text)
{
	int f = open(path, O_WRONLY);

	if (f < 0 || write(f, text, strlen(text)) < 0)
		bail("%s", path);
	close(f);
}

/* A range; the name of its case. */
static void ranges(void)
{
	struct { struct nvdio_range r; uint64_t more; } big = { { 0, PG, 0, 0 }, 1 };
	struct rlimit old, low;

	ok(range(fd, 0, PG, 0) >= 0, "a range");
	fails("RANGE", call(fd, SIZED(NVDIO_IOC_RANGE, sizeof(big)), &big), E2BIG,
	      "an unknown member");
	fails("RANGE", call(fd, SIZED(NVDIO_IOC_RANGE, 16), &big), EINVAL, "16 bytes");
	fails("RANGE", range(fd, 0, PG, 2), EINVAL, "a flag");
	fails("RANGE", range(fd, 1, PG, 0), EINVAL, "no block");
	fails("RANGE", range(fd, 0, 0, 0), EINVAL, "no bytes");
	fails("RANGE", range(fd, dev.size, PG, 0), ERANGE, "behind the end");
	fails("RANGE", range(wo, 0, PG, NVDIO_RANGE_READ_ONLY), EBADF, "no rights");
	fails("RANGE", call(fd, NVDIO_IOC_RANGE, NOWHERE), EFAULT, "not memory");
	fails("RANGE", range(ctrl, 0, PG, 0), ENOTTY, "of a controller");
	big.r.resv = 1;
	fails("RANGE", call(fd, NVDIO_IOC_RANGE, &big), EINVAL, "resv");
	getrlimit(RLIMIT_NOFILE, &old);
	low = (struct rlimit){ 3, old.rlim_max };
	setrlimit(RLIMIT_NOFILE, &low);
	fails("RANGE", range(fd, 0, PG, 0), EMFILE, "no descriptor");
	setrlimit(RLIMIT_NOFILE, &old);
}

static void unbound(void)
{
	const char *pci = getenv("NVDIO_PCI");
	struct nvdio_info i;
	uint32_t id = alloc(0);
	char *m = pages(PG);

	if (!pci)
		bail("NVDIO_PCI is not set");
	write_to("/sys/bus/pci/drivers/nvdio/unbind", pci);
	fails("INFO", call(fd, NVDIO_IOC_INFO, &i), ENODEV, "unbound");
	fails("INFO", call(ctrl, NVDIO_IOC_INFO, &i), ENODEV, "unbound, controller");
	fails("MAP_ADD", add((uintptr_t)m, PG, NVDIO_MAP_USER, 0), ENODEV, "unbound");
	fails("MAP_DEL", del(id), ENODEV, "unbound");
	fails("RW", rw(fd, id, 0, 0, 0, PG), ENODEV, "unbound");
	fails("RANGE", range(fd, 0, PG, 0), ENODEV, "unbound");
	fails("mmap", map(fd, PG, RW, MAP_SHARED, NVDIO_MMAP_ALLOC), ENODEV, "unbound");
	fails("mmap", map(ctrl, PG, PROT_READ, MAP_SHARED, NVDIO_MMAP_REGS), ENODEV, "unbound");
	munmap(m, PG);
	close(fd);
	close(ctrl);
	close(ro);
	close(wo);
	write_to("/sys/bus/pci/drivers/nvdio/bind", pci);
	ok(node_is_back(pci), "bound again");
}

static void setup(void)
{
	const char *path = getenv("NVDIO_SEEN");

	seen = path ? fopen(path, "a") : NULL;
	if (path && !seen)
		bail("%s", path);
	fd = dev_open(O_RDWR | O_DIRECT);
	ctrl = ctrl_open(O_RDWR);
	ro = dev_open(O_RDONLY);
	wo = dev_open(O_WRONLY);
}

static const struct t_case cases[] = {
	{ "info", info },
	{ "map_add", map_add },
	{ "map_add_dmabuf", map_add_dmabuf },
	{ "rights", rights },
	{ "map_del", map_del },
	{ "read_write", read_write },
	{ "range", ranges },
	{ "by_mmap", by_mmap },
	{ "many", many },
	{ "bounces", bounces },
	{ "unbound", unbound },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
