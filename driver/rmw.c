// SPDX-License-Identifier: GPL-2.0
/* Claims to blocks for read-modify-write; see rmw.h. */
#include "ctrl.h"
#include "rmw.h"

static bool overlap(const struct nvdio_rmw *rmw, u64 slba, u64 nlb)
{
	return rmw->slba < slba + nlb && slba < rmw->slba + rmw->nlb;
}

static bool list_overlaps(struct nvdio_ns *ns, u64 slba, u64 nlb)
{
	struct nvdio_rmw *rmw;

	list_for_each_entry(rmw, &ns->rmw_list, link) {
		if (overlap(rmw, slba, nlb))
			return true;
	}
	return false;
}

/**
 * nvdio_rmw_overlaps() - does a claim cover any of these blocks?
 * @ns: namespace
 * @slba: first block
 * @nlb: number of blocks
 *
 * Context: any; takes rmw_lock, which nests inside of sq_lock.
 */
bool nvdio_rmw_overlaps(struct nvdio_ns *ns, u64 slba, u64 nlb)
{
	bool ret;

	spin_lock(&ns->rmw_lock);
	ret = list_overlaps(ns, slba, nlb);
	spin_unlock(&ns->rmw_lock);
	return ret;
}

/**
 * nvdio_rmw_wait() - wait until no claim covers these blocks
 * @ns: namespace
 * @slba: first block
 * @nlb: number of blocks
 *
 * Context: may sleep.
 */
void nvdio_rmw_wait(struct nvdio_ns *ns, u64 slba, u64 nlb)
{
	wait_event(ns->rmw_wait, !nvdio_rmw_overlaps(ns, slba, nlb));
}

/**
 * nvdio_rmw_claim() - claim blocks, or be told when to try again
 * @ns: namespace
 * @rmw: the claim; on failure it is on the waiting list until @rmw->kick
 *
 * Context: any.
 * Return: true if the claim stands; nvdio_rmw_release() ends it.
 */
bool nvdio_rmw_claim(struct nvdio_ns *ns, struct nvdio_rmw *rmw)
{
	bool ok;

	spin_lock(&ns->rmw_lock);
	ok = !list_overlaps(ns, rmw->slba, rmw->nlb);
	list_add_tail(&rmw->link, ok ? &ns->rmw_list : &ns->rmw_waiting);
	if (ok)
		WRITE_ONCE(ns->rmw_active, ns->rmw_active + 1);
	spin_unlock(&ns->rmw_lock);
	return ok;
}

/**
 * nvdio_rmw_drained() - are all older writes to the claimed blocks over?
 * @ns: namespace
 * @rmw: a claim that stands
 *
 * Context: any but interrupts; takes each queue's sq_lock.
 */
bool nvdio_rmw_drained(struct nvdio_ns *ns, struct nvdio_rmw *rmw)
{
	struct nvdio_ctrl *ctrl = ns->ctrl;
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; i++) {
		if (nvdio_queue_writes(ctrl->io[i], ns, rmw->slba, rmw->nlb))
			return false;
	}
	return true;
}

/**
 * nvdio_rmw_release() - give up a claim and let those who wait try again
 * @ns: namespace
 * @rmw: a claim that stands
 *
 * Context: any but interrupts.
 */
void nvdio_rmw_release(struct nvdio_ns *ns, struct nvdio_rmw *rmw)
{
	struct nvdio_rmw *waiting, *next;
	LIST_HEAD(kick);

	spin_lock(&ns->rmw_lock);
	list_del(&rmw->link);
	WRITE_ONCE(ns->rmw_active, ns->rmw_active - 1);
	list_splice_init(&ns->rmw_waiting, &kick);
	spin_unlock(&ns->rmw_lock);

	list_for_each_entry_safe(waiting, next, &kick, link)
		waiting->kick(waiting);
	wake_up_all(&ns->rmw_wait);
}
