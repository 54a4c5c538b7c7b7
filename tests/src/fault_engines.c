// SPDX-License-Identifier: GPL-2.0
/* The ways in which faultload.c does I/O: system calls, libaio, io_uring, passthrough. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "faultload.h"

unsigned int fault_nsid;

static int sync_submit(struct io *io)
{
	struct worker *w = io->w;
	ssize_t n;

	n = io->write ? pwrite(w->fd, io->buf, io->len, io->off) :
			pread(w->fd, io->buf, io->len, io->off);
	if (n < 0)
		return -errno;
	/* Its own result: the I/O before has succeeded. */
	if (io->write && ++w->ops % 16 == 0 && fdatasync(w->fd))
		count_error(w, -errno);
	return n;
}

static void aio_begin(struct worker *w)
{
	if (io_setup(DEPTH, &w->aio))
		bail("io_setup");
}

static int aio_submit(struct io *io)
{
	struct iocb *cb = &io->cb;
	int n;

	if (io->write)
		io_prep_pwrite(cb, io->w->fd, io->buf, io->len, io->off);
	else
		io_prep_pread(cb, io->w->fd, io->buf, io->len, io->off);
	cb->data = (void *)io_ticket(io);
	n = io_submit(io->w->aio, 1, &cb);
	return n == 1 ? PENDING : n < 0 ? n : -EIO;
}

static void aio_reap(struct worker *w)
{
	struct timespec wait = { 0, 100000000 };
	struct io_event ev[DEPTH];
	int i, n = io_getevents(w->aio, 1, DEPTH, ev, &wait);

	for (i = 0; i < n; i++)
		io_completed(w, (uintptr_t)ev[i].data, (int)ev[i].res);
}

static void ring_begin(struct worker *w)
{
	const unsigned int big = IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
	struct iovec v[DEPTH];
	unsigned int i;

	if (io_uring_queue_init(2 * DEPTH, &w->ring, w->e->commands ? big : 0))
		bail("io_uring_queue_init");
	if (!w->e->fixed)
		return;
	for (i = 0; i < DEPTH; i++)
		v[i] = (struct iovec){ w->io[i].room, ROOM };
	if (io_uring_register_buffers(&w->ring, v, DEPTH))
		bail("io_uring_register_buffers");
}

static struct nvme_uring_cmd command(const struct io *io)
{
	uint64_t slba = io->off / dev.lba;

	return (struct nvme_uring_cmd){
		.opcode = io->write ? 1 : 2, .nsid = fault_nsid, .addr = (uintptr_t)io->buf,
		.data_len = io->len, .cdw10 = slba, .cdw11 = slba >> 32,
		.cdw12 = io->len / dev.lba - 1,
	};
}

static int ring_submit(struct io *io)
{
	struct worker *w = io->w;
	struct io_uring_sqe *sqe = io_uring_get_sqe(&w->ring);
	int i = io - w->io, n;

	if (!sqe)
		bail("a full ring");
	if (w->e->commands) {
		io->cmd = command(io);
		prep_command(sqe, w->fd, NVME_URING_CMD_IO, &io->cmd);
	} else if (w->e->fixed && io->write) {
		io_uring_prep_write_fixed(sqe, w->fd, io->buf, io->len, io->off, i);
	} else if (w->e->fixed) {
		io_uring_prep_read_fixed(sqe, w->fd, io->buf, io->len, io->off, i);
	} else if (io->write) {
		io_uring_prep_write(sqe, w->fd, io->buf, io->len, io->off);
	} else {
		io_uring_prep_read(sqe, w->fd, io->buf, io->len, io->off);
	}
	io_uring_sqe_set_data64(sqe, io_ticket(io));
	do
		n = io_uring_submit(&w->ring);
	while (n == -EINTR);
	if (n != 1)
		bail("io_uring_submit: %d", n);
	return PENDING;
}

static void ring_reap(struct worker *w)
{
	struct __kernel_timespec wait = { 0, 100000000 };
	struct io_uring_cqe *cqe;

	if (io_uring_wait_cqe_timeout(&w->ring, &cqe, &wait))
		return;
	do {
		uint64_t data = io_uring_cqe_get_data64(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&w->ring, cqe);
		io_completed(w, data, res);
	} while (!io_uring_peek_cqe(&w->ring, &cqe));
}

static int ioctl_submit(struct io *io)
{
	struct nvme_uring_cmd u = command(io);
	struct nvme_passthru_cmd c = {
		.opcode = u.opcode, .nsid = u.nsid, .addr = u.addr, .data_len = u.data_len,
		.cdw10 = u.cdw10, .cdw11 = u.cdw11, .cdw12 = u.cdw12,
	};
	int ret = ioctl(io->w->fd, NVME_IOCTL_IO_CMD, &c);

	return ret < 0 ? -errno : ret;
}

const struct engine fault_engines[] = {
	{ .name = "pwrite direct", .flags = O_DIRECT, .depth = 1, .submit = sync_submit },
	{ .name = "libaio direct", .flags = O_DIRECT, .depth = DEPTH, .begin = aio_begin,
	  .submit = aio_submit, .reap = aio_reap },
	{ .name = "io_uring direct", .flags = O_DIRECT, .depth = DEPTH, .begin = ring_begin,
	  .submit = ring_submit, .reap = ring_reap },
	{ .name = "registered direct", .flags = O_DIRECT, .depth = DEPTH, .fixed = true,
	  .begin = ring_begin, .submit = ring_submit, .reap = ring_reap },
	{ .name = "io_uring_cmd", .flags = O_DIRECT, .depth = DEPTH, .commands = true,
	  .begin = ring_begin, .submit = ring_submit, .reap = ring_reap },
	{ .name = "ioctl", .flags = O_DIRECT, .depth = 1, .commands = true,
	  .submit = ioctl_submit },
	{ .name = "pwrite copy", .depth = 1, .submit = sync_submit },
	{ .name = "libaio copy", .depth = DEPTH, .begin = aio_begin, .submit = aio_submit,
	  .reap = aio_reap },
	{ .name = "io_uring copy", .depth = DEPTH, .begin = ring_begin, .submit = ring_submit,
	  .reap = ring_reap },
	{ .name = "registered copy", .depth = DEPTH, .fixed = true, .begin = ring_begin,
	  .submit = ring_submit, .reap = ring_reap },
	{ .name = "records, pwrite", .depth = 1, .records = true, .submit = sync_submit },
	{ .name = "records, io_uring", .depth = DEPTH, .records = true, .begin = ring_begin,
	  .submit = ring_submit, .reap = ring_reap },
};

const unsigned int nr_fault_engines = ARRAY_SIZE(fault_engines);
