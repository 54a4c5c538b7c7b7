/* SPDX-License-Identifier: GPL-2.0 */
/* Submitting an I/O command and waiting for its completion. */
#ifndef NVDIO_SUBMIT_SYNC_H
#define NVDIO_SUBMIT_SYNC_H

#include <linux/nvme.h>
#include <linux/types.h>

struct nvdio_ns;

int nvdio_submit_sync_once(struct nvdio_ns *ns, const struct nvme_command *cmd);
int nvdio_submit_sync_cmd(struct nvdio_ns *ns, const struct nvme_command *cmd,
			  u64 slba, u32 nlb, bool claimed);

#endif /* NVDIO_SUBMIT_SYNC_H */
