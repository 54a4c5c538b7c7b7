// SPDX-License-Identifier: GPL-2.0
/*
 * NVDIO_IOC_* (uapi/nvdio.h): what a node can do, mapped memory with identifiers,
 * and I/O for it. Their structures may grow, so an ioctl is recognised by all of its
 * number but the size.
 */
#include <linux/compat.h>
#include <linux/fs.h>
#include <linux/uaccess.h>

#include "pure/dptr.h"
#include "pure/map_table.h"
#include "pure/pfn_index.h"
#include "pure/range.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "core/ns.h"
#include "io/batch.h"
#include "io/map.h"
#include "io/map_dma.h"
#include "io/map_rw.h"
#include "user/map_ioctl.h"
#include "uapi/nvdio.h"

/* What MAP_ADD has always had. */
#define MAP_ADD_MIN	(offsetofend(struct nvdio_map_add, mmap_offset))

/* The same of NVDIO_IOC_RW. */
#define RW_MIN		(offsetofend(struct nvdio_rw, len))

#define MAP_KINDS	(NVDIO_MAP_ALLOC | NVDIO_MAP_USER | NVDIO_MAP_DMABUF)
#define MAP_FLAGS	(MAP_KINDS | NVDIO_MAP_READ_ONLY | NVDIO_MAP_SHARED)

/* Copy as much of a structure as the program knows of; 0 for the rest. */
static int copy_out(void __user *argp, size_t user_size, const void *from,
		    size_t size)
{
	const size_t len = min(user_size, size);

	if (copy_to_user(argp, from, len) ||
	    clear_user(argp + len, user_size - len))
		return -EFAULT;
	return 0;
}

static int ioctl_info(const struct nvdio_ctrl *ctrl, const struct nvdio_ns *ns,
		      const struct nvdio_span *span, size_t size,
		      void __user *argp)
{
	const u32 batches = nvdio_batch_most(ctrl);
	struct nvdio_info info = {
		.abi = NVDIO_ABI,
		.dma_align = NVDIO_DMA_MASK + 1,
		.io_max = READ_ONCE(ctrl->max_bytes),
	};

	if (ns) {
		info.lba_size = ns->lba_mask + 1;
		info.size = nvdio_span_size(span, nvdio_ns_size(ns));
		info.io_max = ns->limits.max_bytes;
	}
	if (batches)
		info.features |= NVDIO_FEATURE_BATCH | NVDIO_FEATURE_RING;
	if (ns && batches) {
		info.batch_max = batches;
		info.batch_len_max = ns->map_max & ~ns->lba_mask;
		info.atomic_max = READ_ONCE(ns->atomic_max);
		info.atomic_boundary = READ_ONCE(ns->atomic_boundary);
	}
	if (READ_ONCE(ctrl->sgls))
		info.features |= NVDIO_FEATURE_SGLS;
	/* A range does not map it. */
	if (!span && READ_ONCE(ctrl->cmb_pages) && READ_ONCE(ctrl->cmb_bytes))
		info.features |= NVDIO_FEATURE_CMB_IO;
	if (nvdio_map_dma_possible(ctrl)) {
		info.features |= NVDIO_FEATURE_MAPS;
		if (IS_ENABLED(CONFIG_DMA_SHARED_BUFFER))
			info.features |= NVDIO_FEATURE_DMABUF;
		info.map_io_max = min(info.io_max, NVDIO_MAP_LIST_BYTES);
		info.maps_max = NVDIO_MAPS_MAX;
		info.map_bytes_max = (u64)NVDIO_MAP_PAGES_MAX << PAGE_SHIFT;
	}
	return copy_out(argp, size, &info, sizeof(info));
}

/* Is what the program wants a map? */
static bool add_valid(const struct nvdio_map_add *add)
{
	const u32 kind = add->flags & MAP_KINDS;
	u64 end;

	if (add->flags & ~MAP_FLAGS || hweight32(kind) != 1 || add->resv)
		return false;
	if (kind != NVDIO_MAP_USER && add->addr)
		return false;
	if (kind != NVDIO_MAP_DMABUF && add->dmabuf_fd)
		return false;
	if (!add->len || !PAGE_ALIGNED(add->len) || !PAGE_ALIGNED(add->addr) ||
	    add->len >> PAGE_SHIFT > NVDIO_MAP_PAGES_MAX)
		return false;
	return !check_add_overflow(add->addr, add->len, &end) &&
	       end <= ULONG_MAX;
}

static int ioctl_map_add(struct nvdio_ctrl *ctrl, const struct file *file,
			 size_t size, void __user *argp)
{
	struct nvdio_map_add add;
	struct nvdio_map *map;
	unsigned long from;
	int ret;

	if (size < MAP_ADD_MIN)
		return -EINVAL;
	ret = copy_struct_from_user(&add, sizeof(add), argp, size);
	if (ret)
		return ret;
	if (!add_valid(&add))
		return -EINVAL;
	/* Those who tell of changes to it know the address without a tag. */
	from = add.flags & NVDIO_MAP_DMABUF ? add.dmabuf_fd :
					      untagged_addr(add.addr);
	map = nvdio_map_create(ctrl, add.flags, from, add.len >> PAGE_SHIFT);
	if (IS_ERR(map))
		return PTR_ERR(map);
	add.id = map->id;
	add.mmap_offset = 0;
	if (add.flags & NVDIO_MAP_ALLOC)
		add.mmap_offset = in_compat_syscall() ?
				  NVDIO_MMAP_ID32(map->id) :
				  NVDIO_MMAP_ID(map->id);
	ret = copy_out(argp, size, &add, sizeof(add));
	/* Published last, so that nobody else can have deleted it yet. */
	if (ret)
		nvdio_map_put(map);
	else
		nvdio_map_publish(map, file);
	return ret;
}

static int ioctl_map_del(struct nvdio_ctrl *ctrl, const struct file *file,
			 u32 __user *argp)
{
	struct nvdio_map *map;
	u32 id;

	if (get_user(id, argp))
		return -EFAULT;
	map = nvdio_map_by_id(ctrl, id);
	return map ? nvdio_map_del(map, file) : -ENOENT;
}

static int ioctl_rw(struct nvdio_ns *ns, const struct nvdio_span *span,
		    struct file *file, size_t size, void __user *argp)
{
	struct nvdio_rw rw;
	int ret;

	if (size < RW_MIN)
		return -EINVAL;
	ret = copy_struct_from_user(&rw, sizeof(rw), argp, size);
	if (ret)
		return ret;
	if (rw.flags & ~(NVDIO_RW_WRITE | NVDIO_RW_DSYNC) ||
	    rw.len > MAX_RW_COUNT)
		return -EINVAL;
	if (!(file->f_mode &
	      (rw.flags & NVDIO_RW_WRITE ? FMODE_WRITE : FMODE_READ)))
		return -EBADF;
	return nvdio_map_rw(ns, span, file, &rw);
}

/**
 * nvdio_map_ioctl() - NVDIO_IOC_*
 * @ctrl: controller
 * @ns: namespace; NULL on the controller's node
 * @span: what of it @file reaches; NULL: all, as it is a node
 * @file: open node or range
 * @cmd: ioctl
 * @argp: argument
 *
 * Context: may sleep.
 * Return: 0; -ENOIOCTLCMD for other ioctls; -EINVAL; -E2BIG for members that are
 * not known here and not 0; -EFAULT; -ENOENT if there is no such identifier, or
 * none for the caller; or as nvdio_map_create() or nvdio_map_rw().
 */
int nvdio_map_ioctl(struct nvdio_ctrl *ctrl, struct nvdio_ns *ns,
		    const struct nvdio_span *span, struct file *file,
		    unsigned int cmd, void __user *argp)
{
	switch (cmd & ~IOCSIZE_MASK) {
	case NVDIO_IOC_INFO & ~IOCSIZE_MASK:
		return ioctl_info(ctrl, ns, span, _IOC_SIZE(cmd), argp);
	case NVDIO_IOC_MAP_ADD & ~IOCSIZE_MASK:
		return ioctl_map_add(ctrl, file, _IOC_SIZE(cmd), argp);
	case NVDIO_IOC_MAP_DEL & ~IOCSIZE_MASK:
		if (_IOC_SIZE(cmd) != sizeof(u32))
			return -EINVAL;
		return ioctl_map_del(ctrl, file, argp);
	case NVDIO_IOC_RW & ~IOCSIZE_MASK:
		return ns ? ioctl_rw(ns, span, file, _IOC_SIZE(cmd), argp) :
			    -ENOIOCTLCMD;
	default:
		return -ENOIOCTLCMD;
	}
}
