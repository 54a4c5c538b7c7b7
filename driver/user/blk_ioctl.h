/* SPDX-License-Identifier: GPL-2.0 */
/* The ioctls of a block device. */
#ifndef NVDIO_BLK_IOCTL_H
#define NVDIO_BLK_IOCTL_H

struct file;
struct nvdio_ns;
struct nvdio_span;

int nvdio_blk_ioctl(struct nvdio_ns *ns, const struct nvdio_span *span,
		    const struct file *file, unsigned int cmd,
		    void __user *argp);
int nvdio_blk_compat_ioctl(const struct nvdio_ns *ns,
			   const struct nvdio_span *span, unsigned int *cmd,
			   void __user *argp);

#endif /* NVDIO_BLK_IOCTL_H */
