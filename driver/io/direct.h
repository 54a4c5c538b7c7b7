/* SPDX-License-Identifier: GPL-2.0 */
/* Entry points of the zero-copy path. */
#ifndef NVDIO_DIRECT_H
#define NVDIO_DIRECT_H

#include <linux/fs.h>
#include <linux/uio.h>

#include "core/ns.h"

ssize_t nvdio_direct_read_user(struct nvdio_ns *ns, struct kiocb *iocb,
			       struct iov_iter *iter, size_t len);
ssize_t nvdio_direct_read_bvec(struct nvdio_ns *ns, struct kiocb *iocb,
			       struct iov_iter *iter, size_t len);
ssize_t nvdio_direct_write_user(struct nvdio_ns *ns, struct kiocb *iocb,
				struct iov_iter *iter, size_t len);
ssize_t nvdio_direct_write_bvec(struct nvdio_ns *ns, struct kiocb *iocb,
				struct iov_iter *iter, size_t len);
ssize_t nvdio_direct_sync(struct nvdio_ns *ns, struct kiocb *iocb,
			  struct iov_iter *iter, size_t len, bool write);

/**
 * nvdio_direct_rw() - read or write without copying
 * @ns: namespace
 * @iocb: ki_pos is a multiple of the LBA size
 * @iter: memory
 * @len: bytes, more than 0, a multiple of the LBA size, within the namespace,
 *	at most what @iter has
 * @write: write, not read
 *
 * Context: may sleep; under IOCB_NOWAIT only to fault in user pages.
 * Return: @len or -errno for a synchronous @iocb; otherwise -EIOCBQUEUED, or
 * -errno with nothing submitted. -EINVAL: memory is not dword aligned. -EFAULT:
 * memory cannot be pinned.
 */
static __always_inline ssize_t nvdio_direct_rw(struct nvdio_ns *ns,
					       struct kiocb *iocb,
					       struct iov_iter *iter,
					       size_t len, bool write)
{
	if (unlikely(is_sync_kiocb(iocb)))
		return nvdio_direct_sync(ns, iocb, iter, len, write);
	if (iov_iter_is_bvec(iter))
		return write ? nvdio_direct_write_bvec(ns, iocb, iter, len) :
			       nvdio_direct_read_bvec(ns, iocb, iter, len);
	return write ? nvdio_direct_write_user(ns, iocb, iter, len) :
		       nvdio_direct_read_user(ns, iocb, iter, len);
}

#endif /* NVDIO_DIRECT_H */
