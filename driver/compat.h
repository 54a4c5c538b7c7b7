/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The one file that knows kernel versions. What differs between the kernels
 * that nvdio builds against (6.12 and later) is bridged here, by feature
 * where there is a macro to ask for it, else by version.
 */
#ifndef NVDIO_COMPAT_H
#define NVDIO_COMPAT_H

#include <linux/dma-map-ops.h>
#include <linux/dma-mapping.h>
#include <linux/iommu-dma.h>
#include <linux/version.h>

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
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 16, 0)
	return dma_need_unmap(dev);
#else
	return use_dma_iommu(dev) || get_dma_ops(dev) || dma_dev_need_sync(dev);
#endif
}

#endif /* NVDIO_COMPAT_H */
