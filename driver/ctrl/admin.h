/* SPDX-License-Identifier: GPL-2.0 */
/* The driver's own admin commands. */
#ifndef NVDIO_ADMIN_H
#define NVDIO_ADMIN_H

#include <linux/nvme.h>
#include <linux/types.h>

struct nvdio_ctrl;
struct nvdio_queue;

int nvdio_admin_cmd(struct nvdio_ctrl *ctrl, const struct nvme_command *cmd,
		    u64 *result);
int nvdio_admin_identify(struct nvdio_ctrl *ctrl, u32 nsid, u8 cns, void *data);
int nvdio_admin_get_log(struct nvdio_ctrl *ctrl, u8 lid, void *data, u32 len);
int nvdio_admin_identify_ctrl(struct nvdio_ctrl *ctrl);
int nvdio_admin_queue_count(struct nvdio_ctrl *ctrl, unsigned int *count);
int nvdio_admin_create_queue(struct nvdio_ctrl *ctrl, struct nvdio_queue *q);
void nvdio_admin_dbbuf(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_ADMIN_H */
