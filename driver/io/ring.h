/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings without io_uring: memory that a program and the driver share, with an array
 * of descriptors (struct nvdio_io) and one of completions.
 *
 * Descriptors are sent as those of batches are (io/batch.h), by the task that asks
 * for it, through the queue of its CPU. Each has its own completion (io/ring_end.h).
 *
 * A ring is for the address space that made it. So whoever can write descriptors is who
 * sends them, and maps by identifier mean what they mean to that program.
 */
#ifndef NVDIO_RING_H
#define NVDIO_RING_H

#include <linux/fs.h>
#include <linux/types.h>

#include "pure/ring.h"
#include "io/ring_end.h"

struct nvdio_ns;
struct nvdio_span;
struct page;

struct nvdio_ring *nvdio_ring_create(struct nvdio_ns *ns,
				     const struct nvdio_span *span,
				     struct file *node,
				     const struct nvdio_ring_size *size);
void nvdio_ring_close(struct nvdio_ring *ring);
struct page *nvdio_ring_page(const struct nvdio_ring *ring, unsigned long nr);
int nvdio_ring_submit(struct nvdio_ring *ring, u32 most);
int nvdio_ring_wait(struct nvdio_ring *ring, u32 most, bool again);
void nvdio_ring_arm_poll(struct nvdio_ring *ring);
void nvdio_ring_ready(struct nvdio_ring *ring, bool *in, bool *out);

#endif /* NVDIO_RING_H */
