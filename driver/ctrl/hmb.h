/* SPDX-License-Identifier: GPL-2.0 */
/* Host memory buffer. */
#ifndef NVDIO_HMB_H
#define NVDIO_HMB_H

struct nvdio_ctrl;

void nvdio_hmb_enable(struct nvdio_ctrl *ctrl);
void nvdio_hmb_outdate(struct nvdio_ctrl *ctrl);
void nvdio_hmb_free(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_HMB_H */
