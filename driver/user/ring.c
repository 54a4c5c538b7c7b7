// SPDX-License-Identifier: GPL-2.0
/*
 * Rings without io_uring (uapi/nvdio.h): NVDIO_IOC_RING_CREATE of a namespace's node or
 * of a range, and what system calls on the descriptor reach; io/ring.c does the rest.
 */
#include <linux/anon_inodes.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "pure/range.h"
#include "pure/ring.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "io/ring.h"
#include "user/ring.h"
#include "uapi/nvdio.h"

/* What RING_CREATE has always had. */
#define CREATE_MIN	(offsetofend(struct nvdio_ring_create, bytes))

/*
 * Take I/Os, and wait. What was taken counts: if the wait ends early, the program sees
 * how far it has come by the completions.
 */
static long ring_enter(struct nvdio_ring *ring, u32 arg)
{
	const u32 submit = arg & 0xffff;
	const u32 wait = arg >> 16;
	int taken = 0;
	int ret = 0;

	if (unlikely(current->mm != ring->mm))
		return -EPERM;
	if (submit) {
		taken = nvdio_ring_submit(ring, submit);
		if (unlikely(taken < 0 || taken < submit))
			return taken;
	}
	if (wait)
		ret = nvdio_ring_wait(ring, wait, !submit);
	if (taken)
		return taken;
	/* What was in flight has ended by now, or will. */
	return ret ?: nvdio_ns_gone(ring->ns) ? -ENODEV : 0;
}

static long ring_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	if (unlikely(cmd != NVDIO_IOC_RING_ENTER))
		return -ENOTTY;
	if (unlikely(arg > U32_MAX))
		return -EINVAL;
	return ring_enter(file->private_data, arg);
}

static __poll_t ring_poll(struct file *file, poll_table *wait)
{
	struct nvdio_ring *ring = file->private_data;
	__poll_t ret = 0;
	bool in, out;

	poll_wait(file, &ring->pollers, wait);
	/* Removal wakes who waits there. */
	poll_wait(file, &ring->ns->ctrl->state_wait, wait);
	nvdio_ring_arm_poll(ring);
	nvdio_ring_ready(ring, &in, &out);
	if (in)
		ret |= EPOLLIN | EPOLLRDNORM;
	if (out)
		ret |= EPOLLOUT | EPOLLWRNORM;
	if (nvdio_ns_gone(ring->ns))
		ret |= EPOLLHUP | EPOLLERR;
	return ret;
}

static vm_fault_t ring_fault(struct vm_fault *vmf)
{
	const struct nvdio_ring *ring = vmf->vma->vm_file->private_data;
	struct page *page = nvdio_ring_page(ring, vmf->pgoff);

	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static const struct vm_operations_struct ring_vm_ops = {
	.fault = ring_fault,
};

/* The memory is of the program that made the ring, and of no other. */
static int ring_mmap(struct file *file, struct vm_area_struct *vma)
{
	const struct nvdio_ring *ring = file->private_data;

	if (current->mm != ring->mm)
		return -EPERM;
	if (!(vma->vm_flags & VM_MAYSHARE) || vma->vm_pgoff ||
	    vma_pages(vma) > ring->bytes >> PAGE_SHIFT)
		return -EINVAL;
	vm_flags_set(vma, VM_DONTCOPY | VM_DONTEXPAND);
	vma->vm_ops = &ring_vm_ops;
	return 0;
}

static int ring_release(struct inode *inode, struct file *file)
{
	nvdio_ring_close(file->private_data);
	return 0;
}

/* What it is of, and its size; a range's as nvdio_range_show_fdinfo() has it. */
static void ring_show_fdinfo(struct seq_file *seq, struct file *file)
{
	const struct nvdio_ring *ring = file->private_data;
	const struct nvdio_span *span = ring->span;
	const char *name = dev_name(&ring->ns->dev);

	seq_printf(seq, "nvdio-ring:\t%s %u %u\n", name, ring->sq_mask + 1,
		   ring->cq_mask + 1);
	if (span)
		seq_printf(seq, "nvdio-range:\t%s %llu %llu\n", name,
			   span->start, span->end - span->start);
}

static const struct file_operations ring_fops = {
	.owner = THIS_MODULE,
	.release = ring_release,
	.mmap = ring_mmap,
	.poll = ring_poll,
	.unlocked_ioctl = ring_ioctl,
	/* Its argument is a number. */
	.compat_ioctl = ring_ioctl,
	.show_fdinfo = ring_show_fdinfo,
};

/* Give the program a descriptor of @ring. Return: it, or -errno, and @ring is closed. */
static int create_fd(struct nvdio_ring *ring,
		     const struct nvdio_ring_create *create, size_t size,
		     void __user *argp)
{
	const size_t len = min(size, sizeof(*create));
	struct file *file;
	int fd;

	file = anon_inode_getfile("[nvdio-ring]", &ring_fops, ring, O_RDWR);
	if (IS_ERR(file)) {
		nvdio_ring_close(ring);
		return PTR_ERR(file);
	}
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		goto put;
	/* Of what the driver does not know all is 0 already. */
	if (copy_to_user(argp, create, len)) {
		put_unused_fd(fd);
		fd = -EFAULT;
		goto put;
	}
	fd_install(fd, file);
	return fd;
put:
	fput(file);
	return fd;
}

static int ioctl_create(struct nvdio_ns *ns, const struct nvdio_span *span,
			struct file *file, size_t size, void __user *argp)
{
	struct nvdio_ring_create create;
	struct nvdio_ring_size shape;
	struct nvdio_ring *ring;
	int ret;

	if (size < CREATE_MIN)
		return -EINVAL;
	ret = copy_struct_from_user(&create, sizeof(create), argp, size);
	if (ret)
		return ret;
	if (create.flags)
		return -EINVAL;
	ret = nvdio_ring_size(create.sq_entries, create.cq_entries, &shape);
	if (ret)
		return ret;
	ring = nvdio_ring_create(ns, span, file, &shape);
	if (IS_ERR(ring))
		return PTR_ERR(ring);
	create.sq_entries = shape.sq_entries;
	create.cq_entries = shape.cq_entries;
	create.sq_off = shape.sq_off;
	create.cq_off = shape.cq_off;
	create.bytes = ring->bytes;
	return create_fd(ring, &create, size, argp);
}

/**
 * nvdio_ring_ioctl() - NVDIO_IOC_RING_CREATE
 * @ns: namespace
 * @span: what of it @file reaches, stays as long as that; NULL: all, as it is a node
 * @file: open node or range; the ring has its rights, and a reference to it
 * @cmd: ioctl
 * @argp: argument
 *
 * Context: may sleep.
 * Return: a descriptor; -ENOIOCTLCMD for other ioctls; -EINVAL; -E2BIG for members that
 * are not known here and not 0; -EFAULT; -EMFILE or -ENFILE; or as
 * nvdio_ring_create().
 */
int nvdio_ring_ioctl(struct nvdio_ns *ns, const struct nvdio_span *span,
		     struct file *file, unsigned int cmd, void __user *argp)
{
	if ((cmd & ~IOCSIZE_MASK) != (NVDIO_IOC_RING_CREATE & ~IOCSIZE_MASK))
		return -ENOIOCTLCMD;
	return ioctl_create(ns, span, file, _IOC_SIZE(cmd), argp);
}
