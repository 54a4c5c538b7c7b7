// SPDX-License-Identifier: GPL-2.0
/*
 * failnth.c for mapped memory: mapping it, reads and writes of it, and the end of the map,
 * of which nothing is left, whatever has failed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/udmabuf.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "failnth.h"
#include "tap.h"

#define PAGE	4096U

/* Memory to be mapped, in pages that are not side by side, and a dma-buf of them. */
static char *scattered;
static int dmabuf_fd = -1;

/* ---- the calls: to and fro, by its identifier and by its address ---- */

static int map_rw(int fd, uint32_t id, uint32_t flags)
{
	struct nvdio_rw rw = { .id = id, .flags = flags, .offset = BYTES, .len = BYTES };
	int ret = ioctl(fd, NVDIO_IOC_RW, &rw);

	return ret < 0 ? -1 : whole(ret, BYTES);
}

/* What did not fail does not hide what did. */
static int map_io(int fd, uint32_t id, char *p)
{
	int ret = map_rw(fd, id, 0);

	if (!ret)
		ret = map_rw(fd, id, NVDIO_RW_WRITE);
	if (!ret && p)
		ret = whole(pread(fd, p, BYTES, BYTES), BYTES);
	return ret;
}

static int map_add_del(int fd, struct nvdio_map_add *add)
{
	int ret, saved;

	add->len = BYTES;
	if (ioctl(fd, NVDIO_IOC_MAP_ADD, add))
		return -1;
	ret = map_io(fd, add->id, (char *)(uintptr_t)add->addr);
	saved = errno;
	/* If it fails, the identifier ends with the file. */
	if (ioctl(fd, NVDIO_IOC_MAP_DEL, &add->id) && !ret)
		return -1;
	errno = saved;
	return ret;
}

static int map_user(int fd)
{
	struct nvdio_map_add add = {
		.flags = NVDIO_MAP_USER, .addr = (uintptr_t)scattered
	};

	return map_add_del(fd, &add);
}

int do_map_user(void)
{
	return with_fd(NS_NODE, O_RDWR | O_DIRECT, map_user);
}

static int map_alloc(int fd)
{
	struct nvdio_map_add add = { .flags = NVDIO_MAP_ALLOC };

	return map_add_del(fd, &add);
}

int do_map_alloc(void)
{
	return with_fd(NS_NODE, O_RDWR | O_DIRECT, map_alloc);
}

static int map_dmabuf(int fd)
{
	struct nvdio_map_add add = {
		.flags = NVDIO_MAP_DMABUF, .dmabuf_fd = dmabuf_fd
	};

	return map_add_del(fd, &add);
}

int do_map_dmabuf(void)
{
	return with_fd(NS_NODE, O_RDWR | O_DIRECT, map_dmabuf);
}

/* The pages come with the first access: that of the read, if nothing else. */
static int map_mmap(int fd)
{
	char *p = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, NVDIO_MMAP_ALLOC);
	int ret, saved;

	if (p == MAP_FAILED)
		return -1;
	ret = whole(pread(fd, p, BYTES, BYTES), BYTES);
	saved = errno;
	munmap(p, BYTES);
	errno = saved;
	return ret;
}

int do_map_mmap(void)
{
	return with_fd(NS_NODE, O_RDWR | O_DIRECT, map_mmap);
}

/* The last page of a file comes first. */
void map_prepare(void)
{
	struct udmabuf_create create = { .flags = UDMABUF_FLAGS_CLOEXEC, .size = BYTES };
	int dev = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	int mem = memfd_create("failnth", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	unsigned int i;

	scattered = mmap(NULL, BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (scattered == MAP_FAILED || mem < 0 || ftruncate(mem, BYTES))
		bail("memory: %s", strerror(errno));
	for (i = 0; i < BYTES / PAGE; i++)
		if (mmap(scattered + i * PAGE, PAGE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED | MAP_POPULATE, mem,
			 BYTES - (i + 1) * PAGE) == MAP_FAILED)
			bail("mmap: %s", strerror(errno));
	create.memfd = mem;
	if (dev < 0 || fcntl(mem, F_ADD_SEALS, F_SEAL_SHRINK))
		bail("udmabuf: %s", strerror(errno));
	dmabuf_fd = ioctl(dev, UDMABUF_CREATE, &create);
	if (dmabuf_fd < 0)
		bail("UDMABUF_CREATE: %s", strerror(errno));
	close(dev);
	close(mem);
}

/* ---- what has to hold after each call ---- */

static int ctrl_number(const char *name)
{
	char path[64], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "/sys/class/nvdio/nvdio0/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0)
		complain("no %s", path);
	if (fd >= 0)
		close(fd);
	return atoi(text);
}

/* It may end with the file, for which there is a worker. */
void after_map(void)
{
	unsigned int i;

	if (failnth_err && failnth_err != ENOMEM && failnth_err != EFAULT)
		complain("%s", strerror(failnth_err));
	for (i = 0; i < 3000 && ctrl_number("maps"); i++)
		usleep(10 * 1000);
	if (ctrl_number("maps") || ctrl_number("map_bytes"))
		complain("left: %d maps", ctrl_number("maps"));
	after_io();
}
