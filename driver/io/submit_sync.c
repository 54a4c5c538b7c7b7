// SPDX-License-Identifier: GPL-2.0
/* Submitting an I/O command and waiting for its completion. */
#include <linux/completion.h>

#include "pure/status.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/retry.h"
#include "io/submit_sync.h"

struct nvdio_sync_cmd {
	struct completion done;
	u16 status;
};

static enum nvdio_end sync_cmd_end(struct nvdio_request *req, u16 status,
				   struct nvdio_completion *done)
{
	struct nvdio_sync_cmd *wait = req->owner;

	wait->status = status;
	complete(&wait->done);
	return NVDIO_END_NONE;
}

/*
 * Submit a command and wait for its completion.
 * Return: the controller's status, or NVDIO_SC_*; or -errno if it was not
 * submitted.
 */
static int sync_cmd(struct nvdio_ns *ns, const struct nvme_command *cmd,
		    u64 slba, u32 nlb, bool claimed)
{
	struct nvdio_sync_cmd wait = {};
	struct nvdio_request *req;
	struct nvdio_queue *q;

	init_completion(&wait.done);
	q = nvdio_ns_queue(ns, false);
	req = nvdio_req_get(q, ns, slba, claimed ? 0 : nlb, false);
	if (IS_ERR(req))
		return PTR_ERR(req);
	nvdio_req_fill(req, &wait, sync_cmd_end, ns, slba, nlb,
		       nlb ? NVDIO_REQ_WRITE | NVDIO_REQ_BLOCKS : 0);
	*nvdio_queue_sqe(q) = *cmd;
	nvdio_queue_submit(q, req);
	nvdio_queue_unlock(q);

	wait_for_completion_io(&wait.done);
	return wait.status;
}

/* The driver's own status values are no business of callers. */
static int sync_result(int ret)
{
	return ret >= NVDIO_SC_GONE ? nvdio_status_to_errno(ret) : ret;
}

/**
 * nvdio_submit_sync_once() - submit an I/O command and wait for its completion
 * @ns: namespace
 * @cmd: command; the command identifier is set in a copy
 *
 * For commands without blocks whose repetition might have another effect.
 *
 * Context: may sleep.
 * Return: 0, -errno, or the controller's status, which is above 0.
 */
int nvdio_submit_sync_once(struct nvdio_ns *ns, const struct nvme_command *cmd)
{
	return sync_result(sync_cmd(ns, cmd, 0, 0, false));
}

/**
 * nvdio_submit_sync_cmd() - carry out an I/O command, and wait for that
 * @ns: namespace
 * @cmd: command; the command identifier is set in a copy
 * @slba: first block that it changes
 * @nlb: number of blocks that it changes; 0: none
 * @claimed: the caller has a claim to these blocks
 *
 * It is sent again as reads and writes are (io/retry.h).
 *
 * Context: may sleep.
 * Return: 0, -errno, or the controller's status, which is above 0.
 */
int nvdio_submit_sync_cmd(struct nvdio_ns *ns, const struct nvme_command *cmd,
			  u64 slba, u32 nlb, bool claimed)
{
	unsigned int nr = 0;
	int ret;

	do {
		ret = sync_cmd(ns, cmd, slba, nlb, claimed);
	} while (ret > 0 && nvdio_retry_sync(ns, ret, &nr));
	return sync_result(ret);
}
