// SPDX-License-Identifier: GPL-2.0
/*
 * The ioctls of a block device that make sense on the node of a namespace and on a
 * range of it.
 */
#include <linux/blkdev.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/hdreg.h>
#include <linux/uaccess.h>

#include "pure/range.h"
#include "core/ns.h"
#include "io/discard.h"
#include "user/blk_ioctl.h"

/* ioctl numbers of 32-bit programs that differ from the 64-bit ones. */
#define NVDIO_BLKGETSIZE64_32	_IOR(0x12, 114, int)
#define NVDIO_BLKBSZGET_32	_IOR(0x12, 112, int)

/* BLKDISCARD and BLKZEROOUT take two numbers: start and length in bytes. */
static int blk_blocks(struct nvdio_ns *ns, const struct nvdio_span *span,
		      const struct file *file, u64 __user *argp,
		      int (*fn)(struct nvdio_ns *ns,
				const struct nvdio_span *span, u64 start,
				u64 len))
{
	u64 args[2];

	if (!(file->f_mode & FMODE_WRITE))
		return -EBADF;
	if (copy_from_user(args, argp, sizeof(args)))
		return -EFAULT;
	return fn(ns, span, args[0], args[1]);
}

/* BLKBSZGET: the largest block size, up to a page, that divides the size. */
static int blk_block_size(const struct nvdio_ns *ns, u64 bytes)
{
	u32 size = ns->lba_mask + 1;

	while (size < PAGE_SIZE && !(bytes & size))
		size *= 2;
	return size;
}

/* BLKSECTGET: the largest command in sectors of 512 bytes. */
static unsigned short blk_max_sectors(const struct nvdio_ns *ns)
{
	return min(ns->limits.max_bytes >> SECTOR_SHIFT, (u32)USHRT_MAX);
}

/* HDIO_GETGEO: the made-up geometry that nvme reports to old programs. */
static void blk_geometry(u64 bytes, struct hd_geometry *geo)
{
	memset(geo, 0, sizeof(*geo));
	geo->heads = 64;
	geo->sectors = 32;
	geo->cylinders = bytes >> (SECTOR_SHIFT + 11);
}

static int blk_getgeo(u64 bytes, void __user *argp)
{
	struct hd_geometry geo;

	blk_geometry(bytes, &geo);
	return copy_to_user(argp, &geo, sizeof(geo)) ? -EFAULT : 0;
}

static int blk_getgeo32(u64 bytes, void __user *argp)
{
	struct hd_geometry geo;

	blk_geometry(bytes, &geo);
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
static int blk_query(const struct nvdio_ns *ns, u64 bytes, bool read_only,
		     unsigned int cmd, void __user *argp)
{
	u64 sectors;

	switch (cmd) {
	case BLKGETSIZE64:
		return put_user(bytes, (u64 __user *)argp);
	case BLKGETSIZE:
		sectors = bytes >> SECTOR_SHIFT;
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
		return put_user((int)read_only, (int __user *)argp);
	case BLKBSZGET:
		return put_user(blk_block_size(ns, bytes),
				(int __user *)argp);
	case BLKSECTGET:
		return put_user(blk_max_sectors(ns),
				(unsigned short __user *)argp);
	case BLKRAGET:
	case BLKFRAGET:
		/* There is no readahead. */
		return argp ? put_user(0UL, (unsigned long __user *)argp) :
			      -EINVAL;
	case HDIO_GETGEO:
		return argp ? blk_getgeo(bytes, argp) : -EINVAL;
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
 * nvdio_blk_ioctl() - ioctl of a block device
 * @ns: namespace
 * @span: what of it @file reaches; NULL: all, as it is a node
 * @file: open node or range
 * @cmd: ioctl: BLK*, HDIO_GETGEO
 * @argp: its argument
 *
 * Context: may sleep.
 * Return: 0 or -errno; -ENOIOCTLCMD for other ioctls.
 */
int nvdio_blk_ioctl(struct nvdio_ns *ns, const struct nvdio_span *span,
		    const struct file *file, unsigned int cmd,
		    void __user *argp)
{
	bool read_only = nvdio_ns_read_only(ns);
	int ret;

	if (span && !(file->f_mode & FMODE_WRITE))
		read_only = true;
	ret = blk_query(ns, nvdio_span_size(span, nvdio_ns_size(ns)), read_only,
			cmd, argp);
	if (ret != -ENOIOCTLCMD)
		return ret;
	switch (cmd) {
	case BLKDISCARD:
		return blk_blocks(ns, span, file, argp, nvdio_discard);
	case BLKZEROOUT:
		return blk_blocks(ns, span, file, argp, nvdio_zeroout);
	case BLKSECDISCARD:
		return -EOPNOTSUPP;
	case BLKFLSBUF:
		/* Nothing is cached here. */
		return capable(CAP_SYS_ADMIN) ? 0 : -EACCES;
	case BLKRRPART:
		/* There are no partitions. */
		return -EINVAL;
	default:
		return -ENOIOCTLCMD;
	}
}

/**
 * nvdio_blk_compat_ioctl() - the same, where 32-bit programs have other ones
 * @ns: namespace
 * @span: as of nvdio_blk_ioctl()
 * @cmd: number of the 32-bit ioctl; set to that of the 64-bit one
 * @argp: its argument
 *
 * Context: may sleep.
 * Return: 0 or -errno; -ENOIOCTLCMD if the 64-bit ioctl does the same.
 */
int nvdio_blk_compat_ioctl(const struct nvdio_ns *ns,
			   const struct nvdio_span *span, unsigned int *cmd,
			   void __user *argp)
{
	const u64 bytes = nvdio_span_size(span, nvdio_ns_size(ns));

	switch (*cmd) {
	case NVDIO_BLKGETSIZE64_32:
		*cmd = BLKGETSIZE64;
		return -ENOIOCTLCMD;
	case NVDIO_BLKBSZGET_32:
		*cmd = BLKBSZGET;
		return -ENOIOCTLCMD;
	case BLKRAGET:
	case BLKFRAGET:
	case HDIO_GETGEO:
	case BLKGETSIZE:
		break;
	default:
		return -ENOIOCTLCMD;
	}
	if (nvdio_ns_gone(ns))
		return -ENODEV;
	if (*cmd == BLKGETSIZE)
		return bytes >> SECTOR_SHIFT > U32_MAX ? -EFBIG :
		       put_user((u32)(bytes >> SECTOR_SHIFT),
				(u32 __user *)argp);
	if (!argp)
		return -EINVAL;
	if (*cmd == HDIO_GETGEO)
		return blk_getgeo32(bytes, argp);
	return put_user((u32)0, (u32 __user *)argp);
}
