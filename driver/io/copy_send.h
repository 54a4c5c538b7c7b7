/* SPDX-License-Identifier: GPL-2.0 */
/* The copy path's steps that submit commands, and the end of these. */
#ifndef NVDIO_COPY_SEND_H
#define NVDIO_COPY_SEND_H

#include "core/request.h"
#include "io/copy_op.h"

nvdio_end_fn nvdio_copy_end;
void nvdio_copy_refill(const struct nvdio_request *req,
		       struct nvme_command *cmd);
int nvdio_copy_edges(struct nvdio_copy *op, bool nowait);
int nvdio_copy_send(struct nvdio_copy *op, bool nowait);
bool nvdio_copy_ends_later(struct nvdio_copy *op);

#endif /* NVDIO_COPY_SEND_H */
