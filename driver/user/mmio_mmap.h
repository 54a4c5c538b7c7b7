/* SPDX-License-Identifier: GPL-2.0 */
/* Registers and controller memory buffer in address spaces. */
#ifndef NVDIO_MMIO_MMAP_H
#define NVDIO_MMIO_MMAP_H

struct nvdio_ctrl;
struct vm_area_struct;

int nvdio_mmap_regs(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma);
int nvdio_mmap_cmb(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma);

#endif /* NVDIO_MMIO_MMAP_H */
