/* SPDX-License-Identifier: GPL-2.0 */
/* Pages of the controller memory buffer. */
#ifndef NVDIO_CMB_P2P_H
#define NVDIO_CMB_P2P_H

#include <linux/types.h>

struct nvdio_cmb_place;
struct nvdio_ctrl;

bool nvdio_cmb_p2p_add(struct nvdio_ctrl *ctrl,
		       const struct nvdio_cmb_place *place);
void nvdio_cmb_p2p_remove(struct nvdio_ctrl *ctrl);

#endif /* NVDIO_CMB_P2P_H */
