// SPDX-License-Identifier: GPL-2.0
/*
 * Pages of the controller memory buffer: with PCI_P2PDMA the kernel has a struct
 * page for each page of it, so that it can be pinned and be memory of an I/O.
 *
 * The pages are the driver's, from bind to unbind: it takes all of them from the
 * pool that the PCI core has made of the buffer, and holds a reference to each.
 * Page faults (user/mmio_mmap.c) and I/O add theirs. At unbind the driver drops its
 * own, and waits for the rest.
 */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pci-p2pdma.h>
#include <linux/percpu-refcount.h>

#include "pure/cmb.h"
#include "core/compat.h"
#include "core/ctrl.h"
#include "hw/cmb_p2p.h"

/*
 * Take all memory out of the pool. What takes one reference to the pool there is
 * @nr pages here, each of which drops one when it is freed.
 */
static bool cmb_take(struct nvdio_ctrl *ctrl, unsigned long nr)
{
	void *mem = pci_alloc_p2pmem(ctrl->pdev, nr << PAGE_SHIFT);
	struct page *page;
	unsigned long i;

	/* Root may have been faster, by p2pmem/allocate in sysfs. */
	if (!mem)
		return false;
	page = virt_to_page(mem);
	percpu_ref_get_many(&nvdio_page_pgmap(page)->ref, nr - 1);
	for (i = 0; i < nr; i++)
		init_page_count(page + i);
	ctrl->cmb_pages = page;
	ctrl->cmb_nr_pages = nr;
	return true;
}

/**
 * nvdio_cmb_p2p_add() - make the controller memory buffer memory for I/O
 * @ctrl: controller
 * @place: where it is
 *
 * Nothing of it may be mapped yet. How it is cached is decided by what has been
 * reserved for it.
 *
 * Context: may sleep.
 * Return: true if @cmb_pages is set, which nvdio_cmb_p2p_remove() undoes; false
 * if it has no pages.
 */
bool nvdio_cmb_p2p_add(struct nvdio_ctrl *ctrl,
		       const struct nvdio_cmb_place *place)
{
	struct device *dev = &ctrl->pdev->dev;
	int ret;

	/* The PCI core undoes it when the driver is gone; here it is before. */
	ctrl->cmb_group = devres_open_group(dev, NULL, GFP_KERNEL);
	if (!ctrl->cmb_group)
		return false;
	ret = pci_p2pdma_add_resource(ctrl->pdev, place->bir, place->size,
				      place->offset);
	devres_close_group(dev, ctrl->cmb_group);
	if (!ret && cmb_take(ctrl, place->size >> PAGE_SHIFT))
		return true;
	devres_release_group(dev, ctrl->cmb_group);
	ctrl->cmb_group = NULL;
	dev_warn(&ctrl->dev,
		 "controller memory buffer has no pages (error %d)\n", ret);
	return false;
}

/**
 * nvdio_cmb_p2p_remove() - undo nvdio_cmb_p2p_add()
 * @ctrl: controller without I/O in flight, after nvdio_mmio_end()
 *
 * Waits until no other device uses the memory: until I/O of other controllers to
 * it, which was in flight, has ended. Nothing else holds pages of this kind for
 * longer.
 *
 * Context: may sleep.
 */
void nvdio_cmb_p2p_remove(struct nvdio_ctrl *ctrl)
{
	unsigned long i;

	if (!ctrl->cmb_pages)
		return;
	for (i = 0; i < ctrl->cmb_nr_pages; i++)
		put_page(ctrl->cmb_pages + i);
	ctrl->cmb_pages = NULL;
	devres_release_group(&ctrl->pdev->dev, ctrl->cmb_group);
	ctrl->cmb_group = NULL;
}
