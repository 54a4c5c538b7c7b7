// SPDX-License-Identifier: GPL-2.0
/*
 * The controller memory buffer: memory behind a BAR of the device, the same for all
 * who may open one of its nodes (docs/man/mmap_nvdio.2). Nothing in it is zeroed.
 *
 * usage: cmb CONTROLLER [TEXT]
 *
 * Puts TEXT where the buffer begins, or prints the text that is there.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../driver/uapi/nvdio.h"

#define LEN	4096

/* Bytes of the buffer, 0 if there is none. */
static unsigned long cmb_bytes(int fd)
{
	unsigned long bytes = 0;
	char path[64];
	struct stat st;
	FILE *f;

	if (fstat(fd, &st))
		return 0;
	snprintf(path, sizeof(path), "/sys/dev/char/%u:%u/cmb_bytes",
		 major(st.st_rdev), minor(st.st_rdev));
	f = fopen(path, "r");
	if (!f || fscanf(f, "%lu", &bytes) != 1)
		error(1, f ? 0 : errno, "%s", path);
	fclose(f);
	return bytes;
}

int main(int argc, char **argv)
{
	unsigned long bytes;
	char *cmb;
	int fd;

	if (argc < 2 || argc > 3 || (argc == 3 && strlen(argv[2]) >= LEN))
		error(2, 0, "usage: cmb CONTROLLER [TEXT]");
	fd = open(argv[1], O_RDWR);
	if (fd < 0)
		error(1, errno, "%s", argv[1]);
	bytes = cmb_bytes(fd);
	if (!bytes)
		error(1, 0, "%s: no controller memory buffer", argv[1]);
	cmb = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   NVDIO_MMAP_CMB);
	if (cmb == MAP_FAILED)
		error(1, errno, "mmap");
	if (argc == 2) {
		printf("%lu bytes: %.*s\n", bytes, LEN, cmb);
		return 0;
	}
	memcpy(cmb, argv[2], strlen(argv[2]) + 1);
	/* Writes are collected, and may leave the CPU in any order. */
	__builtin_ia32_sfence();
	return 0;
}
