// SPDX-License-Identifier: GPL-2.0
/*
 * ioctls of the nodes: those of a block device that make sense here; those of
 * the nvme driver are in passthru_ioctl.c.
 */
#include <linux/blkdev.h>
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <linux/nvme_ioctl.h>
#include <linux/ptrace.h>
#include <linux/uaccess.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "io/discard.h"
#include "io/pr.h"
#include "user/ioctl.h"
#include "user/map_ioctl.h"
#include "user/passthru_ioctl.h"
#include "user/ring.h"

/* ioctl numbers of 32-bit programs that differ from the 64-bit ones. */
#define NVDIO_BLKGETSIZE64_32	_IOR(0x12, 114, int)
#define NVDIO_BLKBSZGET_32	_IOR(0x12, 112, int)

/* BLKDISCARD and BLKZEROOUT take two numbers: start and length in bytes. */
static long ioctl_range(struct file *file, struct nvdio_ns *ns,
			u64 __user *argp, int (*fn)(struct nvdio_ns *ns,
						    u64 start, u64 len))
{
	u64 range[2];

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (copy_from_user(range, argp, sizeof(range)))
		return -EFAULT;
	return fn(ns, range[0], range[1]);
}

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

/* BLKBSZGET: the largest block size, up to a page, that divides the size. */
static int ioctl_block_size(const struct nvdio_ns *ns)
{
	u32 size = ns->lba_mask + 1;

	while (size < PAGE_SIZE && !(ns->size & size))
		size *= 2;
	return size;
}

/* BLKSECTGET: the largest command in sectors of 512 bytes. */
static unsigned short ioctl_max_sectors(const struct nvdio_ns *ns)
{
	return min(ns->limits.max_bytes >> SECTOR_SHIFT, (u32)USHRT_MAX);
}

/* HDIO_GETGEO: the made-up geometry that nvme reports to old programs. */
static void ioctl_geometry(const struct nvdio_ns *ns, struct hd_geometry *geo)
{
	memset(geo, 0, sizeof(*geo));
	geo->heads = 64;
	geo->sectors = 32;
	geo->cylinders = ns->size >> (SECTOR_SHIFT + 11);
}

static long ioctl_getgeo(const struct nvdio_ns *ns, void __user *argp)
{
	struct hd_geometry geo;

	ioctl_geometry(ns, &geo);
	return copy_to_user(argp, &geo, sizeof(geo)) ? -EFAULT : 0;
}

static long ioctl_getgeo32(const struct nvdio_ns *ns, void __user *argp)
{
	struct hd_geometry geo;

	ioctl_geometry(ns, &geo);
	/*
	 * The last member, a long that is always 0, sits in what is padding
	 * here.
	 */
	return copy_to_user(argp, &geo, 2 * sizeof(u32)) ? -EFAULT : 0;
}

/*
 * The ioctls that only query a block device.
 * Return: 0 or -errno; -ENOIOCTLCMD for others.
 */
static int ioctl_query(struct nvdio_ns *ns, unsigned int cmd, void __user *argp)
{
	u64 sectors;

	switch (cmd) {
	case BLKGETSIZE64:
		return put_user(nvdio_ns_size(ns), (u64 __user *)argp);
	case BLKGETSIZE:
		sectors = nvdio_ns_size(ns) >> 9;
		if (sectors > ~0UL)
			return -EFBIG;
		return put_user((unsigned long)sectors,
				(unsigned long __user *)argp);
	case BLKSSZGET:
		return put_user((int)ns->lba_mask + 1, (int __user *)argp);
	case BLKPBSZGET:
	case BLKIOMIN:
		return put_user(ns->lba_mask + 1, (unsigned int __user *)argp);
	case BLKIOOPT:
		/* 0: there is no optimal size. */
		return put_user(0, (unsigned int __user *)argp);
	case BLKALIGNOFF:
		return put_user(0, (int __user *)argp);
	case BLKROGET:
		return put_user((int)nvdio_ns_read_only(ns),
				(int __user *)argp);
	case BLKBSZGET:
		return put_user(ioctl_block_size(ns), (int __user *)argp);
	case BLKSECTGET:
		return put_user(ioctl_max_sectors(ns),
				(unsigned short __user *)argp);
	case BLKRAGET:
	case BLKFRAGET:
		/* There is no readahead. */
		return argp ? put_user(0UL, (unsigned long __user *)argp) :
			      -EINVAL;
	case HDIO_GETGEO:
		return argp ? ioctl_getgeo(ns, argp) : -EINVAL;
	case BLKDISCARDZEROES:
		/* Deprecated; the kernel always returns 0. */
		return put_user(0, (unsigned int __user *)argp);
	case BLKROTATIONAL:
		return put_user(0, (unsigned short __user *)argp);
	default:
		return -ENOIOCTLCMD;
	}
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
	ret = nvdio_map_ioctl(ns->ctrl, ns, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	ret = nvdio_ring_ioctl(ns, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	ret = nvdio_pr_ioctl(ns, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	ret = ioctl_query(ns, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	switch (cmd) {
	case NVME_IOCTL_ID:
		force_successful_syscall_return();
		return ns->nsid;
	case BLKROSET:
		return ioctl_roset(ns, argp);
	case BLKDISCARD:
		return ioctl_range(file, ns, argp, nvdio_discard);
	case BLKZEROOUT:
		return ioctl_range(file, ns, argp, nvdio_zeroout);
	case BLKSECDISCARD:
		return -EOPNOTSUPP;
	case BLKFLSBUF:
		/* Nothing is cached here. */
		return capable(CAP_SYS_ADMIN) ? 0 : -EACCES;
	case BLKRRPART:
		/* There are no partitions. */
		return -EINVAL;
	default:
		return -ENOTTY;
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
		ret = nvdio_map_ioctl(ctrl, NULL, file, cmd, argp);
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
	u64 sectors;

	switch (cmd) {
	case NVDIO_BLKGETSIZE64_32:
		cmd = BLKGETSIZE64;
		break;
	case NVDIO_BLKBSZGET_32:
		cmd = BLKBSZGET;
		break;
	case BLKRAGET:
	case BLKFRAGET:
		if (nvdio_ns_gone(ns))
			return -ENODEV;
		return argp ? put_user((u32)0, (u32 __user *)argp) : -EINVAL;
	case HDIO_GETGEO:
		if (nvdio_ns_gone(ns))
			return -ENODEV;
		return argp ? ioctl_getgeo32(ns, argp) : -EINVAL;
	case BLKGETSIZE:
		if (nvdio_ns_gone(ns))
			return -ENODEV;
		sectors = nvdio_ns_size(ns) >> 9;
		if (sectors > U32_MAX)
			return -EFBIG;
		return put_user((u32)sectors, (u32 __user *)argp);
	}
	return nvdio_ns_ioctl(file, cmd, (unsigned long)argp);
}
