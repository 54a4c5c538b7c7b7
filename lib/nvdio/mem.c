// SPDX-License-Identifier: GPL-2.0
/* Memory for I/O: maps of the driver's. */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "queue.h"

static int mem_map(int fd, struct nvdio_map_add *add, void *addr,
		   struct nvdio_mem *mem)
{
	int ret = queue_ioctl(fd, NVDIO_IOC_MAP_ADD, add);

	if (ret < 0)
		return ret;
	*mem = (struct nvdio_mem){
		.addr = addr,
		.len = add->len,
		.id = add->id,
		.flags = add->flags,
	};
	return 0;
}

PUBLIC int nvdio_mem_alloc(int fd, size_t len, unsigned int flags,
			   struct nvdio_mem *mem)
{
	const size_t page = sysconf(_SC_PAGESIZE);
	struct nvdio_map_add add = {
		.len = (len + page - 1) & ~(page - 1),
		.flags = flags | NVDIO_MAP_ALLOC,
	};
	const int saved = errno;
	int ret = mem_map(fd, &add, NULL, mem);

	if (ret)
		return ret;
	mem->addr = mmap(NULL, mem->len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
			 (off_t)add.mmap_offset);
	/* The file is open for reading only: what is read can be seen. */
	if (mem->addr == MAP_FAILED && errno == EACCES)
		mem->addr = mmap(NULL, mem->len, PROT_READ, MAP_SHARED, fd,
				 (off_t)add.mmap_offset);
	if (mem->addr == MAP_FAILED) {
		ret = -errno;
		queue_ioctl(fd, NVDIO_IOC_MAP_DEL, &mem->id);
		*mem = (struct nvdio_mem){ .id = 0 };
	}
	errno = saved;
	return ret;
}

PUBLIC int nvdio_mem_add(int fd, void *addr, size_t len, unsigned int flags,
			 struct nvdio_mem *mem)
{
	struct nvdio_map_add add = {
		.addr = (uintptr_t)addr,
		.len = len,
		.flags = flags | NVDIO_MAP_USER,
	};

	return mem_map(fd, &add, addr, mem);
}

PUBLIC int nvdio_mem_dmabuf(int fd, int dmabuf, size_t len, unsigned int flags,
			    struct nvdio_mem *mem)
{
	struct nvdio_map_add add = {
		.len = len,
		.flags = flags | NVDIO_MAP_DMABUF,
		.dmabuf_fd = dmabuf,
	};

	return mem_map(fd, &add, NULL, mem);
}

PUBLIC int nvdio_mem_free(int fd, struct nvdio_mem *mem)
{
	int ret;

	/* An arena is its queue's. */
	if (mem->id == NVDIO_MAP_RING_BUF)
		return -EINVAL;
	ret = queue_ioctl(fd, NVDIO_IOC_MAP_DEL, &mem->id);
	if (mem->flags & NVDIO_MAP_ALLOC)
		munmap(mem->addr, mem->len);
	return ret;
}
