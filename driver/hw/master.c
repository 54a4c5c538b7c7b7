// SPDX-License-Identifier: GPL-2.0
/*
 * Bus mastering: turning it off, and how that is known to have worked
 * (invariant 2).
 */
#include <linux/delay.h>
#include <linux/pci.h>

#include "core/ctrl.h"
#include "hw/master.h"

/*
 * For how long a device may leave configuration reads unanswered before the
 * port above it is turned off: firmware that resets itself takes seconds.
 */
#define NVDIO_SILENCE	(10 * HZ)

/*
 * Turn off bus mastering of one function, and read that back: the completion of
 * the read arrives behind all earlier writes of the device (PCIe 5.0, 2.4.1).
 * @command is set to what was read.
 */
static bool master_clear(struct pci_dev *pdev, u16 *command)
{
	pci_read_config_word(pdev, PCI_COMMAND, command);
	if (PCI_POSSIBLE_ERROR(*command))
		return false;
	pci_clear_master(pdev);
	pci_read_config_word(pdev, PCI_COMMAND, command);
	return !PCI_POSSIBLE_ERROR(*command) && !(*command & PCI_COMMAND_MASTER);
}

/* Does the port above say that its link works? */
static bool master_link_active(struct nvdio_ctrl *ctrl)
{
	struct pci_dev *port = pci_upstream_bridge(ctrl->pdev);
	u16 status;
	u32 cap;

	return port && !pcie_capability_read_dword(port, PCI_EXP_LNKCAP, &cap) &&
	       cap & PCI_EXP_LNKCAP_DLLLARC &&
	       !pcie_capability_read_word(port, PCI_EXP_LNKSTA, &status) &&
	       status & PCI_EXP_LNKSTA_DLLLA;
}

/*
 * Is the link to the device down? Nothing of the device gets through then, and
 * when the link comes up again, the device has been reset (PCIe 5.0, 6.6.1): it
 * is neither bus master nor enabled. A port that never said that the link was
 * up is not believed. Registers of a port that does not answer either read as
 * ones, which is no proof.
 */
static bool master_link_down(struct nvdio_ctrl *ctrl)
{
	return ctrl->link_reported && !master_link_active(ctrl);
}

/*
 * The port above the device, if no other function is behind it: the PCIe root
 * port or switch port at the other end of its link. Otherwise NULL.
 */
static struct pci_dev *master_port(struct pci_dev *pdev)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);

	if (!port || !pci_is_pcie(port) || pdev->multifunction ||
	    pdev->is_virtfn || pci_num_vf(pdev))
		return NULL;
	if (pci_pcie_type(port) != PCI_EXP_TYPE_ROOT_PORT &&
	    pci_pcie_type(port) != PCI_EXP_TYPE_DOWNSTREAM)
		return NULL;
	return port;
}

/**
 * nvdio_master_isolate() - let nothing of the device through the port above it
 * @ctrl: controller
 *
 * A port that is no bus master forwards no request upstream (PCIe 5.0,
 * 7.5.1.1.3). It sends no interrupts of its own then, so it does not report hot
 * plug events.
 *
 * Context: any task.
 * Return: false if there is no such port, other functions use it too, or it
 * does not obey.
 */
bool nvdio_master_isolate(struct nvdio_ctrl *ctrl)
{
	struct pci_dev *port = master_port(ctrl->pdev);
	u16 command;

	if (ctrl->isolated)
		return true;
	if (!port || !master_clear(port, &command))
		return false;
	ctrl->isolated = true;
	dev_err(&ctrl->dev,
		"bus mastering of the port above (%s) turned off (Command %#x)\n",
		pci_name(port), command);
	return true;
}

/* Undo nvdio_master_isolate(): the device cannot access memory. */
static void master_connect(struct nvdio_ctrl *ctrl)
{
	struct pci_dev *port = master_port(ctrl->pdev);

	if (!ctrl->isolated)
		return;
	ctrl->isolated = false;
	if (!port)
		return;
	pci_set_master(port);
	dev_info(&ctrl->dev, "bus mastering of the port above (%s) is on again\n",
		 pci_name(port));
}

/**
 * nvdio_master_on() - turn bus mastering on
 * @ctrl: controller, disabled (CSTS.RDY = 0)
 *
 * Context: any task.
 */
void nvdio_master_on(struct nvdio_ctrl *ctrl)
{
	master_connect(ctrl);
	ctrl->exposed = true;
	ctrl->link_reported = master_link_active(ctrl);
	pci_set_master(ctrl->pdev);
}

/*
 * May memory be released though the device might write to it? Only for those
 * who cannot wait any longer: unbinding; and the PCI core and a suspend, which
 * hold the device's lock, without which it cannot be unbound either, and which
 * reset the device or take its power as soon as this controller has been
 * stopped. What reads and writes use stays pinned and mapped for these two,
 * since they are sent again.
 */
static bool master_abandon(struct nvdio_ctrl *ctrl)
{
	if (!READ_ONCE(ctrl->leaving) && !READ_ONCE(ctrl->core_waits) &&
	    !nvdio_ctrl_frozen(ctrl))
		return false;
	dev_err(&ctrl->dev,
		"device does not respond; memory is released though it may still be written to\n");
	return true;
}

/**
 * nvdio_master_off() - make sure that the device does not access memory
 * @ctrl: controller
 *
 * Returns when it is known that nothing of the device reaches memory: its bus
 * mastering was turned off and read back, and no transaction is pending; or it
 * was removed; or a link on the way to it is down; or, after ten seconds
 * without an answer, bus mastering of the port above was turned off. Where none
 * of this can be known (no port, or other functions behind it) this waits until
 * the device answers, is removed, or somebody cannot wait any longer.
 *
 * Commands in flight stay in flight meanwhile, their memory pinned and mapped.
 * Nothing is waited for if the controller was not given any memory since the
 * last time.
 *
 * Context: may sleep.
 */
void nvdio_master_off(struct nvdio_ctrl *ctrl)
{
	unsigned long end = jiffies + NVDIO_SILENCE;
	struct pci_dev *pdev = ctrl->pdev;
	bool told = false;
	u16 command;

	do {
		/* Sample the time first: a long sleep is not a timeout. */
		bool late = time_after(jiffies, end);

		if (master_clear(pdev, &command)) {
			pci_wait_for_pending_transaction(pdev);
			master_connect(ctrl);
			break;
		}
		if (master_link_down(ctrl)) {
			master_connect(ctrl);
			break;
		}
		if (pci_dev_is_disconnected(pdev) || ctrl->isolated)
			break;
		if (late && nvdio_master_isolate(ctrl))
			break;
		if (late && !told) {
			dev_err(&ctrl->dev,
				"cannot turn off bus mastering (Command %#x); I/O waits\n",
				command);
			told = true;
			end = jiffies + NVDIO_SILENCE;
		} else if (late && master_abandon(ctrl)) {
			break;
		}
		if (ctrl->exposed)
			msleep(100);
	} while (ctrl->exposed);
	ctrl->exposed = false;
}
