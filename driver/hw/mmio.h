/* SPDX-License-Identifier: GPL-2.0 */
/* What of a controller's address space programs map. */
#ifndef NVDIO_MMIO_H
#define NVDIO_MMIO_H

#include <linux/kconfig.h>
#include <linux/types.h>

struct file;
struct nvdio_ctrl;
struct pci_dev;

int nvdio_mmio_alloc(struct nvdio_ctrl *ctrl);
void nvdio_mmio_free(struct nvdio_ctrl *ctrl);
void nvdio_mmio_opened(struct nvdio_ctrl *ctrl, struct file *file);
void nvdio_mmio_cmb(struct nvdio_ctrl *ctrl, phys_addr_t start, u64 bytes);
void nvdio_mmio_end(struct nvdio_ctrl *ctrl);
bool nvdio_mmio_has_msix(struct pci_dev *pdev, u32 bir, u64 offset, u64 size);
int nvdio_mmio_init(void);
void nvdio_mmio_exit(void);

/**
 * nvdio_mmio_is_memory() - is memory of a device, once it is mapped, like any other?
 *
 * Not on s390, where it takes instructions of its own: a program that reads it as
 * memory gets a signal.
 *
 * Context: any.
 * Return: true if programs can use it.
 */
static inline bool nvdio_mmio_is_memory(void)
{
	return !IS_ENABLED(CONFIG_S390);
}

#endif /* NVDIO_MMIO_H */
