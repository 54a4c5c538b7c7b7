// SPDX-License-Identifier: GPL-2.0
/* What the controller says of itself (NVMe Base 2.0, 5.17). */
#include <linux/slab.h>

#include "pure/dptr.h"
#include "pure/filter.h"
#include "core/ctrl.h"
#include "core/params.h"
#include "core/quirks.h"
#include "ctrl/admin.h"
#include "ctrl/identify.h"
#include "ctrl/quirks.h"
#include "ctrl/state.h"

/*
 * Copy an ASCII field, dropping trailing spaces and replacing unprintable
 * characters.
 */
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
 * Limits of Dataset Management and Write Zeroes commands: CNS 06h, since NVMe
 * 2.0. Where Write Zeroes has no limit there, MDTS applies: older controllers
 * behave that way.
 */
static void identify_limits(struct nvdio_ctrl *ctrl, u16 oncs)
{
	u32 page_shift = 12 + NVME_CAP_MPSMIN(ctrl->cap);
	u32 max_discard = oncs & NVME_CTRL_ONCS_DSM ? U32_MAX : 0;
	u64 max_zeroes = oncs & NVME_CTRL_ONCS_WRITE_ZEROES ? ctrl->max_bytes :
							      0;
	struct nvme_id_ctrl_nvm *id;

	if (ctrl->quirks & NVDIO_QUIRK_DISABLE_WRITE_ZEROES)
		max_zeroes = 0;
	id = ctrl->vs < NVME_VS(2, 0, 0) ||
	     ctrl->quirks & NVDIO_QUIRK_IDENTIFY_CNS ?
	     NULL : kmalloc(sizeof(*id), GFP_KERNEL);
	if (id && !nvdio_admin_identify(ctrl, 0, NVME_ID_CNS_CS_CTRL, id)) {
		u32 dmrsl = le32_to_cpu(id->dmrsl);
		u64 dmsl = le64_to_cpu(id->dmsl);

		if (dmrsl)
			max_discard = min(max_discard, dmrsl);
		if (dmsl)
			max_discard = min_t(u64, max_discard, dmsl);
		if (max_zeroes && id->wzsl && id->wzsl < 32)
			max_zeroes = 1ULL << (id->wzsl + page_shift);
	}
	kfree(id);
	/* After a reset, callers may be reading them concurrently. */
	WRITE_ONCE(ctrl->max_discard, max_discard);
	WRITE_ONCE(ctrl->max_zeroes, max_zeroes);
}

/*
 * Read the effects log for the passthrough filter. Without the log, nothing is
 * known about commands, and they require CAP_SYS_ADMIN. The filter may be
 * reading it concurrently, so once allocated, it stays in place.
 */
static void identify_effects(struct nvdio_ctrl *ctrl, bool supported)
{
	struct nvme_effects_log *log = ctrl->effects;

	BUILD_BUG_ON(sizeof(*log) != NVDIO_MPS);
	if (!log && !supported)
		return;
	if (!log)
		log = kmalloc(sizeof(*log), GFP_KERNEL);
	if (!log)
		return;
	if (!supported || nvdio_admin_get_log(ctrl, NVME_LOG_CMD_EFFECTS, log,
					      sizeof(*log)))
		/* Treat all commands as unsupported. */
		memset(log, 0, sizeof(*log));
	WRITE_ONCE(ctrl->unpriv_read,
		   nvdio_filter_plain(log->iocs, nvme_cmd_read));
	WRITE_ONCE(ctrl->unpriv_write,
		   nvdio_filter_plain(log->iocs, nvme_cmd_write));
	/* Publishes the contents of the log. */
	smp_store_release(&ctrl->effects, log);
}

/* A controller with another serial number or model is a different one. */
static int identify_same(struct nvdio_ctrl *ctrl,
			 const struct nvme_id_ctrl *id)
{
	char serial[sizeof(ctrl->serial)], model[sizeof(ctrl->model)];

	copy_string(serial, id->sn, sizeof(id->sn));
	copy_string(model, id->mn, sizeof(id->mn));
	if (!ctrl->identified) {
		strscpy(ctrl->serial, serial);
		strscpy(ctrl->model, model);
		return 0;
	}
	if (!strcmp(serial, ctrl->serial) && !strcmp(model, ctrl->model))
		return 0;
	dev_err(&ctrl->dev,
		"another controller: model '%s' serial '%s', was '%s' '%s'\n",
		model, serial, ctrl->model, ctrl->serial);
	return -ENODEV;
}

/* RTD3E is in microseconds; it is 0 before NVMe 1.2. */
static u32 identify_shutdown_timeout(const struct nvme_id_ctrl *id)
{
	return usecs_to_jiffies(clamp_t(u64, le32_to_cpu(id->rtd3e),
					NVDIO_SHUTDOWN_MIN * USEC_PER_SEC,
					NVDIO_SHUTDOWN_MAX * USEC_PER_SEC));
}

/* Fields that were reserved at first count from the version that has them. */
static void identify_parse(struct nvdio_ctrl *ctrl, const struct nvme_id_ctrl *id)
{
	u32 page_shift = 12 + NVME_CAP_MPSMIN(ctrl->cap);
	u32 max_bytes = NVDIO_MAX_CMD_BYTES;
	u32 sgls = 0;

	copy_string(ctrl->firmware, id->fr, sizeof(id->fr));
	nvdio_quirks_identified(ctrl, le16_to_cpu(id->vid));
	ctrl->nn = le32_to_cpu(id->nn);
	ctrl->oacs = le16_to_cpu(id->oacs);
	ctrl->oncs = le16_to_cpu(id->oncs);
	ctrl->cntlid = le16_to_cpu(id->cntlid);
	WRITE_ONCE(ctrl->vwc, id->vwc);
	ctrl->shutdown_timeout = identify_shutdown_timeout(id);
	ctrl->crdt[0] = le16_to_cpu(id->crdt1);
	ctrl->crdt[1] = le16_to_cpu(id->crdt2);
	ctrl->crdt[2] = le16_to_cpu(id->crdt3);
	if (id->mdts && id->mdts + page_shift < 31)
		max_bytes = min(max_bytes, 1U << (id->mdts + page_shift));
	WRITE_ONCE(ctrl->max_bytes, max_bytes);
	if (ctrl->vs >= NVME_VS(1, 1, 0))
		sgls = le32_to_cpu(id->sgls);
	/*
	 * SGLS bits 1:0: 1 is byte alignment, 2 is dword alignment, which this
	 * driver requires of memory anyway.
	 */
	WRITE_ONCE(ctrl->sgls, nvdio_sgl_threshold && (sgls & 3));
	ctrl->had_sgls |= ctrl->sgls;
	if (ctrl->vs >= NVME_VS(1, 2, 0)) {
		ctrl->oaes = le32_to_cpu(id->oaes);
		WRITE_ONCE(ctrl->wctemp, le16_to_cpu(id->wctemp));
		WRITE_ONCE(ctrl->cctemp, le16_to_cpu(id->cctemp));
	}
}

/**
 * nvdio_identify_ctrl() - read the capabilities of the controller
 * @ctrl: controller, its lock held; the members from @identified to
 *	@unpriv_write are set
 *
 * Repeated after each reset, which may have activated other firmware.
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_identify_ctrl(struct nvdio_ctrl *ctrl)
{
	struct nvme_id_ctrl *id;
	bool has_effects;
	int ret;

	id = kmalloc(sizeof(*id), GFP_KERNEL);
	if (!id)
		return -ENOMEM;
	ret = nvdio_admin_identify(ctrl, 0, NVME_ID_CNS_CTRL, id);
	if (ret)
		goto free;
	ret = identify_same(ctrl, id);
	if (ret)
		goto free;

	identify_parse(ctrl, id);
	identify_limits(ctrl, ctrl->oncs);
	has_effects = ctrl->vs >= NVME_VS(1, 2, 0) &&
		      id->lpa & NVME_CTRL_LPA_CMD_EFFECTS_LOG;
	identify_effects(ctrl, has_effects);
	ctrl->identified = true;
	swap(ctrl->id, id);
free:
	kfree(id);
	return ret > 0 ? -EIO : ret;
}

/**
 * nvdio_identify_retry_delays() - ask for delays in statuses (Set Features 16h)
 * @ctrl: identified controller, its lock held
 *
 * With Advanced Command Retry Enable the controller may say with CRD when to
 * send a command again. A controller without Command Retry Delay Times has
 * nothing to say. A failure is not an error.
 *
 * Context: may sleep.
 */
void nvdio_identify_retry_delays(struct nvdio_ctrl *ctrl)
{
	struct nvme_feat_host_behavior host = { .acre = NVME_ENABLE_ACRE };
	int ret;

	if (!ctrl->crdt[0])
		return;
	ret = nvdio_admin_set_features(ctrl, NVME_FEAT_HOST_BEHAVIOR, 0, &host,
				       sizeof(host));
	if (ret)
		dev_warn(&ctrl->dev,
			 "command retry delays not enabled (status %#x)\n",
			 ret);
}

/**
 * nvdio_identify_firmware() - read Firmware Revision again
 * @ctrl: controller, its lock held; @firmware is set
 *
 * For a firmware that was activated without a reset: it may not change what
 * else Identify Controller says (NVMe Base 2.0, 3.11).
 *
 * Context: may sleep.
 * Return: 0, -errno, or the controller's status.
 */
int nvdio_identify_firmware(struct nvdio_ctrl *ctrl)
{
	struct nvme_id_ctrl *id = kmalloc(sizeof(*id), GFP_KERNEL);
	int ret;

	if (!id)
		return -ENOMEM;
	ret = nvdio_admin_identify(ctrl, 0, NVME_ID_CNS_CTRL, id);
	if (!ret)
		copy_string(ctrl->firmware, id->fr, sizeof(id->fr));
	kfree(id);
	return ret;
}
