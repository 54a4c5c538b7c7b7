/* SPDX-License-Identifier: GPL-2.0 */
/* The commands of a batch's descriptors, where something is unusual about them. */
#ifndef NVDIO_BATCH_FILL_H
#define NVDIO_BATCH_FILL_H

#include <linux/nvme.h>
#include <linux/types.h>

struct nvdio_batch_run;
struct nvdio_request;

int nvdio_batch_fill(const struct nvdio_batch_run *run, u32 i,
		     struct nvdio_request *req, struct nvme_command *cmd);
bool nvdio_batch_is_valid(struct nvdio_batch_run *run, u32 i);

#endif /* NVDIO_BATCH_FILL_H */
