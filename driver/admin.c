// SPDX-License-Identifier: GPL-2.0
/* Commands on the admin queue (NVMe Base 2.0, 5). */
#include <linux/completion.h>
#include <linux/dma-mapping.h>
#include <linux/slab.h>

#include "admin.h"
#include "ctrl.h"
#include "filter.h"

struct nvdio_admin_wait {
	struct completion done;
	u16 status;
	u64 result;
};

static bool nvdio_admin_end(struct nvdio_request *req, u16 status,
			    struct nvdio_done *done)
{
	struct nvdio_admin_wait *wait = req->owner;

	wait->status = status;
	wait->result = req->result;
	complete(&wait->done);
	return false;
}

/**
 * nvdio_admin_cmd() - send an admin command and wait for it
 * @ctrl: controller whose admin queue is live
 * @cmd: command; command_id is set here
 * @result: Dword 0 and 1 of the CQE, if not NULL
 *
 * A command that does not end in admin_timeout costs the controller its life:
 * what it would still write to would be ours no more.
 *
 * Context: may sleep.
 * Return: 0; -errno; or the controller's status, which is above 0.
 */
int nvdio_admin_cmd(struct nvdio_ctrl *ctrl, const struct nvme_command *cmd,
		    u64 *result)
{
	struct nvdio_queue *q = ctrl->admin;
	struct nvdio_admin_wait wait = {};
	struct nvdio_request *req;

	init_completion(&wait.done);
	req = nvdio_req_get(q, NULL, 0, 0, false);
	if (IS_ERR(req))
		return PTR_ERR(req);
	req->owner = &wait;
	req->end = nvdio_admin_end;
	req->len = 0;
	req->flags = 0;
	req->ns = NULL;
	*nvdio_queue_slot(q) = *cmd;
	nvdio_queue_send(q, req);
	/* This task waits: a plug must not keep the doorbell. */
	if (q->sq_tail != q->sq_rung)
		nvdio_queue_ring(q);
	spin_unlock(&q->sq_lock);

	if (!wait_for_completion_timeout(&wait.done, q->timeout)) {
		/* The interrupt may be what was lost. */
		nvdio_queue_poll(q);
		if (!completion_done(&wait.done)) {
			dev_err(&ctrl->dev, "admin command %#x timed out\n",
				cmd->common.opcode);
			nvdio_ctrl_lost(ctrl);
		}
		wait_for_completion(&wait.done);
	}
	if (wait.status >= NVDIO_SC_GONE)
		return nvdio_status_to_errno(wait.status);
	if (result)
		*result = wait.result;
	return wait.status;
}

/**
 * nvdio_admin_identify() - Identify (NVMe Base 2.0, 5.17)
 * @ctrl: controller
 * @nsid: namespace, where @cns is about one
 * @cns: what to identify
 * @data: gets NVME_IDENTIFY_DATA_SIZE bytes
 *
 * Return: 0, -errno, or the controller's status.
 */
int nvdio_admin_identify(struct nvdio_ctrl *ctrl, u32 nsid, u8 cns, void *data)
{
	struct device *dev = ctrl->dev.parent;
	struct nvme_command cmd = {};
	dma_addr_t dma;
	void *buf;
	int ret;

	buf = dma_alloc_coherent(dev, NVME_IDENTIFY_DATA_SIZE, &dma,
				 GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	cmd.identify.opcode = nvme_admin_identify;
	cmd.identify.nsid = cpu_to_le32(nsid);
	cmd.identify.cns = cns;
	cmd.identify.csi = NVME_CSI_NVM;
	cmd.identify.dptr.prp1 = cpu_to_le64(dma);
	ret = nvdio_admin_cmd(ctrl, &cmd, NULL);
	if (!ret)
		memcpy(data, buf, NVME_IDENTIFY_DATA_SIZE);
	dma_free_coherent(dev, NVME_IDENTIFY_DATA_SIZE, buf, dma);
	return ret;
}

/* Copy an ASCII field without the spaces that fill it up, or odd characters. */
static void copy_string(char *to, const char *from, size_t len)
{
	size_t i;

	while (len && (from[len - 1] == ' ' || !from[len - 1]))
		len--;
	for (i = 0; i < len; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
	to[len] = '\0';
}

/*
 * How much one Dataset Management or Write Zeroes command may cover: CNS 06h,
 * since NVMe 2.0. Where it says nothing, MDTS is taken for Write Zeroes too:
 * older controllers mean it so.
 */
static void nvdio_admin_limits(struct nvdio_ctrl *ctrl)
{
	u32 page_shift = 12 + NVME_CAP_MPSMIN(ctrl->cap);
	struct nvme_id_ctrl_nvm *id;

	ctrl->max_discard = 0;
	ctrl->max_zeroes = 0;
	if (ctrl->oncs & NVME_CTRL_ONCS_DSM)
		ctrl->max_discard = U32_MAX;
	if (ctrl->oncs & NVME_CTRL_ONCS_WRITE_ZEROES)
		ctrl->max_zeroes = ctrl->max_bytes;
	if (ctrl->vs < NVME_VS(2, 0, 0))
		return;

	id = kmalloc(sizeof(*id), GFP_KERNEL);
	if (!id)
		return;
	if (!nvdio_admin_identify(ctrl, 0, NVME_ID_CNS_CS_CTRL, id)) {
		u32 dmrsl = le32_to_cpu(id->dmrsl);
		u64 dmsl = le64_to_cpu(id->dmsl);

		if (dmrsl)
			ctrl->max_discard = min(ctrl->max_discard, dmrsl);
		if (dmsl)
			ctrl->max_discard = min_t(u64, ctrl->max_discard, dmsl);
		if (ctrl->max_zeroes && id->wzsl && id->wzsl < 32)
			ctrl->max_zeroes = 1ULL << (id->wzsl + page_shift);
	}
	kfree(id);
}

/**
 * nvdio_admin_get_log() - Get Log Page (NVMe Base 2.0, 5.16)
 * @ctrl: controller
 * @lid: log page of the controller as a whole
 * @data: gets the log
 * @len: bytes, a multiple of 4, at most 4096
 *
 * The event that a page belongs to is cleared.
 *
 * Return: 0, -errno, or the controller's status.
 */
int nvdio_admin_get_log(struct nvdio_ctrl *ctrl, u8 lid, void *data, u32 len)
{
	struct device *dev = ctrl->dev.parent;
	struct nvme_command cmd = {};
	dma_addr_t dma;
	void *buf;
	int ret;

	buf = dma_alloc_coherent(dev, NVDIO_MPS, &dma, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	cmd.get_log_page.opcode = nvme_admin_get_log_page;
	cmd.get_log_page.nsid = cpu_to_le32(NVME_NSID_ALL);
	cmd.get_log_page.lid = lid;
	cmd.get_log_page.numdl = cpu_to_le16(len / 4 - 1);
	cmd.get_log_page.csi = NVME_CSI_NVM;
	cmd.get_log_page.dptr.prp1 = cpu_to_le64(dma);
	ret = nvdio_admin_cmd(ctrl, &cmd, NULL);
	if (!ret)
		memcpy(data, buf, len);
	dma_free_coherent(dev, NVDIO_MPS, buf, dma);
	return ret;
}

/*
 * What each command does, for the passthrough filter. Without that log nothing
 * is known, and only root may send commands.
 */
static void nvdio_admin_effects(struct nvdio_ctrl *ctrl)
{
	struct nvme_effects_log *log;

	BUILD_BUG_ON(sizeof(*log) != NVDIO_MPS);
	log = kmalloc(sizeof(*log), GFP_KERNEL);
	if (!log)
		return;
	if (nvdio_admin_get_log(ctrl, NVME_LOG_CMD_EFFECTS, log,
				sizeof(*log))) {
		kfree(log);
		return;
	}
	ctrl->effects = log;
	ctrl->plain_read = nvdio_filter_plain(log->iocs, nvme_cmd_read);
	ctrl->plain_write = nvdio_filter_plain(log->iocs, nvme_cmd_write);
}

/**
 * nvdio_admin_identify_ctrl() - learn what the controller can do
 * @ctrl: gets the fields of its section "Identify Controller"
 *
 * Return: 0 or -errno.
 */
int nvdio_admin_identify_ctrl(struct nvdio_ctrl *ctrl)
{
	struct nvme_id_ctrl *id;
	u32 page_shift = 12 + NVME_CAP_MPSMIN(ctrl->cap);
	int ret;

	id = kmalloc(sizeof(*id), GFP_KERNEL);
	if (!id)
		return -ENOMEM;
	ret = nvdio_admin_identify(ctrl, 0, NVME_ID_CNS_CTRL, id);
	if (ret)
		goto free;

	copy_string(ctrl->serial, id->sn, sizeof(id->sn));
	copy_string(ctrl->model, id->mn, sizeof(id->mn));
	copy_string(ctrl->firmware, id->fr, sizeof(id->fr));
	ctrl->nn = le32_to_cpu(id->nn);
	ctrl->oacs = le16_to_cpu(id->oacs);
	ctrl->oncs = le16_to_cpu(id->oncs);
	ctrl->cntlid = le16_to_cpu(id->cntlid);
	ctrl->vwc = id->vwc;
	ctrl->oaes = le32_to_cpu(id->oaes);
	ctrl->max_bytes = NVDIO_MAX_CMD_BYTES;
	if (id->mdts && id->mdts + page_shift < 31)
		ctrl->max_bytes = min(ctrl->max_bytes,
				      1U << (id->mdts + page_shift));
	/*
	 * SGLS bits 1:0: 1 is any alignment, 2 is dwords, which is what the
	 * paths above ask of memory anyway.
	 */
	ctrl->sgls = nvdio_sgl_threshold && (le32_to_cpu(id->sgls) & 3);
	nvdio_admin_limits(ctrl);
	if (id->lpa & NVME_CTRL_LPA_CMD_EFFECTS_LOG)
		nvdio_admin_effects(ctrl);
free:
	kfree(id);
	return ret > 0 ? -EIO : ret;
}

/**
 * nvdio_admin_queue_count() - ask for I/O queues (Set Features 07h)
 * @ctrl: controller
 * @count: queue pairs wanted, at least 1; set to what there will be
 *
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
 * @ctrl: controller
 * @q: empty queue
 *
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
	cmd.create_sq.sq_flags = cpu_to_le16(NVME_QUEUE_PHYS_CONTIG);
	cmd.create_sq.cqid = cpu_to_le16(q->qid);
	ret = nvdio_admin_cmd(ctrl, &cmd, NULL);
	return ret > 0 ? -EIO : ret;
}

/**
 * nvdio_admin_shadow() - turn on shadow doorbells (NVMe Base 2.0, 5.8)
 * @ctrl: controller whose I/O queues are created and frozen
 *
 * To be repeated after each reset. Without them the registers are used, so
 * that a failure is no error.
 */
void nvdio_admin_shadow(struct nvdio_ctrl *ctrl)
{
	struct device *dev = ctrl->dev.parent;
	struct nvme_command cmd = {};
	unsigned int i;

	ctrl->shadow_on = false;
	if (!nvdio_shadow_doorbells || !(ctrl->oacs & NVME_CTRL_OACS_DBBUF_SUPP))
		return;
	/*
	 * INTx stays asserted until the controller learns of the CQ's new
	 * head, and it may look at a shadow doorbell late.
	 */
	if (!ctrl->pdev->msix_enabled && !ctrl->pdev->msi_enabled)
		return;
	if (!ctrl->shadow)
		ctrl->shadow = dma_alloc_coherent(dev, NVDIO_MPS,
						  &ctrl->shadow_dma,
						  GFP_KERNEL);
	if (!ctrl->event)
		ctrl->event = dma_alloc_coherent(dev, NVDIO_MPS,
						 &ctrl->event_dma, GFP_KERNEL);
	if (!ctrl->shadow || !ctrl->event)
		return;
	memset(ctrl->shadow, 0, NVDIO_MPS);
	memset(ctrl->event, 0, NVDIO_MPS);
	cmd.dbbuf.opcode = nvme_admin_dbbuf;
	cmd.dbbuf.prp1 = cpu_to_le64(ctrl->shadow_dma);
	cmd.dbbuf.prp2 = cpu_to_le64(ctrl->event_dma);
	if (nvdio_admin_cmd(ctrl, &cmd, NULL)) {
		dev_warn(&ctrl->dev, "no shadow doorbells: command failed\n");
		return;
	}
	ctrl->shadow_on = true;
	for (i = 0; i < ctrl->nr_io; i++) {
		struct nvdio_queue *q = ctrl->io[i];
		u32 sq = 2 * q->qid * ctrl->db_stride;
		u32 cq = sq + ctrl->db_stride;

		/* One page each: queues beyond it keep their registers. */
		if (cq + sizeof(__le32) > NVDIO_MPS)
			break;
		q->sq_shadow = (void *)ctrl->shadow + sq;
		q->sq_event = (void *)ctrl->event + sq;
		q->cq_shadow = (void *)ctrl->shadow + cq;
		q->cq_event = (void *)ctrl->event + cq;
	}
}
