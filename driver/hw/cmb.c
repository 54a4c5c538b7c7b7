// SPDX-License-Identifier: GPL-2.0
/*
 * Controller memory buffer (NVMe Base 2.0, 8.5): memory of the controller in a
 * BAR. Programs map it (user/mmio_mmap.c), and with PCI_P2PDMA have data of commands
 * there (cmb_p2p.c); the driver puts nothing there.
 */
#include <linux/io.h>
#include <linux/io-64-nonatomic-hi-lo.h>
#include <linux/memremap.h>

#include "pure/cmb.h"
#include "core/ctrl.h"
#include "hw/cmb.h"
#include "hw/cmb_p2p.h"
#include "hw/mmio.h"

static_assert(NVDIO_CMB_BARS == PCI_STD_NUM_BARS);

/* CMBSTS: the address in CBA is refused (3.1.3.22). */
#define NVME_REG_CMBSTS		0x58
#define NVME_CMBSTS_CBAI	BIT(0)

/*
 * What the registers say. With CAP.CMBS they are zeroes until CRE is set. CMSE is
 * cleared: a driver before may have left an address in CBA that is memory now, and
 * the controller would take commands' data from its buffer instead.
 */
static int cmb_read(struct nvdio_ctrl *ctrl, struct nvdio_cmb_place *place)
{
	u64 bars[NVDIO_CMB_BARS];
	u32 loc, sz, i;
	int ret;

	memset(place, 0, sizeof(*place));
	if (ctrl->vs < NVME_VS(1, 2, 0))
		return 0;
	if (NVME_CAP_CMBS(ctrl->cap))
		hi_lo_writeq(NVME_CMBMSC_CRE, ctrl->bar + NVME_REG_CMBMSC);
	loc = readl(ctrl->bar + NVME_REG_CMBLOC);
	sz = readl(ctrl->bar + NVME_REG_CMBSZ);
	if (sz == ~0U)
		return 0;
	for (i = 0; i < NVDIO_CMB_BARS; i++)
		bars[i] = pci_resource_flags(ctrl->pdev, i) & IORESOURCE_MEM ?
			  pci_resource_len(ctrl->pdev, i) : 0;
	ret = nvdio_cmb_locate(loc, sz, bars, PAGE_SIZE, place);
	if (!ret && place->size &&
	    (!PAGE_ALIGNED(pci_resource_start(ctrl->pdev, place->bir)) ||
	     nvdio_mmio_has_msix(ctrl->pdev, place->bir, place->offset,
				 place->size)))
		ret = -EINVAL;
	if (ret) {
		place->size = 0;
		dev_warn(&ctrl->dev,
			 "controller memory buffer refused (CMBLOC %#x, CMBSZ %#x)\n",
			 loc, sz);
	}
	return ret;
}

/*
 * Only memory that may be read ahead and written in other order is mapped so;
 * kernel and programs have to agree on it.
 */
static void cmb_reserve(struct nvdio_ctrl *ctrl, phys_addr_t start, u64 bytes,
			u32 bir)
{
	if (!(pci_resource_flags(ctrl->pdev, bir) & IORESOURCE_PREFETCH) ||
	    arch_io_reserve_memtype_wc(start, bytes))
		return;
	ctrl->cmb_wc_start = start;
	ctrl->cmb_wc_bytes = bytes;
}

/*
 * Make the controller find data of its commands in the buffer, at the addresses
 * that the PCI bus has for it. What cmb_read() does ends it.
 */
static bool cmb_decode(struct nvdio_ctrl *ctrl,
		       const struct nvdio_cmb_place *place)
{
	u64 cba = pci_bus_address(ctrl->pdev, place->bir) + place->offset;

	/* Before NVMe 1.4 it does so always. */
	if (!NVME_CAP_CMBS(ctrl->cap))
		return true;
	/* The half with CMSE is the last one, when CBA is whole. */
	hi_lo_writeq(NVME_CMBMSC_CRE | NVME_CMBMSC_CMSE | cba,
		     ctrl->bar + NVME_REG_CMBMSC);
	if (!(readl(ctrl->bar + NVME_REG_CMBSTS) & NVME_CMBSTS_CBAI))
		return true;
	dev_warn(&ctrl->dev,
		 "controller memory buffer refused at address %#llx\n", cba);
	hi_lo_writeq(NVME_CMBMSC_CRE, ctrl->bar + NVME_REG_CMBMSC);
	return false;
}

/* Make it memory for commands' data, if kernel and controller can. */
static void cmb_for_io(struct nvdio_ctrl *ctrl,
		       const struct nvdio_cmb_place *place, phys_addr_t start)
{
	if (!ctrl->p2pdma || !place->io ||
	    !IS_ALIGNED(start | place->size, memremap_compat_align()))
		return;
	if (nvdio_cmb_p2p_add(ctrl, place) && !cmb_decode(ctrl, place))
		nvdio_cmb_p2p_remove(ctrl);
}

/**
 * nvdio_cmb_setup() - look for the controller memory buffer
 * @ctrl: controller, enabled; its lock is held
 *
 * The first time decides. If a reset has changed the buffer programs lose it until
 * the controller is bound again: what they have there is gone.
 *
 * Context: may sleep.
 */
void nvdio_cmb_setup(struct nvdio_ctrl *ctrl)
{
	struct nvdio_cmb_place place;
	phys_addr_t start;

	if (ctrl->cmb_known && !ctrl->cmb_bytes)
		return;
	/* A size of 0 on errors. */
	cmb_read(ctrl, &place);
	start = pci_resource_start(ctrl->pdev, place.bir) + place.offset;
	if (!ctrl->cmb_known) {
		ctrl->cmb_known = true;
		if (!place.size || !nvdio_mmio_is_memory())
			return;
		cmb_reserve(ctrl, start, place.size, place.bir);
		cmb_for_io(ctrl, &place, start);
		nvdio_mmio_cmb(ctrl, start, place.size);
	} else if (place.size != ctrl->cmb_bytes || start != ctrl->cmb_start) {
		dev_warn(&ctrl->dev,
			 "controller memory buffer changed by reset: %llu bytes, %llu before\n",
			 place.size, ctrl->cmb_bytes);
		nvdio_mmio_cmb(ctrl, 0, 0);
	} else if (ctrl->cmb_pages && (!place.io || !cmb_decode(ctrl, &place))) {
		nvdio_mmio_cmb(ctrl, 0, 0);
	}
}

/**
 * nvdio_cmb_free() - undo nvdio_cmb_setup()
 * @ctrl: controller, after nvdio_mmio_end()
 *
 * Context: may sleep.
 */
void nvdio_cmb_free(struct nvdio_ctrl *ctrl)
{
	nvdio_cmb_p2p_remove(ctrl);
	if (ctrl->cmb_wc_bytes)
		arch_io_free_memtype_wc(ctrl->cmb_wc_start, ctrl->cmb_wc_bytes);
	ctrl->cmb_wc_bytes = 0;
}
