// SPDX-License-Identifier: GPL-2.0
/*
 * Reads into memory that stays mapped for the controller. mmap() of the node
 * gives the memory (docs/man/mmap_nvdio.2); the reads are ordinary ones. The driver sees
 * by their addresses that nothing has to be pinned, mapped or listed.
 *
 * usage: mapped DEVICE READS
 *
 * Reads the first READS * 128 KiB of the device and prints the sum of their
 * 64-bit words.
 */
#define _GNU_SOURCE
#include <error.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../driver/uapi/nvdio.h"

#define LEN	(128 << 10)

int main(int argc, char **argv)
{
	unsigned long reads = argc == 3 ? strtoul(argv[2], NULL, 0) : 0;
	uint64_t *words, sum = 0;
	ssize_t ret;
	int fd;

	if (!reads)
		error(2, 0, "usage: mapped DEVICE READS");
	/* Memory to write to needs a file to write to. */
	fd = open(argv[1], O_RDWR | O_DIRECT);
	if (fd < 0)
		error(1, errno, "%s", argv[1]);
	words = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		     NVDIO_MMAP_ALLOC);
	if (words == MAP_FAILED)
		error(1, errno, "mmap");
	for (unsigned long i = 0; i < reads; i++) {
		ret = pread(fd, words, LEN, i * LEN);
		if (ret < 0)
			error(1, errno, "read");
		for (ssize_t n = 0; n < ret / 8; n++)
			sum += words[n];
	}
	printf("%lu reads, sum %016" PRIx64 "\n", reads, sum);
	return 0;
}
