/* SPDX-License-Identifier: GPL-2.0 */
/* Which controllers deviate from the specification. */
#ifndef NVDIO_QUIRKS_H
#define NVDIO_QUIRKS_H

#include <linux/types.h>

struct nvdio_ctrl;

int nvdio_quirks_init(struct nvdio_ctrl *ctrl);
void nvdio_quirks_identified(struct nvdio_ctrl *ctrl, u16 vendor);
int nvdio_quirks_show(struct nvdio_ctrl *ctrl, char *buf);

#endif /* NVDIO_QUIRKS_H */
