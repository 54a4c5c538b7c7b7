/* SPDX-License-Identifier: GPL-2.0 */
/* Completion of reads and writes that direct.c submitted. */
#ifndef NVDIO_DIRECT_END_H
#define NVDIO_DIRECT_END_H

#include "core/request.h"
#include "io/pages.h"

enum nvdio_end nvdio_direct_end_slow(struct nvdio_request *req, u16 status,
				     struct nvdio_completion *done);
void nvdio_direct_dirty_work(struct work_struct *work);

/**
 * nvdio_direct_end() - end a direct read or write
 * @req: request, its memory unmapped
 * @status: the controller's, or NVDIO_SC_*
 * @done: as for nvdio_end_fn
 *
 * Inline in the reap loop, where an indirect call would cost more than the
 * whole function.
 *
 * Context: as nvdio_end_fn.
 * Return: as nvdio_end_fn.
 */
static __always_inline enum nvdio_end
nvdio_direct_end(struct nvdio_request *req, u16 status,
		 struct nvdio_completion *done)
{
	const u8 flags = req->flags;

	if (unlikely(status))
		return nvdio_direct_end_slow(req, status, done);
	if (flags & NVDIO_REQ_PINNED) {
		if (!(flags & NVDIO_REQ_WRITE) &&
		    unlikely(!nvdio_pages_run_is_dirty(req->page,
						       req->nr_pages)))
			return nvdio_direct_end_slow(req, status, done);
		nvdio_pages_unpin_run(req->ns, req->page, req->nr_pages);
	}
	done->iocb = req->iocb;
	done->res = req->len;
	return NVDIO_END_KIOCB;
}

#endif /* NVDIO_DIRECT_END_H */
