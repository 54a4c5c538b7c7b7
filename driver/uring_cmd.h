/* SPDX-License-Identifier: GPL-2.0 */
/* IORING_OP_URING_CMD on the nodes. */
#ifndef NVDIO_URING_CMD_H
#define NVDIO_URING_CMD_H

struct io_uring_cmd;

int nvdio_ns_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags);

#endif /* NVDIO_URING_CMD_H */
