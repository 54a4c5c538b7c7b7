// SPDX-License-Identifier: GPL-2.0
/*
 * ioctls of the nodes. Those of a block device that make sense here are in
 * blk_ioctl.c, those of the nvme driver in passthru_ioctl.c, nvdio's own in
 * map_ioctl.c and range.c.
 */
#include <linux/blkdev.h>
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <linux/ptrace.h>
#include <linux/uaccess.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "io/pr.h"
#include "user/blk_ioctl.h"
#include "user/ioctl.h"
#include "user/map_ioctl.h"
#include "user/passthru_ioctl.h"
#include "user/range.h"
#include "user/ring.h"

/* BLKROSET. Write protection set by the controller stays in effect. */
static long ioctl_roset(struct nvdio_ns *ns, int __user *argp)
{
	int ro;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (get_user(ro, argp))
		return -EFAULT;
	mutex_lock(&ns->ctrl->lock);
	ns->ro_set = ro;
	nvdio_ns_update_writable(ns);
	mutex_unlock(&ns->ctrl->lock);
	return 0;
}

/**
 * nvdio_ns_ioctl() - ioctl on a namespace node
 * @file: open node
 * @cmd: BLK*, HDIO_GETGEO, IOC_PR_*, NVDIO_IOC_* or NVME_IOCTL_*
 * @arg: argument, as for a block device or nvme, or as in uapi/nvdio.h
 *
 * Context: may sleep.
 * Return: 0 or -errno; -ENOTTY for unknown ioctls. NVME_IOCTL_* may return the
 * nsid or the controller's status, IOC_PR_* may return PR_STS_*.
 */
long nvdio_ns_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct nvdio_ns *ns = file->private_data;
	void __user *argp = (void __user *)arg;
	int ret;

	if (nvdio_ctrl_gone(ns->ctrl))
		return -ENODEV;
	ret = nvdio_passthru_ioctl(ns->ctrl, ns, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	if (nvdio_ns_gone(ns))
		return -ENODEV;
	ret = nvdio_map_ioctl(ns->ctrl, ns, NULL, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	ret = nvdio_range_new(ns, NULL, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	ret = nvdio_ring_ioctl(ns, NULL, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	ret = nvdio_pr_ioctl(ns, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	switch (cmd) {
	case NVME_IOCTL_ID:
		force_successful_syscall_return();
		return ns->nsid;
	case BLKROSET:
		return ioctl_roset(ns, argp);
	default:
		ret = nvdio_blk_ioctl(ns, NULL, file, cmd, argp);
		return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
	}
}

/**
 * nvdio_ctrl_ioctl() - ioctl on a controller node
 * @file: open node
 * @cmd: NVDIO_IOC_* or NVME_IOCTL_*
 * @arg: argument, as in uapi/nvdio.h or for nvme
 *
 * Context: may sleep.
 * Return: 0, -errno, or the controller's status; -ENOTTY for unknown ioctls.
 */
long nvdio_ctrl_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	struct nvdio_ctrl *ctrl = file->private_data;
	void __user *argp = (void __user *)arg;
	int ret;

	if (nvdio_ctrl_gone(ctrl))
		return -ENODEV;
	ret = nvdio_passthru_ioctl(ctrl, NULL, file, cmd, argp);
	if (ret == -ENOIOCTLCMD)
		ret = nvdio_map_ioctl(ctrl, NULL, NULL, file, cmd, argp);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

/**
 * nvdio_ns_compat_ioctl() - ioctl of a 32-bit program on a namespace node
 * @file: open node
 * @cmd: number of the 32-bit ioctl
 * @arg: its argument
 *
 * Context: may sleep.
 * Return: as nvdio_ns_ioctl().
 */
long nvdio_ns_compat_ioctl(struct file *file, unsigned int cmd,
			   unsigned long arg)
{
	struct nvdio_ns *ns = file->private_data;
	void __user *argp = compat_ptr(arg);
	int ret;

	ret = nvdio_blk_compat_ioctl(ns, NULL, &cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	return nvdio_ns_ioctl(file, cmd, (unsigned long)argp);
}
