// SPDX-License-Identifier: GPL-2.0
/*
 * RWF_NOWAIT and io_uring when no tag is free. For a device that takes a second per
 * command, with io_queue_depth=32.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "t.h"

#define N 128
#define TAGS 31			/* per queue: io_queue_depth - 1 */

static struct io_uring ring;
static unsigned char *b;
static int fd;

struct results {
	unsigned int good, again, other;
};

/* Submit N reads; returns how often the submitter slept. */
static long submit(int rw_flags)
{
	struct rusage before, after;

	for (int i = 0; i < N; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

		io_uring_prep_read(sqe, fd, b + i * 4096, 4096, i * 4096);
		sqe->rw_flags = rw_flags;
	}
	getrusage(RUSAGE_THREAD, &before);
	io_uring_submit(&ring);
	getrusage(RUSAGE_THREAD, &after);
	return after.ru_nvcsw - before.ru_nvcsw;
}

/*
 * Waiting for a tag means sleeping, N / TAGS times at least; one or two sleeps may be due
 * to locks of the kernel. Elapsed time says nothing, since the host may be busy.
 */
static void did_not_wait(long sleeps, const char *name)
{
	ok(sleeps < N / TAGS - 1, "E: %s: submitting %u reads does not wait (%ld sleeps)", name, N,
	   sleeps);
}

static struct results reap(void)
{
	struct results r = { };

	for (int i = 0; i < N; i++) {
		struct io_uring_cqe *cqe;

		if (io_uring_wait_cqe(&ring, &cqe))
			bail("io_uring_wait_cqe");
		r.good += cqe->res == 4096;
		r.again += cqe->res == -EAGAIN;
		r.other += cqe->res != 4096 && cqe->res != -EAGAIN;
		io_uring_cqe_seen(&ring, cqe);
	}
	return r;
}

static void nowait(void)
{
	uint64_t count = counter("stats/nowait_eagain"), direct = counter("stats/direct");
	struct iovec v = { b, 4096 };
	struct results r;
	bool refused;

	did_not_wait(submit(RWF_NOWAIT), "RWF_NOWAIT");
	refused = preadv2(fd, &v, 1, 0, RWF_NOWAIT) < 0 && errno == EAGAIN;
	/* On a busy host some of the reads may have completed by now. */
	ok(refused || counter("leaks/requests") < TAGS,
	   "preadv2 with RWF_NOWAIT, all tags in use");
	r = reap();
	count = counter("stats/nowait_eagain") - count;
	is(counter("stats/direct") - direct, r.good + !refused,
	   "RWF_NOWAIT: the counter of calls");
	ok(r.good >= 16 && r.again && r.again == N - r.good && !r.other,
	   "RWF_NOWAIT: %u done, %u -EAGAIN", r.good, r.again);
	is(count, r.again + refused, "RWF_NOWAIT: each -EAGAIN is counted");
	is_ret(preadv2(fd, &v, 1, 0, RWF_NOWAIT), 4096, "preadv2 with RWF_NOWAIT, tags free");
}

static void may_wait(void)
{
	uint64_t count = counter("stats/nowait_eagain"), direct = counter("stats/direct");
	struct results r;

	did_not_wait(submit(0), "may wait");
	r = reap();
	count = counter("stats/nowait_eagain") - count;
	is(counter("stats/direct") - direct, r.good, "may wait: the counter of calls");
	is(r.good, N, "may wait: all done, io_uring's workers waited");
	ok(count, "may wait: those that had to are counted (%llu)", (unsigned long long)count);
}

static void setup(void)
{
	one_queue();
	b = pages(N * 4096);
	fd = dev_open(O_RDONLY | O_DIRECT);
	if (io_uring_queue_init(2 * N, &ring, 0))
		bail("io_uring");
}

static const struct t_case cases[] = {
	{ "nowait", nowait },
	{ "may_wait", may_wait },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
