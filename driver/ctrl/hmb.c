// SPDX-License-Identifier: GPL-2.0
/*
 * Host memory buffer (NVMe Base 2.0, 5.27.1.10): memory of the host for the
 * controller's own use, in the place of DRAM that it does not have.
 *
 * From the Set Features command that gives it away the controller may access it
 * at any time, so it is freed only after CC.EN = 0 and CSTS.RDY = 0, or without
 * bus mastering (invariant 2). A reset ends its use, and the same memory is given
 * again; the controller then finds there what it had written before.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "pure/dptr.h"
#include "core/ctrl.h"
#include "core/params.h"
#include "ctrl/admin.h"
#include "ctrl/hmb.h"

/* Units of HMPRE, HMMIN and HMMINDS, and, with this driver's CC.MPS, of HSIZE. */
#define NVDIO_HMB_UNIT		4096

/* The page allocator has no larger pieces. */
#define NVDIO_HMB_CHUNK_MAX	((u64)PAGE_SIZE << MAX_PAGE_ORDER)

/* Descriptors at most, whatever HMMAXD says: their list fills 32 KiB. */
#define NVDIO_HMB_DESCS		((u16)2048)

/**
 * struct nvdio_hmb - a host memory buffer
 * @descs: its descriptors, in DMA memory
 * @descs_dma: bus address of @descs
 * @max: number of descriptors for which there is room
 * @nr: number of descriptors
 * @chunks: for each descriptor, its memory
 * @bytes: size of all chunks
 * @current_data: the contents are what the controller wrote last
 */
struct nvdio_hmb {
	struct nvme_host_mem_buf_desc *descs;
	dma_addr_t descs_dma;
	u32 max;
	u32 nr;
	void **chunks;
	u64 bytes;
	bool current_data;
};

static u64 hmb_chunk_bytes(const struct nvme_host_mem_buf_desc *desc)
{
	return (u64)le32_to_cpu(desc->size) * NVDIO_HMB_UNIT;
}

static void hmb_destroy(struct device *dev, struct nvdio_hmb *hmb)
{
	u32 i;

	for (i = 0; i < hmb->nr; i++)
		dma_free_attrs(dev, hmb_chunk_bytes(&hmb->descs[i]),
			       hmb->chunks[i], le64_to_cpu(hmb->descs[i].addr),
			       DMA_ATTR_NO_WARN);
	if (hmb->descs)
		dma_free_coherent(dev, hmb->max * sizeof(*hmb->descs),
				  hmb->descs, hmb->descs_dma);
	kvfree(hmb->chunks);
	kfree(hmb);
}

static struct nvdio_hmb *hmb_create(struct device *dev, u32 max)
{
	struct nvdio_hmb *hmb = kzalloc(sizeof(*hmb), GFP_KERNEL);

	if (!hmb)
		return NULL;
	hmb->max = max;
	hmb->chunks = kvcalloc(max, sizeof(*hmb->chunks), GFP_KERNEL);
	hmb->descs = dma_alloc_coherent(dev, max * sizeof(*hmb->descs),
					&hmb->descs_dma, GFP_KERNEL);
	if (hmb->chunks && hmb->descs)
		return hmb;
	hmb_destroy(dev, hmb);
	return NULL;
}

/*
 * Add a chunk of @len bytes. It is zeroed: the controller learns nothing of what
 * was there before. Nobody is killed for it.
 */
static bool hmb_add_chunk(struct device *dev, struct nvdio_hmb *hmb, u64 len)
{
	dma_addr_t dma;
	void *mem = dma_alloc_attrs(dev, len, &dma, GFP_KERNEL | __GFP_NORETRY,
				    DMA_ATTR_NO_WARN);

	if (!mem)
		return false;
	hmb->chunks[hmb->nr] = mem;
	hmb->descs[hmb->nr].addr = cpu_to_le64(dma);
	hmb->descs[hmb->nr].size = cpu_to_le32(len / NVDIO_HMB_UNIT);
	hmb->nr++;
	hmb->bytes += len;
	return true;
}

/*
 * Allocate between @min and @want bytes, in chunks as large as possible: they
 * become smaller when there are no larger ones left.
 */
static struct nvdio_hmb *hmb_alloc(struct nvdio_ctrl *ctrl, u64 min, u64 want)
{
	u64 smallest = (u64)le32_to_cpu(ctrl->id->hmminds) * NVDIO_HMB_UNIT;
	u64 chunk = min(NVDIO_HMB_CHUNK_MAX, want);
	u16 hmmaxd = le16_to_cpu(ctrl->id->hmmaxd);
	struct device *dev = ctrl->dev.parent;
	struct nvdio_hmb *hmb;

	smallest = max_t(u64, smallest, PAGE_SIZE);
	hmb = hmb_create(dev, min_not_zero(hmmaxd, NVDIO_HMB_DESCS));
	if (!hmb)
		return NULL;
	while (chunk >= smallest && hmb->nr < hmb->max &&
	       want - hmb->bytes >= smallest) {
		if (!hmb_add_chunk(dev, hmb, min(chunk, want - hmb->bytes)))
			chunk = round_down(chunk / 2, PAGE_SIZE);
	}
	if (hmb->bytes && hmb->bytes >= min)
		return hmb;
	hmb_destroy(dev, hmb);
	return NULL;
}

/* Give the memory to the controller, with or without its earlier contents. */
static int hmb_give(struct nvdio_ctrl *ctrl, bool current_data)
{
	struct nvdio_hmb *hmb = ctrl->hmb;
	struct nvme_command cmd = {};

	cmd.features.opcode = nvme_admin_set_features;
	cmd.features.fid = cpu_to_le32(NVME_FEAT_HOST_MEM_BUF);
	cmd.features.dword11 = cpu_to_le32(NVME_HOST_MEM_ENABLE |
					   (current_data ?
					    NVME_HOST_MEM_RETURN : 0));
	cmd.features.dword12 = cpu_to_le32(hmb->bytes / NVDIO_HMB_UNIT);
	cmd.features.dword13 = cpu_to_le32(lower_32_bits(hmb->descs_dma));
	cmd.features.dword14 = cpu_to_le32(upper_32_bits(hmb->descs_dma));
	cmd.features.dword15 = cpu_to_le32(hmb->nr);
	return nvdio_admin_cmd(ctrl, &cmd, NULL);
}

/*
 * How much the controller gets at most: the parameter, and a quarter of memory.
 * A kernel that was booted after a crash has none to spare.
 */
static u64 hmb_limit(void)
{
	u64 limit = min((u64)nvdio_max_host_mem_size_mb * SZ_1M,
			(u64)totalram_pages() / 4 * PAGE_SIZE);

	return reset_devices ? 0 : round_down(limit, PAGE_SIZE);
}

/*
 * Allocate what the controller asks for, or keep what there is.
 * Return: false if it gets none.
 */
static bool hmb_prepare(struct nvdio_ctrl *ctrl)
{
	u64 want = (u64)le32_to_cpu(ctrl->id->hmpre) * NVDIO_HMB_UNIT;
	u64 min = (u64)le32_to_cpu(ctrl->id->hmmin) * NVDIO_HMB_UNIT;
	u64 limit = hmb_limit();

	if (ctrl->hmb && ctrl->hmb->bytes >= min && ctrl->hmb->bytes <= limit &&
	    want)
		return true;
	nvdio_hmb_free(ctrl);
	if (!want || ctrl->vs < NVME_VS(1, 2, 0))
		return false;
	if (min > limit || !limit) {
		dev_info(&ctrl->dev,
			 "no host memory buffer: minimum %llu KiB, limit %llu KiB\n",
			 min / SZ_1K, limit / SZ_1K);
		return false;
	}
	want = round_down(clamp(want, max_t(u64, min, PAGE_SIZE), limit),
			  PAGE_SIZE);
	ctrl->hmb = hmb_alloc(ctrl, min, want);
	if (!ctrl->hmb) {
		dev_warn(&ctrl->dev,
			 "no memory for a host memory buffer of %llu to %llu KiB\n",
			 min / SZ_1K, want / SZ_1K);
		return false;
	}
	return true;
}

/**
 * nvdio_hmb_enable() - give the controller the memory that it asks for
 * @ctrl: controller that was just enabled and identified, its lock held
 *
 * Repeated after each reset. A controller has to work without; failures are
 * logged.
 *
 * Context: may sleep.
 */
void nvdio_hmb_enable(struct nvdio_ctrl *ctrl)
{
	struct nvdio_hmb *hmb;
	int ret;

	WRITE_ONCE(ctrl->hmb_bytes, 0);
	if (!hmb_prepare(ctrl))
		return;
	hmb = ctrl->hmb;
	ret = hmb_give(ctrl, hmb->current_data);
	if (ret > 0 && hmb->current_data) {
		hmb->current_data = false;
		ret = hmb_give(ctrl, false);
	}
	/*
	 * The memory stays until the next reset, even if the controller says
	 * that it does not want it.
	 */
	if (ret) {
		dev_warn(&ctrl->dev,
			 "host memory buffer of %llu KiB in %u pieces not enabled (status %#x)\n",
			 hmb->bytes / SZ_1K, hmb->nr, ret);
		return;
	}
	if (!hmb->current_data)
		dev_info(&ctrl->dev,
			 "host memory buffer: %llu KiB in %u pieces\n",
			 hmb->bytes / SZ_1K, hmb->nr);
	hmb->current_data = true;
	WRITE_ONCE(ctrl->hmb_bytes, hmb->bytes);
}

/**
 * nvdio_hmb_outdate() - note that the controller does not need the contents
 * @ctrl: controller that was shut down, its lock held
 *
 * After a shutdown it has saved what it needs, and it may be powered off, or
 * the memory be that of an older image (hibernation): next time it gets the
 * memory as new.
 *
 * Context: any.
 */
void nvdio_hmb_outdate(struct nvdio_ctrl *ctrl)
{
	if (ctrl->hmb)
		ctrl->hmb->current_data = false;
}

/**
 * nvdio_hmb_free() - free the memory
 * @ctrl: controller that was disabled after it used the memory last, or is not
 *	bus master (invariant 2)
 *
 * Context: may sleep.
 */
void nvdio_hmb_free(struct nvdio_ctrl *ctrl)
{
	WRITE_ONCE(ctrl->hmb_bytes, 0);
	if (ctrl->hmb)
		hmb_destroy(ctrl->dev.parent, ctrl->hmb);
	ctrl->hmb = NULL;
}
