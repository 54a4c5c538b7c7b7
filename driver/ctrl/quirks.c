// SPDX-License-Identifier: GPL-2.0
/*
 * Which controllers deviate from the specification. The facts are those of the
 * nvme driver of Linux 6.12, as far as this driver's behaviour depends on them:
 * it has no stripes, no subsystems, no temperature thresholds, suspends with a
 * full shutdown, and aligns its lists to 512 bytes.
 */
#include <linux/dmi.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "core/ctrl.h"
#include "core/quirks.h"
#include "ctrl/quirks.h"

#define CNS		NVDIO_QUIRK_IDENTIFY_CNS
#define NO_DESCS	NVDIO_QUIRK_NO_NS_DESC_LIST
#define NO_IDS		NVDIO_QUIRK_BOGUS_NID
#define NO_ZEROES	NVDIO_QUIRK_DISABLE_WRITE_ZEROES
#define DELAY		NVDIO_QUIRK_DELAY_BEFORE_CHK_RDY
#define NO_APST		NVDIO_QUIRK_NO_APST
#define NO_DEEPEST	NVDIO_QUIRK_NO_DEEPEST_PS
#define DMA_48		NVDIO_QUIRK_DMA_ADDRESS_BITS_48

static const char * const quirk_names[] = {
	"identify_cns", "no_ns_desc_list", "bogus_nid", "disable_write_zeroes",
	"delay_before_chk_rdy", "no_apst", "no_deepest_ps", "single_vector",
	"broken_msi", "qdepth_one", "medium_prio_sq", "dma_address_bits_48",
	"128_bytes_sqes", "shared_tags",
};

/**
 * struct quirk_id - quirks of a PCI function
 * @vendor: Vendor ID
 * @device: Device ID
 * @quirks: bits of enum nvdio_quirk
 *
 * QEMU's controller is not here, although its identifiers are not unique in
 * the world: compared with those of the same namespace earlier on, which is all
 * that ns.c does, they are good.
 */
struct quirk_id {
	u16 vendor;
	u16 device;
	u32 quirks;
};

static const struct quirk_id quirk_ids[] = {
	/* Intel and Solidigm; 8086:5845 is QEMU's first NVMe controller */
	{ 0x8086, 0x0a54, NO_IDS },
	{ 0x8086, 0x5845, CNS | NO_ZEROES | NO_IDS },
	{ 0x8086, 0xf1a5, NO_DEEPEST | NVDIO_QUIRK_MEDIUM_PRIO_SQ | NO_ZEROES },
	{ 0x025e, 0xf1ac, NO_DEEPEST },
	/* Silicon Motion */
	{ 0x126f, 0x1001, NO_DEEPEST },
	{ 0x126f, 0x2262, NO_DEEPEST | NO_IDS },
	{ 0x126f, 0x2263, NO_DESCS | NO_IDS },
	/* Seagate, HGST, WDC, Memblaze */
	{ 0x1bb1, 0x0100, DELAY | NO_DESCS },
	{ 0x1c58, 0x0003, DELAY },
	{ 0x1c58, 0x0023, DELAY },
	{ 0x1c5f, 0x0540, DELAY },
	/* Samsung */
	{ 0x144d, 0xa802, NO_IDS },
	{ 0x144d, 0xa809, NO_ZEROES },
	{ 0x144d, 0xa80b, NO_ZEROES | NO_IDS },
	{ 0x144d, 0xa821, DELAY },
	{ 0x144d, 0xa822, DELAY | NO_ZEROES },
	/* Sandisk */
	{ 0x15b7, 0x2001, NO_ZEROES },
	{ 0x15b7, 0x5008, NVDIO_QUIRK_BROKEN_MSI },
	{ 0x15b7, 0x5009, NVDIO_QUIRK_BROKEN_MSI | NO_DEEPEST },
	/* Phison */
	{ 0x1987, 0x5012, NO_IDS },
	{ 0x1987, 0x5016, NO_IDS },
	{ 0x1987, 0x5019, NO_ZEROES },
	{ 0x1987, 0x5021, NO_ZEROES },
	/* Lexar and SPCC */
	{ 0x1b4b, 0x1092, NO_DESCS },
	{ 0x1d97, 0x1d97, NO_IDS },
	{ 0x1d97, 0x2263, NO_ZEROES | NO_IDS },
	{ 0x1d97, 0x2269, NO_IDS },
	/* ADATA, TEAMGROUP, Acer */
	{ 0x10ec, 0x5762, NO_IDS },
	{ 0x10ec, 0x5763, NO_IDS },
	{ 0x10ec, 0x5765, NO_IDS },
	{ 0x1cc1, 0x33f8, NO_IDS },
	{ 0x1cc1, 0x5350, NO_IDS },
	{ 0x1cc1, 0x8201, NO_DEEPEST },
	{ 0x1dbe, 0x5216, NO_IDS },
	{ 0x1dbe, 0x5236, NO_IDS },
	/* Micron and Crucial */
	{ 0x1344, 0x6001, NO_IDS },
	{ 0xc0a9, 0x540a, NO_IDS },
	/* SK Hynix */
	{ 0x1c5c, 0x1504, NO_ZEROES },
	{ 0x1c5c, 0x174a, NO_IDS },
	{ 0x1c5c, 0x1d59, NO_ZEROES },
	/* UMIS */
	{ 0x1cc4, 0x6302, NO_ZEROES },
	{ 0x1cc4, 0x6303, NO_ZEROES },
	/* Kingston */
	{ 0x2646, 0x2262, NO_DEEPEST },
	{ 0x2646, 0x2263, NO_DEEPEST },
	{ 0x2646, 0x5016, NO_ZEROES },
	{ 0x2646, 0x5018, NO_ZEROES },
	{ 0x2646, 0x501a, NO_ZEROES },
	{ 0x2646, 0x501b, NO_ZEROES },
	{ 0x2646, 0x501e, NO_ZEROES },
	{ 0x2646, 0x502f, NO_ZEROES },
	/* Netac, MAXIO, ZHITAI */
	{ 0x1f40, 0x1202, NO_IDS },
	{ 0x1f40, 0x5236, NO_IDS },
	{ 0x1e4b, 0x1001, NO_IDS },
	{ 0x1e4b, 0x1002, NO_IDS },
	{ 0x1e4b, 0x1202, NO_IDS },
	{ 0x1e4b, 0x1602, NO_IDS },
	{ 0x1e49, 0x0021, NO_DEEPEST },
	{ 0x1e49, 0x0041, NO_DEEPEST },
	/* Amazon */
	{ PCI_VENDOR_ID_AMAZON, 0x0061, DMA_48 },
	{ PCI_VENDOR_ID_AMAZON, 0x0065, DMA_48 },
	{ PCI_VENDOR_ID_AMAZON, 0x8061, DMA_48 },
	{ PCI_VENDOR_ID_AMAZON, 0xcd00, DMA_48 },
	{ PCI_VENDOR_ID_AMAZON, 0xcd01, DMA_48 },
	{ PCI_VENDOR_ID_AMAZON, 0xcd02, DMA_48 },
	/* Apple: T2 has its own SQE format */
	{ PCI_VENDOR_ID_APPLE, 0x2001, NVDIO_QUIRK_SINGLE_VECTOR |
				       NVDIO_QUIRK_QDEPTH_ONE },
	{ PCI_VENDOR_ID_APPLE, 0x2005, NVDIO_QUIRK_SINGLE_VECTOR | CNS |
				       NVDIO_QUIRK_128_BYTES_SQES |
				       NVDIO_QUIRK_SHARED_TAGS },
};

/* Models that share their PCI ids with others; VID of Identify Controller. */
static const struct quirk_model {
	u16 vendor;
	const char *model;
	u32 quirks;
} quirk_models[] = {
	{ 0x1179, "THNSF5256GPUK TOSHIBA", NO_APST },
	{ 0x1e0f, "KCD6XVUL6T40", NO_APST },
	{ 0x144d, "Samsung Portable SSD X5", DELAY | NO_DEEPEST },
};

/* Combinations of a controller, or any if 0, and a computer. */
static const struct quirk_board {
	u16 vendor;
	u16 device;
	enum dmi_field field;
	const char *value;
	u32 quirks;
} quirk_boards[] = {
	{ 0x144d, 0xa802, DMI_PRODUCT_NAME, "XPS 15 9550", NO_DEEPEST },
	{ 0x144d, 0xa802, DMI_PRODUCT_NAME, "Precision 5510", NO_DEEPEST },
	{ 0x144d, 0xa804, DMI_BOARD_NAME, "PRIME B350M-A", NO_APST },
	{ 0x144d, 0xa804, DMI_BOARD_NAME, "PRIME Z370-A", NO_APST },
	{ 0, 0, DMI_BOARD_NAME, "LXKT-ZXEG-N6", NO_APST },
};

/* Set or clear a quirk by its name, "^name" clears. Return: 0 or -EINVAL. */
static int quirks_apply(const char *name, u32 *quirks)
{
	bool clear = *name == '^';
	int bit = match_string(quirk_names, ARRAY_SIZE(quirk_names),
			       name + clear);

	if (bit < 0)
		return bit;
	if (clear)
		*quirks &= ~BIT(bit);
	else
		*quirks |= BIT(bit);
	return 0;
}

/*
 * Apply one "VVVV:DDDD:name,^name" to the function @vendor:@device.
 * Return: 0, or -EINVAL if it is not of that form.
 */
static int quirks_parse_one(char *entry, u16 vendor, u16 device, u32 *quirks)
{
	const char *vendor_text = strsep(&entry, ":");
	const char *device_text = strsep(&entry, ":");
	u16 entry_vendor, entry_device;
	u32 other = 0;
	char *name;
	int ret;

	if (!entry || kstrtou16(vendor_text, 16, &entry_vendor) ||
	    kstrtou16(device_text, 16, &entry_device))
		return -EINVAL;
	if (entry_vendor != vendor || entry_device != device)
		quirks = &other;
	while ((name = strsep(&entry, ","))) {
		ret = quirks_apply(name, quirks);
		if (ret)
			return ret;
	}
	return 0;
}

/* The same for entries with "-" between them. Return: 0 or -errno. */
static int quirks_parse(const char *text, u16 vendor, u16 device, u32 *quirks)
{
	char *copy = kstrdup(text, GFP_KERNEL), *rest, *entry;
	int ret = 0;

	if (!copy)
		return -ENOMEM;
	rest = strim(copy);
	while (*rest && (entry = strsep(&rest, "-"))) {
		ret = quirks_parse_one(entry, vendor, device, quirks);
		if (ret || !rest)
			break;
	}
	kfree(copy);
	return ret;
}

/* The parameter's text, under kernel_param_lock(). */
static char quirks_text[512];

static int quirks_param_set(const char *text, const struct kernel_param *kp)
{
	u32 quirks = 0;
	int ret = quirks_parse(text, 0, 0, &quirks);

	if (ret)
		return ret;
	if (strlen(text) >= sizeof(quirks_text))
		return -ENOSPC;
	strscpy(quirks_text, text);
	strim(quirks_text);
	return 0;
}

static int quirks_param_get(char *buf, const struct kernel_param *kp)
{
	return sysfs_emit(buf, "%s\n", quirks_text);
}

static const struct kernel_param_ops quirks_param_ops = {
	.set = quirks_param_set,
	.get = quirks_param_get,
};

module_param_cb(quirks, &quirks_param_ops, NULL, 0644);
MODULE_PARM_DESC(quirks,
		 "VVVV:DDDD:name,^name[-VVVV:DDDD:...]: set or clear quirks of PCI ids");

/* What is known of a PCI function, without the module parameter. */
static u32 quirks_known(const struct pci_dev *pdev)
{
	u32 quirks = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(quirk_ids); i++) {
		if (quirk_ids[i].vendor == pdev->vendor &&
		    quirk_ids[i].device == pdev->device)
			quirks |= quirk_ids[i].quirks;
	}
	for (i = 0; i < ARRAY_SIZE(quirk_boards); i++) {
		const struct quirk_board *board = &quirk_boards[i];

		if ((!board->vendor || (board->vendor == pdev->vendor &&
					board->device == pdev->device)) &&
		    dmi_match(board->field, board->value))
			quirks |= board->quirks;
	}
	return quirks;
}

/* The administrator has the last word. */
static void quirks_override(struct nvdio_ctrl *ctrl)
{
	int ret;

	kernel_param_lock(THIS_MODULE);
	ret = quirks_parse(quirks_text, ctrl->pdev->vendor, ctrl->pdev->device,
			   &ctrl->quirks);
	kernel_param_unlock(THIS_MODULE);
	if (ret)
		dev_warn(&ctrl->pdev->dev, "parameter quirks ignored: %d\n",
			 ret);
}

/**
 * nvdio_quirks_init() - look up the quirks of a controller
 * @ctrl: controller; @quirks is set
 *
 * Context: may sleep; nothing of the controller has been accessed.
 * Return: 0; or -ENODEV if the driver cannot use it, and the log says why.
 */
int nvdio_quirks_init(struct nvdio_ctrl *ctrl)
{
	BUILD_BUG_ON(ARRAY_SIZE(quirk_names) !=
		     ilog2(NVDIO_QUIRK_SHARED_TAGS) + 1);
	ctrl->quirks = quirks_known(ctrl->pdev);
	quirks_override(ctrl);
	if (ctrl->quirks & (NVDIO_QUIRK_128_BYTES_SQES |
			    NVDIO_QUIRK_SHARED_TAGS)) {
		dev_err(&ctrl->pdev->dev,
			"controllers with 128-byte SQEs or tags shared by all queues are not supported\n");
		return -ENODEV;
	}
	return 0;
}

/**
 * nvdio_quirks_identified() - add the quirks of a model
 * @ctrl: controller, its lock held; @model is set
 * @vendor: VID of Identify Controller data
 *
 * Context: may sleep.
 */
void nvdio_quirks_identified(struct nvdio_ctrl *ctrl, u16 vendor)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(quirk_models); i++) {
		if (quirk_models[i].vendor == vendor &&
		    !strcmp(quirk_models[i].model, ctrl->model)) {
			ctrl->quirks |= quirk_models[i].quirks;
			quirks_override(ctrl);
		}
	}
}

/**
 * nvdio_quirks_show() - names of the quirks of a controller
 * @ctrl: controller
 * @buf: buffer of a sysfs attribute
 *
 * Context: may sleep.
 * Return: bytes written: the names with a space between them, and a newline.
 */
int nvdio_quirks_show(struct nvdio_ctrl *ctrl, char *buf)
{
	u32 quirks = READ_ONCE(ctrl->quirks);
	unsigned int bit;
	int len = 0;

	for (bit = 0; bit < ARRAY_SIZE(quirk_names); bit++) {
		if (quirks & BIT(bit))
			len += sysfs_emit_at(buf, len, "%s%s", len ? " " : "",
					     quirk_names[bit]);
	}
	return len + sysfs_emit_at(buf, len, "\n");
}
