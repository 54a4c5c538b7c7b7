// SPDX-License-Identifier: GPL-2.0
/*
 * Polled reads, one at a time: low latency, at the price of a busy CPU. Load the
 * module with poll_queues=1 or more; such a queue has no interrupt, and only
 * polling finds its completions. Without poll queues the program still works,
 * but polls a queue that interrupts as well.
 *
 * usage: poll DEVICE READS
 *
 * Reads the first READS * 4096 bytes of the device and prints the sum of their
 * 64-bit words.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>

#define LEN	4096	/* a multiple of the block size, as O_DIRECT requires */

int main(int argc, char **argv)
{
	unsigned long nr, reads = argc == 3 ? strtoul(argv[2], NULL, 0) : 0;
	uint64_t sum = 0, *words = aligned_alloc(LEN, LEN);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int fd, ret;

	if (!reads)
		error(2, 0, "usage: poll DEVICE READS");
	/* A polled ring needs O_DIRECT, else each read fails with EOPNOTSUPP. */
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	if (fd < 0 || !words)
		error(1, errno, "%s", argv[1]);
	ret = io_uring_queue_init(1, &ring, IORING_SETUP_IOPOLL);
	if (ret)
		error(1, -ret, "io_uring_queue_init");

	for (nr = 0; nr < reads; nr++) {
		io_uring_prep_read(io_uring_get_sqe(&ring), fd, words, LEN,
				   nr * LEN);
		/* Spins in the kernel until the controller has answered. */
		ret = io_uring_submit_and_wait(&ring, 1);
		if (ret < 0)
			error(1, -ret, "io_uring_submit_and_wait");
		ret = io_uring_wait_cqe(&ring, &cqe);
		if (ret)
			error(1, -ret, "io_uring_wait_cqe");
		if (cqe->res != LEN)
			error(1, cqe->res < 0 ? -cqe->res : 0, "incomplete read");
		io_uring_cqe_seen(&ring, cqe);
		for (size_t i = 0; i < LEN / sizeof(*words); i++)
			sum += words[i];
	}
	printf("%lu reads, sum %016" PRIx64 "\n", reads, sum);
	return 0;
}
