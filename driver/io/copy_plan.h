/* SPDX-License-Identifier: GPL-2.0 */
/* The copy path's first steps: a claim to the blocks, and bounce buffers. */
#ifndef NVDIO_COPY_PLAN_H
#define NVDIO_COPY_PLAN_H

#include "io/copy_op.h"

int nvdio_copy_claim(struct nvdio_copy *op, bool nowait);
int nvdio_copy_drain(struct nvdio_copy *op);
int nvdio_copy_buffers(struct nvdio_copy *op, bool nowait);

#endif /* NVDIO_COPY_PLAN_H */
