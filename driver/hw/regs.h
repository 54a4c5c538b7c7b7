/* SPDX-License-Identifier: GPL-2.0 */
/* Controller registers: checking capabilities, enabling and disabling. */
#ifndef NVDIO_REGS_H
#define NVDIO_REGS_H

#include <linux/types.h>

struct nvdio_ctrl;

/* Entries of the admin queue. */
#define NVDIO_ADMIN_DEPTH	32

int nvdio_regs_read_caps(struct nvdio_ctrl *ctrl);
int nvdio_regs_enable(struct nvdio_ctrl *ctrl);
int nvdio_regs_disable(struct nvdio_ctrl *ctrl, bool shutdown);
bool nvdio_regs_failed(struct nvdio_ctrl *ctrl, u32 *csts);

#endif /* NVDIO_REGS_H */
