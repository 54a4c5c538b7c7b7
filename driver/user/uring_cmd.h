/* SPDX-License-Identifier: GPL-2.0 */
/* IORING_OP_URING_CMD on the nodes. */
#ifndef NVDIO_URING_CMD_H
#define NVDIO_URING_CMD_H

struct io_comp_batch;
struct io_uring_cmd;

int nvdio_ns_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags);
int nvdio_ns_uring_cmd_iopoll(struct io_uring_cmd *ioucmd,
			      struct io_comp_batch *iob,
			      unsigned int poll_flags);
void nvdio_uring_cmd_watch(void);

#endif /* NVDIO_URING_CMD_H */
