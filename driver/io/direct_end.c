// SPDX-License-Identifier: GPL-2.0
/*
 * Slow paths of completing a direct read or write: errors, and pages that have
 * to be dirtied again.
 */
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/direct_end.h"
#include "io/pages.h"

/**
 * nvdio_direct_end_slow() - slow path of nvdio_direct_end()
 * @req: request, already unmapped
 * @status: status; 0 if the command succeeded but its pages are clean
 * @done: as for nvdio_end_fn
 *
 * Context: cq_lock held, interrupts off.
 * Return: NVDIO_END_KIOCB; or NVDIO_END_LATER: nvdio_direct_dirty_work()
 * completes the request.
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
	this_cpu_inc(ns->stats->errors);
	nvdio_stats_bytes(ns->stats, req->flags & NVDIO_REQ_WRITE,
			  -(s64)req->len);
	if (req->flags & NVDIO_REQ_PINNED)
		nvdio_pages_unpin_run(ns, req->page, req->nr_pages);
	done->iocb = req->iocb;
	done->res = nvdio_status_to_errno(status);
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

		nvdio_pages_dirty_run(req->page, req->nr_pages);
		nvdio_pages_unpin_run(req->ns, req->page, req->nr_pages);
		/* Never the admin queue: direct requests have a namespace. */
		nvdio_req_put(ctrl->io[req->qid - 1], req);
		nvdio_complete(&done);
	}
}
