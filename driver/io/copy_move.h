/* SPDX-License-Identifier: GPL-2.0 */
/* The copy path's steps that touch the caller's memory or the bounce buffers. */
#ifndef NVDIO_COPY_MOVE_H
#define NVDIO_COPY_MOVE_H

#include "io/copy_op.h"

int nvdio_copy_memory(struct nvdio_copy *op);
int nvdio_copy_fill(struct nvdio_copy *op);
int nvdio_copy_merge(struct nvdio_copy *op);
int nvdio_copy_out(struct nvdio_copy *op);
int nvdio_copy_done(struct nvdio_copy *op);

#endif /* NVDIO_COPY_MOVE_H */
