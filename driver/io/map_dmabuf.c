// SPDX-License-Identifier: GPL-2.0
/*
 * dma-bufs as mapped memory: memory of another driver, which hands out bus
 * addresses of it.
 *
 * The attachment is a static one: the exporter has to keep the memory where it
 * is, and in system memory, for as long as it is mapped. An importer that can be
 * told to move (invalidate_mappings) would have to stop all commands for the
 * memory, and a command that the controller holds cannot be stopped (invariant 2).
 *
 * Neither the pages nor the order of accesses are ours: programs bracket their own
 * accesses with DMA_BUF_IOCTL_SYNC, and wait for other devices themselves.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/scatterlist.h>

#include "pure/dptr.h"
#include "core/compat.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "io/map_dmabuf.h"
#include "uapi/nvdio.h"

MODULE_IMPORT_NS(NVDIO_NS_DMA_BUF);

/**
 * nvdio_map_dmabuf_get() - take a reference to a map's dma-buf
 * @map: map with its flags and number of pages
 * @fd: descriptor of the caller's
 *
 * It is accounted to those who have made it, and no page of it is used here.
 *
 * Context: may sleep.
 * Return: 0, to be undone with nvdio_map_dmabuf_put(); -EBADF; -EINVAL if it is not
 * a dma-buf, or smaller than the map; -EACCES if the controller would write to what
 * the caller could not have written to; -EOPNOTSUPP.
 */
int nvdio_map_dmabuf_get(struct nvdio_map *map, int fd)
{
	struct dma_buf *buf;
	int ret = 0;

	if (!IS_ENABLED(CONFIG_DMA_SHARED_BUFFER))
		return -EOPNOTSUPP;
	buf = dma_buf_get(fd);
	if (IS_ERR(buf))
		return PTR_ERR(buf);
	if ((u64)nvdio_map_pages(map) << PAGE_SHIFT > buf->size)
		ret = -EINVAL;
	else if (!(map->flags & NVDIO_MAP_READ_ONLY) &&
		 !(buf->file->f_mode & FMODE_WRITE))
		ret = -EACCES;
	if (ret)
		dma_buf_put(buf);
	else
		map->buf = buf;
	return ret;
}

/**
 * nvdio_map_dmabuf_put() - undo nvdio_map_dmabuf_get()
 * @map: map that is not mapped for DMA; does nothing if it has no dma-buf
 *
 * Context: may sleep.
 */
void nvdio_map_dmabuf_put(struct nvdio_map *map)
{
	if (!IS_ENABLED(CONFIG_DMA_SHARED_BUFFER) || !map->buf)
		return;
	dma_buf_put(map->buf);
	map->buf = NULL;
}

/* Do the bus addresses of the exporter make whole pages, and enough of them? */
static bool dmabuf_usable(const struct nvdio_map *map)
{
	const u64 want = (u64)map->table.nr_pages << NVDIO_MPS_SHIFT;
	struct scatterlist *sg;
	u64 have = 0;
	int i;

	for_each_sgtable_dma_sg(map->bus, sg, i) {
		if ((sg_dma_address(sg) | sg_dma_len(sg)) & NVDIO_MPS_MASK)
			return false;
		have += sg_dma_len(sg);
		if (have >= want)
			return true;
	}
	return false;
}

/**
 * nvdio_map_dmabuf_map() - make a map's dma-buf accessible for its controller
 * @map: map with its dma-buf; @bus is set
 * @dir: direction
 *
 * Waits for the exporter to move it to where it stays.
 *
 * Context: may sleep, for as long as the exporter takes; the caller has called
 * nvdio_ctrl_enter().
 * Return: 0, to be undone with nvdio_map_dmabuf_unmap(); -EOPNOTSUPP if it is in
 * pieces that commands cannot describe; or -errno of the exporter.
 */
int nvdio_map_dmabuf_map(struct nvdio_map *map, enum dma_data_direction dir)
{
	struct dma_buf_attachment *attach;
	struct sg_table *sgt;

	if (!IS_ENABLED(CONFIG_DMA_SHARED_BUFFER))
		return -EOPNOTSUPP;
	attach = dma_buf_attach(map->buf, map->ctrl->dev.parent);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	sgt = dma_buf_map_attachment_unlocked(attach, dir);
	if (IS_ERR(sgt)) {
		dma_buf_detach(map->buf, attach);
		return PTR_ERR(sgt);
	}
	map->attach = attach;
	map->bus = sgt;
	if (dmabuf_usable(map))
		return 0;
	nvdio_map_dmabuf_unmap(map, dir);
	return -EOPNOTSUPP;
}

/**
 * nvdio_map_dmabuf_unmap() - undo nvdio_map_dmabuf_map()
 * @map: map that no command is in flight for
 * @dir: direction
 *
 * The exporter may do with the memory what it likes from now on.
 *
 * Context: may sleep; the driver is not unbound yet.
 */
void nvdio_map_dmabuf_unmap(struct nvdio_map *map, enum dma_data_direction dir)
{
	if (!IS_ENABLED(CONFIG_DMA_SHARED_BUFFER))
		return;
	dma_buf_unmap_attachment_unlocked(map->attach, map->bus, dir);
	dma_buf_detach(map->buf, map->attach);
	map->attach = NULL;
	map->bus = NULL;
}
