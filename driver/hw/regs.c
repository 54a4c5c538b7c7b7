// SPDX-License-Identifier: GPL-2.0
/* A controller's registers: what it is, turning it on and off. */
#include <linux/delay.h>
#include <linux/io-64-nonatomic-lo-hi.h>

#include "pure/dptr.h"
#include "core/ctrl.h"
#include "hw/queue.h"
#include "hw/regs.h"

/* How often, 100 ms apart, a device is asked that does not answer at all. */
#define NVDIO_CONFIG_TRIES	10

/**
 * nvdio_regs_read_caps() - read what the registers say of the controller
 * @ctrl: gets @cap, @vs and @db_stride
 *
 * After a reset, which may have brought other firmware: is it still what the
 * queues were made for?
 *
 * Return: 0; -ENODEV if the driver cannot use it, the log says why.
 */
int nvdio_regs_read_caps(struct nvdio_ctrl *ctrl)
{
	struct device *dev = ctrl->dev.parent;
	u64 cap = lo_hi_readq(ctrl->bar + NVME_REG_CAP);
	u32 db_stride = 4U << NVME_CAP_STRIDE(cap);

	if (cap == ~0ULL)
		return -ENODEV;
	if (NVME_CAP_MPSMIN(cap) > NVDIO_MPS_SHIFT - 12 || !(cap >> 37 & 1)) {
		dev_err(dev, "no 4 KiB pages, or no NVM command set (CAP %#llx)\n",
			cap);
		return -ENODEV;
	}
	/* A queue has two entries at least (NVMe Base 2.0, 3.1.3.1). */
	if (!NVME_CAP_MQES(cap)) {
		dev_err(dev, "no queue of two entries (CAP %#llx)\n", cap);
		return -ENODEV;
	}
	if (ctrl->bar_size < NVME_REG_DBS + 4 * db_stride) {
		dev_err(dev, "BAR 0 has no room for doorbells\n");
		return -ENODEV;
	}
	if (ctrl->db_stride && (db_stride != ctrl->db_stride ||
				NVME_CAP_MQES(cap) + 1 < ctrl->io_depth)) {
		dev_err(dev, "other queues than before (CAP %#llx, was %#llx)\n",
			cap, ctrl->cap);
		return -ENODEV;
	}
	ctrl->cap = cap;
	ctrl->vs = readl(ctrl->bar + NVME_REG_VS);
	ctrl->db_stride = db_stride;
	return 0;
}

/**
 * nvdio_regs_failed() - has an enabled controller stopped working?
 * @ctrl: controller
 * @csts: set to CSTS
 *
 * Context: any; one read of a register.
 * Return: true if it is gone, in a fatal state, or was reset by others.
 */
bool nvdio_regs_failed(struct nvdio_ctrl *ctrl, u32 *csts)
{
	*csts = readl(ctrl->bar + NVME_REG_CSTS);
	return *csts == ~0U || *csts & NVME_CSTS_CFS ||
	       !(*csts & NVME_CSTS_RDY);
}

/*
 * Wait until CSTS has @value under @mask.
 * Return: 0, -ENODEV if the device is gone, -EIO, or -ETIMEDOUT.
 */
static int regs_wait(struct nvdio_ctrl *ctrl, u32 mask, u32 value,
		     unsigned long timeout, u32 *csts)
{
	unsigned long end = jiffies + timeout;

	for (;;) {
		/* The time before the register, lest a long sleep counts. */
		bool late = time_after(jiffies, end);

		*csts = readl(ctrl->bar + NVME_REG_CSTS);
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

/*
 * Take the right to be bus master away, and see that this has taken effect: the
 * answer to a read of the configuration space comes behind all that the device
 * has written before (PCIe 5.0, 2.4.1), and what it had asked for has come when
 * no transaction is pending. A device that does not answer, but was not taken
 * out, gets a second to come back.
 */
static void regs_clear_master(struct nvdio_ctrl *ctrl)
{
	struct pci_dev *pdev = ctrl->pdev;
	unsigned int i;
	u16 command;

	for (i = 0; i < NVDIO_CONFIG_TRIES; i++) {
		pci_read_config_word(pdev, PCI_COMMAND, &command);
		if (!PCI_POSSIBLE_ERROR(command)) {
			pci_clear_master(pdev);
			pci_read_config_word(pdev, PCI_COMMAND, &command);
		}
		if (!PCI_POSSIBLE_ERROR(command)) {
			if (command & PCI_COMMAND_MASTER)
				dev_err(&ctrl->dev,
					"cannot be kept from DMA (Command %#x)\n",
					command);
			else
				pci_wait_for_pending_transaction(pdev);
			return;
		}
		if (pci_dev_is_disconnected(pdev))
			return;
		msleep(100);
	}
	/* What has no configuration space any more has left the bus. */
	dev_err(&ctrl->dev, "no answer from the device\n");
}

/**
 * nvdio_regs_disable() - see to it that the controller touches memory no more
 * @ctrl: controller, in whatever state
 * @shutdown: do a normal shutdown before, so that a volatile cache is saved;
 *	the controller may lose its power afterwards
 *
 * On return it has CC.EN = 0 and CSTS.RDY = 0, or it is no bus master any
 * more, or it is gone (NVMe Base 2.0, 3.5.3, 3.6.1; invariant 2).
 *
 * Context: may sleep.
 * Return: 0 if it is disabled; -errno if it is not, or cannot be asked.
 */
int nvdio_regs_disable(struct nvdio_ctrl *ctrl, bool shutdown)
{
	/* Not a copy of ours: the controller may have been reset by others. */
	u32 csts = readl(ctrl->bar + NVME_REG_CSTS);
	u32 cc = readl(ctrl->bar + NVME_REG_CC);
	int ret = -ENODEV;

	if (csts == ~0U || cc == ~0U)
		goto clear_master;
	if (shutdown && cc & NVME_CC_ENABLE && csts & NVME_CSTS_RDY) {
		writel((cc & ~NVME_CC_SHN_MASK) | NVME_CC_SHN_NORMAL,
		       ctrl->bar + NVME_REG_CC);
		ret = regs_wait(ctrl, NVME_CSTS_SHST_MASK, NVME_CSTS_SHST_CMPLT,
				ctrl->shutdown_timeout, &csts);
		/* Shut down it is left alone: CC.EN = 0 would be a reset. */
		if (!ret)
			goto clear_master;
		dev_warn(&ctrl->dev,
			 "shutdown did not complete: %d (CSTS %#x)\n", ret,
			 csts);
	}
	if (cc & NVME_CC_ENABLE)
		writel(cc & ~(NVME_CC_SHN_MASK | NVME_CC_ENABLE),
		       ctrl->bar + NVME_REG_CC);
	ret = regs_wait(ctrl, NVME_CSTS_RDY, 0, ready_timeout(ctrl), &csts);
	if (!ret && !shutdown)
		return 0;
	if (ret)
		dev_err(&ctrl->dev, "controller does not stop: %d (CSTS %#x)\n",
			ret, csts);

clear_master:
	regs_clear_master(ctrl);
	return ret;
}

/**
 * nvdio_regs_enable() - turn the controller on, with its admin queue
 * @ctrl: controller, in whatever state; nothing is in flight
 *
 * It becomes bus master only after it was seen to be disabled: what it may
 * have left to do from before must not reach memory (NVMe Base 2.0, 3.5.1).
 *
 * Context: may sleep.
 * Return: 0 or -errno; then it is to be disabled.
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
	pci_set_master(ctrl->pdev);
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
		dev_err(&ctrl->dev,
			"controller does not get ready: %d (CSTS %#x)\n", ret,
			csts);
		return ret;
	}
	return 0;
}
