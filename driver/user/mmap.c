// SPDX-License-Identifier: GPL-2.0
/*
 * mmap() of the nodes: mapped memory (core/map.h) in address spaces. What is of the
 * device goes to user/mmio_mmap.c.
 *
 * It is ordinary memory there: its pages are counted by whoever uses them, so
 * they may be pinned, registered and inherited, and outlive the VMA and the
 * controller. What the VMA adds is that I/O may recognise its addresses without
 * looking at pages (io/map_find.c). That is sound only because each change to
 * what the addresses mean passes through here, under the mmap_lock, and ends what
 * was known of them before they can mean something else.
 */
#include <linux/mm.h>

#include "core/ctrl.h"
#include "core/map.h"
#include "io/map.h"
#include "user/mmap.h"
#include "user/mmio_mmap.h"
#include "uapi/nvdio.h"

/* vm_pgoff: the identifier plus 1, or 1 for new memory, in units of this. */
#define MMAP_PGOFF_SHIFT	(40 - PAGE_SHIFT)

/* Below that, of 32-bit programs: the identifier, in units of this. */
#define MMAP_PGOFF32_SHIFT	(30 - PAGE_SHIFT)

static_assert(!((NVDIO_MAP_PAGES_MAX - 1) & ~NVDIO_MAP_PGOFF_MASK));

/* Addresses of the map that were known may mean something else from now on. */
static void mmap_changed(struct nvdio_map *map)
{
	atomic_inc(&map->gen);
	atomic_inc(&map->ctrl->maps.vmas);
}

/* The VMA is copied: fork(), or munmap() and others of a part of it. */
static void mmap_open(struct vm_area_struct *vma)
{
	struct nvdio_map *map = vma->vm_private_data;

	nvdio_map_get(map);
	mmap_changed(map);
}

static void mmap_close(struct vm_area_struct *vma)
{
	struct nvdio_map *map = vma->vm_private_data;

	mmap_changed(map);
	nvdio_map_put(map);
}

static int mmap_mremap(struct vm_area_struct *vma)
{
	mmap_changed(vma->vm_private_data);
	return 0;
}

static int mmap_mprotect(struct vm_area_struct *vma, unsigned long start,
			 unsigned long end, unsigned long flags)
{
	mmap_changed(vma->vm_private_data);
	return 0;
}

static vm_fault_t mmap_fault(struct vm_fault *vmf)
{
	const struct nvdio_map *map = vmf->vma->vm_private_data;
	const pgoff_t nr = vmf->pgoff & NVDIO_MAP_PGOFF_MASK;

	if (nr >= nvdio_map_pages(map))
		return VM_FAULT_SIGBUS;
	get_page(map->pages[nr]);
	vmf->page = map->pages[nr];
	return 0;
}

static const struct vm_operations_struct mmap_vm_ops = {
	.open = mmap_open,
	.close = mmap_close,
	.mremap = mmap_mremap,
	.mprotect = mmap_mprotect,
	.fault = mmap_fault,
};

/* NVDIO_MMAP_ID() for NVDIO_MMAP_ID32(); other offsets as they are. */
static unsigned long mmap_pgoff(unsigned long pgoff)
{
	const unsigned long id = pgoff >> MMAP_PGOFF32_SHIFT;

	if (!id || pgoff >> MMAP_PGOFF_SHIFT)
		return pgoff;
	return ((id + 1) << MMAP_PGOFF_SHIFT) +
	       (pgoff & (BIT(MMAP_PGOFF32_SHIFT) - 1));
}

/*
 * The map that mmap() at page @pgoff of a node or, if that is not NULL, of @range
 * means, with a reference.
 */
static struct nvdio_map *mmap_map(struct nvdio_ctrl *ctrl, unsigned long pgoff,
				  unsigned long nr, bool ctrl_node,
				  const struct file *range)
{
	const unsigned long page = pgoff & NVDIO_MAP_PGOFF_MASK;
	unsigned long which = pgoff >> MMAP_PGOFF_SHIFT;
	struct nvdio_map *map;

	if (!pgoff && ctrl_node)
		which = NVDIO_MMAP_ALLOC >> 40;
	if (which == NVDIO_MMAP_ALLOC >> 40) {
		if (page || nr > NVDIO_MAP_PAGES_MAX)
			return ERR_PTR(-EINVAL);
		return nvdio_map_create(ctrl, NVDIO_MAP_ALLOC, 0, nr);
	}
	if (!which || which > U32_MAX)
		return ERR_PTR(-EINVAL);
	map = nvdio_map_by_id(ctrl, which - 1);
	if (!map)
		return ERR_PTR(-ENOENT);
	if (range && !nvdio_map_is_own(map, range)) {
		nvdio_map_put(map);
		return ERR_PTR(-ENOENT);
	}
	if (!(map->flags & NVDIO_MAP_ALLOC) ||
	    page >= nvdio_map_pages(map) || nr > nvdio_map_pages(map) - page) {
		nvdio_map_put(map);
		return ERR_PTR(-EINVAL);
	}
	return map;
}

/* Map memory for the controller. Return: 0 or -errno, as nvdio_mmap(). */
static int mmap_memory(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma,
		       bool ctrl_node, const struct file *range)
{
	struct nvdio_map *map;

	/* Also for mmap_fault(). */
	vma->vm_pgoff = mmap_pgoff(vma->vm_pgoff);
	map = mmap_map(ctrl, vma->vm_pgoff, vma_pages(vma), ctrl_node, range);
	if (IS_ERR(map))
		return PTR_ERR(map);
	vm_flags_set(vma, VM_DONTEXPAND);
	vma->vm_private_data = map;
	vma->vm_ops = &mmap_vm_ops;
	WRITE_ONCE(ctrl->maps.vm_ops, &mmap_vm_ops);
	atomic_inc(&ctrl->maps.vmas);
	return 0;
}

/**
 * nvdio_mmap() - map memory for a controller, or of it, into the caller's address space
 * @ctrl: controller
 * @vma: new VMA, at an offset of NVDIO_MMAP_* (uapi/nvdio.h)
 * @ctrl_node: of the controller's node, where offset 0 means new memory as well
 *
 * Only MAP_SHARED, since copies of pages that are written to would be no mapped
 * memory.
 *
 * Context: may sleep; the mmap_lock is held for writing.
 * Return: 0; -EINVAL; -ENOENT if there is no such identifier, or none for the
 * caller; or as nvdio_map_create(), nvdio_mmap_regs(), nvdio_mmap_cmb().
 */
int nvdio_mmap(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma,
	       bool ctrl_node)
{
	if (nvdio_ctrl_gone(ctrl))
		return -ENODEV;
	/* Not VM_SHARED, which a file has only if it is open for writing. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_pgoff == NVDIO_MMAP_REGS >> PAGE_SHIFT && ctrl_node)
		return nvdio_mmap_regs(ctrl, vma);
	if (vma->vm_pgoff >= NVDIO_MMAP_REGS >> PAGE_SHIFT)
		return vma->vm_pgoff < NVDIO_MMAP_CMB >> PAGE_SHIFT ?
		       -EINVAL : nvdio_mmap_cmb(ctrl, vma);
	return mmap_memory(ctrl, vma, ctrl_node, NULL);
}

/**
 * nvdio_mmap_range() - the same for a range
 * @ctrl: controller
 * @vma: new VMA of the range's file
 *
 * Nothing of the device itself: its memory buffer is one memory for all.
 *
 * Context: as nvdio_mmap().
 * Return: as nvdio_mmap(); -EACCES for memory of the device.
 */
int nvdio_mmap_range(struct nvdio_ctrl *ctrl, struct vm_area_struct *vma)
{
	if (nvdio_ctrl_gone(ctrl))
		return -ENODEV;
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;
	if (vma->vm_pgoff >= NVDIO_MMAP_REGS >> PAGE_SHIFT)
		return -EACCES;
	return mmap_memory(ctrl, vma, false, vma->vm_file);
}
