// SPDX-License-Identifier: GPL-2.0
/* One zero-copy read through io_uring. README.md shows this program. */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/dev/nvdio0n1";
	int ret, fd = open(path, O_RDONLY | O_DIRECT);
	void *buf = aligned_alloc(4096, 4096);
	struct io_uring_cqe *cqe;
	struct io_uring ring;

	if (fd < 0 || !buf)
		error(1, errno, "%s", path);
	ret = io_uring_queue_init(8, &ring, 0);
	if (ret)
		error(1, -ret, "io_uring_queue_init");

	io_uring_prep_read(io_uring_get_sqe(&ring), fd, buf, 4096, 0);
	io_uring_submit(&ring);
	ret = io_uring_wait_cqe(&ring, &cqe);
	if (ret)
		error(1, -ret, "io_uring_wait_cqe");
	if (cqe->res < 0)
		error(1, -cqe->res, "read");
	printf("%d bytes\n", cqe->res);
	return 0;
}
