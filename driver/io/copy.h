/* SPDX-License-Identifier: GPL-2.0 */
/* The copy path. */
#ifndef NVDIO_COPY_H
#define NVDIO_COPY_H

#include <linux/fs.h>
#include <linux/uio.h>

#include "core/ns.h"

ssize_t nvdio_copy_rw(struct nvdio_ns *ns, struct kiocb *iocb,
		      struct iov_iter *iter, size_t len, bool write);

#endif /* NVDIO_COPY_H */
