/* SPDX-License-Identifier: GPL-2.0 */
/* The SMART / Health Information log. */
#ifndef NVDIO_SMART_H
#define NVDIO_SMART_H

#include <linux/nvme.h>

struct nvdio_ctrl;

int nvdio_smart_read(struct nvdio_ctrl *ctrl);
int nvdio_smart_get(struct nvdio_ctrl *ctrl, struct nvme_smart_log *log);

#endif /* NVDIO_SMART_H */
