/* SPDX-License-Identifier: GPL-2.0 */
/* The passthrough ioctls of the nvme driver. */
#ifndef NVDIO_PASSTHRU_IOCTL_H
#define NVDIO_PASSTHRU_IOCTL_H

#include <linux/fs.h>

struct nvdio_ctrl;
struct nvdio_ns;

int nvdio_passthru_ioctl(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
			 struct file *file, unsigned int cmd,
			 void __user *argp);

#endif /* NVDIO_PASSTHRU_IOCTL_H */
