// SPDX-License-Identifier: GPL-2.0
/*
 * Ranges: NVDIO_IOC_RANGE, and what its descriptors do besides reading and writing
 * (file.c).
 *
 * A range is a file of its own, with an inode that has no name: nothing leads from it
 * to the node, also not /proc/PID/fd. It refers to the namespace, not to the file that
 * it was made by, so that ranges of ranges are no chain. What it reaches and may do
 * never changes. Whatever could reach more is refused here: commands that a program
 * builds itself, what is for the whole namespace or controller, memory of the device,
 * and maps of others.
 */
#include <linux/anon_inodes.h>
#include <linux/blkdev.h>
#include <linux/compat.h>
#include <linux/file.h>
#include <linux/nvme_ioctl.h>
#include <linux/pr.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <uapi/linux/blkdev.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "hw/mmio.h"
#include "io/discard.h"
#include "io/map.h"
#include "user/blk_ioctl.h"
#include "user/map_ioctl.h"
#include "user/range.h"
#include "user/ring.h"
#include "user/uring_batch.h"
#include "uapi/nvdio.h"

/* What NVDIO_IOC_RANGE has always had. */
#define RANGE_MIN	(offsetofend(struct nvdio_range, resv))

/* Flags of a file that a range takes over. */
#define RANGE_F_FLAGS	(O_DIRECT | O_DSYNC | O_SYNC)

static const struct file_operations *range_fops;

/**
 * nvdio_range_init() - at module load
 * @fops: operations of ranges
 *
 * Context: before the first node.
 */
void nvdio_range_init(const struct file_operations *fops)
{
	range_fops = fops;
}

/* Return: a new file, open for @mode; or ERR_PTR(). */
static struct file *range_open(struct nvdio_ns *ns,
			       const struct nvdio_span *span, fmode_t mode,
			       unsigned int flags)
{
	const int access = mode & FMODE_WRITE ?
			   (mode & FMODE_READ ? O_RDWR : O_WRONLY) : O_RDONLY;
	struct nvdio_range_file *range;
	struct file *file;

	range = kmalloc(sizeof(*range), GFP_KERNEL_ACCOUNT);
	if (!range)
		return ERR_PTR(-ENOMEM);
	range->ns = ns;
	range->span = *span;
	/* An inode of its own, for locks on the file and for security modules. */
	file = anon_inode_create_getfile("[nvdio-range]", range_fops, range,
					 access, NULL);
	if (IS_ERR(file)) {
		kfree(range);
		return file;
	}
	get_device(&ns->dev);
	nvdio_mmio_opened(ns->ctrl, file);
	file->f_mode |= FMODE_LSEEK | FMODE_PREAD | FMODE_PWRITE |
			FMODE_CAN_ODIRECT | FMODE_NOWAIT;
	file->f_flags |= flags & RANGE_F_FLAGS;
	file->f_iocb_flags = iocb_flags(file);
	return file;
}

/**
 * nvdio_range_new() - NVDIO_IOC_RANGE
 * @ns: namespace
 * @of: what of it @file reaches; NULL: all, as it is a node
 * @file: open node or range, which limits the rights of the new one
 * @cmd: ioctl
 * @argp: its argument
 *
 * Context: may sleep.
 * Return: a descriptor, closed by exec(); -ENOIOCTLCMD for other ioctls; -EINVAL;
 * -ERANGE for blocks that @file does not reach; -EBADF if there would be no rights;
 * -E2BIG for members that are not known here and not 0; -EFAULT; -EMFILE; -ENFILE;
 * -ENOMEM.
 */
int nvdio_range_new(struct nvdio_ns *ns, const struct nvdio_span *of,
		    const struct file *file, unsigned int cmd,
		    void __user *argp)
{
	fmode_t mode = file->f_mode & (FMODE_READ | FMODE_WRITE);
	struct nvdio_range arg;
	struct nvdio_span span;
	struct file *new;
	int ret, fd;

	if ((cmd & ~IOCSIZE_MASK) != (NVDIO_IOC_RANGE & ~IOCSIZE_MASK))
		return -ENOIOCTLCMD;
	if (_IOC_SIZE(cmd) < RANGE_MIN)
		return -EINVAL;
	ret = copy_struct_from_user(&arg, sizeof(arg), argp, _IOC_SIZE(cmd));
	if (ret)
		return ret;
	if (arg.flags & ~NVDIO_RANGE_READ_ONLY || arg.resv)
		return -EINVAL;
	if (arg.flags & NVDIO_RANGE_READ_ONLY)
		mode &= ~FMODE_WRITE;
	if (!mode)
		return -EBADF;
	ret = nvdio_span_narrow(of, nvdio_ns_size(ns), ns->lba_mask, arg.start,
				arg.len, &span);
	if (ret)
		return ret;
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	new = range_open(ns, &span, mode, READ_ONCE(file->f_flags));
	if (IS_ERR(new)) {
		put_unused_fd(fd);
		return PTR_ERR(new);
	}
	fd_install(fd, new);
	return fd;
}

/**
 * nvdio_range_release() - ->release() of ranges
 * @inode: unused
 * @file: range
 *
 * Context: may sleep.
 * Return: 0.
 */
int nvdio_range_release(struct inode *inode, struct file *file)
{
	struct nvdio_range_file *range = file->private_data;

	nvdio_maps_release(range->ns->ctrl, file);
	put_device(&range->ns->dev);
	kfree(range);
	return 0;
}

/* What only nodes can do: NVME_IOCTL_*, IOC_PR_*, BLKROSET. */
static bool range_refuses(unsigned int cmd)
{
	const unsigned int nr = _IOC_NR(cmd);

	if (_IOC_TYPE(cmd) == _IOC_TYPE(NVME_IOCTL_ID))
		return nr >= _IOC_NR(NVME_IOCTL_ID) &&
		       nr < _IOC_NR(NVDIO_IOC_INFO);
	if (_IOC_TYPE(cmd) == _IOC_TYPE(IOC_PR_REGISTER))
		return nr >= _IOC_NR(IOC_PR_REGISTER);
	return cmd == BLKROSET;
}

/**
 * nvdio_range_ioctl() - ->unlocked_ioctl() of ranges
 * @file: range
 * @cmd: NVDIO_IOC_*, BLK*, HDIO_GETGEO
 * @arg: argument, as in uapi/nvdio.h or for a block device
 *
 * Context: may sleep.
 * Return: 0 or -errno; -EACCES for what only nodes can do; -ENOTTY for unknown ioctls.
 */
long nvdio_range_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	const struct nvdio_range_file *range = file->private_data;
	void __user *argp = (void __user *)arg;
	struct nvdio_ns *ns = range->ns;
	int ret;

	if (nvdio_ns_gone(ns))
		return -ENODEV;
	if (range_refuses(cmd))
		return -EACCES;
	ret = nvdio_map_ioctl(ns->ctrl, ns, &range->span, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	ret = nvdio_range_new(ns, &range->span, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	ret = nvdio_ring_ioctl(ns, &range->span, file, cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	ret = nvdio_blk_ioctl(ns, &range->span, file, cmd, argp);
	return ret == -ENOIOCTLCMD ? -ENOTTY : ret;
}

/**
 * nvdio_range_compat_ioctl() - the same for 32-bit programs
 * @file: range
 * @cmd: number of the 32-bit ioctl
 * @arg: its argument
 *
 * Context: may sleep.
 * Return: as nvdio_range_ioctl().
 */
long nvdio_range_compat_ioctl(struct file *file, unsigned int cmd,
			      unsigned long arg)
{
	const struct nvdio_range_file *range = file->private_data;
	void __user *argp = compat_ptr(arg);
	int ret;

	ret = nvdio_blk_compat_ioctl(range->ns, &range->span, &cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	return nvdio_range_ioctl(file, cmd, (unsigned long)argp);
}

/**
 * nvdio_range_uring_cmd() - ->uring_cmd() of ranges
 * @ioucmd: command: NVDIO_URING_BATCH or BLOCK_URING_CMD_DISCARD
 * @issue_flags: from io_uring
 *
 * Context: may sleep, unless @issue_flags forbid it.
 * Return: as nvdio_uring_batch() or nvdio_discard_uring(); -EACCES for passthrough; -ENOTTY.
 */
int nvdio_range_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	const struct nvdio_range_file *range = ioucmd->file->private_data;
	struct nvdio_ns *ns = range->ns;
	int ret;

	if (nvdio_ns_gone(ns))
		return -ENODEV;
	switch (ioucmd->cmd_op) {
	case NVDIO_URING_BATCH:
		ret = nvdio_uring_batch(ns, &range->span, ioucmd, issue_flags);
		break;
	case BLOCK_URING_CMD_DISCARD:
		if (!(ioucmd->file->f_mode & FMODE_WRITE))
			return -EBADF;
		ret = nvdio_discard_uring(ns, &range->span, ioucmd,
					  issue_flags);
		break;
	case NVME_URING_CMD_IO:
	case NVME_URING_CMD_IO_VEC:
	case NVME_URING_CMD_ADMIN:
	case NVME_URING_CMD_ADMIN_VEC:
		return -EACCES;
	default:
		return -ENOTTY;
	}
	if (ret == -EAGAIN) {
		this_cpu_inc(ns->stats->nowait_eagain);
		nvdio_uring_keep_sqe(ioucmd, issue_flags);
	}
	return ret;
}

/**
 * nvdio_range_show_fdinfo() - ->show_fdinfo() of ranges
 * @seq: /proc/PID/fdinfo/N
 * @file: range
 *
 * Context: may sleep.
 */
void nvdio_range_show_fdinfo(struct seq_file *seq, struct file *file)
{
	const struct nvdio_range_file *range = file->private_data;

	seq_printf(seq, "nvdio-range:\t%s %llu %llu\n",
		   dev_name(&range->ns->dev), range->span.start,
		   range->span.end - range->span.start);
}
