/* SPDX-License-Identifier: GPL-2.0 */
/* Reservations: the ioctls of block devices (linux/pr.h). */
#ifndef NVDIO_PR_H
#define NVDIO_PR_H

#include <linux/fs.h>

struct nvdio_ns;

int nvdio_pr_ioctl(struct nvdio_ns *ns, struct file *file, unsigned int cmd,
		   void __user *argp);

#endif /* NVDIO_PR_H */
