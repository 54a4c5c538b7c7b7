// SPDX-License-Identifier: GPL-2.0
/* ioctls of the namespace nodes: those of a block device that make sense. */
#include <linux/fs.h>
#include <linux/uaccess.h>

#include "ctrl.h"
#include "flush.h"
#include "ioctl.h"
#include "ns.h"

/**
 * nvdio_ns_ioctl() - ioctl on a namespace node
 * @file: open node
 * @cmd: BLK*
 * @arg: as a block device takes it
 *
 * Context: may sleep.
 * Return: 0 or -errno; -ENOTTY for what is not known.
 */
long nvdio_ns_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct nvdio_ns *ns = file->private_data;
	void __user *argp = (void __user *)arg;

	if (nvdio_ctrl_gone(ns->ctrl))
		return -ENODEV;
	switch (cmd) {
	case BLKGETSIZE64:
		return put_user(ns->size, (u64 __user *)argp);
	case BLKGETSIZE:
		if (ns->size >> 9 > ~0UL)
			return -EFBIG;
		return put_user((unsigned long)(ns->size >> 9),
				(unsigned long __user *)argp);
	case BLKSSZGET:
		return put_user((int)ns->lba_mask + 1, (int __user *)argp);
	case BLKPBSZGET:
	case BLKIOMIN:
		return put_user(ns->lba_mask + 1, (unsigned int __user *)argp);
	case BLKROGET:
		return put_user(0, (int __user *)argp);
	case BLKFLSBUF:
		/* Nothing is cached here. */
		return capable(CAP_SYS_ADMIN) ? 0 : -EACCES;
	default:
		return -ENOTTY;
	}
}
