// SPDX-License-Identifier: GPL-2.0
/* Admin commands (NVMe Base 2.0, 5). */
#include <string.h>

#include "vfu.h"

#define FID_POWER	0x02
#define FID_QUEUES	0x07
#define FID_EVENTS	0x0b
#define FID_APST	0x0c
#define FID_HMB		0x0d

#define APST_BYTES	256

static uint32_t features[256];
static uint64_t apst[APST_BYTES / 8];

void admin_reset(void)
{
	features[FID_POWER] = 0;
	features[FID_APST] = 0;
	features[FID_HMB] = 0;
	memset(apst, 0, sizeof(apst));
	hmb_reset();
}

uint32_t admin_feature(uint8_t fid)
{
	return features[fid];
}

void admin_show_apst(FILE *out)
{
	unsigned int i;

	fprintf(out, "on=%u", features[FID_APST]);
	for (i = 0; i < ARRAY_SIZE(apst); i++)
		if (apst[i])
			fprintf(out, " %u:%lu@%lu", i, apst[i] >> 3 & 31, apst[i] >> 8 & 0xffffff);
	fprintf(out, "\n");
}

static uint16_t create_cq(struct cmd *cmd)
{
	unsigned int qid = cmd->sqe.cdw10 & 0xffff, size = (cmd->sqe.cdw10 >> 16) + 1;
	struct queue *cq = &nvme.cq[qid];

	if (!qid || qid > nvme.nr_queues || cq->exists)
		return SC_INVALID_QID | SC_DNR;
	if (size < 2 || size > (nvme.regs.cap & 0xffff) + 1)
		return SC_INVALID_QSIZE | SC_DNR;
	if (!(cmd->sqe.cdw11 & 1) || cmd->sqe.prp1 % 4096)
		return SC_INVALID_FIELD | SC_DNR;
	*cq = (struct queue){
		.exists = true, .addr = cmd->sqe.prp1, .size = size, .phase = true,
		.ien = cmd->sqe.cdw11 >> 1 & 1, .vector = cmd->sqe.cdw11 >> 16,
	};
	return 0;
}

static uint16_t create_sq(struct cmd *cmd)
{
	unsigned int qid = cmd->sqe.cdw10 & 0xffff, size = (cmd->sqe.cdw10 >> 16) + 1;
	unsigned int cqid = cmd->sqe.cdw11 >> 16;

	if (!qid || qid > nvme.nr_queues || nvme.sq[qid].exists)
		return SC_INVALID_QID | SC_DNR;
	if (!cqid || cqid > nvme.nr_queues || !nvme.cq[cqid].exists)
		return 0x100 | SC_DNR;
	if (size < 2 || size > (nvme.regs.cap & 0xffff) + 1)
		return SC_INVALID_QSIZE | SC_DNR;
	if (!(cmd->sqe.cdw11 & 1) || cmd->sqe.prp1 % 4096)
		return SC_INVALID_FIELD | SC_DNR;
	nvme.sq[qid] = (struct queue){
		.exists = true, .addr = cmd->sqe.prp1, .size = size, .cqid = cqid,
	};
	return 0;
}

static uint16_t delete_queue(struct cmd *cmd, struct queue *queues)
{
	unsigned int qid = cmd->sqe.cdw10 & 0xffff;

	if (!qid || qid > MAX_QID || !queues[qid].exists)
		return SC_INVALID_QID | SC_DNR;
	queues[qid].exists = false;
	return 0;
}

static uint16_t set_features(struct cmd *cmd)
{
	uint8_t fid = cmd->sqe.cdw10;
	uint16_t status = 0;

	if (fid == FID_POWER && (cmd->sqe.cdw11 & 31) > ident.npss)
		status = SC_INVALID_FIELD | SC_DNR;
	if (fid == FID_APST)
		status = ident.apsta ? dptr_transfer(cmd, apst, sizeof(apst), false) :
				       SC_INVALID_FIELD | SC_DNR;
	if (fid == FID_HMB)
		status = hmb_set(cmd);
	if (status)
		return status;
	if (fid == FID_QUEUES) {
		nvme.nr_queues = ident.queues;
		cmd->dw0 = (ident.queues - 1) * 0x10001;
	}
	if (fid == FID_EVENTS)
		nvme.event_config = cmd->sqe.cdw11;
	features[fid] = cmd->sqe.cdw11;
	return 0;
}

static uint16_t get_features(struct cmd *cmd)
{
	uint8_t fid = cmd->sqe.cdw10;

	cmd->dw0 = fid == FID_QUEUES ? (ident.queues - 1) * 0x10001 : features[fid];
	return 0;
}

static uint16_t format(struct cmd *cmd)
{
	static const uint8_t lbads[] = { 9, 12 };
	unsigned int lbaf = cmd->sqe.cdw10 & 0xf;
	struct ns *ns = ns_find(cmd->sqe.nsid);

	if (!ns)
		return SC_INVALID_NS | SC_DNR;
	if (lbaf >= sizeof(lbads))
		return SC_INVALID_FORMAT | SC_DNR;
	ns->lbads = lbads[lbaf];
	ns->ms = 0;
	ns->dps = 0;
	memset(ns->data, 0, ns->bytes);
	return 0;
}

static uint16_t doorbell_buffers(struct cmd *cmd)
{
	if (!(ident.oacs >> 8 & 1))
		return SC_INVALID_OPCODE | SC_DNR;
	nvme.db_shadow = cmd->sqe.prp1;
	nvme.db_event = cmd->sqe.prp2;
	nvme.dbbuf = true;
	return 0;
}

static uint16_t abort_command(struct cmd *cmd)
{
	struct cmd **p;

	/* What is held can be aborted. */
	cmd->dw0 = 1;
	for (p = &nvme.held; *p; p = &(*p)->next) {
		struct cmd *held = *p;

		if (held->sqid == (cmd->sqe.cdw10 & 0xffff) &&
		    held->sqe.cid == cmd->sqe.cdw10 >> 16) {
			*p = held->next;
			held->status = SC_ABORTED;
			nvme_complete(held);
			cmd->dw0 = 0;
			break;
		}
	}
	return 0;
}

uint64_t admin_length(const struct cmd *cmd, bool *to_host)
{
	*to_host = true;
	if (cmd->sqe.opcode == 0x09 && (cmd->sqe.cdw10 & 0xff) == FID_APST) {
		*to_host = false;
		return APST_BYTES;
	}
	if (cmd->sqe.opcode == 0x06)
		return 4096;
	if (cmd->sqe.opcode == 0x02)
		return ((uint64_t)(cmd->sqe.cdw10 >> 16) + 1) * 4;
	return 0;
}

void admin_execute(struct cmd *cmd)
{
	switch (cmd->sqe.opcode) {
	case 0x00:
		cmd->status = delete_queue(cmd, nvme.sq);
		break;
	case 0x01:
		cmd->status = create_sq(cmd);
		break;
	case 0x02:
		cmd->status = get_log(cmd);
		break;
	case 0x04:
		cmd->status = delete_queue(cmd, nvme.cq);
		break;
	case 0x05:
		cmd->status = create_cq(cmd);
		break;
	case 0x06:
		cmd->status = identify(cmd);
		break;
	case 0x08:
		cmd->status = abort_command(cmd);
		break;
	case 0x09:
		cmd->status = set_features(cmd);
		break;
	case 0x0a:
		cmd->status = get_features(cmd);
		break;
	case 0x0c:
		cmd->status = nvme.nr_aers > ident.aerl ? SC_AER_LIMIT | SC_DNR : 0;
		break;
	case 0x7c:
		cmd->status = doorbell_buffers(cmd);
		break;
	case 0x80:
		cmd->status = format(cmd);
		break;
	default:
		cmd->status = SC_INVALID_OPCODE | SC_DNR;
	}
}
