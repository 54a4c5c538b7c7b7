// SPDX-License-Identifier: GPL-2.0
/*
 * A poller that is faster than the interrupt: one polled read after the other
 * on the last processor, on a queue that has an interrupt.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "t.h"

#define N 10000

int main(int argc, char **argv)
{
	struct io_uring_params p = { .flags = IORING_SETUP_IOPOLL };
	uint64_t polled;
	struct io_uring r;
	int fd, whole = 0;
	cpu_set_t cpu;
	char *b;

	t_begin(argc, argv);
	CPU_ZERO(&cpu);
	CPU_SET(sysconf(_SC_NPROCESSORS_ONLN) - 1, &cpu);
	if (sched_setaffinity(0, sizeof(cpu), &cpu))
		bail("sched_setaffinity");
	b = pages(4096);
	fd = dev_open(O_RDONLY | O_DIRECT);
	polled = counter("stats/polled");
	if (io_uring_queue_init_params(4, &r, &p))
		bail("ring");
	for (int i = 0; i < N; i++) {
		struct io_uring_cqe *cqe;

		io_uring_prep_read(io_uring_get_sqe(&r), fd, b, 4096,
				   i * 4096UL);
		io_uring_submit(&r);
		if (io_uring_wait_cqe(&r, &cqe))
			bail("io_uring_wait_cqe");
		whole += cqe->res == 4096;
		io_uring_cqe_seen(&r, cqe);
	}
	polled = counter("stats/polled") - polled;
	is(whole, N, "B12: %d polled reads", N);
	ok(polled > N / 10, "B12: the poller was the first for %llu of them",
	   (unsigned long long)polled);
	return t_end();
}
