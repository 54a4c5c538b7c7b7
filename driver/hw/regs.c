// SPDX-License-Identifier: GPL-2.0
/* Controller registers: checking capabilities, enabling and disabling. */
#include <linux/delay.h>
#include <linux/io-64-nonatomic-lo-hi.h>

#include "pure/dptr.h"
#include "core/ctrl.h"
#include "core/quirks.h"
#include "hw/master.h"
#include "hw/queue.h"
#include "hw/regs.h"

/* See NVDIO_QUIRK_DELAY_BEFORE_CHK_RDY; what has proved to be enough for nvme. */
#define NVDIO_RDY_DELAY_MS	2300

/**
 * nvdio_regs_read_caps() - read and check CAP and VS
 * @ctrl: @cap, @vs and @db_stride are set
 *
 * After a reset, which may have activated other firmware, this also checks that
 * the existing queues still fit.
 *
 * Context: any.
 * Return: 0, or -ENODEV if the driver cannot use the controller; the log says
 * why.
 */
int nvdio_regs_read_caps(struct nvdio_ctrl *ctrl)
{
	struct device *dev = ctrl->dev.parent;
	u64 cap = lo_hi_readq(ctrl->bar + NVME_REG_CAP);
	u32 db_stride = 4U << NVME_CAP_STRIDE(cap);

	if (cap == ~0ULL)
		return -ENODEV;
	if (NVME_CAP_MPSMIN(cap) > NVDIO_MPS_SHIFT - 12 || !(cap >> 37 & 1)) {
		dev_err(dev, "4 KiB pages or NVM command set not supported (CAP %#llx)\n",
			cap);
		return -ENODEV;
	}
	/* The minimum queue size is 2 (NVMe Base 2.0, 3.1.3.1). */
	if (!NVME_CAP_MQES(cap)) {
		dev_err(dev,
			"CAP.MQES allows one entry per queue only (CAP %#llx)\n",
			cap);
		return -ENODEV;
	}
	if (ctrl->bar_size < NVME_REG_DBS + 4 * db_stride) {
		dev_err(dev, "BAR 0 is too small for doorbells (%zu bytes, CAP %#llx)\n",
			ctrl->bar_size, cap);
		return -ENODEV;
	}
	if (ctrl->db_stride && (db_stride != ctrl->db_stride ||
				NVME_CAP_MQES(cap) + 1 < ctrl->io_depth)) {
		dev_err(dev, "queue limits changed by reset (CAP %#llx, was %#llx)\n",
			cap, ctrl->cap);
		return -ENODEV;
	}
	ctrl->cap = cap;
	ctrl->vs = readl(ctrl->bar + NVME_REG_VS);
	ctrl->db_stride = db_stride;
	return 0;
}

/*
 * CSTS, or all ones without a look while the PCI core has the channel frozen or
 * given up: registers must not be accessed then.
 */
static u32 regs_csts(struct nvdio_ctrl *ctrl)
{
	if (pci_channel_offline(ctrl->pdev))
		return ~0U;
	return readl(ctrl->bar + NVME_REG_CSTS);
}

/**
 * nvdio_regs_failed() - has an enabled controller failed?
 * @ctrl: controller
 * @csts: set to CSTS
 *
 * Context: any; reads one register at most.
 * Return: true if it is gone, reports a fatal status, or was reset by someone
 * else.
 */
bool nvdio_regs_failed(struct nvdio_ctrl *ctrl, u32 *csts)
{
	*csts = regs_csts(ctrl);
	return *csts == ~0U || *csts & NVME_CSTS_CFS ||
	       !(*csts & NVME_CSTS_RDY);
}

/*
 * Wait for (CSTS & @mask) == @value.
 * Return: 0, -ENODEV if the device is gone, -EIO, or -ETIMEDOUT.
 */
static int regs_wait(struct nvdio_ctrl *ctrl, u32 mask, u32 value,
		     unsigned long timeout, u32 *csts)
{
	unsigned long end = jiffies + timeout;

	for (;;) {
		/* Sample the time first: a long sleep is not a timeout. */
		bool late = time_after(jiffies, end);

		*csts = regs_csts(ctrl);
		if (*csts == ~0U)
			return -ENODEV;
		if ((*csts & mask) == value)
			return 0;
		if (value && (*csts & NVME_CSTS_CFS))
			return -EIO;
		if (late)
			return -ETIMEDOUT;
		usleep_range(200, 1000);
	}
}

/* CAP.TO: worst case for CSTS.RDY to follow CC.EN. */
static unsigned long ready_timeout(struct nvdio_ctrl *ctrl)
{
	return (NVME_CAP_TIMEOUT(ctrl->cap) + 1) * HZ / 2;
}

/**
 * nvdio_regs_disable() - stop all DMA of the controller
 * @ctrl: controller, in any state
 * @shutdown: do a normal shutdown first, which flushes the volatile write
 *	cache; the controller may lose power afterwards
 *
 * On return the controller has CC.EN = 0 and CSTS.RDY = 0, or nothing of it
 * reaches memory for another reason (NVMe Base 2.0, 3.5.3, 3.6.1;
 * nvdio_master_off(); invariant 2).
 *
 * Context: may sleep.
 * Return: 0 if it is disabled; -errno if it is not, or does not respond.
 */
int nvdio_regs_disable(struct nvdio_ctrl *ctrl, bool shutdown)
{
	/*
	 * Read CC rather than cache it: someone else may have reset the
	 * controller.
	 */
	u32 csts = regs_csts(ctrl);
	u32 cc = csts == ~0U ? csts : readl(ctrl->bar + NVME_REG_CC);
	int ret = -ENODEV;

	if (cc == ~0U)
		goto clear_master;
	if (shutdown && cc & NVME_CC_ENABLE && csts & NVME_CSTS_RDY) {
		writel((cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL,
		       ctrl->bar + NVME_REG_CC);
		ret = regs_wait(ctrl, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_CMPLT,
				ctrl->shutdown_timeout, &csts);
		/* Leave it shut down: clearing CC.EN would be a reset. */
		if (!ret)
			goto clear_master;
		dev_warn(&ctrl->dev,
			 "shutdown did not complete: %d (CSTS %#x)\n",
			 ret, csts);
	}
	if (cc & NVME_CC_ENABLE) {
		writel(cc & ~(NVME_CC_SHN_MASK | NVME_CC_ENABLE),
		       ctrl->bar + NVME_REG_CC);
		if (ctrl->quirks & NVDIO_QUIRK_DELAY_BEFORE_CHK_RDY)
			msleep(NVDIO_RDY_DELAY_MS);
	}
	ret = regs_wait(ctrl, NVME_CSTS_RDY, 0, ready_timeout(ctrl), &csts);
	if (!ret && !shutdown)
		return 0;
	if (ret)
		dev_err(&ctrl->dev, "device not disabled: %d (CSTS %#x)\n", ret,
			csts);

clear_master:
	nvdio_master_off(ctrl);
	return ret;
}

/**
 * nvdio_regs_enable() - enable the controller and its admin queue
 * @ctrl: controller, in any state; nothing is in flight
 *
 * Bus mastering is enabled only after the controller was seen disabled, so that
 * leftover DMA cannot reach memory (NVMe Base 2.0, 3.5.1).
 *
 * Context: may sleep.
 * Return: 0 or -errno; on error the caller disables the controller.
 */
int nvdio_regs_enable(struct nvdio_ctrl *ctrl)
{
	u32 aqa = NVDIO_ADMIN_DEPTH - 1;
	u32 csts;
	int ret;

	ret = nvdio_regs_disable(ctrl, false);
	if (ret)
		return ret;
	ret = nvdio_regs_read_caps(ctrl);
	if (ret)
		return ret;
	nvdio_queue_reset(ctrl->admin);
	nvdio_master_on(ctrl);
	writel(aqa | aqa << 16, ctrl->bar + NVME_REG_AQA);
	lo_hi_writeq(ctrl->admin->sq_dma, ctrl->bar + NVME_REG_ASQ);
	lo_hi_writeq(ctrl->admin->cq_dma, ctrl->bar + NVME_REG_ACQ);
	writel(NVME_CC_CSS_NVM | (NVDIO_MPS_SHIFT - 12) << NVME_CC_MPS_SHIFT |
	       NVME_CC_AMS_RR | NVME_CC_SHN_NONE |
	       NVME_CC_IOSQES | NVME_CC_IOCQES | NVME_CC_ENABLE,
	       ctrl->bar + NVME_REG_CC);
	ret = regs_wait(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY,
			ready_timeout(ctrl), &csts);
	if (ret) {
		dev_err(&ctrl->dev, "device not ready: %d (CSTS %#x)\n", ret,
			csts);
		return ret;
	}
	return 0;
}
