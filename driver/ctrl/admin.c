// SPDX-License-Identifier: GPL-2.0
/* The driver's own admin commands (NVMe Base 2.0, 5). */
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "pure/ctrl_state.h"
#include "pure/dptr.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/params.h"
#include "core/quirks.h"
#include "core/request.h"
#include "hw/queue.h"
#include "hw/regs.h"
#include "io/admit.h"
#include "io/complete.h"
#include "ctrl/admin.h"
#include "ctrl/state.h"

/*
 * Grace period for an admin command whose waiter holds the controller's lock
 * when another task wants it urgently.
 */
#define NVDIO_ADMIN_GRACE	(2 * HZ)

struct admin_wait {
	struct nvdio_ctrl *ctrl;
	bool done;
	u16 status;
	u64 result;
};

static enum nvdio_end admin_end(struct nvdio_request *req, u16 status,
				struct nvdio_completion *done)
{
	struct admin_wait *wait = req->owner;
	struct nvdio_ctrl *ctrl = wait->ctrl;

	wait->status = status;
	wait->result = done->result;
	WRITE_ONCE(req->state, NVDIO_REQ_RESERVED);
	/*
	 * Publishes the result; @wait is gone as soon as the waiter sees this.
	 */
	smp_store_release(&wait->done, true);
	wake_up(&ctrl->state_wait);
	return NVDIO_END_LATER;
}

static bool admin_done(struct admin_wait *wait)
{
	/* Pairs with admin_end(). */
	return smp_load_acquire(&wait->done);
}

/**
 * nvdio_admin_busy() - is the controller busy with a passthrough command?
 * @q: admin queue
 *
 * It may process admin commands one after the other, and a Format can take
 * hours.
 *
 * Context: task; takes sq_lock.
 * Return: true if such a command is in flight, and is not overdue.
 */
bool nvdio_admin_busy(struct nvdio_queue *q)
{
	return nvdio_queue_in_use(q) &&
	       nvdio_queue_expired(q, NULL) == NVDIO_TIMEOUT_NONE;
}

/*
 * Wait for a command in flight. If it does not complete, or a task wants the
 * lock in order to stop the controller, the controller is stopped here, which
 * also ends the command.
 */
static void admin_wait(struct nvdio_ctrl *ctrl,
		       struct admin_wait *wait, u8 opcode)
{
	struct nvdio_queue *q = ctrl->admin;
	unsigned long end = jiffies + q->timeout, grace = 0;
	bool hurry = false, failed, late;
	u32 csts;

	for (;;) {
		wait_event_timeout(ctrl->state_wait, admin_done(wait) ||
				   (!hurry && nvdio_ctrl_wanted(ctrl)), HZ);
		/* Only the interrupt may have been lost. */
		if (!admin_done(wait))
			nvdio_queue_poll_all(q);
		if (admin_done(wait))
			return;
		if (!hurry && nvdio_ctrl_wanted(ctrl)) {
			hurry = true;
			grace = jiffies + NVDIO_ADMIN_GRACE;
		}
		failed = nvdio_regs_failed(ctrl, &csts);
		late = time_after(jiffies, end) && !nvdio_admin_busy(q);
		if (failed || late || (hurry && time_after(jiffies, grace)))
			break;
	}
	dev_err(&ctrl->dev, "admin command %#x %s (CSTS %#x)\n", opcode,
		failed ? "failed with the controller" :
		late ? "timed out" : "given up", csts);
	nvdio_ctrl_lost(ctrl, !failed);
	wait_event(ctrl->state_wait, admin_done(wait));
}

/**
 * nvdio_admin_submit() - submit an admin command with a reserved request
 * @ctrl: controller
 * @which: a request that is not in use
 * @cmd: command; the command identifier is set in a copy
 * @owner: private data of @end
 * @end: called when the command has ended
 * @flags: NVDIO_REQ_*
 *
 * Context: task; takes sq_lock.
 * Return: false, with nothing submitted, if the admin queue is not live.
 */
bool nvdio_admin_submit(struct nvdio_ctrl *ctrl, enum nvdio_reserved which,
			const struct nvme_command *cmd, void *owner,
			nvdio_end_fn *end, unsigned int flags)
{
	struct nvdio_queue *q = ctrl->admin;
	bool live;

	spin_lock(&q->sq_lock);
	live = q->state == NVDIO_QUEUE_LIVE;
	if (live) {
		struct nvdio_request *req = nvdio_req_reserved(q, which);

		nvdio_req_fill(req, owner, end, NULL, 0, 0, flags);
		*nvdio_queue_sqe(q) = *cmd;
		nvdio_queue_submit(q, req);
		/* The doorbell must not be left to the plug of this task. */
		if (q->sq_tail != q->sq_db_written)
			nvdio_queue_ring(q);
	}
	spin_unlock(&q->sq_lock);
	return live;
}

/**
 * nvdio_admin_cmd() - submit an admin command and wait for its completion
 * @ctrl: controller whose admin queue is live, its lock held
 * @cmd: command; the command identifier is set in a copy
 * @result: set to CQE Dwords 0 and 1, may be NULL
 *
 * If the command does not complete within admin_timeout, the controller is
 * reset, or, if it is being reset or brought up, declared dead
 * (nvdio_ctrl_lost()). A task that needs the lock for a reset or for removal
 * does not wait that long.
 *
 * Context: may sleep.
 * Return: 0; -errno; or the controller's status, which is above 0.
 */
int nvdio_admin_cmd(struct nvdio_ctrl *ctrl, const struct nvme_command *cmd,
		    u64 *result)
{
	struct admin_wait wait = { .ctrl = ctrl };

	lockdep_assert_held(&ctrl->lock);
	if (!nvdio_admin_submit(ctrl, NVDIO_RESERVED_ADMIN, cmd, &wait,
				admin_end, 0))
		return nvdio_ctrl_gone(ctrl) ? -ENODEV : -EIO;

	admin_wait(ctrl, &wait, cmd->common.opcode);
	if (wait.status >= NVDIO_SC_GONE)
		return nvdio_status_to_errno(wait.status);
	if (result)
		*result = wait.result;
	return wait.status;
}

/*
 * Send a command with one page of data, of which @len bytes are those at @data:
 * copied there afterwards, or, if @write, taken from there.
 * Return: 0, -errno, or the controller's status.
 */
static int admin_data(struct nvdio_ctrl *ctrl, struct nvme_command *cmd,
		      void *data, u32 len, bool write)
{
	struct device *dev = ctrl->dev.parent;
	dma_addr_t dma;
	void *buf;
	int ret;

	buf = dma_alloc_coherent(dev, NVDIO_MPS, &dma, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	if (write)
		memcpy(buf, data, len);
	cmd->common.dptr.prp1 = cpu_to_le64(dma);
	ret = nvdio_admin_cmd(ctrl, cmd, NULL);
	if (!ret && !write)
		memcpy(data, buf, len);
	dma_free_coherent(dev, NVDIO_MPS, buf, dma);
	return ret;
}

/**
 * nvdio_admin_identify() - Identify (NVMe Base 2.0, 5.17)
 * @ctrl: controller, its lock held
 * @nsid: namespace, if @cns requires one
 * @cns: data structure to return
 * @data: buffer of NVME_IDENTIFY_DATA_SIZE bytes
 *
 * Context: may sleep.
 * Return: 0, -errno, or the controller's status.
 */
int nvdio_admin_identify(struct nvdio_ctrl *ctrl, u32 nsid, u8 cns, void *data)
{
	struct nvme_command cmd = {};

	BUILD_BUG_ON(NVME_IDENTIFY_DATA_SIZE != NVDIO_MPS);
	cmd.identify.opcode = nvme_admin_identify;
	cmd.identify.nsid = cpu_to_le32(nsid);
	cmd.identify.cns = cns;
	cmd.identify.csi = NVME_CSI_NVM;
	return admin_data(ctrl, &cmd, data, NVME_IDENTIFY_DATA_SIZE, false);
}

/**
 * nvdio_admin_set_features() - Set Features (NVMe Base 2.0, 5.27)
 * @ctrl: controller, its lock held
 * @fid: feature
 * @dword11: its value
 * @data: @len bytes, or NULL
 * @len: bytes, at most 4096
 *
 * Context: may sleep.
 * Return: 0, -errno, or the controller's status.
 */
int nvdio_admin_set_features(struct nvdio_ctrl *ctrl, u8 fid, u32 dword11,
			     void *data, u32 len)
{
	struct nvme_command cmd = {};

	cmd.features.opcode = nvme_admin_set_features;
	cmd.features.fid = cpu_to_le32(fid);
	cmd.features.dword11 = cpu_to_le32(dword11);
	return data ? admin_data(ctrl, &cmd, data, len, true) :
		      nvdio_admin_cmd(ctrl, &cmd, NULL);
}

/**
 * nvdio_admin_get_features() - Get Features (NVMe Base 2.0, 5.15)
 * @ctrl: controller, its lock held
 * @fid: feature without a data structure
 * @value: set to its current value
 *
 * Context: may sleep.
 * Return: 0, -errno, or the controller's status.
 */
int nvdio_admin_get_features(struct nvdio_ctrl *ctrl, u8 fid, u32 *value)
{
	struct nvme_command cmd = {};
	u64 result = 0;
	int ret;

	cmd.features.opcode = nvme_admin_get_features;
	cmd.features.fid = cpu_to_le32(fid);
	ret = nvdio_admin_cmd(ctrl, &cmd, &result);
	*value = lower_32_bits(result);
	return ret;
}

/**
 * nvdio_admin_lock() - take the lock for a command on behalf of a user
 * @ctrl: controller; on success the caller unlocks its @lock
 *
 * Nothing waits behind a Format, which may delay other admin commands for
 * hours: a waiter would keep the lock from all others.
 *
 * Context: may sleep.
 * Return: 0; -EINTR on a signal; -EBUSY while I/O is frozen, the controller is
 * suspended or was stopped; -ENODEV.
 */
int nvdio_admin_lock(struct nvdio_ctrl *ctrl)
{
	int ret = mutex_lock_interruptible(&ctrl->lock);

	if (ret)
		return ret;
	/* Readers that were here first must not delay a reset or unbinding. */
	if (ctrl->state == NVDIO_CTRL_LIVE && !ctrl->frozen &&
	    !nvdio_ctrl_wanted(ctrl))
		return 0;
	ret = nvdio_ctrl_gone(ctrl) ? -ENODEV : -EBUSY;
	mutex_unlock(&ctrl->lock);
	return ret;
}

/**
 * nvdio_admin_get_log() - Get Log Page (NVMe Base 2.0, 5.16)
 * @ctrl: controller, its lock held
 * @lid: log page with controller scope
 * @data: buffer of @len bytes
 * @len: bytes, a multiple of 4, at most 4096
 *
 * Reading a log page clears the asynchronous event that refers to it.
 *
 * Context: may sleep.
 * Return: 0, -errno, or the controller's status.
 */
int nvdio_admin_get_log(struct nvdio_ctrl *ctrl, u8 lid, void *data, u32 len)
{
	struct nvme_command cmd = {};

	cmd.get_log_page.opcode = nvme_admin_get_log_page;
	cmd.get_log_page.nsid = cpu_to_le32(NVME_NSID_ALL);
	cmd.get_log_page.lid = lid;
	cmd.get_log_page.numdl = cpu_to_le16(len / 4 - 1);
	cmd.get_log_page.csi = NVME_CSI_NVM;
	return admin_data(ctrl, &cmd, data, len, false);
}

/**
 * nvdio_admin_queue_count() - request I/O queues (Set Features 07h)
 * @ctrl: controller, its lock held
 * @count: number of queue pairs wanted, at least 1; set to the number available
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_admin_queue_count(struct nvdio_ctrl *ctrl, unsigned int *count)
{
	struct nvme_command cmd = {};
	u32 wanted = *count - 1;
	u64 result;
	int ret;

	cmd.features.opcode = nvme_admin_set_features;
	cmd.features.fid = cpu_to_le32(NVME_FEAT_NUM_QUEUES);
	cmd.features.dword11 = cpu_to_le32(wanted | wanted << 16);
	ret = nvdio_admin_cmd(ctrl, &cmd, &result);
	if (ret)
		return ret > 0 ? -EIO : ret;
	/* Both counts are 0's based. */
	*count = min3(*count, (u32)(result & 0xffff) + 1,
		      (u32)(result >> 16 & 0xffff) + 1);
	return 0;
}

/**
 * nvdio_admin_create_queue() - create a queue pair in the controller
 * @ctrl: controller, its lock held
 * @q: empty queue
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_admin_create_queue(struct nvdio_ctrl *ctrl, struct nvdio_queue *q)
{
	struct nvme_command cmd = {};
	u16 flags = NVME_QUEUE_PHYS_CONTIG;
	int ret;

	if (q->vector >= 0)
		flags |= NVME_CQ_IRQ_ENABLED;
	cmd.create_cq.opcode = nvme_admin_create_cq;
	cmd.create_cq.prp1 = cpu_to_le64(q->cq_dma);
	cmd.create_cq.cqid = cpu_to_le16(q->qid);
	cmd.create_cq.qsize = cpu_to_le16(q->depth - 1);
	cmd.create_cq.cq_flags = cpu_to_le16(flags);
	cmd.create_cq.irq_vector = cpu_to_le16(max_t(s16, q->vector, 0));
	ret = nvdio_admin_cmd(ctrl, &cmd, NULL);
	if (ret)
		return ret > 0 ? -EIO : ret;

	memset(&cmd, 0, sizeof(cmd));
	cmd.create_sq.opcode = nvme_admin_create_sq;
	cmd.create_sq.prp1 = cpu_to_le64(q->sq_dma);
	cmd.create_sq.sqid = cpu_to_le16(q->qid);
	cmd.create_sq.qsize = cpu_to_le16(q->depth - 1);
	flags = NVME_QUEUE_PHYS_CONTIG;
	if (ctrl->quirks & NVDIO_QUIRK_MEDIUM_PRIO_SQ)
		flags |= NVME_SQ_PRIO_MEDIUM;
	cmd.create_sq.sq_flags = cpu_to_le16(flags);
	cmd.create_sq.cqid = cpu_to_le16(q->qid);
	ret = nvdio_admin_cmd(ctrl, &cmd, NULL);
	return ret > 0 ? -EIO : ret;
}

/**
 * nvdio_admin_dbbuf() - enable shadow doorbells (NVMe Base 2.0, 5.8)
 * @ctrl: controller, its lock held; its I/O queues are created and frozen
 *
 * Repeated after each reset. A failure is not an error: doorbell registers are
 * used instead.
 *
 * Context: may sleep.
 */
void nvdio_admin_dbbuf(struct nvdio_ctrl *ctrl)
{
	struct device *dev = ctrl->dev.parent;
	struct nvme_command cmd = {};
	unsigned int i;
	int ret;

	ctrl->dbbuf_on = false;
	if (!nvdio_shadow_doorbells ||
	    !(ctrl->oacs & NVME_CTRL_OACS_DBBUF_SUPP))
		return;
	/*
	 * INTx stays asserted until the controller sees the new CQ head, and it
	 * may be slow to read a shadow doorbell.
	 */
	if (!ctrl->pdev->msix_enabled && !ctrl->pdev->msi_enabled)
		return;
	if (!ctrl->dbbuf_dbs)
		ctrl->dbbuf_dbs = dma_alloc_coherent(dev, NVDIO_MPS,
						     &ctrl->dbbuf_dbs_dma,
						     GFP_KERNEL);
	if (!ctrl->dbbuf_eis)
		ctrl->dbbuf_eis = dma_alloc_coherent(dev, NVDIO_MPS,
						     &ctrl->dbbuf_eis_dma,
						     GFP_KERNEL);
	if (!ctrl->dbbuf_dbs || !ctrl->dbbuf_eis)
		return;
	memset(ctrl->dbbuf_dbs, 0, NVDIO_MPS);
	memset(ctrl->dbbuf_eis, 0, NVDIO_MPS);
	cmd.dbbuf.opcode = nvme_admin_dbbuf;
	cmd.dbbuf.prp1 = cpu_to_le64(ctrl->dbbuf_dbs_dma);
	cmd.dbbuf.prp2 = cpu_to_le64(ctrl->dbbuf_eis_dma);
	ret = nvdio_admin_cmd(ctrl, &cmd, NULL);
	if (ret) {
		dev_warn(&ctrl->dev,
			 "shadow doorbells not enabled (status %#x)\n",
			 ret);
		return;
	}
	ctrl->dbbuf_on = true;
	for (i = 0; i < ctrl->nr_io; i++) {
		struct nvdio_queue *q = ctrl->io[i];
		u32 sq = 2 * q->qid * ctrl->db_stride;
		u32 cq = sq + ctrl->db_stride;

		/* One page each; queues that do not fit use their registers. */
		if (cq + sizeof(__le32) > NVDIO_MPS)
			break;
		spin_lock(&q->sq_lock);
		q->sq_dbbuf_db = (void *)ctrl->dbbuf_dbs + sq;
		q->sq_dbbuf_ei = (void *)ctrl->dbbuf_eis + sq;
		spin_lock_irq(&q->cq_lock);
		q->cq_dbbuf_db = (void *)ctrl->dbbuf_dbs + cq;
		q->cq_dbbuf_ei = (void *)ctrl->dbbuf_eis + cq;
		spin_unlock_irq(&q->cq_lock);
		spin_unlock(&q->sq_lock);
	}
}
