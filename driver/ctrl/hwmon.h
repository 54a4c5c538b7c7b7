/* SPDX-License-Identifier: GPL-2.0 */
/* Temperatures, through the kernel's hwmon interface. */
#ifndef NVDIO_HWMON_H
#define NVDIO_HWMON_H

struct nvdio_ctrl;

void nvdio_hwmon_add(struct nvdio_ctrl *ctrl);
void nvdio_hwmon_remove(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_HWMON_H */
