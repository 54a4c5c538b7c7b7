// SPDX-License-Identifier: GPL-2.0
/*
 * Polled reads that the device has completed but that no task has polled for when the
 * controller is reset: they must return their data and no error.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t.h"

#define READS 24

/* Submit READS polled reads to @ring. */
static void submit(struct io_uring *ring, int fd, char *buf)
{
	if (io_uring_queue_init(READS, ring, IORING_SETUP_IOPOLL))
		bail("io_uring");
	for (int i = 0; i < READS; i++)
		io_uring_prep_read(io_uring_get_sqe(ring), fd, buf + i * PG, PG, i * PG);
	is(io_uring_submit(ring), READS, "C5: polled reads are submitted");
}

static void completed_before_reset(void)
{
	int fd = dev_open(O_RDWR | O_DIRECT), ctrl = ctrl_open(O_RDWR);
	char *buf = pages(READS * PG);
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int whole = 0, last = 0;

	memset(buf, 0xaa, READS * PG);
	submit(&ring, fd, buf);
	/* Time for the device; no task polls. */
	sleep(3);
	is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "C5: reset");
	for (int i = 0; i < READS && !io_uring_wait_cqe(&ring, &cqe); i++) {
		whole += cqe->res == (int)PG;
		if (cqe->res != (int)PG)
			last = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
	}
	is(whole, READS, "C5: reads that completed before the reset succeed (%d)", last);
	io_uring_queue_exit(&ring);
	is_ret(pread(fd, buf, PG, 0), PG, "C5: the next read works");
	close(ctrl);
	close(fd);
}

static const struct t_case cases[] = {
	{ "completed_before_reset", completed_before_reset },
};

int main(int argc, char **argv)
{
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
