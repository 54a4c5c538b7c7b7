// SPDX-License-Identifier: GPL-2.0
/*
 * Discarding and zeroing blocks: Dataset Management and Write Zeroes (NVM
 * Command Set 1.0, 3.2.3 and 3.2.8).
 *
 * Without Dataset Management, discarding is refused. Without Write Zeroes,
 * zeroes are written from a bounce buffer. Zeroed blocks stay allocated (no
 * Deallocate bit), as BLKZEROOUT promises.
 *
 * Both exclude read-modify-writes of the copy path, as writes do.
 */
#include <linux/blkdev.h>
#include <linux/dma-mapping.h>

#include "pure/cmd.h"
#include "pure/range.h"
#include "pure/status.h"
#include "core/compat.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/desc_page.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/bounce.h"
#include "io/claim.h"
#include "io/discard.h"
#include "io/retry.h"
#include "io/submit_sync.h"

/*
 * The same checks as on a block device. @start becomes a position on the namespace.
 * Return: 0 or -errno.
 */
static int discard_check(const struct nvdio_ns *ns,
			 const struct nvdio_span *span, u64 *start, u64 len)
{
	if (nvdio_ns_gone(ns))
		return -ENODEV;
	if (nvdio_ns_read_only(ns))
		return -EPERM;
	if (!len || (*start | len) & ns->lba_mask)
		return -EINVAL;
	return nvdio_span_place(span, nvdio_ns_size(ns), start, len) ? 0 :
								       -EINVAL;
}

/* Fill in a command that deallocates one range, and the range in @list. */
static void discard_fill(const struct nvdio_ns *ns, struct nvme_command *cmd,
			 const struct nvdio_desc_page *list, u64 slba, u32 nlb)
{
	struct nvme_dsm_range *range = list->mem.virt;

	range->cattr = 0;
	range->nlb = cpu_to_le32(nlb);
	range->slba = cpu_to_le64(slba);
	memset(cmd, 0, sizeof(*cmd));
	cmd->dsm.opcode = nvme_cmd_dsm;
	cmd->dsm.nsid = cpu_to_le32(ns->nsid);
	cmd->dsm.dptr.prp1 = cpu_to_le64(list->mem.dma);
	cmd->dsm.attributes = cpu_to_le32(NVME_DSMGMT_AD);
}

/**
 * nvdio_discard() - deallocate blocks
 * @ns: namespace
 * @span: what of it the caller reaches; NULL: all
 * @start: first byte, from the start of @span, a multiple of the LBA size
 * @len: bytes, a multiple of the LBA size
 *
 * Context: may sleep.
 * Return: 0; -EOPNOTSUPP if the controller cannot do it; -EPERM if the
 * namespace is read-only; -EINVAL if the range is not made of whole blocks
 * within it; -EINTR; or another -errno.
 */
int nvdio_discard(struct nvdio_ns *ns, const struct nvdio_span *span, u64 start,
		  u64 len)
{
	struct nvdio_ctrl *ctrl = ns->ctrl;
	u64 slba, left = nvdio_ns_lba(ns, len);
	struct nvme_command cmd;
	struct nvdio_desc_page *list;
	u32 max;
	int ret;

	ret = discard_check(ns, span, &start, len);
	if (ret)
		return ret;
	slba = nvdio_ns_lba(ns, start);
	/* Read it once: it may change with a reset. */
	max = READ_ONCE(ctrl->max_discard);
	if (!max)
		return -EOPNOTSUPP;
	if (!nvdio_ctrl_enter(ctrl))
		return -ENODEV;
	list = nvdio_desc_page_get(ctrl, GFP_KERNEL);
	ret = list ? 0 : -ENOMEM;
	while (left && !ret) {
		u32 nlb = min_t(u64, left, max);

		discard_fill(ns, &cmd, list, slba, nlb);
		this_cpu_inc(ns->stats->discard);
		ret = nvdio_submit_sync_cmd(ns, &cmd, slba, nlb, false);
		slba += nlb;
		left -= nlb;
		if (left && signal_pending(current) && !ret)
			ret = -EINTR;
		cond_resched();
	}
	if (list)
		nvdio_desc_page_put(ctrl, list);
	nvdio_ctrl_exit(ctrl);
	return ret > 0 ? nvdio_status_to_errno(ret) : ret;
}

/*
 * Write zeroes with one command. Claim, buffer and tag are taken in this order
 * and released after each command, since others wait for them (invariant 12).
 */
static int zeroout_write_one(struct nvdio_ns *ns, u64 slba, u32 nlb)
{
	const u32 bytes = nlb << ns->lba_shift;
	struct nvme_command cmd = {};
	struct nvdio_bounce *bounce;
	struct nvdio_claim claim;
	int ret;

	nvdio_claim_set(&claim, slba, nlb, false);
	nvdio_claim_wait(ns, &claim);
	bounce = nvdio_bounce_get_wait(ns);
	memset(bounce->virt, 0, bytes);
	dma_sync_single_for_device(ns->ctrl->dev.parent, bounce->dma, bytes,
				   DMA_TO_DEVICE);
	nvdio_cmd_rw(&cmd, true, ns->nsid, slba, 0, nvdio_rw_cdw12(nlb, 0), 0);
	nvdio_cmd_dptr_prps(&cmd, bounce->dma, bounce->prps_dma, 0, bytes);
	ret = nvdio_submit_sync_cmd(ns, &cmd, slba, nlb, true);
	nvdio_bounce_put(ns, bounce);
	nvdio_claim_release(ns, &claim);
	return ret;
}

static int zeroout_write(struct nvdio_ns *ns, u64 slba, u64 left)
{
	u32 max = min_t(u32, NVDIO_BOUNCE_BYTES, ns->limits.max_bytes);
	struct nvdio_ctrl *ctrl = ns->ctrl;
	int ret = 0;

	if (!nvdio_ctrl_enter(ctrl))
		return -ENODEV;
	while (left && !ret) {
		u32 nlb = min_t(u64, left, max >> ns->lba_shift);

		ret = zeroout_write_one(ns, slba, nlb);
		slba += nlb;
		left -= nlb;
		if (left && signal_pending(current) && !ret)
			ret = -EINTR;
		cond_resched();
	}
	nvdio_ctrl_exit(ctrl);
	return ret;
}

/**
 * nvdio_zeroout() - make blocks read as zeroes
 * @ns: namespace
 * @span: what of it the caller reaches; NULL: all
 * @start: first byte, from the start of @span, a multiple of the LBA size
 * @len: bytes, a multiple of the LBA size
 *
 * Context: may sleep.
 * Return: 0; -EPERM if the namespace is read-only; -EINVAL if the range is not
 * made of whole blocks within it; -EINTR; or another -errno.
 */
int nvdio_zeroout(struct nvdio_ns *ns, const struct nvdio_span *span, u64 start,
		  u64 len)
{
	u64 slba, left = nvdio_ns_lba(ns, len);
	u64 max = nvdio_ns_lba(ns, ns->ctrl->max_zeroes);
	struct nvme_command cmd = {};
	int ret;

	ret = discard_check(ns, span, &start, len);
	if (ret)
		return ret;
	slba = nvdio_ns_lba(ns, start);
	cmd.write_zeroes.opcode = nvme_cmd_write_zeroes;
	cmd.write_zeroes.nsid = cpu_to_le32(ns->nsid);
	while (left && !ret && max) {
		/* NLB is 0's based and has 16 bits. */
		u32 nlb = min3(left, max, 65536ULL);

		cmd.write_zeroes.slba = cpu_to_le64(slba);
		cmd.write_zeroes.length = cpu_to_le16(nlb - 1);
		this_cpu_inc(ns->stats->write_zeroes);
		ret = nvdio_submit_sync_cmd(ns, &cmd, slba, nlb, false);
		if (ret > 0 && (ret & 0x7ff) == NVME_SC_INVALID_OPCODE) {
			/*
			 * ONCS claims support, but the command is not
			 * implemented.
			 */
			ret = 0;
			break;
		}
		slba += nlb;
		left -= nlb;
		if (left && signal_pending(current) && !ret)
			ret = -EINTR;
		cond_resched();
	}
	if (left && !ret)
		ret = zeroout_write(ns, slba, left);
	return ret > 0 ? nvdio_status_to_errno(ret) : ret;
}

/**
 * struct nvdio_discard_pdu - private data of a discard in struct io_uring_cmd
 * @list: holds the range
 * @res: result
 */
struct nvdio_discard_pdu {
	struct nvdio_desc_page *list;
	int res;
};

static void discard_done(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct nvdio_discard_pdu *pdu;

	pdu = io_uring_cmd_to_pdu(ioucmd, struct nvdio_discard_pdu);
	nvdio_uring_done(ioucmd, pdu->res, issue_flags);
}

NVDIO_URING_TASK_WORK(discard_done_work, discard_done);

/**
 * nvdio_discard_refill() - build the SQE of a discard for io_uring again
 * @req: request, as discard_async() has left it
 * @cmd: SQE
 *
 * Context: the queue's sq_lock is held.
 */
void nvdio_discard_refill(const struct nvdio_request *req,
			  struct nvme_command *cmd)
{
	struct io_uring_cmd *ioucmd = req->owner;
	struct nvdio_discard_pdu *pdu;

	pdu = io_uring_cmd_to_pdu(ioucmd, struct nvdio_discard_pdu);
	discard_fill(req->ns, cmd, pdu->list, req->slba, req->len);
}

static enum nvdio_end discard_end(struct nvdio_request *req, u16 status,
				  struct nvdio_completion *done)
{
	struct io_uring_cmd *ioucmd = req->owner;
	struct nvdio_ctrl *ctrl = req->ns->ctrl;
	struct nvdio_discard_pdu *pdu;

	if (unlikely(status) && nvdio_retry(req, status))
		return NVDIO_END_LATER;
	pdu = io_uring_cmd_to_pdu(ioucmd, struct nvdio_discard_pdu);
	pdu->res = nvdio_status_to_errno(status);
	nvdio_desc_page_put(ctrl, pdu->list);
	io_uring_cmd_do_in_task_lazy(ioucmd, discard_done_work);
	nvdio_ctrl_exit(ctrl);
	return NVDIO_END_NONE;
}

/* Submit one command, whose completion completes the io_uring request. */
static int discard_async(struct nvdio_ns *ns, struct io_uring_cmd *ioucmd,
			 u64 slba, u32 nlb)
{
	struct nvdio_ctrl *ctrl = ns->ctrl;
	struct nvdio_discard_pdu *pdu;
	struct nvdio_request *req;
	struct nvdio_queue *q;

	if (!nvdio_ctrl_enter(ctrl))
		return -ENODEV;
	pdu = io_uring_cmd_to_pdu(ioucmd, struct nvdio_discard_pdu);
	pdu->list = nvdio_desc_page_get(ctrl, GFP_NOWAIT | __GFP_NOWARN);
	if (!pdu->list) {
		nvdio_ctrl_exit(ctrl);
		return -EAGAIN;
	}
	q = nvdio_ns_queue(ns, false);
	req = nvdio_req_get(q, ns, slba, nlb, true);
	if (IS_ERR(req)) {
		nvdio_desc_page_put(ctrl, pdu->list);
		nvdio_ctrl_exit(ctrl);
		return PTR_ERR(req);
	}
	nvdio_req_fill(req, ioucmd, discard_end, ns, slba, nlb,
		       NVDIO_REQ_WRITE | NVDIO_REQ_BLOCKS);
	discard_fill(ns, nvdio_queue_sqe(q), pdu->list, slba, nlb);
	this_cpu_inc(ns->stats->discard);
	nvdio_queue_submit(q, req);
	nvdio_queue_unlock(q);
	return -EIOCBQUEUED;
}

/**
 * nvdio_discard_uring() - BLOCK_URING_CMD_DISCARD
 * @ns: namespace, open for writing
 * @span: what of it the caller reaches; NULL: all
 * @ioucmd: addr is the first byte, from the start of @span, addr3 the number of bytes
 * @issue_flags: from io_uring
 *
 * What fits into one command is done without sleeping. For more, or when
 * resources are short, io_uring has to issue the command from a worker.
 *
 * Context: may sleep, unless @issue_flags forbid it.
 * Return: -EIOCBQUEUED, 0, -EAGAIN only if it must not sleep, or -errno; -EOPNOTSUPP
 * in a ring that polls, as block devices say: no polled queue is used.
 */
int nvdio_discard_uring(struct nvdio_ns *ns, const struct nvdio_span *span,
			struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	const struct io_uring_sqe *sqe = ioucmd->sqe;
	const u64 from = READ_ONCE(sqe->addr);
	const u64 len = READ_ONCE(sqe->addr3);
	u64 start = from;
	int ret;

	if (sqe->ioprio || sqe->__pad1 || sqe->len || sqe->rw_flags ||
	    sqe->file_index)
		return -EINVAL;
	if (issue_flags & IO_URING_F_IOPOLL)
		return -EOPNOTSUPP;
	ret = discard_check(ns, span, &start, len);
	if (ret)
		return ret;
	if (!ns->ctrl->max_discard)
		return -EOPNOTSUPP;
	ret = -EAGAIN;
	if (nvdio_ns_lba(ns, len) <= ns->ctrl->max_discard)
		ret = discard_async(ns, ioucmd, nvdio_ns_lba(ns, start),
				    nvdio_ns_lba(ns, len));
	if (ret == -EAGAIN && !(issue_flags & IO_URING_F_NONBLOCK))
		ret = nvdio_discard(ns, span, from, len);
	return ret;
}
