/* SPDX-License-Identifier: GPL-2.0 */
/* A controller's I/O queues as a whole. */
#ifndef NVDIO_QUEUES_H
#define NVDIO_QUEUES_H

#include "core/ctrl.h"

int nvdio_ctrl_alloc_queues(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_create_queues(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_set_queues(struct nvdio_ctrl *ctrl,
			   enum nvdio_queue_state state);
bool nvdio_ctrl_drain(struct nvdio_ctrl *ctrl, unsigned long timeout);
void nvdio_ctrl_cancel_all(struct nvdio_ctrl *ctrl, u16 status);
int nvdio_ctrl_set_affinity(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_clear_affinity(struct nvdio_ctrl *ctrl);
struct nvdio_queue *nvdio_ctrl_queue_of(struct nvdio_ctrl *ctrl,
					struct nvdio_request *req);
int nvdio_ctrl_cpuhp_init(void);
void nvdio_ctrl_cpuhp_exit(void);

#endif /* NVDIO_QUEUES_H */
