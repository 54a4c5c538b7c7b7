// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that the program has already, mapped for the controller once
 * (docs/man/ioctl_nvdio_map_add.2): the range is registered and gets an identifier.
 * Ordinary reads into it are recognised by address; NVDIO_IOC_RW names the identifier
 * and a place in the range. Neither pins, maps or lists anything.
 *
 * usage: range DEVICE READS
 *
 * Reads the first READS * 128 KiB of the device, in turn by address and by
 * identifier, and prints the sum of their 64-bit words.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../driver/uapi/nvdio.h"

#define LEN	(128 << 10)
#define PARTS	8UL
#define ALIGN	4096	/* of pages, which is what is registered */

static uint32_t map_add(int fd, void *memory, size_t len)
{
	/* All else is 0, also what later versions may add. */
	struct nvdio_map_add add = {
		.addr = (uintptr_t)memory,
		.len = len,
		.flags = NVDIO_MAP_USER,
	};

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add))
		error(1, errno, "NVDIO_IOC_MAP_ADD");
	return add.id;
}

/* Read @len bytes at @pos of the device to @offset of map @id. */
static ssize_t read_by_id(int fd, uint32_t id, uint64_t offset, size_t len,
			  uint64_t pos)
{
	struct nvdio_rw rw = {
		.id = id,
		.map_offset = offset,
		.offset = pos,
		.len = len,
	};

	return ioctl(fd, NVDIO_IOC_RW, &rw);
}

int main(int argc, char **argv)
{
	unsigned long reads = argc == 3 ? strtoul(argv[2], NULL, 0) : 0;
	struct nvdio_info info;
	uint64_t sum = 0;
	uint32_t id;
	char *memory;
	int fd;

	if (!reads)
		error(2, 0, "usage: range DEVICE READS");
	memory = aligned_alloc(ALIGN, PARTS * LEN);
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0 || !memory)
		error(1, errno, "%s", argv[1]);
	if (ioctl(fd, NVDIO_IOC_INFO, &info))
		error(1, errno, "NVDIO_IOC_INFO");
	if (!(info.features & NVDIO_FEATURE_MAPS))
		error(1, 0, "%s: no mapped memory", argv[1]);
	id = map_add(fd, memory, PARTS * LEN);
	for (unsigned long i = 0; i < reads; i++) {
		const uint64_t offset = i % PARTS * LEN, pos = (uint64_t)i * LEN;
		const uint64_t *words = (const uint64_t *)(memory + offset);
		ssize_t ret;

		ret = i % 2 ? read_by_id(fd, id, offset, LEN, pos) :
			      pread(fd, memory + offset, LEN, pos);
		if (ret < 0)
			error(1, errno, "read");
		for (ssize_t n = 0; n < ret / 8; n++)
			sum += words[n];
	}
	/* So would close(). */
	if (ioctl(fd, NVDIO_IOC_MAP_DEL, &id))
		error(1, errno, "NVDIO_IOC_MAP_DEL");
	printf("%lu reads, sum %016" PRIx64 "\n", reads, sum);
	return 0;
}
