// SPDX-License-Identifier: GPL-2.0
/*
 * Reads into a dma-buf: memory of another driver, as a GPU's or a camera's
 * (docs/man/ioctl_nvdio_map_add.2). Here it is udmabuf's, which makes one of pages of
 * a memfd. It has to be read into by its identifier, since nvdio does not know its
 * addresses, and the CPU looks at it between two calls of DMA_BUF_IOCTL_SYNC.
 *
 * usage: dmabuf DEVICE READS
 *
 * Reads the first READS * 128 KiB of the device and prints the sum of their
 * 64-bit words.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/dma-buf.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../driver/uapi/nvdio.h"

#define LEN	(128 << 10)

/* A dma-buf of LEN bytes. */
static int make_dmabuf(void)
{
	struct udmabuf_create create = {
		.memfd = memfd_create("example", MFD_ALLOW_SEALING),
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = LEN,
	};
	int dev = open("/dev/udmabuf", O_RDWR), buf;

	if (dev < 0)
		error(1, errno, "/dev/udmabuf");
	if ((int)create.memfd < 0 || ftruncate(create.memfd, LEN) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		error(1, errno, "memfd_create");
	buf = ioctl(dev, UDMABUF_CREATE, &create);
	if (buf < 0)
		error(1, errno, "UDMABUF_CREATE");
	close(create.memfd);
	close(dev);
	return buf;
}

static void cpu_access(int buf, uint64_t begin_or_end)
{
	struct dma_buf_sync sync = { .flags = begin_or_end | DMA_BUF_SYNC_READ };

	if (ioctl(buf, DMA_BUF_IOCTL_SYNC, &sync))
		error(1, errno, "DMA_BUF_IOCTL_SYNC");
}

int main(int argc, char **argv)
{
	unsigned long reads = argc == 3 ? strtoul(argv[2], NULL, 0) : 0;
	struct nvdio_map_add add = { .len = LEN, .flags = NVDIO_MAP_DMABUF };
	const uint64_t *words;
	uint64_t sum = 0;
	int fd, buf;

	if (!reads)
		error(2, 0, "usage: dmabuf DEVICE READS");
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		error(1, errno, "%s", argv[1]);
	buf = make_dmabuf();
	words = mmap(NULL, LEN, PROT_READ, MAP_SHARED, buf, 0);
	if (words == MAP_FAILED)
		error(1, errno, "mmap");
	add.dmabuf_fd = buf;
	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add))
		error(1, errno, "NVDIO_IOC_MAP_ADD");
	for (unsigned long i = 0; i < reads; i++) {
		struct nvdio_rw rw = {
			.id = add.id,
			.offset = (uint64_t)i * LEN,
			.len = LEN,
		};
		int ret = ioctl(fd, NVDIO_IOC_RW, &rw);

		if (ret < 0)
			error(1, errno, "NVDIO_IOC_RW");
		cpu_access(buf, DMA_BUF_SYNC_START);
		for (int n = 0; n < ret / 8; n++)
			sum += words[n];
		cpu_access(buf, DMA_BUF_SYNC_END);
	}
	if (ioctl(fd, NVDIO_IOC_MAP_DEL, &add.id))
		error(1, errno, "NVDIO_IOC_MAP_DEL");
	printf("%lu reads, sum %016" PRIx64 "\n", reads, sum);
	return 0;
}
