// SPDX-License-Identifier: GPL-2.0
/*
 * Slow paths of completing a direct read or write: errors, pages that have to be
 * dirtied again, and two pages that are apart.
 */
#include <linux/mm.h>
#include <linux/pfn.h>

#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/direct_end.h"
#include "io/dma.h"
#include "io/pages.h"
#include "io/retry.h"

/*
 * The pages of a request with NVDIO_REQ_PRPS. It has no room for them: they are
 * found by their bus addresses, which were computed from them.
 */
static void prp_pages(const struct nvdio_request *req, struct page *pages[2])
{
	const dma_addr_t offset = req->ns->ctrl->dma_offset;

	pages[0] = pfn_to_page(PHYS_PFN(le64_to_cpu(req->dptr.prp1) - offset));
	pages[1] = pfn_to_page(PHYS_PFN(le64_to_cpu(req->dptr.prp2) - offset));
}

/* Unpin what a request with NVDIO_REQ_PINNED has pinned. */
static void direct_unpin(struct nvdio_request *req)
{
	struct page *pages[2];

	if (!(req->flags & NVDIO_REQ_PRPS)) {
		nvdio_pages_unpin_run(req->ns, req->page, req->nr_pages);
		return;
	}
	prp_pages(req, pages);
	nvdio_pages_unpin(req->ns, pages, 2);
}

/* Dirty those of its pages that are clean. May sleep. */
static void direct_dirty(struct nvdio_request *req)
{
	struct page *pages[2];

	if (!(req->flags & NVDIO_REQ_PRPS)) {
		nvdio_pages_dirty_run(req->page, req->nr_pages);
		return;
	}
	prp_pages(req, pages);
	nvdio_pages_dirty(pages, 2);
}

/**
 * nvdio_direct_end_slow() - slow path of direct_end()
 * @req: request; unmapped, unless it has failed
 * @status: status; 0 if the command succeeded but its pages are clean
 * @done: as for nvdio_end_fn
 *
 * Context: cq_lock held, interrupts off.
 * Return: NVDIO_END_KIOCB; or NVDIO_END_LATER: the request will be sent again,
 * or nvdio_direct_dirty_work() completes it.
 */
enum nvdio_end nvdio_direct_end_slow(struct nvdio_request *req, u16 status,
				     struct nvdio_completion *done)
{
	struct nvdio_ns *ns = req->ns;

	if (!status) {
		/* Dirtying takes the folio lock, which may sleep. */
		req->state = NVDIO_REQ_DIRTYING;
		if (llist_add(&req->node, &ns->ctrl->dirty))
			queue_work(ns->ctrl->finish_wq, &ns->ctrl->dirty_work);
		return NVDIO_END_LATER;
	}
	if (nvdio_retry(req, status))
		return NVDIO_END_LATER;
	if (req->flags & NVDIO_REQ_UNMAP)
		nvdio_dma_unmap_one(ns->ctrl->io[req->qid - 1], req);
	this_cpu_inc(ns->stats->errors);
	nvdio_stats_bytes(ns->stats, req->flags & NVDIO_REQ_WRITE,
			  -(s64)req->len);
	if (req->flags & NVDIO_REQ_PINNED)
		direct_unpin(req);
	done->iocb = req->iocb;
	done->res = nvdio_status_to_errno(status);
	return NVDIO_END_KIOCB;
}

/**
 * nvdio_direct_two_end() - nvdio_end_fn of requests with NVDIO_REQ_PRPS whose pages
 * are pinned
 * @req: request
 * @status: as for nvdio_end_fn
 * @done: as for nvdio_end_fn
 *
 * Context: as nvdio_end_fn.
 * Return: as nvdio_end_fn.
 */
enum nvdio_end nvdio_direct_two_end(struct nvdio_request *req, u16 status,
				    struct nvdio_completion *done)
{
	struct page *pages[2];

	if (unlikely(status))
		return nvdio_direct_end_slow(req, status, done);
	prp_pages(req, pages);
	if (!(req->flags & NVDIO_REQ_WRITE) &&
	    unlikely(!nvdio_pages_are_dirty(pages, 2)))
		return nvdio_direct_end_slow(req, status, done);
	nvdio_pages_unpin(req->ns, pages, 2);
	done->iocb = req->iocb;
	done->res = req->len;
	return NVDIO_END_KIOCB;
}

/**
 * nvdio_direct_dirty_work() - complete requests whose pages have to be dirtied
 * @work: the controller's dirty_work
 *
 * Writeback may clean a page between submission and completion; what the
 * controller wrote after that has to be written back as well.
 *
 * Context: may sleep.
 */
void nvdio_direct_dirty_work(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(work, struct nvdio_ctrl,
					       dirty_work);
	struct llist_node *list = llist_del_all(&ctrl->dirty);
	struct nvdio_request *req, *next;

	llist_for_each_entry_safe(req, next, list, node) {
		struct nvdio_completion done = {
			.iocb = req->iocb,
			.res = req->len,
		};

		direct_dirty(req);
		direct_unpin(req);
		/* Never the admin queue: direct requests have a namespace. */
		nvdio_req_put(ctrl->io[req->qid - 1], req);
		nvdio_complete(&done);
	}
}
