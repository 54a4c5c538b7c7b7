/* SPDX-License-Identifier: GPL-2.0 */
/* Mapped memory in address spaces. */
#ifndef NVDIO_MMAP_H
#define NVDIO_MMAP_H

#include <linux/types.h>

struct nvdio_ctrl;
struct vm_area_struct;

int nvdio_mmap(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma,
	       bool ctrl_node);
int nvdio_mmap_range(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma);

#endif /* NVDIO_MMAP_H */
