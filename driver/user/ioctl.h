/* SPDX-License-Identifier: GPL-2.0 */
/* ioctls of the nodes. */
#ifndef NVDIO_IOCTL_H
#define NVDIO_IOCTL_H

#include <linux/fs.h>

long nvdio_ctrl_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long nvdio_ns_ioctl(struct file *file, unsigned int cmd, unsigned long arg);
long nvdio_ns_compat_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg);

#endif /* NVDIO_IOCTL_H */
