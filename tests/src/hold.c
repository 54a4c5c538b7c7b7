// SPDX-License-Identifier: GPL-2.0
/*
 * An open file outlives its device: after the unbind every call on it fails with ENODEV,
 * however often it is repeated.
 *
 * usage: hold DEVICE READY-FILE GO-FILE
 *   Opens the nodes, creates READY-FILE, waits for GO-FILE (by then the device is gone),
 *   tries every call, closes.
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

static int fd[2], ctrl;		/* the namespace, by copy and direct; the controller */

static void open_nodes(void)
{
	static const int flags[] = { 0, O_DIRECT };

	buf = pages(PG);
	for (int i = 0; i < 2; i++) {
		fd[i] = dev_open(O_RDWR | flags[i]);
		is_ret(pread(fd[i], buf, PG, 0), PG, "%s: read while it is there",
		       path_name(flags[i]));
	}
	ctrl = open(ctrl_path(), O_RDWR | O_CLOEXEC);
	ok(ctrl >= 0 && !identify(ctrl), "%s: identify while it is there", ctrl_path());
}

static void fails(int f, const char *p)
{
	struct iovec v = { buf, PG };
	uint64_t size;
	int lba;

	is_ret(pread(f, buf, PG, 0), -ENODEV, "%s: pread", p);
	is_ret(pwrite(f, buf, PG, 0), -ENODEV, "%s: pwrite", p);
	is_ret(preadv(f, &v, 1, 0), -ENODEV, "%s: preadv", p);
	is_ret(read(f, buf, PG), -ENODEV, "%s: read", p);
	is_ret(lseek(f, 0, SEEK_END), -ENODEV, "%s: lseek", p);
	is_ret(ioctl(f, BLKGETSIZE64, &size), -ENODEV, "%s: BLKGETSIZE64", p);
	is_ret(ioctl(f, BLKSSZGET, &lba), -ENODEV, "%s: BLKSSZGET", p);
	is(aio_read(f), -ENODEV, "%s: libaio", p);
	is(uring(f, false), -ENODEV, "%s: io_uring read", p);
	is(uring(f, true), -ENODEV, "%s: io_uring write", p);
}

static void files_outlive_device(void)
{
	open_nodes();
	close(open(t_args[0], O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	while (access(t_args[1], F_OK))
		usleep(50000);
	for (int again = 0; again < 2; again++) {
		fails(fd[0], path_name(0));
		fails(fd[1], path_name(O_DIRECT));
	}
	is(identify(ctrl), -ENODEV, "the controller's node: identify");
	is_ret(close(ctrl), 0, "the controller's node: close");
	is_ret(close(fd[0]), 0, "%s: close", path_name(0));
	is_ret(close(fd[1]), 0, "%s: close", path_name(O_DIRECT));
}

static void setup(void)
{
	if (!t_args[0] || !t_args[1])
		bail("READY-FILE and GO-FILE are missing");
}

static const struct t_case cases[] = {
	{ "files_outlive_device", files_outlive_device },
};

int main(int argc, char **argv)
{
	t_args_usage = "READY-FILE GO-FILE";
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
