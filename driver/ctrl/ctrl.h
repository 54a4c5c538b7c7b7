/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Life cycle of a controller: bringing it up, resetting, suspending, freezing
 * and removing it.
 */
#ifndef NVDIO_CTRL_LIFE_H
#define NVDIO_CTRL_LIFE_H

#include "core/ctrl.h"

struct nvdio_ctrl *nvdio_ctrl_alloc(struct pci_dev *pdev);
int nvdio_ctrl_start(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_remove(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_shutdown(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_reset(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_freeze(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_unfreeze(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_suspend(struct nvdio_ctrl *ctrl, bool shutdown);
int nvdio_ctrl_resume(struct nvdio_ctrl *ctrl);
int nvdio_ctrl_let_go(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_CTRL_LIFE_H */
