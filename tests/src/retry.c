// SPDX-License-Identifier: GPL-2.0
/*
 * Commands through io_uring that found no tag and are sent again by io_uring's
 * worker: each must still be the command that it was, even when its SQE has
 * been filled anew meanwhile. For namespace 1 of a controller whose namespace 2
 * takes a long time for each command, with io_queue_depth=32.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

#define N 16
#define LEN (12 * KiB)
#define SLOW 64

/* All tags of this processor's queue are in use for some time. */
static void take_tags(struct io_uring *r, int fd, unsigned char *b)
{
	for (int i = 0; i < SLOW; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(r);

		io_uring_prep_read(sqe, fd, b + i * 4096, 4096, i * 4096);
		sqe->rw_flags = RWF_NOWAIT;
	}
	io_uring_submit(r);
}

static void reap(struct io_uring *r, unsigned int n, int *bad)
{
	struct io_uring_cqe *cqe;

	while (n--) {
		if (io_uring_wait_cqe(r, &cqe))
			bail("io_uring_wait_cqe");
		if (bad && cqe->user_data && cqe->res)
			++*bad;
		io_uring_cqe_seen(r, cqe);
	}
}

static void one_length(int fd, int slow, struct io_uring *tags, unsigned char *b, size_t len)
{
	unsigned char *p = pages(N * LEN);
	uint64_t again = counter("stats/nowait_eagain");
	unsigned int workers[2] = { 1, 1 };
	struct io_uring r;
	int bad = 0;

	if (io_uring_queue_init(2 * N, &r, IORING_SETUP_SQE128 | IORING_SETUP_CQE32))
		bail("ring");
	/* One worker: all but the first command have to wait for it, too. */
	if (io_uring_register_iowq_max_workers(&r, workers))
		bail("io_uring_register_iowq_max_workers");
	memset(p, 0xee, N * LEN);
	take_tags(tags, slow, b);
	for (unsigned int i = 0; i < N; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&r);
		struct nvme_uring_cmd c = {
			.opcode = 2, .nsid = 1,
			.addr = (uintptr_t)(p + i * LEN), .data_len = len,
			.cdw10 = i * LEN / dev.lba, .cdw12 = len / dev.lba - 1,
		};

		prep_command(sqe, fd, NVME_URING_CMD_IO, &c);
		io_uring_sqe_set_data64(sqe, i + 1);
	}
	io_uring_submit(&r);
	ok(counter("stats/nowait_eagain") - again == N, "%zu bytes: all %u commands found no tag", len, N);
	/* Every entry of the SQ twice. */
	for (int k = 0; k < 2; k++) {
		for (unsigned int i = 0; i < 2 * N; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&r);

			io_uring_prep_nop(sqe);
			memset(sqe->cmd, 0xff, 80);
			io_uring_sqe_set_data64(sqe, 0);
		}
		if (io_uring_submit(&r) != 2 * N)
			bail("io_uring_submit");
		reap(&r, 2 * N, &bad);
	}
	reap(&r, N, &bad);
	is(bad, 0, "%zu bytes: none failed", len);
	bad = 0;
	for (unsigned int i = 0; i < N; i++)
		bad += differs(p + i * LEN, len, t_seed, i * LEN) >= 0;
	is(bad, 0, "%zu bytes: each read what it was to read", len);
	io_uring_queue_exit(&r);
	reap(tags, SLOW, NULL);
	munmap(p, N * LEN);
}

int main(int argc, char **argv)
{
	unsigned char *b = pages(SLOW * 4096), *p = pages(N * LEN);
	struct io_uring tags;
	char path[64];
	int fd, slow;

	t_begin(argc, argv);
	one_queue();
	snprintf(path, sizeof(path), "%s", dev.path);
	path[strlen(path) - 1] = '2';
	slow = open(path, O_RDONLY | O_DIRECT);
	if (slow < 0)
		bail("%s", path);
	fd = dev_open(O_RDWR);
	fill(p, N * LEN, t_seed, 0);
	put(fd, p, N * LEN, 0);
	if (io_uring_queue_init(SLOW, &tags, 0))
		bail("ring");
	/* The short way of a command, and the long one. */
	one_length(fd, slow, &tags, b, 4 * KiB);
	one_length(fd, slow, &tags, b, LEN);
	io_uring_queue_exit(&tags);
	close(slow);
	close(fd);
	return t_end();
}
