/* SPDX-License-Identifier: GPL-2.0 */
/* Transfers of memory of PCI devices. */
#ifndef NVDIO_XFER_P2P_H
#define NVDIO_XFER_P2P_H

#include <linux/uio.h>

#include "core/ns.h"
#include "io/xfer_op.h"

struct nvdio_xfer *nvdio_xfer_prepare_p2p(struct nvdio_ns *ns,
					  struct iov_iter *iter, size_t len,
					  bool write, bool nowait);

#endif /* NVDIO_XFER_P2P_H */
