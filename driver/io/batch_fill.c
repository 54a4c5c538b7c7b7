// SPDX-License-Identifier: GPL-2.0
/*
 * The command of a descriptor, whatever it asks for and wherever its memory is. Most
 * descriptors are sent by batch_hold.c without this.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/pfn.h>

#include "pure/cmd.h"
#include "pure/desc.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/batch_fill.h"
#include "io/batch_run.h"
#include "io/map_find.h"

/*
 * The memory of a descriptor, by the identifier of its map.
 * Return: 0; or -errno as nvdio_map_find_id(), and -EINVAL if it is more than a
 * command for mapped memory may have.
 */
static int batch_mapped(const struct nvdio_batch_run *run,
			const struct nvdio_io *io, bool write,
			struct nvdio_mapped *mapped)
{
	if (io->len > run->ns->map_max)
		return -EINVAL;
	return nvdio_map_find_id(run->q, run->span ? run->file : NULL, io->map,
				 io->addr, io->len, !write, mapped);
}

/*
 * Registered memory in several pieces: mapped, or two pages.
 * Return: flags of the request; or -EOPNOTSUPP.
 */
static noinline int batch_pieces(const struct nvdio_batch_run *run,
				 const struct nvdio_batch_mem *mem, u32 len,
				 bool write, struct nvdio_mapped *mapped,
				 struct nvme_command *cmd)
{
	const struct bio_vec *bv = mem->bvec;
	const size_t offset = bv->bv_offset + mem->skip;
	const size_t part = bv->bv_len - mem->skip;
	const struct nvdio_queue *q = run->q;
	struct iov_iter iter;

	if (q->pfns && len <= run->ns->map_max) {
		iov_iter_bvec(&iter, ITER_SOURCE, bv, 2, len);
		iter.iov_offset = mem->skip;
		if (nvdio_map_find_bvec(q, &iter, len, !write, mapped))
			return NVDIO_REQ_MAPPED;
	}
	if (!q->linear || len > 2 * NVDIO_MPS || part >= len ||
	    part - 1 >= NVDIO_MPS || (offset + part) & NVDIO_MPS_MASK ||
	    bv[1].bv_offset & NVDIO_MPS_MASK || len - part > NVDIO_MPS ||
	    bv[1].bv_len < len - part)
		return -EOPNOTSUPP;
	cmd->common.dptr.prp1 = cpu_to_le64(page_to_phys(bv->bv_page) + offset +
					    q->dma_offset);
	cmd->common.dptr.prp2 = cpu_to_le64(bvec_phys(&bv[1]) + q->dma_offset);
	cmd->common.flags = 0;
	return NVDIO_REQ_PRPS;
}

/*
 * Registered memory that is contiguous, where bus addresses are not computed: mapped,
 * or to be mapped for this command.
 * Return: flags of the request; or -errno.
 */
static noinline int batch_api(const struct nvdio_batch_run *run,
			      const struct nvdio_batch_mem *mem, u32 len,
			      bool write, struct nvdio_mapped *mapped,
			      struct nvme_command *cmd,
			      struct nvdio_request *req)
{
	struct page *page = pfn_to_page(PHYS_PFN(mem->phys));
	const size_t offset = offset_in_page(mem->phys);
	struct nvdio_queue *q = run->q;
	unsigned int flags = 0;
	dma_addr_t dma;

	if (q->pfns && len <= run->ns->map_max &&
	    nvdio_map_find_run(q, page, offset, len, !write, mapped))
		return NVDIO_REQ_MAPPED;
	if (len > run->ns->single_max)
		return -EOPNOTSUPP;
	dma = nvdio_dma_map_one(q, page, offset, len,
				write ? DMA_TO_DEVICE : DMA_FROM_DEVICE, &flags);
	if (dma == DMA_MAPPING_ERROR)
		return -ENOMEM;
	if (flags & NVDIO_REQ_UNMAP)
		this_cpu_inc(run->ns->stats->segments_mapped);
	req->dma = dma;
	nvdio_cmd_dptr_run(cmd, dma, len);
	return flags;
}

/*
 * The memory of a descriptor in the ring's registered buffer.
 * Return: flags of the request, of which NVDIO_REQ_MAPPED means that @mapped is set;
 * else the data pointer of @cmd, and that of @req, are; or -errno.
 */
static int batch_registered(const struct nvdio_batch_run *run, u32 i,
			    bool write, struct nvdio_mapped *mapped,
			    struct nvme_command *cmd,
			    struct nvdio_request *req)
{
	const struct nvdio_batch_mem *mem = &run->mem[i];
	const u32 len = run->io[i].len;
	int flags;

	if (!run->registered)
		return -EINVAL;
	if (mem->err)
		return mem->err;
	if (!mem->pieces)
		return batch_api(run, mem, len, write, mapped, cmd, req);
	flags = batch_pieces(run, mem, len, write, mapped, cmd);
	if (flags == NVDIO_REQ_PRPS)
		req->dptr = cmd->common.dptr;
	return flags;
}

/* Fill in a flush. */
static void batch_flush(const struct nvdio_batch_run *run, u32 i,
			struct nvdio_request *req, struct nvme_command *cmd)
{
	nvdio_cmd_flush(cmd, run->ns->nsid);
	req->nr_pages = run->base + i;
	req->cookie = run->io[i].cookie;
	nvdio_req_fill(req, run->owner, NULL, run->ns, 0, 0,
		       run->flags | NVDIO_REQ_PRIVATE);
	this_cpu_inc(run->ns->stats->flush);
}

/**
 * nvdio_batch_fill() - fill in the command of a descriptor that is valid
 * @run: batch
 * @i: its place in the chunk
 * @req: free request
 * @cmd: SQE
 *
 * Context: sq_lock held.
 * Return: 0; or -errno, and @req is free still.
 */
int nvdio_batch_fill(const struct nvdio_batch_run *run, u32 i,
		     struct nvdio_request *req, struct nvme_command *cmd)
{
	const struct nvdio_io *io = &run->io[i];
	const bool write = io->op == NVDIO_IO_WRITE;
	struct nvdio_ns *ns = run->ns;
	const u64 slba = nvdio_batch_slba(run, io);
	struct nvdio_mapped mapped;
	unsigned int control = 0;
	int flags;

	if (io->op == NVDIO_IO_FLUSH) {
		batch_flush(run, i, req, cmd);
		return 0;
	}
	if (io->map == NVDIO_MAP_RING_BUF)
		flags = batch_registered(run, i, write, &mapped, cmd, req);
	else
		flags = batch_mapped(run, io, write, &mapped) ?:
			NVDIO_REQ_MAPPED;
	if (flags < 0)
		return flags;
	if (flags & NVDIO_REQ_MAPPED) {
		req->map = mapped.map;
		req->offset = mapped.offset;
		nvdio_cmd_dptr_map(cmd, &mapped.map->table, mapped.offset,
				   io->len);
		this_cpu_inc(ns->stats->direct_mapped);
	} else {
		this_cpu_inc(ns->stats->direct);
	}
	nvdio_stats_bytes(ns->stats, write, io->len);
	if (io->flags & NVDIO_IO_FUA && ns->fua)
		control = NVME_RW_FUA;
	nvdio_cmd_rw(cmd, write, ns->nsid, slba, 0,
		     nvdio_rw_cdw12(io->len >> ns->lba_shift, control), 0);
	req->nr_pages = run->base + i;
	req->cookie = io->cookie;
	nvdio_req_fill(req, run->owner, NULL, ns, slba, io->len, flags |
		       run->flags | (write ? NVDIO_REQ_WRITE : 0));
	return 0;
}

/* What descriptors may ask for at this moment. */
static void batch_limits(const struct nvdio_batch_run *run,
			 struct nvdio_desc_limits *limits)
{
	const struct nvdio_ns *ns = run->ns;
	const u64 write_size = READ_ONCE(ns->write_size);
	const u64 read_size = nvdio_ns_size(ns);

	*limits = (struct nvdio_desc_limits){
		.start = run->span ? run->span->start : 0,
		.read_size = nvdio_span_size(run->span, read_size),
		.write_size = nvdio_span_size(run->span, write_size),
		.lba_mask = ns->lba_mask,
		.len_max = ns->limits.max_bytes,
		.atomic_max = READ_ONCE(ns->atomic_max),
		.atomic_boundary = READ_ONCE(ns->atomic_boundary),
		.may_read = run->mode & FMODE_READ,
		.may_write = run->mode & FMODE_WRITE,
		.read_only = !write_size,
	};
}

/**
 * nvdio_batch_is_valid() - is a descriptor something to be sent?
 * @run: batch
 * @i: its place in the chunk
 *
 * Context: any.
 * Return: false if it has failed, or is done; @run says so.
 */
bool nvdio_batch_is_valid(struct nvdio_batch_run *run, u32 i)
{
	struct nvdio_desc_limits limits;
	int ret;

	batch_limits(run, &limits);
	ret = nvdio_desc_check(&limits, &run->io[i]);
	if (ret) {
		nvdio_batch_fail(run, i, ret);
		return false;
	}
	/* Nothing to do if there is no volatile write cache. */
	if (run->io[i].op == NVDIO_IO_FLUSH && !(run->ns->ctrl->vwc & 1)) {
		run->done++;
		if (!run->op) {
			run->failed |= 1U << i;
			run->err[i] = 0;
		}
		return false;
	}
	return true;
}
