// SPDX-License-Identifier: GPL-2.0
/*
 * PCI configuration space: one 64-bit BAR, or two; power management, MSI-X, MSI, PCI
 * Express with function level reset; and the channel. QEMU emulates the MSI and
 * MSI-X registers and the BARs itself.
 */
#include <linux/pci_regs.h>
#include <string.h>

#include "vfu.h"

#define CAP_MSIX	0x40
#define CAP_MSI		0x50
#define CAP_PM		0x68
#define CAP_EXP		0x80

struct pci_options pci_options = {
	.msix = true, .msi = true, .intx = true, .flr = true, .pm = true, .vectors = MAX_VECTORS,
	.msix_table = BAR_MSIX_TABLE,
	.vendor = VENDOR_ID, .device = DEVICE_ID,
};

static uint8_t config[4096], writable[4096];

static void put16(uint32_t at, uint16_t value)
{
	memcpy(config + at, &value, 2);
}

static void put32(uint32_t at, uint32_t value)
{
	memcpy(config + at, &value, 4);
}

static uint16_t get16(uint32_t at)
{
	uint16_t value;

	memcpy(&value, config + at, 2);
	return value;
}

/* Append capability @id at @at to the list. */
static void add_cap(uint8_t at, uint8_t id, uint8_t *last)
{
	config[at] = id;
	config[*last] = at;
	*last = at + 1;
	put16(PCI_STATUS, get16(PCI_STATUS) | PCI_STATUS_CAP_LIST);
}

static void add_express(uint8_t *last)
{
	add_cap(CAP_EXP, PCI_CAP_ID_EXP, last);
	put16(CAP_EXP + PCI_EXP_FLAGS, 2 | PCI_EXP_TYPE_ENDPOINT << 4);
	put32(CAP_EXP + PCI_EXP_DEVCAP,
	      PCI_EXP_DEVCAP_RBER | (pci_options.flr ? PCI_EXP_DEVCAP_FLR : 0));
	put16(CAP_EXP + PCI_EXP_DEVCTL, PCI_EXP_DEVCTL_RELAX_EN | PCI_EXP_DEVCTL_NOSNOOP_EN);
	put32(CAP_EXP + PCI_EXP_LNKCAP, PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4);
	put16(CAP_EXP + PCI_EXP_LNKSTA, PCI_EXP_LNKSTA_CLS_2_5GB | 1 << 4);
	memset(writable + CAP_EXP + PCI_EXP_DEVCTL, 0xff, 2);
	memset(writable + CAP_EXP + PCI_EXP_LNKCTL, 0xff, 2);
}

void config_init(void)
{
	uint8_t last = PCI_CAPABILITY_LIST;

	put16(PCI_VENDOR_ID, pci_options.vendor);
	put16(PCI_DEVICE_ID, pci_options.device);
	config[PCI_REVISION_ID] = 1;
	config[PCI_CLASS_PROG] = 2;
	put16(PCI_CLASS_DEVICE, 0x0108);
	put32(PCI_BASE_ADDRESS_0, PCI_BASE_ADDRESS_MEM_TYPE_64);
	put16(PCI_SUBSYSTEM_VENDOR_ID, VENDOR_ID);
	put16(PCI_SUBSYSTEM_ID, DEVICE_ID);
	if (pci_options.cmb) {
		put32(PCI_BASE_ADDRESS_2, PCI_BASE_ADDRESS_MEM_TYPE_64);
		memset(writable + PCI_BASE_ADDRESS_2, 0xff, 8);
	}
	config[PCI_INTERRUPT_PIN] = pci_options.intx;
	writable[PCI_COMMAND] = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_PARITY;
	writable[PCI_COMMAND + 1] = (PCI_COMMAND_SERR | PCI_COMMAND_INTX_DISABLE) >> 8;
	writable[PCI_INTERRUPT_LINE] = 0xff;
	memset(writable + PCI_BASE_ADDRESS_0, 0xff, 8);

	if (pci_options.msix) {
		add_cap(CAP_MSIX, PCI_CAP_ID_MSIX, &last);
		put16(CAP_MSIX + PCI_MSIX_FLAGS, pci_options.vectors - 1);
		put32(CAP_MSIX + PCI_MSIX_TABLE, pci_options.msix_table);
		put32(CAP_MSIX + PCI_MSIX_PBA, BAR_MSIX_PBA);
		writable[CAP_MSIX + PCI_MSIX_FLAGS + 1] = 0xc0;
	}
	if (pci_options.msi) {
		add_cap(CAP_MSI, PCI_CAP_ID_MSI, &last);
		put16(CAP_MSI + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | 5 << 1);
		writable[CAP_MSI + PCI_MSI_FLAGS] = PCI_MSI_FLAGS_ENABLE | PCI_MSI_FLAGS_QSIZE;
		memset(writable + CAP_MSI + PCI_MSI_ADDRESS_LO, 0xff, 10);
	}
	if (pci_options.pm) {
		add_cap(CAP_PM, PCI_CAP_ID_PM, &last);
		put16(CAP_PM + PCI_PM_PMC, 3);
		put16(CAP_PM + PCI_PM_CTRL, PCI_PM_CTRL_NO_SOFT_RESET);
		writable[CAP_PM + PCI_PM_CTRL] = PCI_PM_CTRL_STATE_MASK;
	}
	add_express(&last);
}

bool config_is_master(void)
{
	return get16(PCI_COMMAND) & PCI_COMMAND_MASTER;
}

bool config_is_intx_disabled(void)
{
	return get16(PCI_COMMAND) & PCI_COMMAND_INTX_DISABLE;
}

void config_reset(void)
{
	put16(PCI_COMMAND, 0);
}

void config_read(uint32_t at, void *buf, uint32_t len)
{
	if (at > sizeof(config) || len > sizeof(config) - at) {
		memset(buf, 0xff, len);
		return;
	}
	if (at >= CH_OFFSET && at + len <= CH_WINDOW + CH_WINDOW_SIZE) {
		channel_read(at, buf, len);
		return;
	}
	if (nvme.link_off)
		memset(buf, 0xff, len);
	else
		memcpy(buf, config + at, len);
}

void config_write(uint32_t at, const void *buf, uint32_t len)
{
	const uint8_t *from = buf;
	bool was = config_is_master();
	uint32_t i;

	if (at > sizeof(config) || len > sizeof(config) - at)
		return;
	if (at >= CH_OFFSET && at + len <= CH_WINDOW + CH_WINDOW_SIZE) {
		channel_write(at, buf, len);
		return;
	}
	if (nvme.link_off)
		return;
	for (i = 0; i < len; i++)
		config[at + i] = (config[at + i] & ~writable[at + i]) |
				 (from[i] & writable[at + i]);
	if (was != config_is_master())
		log_event("bus master %s", was ? "off" : "on");
	if (get16(CAP_EXP + PCI_EXP_DEVCTL) & PCI_EXP_DEVCTL_BCR_FLR) {
		put16(CAP_EXP + PCI_EXP_DEVCTL,
		      get16(CAP_EXP + PCI_EXP_DEVCTL) & ~PCI_EXP_DEVCTL_BCR_FLR);
		if (pci_options.flr) {
			count(C_FLRS);
			log_event("function level reset");
			config_reset();
			nvme_reset();
		}
	}
}
