// SPDX-License-Identifier: GPL-2.0
/*
 * The PCI driver: binding, BAR, DMA limits, interrupt vectors, power
 * management.
 */
#include <linux/dma-mapping.h>
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/sizes.h>

#include "pure/dptr.h"
#include "core/compat.h"
#include "core/ctrl.h"
#include "core/params.h"
#include "core/quirks.h"
#include "ctrl/ctrl.h"
#include "ctrl/pci.h"
#include "ctrl/quirks.h"
#include "ctrl/recovery.h"
#include "ctrl/sysfs.h"

/* Registers and a page of doorbells. */
#define NVDIO_BAR_MIN	(NVME_REG_DBS + 4096)

/*
 * Longest mapping where mapping may bounce: short ones find space more easily.
 */
#define NVDIO_BOUNCED_MAP	SZ_64K

/*
 * Set the properties of DMA mappings: a size limit if they may go through
 * swiotlb, and with the parameter dma_shortcut the constant offset of a linear
 * mapping, which is read off the API itself.
 */
static void nvdio_pci_dma(struct nvdio_ctrl *ctrl)
{
	struct device *dev = &ctrl->pdev->dev;
	size_t max = dma_max_mapping_size(dev);
	struct page *page;
	dma_addr_t dma;

	ctrl->bounces = max < SIZE_MAX;
	/* Memory of devices cannot be bounced. */
	ctrl->p2pdma = !ctrl->bounces && nvdio_p2pdma(dev);
	ctrl->max_map_bytes = min_t(size_t, max, ctrl->bounces ?
				    NVDIO_BOUNCED_MAP : SZ_1G) & PAGE_MASK;
	if (!READ_ONCE(nvdio_dma_shortcut) || !nvdio_dma_is_linear(dev))
		return;
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return;
	dma = dma_map_page(dev, page, 0, PAGE_SIZE, DMA_TO_DEVICE);
	if (!dma_mapping_error(dev, dma)) {
		ctrl->dma_offset = dma - page_to_phys(page);
		dma_unmap_page(dev, dma, PAGE_SIZE, DMA_TO_DEVICE);
		ctrl->linear = nvdio_dma_is_linear(dev);
	}
	__free_page(page);
}

static int nvdio_pci_map(struct nvdio_ctrl *ctrl)
{
	struct pci_dev *pdev = ctrl->pdev;
	struct device *dev = &pdev->dev;
	int ret;

	/*
	 * Enabling the device may turn on the port above, which could be what
	 * keeps it from writing (hw/master.c).
	 */
	pci_clear_master(pdev);
	ret = pci_enable_device_mem(pdev);
	if (ret)
		return ret;
	ret = pci_request_mem_regions(pdev, KBUILD_MODNAME);
	if (ret)
		goto disable;
	ctrl->bar_size = pci_resource_len(pdev, 0);
	if (ctrl->bar_size < NVDIO_BAR_MIN) {
		dev_err(dev, "BAR 0 is too small (%zu bytes)\n",
			ctrl->bar_size);
		ret = -ENODEV;
		goto release;
	}
	ctrl->bar = ioremap(pci_resource_start(pdev, 0), ctrl->bar_size);
	if (!ctrl->bar) {
		ret = -ENOMEM;
		goto release;
	}
	ret = dma_set_mask_and_coherent(dev, ctrl->quirks &
					NVDIO_QUIRK_DMA_ADDRESS_BITS_48 ?
					DMA_BIT_MASK(48) : DMA_BIT_MASK(64));
	if (ret)
		goto unmap;
	/*
	 * pure/dptr.c splits segments as PRPs and SGLs require; the PCI
	 * defaults would only split them once more. PRPs depend on swiotlb
	 * preserving the offset within a page.
	 */
	dma_set_max_seg_size(dev, UINT_MAX);
	dma_set_seg_boundary(dev, ULONG_MAX);
	dma_set_min_align_mask(dev, NVDIO_MPS_MASK);
	nvdio_pci_dma(ctrl);
	return 0;

unmap:
	iounmap(ctrl->bar);
	ctrl->bar = NULL;
release:
	pci_release_mem_regions(pdev);
disable:
	pci_disable_device(pdev);
	return ret;
}

static void nvdio_pci_unmap(struct nvdio_ctrl *ctrl)
{
	pci_clear_master(ctrl->pdev);
	iounmap(ctrl->bar);
	ctrl->bar = NULL;
	pci_release_mem_regions(ctrl->pdev);
	pci_disable_device(ctrl->pdev);
}

/* MSI-X, MSI or INTx; one vector per queue if there are enough. */
static int nvdio_pci_vectors(struct nvdio_ctrl *ctrl)
{
	bool single = ctrl->quirks & NVDIO_QUIRK_SINGLE_VECTOR;
	bool msi = !(ctrl->quirks & NVDIO_QUIRK_BROKEN_MSI);
	struct pci_dev *pdev = ctrl->pdev;
	int ret;

	ret = pci_alloc_irq_vectors(pdev, 1,
				    single ? 1 : nvdio_max_queues() + 1,
				    PCI_IRQ_MSIX | PCI_IRQ_INTX |
				    (msi ? PCI_IRQ_MSI : 0));
	if (ret < 0)
		return ret;
	ctrl->nr_vectors = ret;
	ctrl->irq_mode = pdev->msix_enabled ? "msix" :
			 pdev->msi_enabled ? "msi" : "intx";
	return 0;
}

static int nvdio_pci_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct nvdio_ctrl *ctrl;
	int ret;

	/* driver_override matches any device, so check the class. */
	if (pdev->class != PCI_CLASS_STORAGE_EXPRESS) {
		dev_err(&pdev->dev, "not an NVMe controller (class %06x)\n",
			pdev->class);
		return -ENODEV;
	}
	ctrl = nvdio_ctrl_alloc(pdev);
	if (IS_ERR(ctrl))
		return PTR_ERR(ctrl);
	ctrl->dev.groups = nvdio_ctrl_groups;
	INIT_DELAYED_WORK(&ctrl->recovery_work, nvdio_recovery_late);
	ret = nvdio_quirks_init(ctrl);
	if (!ret)
		ret = nvdio_pci_map(ctrl);
	if (ret)
		goto put;
	ret = nvdio_pci_vectors(ctrl);
	if (ret)
		goto unmap;
	pci_set_drvdata(pdev, ctrl);
	/* For recovery_slot_reset(). */
	pci_save_state(pdev);
	ret = nvdio_ctrl_start(ctrl);
	if (!ret)
		return 0;

	dev_err(&pdev->dev, "probe failed: %d\n", ret);
	nvdio_ctrl_remove(ctrl);
	pci_free_irq_vectors(pdev);
unmap:
	nvdio_pci_unmap(ctrl);
put:
	put_device(&ctrl->dev);
	return ret;
}

static void nvdio_pci_remove(struct pci_dev *pdev)
{
	struct nvdio_ctrl *ctrl = pci_get_drvdata(pdev);

	nvdio_ctrl_remove(ctrl);
	pci_free_irq_vectors(pdev);
	nvdio_pci_unmap(ctrl);
	put_device(&ctrl->dev);
}

static void nvdio_pci_shutdown(struct pci_dev *pdev)
{
	nvdio_ctrl_shutdown(pci_get_drvdata(pdev));
}

/* The device may lose power while suspended. */
static int nvdio_pci_suspend(struct device *dev)
{
	return nvdio_ctrl_suspend(dev_get_drvdata(dev), true);
}

static int nvdio_pci_resume(struct device *dev)
{
	return nvdio_ctrl_resume(dev_get_drvdata(dev));
}

static DEFINE_SIMPLE_DEV_PM_OPS(nvdio_pci_pm, nvdio_pci_suspend,
				nvdio_pci_resume);

/*
 * No id table: the driver binds only through driver_override, so that loading
 * the module never takes a disk away from the system.
 */
struct pci_driver nvdio_pci_driver = {
	.name = "nvdio",
	.probe = nvdio_pci_probe,
	.remove = nvdio_pci_remove,
	.shutdown = nvdio_pci_shutdown,
	.err_handler = &nvdio_recovery_handlers,
	.driver.pm = pm_sleep_ptr(&nvdio_pci_pm),
};
