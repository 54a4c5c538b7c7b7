/* SPDX-License-Identifier: GPL-2.0 */
/* Data pointers without a scatterlist, where bus addresses are computed. */
#ifndef NVDIO_PRPS_H
#define NVDIO_PRPS_H

#include <linux/uio.h>

#include "io/xfer_op.h"

/* Most bytes that the descriptor memory of a preallocated transfer can describe. */
#define NVDIO_PRPS_BYTES \
	((NVDIO_XFER_LIST_BYTES / sizeof(__le64) + 1) * NVDIO_MPS)

bool nvdio_prps_bvecs(struct nvdio_xfer *xfer, const struct iov_iter *iter);
bool nvdio_prps_pages(struct nvdio_xfer *xfer, size_t offset);

#endif /* NVDIO_PRPS_H */
