/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one file that knows kernel versions: 6.12, and from 7.0 on. What differs
 * between them is bridged here, by feature where there is a macro to ask for
 * it, else by version.
 *
 * Those between changed io_uring's commands from release to release, in part
 * so that all compiles and something else happens (how SQEs are kept, and what
 * lies in a request's async_data: 6.13.y, 6.14 and 6.17; how registered buffers
 * are imported: 6.15; how commands are completed: 6.18 and 6.19). nvdio is not
 * tried on them, so it does not compile. Kbuild includes this file before all
 * others and has the compiler stop at the first error.
 */
#ifndef NVDIO_COMPAT_H
#define NVDIO_COMPAT_H

#include <linux/version.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0) ||			\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0) &&		\
	 LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0))
#error "nvdio: not known to work on this kernel: it needs Linux 6.12, or 7.0 or later"
#endif

#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/group_cpus.h>
#include <linux/io_uring/cmd.h>
#include <linux/iommu-dma.h>
#include <linux/swiotlb.h>
#include <linux/nvme_ioctl.h>

/**
 * nvdio_dma_need_unmap() - must mappings of a device be undone?
 * @dev: the device
 *
 * To be asked after a mapping was made: the first one that bounces through
 * swiotlb changes the answer.
 *
 * Return: false if dma_unmap_*() would do nothing at all.
 */
static inline bool nvdio_dma_need_unmap(struct device *dev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return dma_need_unmap(dev);
#else
	return use_dma_iommu(dev) || get_dma_ops(dev) || dma_dev_need_sync(dev);
#endif
}

/*
 * Completion of io_uring commands. NVDIO_URING_TASK_WORK() makes a function
 * that io_uring_cmd_do_in_task_lazy() takes out of one that looks as
 * void fn(struct io_uring_cmd *ioucmd, unsigned int issue_flags).
 */
#ifdef IO_URING_CMD_TASK_WORK_ISSUE_FLAGS
#define NVDIO_URING_TASK_WORK(name, fn)					\
	static void name(struct io_tw_req tw_req, io_tw_token_t tw)	\
	{								\
		fn(io_uring_cmd_from_tw(tw_req),			\
		   IO_URING_CMD_TASK_WORK_ISSUE_FLAGS);			\
	}
#else
#define NVDIO_URING_TASK_WORK(name, fn)					\
	static void name(struct io_uring_cmd *ioucmd,			\
			 unsigned int issue_flags)			\
	{								\
		fn(ioucmd, issue_flags);				\
	}
#endif

/*
 * Whose command is it? The ring that polls holds its lock, and commands of the
 * same ring may be completed in ->uring_cmd_iopoll() with issue_flags of 0.
 */
static inline const void *nvdio_uring_ring(struct io_uring_cmd *ioucmd)
{
	return cmd_to_io_kiocb(ioucmd)->ctx;
}

static inline void nvdio_uring_done(struct io_uring_cmd *ioucmd, int res,
				    unsigned int issue_flags)
{
#ifdef IO_URING_CMD_TASK_WORK_ISSUE_FLAGS
	io_uring_cmd_done(ioucmd, res, issue_flags);
#else
	io_uring_cmd_done(ioucmd, res, 0, issue_flags);
#endif
}

/* The same with a second result, for rings with large CQEs. */
static inline void nvdio_uring_done32(struct io_uring_cmd *ioucmd, int res,
				      u64 res2, unsigned int issue_flags)
{
#ifdef IO_URING_CMD_TASK_WORK_ISSUE_FLAGS
	io_uring_cmd_done32(ioucmd, res, res2, issue_flags);
#else
	io_uring_cmd_done(ioucmd, res, res2, issue_flags);
#endif
}

/* The command in an SQE of 128 bytes, which user space may still change. */
static inline const struct nvme_uring_cmd *
nvdio_uring_cmd_of(const struct io_uring_cmd *ioucmd)
{
#ifdef io_uring_sqe128_cmd
	return io_uring_sqe128_cmd(ioucmd->sqe, struct nvme_uring_cmd);
#else
	return io_uring_sqe_cmd(ioucmd->sqe);
#endif
}

/**
 * nvdio_uring_keep_sqe() - have a command's SQE survive -EAGAIN
 * @ioucmd: command that is going to be answered with -EAGAIN
 * @issue_flags: from io_uring, whose worker will issue the command again
 *
 * Kernel 6.12 copies the SQE at -EAGAIN, but its worker then reads the ring's
 * entry again, which user space may have filled anew: another command would be
 * executed in place of this one. So the copy is made here, and used. It is
 * where 6.12 has it, at the beginning of async_data, and only if this is such a
 * kernel: one that was mended copies at another time or place, and has let
 * @ioucmd->sqe point there. Kernels from 7.0 on copy each SQE that a worker
 * will need.
 */
static inline void nvdio_uring_keep_sqe(struct io_uring_cmd *ioucmd,
					unsigned int issue_flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
	void *copy = cmd_to_io_kiocb(ioucmd)->async_data;
	size_t size = sizeof(struct io_uring_sqe);

	/* Anywhere in there: the mended ones have a pointer in front of it. */
	if (!copy || (uintptr_t)ioucmd->sqe - (uintptr_t)copy < size)
		return;
	if (issue_flags & IO_URING_F_SQE128)
		size *= 2;
	memcpy(copy, ioucmd->sqe, size);
	ioucmd->sqe = copy;
#endif
}

/* An iterator over a part of a registered buffer. Return: 0 or -errno. */
static inline int nvdio_uring_import(struct io_uring_cmd *ioucmd, u64 addr,
				     unsigned long len, int dir,
				     struct iov_iter *iter,
				     unsigned int issue_flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return io_uring_cmd_import_fixed(addr, len, dir, iter, ioucmd,
					 issue_flags);
#else
	return io_uring_cmd_import_fixed(addr, len, dir, iter, ioucmd);
#endif
}

/* The same over several parts, which 6.12 does not have. */
static inline int nvdio_uring_import_vec(struct io_uring_cmd *ioucmd,
					 const struct iovec __user *uvec,
					 size_t nr, int dir,
					 struct iov_iter *iter,
					 unsigned int issue_flags)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return io_uring_cmd_import_fixed_vec(ioucmd, uvec, nr, dir, iter,
					     issue_flags);
#else
	return -EINVAL;
#endif
}

/**
 * nvdio_group_cpus() - spread all possible CPUs over groups
 * @nr: wanted number of groups; set to the number that there are CPUs for
 *
 * As blk-mq does: CPUs of one node, and of one core, are in one group as far as
 * that goes.
 *
 * Return: the groups, for kfree(); or NULL.
 */
static inline struct cpumask *nvdio_group_cpus(unsigned int *nr)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	return group_cpus_evenly(*nr, nr);
#else
	return group_cpus_evenly(*nr);
#endif
}

/**
 * nvdio_dma_is_linear() - is mapping memory for a device only an addition?
 * @dev: the device, its DMA mask set
 *
 * Asked once, at bind. True where the DMA API would do nothing but compute: no
 * IOMMU and no other mapping operations, coherent, every page of memory within
 * reach of the mask, no bouncing forced (encrypted guests are, for one), no
 * translation by ranges, and nobody who wants to be told of each mapping.
 * With an IOMMU, or with DMA API debugging, every mapping goes through the API.
 *
 * Return: true if a bus address is a physical address plus a constant.
 */
static inline bool nvdio_dma_is_linear(struct device *dev)
{
	if (IS_ENABLED(CONFIG_DMA_API_DEBUG) || nvdio_dma_need_unmap(dev))
		return false;
	if (is_swiotlb_force_bounce(dev) || dev->dma_range_map ||
	    dev->bus_dma_limit)
		return false;
	return dma_get_mask(dev) == DMA_BIT_MASK(64) &&
	       dma_max_mapping_size(dev) == SIZE_MAX;
}

#endif /* NVDIO_COMPAT_H */
