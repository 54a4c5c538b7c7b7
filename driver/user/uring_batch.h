/* SPDX-License-Identifier: GPL-2.0 */
/* NVDIO_URING_BATCH: many I/Os in one command of io_uring. */
#ifndef NVDIO_URING_BATCH_H
#define NVDIO_URING_BATCH_H

struct io_uring_cmd;
struct nvdio_ns;
struct nvdio_span;

int nvdio_uring_batch(struct nvdio_ns *ns, const struct nvdio_span *span,
		      struct io_uring_cmd *ioucmd, unsigned int issue_flags);
struct io_uring_cmd *nvdio_uring_batch_polled(struct io_uring_cmd *ioucmd);

#endif /* NVDIO_URING_BATCH_H */
