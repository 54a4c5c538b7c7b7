// SPDX-License-Identifier: GPL-2.0
/* File operations of the nodes. */
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/splice.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "hw/queue.h"
#include "io/complete.h"
#include "io/copy.h"
#include "io/direct.h"
#include "io/flush.h"
#include "user/file.h"
#include "user/ioctl.h"
#include "user/uring_cmd.h"

static struct nvdio_ns *file_ns(const struct file *file)
{
	return file->private_data;
}

static int ns_open(struct inode *inode, struct file *file)
{
	struct nvdio_ns *ns = container_of(inode->i_cdev, struct nvdio_ns,
					   cdev);

	file->private_data = ns;
	/*
	 * Without FMODE_NOWAIT, io_uring punts every request to a worker
	 * thread.
	 */
	file->f_mode |= FMODE_CAN_ODIRECT | FMODE_NOWAIT;
	return 0;
}

static loff_t ns_llseek(struct file *file, loff_t offset, int whence)
{
	struct nvdio_ns *ns = file_ns(file);

	if (nvdio_ns_gone(ns))
		return -ENODEV;
	return fixed_size_llseek(file, offset, whence, nvdio_ns_size(ns));
}

/* The position is at or past the end; the size may be 0. */
static noinline ssize_t ns_rw_end(struct nvdio_ns *ns, bool write)
{
	if (nvdio_ns_gone(ns))
		return -ENODEV;
	if (!write)
		return 0;
	return nvdio_ns_read_only(ns) ? -EPERM : -ENOSPC;
}

/*
 * Read or write. The path is chosen here, once, by the flags of the kiocb:
 * fcntl() may flip O_DIRECT on the file at any time (invariant 7).
 */
static __always_inline ssize_t ns_rw(struct kiocb *iocb,
				     struct iov_iter *iter, bool write)
{
	struct nvdio_ns *ns = file_ns(iocb->ki_filp);
	size_t len = iov_iter_count(iter);
	u64 pos = iocb->ki_pos;
	u64 size = write ? READ_ONCE(ns->write_size) : nvdio_ns_size(ns);

	if (unlikely(!len))
		return 0;
	if (iocb->ki_flags & IOCB_DIRECT) {
		if (unlikely((pos | len) & ns->lba_mask))
			return -EINVAL;
		if (unlikely(pos >= size))
			return ns_rw_end(ns, write);
		if (unlikely(len > size - pos))
			len = size - pos;
		return nvdio_direct_rw(ns, iocb, iter, len, write);
	}
	if (unlikely(pos >= size))
		return ns_rw_end(ns, write);
	return nvdio_copy_rw(ns, iocb, iter, min_t(u64, len, size - pos),
			     write);
}

static ssize_t ns_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return ns_rw(iocb, iter, false);
}

static ssize_t ns_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return ns_rw(iocb, iter, true);
}

/*
 * Poll for a kiocb. kiocb->private is the queue of its command, which outlives
 * the request.
 */
static int ns_iopoll(struct kiocb *iocb, struct io_comp_batch *iob,
		     unsigned int flags)
{
	struct nvdio_queue *q = READ_ONCE(iocb->private);
	unsigned long end = jiffies + 2;
	int found;

	if (!q)
		return 0;
	for (;;) {
		found = nvdio_queue_poll(q);
		if (found || flags & BLK_POLL_ONESHOT)
			return found;
		if (need_resched() || signal_pending(current) ||
		    time_after(jiffies, end))
			return 0;
		cpu_relax();
	}
}

static int ns_fsync(struct file *file, loff_t start, loff_t end,
		    int datasync)
{
	return nvdio_flush(file_ns(file));
}

const struct file_operations nvdio_ns_fops = {
	.owner = THIS_MODULE,
	.open = ns_open,
	.llseek = ns_llseek,
	.read_iter = ns_read_iter,
	.write_iter = ns_write_iter,
	.iopoll = ns_iopoll,
	.fsync = ns_fsync,
	.unlocked_ioctl = nvdio_ns_ioctl,
	.compat_ioctl = nvdio_ns_compat_ioctl,
	.uring_cmd = nvdio_ns_uring_cmd,
	.uring_cmd_iopoll = nvdio_ns_uring_cmd_iopoll,
	.splice_read = copy_splice_read,
	.splice_write = iter_file_splice_write,
};

static int ctrl_open(struct inode *inode, struct file *file)
{
	file->private_data = container_of(inode->i_cdev, struct nvdio_ctrl,
					  cdev);
	return 0;
}

const struct file_operations nvdio_ctrl_fops = {
	.owner = THIS_MODULE,
	.open = ctrl_open,
	.unlocked_ioctl = nvdio_ctrl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = nvdio_ctrl_uring_cmd,
};
