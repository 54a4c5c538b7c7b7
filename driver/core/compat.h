/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The only file that knows kernel versions: 6.12, and 7.0 and later.
 * Differences between them are bridged here, by feature where there is a macro
 * to test for, otherwise by version.
 *
 * The releases in between changed the io_uring command interface again and
 * again, in ways that partly compile and misbehave (how SQEs are kept, and the
 * layout of a request's async_data: 6.13.y, 6.14 and 6.17; importing registered
 * buffers: 6.15; completing commands: 6.18 and 6.19). nvdio is not tested on
 * them, so it refuses to compile. Older ones lack what no macro can stand for:
 * Debian 12's 6.1 has no iov_iter_extract_pages() (pinning by what the iterator
 * is), no io_uring_cmd_do_in_task_lazy(), and no fop_flags.
 *
 * Kbuild includes this file before all others and makes the compiler stop at
 * the first error.
 */
#ifndef NVDIO_COMPAT_H
#define NVDIO_COMPAT_H

#include <linux/version.h>
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0) ||			\
	(LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0) &&		\
	 LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0))
#error "nvdio: not known to work on this kernel: it needs Linux 6.12, or 7.0 or later"
#endif

/*
 * What the code takes for granted, on any machine: 64 bits are loaded and stored at
 * once; what a program and the kernel have at addresses of their own is one memory to
 * the processor's caches; and pages that are side by side have a struct page side by
 * side, and no others have.
 */
#if !defined(CONFIG_64BIT) || defined(CONFIG_ARCH_HAS_CPU_CACHE_ALIASING) || \
	(defined(CONFIG_SPARSEMEM) && !defined(CONFIG_SPARSEMEM_VMEMMAP))
#error "nvdio: needs a 64-bit kernel, caches without aliases, and CONFIG_SPARSEMEM_VMEMMAP"
#endif

#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/group_cpus.h>
#include <linux/io_uring/cmd.h>
#include <linux/iommu-dma.h>
#include <linux/memremap.h>
#include <linux/swiotlb.h>
#include <linux/nvme_ioctl.h>

/* Binary attributes of sysfs are constant from 6.17 on. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
#define NVDIO_BIN_ATTR_CONST	const
#else
#define NVDIO_BIN_ATTR_CONST
#endif

/**
 * nvdio_dma_need_unmap() - do mappings of a device have to be unmapped?
 * @dev: device
 *
 * To be called after mapping: the first mapping that bounces through swiotlb
 * changes the answer.
 *
 * Context: any.
 * Return: false if dma_unmap_*() would be a no-op.
 */
static inline bool nvdio_dma_need_unmap(struct device *dev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return dma_need_unmap(dev);
#else
	return use_dma_iommu(dev) || get_dma_ops(dev) || dma_dev_need_sync(dev);
#endif
}

/**
 * nvdio_dma_need_sync() - do a mapping's contents have to be synchronised?
 * @dev: device
 * @dma: bus address of the mapping
 *
 * Differs from dma_need_sync() with DMA API debugging, for which all that an IOMMU
 * maps has to be, so that the calls are seen.
 *
 * Context: any.
 * Return: false if dma_sync_*() would be a no-op.
 */
static inline bool nvdio_dma_need_sync(struct device *dev, dma_addr_t dma)
{
#if defined(CONFIG_DMA_API_DEBUG) && defined(CONFIG_DMA_NEED_SYNC)
	if (dev->dma_skip_sync)
		return false;
#endif
	return dma_need_sync(dev, dma);
}

/*
 * Completion of io_uring commands. NVDIO_URING_TASK_WORK() turns a function of
 * the form void fn(struct io_uring_cmd *ioucmd, unsigned int issue_flags) into
 * one that io_uring_cmd_do_in_task_lazy() accepts.
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

/**
 * nvdio_uring_ring() - the ring that a command belongs to
 * @ioucmd: command
 *
 * The polling ring holds its uring_lock, so commands of that ring may be
 * completed from ->uring_cmd_iopoll() with issue_flags of 0; others may not.
 *
 * Context: any.
 * Return: a cookie that identifies the ring.
 */
static inline const void *nvdio_uring_ring(struct io_uring_cmd *ioucmd)
{
	return cmd_to_io_kiocb(ioucmd)->ctx;
}

/**
 * nvdio_uring_done() - complete an io_uring command
 * @ioucmd: command
 * @res: result
 * @issue_flags: from io_uring
 *
 * Context: task work, or the issuing task.
 */
static inline void nvdio_uring_done(struct io_uring_cmd *ioucmd, int res,
				    unsigned int issue_flags)
{
#ifdef IO_URING_CMD_TASK_WORK_ISSUE_FLAGS
	io_uring_cmd_done(ioucmd, res, issue_flags);
#else
	io_uring_cmd_done(ioucmd, res, 0, issue_flags);
#endif
}

/**
 * nvdio_uring_done32() - complete an io_uring command of a ring with 32-byte
 * CQEs
 * @ioucmd: command
 * @res: result
 * @res2: second result
 * @issue_flags: from io_uring
 *
 * Context: task work, or the issuing task.
 */
static inline void nvdio_uring_done32(struct io_uring_cmd *ioucmd, int res,
				      u64 res2, unsigned int issue_flags)
{
#ifdef IO_URING_CMD_TASK_WORK_ISSUE_FLAGS
	io_uring_cmd_done32(ioucmd, res, res2, issue_flags);
#else
	io_uring_cmd_done(ioucmd, res, res2, issue_flags);
#endif
}

/**
 * nvdio_uring_cmd_of() - the NVMe command in a 128-byte SQE
 * @ioucmd: command
 *
 * Context: any.
 * Return: the command; user space may still change it, so every member must be
 * read just once.
 */
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
 * nvdio_uring_keep_sqe() - make the SQE of a command survive -EAGAIN
 * @ioucmd: command for which -EAGAIN is about to be returned
 * @issue_flags: from io_uring, whose worker will issue the command again
 *
 * On -EAGAIN, Linux 6.12 copies the SQE, but its worker then reads the ring
 * entry again, which user space may have reused: a different command would be
 * executed. So the copy is made here, and used. It goes where 6.12 puts it, at
 * the start of async_data, and only if this kernel does so: kernels with a fix
 * copy at another time or to another place, and have pointed @ioucmd->sqe
 * there. From 7.0 on, the kernel copies every SQE that a worker will need.
 *
 * Context: the issuing task.
 */
static inline void nvdio_uring_keep_sqe(struct io_uring_cmd *ioucmd,
					unsigned int issue_flags)
{
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 0, 0)
	void *copy = cmd_to_io_kiocb(ioucmd)->async_data;
	size_t size = sizeof(struct io_uring_sqe);

	/* Any offset: fixed kernels store a pointer ahead of the copy. */
	if (!copy || (uintptr_t)ioucmd->sqe - (uintptr_t)copy < size)
		return;
	if (issue_flags & IO_URING_F_SQE128)
		size *= 2;
	memcpy(copy, ioucmd->sqe, size);
	ioucmd->sqe = copy;
#endif
}

/**
 * nvdio_uring_import() - iterator over part of a registered buffer
 * @ioucmd: command, which names the buffer
 * @addr: user address within the buffer
 * @len: bytes
 * @dir: ITER_SOURCE or ITER_DEST
 * @iter: filled in
 * @issue_flags: from io_uring
 *
 * Context: the issuing task.
 * Return: 0 or -errno.
 */
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

/**
 * nvdio_uring_import_vec() - iterator over several parts of a registered buffer
 * @ioucmd: command, which names the buffer
 * @uvec: the parts
 * @nr: number of parts
 * @dir: ITER_SOURCE or ITER_DEST
 * @iter: filled in
 * @issue_flags: from io_uring
 *
 * Context: the issuing task.
 * Return: 0 or -errno; always -EINVAL on 6.12, which cannot do it.
 */
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
 * @nr: requested number of groups; set to the number of groups that have CPUs
 *
 * As blk-mq does it: CPUs of one node, and of one core, share a group where
 * possible.
 *
 * Context: may sleep.
 * Return: an array of masks, to be freed with kfree(); or NULL.
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
 * nvdio_dma_is_linear() - is a bus address a physical address plus a constant?
 * @dev: device with its DMA mask set
 *
 * Called once, at bind. True if the DMA API would only compute an address: no
 * IOMMU and no other dma_map_ops, a coherent device, all memory within its
 * mask, no forced bouncing (as in encrypted guests), no range translation, of
 * the processor's neither, and nothing that tracks mappings. With an IOMMU, or
 * with DMA API debugging, every mapping goes through the API.
 *
 * Context: any.
 * Return: true if it is.
 */
static inline bool nvdio_dma_is_linear(struct device *dev)
{
	if (IS_ENABLED(CONFIG_DMA_API_DEBUG) ||
	    IS_ENABLED(CONFIG_ARCH_HAS_PHYS_TO_DMA) ||
	    nvdio_dma_need_unmap(dev))
		return false;
	if (is_swiotlb_force_bounce(dev) || dev->dma_range_map ||
	    dev->bus_dma_limit)
		return false;
	return dma_get_mask(dev) == DMA_BIT_MASK(64) &&
	       dma_max_mapping_size(dev) == SIZE_MAX;
}

/**
 * nvdio_p2pdma() - may memory of PCI devices be mapped for a device?
 * @dev: device with its DMA mask set
 *
 * The pages of such memory are counted differently before 7.0, so that it is
 * not used there, whatever the kernel is configured to.
 *
 * Context: any.
 * Return: true if pages of PCI_P2PDMA can be passed to dma_map_sgtable().
 */
static inline bool nvdio_p2pdma(struct device *dev)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return IS_ENABLED(CONFIG_PCI_P2PDMA) && dma_pci_p2pdma_supported(dev) &&
	       dma_get_mask(dev) == DMA_BIT_MASK(64);
#else
	return false;
#endif
}

/**
 * nvdio_page_pgmap() - the range of device memory that a page is of
 * @page: page for which is_pci_p2pdma_page() is true
 *
 * Context: any.
 * Return: the range.
 */
static inline struct dev_pagemap *nvdio_page_pgmap(const struct page *page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(7, 0, 0)
	return page_pgmap(page);
#else
	return page->pgmap;
#endif
}

/* Namespace of the symbols of dma-buf, for MODULE_IMPORT_NS(). */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 13, 0)
#define NVDIO_NS_DMA_BUF	"DMA_BUF"
#else
#define NVDIO_NS_DMA_BUF	DMA_BUF
#endif

#endif /* NVDIO_COMPAT_H */
