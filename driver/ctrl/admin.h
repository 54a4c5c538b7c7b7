/* SPDX-License-Identifier: GPL-2.0 */
/* The driver's own admin commands. */
#ifndef NVDIO_ADMIN_H
#define NVDIO_ADMIN_H

#include <linux/nvme.h>
#include <linux/types.h>

#include "core/request.h"
#include "hw/queue.h"

struct nvdio_ctrl;

bool nvdio_admin_submit(struct nvdio_ctrl *ctrl, enum nvdio_reserved which,
			const struct nvme_command *cmd, void *owner,
			nvdio_end_fn *end, unsigned int flags);
int nvdio_admin_cmd(struct nvdio_ctrl *ctrl, const struct nvme_command *cmd,
		    u64 *result);
int nvdio_admin_identify(struct nvdio_ctrl *ctrl, u32 nsid, u8 cns, void *data);
int nvdio_admin_set_features(struct nvdio_ctrl *ctrl, u8 fid, u32 dword11,
			     void *data, u32 len);
int nvdio_admin_get_features(struct nvdio_ctrl *ctrl, u8 fid, u32 *value);
bool nvdio_admin_busy(struct nvdio_queue *q);
int nvdio_admin_lock(struct nvdio_ctrl *ctrl);
int nvdio_admin_get_log(struct nvdio_ctrl *ctrl, u8 lid, void *data, u32 len);
int nvdio_admin_queue_count(struct nvdio_ctrl *ctrl, unsigned int *count);
int nvdio_admin_create_queue(struct nvdio_ctrl *ctrl, struct nvdio_queue *q);
void nvdio_admin_dbbuf(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_ADMIN_H */
