// SPDX-License-Identifier: GPL-2.0
/*
 * Many reads in flight from registered buffers and a registered file. This is
 * the cheapest way to read: the kernel neither looks up the file nor pins and
 * unpins pages for each I/O, and one system call and one doorbell write serve
 * a whole batch.
 *
 * usage: fixed DEVICE READS
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
#include <sys/uio.h>

#define LEN	4096	/* a multiple of the block size, as O_DIRECT requires */
#define DEPTH	32
#define BATCH	8

static struct io_uring ring;
static char *bufs;

/* Read number @nr into buffer @slot. There is always a free SQE: DEPTH of them. */
static void queue_read(unsigned int slot, unsigned long nr)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	/* File 0 and buffer 0 are indices into what main() registered. */
	io_uring_prep_read_fixed(sqe, 0, bufs + slot * LEN, LEN, nr * LEN, 0);
	io_uring_sqe_set_flags(sqe, IOSQE_FIXED_FILE);
	io_uring_sqe_set_data64(sqe, slot);
}

static uint64_t sum_words(const char *buf)
{
	const uint64_t *words = (const uint64_t *)buf;
	uint64_t sum = 0;

	for (size_t i = 0; i < LEN / sizeof(*words); i++)
		sum += words[i];
	return sum;
}

int main(int argc, char **argv)
{
	unsigned long reads = argc == 3 ? strtoul(argv[2], NULL, 0) : 0;
	unsigned long queued, done = 0;
	struct io_uring_cqe *cqe;
	struct iovec memory;
	uint64_t sum = 0;
	int fd, ret;

	if (!reads)
		error(2, 0, "usage: fixed DEVICE READS");
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	bufs = aligned_alloc(LEN, DEPTH * LEN);
	if (fd < 0 || !bufs)
		error(1, errno, "%s", argv[1]);
	ret = io_uring_queue_init(DEPTH, &ring, IORING_SETUP_SINGLE_ISSUER |
				  IORING_SETUP_DEFER_TASKRUN);
	if (ret)
		error(1, -ret, "io_uring_queue_init");
	memory = (struct iovec){ bufs, DEPTH * LEN };
	ret = io_uring_register_buffers(&ring, &memory, 1) ?:
	      io_uring_register_files(&ring, &fd, 1);
	if (ret)
		error(1, -ret, "io_uring_register");

	for (queued = 0; queued < DEPTH && queued < reads; queued++)
		queue_read(queued, queued);
	while (done < reads) {
		ret = io_uring_submit_and_wait(&ring, queued - done < BATCH ?
					       queued - done : BATCH);
		if (ret < 0)
			error(1, -ret, "io_uring_submit_and_wait");
		for (; !io_uring_peek_cqe(&ring, &cqe); done++) {
			unsigned int slot = io_uring_cqe_get_data64(cqe);

			if (cqe->res != LEN)
				error(1, cqe->res < 0 ? -cqe->res : 0, "incomplete read");
			io_uring_cqe_seen(&ring, cqe);
			sum += sum_words(bufs + slot * LEN);
			if (queued < reads)
				queue_read(slot, queued++);
		}
	}
	printf("%lu reads, sum %016" PRIx64 "\n", done, sum);
	return 0;
}
