// SPDX-License-Identifier: GPL-2.0
/*
 * Reservations: the ioctls of block devices (linux/pr.h), implemented with
 * Reservation commands (NVMe Base 2.0, 7.2 to 7.5). Permissions and results
 * match block devices.
 */
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/pr.h>
#include <linux/uaccess.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "hw/desc_page.h"
#include "io/pr.h"
#include "io/submit_sync.h"

/*
 * CDW10 of the commands (NVMe Base 2.0, 7.2 to 7.5). The names of linux/nvme.h
 * cannot be used: 6.12.107 does not have them yet.
 */
enum {
	PR_REGISTER_ACT_REG = 0,
	PR_REGISTER_ACT_REPLACE = 2,
	PR_ACQUIRE_ACT_ACQUIRE = 0,
	PR_ACQUIRE_ACT_PREEMPT = 1,
	PR_ACQUIRE_ACT_PREEMPT_AND_ABORT = 2,
	PR_RELEASE_ACT_RELEASE = 0,
	PR_RELEASE_ACT_CLEAR = 1,
};

#define PR_IGNORE_KEY		BIT(3)
#define PR_CPTPL_PERSIST	(3U << 30)

/* Both sets of reservation types are numbered alike, from 1 on. */
static u32 pr_type(u32 type)
{
	BUILD_BUG_ON(PR_WRITE_EXCLUSIVE != (int)NVME_PR_WRITE_EXCLUSIVE ||
		     PR_EXCLUSIVE_ACCESS_ALL_REGS !=
		     (int)NVME_PR_EXCLUSIVE_ACCESS_ALL_REGS);
	return type <= PR_EXCLUSIVE_ACCESS_ALL_REGS ? type << 8 : 0;
}

/* The result of a block device for the same status. */
static int pr_result(int status)
{
	if (status <= 0)
		return status;
	if ((status & 0x700) == NVME_SCT_PATH)
		return PR_STS_PATH_FAILED;
	switch (status & 0x7ff) {
	case NVME_SC_RESERVATION_CONFLICT:
		return PR_STS_RESERVATION_CONFLICT;
	case NVME_SC_BAD_ATTRIBUTES:
	case NVME_SC_INVALID_OPCODE:
	case NVME_SC_INVALID_FIELD:
	case NVME_SC_INVALID_NS:
		return -EINVAL;
	default:
		return PR_STS_IOERR;
	}
}

/* Submit a command whose data are two keys, and wait for it. */
static int pr_send(struct nvdio_ns *ns, u8 opcode, u32 cdw10, u64 key,
		   u64 other_key)
{
	struct nvme_command cmd = {};
	struct nvdio_desc_page *list;
	__le64 *keys;
	int ret;

	if (!nvdio_ctrl_enter(ns->ctrl))
		return -ENODEV;
	list = nvdio_desc_page_get(ns->ctrl, GFP_KERNEL);
	if (!list) {
		nvdio_ctrl_exit(ns->ctrl);
		return -ENOMEM;
	}
	keys = list->mem.virt;
	keys[0] = cpu_to_le64(key);
	keys[1] = cpu_to_le64(other_key);
	cmd.common.opcode = opcode;
	cmd.common.nsid = cpu_to_le32(ns->nsid);
	cmd.common.cdw10 = cpu_to_le32(cdw10);
	cmd.common.dptr.prp1 = cpu_to_le64(list->mem.dma);
	ret = nvdio_submit_sync_once(ns, &cmd);
	nvdio_desc_page_put(ns->ctrl, list);
	nvdio_ctrl_exit(ns->ctrl);
	return pr_result(ret);
}

static int pr_register(struct nvdio_ns *ns, const void __user *argp)
{
	struct pr_registration reg;
	u32 cdw10 = PR_CPTPL_PERSIST;

	if (copy_from_user(&reg, argp, sizeof(reg)))
		return -EFAULT;
	if (reg.flags & ~PR_FL_IGNORE_KEY)
		return -EOPNOTSUPP;
	cdw10 |= reg.old_key ? PR_REGISTER_ACT_REPLACE : PR_REGISTER_ACT_REG;
	if (reg.flags & PR_FL_IGNORE_KEY)
		cdw10 |= PR_IGNORE_KEY;
	return pr_send(ns, nvme_cmd_resv_register, cdw10, reg.old_key,
		       reg.new_key);
}

static int pr_reserve(struct nvdio_ns *ns, const void __user *argp)
{
	struct pr_reservation rsv;
	u32 cdw10;

	if (copy_from_user(&rsv, argp, sizeof(rsv)))
		return -EFAULT;
	if (rsv.flags & ~PR_FL_IGNORE_KEY)
		return -EOPNOTSUPP;
	cdw10 = PR_ACQUIRE_ACT_ACQUIRE | pr_type(rsv.type);
	if (rsv.flags & PR_FL_IGNORE_KEY)
		cdw10 |= PR_IGNORE_KEY;
	return pr_send(ns, nvme_cmd_resv_acquire, cdw10, rsv.key, 0);
}

static int pr_release(struct nvdio_ns *ns, const void __user *argp)
{
	struct pr_reservation rsv;
	u32 cdw10;

	if (copy_from_user(&rsv, argp, sizeof(rsv)))
		return -EFAULT;
	if (rsv.flags)
		return -EOPNOTSUPP;
	cdw10 = PR_RELEASE_ACT_RELEASE | pr_type(rsv.type);
	if (!rsv.key)
		cdw10 |= PR_IGNORE_KEY;
	return pr_send(ns, nvme_cmd_resv_release, cdw10, rsv.key, 0);
}

static int pr_preempt(struct nvdio_ns *ns, const void __user *argp, u32 action)
{
	struct pr_preempt p;

	if (copy_from_user(&p, argp, sizeof(p)))
		return -EFAULT;
	if (p.flags)
		return -EOPNOTSUPP;
	return pr_send(ns, nvme_cmd_resv_acquire, action | pr_type(p.type),
		       p.old_key, p.new_key);
}

static int pr_clear(struct nvdio_ns *ns, const void __user *argp)
{
	struct pr_clear c;
	u32 cdw10 = PR_RELEASE_ACT_CLEAR;

	if (copy_from_user(&c, argp, sizeof(c)))
		return -EFAULT;
	if (c.flags)
		return -EOPNOTSUPP;
	if (!c.key)
		cdw10 |= PR_IGNORE_KEY;
	return pr_send(ns, nvme_cmd_resv_release, cdw10, c.key, 0);
}

/**
 * nvdio_pr_ioctl() - handle IOC_PR_* ioctls
 * @ns: namespace
 * @file: open node
 * @cmd: ioctl command
 * @argp: its argument, which has the same layout for 32-bit programs
 *
 * Context: may sleep.
 * Return: 0, PR_STS_*, or -errno; -ENOIOCTLCMD for other ioctls.
 */
int nvdio_pr_ioctl(struct nvdio_ns *ns, struct file *file, unsigned int cmd,
		   void __user *argp)
{
	switch (cmd) {
	case IOC_PR_REGISTER:
	case IOC_PR_RESERVE:
	case IOC_PR_RELEASE:
	case IOC_PR_PREEMPT:
	case IOC_PR_PREEMPT_ABORT:
	case IOC_PR_CLEAR:
		break;
	default:
		return -ENOIOCTLCMD;
	}
	if (!(file->f_mode & FMODE_WRITE) && !capable(CAP_SYS_ADMIN))
		return -EPERM;
	switch (cmd) {
	case IOC_PR_REGISTER:
		return pr_register(ns, argp);
	case IOC_PR_RESERVE:
		return pr_reserve(ns, argp);
	case IOC_PR_RELEASE:
		return pr_release(ns, argp);
	case IOC_PR_PREEMPT:
		return pr_preempt(ns, argp, PR_ACQUIRE_ACT_PREEMPT);
	case IOC_PR_PREEMPT_ABORT:
		return pr_preempt(ns, argp,
				  PR_ACQUIRE_ACT_PREEMPT_AND_ABORT);
	default:
		return pr_clear(ns, argp);
	}
}
