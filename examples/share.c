// SPDX-License-Identifier: GPL-2.0
/*
 * Some blocks of a namespace for a process that may not open its node
 * (docs/man/ioctl_nvdio_range.2). Here a child inherits the descriptor; a process that
 * is no child gets it by SCM_RIGHTS (unix(7)). The child gives up its rights as root
 * does, and reads the range, and nothing else.
 *
 * usage: share DEVICE START LENGTH
 *
 * Prints what the child has read: the number of bytes, and the sum of their 64-bit
 * words. O_EXCL: no second such program gets this far at the same time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../driver/uapi/nvdio.h"

#define NOBODY	65534
#define PART	(128 << 10)
#define ALIGN	4096

static int range_make(int fd, uint64_t start, uint64_t len)
{
	struct nvdio_range range = {
		.start = start,
		.len = len,
		.flags = NVDIO_RANGE_READ_ONLY,
	};

	return ioctl(fd, NVDIO_IOC_RANGE, &range);
}

/* Read to the end, which is that of the range. */
static int child(int range)
{
	uint64_t *words = aligned_alloc(ALIGN, PART), bytes = 0, sum = 0;
	ssize_t ret;

	if (!words || (!getuid() && (setgid(NOBODY) || setuid(NOBODY))))
		error(1, errno, "setuid");
	while ((ret = read(range, words, PART)) > 0) {
		bytes += ret;
		for (ssize_t n = 0; n < ret / 8; n++)
			sum += words[n];
	}
	if (ret < 0)
		error(1, errno, "read");
	printf("%" PRIu64 " bytes, sum %016" PRIx64 "\n", bytes, sum);
	return 0;
}

int main(int argc, char **argv)
{
	int fd, range, status = 1;
	pid_t pid;

	if (argc != 4)
		error(2, 0, "usage: share DEVICE START LENGTH");
	fd = open(argv[1], O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	if (fd < 0)
		error(1, errno, "%s", argv[1]);
	range = range_make(fd, strtoull(argv[2], NULL, 0),
			   strtoull(argv[3], NULL, 0));
	if (range < 0)
		error(1, errno, "NVDIO_IOC_RANGE");
	pid = fork();
	if (pid < 0)
		error(1, errno, "fork");
	if (!pid) {
		/* All that the child keeps is the range. */
		close(fd);
		return child(range);
	}
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		error(1, errno, "the child has not ended well");
	return WEXITSTATUS(status);
}
