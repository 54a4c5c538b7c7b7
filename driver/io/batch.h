/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Batches: many reads, writes and flushes that are one request to the caller.
 *
 * All commands of a batch go to one queue. What is left of it is counted under that
 * queue's cq_lock, so that an I/O costs no atomic operation, and none of them has an
 * end function: io/complete.c counts those that succeed itself
 * (NVDIO_REQ_COUNTED). The descriptors are sent a chunk after the other, each in one
 * hold of sq_lock.
 *
 * No tag is held while sq_lock is not: whoever waits holds nothing that others need
 * (invariant 12).
 */
#ifndef NVDIO_BATCH_H
#define NVDIO_BATCH_H

#include <linux/types.h>

#include "io/batch_end.h"
#include "io/batch_run.h"

struct file;
struct nvdio_ctrl;
struct nvdio_ns;
struct nvdio_queue;

void nvdio_batch_begin(struct nvdio_batch_run *run, struct nvdio_ns *ns,
		       const struct file *file, struct nvdio_queue *q,
		       struct nvdio_batch_op *op, u32 nr, bool nowait);
void nvdio_batch_begin_ring(struct nvdio_batch_run *run, struct nvdio_ns *ns,
			    fmode_t mode, struct nvdio_queue *q, void *ring);
int nvdio_batch_send(struct nvdio_batch_run *run, bool nowait);
int nvdio_batch_send_ring(struct nvdio_batch_run *run);
bool nvdio_batch_sent(struct nvdio_batch_run *run);
u32 nvdio_batch_most(const struct nvdio_ctrl *ctrl);

#endif /* NVDIO_BATCH_H */
