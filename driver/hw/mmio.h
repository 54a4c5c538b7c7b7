/* SPDX-License-Identifier: GPL-2.0 */
/* What of a controller's address space programs map. */
#ifndef NVDIO_MMIO_H
#define NVDIO_MMIO_H

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

#endif /* NVDIO_MMIO_H */
