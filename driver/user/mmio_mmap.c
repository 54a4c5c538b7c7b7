// SPDX-License-Identifier: GPL-2.0
/*
 * mmap() of a controller's registers and of its memory buffer.
 *
 * Pages are put in by a fault handler, one by one, registers too. By
 * io_remap_pfn_range() in ->mmap() they would be there before the VMA can be
 * found from the address_space, and an unbind just then would miss them.
 */
#include <linux/mm.h>
#include <linux/security.h>

#include "core/ctrl.h"
#include "hw/mmio.h"
#include "user/mmio_mmap.h"
#include "uapi/nvdio.h"

#define REGS_PGOFF	((unsigned long)(NVDIO_MMAP_REGS >> PAGE_SHIFT))
#define CMB_PGOFF	((unsigned long)(NVDIO_MMAP_CMB >> PAGE_SHIFT))

/* The page of the device at page @pgoff of a node, or 0; mmio_lock is held. */
static unsigned long mmio_pfn(const struct nvdio_ctrl *ctrl,
			      unsigned long pgoff)
{
	if (ctrl->mmio_ended)
		return 0;
	if (pgoff == REGS_PGOFF)
		return PHYS_PFN(pci_resource_start(ctrl->pdev, 0));
	if (pgoff < CMB_PGOFF ||
	    pgoff - CMB_PGOFF >= ctrl->cmb_bytes >> PAGE_SHIFT)
		return 0;
	return PHYS_PFN(ctrl->cmb_start) + pgoff - CMB_PGOFF;
}

static vm_fault_t mmio_insert(struct vm_fault *vmf, unsigned long pfn)
{
	int ret;

	if (!(vmf->vma->vm_flags & VM_MIXEDMAP))
		return vmf_insert_pfn(vmf->vma, vmf->address, pfn);
	ret = vm_insert_page(vmf->vma, vmf->address, pfn_to_page(pfn));
	/* Another thread's fault came first. */
	return ret && ret != -EBUSY ? vmf_error(ret) : VM_FAULT_NOPAGE;
}

static vm_fault_t mmio_fault(struct vm_fault *vmf)
{
	struct nvdio_ctrl *ctrl = vmf->vma->vm_private_data;
	vm_fault_t ret = VM_FAULT_SIGBUS;
	unsigned long pfn;

	down_read(&ctrl->mmio_lock);
	pfn = mmio_pfn(ctrl, vmf->pgoff);
	if (pfn)
		ret = mmio_insert(vmf, pfn);
	up_read(&ctrl->mmio_lock);
	return ret;
}

static const struct vm_operations_struct mmio_vm_ops = {
	.fault = mmio_fault,
};

/* What has no pages is not to be pinned either. */
#define MMIO_NO_PAGES	(VM_IO | VM_PFNMAP)

/*
 * Not inherited by fork(), not in core dumps; and nothing that a CPU may execute.
 */
static void mmio_vma(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma,
		     pgprot_t prot, vm_flags_t kind, vm_flags_t lost)
{
	vm_flags_mod(vma, kind | VM_DONTEXPAND | VM_DONTDUMP | VM_DONTCOPY,
		     VM_MAYEXEC | lost);
	vma->vm_page_prot = prot;
	vma->vm_private_data = ctrl;
	vma->vm_ops = &mmio_vm_ops;
}

/**
 * nvdio_mmap_regs() - map the registers of a controller, to be read
 * @ctrl: controller; the caller has its node open
 * @vma: new VMA, shared, at NVDIO_MMAP_REGS of the controller's node
 *
 * Those before the doorbells, 4 KiB.
 *
 * Context: may sleep; the mmap_lock is held for writing.
 * Return: 0; -EINVAL; -EACCES unless it is only to be read; -EPERM without
 * CAP_SYS_RAWIO, or if the kernel is locked down; -EOPNOTSUPP if something else
 * is in the same page, or where programs cannot read registers as memory.
 */
int nvdio_mmap_regs(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma)
{
	int ret;

	if (vma_pages(vma) != 1)
		return -EINVAL;
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	if (!capable(CAP_SYS_RAWIO))
		return -EPERM;
	/* As of the files resourceN in sysfs. */
	ret = security_locked_down(LOCKDOWN_PCI_ACCESS);
	if (ret)
		return ret;
	/* Doorbells, or a table of interrupts. */
	if (!nvdio_mmio_is_memory() || NVME_REG_DBS % PAGE_SIZE ||
	    !PAGE_ALIGNED(pci_resource_start(ctrl->pdev, 0)) ||
	    nvdio_mmio_has_msix(ctrl->pdev, 0, 0, NVME_REG_DBS))
		return -EOPNOTSUPP;
	mmio_vma(ctrl, vma, pgprot_noncached(vma->vm_page_prot), MMIO_NO_PAGES,
		 VM_MAYWRITE);
	return 0;
}

/**
 * nvdio_mmap_cmb() - map the memory buffer of a controller
 * @ctrl: controller; the caller has a node of it open
 * @vma: new VMA, shared, at NVDIO_MMAP_CMB or some pages from there
 *
 * Context: may sleep; the mmap_lock is held for writing.
 * Return: 0; -EINVAL beyond its end; -EACCES if it is to be executed;
 * -EOPNOTSUPP if there is none.
 */
int nvdio_mmap_cmb(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma)
{
	const unsigned long nr = READ_ONCE(ctrl->cmb_bytes) >> PAGE_SHIFT;
	const unsigned long page = vma->vm_pgoff - CMB_PGOFF;

	if (!nr)
		return -EOPNOTSUPP;
	if (page >= nr || vma_pages(vma) > nr - page)
		return -EINVAL;
	if (vma->vm_flags & VM_EXEC)
		return -EACCES;
	mmio_vma(ctrl, vma, ctrl->cmb_wc_bytes ?
		 pgprot_writecombine(vma->vm_page_prot) :
		 pgprot_noncached(vma->vm_page_prot),
		 ctrl->cmb_pages ? VM_MIXEDMAP : MMIO_NO_PAGES, 0);
	return 0;
}
