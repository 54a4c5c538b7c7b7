// SPDX-License-Identifier: GPL-2.0
/*
 * The registers of a controller, mapped to be read (docs/man/mmap_nvdio.2). That needs
 * CAP_SYS_RAWIO. "tools/nvdio regs" prints all of them.
 *
 * usage: regs CONTROLLER
 *
 * Prints the version, how long queues may be, and whether the controller is ready.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>

#include "../driver/uapi/nvdio.h"

#define LEN	4096	/* what there is before the doorbells */

/* NVMe Base 2.1, 3.1.4 */
enum {
	CAP = 0x00,
	VS = 0x08,
	CSTS = 0x1c,
};

static const char *regs;

/* One aligned access of four bytes, which memcpy() would not promise. */
static uint32_t reg(unsigned int offset)
{
	return __atomic_load_n((const uint32_t *)(regs + offset),
			       __ATOMIC_RELAXED);
}

int main(int argc, char **argv)
{
	uint32_t vs, csts;
	int fd;

	if (argc != 2)
		error(2, 0, "usage: regs CONTROLLER");
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		error(1, errno, "%s", argv[1]);
	regs = mmap(NULL, LEN, PROT_READ, MAP_SHARED, fd, NVDIO_MMAP_REGS);
	if (regs == MAP_FAILED)
		error(1, errno, "mmap");
	vs = reg(VS);
	csts = reg(CSTS);
	printf("NVMe %u.%u, queues of at most %u entries, CSTS 0x%x (%s)\n",
	       vs >> 16, vs >> 8 & 0xff, (reg(CAP) & 0xffff) + 1, csts,
	       csts & 1 ? "ready" : "not ready");
	return 0;
}
