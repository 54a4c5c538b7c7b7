// SPDX-License-Identifier: GPL-2.0
/*
 * A poller that is faster than the interrupt: polled reads, one at a time, from the last
 * CPU, on a queue that has an interrupt.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <unistd.h>

#include "t.h"

#define N 10000

static void last_cpu(void)
{
	stay_on(sysconf(_SC_NPROCESSORS_ONLN) - 1);
}

static void one_at_a_time(void)
{
	uint64_t polled = counter("stats/polled");
	int fd = dev_open(O_RDONLY | O_DIRECT);
	unsigned int whole = 0;
	char *b = pages(4096);
	struct io_uring r;

	if (io_uring_queue_init(4, &r, IORING_SETUP_IOPOLL))
		bail("io_uring");
	for (int i = 0; i < N; i++) {
		struct io_uring_cqe *cqe;

		io_uring_prep_read(io_uring_get_sqe(&r), fd, b, 4096, i * 4096UL);
		io_uring_submit(&r);
		if (io_uring_wait_cqe(&r, &cqe))
			bail("io_uring_wait_cqe");
		whole += cqe->res == 4096;
		io_uring_cqe_seen(&r, cqe);
	}
	polled = counter("stats/polled") - polled;
	is(whole, N, "B12: %d polled reads", N);
	ok(polled > N / 10, "B12: the poller found %llu of them before the interrupt",
	   (unsigned long long)polled);
	io_uring_queue_exit(&r);
	close(fd);
}

static const struct t_case cases[] = {
	{ "one_at_a_time", one_at_a_time },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, last_cpu, cases, ARRAY_SIZE(cases));
}
