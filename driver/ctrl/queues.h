/* SPDX-License-Identifier: GPL-2.0 */
/* The set of I/O queues of a controller. */
#ifndef NVDIO_QUEUES_H
#define NVDIO_QUEUES_H

#include "core/ctrl.h"

int nvdio_ctrl_alloc_queues(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_create_queues(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_set_affinity(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_clear_affinity(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_cpuhp_init(void);
void nvdio_ctrl_cpuhp_exit(void);

#endif /* NVDIO_QUEUES_H */
