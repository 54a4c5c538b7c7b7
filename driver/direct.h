/* SPDX-License-Identifier: GPL-2.0 */
/* The zero-copy path. */
#ifndef NVDIO_DIRECT_H
#define NVDIO_DIRECT_H

#include <linux/fs.h>
#include <linux/uio.h>

#include "ns.h"

ssize_t nvdio_direct_read(struct nvdio_ns *ns, struct kiocb *iocb,
			  struct iov_iter *iter, size_t len);
ssize_t nvdio_direct_write(struct nvdio_ns *ns, struct kiocb *iocb,
			   struct iov_iter *iter, size_t len);

#endif /* NVDIO_DIRECT_H */
