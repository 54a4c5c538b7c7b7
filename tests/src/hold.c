// SPDX-License-Identifier: GPL-2.0
/*
 * An open file outlives its device: after the unbind every call on it says
 * ENODEV, however often.
 *
 * usage: hold DEVICE READY-FILE GO-FILE
 *   Opens the node several times, creates READY-FILE, waits for GO-FILE (the
 *   device is gone then), tries every call, closes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

static char *buf;

static long aio_read(int fd)
{
	struct iocb cb, *p = &cb;
	io_context_t aio = 0;
	struct io_event ev;
	long n;

	if (io_setup(1, &aio))
		bail("io_setup");
	io_prep_pread(&cb, fd, buf, PG, 0);
	n = io_submit(aio, 1, &p);
	if (n == 1)
		n = io_getevents(aio, 1, 1, &ev, NULL) == 1 ? (long)ev.res : -EIO;
	io_destroy(aio);
	return n;
}

static long uring(int fd, bool wr)
{
	struct io_uring_cqe *cqe;
	struct io_uring_sqe *sqe;
	struct io_uring ring;
	long n;

	if (io_uring_queue_init(2, &ring, 0))
		bail("io_uring");
	sqe = io_uring_get_sqe(&ring);
	if (wr)
		io_uring_prep_write(sqe, fd, buf, PG, 0);
	else
		io_uring_prep_read(sqe, fd, buf, PG, 0);
	n = io_uring_submit_and_wait(&ring, 1);
	if (n == 1 && !io_uring_wait_cqe(&ring, &cqe))
		n = cqe->res;
	io_uring_queue_exit(&ring);
	return n;
}

/* Identify Controller through the controller's own node. */
static long identify(int fd)
{
	struct nvme_admin_cmd cmd = {
		.opcode = 6, .addr = (uintptr_t)buf, .data_len = PG, .cdw10 = 1
	};

	return reterr(ioctl(fd, NVME_IOCTL_ADMIN_CMD, &cmd));
}

int main(int argc, char **argv)
{
	static const int flags[] = { 0, O_DIRECT };
	char ctrl_path[64];
	int ctrl;
	struct iovec v;
	uint64_t size;
	int fd[2], i, lba, again;

	t_begin(argc, argv);
	if (argc != 4)
		bail("usage: hold DEVICE READY-FILE GO-FILE");
	buf = pages(PG);
	v = (struct iovec){ buf, PG };
	for (i = 0; i < 2; i++) {
		fd[i] = dev_open(O_RDWR | flags[i]);
		is_ret(pread(fd[i], buf, PG, 0), PG, "%s: read while it is there",
		       path_name(flags[i]));
	}
	snprintf(ctrl_path, sizeof(ctrl_path), "%.*s",
		 (int)(strrchr(argv[1], 'n') - argv[1]), argv[1]);
	ctrl = open(ctrl_path, O_RDWR | O_CLOEXEC);
	ok(ctrl >= 0 && !identify(ctrl), "%s: identify while it is there",
	   ctrl_path);
	close(open(argv[2], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	while (access(argv[3], F_OK))
		usleep(50000);
	for (again = 0; again < 2; again++)
		for (i = 0; i < 2; i++) {
			const char *p = path_name(flags[i]);

			is_ret(pread(fd[i], buf, PG, 0), -ENODEV, "%s: pread", p);
			is_ret(pwrite(fd[i], buf, PG, 0), -ENODEV, "%s: pwrite", p);
			is_ret(preadv(fd[i], &v, 1, 0), -ENODEV, "%s: preadv", p);
			is_ret(read(fd[i], buf, PG), -ENODEV, "%s: read", p);
			is_ret(lseek(fd[i], 0, SEEK_END), -ENODEV, "%s: lseek", p);
			is_ret(ioctl(fd[i], BLKGETSIZE64, &size), -ENODEV,
			       "%s: BLKGETSIZE64", p);
			is_ret(ioctl(fd[i], BLKSSZGET, &lba), -ENODEV,
			       "%s: BLKSSZGET", p);
			is(aio_read(fd[i]), -ENODEV, "%s: libaio", p);
			is(uring(fd[i], false), -ENODEV, "%s: io_uring read", p);
			is(uring(fd[i], true), -ENODEV, "%s: io_uring write", p);
		}
	is(identify(ctrl), -ENODEV, "the controller's node: identify");
	is_ret(close(ctrl), 0, "the controller's node: close");
	for (i = 0; i < 2; i++)
		is_ret(close(fd[i]), 0, "%s: close", path_name(flags[i]));
	return t_end();
}
