// SPDX-License-Identifier: GPL-2.0
/*
 * io_uring commands that found no free tag are issued again by io_uring's worker: each
 * must still be the same command, even when its SQE has been reused in between. For
 * namespace 1 of a controller whose namespace 2 is slow, with io_queue_depth=32.
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

static int fd, slow;		/* the device; the slow namespace */
static struct io_uring tags;	/* the reads that use up the tags */
static unsigned char *b;	/* their memory */
static uint64_t pattern;	/* what the device holds */

/* Use up all tags of this CPU's queue for some time. */
static void take_tags(void)
{
	for (int i = 0; i < SLOW; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&tags);

		io_uring_prep_read(sqe, slow, b + i * 4096, 4096, i * 4096);
		sqe->rw_flags = RWF_NOWAIT;
	}
	io_uring_submit(&tags);
}

/* Count in *@bad the failed requests among @n that have a number. */
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

static void submit_commands(struct io_uring *r, unsigned char *p, size_t len)
{
	unsigned int nsid = dev_nsid();

	for (unsigned int i = 0; i < N; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(r);
		struct nvme_uring_cmd c = {
			.opcode = 2, .nsid = nsid,
			.addr = (uintptr_t)(p + i * LEN), .data_len = len,
			.cdw10 = i * LEN / dev.lba, .cdw12 = len / dev.lba - 1,
		};

		prep_command(sqe, fd, NVME_URING_CMD_IO, &c);
		io_uring_sqe_set_data64(sqe, i + 1);
	}
	io_uring_submit(r);
}

/* Overwrite each entry of the SQ twice. */
static void reuse_sqes(struct io_uring *r, int *bad)
{
	for (int k = 0; k < 2; k++) {
		for (unsigned int i = 0; i < 2 * N; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(r);

			io_uring_prep_nop(sqe);
			memset(sqe->cmd, 0xff, 80);
			io_uring_sqe_set_data64(sqe, 0);
		}
		if (io_uring_submit(r) != 2 * N)
			bail("io_uring_submit");
		reap(r, 2 * N, bad);
	}
}

static void one_length(size_t len)
{
	unsigned char *p = pages(N * LEN);
	uint64_t again = counter("stats/nowait_eagain");
	unsigned int workers[2] = { 1, 1 };
	struct io_uring r;
	int bad = 0;

	if (io_uring_queue_init(2 * N, &r, IORING_SETUP_SQE128 | IORING_SETUP_CQE32))
		bail("io_uring");
	/* One worker, so that all commands but the first have to wait for it as well. */
	if (io_uring_register_iowq_max_workers(&r, workers))
		bail("io_uring_register_iowq_max_workers");
	memset(p, 0xee, N * LEN);
	take_tags();
	submit_commands(&r, p, len);
	ok(counter("stats/nowait_eagain") - again == N,
	   "%zu bytes: all %u commands found no tag", len, N);
	reuse_sqes(&r, &bad);
	reap(&r, N, &bad);
	is(bad, 0, "%zu bytes: none failed", len);
	bad = 0;
	for (unsigned int i = 0; i < N; i++)
		bad += differs(p + i * LEN, len, pattern, i * LEN) >= 0;
	is(bad, 0, "%zu bytes: each read its own data", len);
	io_uring_queue_exit(&r);
	reap(&tags, SLOW, NULL);
	munmap(p, N * LEN);
}

static void fast_path(void)
{
	one_length(4 * KiB);
}

static void slow_path(void)
{
	one_length(LEN);
}

static void setup(void)
{
	unsigned char *p = pages(N * LEN);
	const char *path = sibling_path(2);

	one_queue();
	slow = path ? open(path, O_RDONLY | O_DIRECT) : -1;
	if (slow < 0)
		bail("no second namespace");
	fd = dev_open(O_RDWR);
	b = pages(SLOW * 4096);
	pattern = t_seed;
	fill(p, N * LEN, pattern, 0);
	put(fd, p, N * LEN, 0);
	if (io_uring_queue_init(SLOW, &tags, 0))
		bail("io_uring");
}

static const struct t_case cases[] = {
	{ "fast_path", fast_path },
	{ "slow_path", slow_path },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
