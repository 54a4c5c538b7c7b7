/* SPDX-License-Identifier: GPL-2.0 */
/* Scanning for namespaces, and creating and removing their nodes. */
#ifndef NVDIO_NS_SCAN_H
#define NVDIO_NS_SCAN_H

#include "core/ctrl.h"

int nvdio_ns_scan(struct nvdio_ctrl *ctrl);
int nvdio_ns_rescan(struct nvdio_ctrl *ctrl);
void nvdio_ns_rescan_changed(struct nvdio_ctrl *ctrl, u32 nsid);
void nvdio_ns_doubt(struct nvdio_ctrl *ctrl, u32 nsid);
void nvdio_ns_drop_doubtful(struct nvdio_ctrl *ctrl);
void nvdio_ns_remove_all(struct nvdio_ctrl *ctrl);
int nvdio_ns_claim_all(struct nvdio_ctrl *ctrl);
void nvdio_ns_release_all(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_NS_SCAN_H */
