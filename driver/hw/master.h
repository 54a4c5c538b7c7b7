/* SPDX-License-Identifier: GPL-2.0 */
/* Bus mastering: turning it off, and how that is known to have worked. */
#ifndef NVDIO_MASTER_H
#define NVDIO_MASTER_H

#include <linux/types.h>

struct nvdio_ctrl;

void nvdio_master_on(struct nvdio_ctrl *ctrl);
void nvdio_master_off(struct nvdio_ctrl *ctrl);
bool nvdio_master_isolate(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_MASTER_H */
