// SPDX-License-Identifier: GPL-2.0
/*
 * Polled reads that the device has completed, but that nobody has polled for,
 * when the controller is reset: they have their data, and are no errors.
 *
 * usage: reset DEVICE
 *   The controller is the one whose node has the name without "nN".
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

int main(int argc, char **argv)
{
	int i, fd, ctrl, back = 0, whole = 0, last = 0;
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	char ctrl_path[64];
	char *buf;

	t_begin(argc, argv);
	snprintf(ctrl_path, sizeof(ctrl_path), "%.*s",
		 (int)(strrchr(argv[1], 'n') - argv[1]), argv[1]);
	ctrl = open(ctrl_path, O_RDWR | O_CLOEXEC);
	if (ctrl < 0)
		bail("%s: %s", ctrl_path, strerror(errno));
	buf = pages(READS * PG);
	memset(buf, 0xaa, READS * PG);
	fd = dev_open(O_RDWR | O_DIRECT);
	if (io_uring_queue_init(READS, &ring, IORING_SETUP_IOPOLL))
		bail("io_uring");
	for (i = 0; i < READS; i++)
		io_uring_prep_read(io_uring_get_sqe(&ring), fd, buf + i * PG,
				   PG, i * PG);
	is(io_uring_submit(&ring), READS, "C5: polled reads are submitted");
	/* The device takes less; nobody polls meanwhile. */
	sleep(3);
	is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "C5: reset");
	for (; back < READS && !io_uring_wait_cqe(&ring, &cqe); back++) {
		whole += cqe->res == (int)PG;
		if (cqe->res != (int)PG)
			last = cqe->res;
		io_uring_cqe_seen(&ring, cqe);
	}
	is(whole, READS, "C5: what had been completed before is no error (%d)",
	   last);
	io_uring_queue_exit(&ring);
	is_ret(pread(fd, buf, PG, 0), PG, "C5: and the next read works");
	return t_end();
}
