/* SPDX-License-Identifier: GPL-2.0 */
/* Batches (NVDIO_URING_BATCH), for the programs that test them. */
#ifndef NVDIO_TEST_BATCH_H
#define NVDIO_TEST_BATCH_H

#include <liburing.h>
#include <string.h>

#include "../../driver/uapi/nvdio.h"
#include "tap.h"

/* Prepare a batch of @nr of @ios; @fixed: with the ring's buffer 0. */
static inline struct io_uring_sqe *prep_batch(struct io_uring *ring, int fd,
					      const struct nvdio_io *ios, unsigned int nr,
					      struct nvdio_result *results, unsigned int flags,
					      int fixed)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	struct nvdio_batch b = {
		.results = (uintptr_t)results, .nr = nr, .io_size = sizeof(*ios),
		.flags = flags,
	};

	if (!sqe)
		bail("submission queue is full");
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = fd;
	sqe->cmd_op = NVDIO_URING_BATCH;
	sqe->addr = (uintptr_t)ios;
	if (fixed)
		sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	memcpy(sqe->cmd, &b, sizeof(b));
	return sqe;
}

/* Submit what is prepared, and wait for one completion. Returns its result. */
static inline int batch_wait(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int ret = io_uring_submit(ring);

	while (ret >= 0) {
		ret = io_uring_wait_cqe(ring, &cqe);
		if (!ret) {
			ret = cqe->res;
			io_uring_cqe_seen(ring, cqe);
			return ret;
		}
		if (ret == -EINTR)
			ret = 0;
	}
	return ret;
}

/* Carry out a batch. Returns the result of its CQE. */
static inline int batch(struct io_uring *ring, int fd, const struct nvdio_io *ios,
			unsigned int nr, struct nvdio_result *results, unsigned int flags,
			int fixed)
{
	prep_batch(ring, fd, ios, nr, results, flags, fixed);
	return batch_wait(ring);
}

#endif
