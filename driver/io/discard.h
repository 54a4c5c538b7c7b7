/* SPDX-License-Identifier: GPL-2.0 */
/* Discarding and zeroing blocks. */
#ifndef NVDIO_DISCARD_H
#define NVDIO_DISCARD_H

#include <linux/types.h>

struct io_uring_cmd;
struct nvdio_ns;
struct nvdio_request;
struct nvdio_span;
struct nvme_command;

int nvdio_discard(struct nvdio_ns *ns, const struct nvdio_span *span, u64 start,
		  u64 len);
int nvdio_discard_uring(struct nvdio_ns *ns, const struct nvdio_span *span,
			struct io_uring_cmd *ioucmd, unsigned int issue_flags);
void nvdio_discard_refill(const struct nvdio_request *req,
			  struct nvme_command *cmd);
int nvdio_zeroout(struct nvdio_ns *ns, const struct nvdio_span *span, u64 start,
		  u64 len);

#endif /* NVDIO_DISCARD_H */
