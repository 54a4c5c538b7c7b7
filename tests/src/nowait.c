// SPDX-License-Identifier: GPL-2.0
/*
 * RWF_NOWAIT and io_uring when no tag is free. For a device that takes a second
 * for each command, with io_queue_depth=32.
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
#define TAGS 31			/* of one queue: io_queue_depth - 1 */

int main(int argc, char **argv)
{
	unsigned int good, again, other;
	struct iovec v;
	unsigned char *b;
	bool refused = false;
	struct io_uring r;
	long sleeps;

	t_begin(argc, argv);
	one_queue();
	b = pages(N * 4096);
	if (io_uring_queue_init(2 * N, &r, 0))
		bail("ring");
	for (int nowait = 1; nowait >= 0; nowait--) {
		const char *name = nowait ? "RWF_NOWAIT" : "may wait";
		int fd = dev_open(O_RDONLY | O_DIRECT);
		uint64_t count = counter("stats/nowait_eagain"), direct = counter("stats/direct");
		struct rusage before, after;

		for (int i = 0; i < N; i++) {
			struct io_uring_sqe *sqe = io_uring_get_sqe(&r);

			io_uring_prep_read(sqe, fd, b + i * 4096, 4096, i * 4096);
			sqe->rw_flags = nowait ? RWF_NOWAIT : 0;
		}
		/* Not by the clock, since the host may be busy: who waits for a tag sleeps. */
		getrusage(RUSAGE_THREAD, &before);
		io_uring_submit(&r);
		getrusage(RUSAGE_THREAD, &after);
		sleeps = after.ru_nvcsw - before.ru_nvcsw;
		/* N / TAGS times at least, if it waited; once or twice may be a lock of the kernel's. */
		ok(sleeps < N / TAGS - 1, "E: %s: submitting %u reads does not wait (%ld sleeps)", name, N, sleeps);
		if (nowait) {
			v = (struct iovec){ b, 4096 };
			refused = preadv2(fd, &v, 1, 0, RWF_NOWAIT) < 0 && errno == EAGAIN;
			/* Unless the host let so much time pass that some are back. */
			ok(refused || counter("leaks/requests") < TAGS, "preadv2 with RWF_NOWAIT, all tags in use");
		}
		good = again = other = 0;
		for (int i = 0; i < N; i++) {
			struct io_uring_cqe *cqe;

			if (io_uring_wait_cqe(&r, &cqe))
				bail("io_uring_wait_cqe");
			good += cqe->res == 4096;
			again += cqe->res == -EAGAIN;
			other += cqe->res != 4096 && cqe->res != -EAGAIN;
			io_uring_cqe_seen(&r, cqe);
		}
		count = counter("stats/nowait_eagain") - count;
		is(counter("stats/direct") - direct, good, "%s: the counter of calls", name);
		if (nowait) {
			ok(good >= 16 && again && again == N - good && !other, "RWF_NOWAIT: %u done, %u -EAGAIN", good, again);
			is(count, again + refused, "RWF_NOWAIT: each -EAGAIN is counted");
			is_ret(preadv2(fd, &v, 1, 0, RWF_NOWAIT), 4096, "preadv2 with RWF_NOWAIT, tags free");
		} else {
			is(good, N, "may wait: all done, io_uring's workers waited");
			ok(count, "may wait: who had to is counted (%llu)", (unsigned long long)count);
		}
	}
	return t_end();
}
