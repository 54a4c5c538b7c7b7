/* SPDX-License-Identifier: GPL-2.0 */
/* Controller memory buffer. */
#ifndef NVDIO_CMB_H
#define NVDIO_CMB_H

struct nvdio_ctrl;

void nvdio_cmb_setup(struct nvdio_ctrl *ctrl);
void nvdio_cmb_free(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_CMB_H */
