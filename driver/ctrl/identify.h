/* SPDX-License-Identifier: GPL-2.0 */
/* What the controller says of itself. */
#ifndef NVDIO_IDENTIFY_H
#define NVDIO_IDENTIFY_H

struct nvdio_ctrl;

int nvdio_identify_ctrl(struct nvdio_ctrl *ctrl);
void nvdio_identify_retry_delays(struct nvdio_ctrl *ctrl);
int nvdio_identify_firmware(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_IDENTIFY_H */
