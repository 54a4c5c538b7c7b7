// SPDX-License-Identifier: GPL-2.0
/* The passthrough ioctls of the nvme driver (linux/nvme_ioctl.h). */
#include <linux/capability.h>
#include <linux/compat.h>
#include <linux/io.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "pure/filter.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "ctrl/ctrl.h"
#include "ctrl/ns.h"
#include "user/passthru.h"
#include "user/passthru_ioctl.h"

/* "NVMe": the value that resets the subsystem (NVMe Base 2.0, 3.1.3.9). */
#define NVDIO_NSSR_RESET	0x4e564d65

/*
 * On i386 a u64 is aligned to 4 bytes, so there the structure ends earlier; the
 * offsets of its members are the same.
 */
#define NVDIO_USER_IO32_BYTES	offsetofend(struct nvme_user_io, appmask)
#define NVDIO_IOCTL_SUBMIT_IO32						\
	_IOC(_IOC_WRITE, 'N', 0x42, NVDIO_USER_IO32_BYTES)

static void __user *user_ptr(u64 addr)
{
	if (in_compat_syscall())
		addr = (compat_uptr_t)addr;
	return (void __user *)(uintptr_t)addr;
}

/*
 * Submit a command and wait for its completion.
 * Return: the controller's status, or -errno.
 */
static int ioctl_send(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
		      struct file *file, const struct nvme_uring_cmd *ucmd,
		      bool vec, u64 *result)
{
	struct nvdio_passthru *pt;
	struct nvdio_user_mem mem;
	struct nvdio_filter filter;
	int ret;

	ret = nvdio_passthru_import(ucmd->opcode, user_ptr(ucmd->addr),
				    ucmd->data_len, vec, &mem);
	if (ret)
		return ret;
	ret = nvdio_passthru_check(ctrl, ns, ucmd, iov_iter_count(&mem.iter),
				   file->f_mode & FMODE_WRITE, &filter);
	if (ret) {
		nvdio_user_mem_free(&mem);
		return ret;
	}
	pt = nvdio_passthru_prepare(ctrl, ns, ucmd, &filter, &mem, false);
	if (IS_ERR(pt))
		return PTR_ERR(pt);
	return nvdio_passthru_wait(pt, result);
}

static int ioctl_cmd(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
		     struct file *file, struct nvme_passthru_cmd __user *argp)
{
	struct nvme_passthru_cmd cmd;
	struct nvme_uring_cmd ucmd;
	u64 result = 0;
	int ret;

	/* The layouts are the same up to the result. */
	BUILD_BUG_ON(offsetof(struct nvme_passthru_cmd, result) !=
		     offsetof(struct nvme_uring_cmd, rsvd2));
	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	memcpy(&ucmd, &cmd, sizeof(ucmd));
	ret = ioctl_send(ctrl, ns, file, &ucmd, false, &result);
	if (ret >= 0 && put_user((u32)result, &argp->result))
		ret = -EFAULT;
	return ret;
}

static int ioctl_cmd64(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
		       struct file *file,
		       struct nvme_passthru_cmd64 __user *argp, bool vec)
{
	struct nvme_passthru_cmd64 cmd;
	struct nvme_uring_cmd ucmd;
	u64 result = 0;
	int ret;

	BUILD_BUG_ON(offsetof(struct nvme_passthru_cmd64, result) !=
		     sizeof(struct nvme_uring_cmd));
	if (copy_from_user(&cmd, argp, sizeof(cmd)))
		return -EFAULT;
	memcpy(&ucmd, &cmd, sizeof(ucmd));
	ret = ioctl_send(ctrl, ns, file, &ucmd, vec, &result);
	if (ret >= 0 && put_user(result, &argp->result))
		ret = -EFAULT;
	return ret;
}

static int ioctl_submit_io(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
			   struct file *file, void __user *argp, size_t bytes)
{
	struct nvme_uring_cmd ucmd = {};
	struct nvme_user_io io = {};
	u64 result;

	if (copy_from_user(&io, argp, bytes))
		return -EFAULT;
	switch (io.opcode) {
	case nvme_cmd_write:
	case nvme_cmd_read:
	case nvme_cmd_compare:
		break;
	default:
		return -EINVAL;
	}
	ucmd.opcode = io.opcode;
	ucmd.flags = io.flags;
	ucmd.nsid = ns->nsid;
	ucmd.addr = io.addr;
	ucmd.data_len = ((u32)io.nblocks + 1) << ns->lba_shift;
	ucmd.cdw10 = lower_32_bits(io.slba);
	ucmd.cdw11 = upper_32_bits(io.slba);
	ucmd.cdw12 = io.nblocks | (u32)io.control << 16;
	ucmd.cdw13 = io.dsmgmt;
	ucmd.cdw14 = io.reftag;
	ucmd.cdw15 = io.apptag | (u32)io.appmask << 16;
	return ioctl_send(ctrl, ns, file, &ucmd, false, &result);
}

/*
 * I/O commands on the controller's node address its only namespace, which nvme
 * supports for old programs.
 */
static int ioctl_sole_ns(struct nvdio_ctrl *ctrl, struct file *file,
			 struct nvme_passthru_cmd __user *argp)
{
	struct nvdio_ns *ns = NULL;
	int ret = -ENOTTY;

	mutex_lock(&ctrl->lock);
	if (list_is_singular(&ctrl->namespaces)) {
		ns = list_first_entry(&ctrl->namespaces, struct nvdio_ns, link);
		get_device(&ns->dev);
	} else if (!list_empty(&ctrl->namespaces)) {
		ret = -EINVAL;
	}
	mutex_unlock(&ctrl->lock);
	if (!ns)
		return ret;
	ret = ioctl_cmd(ctrl, ns, file, argp);
	put_device(&ns->dev);
	return ret;
}

static int ioctl_reset(struct nvdio_ctrl *ctrl, bool subsystem)
{
	int ret = 0;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (subsystem && !NVME_CAP_NSSRC(ctrl->cap))
		return -ENOTTY;
	if (!nvdio_ctrl_enter(ctrl))
		return -ENODEV;
	dev_warn(&ctrl->dev, "reset requested by user space\n");
	if (subsystem)
		writel(NVDIO_NSSR_RESET, ctrl->bar + NVME_REG_NSSR);
	ret = nvdio_ctrl_reset(ctrl);
	nvdio_ctrl_exit(ctrl);
	return ret;
}

static int ioctl_rescan(struct nvdio_ctrl *ctrl)
{
	int ret;

	if (!capable(CAP_SYS_ADMIN))
		return -EACCES;
	if (!nvdio_ctrl_enter(ctrl))
		return -ENODEV;
	ret = nvdio_ns_rescan(ctrl);
	nvdio_ctrl_exit(ctrl);
	return ret;
}

/**
 * nvdio_passthru_ioctl() - handle NVME_IOCTL_*, except NVME_IOCTL_ID
 * @ctrl: controller
 * @ns: namespace if @file is a namespace node, else NULL
 * @file: open node
 * @cmd: ioctl command
 * @argp: its argument
 *
 * Context: may sleep.
 * Return: 0, the controller's status, or -errno; -ENOIOCTLCMD for other ioctls.
 */
int nvdio_passthru_ioctl(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
			 struct file *file, unsigned int cmd, void __user *argp)
{
	switch (cmd) {
	case NVME_IOCTL_ADMIN_CMD:
		return ioctl_cmd(ctrl, NULL, file, argp);
	case NVME_IOCTL_ADMIN64_CMD:
		return ioctl_cmd64(ctrl, NULL, file, argp, false);
	case NVME_IOCTL_RESCAN:
		/*
		 * On namespace nodes too: nvme-cli uses those after a Format.
		 */
		return ioctl_rescan(ctrl);
	}
	if (!ns) {
		switch (cmd) {
		case NVME_IOCTL_IO_CMD:
			return ioctl_sole_ns(ctrl, file, argp);
		case NVME_IOCTL_RESET:
			return ioctl_reset(ctrl, false);
		case NVME_IOCTL_SUBSYS_RESET:
			return ioctl_reset(ctrl, true);
		}
		return -ENOIOCTLCMD;
	}
	switch (cmd) {
	case NVME_IOCTL_IO_CMD:
		return ioctl_cmd(ctrl, ns, file, argp);
	case NVME_IOCTL_IO64_CMD:
		return ioctl_cmd64(ctrl, ns, file, argp, false);
	case NVME_IOCTL_IO64_CMD_VEC:
		return ioctl_cmd64(ctrl, ns, file, argp, true);
	case NVME_IOCTL_SUBMIT_IO:
		return ioctl_submit_io(ctrl, ns, file, argp,
				       sizeof(struct nvme_user_io));
	case NVDIO_IOCTL_SUBMIT_IO32:
		return ioctl_submit_io(ctrl, ns, file, argp,
				       NVDIO_USER_IO32_BYTES);
	}
	return -ENOIOCTLCMD;
}
