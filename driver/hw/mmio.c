// SPDX-License-Identifier: GPL-2.0
/*
 * What of a controller's address space programs map: its registers, its memory
 * buffer. When the driver leaves it, no program may still reach it, since it may
 * be another driver's then. So all mappings have to be found, whichever of the
 * nodes they are of, and nodes of one device may have any number of inodes (each
 * mknod() makes one). Therefore all files of a controller have the address_space
 * of one inode, the controller's own, on a file system that nobody sees.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mount.h>
#include <linux/pci.h>
#include <linux/pseudo_fs.h>

#include "core/ctrl.h"
#include "hw/mmio.h"
#include "uapi/nvdio.h"

#define NVDIO_FS_MAGIC	0x6e76646f

static struct vfsmount *nvdio_mnt;

static int fs_init(struct fs_context *fc)
{
	return init_pseudo(fc, NVDIO_FS_MAGIC) ? 0 : -ENOMEM;
}

/* No owner: the mount lives as long as the module, and must not keep it. */
static struct file_system_type nvdio_fs = {
	.name = "nvdio",
	.init_fs_context = fs_init,
	.kill_sb = kill_anon_super,
};

/**
 * nvdio_mmio_alloc() - prepare a new controller for its files
 * @ctrl: controller
 *
 * Context: may sleep.
 * Return: 0 or -errno; nvdio_mmio_free() undoes it, in either case.
 */
int nvdio_mmio_alloc(struct nvdio_ctrl *ctrl)
{
	struct inode *inode = alloc_anon_inode(nvdio_mnt->mnt_sb);

	init_rwsem(&ctrl->mmio_lock);
	if (IS_ERR(inode))
		return PTR_ERR(inode);
	/* A page fault maps more than one page only within the file's size. */
	i_size_write(inode, MAX_LFS_FILESIZE);
	ctrl->mmio_inode = inode;
	return 0;
}

/**
 * nvdio_mmio_free() - undo nvdio_mmio_alloc()
 * @ctrl: controller without open files
 *
 * Context: may sleep.
 */
void nvdio_mmio_free(struct nvdio_ctrl *ctrl)
{
	iput(ctrl->mmio_inode);
}

/**
 * nvdio_mmio_opened() - a node of the controller is being opened
 * @ctrl: controller; the file keeps a reference to it
 * @file: new file
 *
 * Context: may sleep.
 */
void nvdio_mmio_opened(struct nvdio_ctrl *ctrl, struct file *file)
{
	file->f_mapping = ctrl->mmio_inode->i_mapping;
}

/* Both kinds: nothing else has offsets from there on. */
static void mmio_zap(struct nvdio_ctrl *ctrl)
{
	static_assert(NVDIO_MMAP_CMB > NVDIO_MMAP_REGS);
	unmap_mapping_range(ctrl->mmio_inode->i_mapping, NVDIO_MMAP_REGS, 0,
			    1);
}

/**
 * nvdio_mmio_cmb() - set which memory buffer programs may map
 * @ctrl: controller
 * @start: physical address, page aligned
 * @bytes: its size, whole pages; 0: none
 *
 * What is mapped of another one is unmapped.
 *
 * Context: may sleep.
 */
void nvdio_mmio_cmb(struct nvdio_ctrl *ctrl, phys_addr_t start, u64 bytes)
{
	down_write(&ctrl->mmio_lock);
	ctrl->cmb_start = start;
	WRITE_ONCE(ctrl->cmb_bytes, bytes);
	up_write(&ctrl->mmio_lock);
	/* Registers come back with the next access. */
	mmio_zap(ctrl);
}

/**
 * nvdio_mmio_end() - the driver leaves the controller
 * @ctrl: controller
 *
 * On return no program can reach its registers or its memory buffer; trying to
 * is a bus error.
 *
 * Context: may sleep.
 */
void nvdio_mmio_end(struct nvdio_ctrl *ctrl)
{
	down_write(&ctrl->mmio_lock);
	ctrl->mmio_ended = true;
	up_write(&ctrl->mmio_lock);
	/* A page fault that came first has ended; later ones find that. */
	mmio_zap(ctrl);
}

/* Is a table in the range, which the capability says at @where is in a BAR? */
static bool msix_in(struct pci_dev *pdev, int where, u64 len, u32 bir,
		    u64 offset, u64 size)
{
	u32 at, value = 0;

	pci_read_config_dword(pdev, pdev->msix_cap + where, &value);
	at = value & PCI_MSIX_TABLE_OFFSET;
	return (value & PCI_MSIX_TABLE_BIR) == bir && at < offset + size &&
	       at + len > offset;
}

/**
 * nvdio_mmio_has_msix() - is the MSI-X table, or the PBA, in a part of a BAR?
 * @pdev: PCI function
 * @bir: BAR
 * @offset: offset of the part, which does not leave the BAR
 * @size: its bytes
 *
 * Programs must not see these: whoever can write to the table can have the
 * device write anywhere.
 *
 * Context: any; accesses configuration space.
 * Return: true if it is, at least partly.
 */
bool nvdio_mmio_has_msix(struct pci_dev *pdev, u32 bir, u64 offset, u64 size)
{
	u16 flags = 0;
	u64 nr;

	if (!pdev->msix_cap)
		return false;
	pci_read_config_word(pdev, pdev->msix_cap + PCI_MSIX_FLAGS, &flags);
	nr = (flags & PCI_MSIX_FLAGS_QSIZE) + 1;
	return msix_in(pdev, PCI_MSIX_TABLE, nr * PCI_MSIX_ENTRY_SIZE, bir,
		       offset, size) ||
	       msix_in(pdev, PCI_MSIX_PBA, DIV_ROUND_UP(nr, 64) * 8, bir,
		       offset, size);
}

/**
 * nvdio_mmio_init() - at module load
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_mmio_init(void)
{
	nvdio_mnt = kern_mount(&nvdio_fs);
	return PTR_ERR_OR_ZERO(nvdio_mnt);
}

/**
 * nvdio_mmio_exit() - undo nvdio_mmio_init(), at module unload
 *
 * Context: may sleep.
 */
void nvdio_mmio_exit(void)
{
	kern_unmount(nvdio_mnt);
}
