/* SPDX-License-Identifier: GPL-2.0 */
/* Sending as many descriptors as is possible without waiting. */
#ifndef NVDIO_BATCH_HOLD_H
#define NVDIO_BATCH_HOLD_H

#include <linux/types.h>

struct nvdio_batch_run;

u32 nvdio_batch_hold(struct nvdio_batch_run *run, u32 i);
u32 nvdio_batch_hold_ring(struct nvdio_batch_run *run, u32 i);

#endif /* NVDIO_BATCH_HOLD_H */
