/* SPDX-License-Identifier: GPL-2.0 */
/* Entry points of the zero-copy path, for asynchronous callers. */
#ifndef NVDIO_DIRECT_H
#define NVDIO_DIRECT_H

#include <linux/fs.h>
#include <linux/uio.h>

#include "core/ns.h"

/*
 * The order of arguments is that of ->read_iter() and ->write_iter(), from which the
 * first ones stay in their registers.
 */
ssize_t nvdio_direct_read_bvec(struct kiocb *iocb, struct iov_iter *iter,
			       size_t len, struct nvdio_ns *ns);
ssize_t nvdio_direct_write_bvec(struct kiocb *iocb, struct iov_iter *iter,
				size_t len, struct nvdio_ns *ns);
ssize_t nvdio_direct_read_user(struct kiocb *iocb, struct iov_iter *iter,
			       size_t len, struct nvdio_ns *ns);
ssize_t nvdio_direct_write_user(struct kiocb *iocb, struct iov_iter *iter,
				size_t len, struct nvdio_ns *ns);
ssize_t nvdio_direct_segments(struct kiocb *iocb, struct iov_iter *iter,
			      size_t len, struct nvdio_ns *ns, bool write);

#endif /* NVDIO_DIRECT_H */
