/* SPDX-License-Identifier: GPL-2.0 */
/* Power states. */
#ifndef NVDIO_POWER_H
#define NVDIO_POWER_H

#include <linux/types.h>

struct nvdio_ctrl;

void nvdio_power_setup(struct nvdio_ctrl *ctrl);
int nvdio_power_get(struct nvdio_ctrl *ctrl, u32 *state);
int nvdio_power_set(struct nvdio_ctrl *ctrl, u32 state);

#endif /* NVDIO_POWER_H */
