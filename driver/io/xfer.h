/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Transfers: zero-copy reads and writes of any memory. Passthrough uses them to
 * map user memory.
 */
#ifndef NVDIO_XFER_H
#define NVDIO_XFER_H

#include "pure/dptr.h"
#include "core/ns.h"
#include "core/request.h"
#include "io/xfer_op.h"

bool nvdio_xfer_aligned(const struct iov_iter *iter, size_t len);
struct nvdio_xfer *nvdio_xfer_prepare(struct nvdio_ns *ns,
				      struct iov_iter *iter, size_t len,
				      bool write,
				      const struct nvdio_dptr_limits *limits,
				      bool whole, gfp_t gfp);
void nvdio_xfer_release(struct nvdio_xfer *xfer);
nvdio_end_fn nvdio_xfer_end;
void nvdio_xfer_refill(const struct nvdio_request *req,
		       struct nvme_command *cmd);
ssize_t nvdio_xfer_rw(struct nvdio_ns *ns, struct kiocb *iocb,
		      struct iov_iter *iter, size_t len, bool write);

#endif /* NVDIO_XFER_H */
