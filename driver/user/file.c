// SPDX-License-Identifier: GPL-2.0
/*
 * File operations of the nodes, and of ranges of namespaces (range.c): what system
 * calls reach, except for ioctls and passthrough.
 *
 * Step 1 of a read (docs/driver.md, "One read"): which path, and is there
 * anything to read? Next: direct.c, or copy.c without O_DIRECT.
 */
#include <linux/blkdev.h>
#include <linux/fs.h>
#include <linux/huge_mm.h>
#include <linux/module.h>
#include <linux/splice.h>

#include "core/ctrl.h"
#include "core/ns.h"
#include "hw/mmio.h"
#include "hw/queue.h"
#include "io/complete.h"
#include "io/copy.h"
#include "io/direct.h"
#include "io/flush.h"
#include "io/map.h"
#include "io/sync.h"
#include "user/excl.h"
#include "user/file.h"
#include "user/ioctl.h"
#include "user/mmap.h"
#include "user/range.h"
#include "user/uring_cmd.h"
#include "user/uring_passthru.h"

static struct nvdio_ns *file_ns(const struct file *file)
{
	return file->private_data;
}

static int ns_open(struct inode *inode, struct file *file)
{
	struct nvdio_ns *ns = container_of(inode->i_cdev, struct nvdio_ns,
					   cdev);
	int ret;

	ret = nvdio_excl_open(ns, file);
	if (ret)
		return ret;
	file->private_data = ns;
	nvdio_mmio_opened(ns->ctrl, file);
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

/* Read or write without copying; @iocb has ki_complete. */
static __always_inline ssize_t ns_direct(struct kiocb *iocb,
					 struct iov_iter *iter, size_t len,
					 struct nvdio_ns *ns, const bool write)
{
	if (iter_is_ubuf(iter))
		return write ? nvdio_direct_write_user(iocb, iter, len, ns) :
			       nvdio_direct_read_user(iocb, iter, len, ns);
	if (iov_iter_is_bvec(iter))
		return write ? nvdio_direct_write_bvec(iocb, iter, len, ns) :
			       nvdio_direct_read_bvec(iocb, iter, len, ns);
	return nvdio_direct_segments(iocb, iter, len, ns, write);
}

/*
 * The same for synchronous callers: @iocb is replaced by a kiocb whose
 * completion wakes the caller. Advances @iter by the number of bytes returned.
 */
static noinline ssize_t ns_direct_sync(struct nvdio_ns *ns,
				       struct kiocb *iocb,
				       struct iov_iter *iter, size_t len,
				       bool write)
{
	const size_t before = iov_iter_count(iter);
	struct nvdio_sync sync __uninitialized;
	size_t moved;
	ssize_t ret;

	nvdio_sync_init(&sync, iocb);
	ret = ns_direct(&sync.iocb, iter, len, ns, write);
	if (ret == -EIOCBQUEUED)
		ret = nvdio_sync_wait(&sync);
	if (ret > 0) {
		iocb->ki_pos += ret;
		/*
		 * Some paths have advanced it already; in-kernel callers care.
		 */
		moved = before - iov_iter_count(iter);
		if (!iter_is_ubuf(iter) && moved != ret)
			iov_iter_advance(iter, ret - moved);
	}
	return ret;
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
	u64 size = write ? READ_ONCE(ns->write_size) : READ_ONCE(ns->size);

	if (unlikely(!len))
		return 0;
	if (iocb->ki_flags & IOCB_DIRECT) {
		if (unlikely((pos | len) & ns->lba_mask))
			return -EINVAL;
		/* The VFS lets no negative position in: this does not wrap. */
		if (unlikely(pos + len > size)) {
			if (pos >= size)
				return ns_rw_end(ns, write);
			len = size - pos;
		}
		if (unlikely(is_sync_kiocb(iocb)))
			return ns_direct_sync(ns, iocb, iter, len, write);
		return ns_direct(iocb, iter, len, ns, write);
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

static int ns_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct nvdio_ns *ns = file_ns(file);

	return nvdio_ns_gone(ns) ? -ENODEV : nvdio_mmap(ns->ctrl, vma, false);
}

static int ns_release(struct inode *inode, struct file *file)
{
	nvdio_maps_release(file_ns(file)->ctrl, file);
	nvdio_excl_release(file_ns(file), file);
	return 0;
}

const struct file_operations nvdio_ns_fops = {
	.owner = THIS_MODULE,
	.open = ns_open,
	.release = ns_release,
	.llseek = ns_llseek,
	.read_iter = ns_read_iter,
	.write_iter = ns_write_iter,
	.iopoll = ns_iopoll,
	.fsync = ns_fsync,
	.mmap = ns_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
	.unlocked_ioctl = nvdio_ns_ioctl,
	.compat_ioctl = nvdio_ns_compat_ioctl,
	.uring_cmd = nvdio_ns_uring_cmd,
	.uring_cmd_iopoll = nvdio_ns_uring_cmd_iopoll,
	.splice_read = copy_splice_read,
	.splice_write = iter_file_splice_write,
};

static loff_t range_llseek(struct file *file, loff_t offset, int whence)
{
	const struct nvdio_range_file *range = file->private_data;
	struct nvdio_ns *ns = range->ns;

	if (nvdio_ns_gone(ns))
		return -ENODEV;
	return fixed_size_llseek(file, offset, whence,
				 nvdio_span_size(&range->span,
						 nvdio_ns_size(ns)));
}

/*
 * ns_rw() for a range. What it calls finds the position on the namespace in the
 * kiocb, where the caller gets back its own, unless the kiocb is not ours any more:
 * asynchronous callers do not look at the position when the I/O has ended.
 */
static __always_inline ssize_t range_rw(struct kiocb *iocb,
					struct iov_iter *iter, bool write)
{
	const struct nvdio_range_file *range = iocb->ki_filp->private_data;
	struct nvdio_ns *ns = range->ns;
	const u64 start = range->span.start;
	const u64 size = nvdio_span_size(&range->span,
					 write ? READ_ONCE(ns->write_size) :
						 READ_ONCE(ns->size));
	const bool direct = iocb->ki_flags & IOCB_DIRECT;
	const u64 pos = iocb->ki_pos;
	size_t len = iov_iter_count(iter);
	ssize_t ret;

	if (!len)
		return 0;
	if (direct && (pos | len) & ns->lba_mask)
		return -EINVAL;
	if (pos >= size)
		return ns_rw_end(ns, write);
	len = min_t(u64, len, size - pos);
	iocb->ki_pos = start + pos;
	if (!direct)
		ret = nvdio_copy_rw(ns, iocb, iter, len, write);
	else if (is_sync_kiocb(iocb))
		ret = ns_direct_sync(ns, iocb, iter, len, write);
	else
		ret = ns_direct(iocb, iter, len, ns, write);
	if (ret != -EIOCBQUEUED)
		iocb->ki_pos -= start;
	return ret;
}

static ssize_t range_read_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return range_rw(iocb, iter, false);
}

static ssize_t range_write_iter(struct kiocb *iocb, struct iov_iter *iter)
{
	return range_rw(iocb, iter, true);
}

static int range_fsync(struct file *file, loff_t start, loff_t end,
		       int datasync)
{
	const struct nvdio_range_file *range = file->private_data;

	return nvdio_flush(range->ns);
}

static int range_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct nvdio_range_file *range = file->private_data;
	struct nvdio_ns *ns = range->ns;

	return nvdio_ns_gone(ns) ? -ENODEV : nvdio_mmap_range(ns->ctrl, vma);
}

const struct file_operations nvdio_range_fops = {
	.owner = THIS_MODULE,
	.release = nvdio_range_release,
	.llseek = range_llseek,
	.read_iter = range_read_iter,
	.write_iter = range_write_iter,
	.iopoll = ns_iopoll,
	.fsync = range_fsync,
	.mmap = range_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
	.unlocked_ioctl = nvdio_range_ioctl,
	.compat_ioctl = nvdio_range_compat_ioctl,
	.uring_cmd = nvdio_range_uring_cmd,
	/* Of batches; which file they are of is of no matter to it. */
	.uring_cmd_iopoll = nvdio_ns_uring_cmd_iopoll,
	.splice_read = copy_splice_read,
	.splice_write = iter_file_splice_write,
	.show_fdinfo = nvdio_range_show_fdinfo,
};

static int ctrl_open(struct inode *inode, struct file *file)
{
	struct nvdio_ctrl *ctrl = container_of(inode->i_cdev,
					       struct nvdio_ctrl, cdev);

	file->private_data = ctrl;
	nvdio_mmio_opened(ctrl, file);
	return 0;
}

static int ctrl_mmap(struct file *file, struct vm_area_struct *vma)
{
	return nvdio_mmap(file->private_data, vma, true);
}

static int ctrl_release(struct inode *inode, struct file *file)
{
	nvdio_maps_release(file->private_data, file);
	return 0;
}

const struct file_operations nvdio_ctrl_fops = {
	.owner = THIS_MODULE,
	.open = ctrl_open,
	.release = ctrl_release,
	.mmap = ctrl_mmap,
	.get_unmapped_area = thp_get_unmapped_area,
	.unlocked_ioctl = nvdio_ctrl_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = nvdio_ctrl_uring_cmd,
};
