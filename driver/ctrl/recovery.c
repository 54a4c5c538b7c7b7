// SPDX-License-Identifier: GPL-2.0
/*
 * PCI error recovery (Documentation/PCI/pci-error-recovery.rst in the kernel's
 * tree), and resets by the PCI core.
 *
 * An error that leaves the channel intact is the controller's to report, and
 * the watchdog's to notice: I/O goes on. When the channel is frozen, I/O is
 * held and no register is accessed, commands stay in flight with their memory
 * pinned and mapped; the PCI core then resets everything behind a port, and
 * when it is done the controller is reset and restarted. This driver never
 * votes against recovery: devices that share the port need it as well.
 */
#include <linux/pci.h>

#include "pure/status.h"
#include "core/ctrl.h"
#include "hw/master.h"
#include "hw/regs.h"
#include "ctrl/ctrl.h"
#include "ctrl/recovery.h"
#include "ctrl/state.h"

/*
 * From a frozen channel to the end of recovery; the PCI core gives a device 60
 * s to come out of a reset. Some kernels say nothing when recovery has failed.
 */
#define NVDIO_RECOVERY_LIMIT	(90 * HZ)

/* Link Status of the port above, whose registers can be read at any time. */
static u16 recovery_link(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);
	u16 status = 0;

	if (port)
		pcie_capability_read_word(port, PCI_EXP_LNKSTA, &status);
	return status;
}

/* The channel is frozen. */
static void recovery_begin(struct nvdio_ctrl *ctrl)
{
	nvdio_ctrl_lock_urgent(ctrl);
	dev_warn(&ctrl->dev,
		 "PCI channel frozen, I/O waits (Link Status of the port above %#x)\n",
		 recovery_link(ctrl->pdev));
	ctrl->held = true;
	ctrl->recovering = true;
	if (ctrl->state == NVDIO_CTRL_LIVE)
		nvdio_ctrl_hold(ctrl);
	if (!nvdio_ctrl_gone(ctrl))
		queue_delayed_work(ctrl->reset_wq, &ctrl->recovery_work,
				   NVDIO_RECOVERY_LIMIT);
	mutex_unlock(&ctrl->lock);
}

/* No register of a suspended controller, which may be in D3, is accessed. */
static void recovery_later(struct nvdio_ctrl *ctrl)
{
	if (!nvdio_ctrl_gone(ctrl))
		mod_delayed_work(ctrl->reset_wq, &ctrl->recovery_work, HZ);
}

/* The controller can be accessed again, and may have been reset. */
static void recovery_end(struct nvdio_ctrl *ctrl)
{
	u32 csts;

	WRITE_ONCE(ctrl->core_waits, true);
	nvdio_ctrl_lock_urgent(ctrl);
	if (!ctrl->recovering)
		goto unlock;
	if (ctrl->suspended) {
		recovery_later(ctrl);
		goto unlock;
	}
	ctrl->recovering = false;
	if (ctrl->state == NVDIO_CTRL_RESETTING) {
		nvdio_regs_failed(ctrl, &csts);
		dev_info(&ctrl->dev,
			 "PCI channel works again, restarting (CSTS %#x)\n",
			 csts);
		nvdio_ctrl_halt(ctrl, false, NVDIO_SC_RESET);
	}
	/* What restarting waits for is nobody's reset. */
	WRITE_ONCE(ctrl->core_waits, false);
	nvdio_ctrl_let_go(ctrl);
unlock:
	WRITE_ONCE(ctrl->core_waits, false);
	mutex_unlock(&ctrl->lock);
}

/* The channel will not work again. Nothing proves that the device is quiet. */
static void recovery_give_up(struct nvdio_ctrl *ctrl)
{
	nvdio_ctrl_lock_urgent(ctrl);
	if (ctrl->suspended) {
		/* Its resume must not restart it. */
		ctrl->recovering = true;
		ctrl->held = true;
		recovery_later(ctrl);
		goto unlock;
	}
	ctrl->recovering = false;
	if (ctrl->state == NVDIO_CTRL_LIVE)
		nvdio_ctrl_hold(ctrl);
	if (!nvdio_ctrl_gone(ctrl)) {
		dev_err(&ctrl->dev,
			"PCI error recovery failed, giving up (Link Status of the port above %#x)\n",
			recovery_link(ctrl->pdev));
		nvdio_master_isolate(ctrl);
		nvdio_ctrl_kill(ctrl);
	}
unlock:
	mutex_unlock(&ctrl->lock);
}

/**
 * nvdio_recovery_late() - end a recovery that the PCI core has left unfinished
 * @work: &nvdio_ctrl.recovery_work
 *
 * Context: work on reset_wq.
 */
void nvdio_recovery_late(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(to_delayed_work(work),
					       struct nvdio_ctrl,
					       recovery_work);

	if (pci_channel_offline(ctrl->pdev))
		recovery_give_up(ctrl);
	else
		recovery_end(ctrl);
}

static pci_ers_result_t recovery_detected(struct pci_dev *pdev,
					  pci_channel_state_t channel)
{
	struct nvdio_ctrl *ctrl = pci_get_drvdata(pdev);
	u16 status;

	switch (channel) {
	case pci_channel_io_normal:
		pcie_capability_read_word(pdev, PCI_EXP_DEVSTA, &status);
		dev_warn(&ctrl->dev,
			 "PCI error, the channel works (Device Status %#x)\n",
			 status);
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		recovery_begin(ctrl);
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		recovery_give_up(ctrl);
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

/* After an error that did not freeze the channel. */
static pci_ers_result_t recovery_mmio_enabled(struct pci_dev *pdev)
{
	struct nvdio_ctrl *ctrl = pci_get_drvdata(pdev);
	/* Sampled first; see nvdio_ctrl_want_reset(). */
	u32 csts, resets = smp_load_acquire(&ctrl->resets);

	if (READ_ONCE(ctrl->state) == NVDIO_CTRL_LIVE &&
	    nvdio_regs_failed(ctrl, &csts)) {
		dev_warn(&ctrl->dev,
			 "controller failed after a PCI error, resetting (CSTS %#x)\n",
			 csts);
		nvdio_ctrl_want_reset(ctrl, resets);
	}
	return PCI_ERS_RESULT_RECOVERED;
}

/*
 * Everything behind the port has been reset. A controller that does not work
 * fails in recovery_resume(), where it does not take others with it.
 */
static pci_ers_result_t recovery_slot_reset(struct pci_dev *pdev)
{
	pci_restore_state(pdev);
	/* Restoring uses it up; there may be another error. */
	pci_save_state(pdev);
	return PCI_ERS_RESULT_RECOVERED;
}

static void recovery_resume(struct pci_dev *pdev)
{
	struct nvdio_ctrl *ctrl = pci_get_drvdata(pdev);

	cancel_delayed_work_sync(&ctrl->recovery_work);
	recovery_end(ctrl);
}

/* Called around a function level reset, or another reset by the PCI core. */
static void recovery_reset_prepare(struct pci_dev *pdev)
{
	nvdio_ctrl_suspend(pci_get_drvdata(pdev), false);
}

static void recovery_reset_done(struct pci_dev *pdev)
{
	nvdio_ctrl_resume(pci_get_drvdata(pdev));
}

const struct pci_error_handlers nvdio_recovery_handlers = {
	.error_detected = recovery_detected,
	.mmio_enabled = recovery_mmio_enabled,
	.slot_reset = recovery_slot_reset,
	.resume = recovery_resume,
	.reset_prepare = recovery_reset_prepare,
	.reset_done = recovery_reset_done,
};
