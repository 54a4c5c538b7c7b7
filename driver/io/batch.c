// SPDX-License-Identifier: GPL-2.0
/*
 * Sending the I/Os of batches; see batch.h.
 *
 * Instructions count here as in direct.c: what is the same for all descriptors of a
 * chunk is found out once, and what is counted is counted once.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/nospec.h>
#include <linux/pfn.h>

#include "pure/cmd.h"
#include "pure/desc.h"
#include "pure/tags.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "core/watch.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/batch.h"
#include "io/claim.h"
#include "io/complete.h"
#include "io/map_find.h"

/**
 * nvdio_batch_most() - most I/Os of a batch
 * @ctrl: controller
 *
 * A batch that is sent without waiting needs a tag for each. Where mapping may
 * bounce, nothing can be mapped under sq_lock.
 *
 * Context: any.
 * Return: number; 0 if there are no batches.
 */
u32 nvdio_batch_most(const struct nvdio_ctrl *ctrl)
{
	return ctrl->bounces ? 0 :
	       min_t(u32, ctrl->io_depth - 1, NVDIO_BATCH_MAX);
}

/* Begin with the parts of @run that are the same for batches and rings. */
static __always_inline void batch_init(struct nvdio_batch_run *run,
				       struct nvdio_ns *ns, fmode_t mode,
				       struct nvdio_queue *q)
{
	const bool may_read = mode & FMODE_READ;
	const bool may_write = mode & FMODE_WRITE;

	run->ns = ns;
	run->q = q;
	run->limits.read_size = may_read ? nvdio_ns_size(ns) : 0;
	run->limits.write_size = may_write ? READ_ONCE(ns->write_size) : 0;
	run->limits.lba_mask = ns->lba_mask;
	run->limits.len_max = ns->limits.max_bytes;
	run->limits.atomic_max = READ_ONCE(ns->atomic_max);
	run->limits.atomic_boundary = READ_ONCE(ns->atomic_boundary);
	run->limits.may_read = may_read;
	run->limits.may_write = may_write;
	run->limits.read_only = nvdio_ns_read_only(ns);
	run->sent = 0;
	run->bad = 0;
	run->done = 0;
	run->base = 0;
	run->nr = 0;
	run->failed = 0;
	run->registered = false;
}

/**
 * nvdio_batch_begin() - begin a batch
 * @run: filled in, except for the chunk
 * @ns: namespace
 * @file: open node
 * @q: queue
 * @op: batch, with @end and @results; stays until it has ended
 * @nr: number of I/Os, 1 to nvdio_batch_most()
 * @nowait: nothing is sent unless there are tags for all of them
 *
 * Context: any.
 */
void nvdio_batch_begin(struct nvdio_batch_run *run, struct nvdio_ns *ns,
		       const struct file *file, struct nvdio_queue *q,
		       struct nvdio_batch_op *op, u32 nr, bool nowait)
{
	op->queue = q;
	op->left = nr;
	op->bad = 0;
	op->kept = NVDIO_TAG_NONE;
	op->last = nr - 1;
	op->failed = false;

	batch_init(run, ns, file->f_mode, q);
	run->op = op;
	run->owner = op;
	run->flags = NVDIO_REQ_COUNTED;
	run->want = nowait ? nr : 0;
}

/**
 * nvdio_batch_begin_ring() - begin to send I/Os of a ring
 * @run: filled in, except for the chunk
 * @ns: namespace
 * @mode: what may be done
 * @q: queue
 * @ring: struct nvdio_ring; stays until all has ended that is sent
 *
 * Each ends by itself (io/ring_end.h), so that there is no nvdio_batch_sent().
 *
 * Context: any.
 */
void nvdio_batch_begin_ring(struct nvdio_batch_run *run, struct nvdio_ns *ns,
			    fmode_t mode, struct nvdio_queue *q, void *ring)
{
	batch_init(run, ns, mode, q);
	run->op = NULL;
	run->owner = ring;
	run->flags = NVDIO_REQ_RING;
	run->want = 0;
}

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
	return nvdio_map_find_id(run->q, io->map, io->addr, io->len, !write,
				 mapped);
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

/*
 * Fill in the command of a descriptor that is valid, whatever it is. sq_lock is held.
 * Return: 0; or -errno, and @req is free still.
 */
static noinline int batch_fill(const struct nvdio_batch_run *run, u32 i,
			       struct nvdio_request *req,
			       struct nvme_command *cmd)
{
	const struct nvdio_io *io = &run->io[i];
	const bool write = io->op == NVDIO_IO_WRITE;
	struct nvdio_ns *ns = run->ns;
	const u64 slba = io->off >> ns->lba_shift;
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

/*
 * Is a descriptor something to be sent?
 * Return: false if it has failed, or is done.
 */
static bool batch_is_valid(struct nvdio_batch_run *run, u32 i)
{
	int ret = nvdio_desc_check(&run->limits, &run->io[i]);

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

/**
 * struct batch_hold - what is found out once for a hold of sq_lock
 * @sizes: by operation: bytes that descriptors may reach without a closer look; of
 *	writes 0 if there are claims: one that is made now waits for this hold, and
 *	finds the writes in flight (io/claim.h)
 * @ns: namespace
 * @owner: batch, or ring
 * @nsid: namespace identifier, in the high half
 * @lba_mask: LBA size minus 1
 * @map_max: most bytes of a command for mapped memory
 * @deadline: of the commands
 * @lba_shift: log2 of the LBA size
 * @map_id: identifier of @map, or NVDIO_MAP_RING_BUF: there is none
 * @map: map that was looked up last; it stays while sq_lock is held
 * @map_bytes: its size
 * @reqs: requests of the queue
 * @links: of its tags
 * @free: its top free tag, in place of that in struct nvdio_tags
 * @cmd: next SQE
 * @stop: end of the SQ
 * @registered: number of commands for registered memory
 * @unusual: number of commands that were counted already
 * @bytes: bytes of usual descriptors, by operation
 *
 * Only inline functions have its address: most of it is in registers.
 */
struct batch_hold {
	u64 sizes[NVDIO_IO_READ + 1];
	struct nvdio_ns *ns;
	void *owner;
	u64 nsid;
	u32 lba_mask;
	u32 map_max;
	u32 deadline;
	u8 lba_shift;
	u32 map_id;
	struct nvdio_map *map;
	u64 map_bytes;
	struct nvdio_request *reqs;
	u16 *links;
	u32 free;
	struct nvme_command *cmd;
	struct nvme_command *stop;
	u32 registered;
	u32 unusual;
	u64 bytes[NVDIO_IO_READ + 1];
};

static __always_inline void batch_hold_begin(const struct nvdio_batch_run *run,
					     struct batch_hold *hold)
{
	struct nvdio_queue *q = run->q;
	struct nvdio_ns *ns = run->ns;

	/* One by one: to clear all of it first would cost more than the rest. */
	hold->sizes[NVDIO_IO_READ] = run->limits.read_size;
	hold->sizes[NVDIO_IO_WRITE] = READ_ONCE(ns->claims_held) ?
				      0 : run->limits.write_size;
	hold->bytes[NVDIO_IO_READ] = 0;
	hold->bytes[NVDIO_IO_WRITE] = 0;
	hold->ns = ns;
	hold->owner = run->owner;
	hold->nsid = (u64)ns->nsid << 32;
	hold->lba_mask = ns->lba_mask;
	hold->map_max = ns->map_max;
	hold->deadline = (u32)jiffies + q->timeout;
	hold->lba_shift = ns->lba_shift;
	hold->map_id = NVDIO_MAP_RING_BUF;
	hold->map_bytes = 0;
	hold->reqs = q->reqs;
	hold->links = q->tags.next;
	hold->free = q->tags.free;
	hold->cmd = &q->sqes[q->sq_tail];
	hold->stop = &q->sqes[q->depth];
	hold->registered = 0;
	hold->unusual = 0;
}

/* Before sq_lock is released: count, and write the doorbell. */
static __always_inline void batch_hold_end(struct nvdio_batch_run *run,
					   const struct batch_hold *hold)
{
	struct nvdio_stats __percpu *stats = hold->ns->stats;
	struct nvdio_queue *q = run->q;
	const u32 tail = hold->cmd - q->sqes;
	u32 sent = tail - q->sq_tail;

	WRITE_ONCE(q->tags.free, hold->free);
	if (unlikely(!sent))
		return;
	if (unlikely((s32)sent < 0))
		sent += q->depth;
	run->sent += sent;
	this_cpu_add(stats->direct_mapped,
		     sent - hold->registered - hold->unusual);
	if (hold->registered)
		this_cpu_add(stats->direct, hold->registered);
	this_cpu_add(stats->read_bytes, hold->bytes[NVDIO_IO_READ]);
	if (hold->bytes[NVDIO_IO_WRITE]) {
		this_cpu_add(stats->write_bytes, hold->bytes[NVDIO_IO_WRITE]);
		/* It is only compared. */
		q->writes++;
	}
	if (static_branch_unlikely(&nvdio_watching))
		nvdio_watch_filled(&q->watch, q->sq_tail, tail);
	/* Read without the lock by nvdio_queue_in_flight(). */
	WRITE_ONCE(q->sq_tail, tail);
	nvdio_queue_ring(q);
}

/* @req, whose SQE is next, is sent; the doorbell is left to batch_hold_end(). */
static __always_inline void batch_sent(struct batch_hold *hold,
				       struct nvdio_request *req, u32 tag,
				       const struct nvdio_queue *q)
{
	WRITE_ONCE(req->deadline, hold->deadline);
	/* Publishes the request; pairs with nvdio_queue_expired(). */
	smp_store_release(&req->state, NVDIO_REQ_IN_FLIGHT);
	hold->free = hold->links[tag];
	if (unlikely(++hold->cmd == hold->stop))
		hold->cmd = q->sqes;
}

/*
 * Is it a read or write without flags, which nvdio_desc_check() would find to be
 * valid? It decides about others.
 */
static __always_inline bool batch_is_usual(const struct batch_hold *hold,
					   const struct nvdio_io *io)
{
	const u32 op = io->op | io->flags << 8;
	const u64 off = io->off;
	const u32 len = io->len;
	u64 size;

	if (unlikely(op - 1 > 1 || io->stream || io->resv))
		return false;
	size = hold->sizes[op];
	return likely(!((off | len) & hold->lba_mask) && len && off < size &&
		      len <= size - off);
}

/*
 * The memory of a usual descriptor, if it is mapped: fill in what is different for
 * each kind.
 * Return: flags of the request; 0: batch_fill() does it, or knows what is wrong.
 */
static __always_inline unsigned int
batch_usual_mapped(const struct nvdio_batch_run *run, struct batch_hold *hold,
		   const struct nvdio_io *io, struct nvdio_request *req,
		   struct nvdio_cmd_dptr *dptr)
{
	const u64 at = io->addr;
	const u32 len = io->len;
	struct nvdio_map *map;

	if (unlikely(io->map != hold->map_id)) {
		map = nvdio_map_find(run->q, io->map);
		if (!map || map->flags & NVDIO_MAP_READ_ONLY)
			return 0;
		hold->map = map;
		hold->map_id = io->map;
		hold->map_bytes = (u64)nvdio_map_pages(map) << PAGE_SHIFT;
	}
	if (unlikely(at & NVDIO_DMA_MASK || at >= hold->map_bytes ||
		     len > hold->map_bytes - at || len > hold->map_max))
		return 0;
	req->map = hold->map;
	req->offset = array_index_nospec(at, hold->map_bytes);
	nvdio_cmd_dptr_of_map(dptr, &hold->map->table, req->offset, len);
	return NVDIO_REQ_COUNTED | NVDIO_REQ_MAPPED;
}

/* The same of registered memory that is contiguous, as bus addresses are computed. */
static __always_inline unsigned int
batch_usual_linear(const struct nvdio_batch_run *run, struct batch_hold *hold,
		   const struct nvdio_io *io, struct nvdio_request *req,
		   struct nvdio_cmd_dptr *dptr)
{
	const struct nvdio_batch_mem *mem = &run->mem[io - run->io];
	const struct nvdio_queue *q = run->q;

	if (unlikely(!run->registered || mem->err || mem->pieces ||
		     !q->linear || io->len > hold->ns->single_max))
		return 0;
	req->dma = mem->phys + q->dma_offset;
	nvdio_cmd_dptr_of_run(dptr, req->dma, io->len);
	hold->registered++;
	return NVDIO_REQ_COUNTED;
}

/*
 * Send a usual descriptor, of a batch or of a @ring, with the tag that is free.
 * Return: false: nothing was done, batch_unusual() does it.
 */
static __always_inline bool batch_usual(struct nvdio_batch_run *run,
					struct batch_hold *hold,
					const struct nvdio_io *io,
					const bool ring)
{
	struct nvdio_request *req;
	struct nvdio_cmd_dptr dptr;
	const u32 op = io->op;
	const u32 tag = hold->free;
	const u32 len = io->len;
	unsigned int flags;
	u64 slba;

	if (unlikely(!batch_is_usual(hold, io)))
		return false;
	req = &hold->reqs[tag];
	flags = ring || io->map != NVDIO_MAP_RING_BUF ?
		batch_usual_mapped(run, hold, io, req, &dptr) :
		batch_usual_linear(run, hold, io, req, &dptr);
	if (unlikely(!flags))
		return false;
	slba = io->off >> hold->lba_shift;
	hold->bytes[op] += len;
	if (ring) {
		req->cookie = io->cookie;
		flags |= NVDIO_REQ_RING;
	} else {
		req->nr_pages = run->base + (io - run->io);
	}
	static_assert(NVDIO_REQ_WRITE == (NVDIO_IO_WRITE & 1));
	nvdio_req_fill(req, hold->owner, NULL, hold->ns, slba, len,
		       flags | (op & 1));
	/* A new generation: a stray CQE from the previous use is detected. */
	req->cid += 1 << NVDIO_TAG_BITS;
	nvdio_cmd_rw_whole(hold->cmd,
			   hold->nsid | (u32)req->cid << 16 | op, slba,
			   nvdio_rw_cdw12(len >> hold->lba_shift, 0), &dptr);
	batch_sent(hold, req, tag, run->q);
	return true;
}

/* There is no free tag known: collect those that were returned, or take a new one. */
static noinline u32 batch_refill(struct nvdio_tags *tags)
{
	u32 tag;

	tags->free = NVDIO_TAG_NONE;
	tag = nvdio_tags_refill(tags);
	if (tag != NVDIO_TAG_NONE)
		nvdio_tags_unget(tags, tag);
	return tag;
}

/* What has become of a descriptor. */
enum batch_did {
	BATCH_SENT,		/* its SQE is filled in */
	BATCH_NOT_SENT,		/* it has failed, or there was nothing to do */
	BATCH_STOP,		/* it has to wait */
};

/*
 * Send any descriptor, but for what batch_sent() does.
 * @tag: the free tag to use; @cmd: the next SQE.
 * Return: what became of it.
 */
static noinline enum batch_did batch_unusual(struct nvdio_batch_run *run, u32 i,
					     u32 tag, struct nvme_command *cmd)
{
	const struct nvdio_io *io = &run->io[i];
	struct nvdio_request *req;
	int ret;

	if (!batch_is_valid(run, i))
		return BATCH_NOT_SENT;
	if (io->op == NVDIO_IO_WRITE &&
	    nvdio_claim_stops(run->ns, io->off >> run->ns->lba_shift,
			      io->len >> run->ns->lba_shift))
		return BATCH_STOP;
	req = &run->q->reqs[tag];
	ret = batch_fill(run, i, req, cmd);
	if (ret) {
		nvdio_batch_fail(run, i, ret);
		return BATCH_NOT_SENT;
	}
	req->cid += 1 << NVDIO_TAG_BITS;
	cmd->common.command_id = (__force u16)cpu_to_le16(req->cid);
	if (io->op == NVDIO_IO_WRITE)
		run->q->writes++;
	return BATCH_SENT;
}

/*
 * Send descriptors, of a batch or of a @ring, from @i on for as long as nothing has to be
 * waited for.
 * Return: the first that was not sent; the number of descriptors if all were.
 */
static __always_inline u32 batch_hold_one(struct nvdio_batch_run *run, u32 i,
					  const bool ring)
{
	const struct nvdio_io *const end = &run->io[run->nr];
	const struct nvdio_io *io = &run->io[i];
	struct nvdio_queue *q = run->q;
	enum batch_did did;
	struct batch_hold hold __uninitialized;

	spin_lock(&q->sq_lock);
	if (unlikely(q->state != NVDIO_QUEUE_LIVE || run->ns->dead ||
		     !nvdio_tags_have(&q->tags, run->want)))
		goto unlock;
	run->want = 0;
	batch_hold_begin(run, &hold);
	for (; io < end; io++) {
		if (unlikely(hold.free == NVDIO_TAG_NONE)) {
			hold.free = batch_refill(&q->tags);
			if (hold.free == NVDIO_TAG_NONE)
				break;
		}
		if (likely(batch_usual(run, &hold, io, ring)))
			continue;
		did = batch_unusual(run, io - run->io, hold.free, hold.cmd);
		if (did == BATCH_STOP)
			break;
		if (did != BATCH_SENT)
			continue;
		hold.unusual++;
		batch_sent(&hold, &hold.reqs[hold.free], hold.free, q);
	}
	batch_hold_end(run, &hold);
unlock:
	spin_unlock(&q->sq_lock);
	return io - run->io;
}

static u32 batch_at_once(struct nvdio_batch_run *run, u32 i)
{
	return batch_hold_one(run, i, false);
}

/*
 * Send descriptor @i, waiting for what it needs.
 * Return: 0, whether it was sent or has failed; or, if nothing of the batch was sent,
 * -EAGAIN under @nowait, or -ENODEV.
 */
static int batch_wait(struct nvdio_batch_run *run, u32 i, bool nowait)
{
	const struct nvdio_io *io = &run->io[i];
	const u8 lba_shift = run->ns->lba_shift;
	struct nvdio_queue *q = run->q;
	struct nvdio_request *req;
	int ret;

	if (!batch_is_valid(run, i))
		return 0;
	req = nvdio_req_get(q, run->ns, io->off >> lba_shift,
			    io->op == NVDIO_IO_WRITE ? io->len >> lba_shift : 0,
			    nowait);
	if (IS_ERR(req)) {
		ret = PTR_ERR(req);
		/* Those that needed no command may be repeated. */
		if (!run->sent)
			return ret;
		nvdio_batch_fail(run, i, ret);
		return 0;
	}
	ret = batch_fill(run, i, req, nvdio_queue_sqe(q));
	if (ret) {
		nvdio_batch_fail(run, i, ret);
		nvdio_req_abandon(q, req);
		return 0;
	}
	run->sent++;
	nvdio_queue_submit(q, req);
	if (q->sq_tail != q->sq_db_written)
		nvdio_queue_ring(q);
	nvdio_queue_unlock(q);
	return 0;
}

/*
 * There were not enough tags for a batch that must not wait, or the queue is not
 * live.
 */
static int batch_no_room(struct nvdio_batch_run *run)
{
	struct nvdio_queue *q = run->q;

	if (nvdio_ns_gone(run->ns))
		return -ENODEV;
	spin_lock(&q->sq_lock);
	/* Commands may be waiting for the doorbell. */
	if (q->state == NVDIO_QUEUE_LIVE && q->sq_tail != q->sq_db_written)
		nvdio_queue_ring(q);
	spin_unlock(&q->sq_lock);
	return nvdio_queue_reap_some(q) ? 0 : -EAGAIN;
}

/**
 * nvdio_batch_send() - send a chunk
 * @run: batch, with its next chunk
 * @nowait: do not wait, unless something was sent already
 *
 * Context: may sleep: a batch of which something was sent cannot be left to another
 * task. It then waits for nothing that depends on the caller.
 * Return: 0, and all of it was sent or has failed; or, if nothing of the batch was
 * sent, -EAGAIN under @nowait, or -ENODEV.
 */
int nvdio_batch_send(struct nvdio_batch_run *run, bool nowait)
{
	u32 i = batch_at_once(run, 0);
	int ret;

	if (unlikely(i < run->nr && run->want)) {
		ret = batch_no_room(run);
		if (ret)
			return ret;
		i = batch_at_once(run, 0);
		if (run->want)
			return nvdio_ns_gone(run->ns) ? -ENODEV : -EAGAIN;
	}
	while (unlikely(i < run->nr)) {
		ret = batch_wait(run, i, nowait && !run->sent);
		if (ret)
			return ret;
		i = batch_at_once(run, i + 1);
	}
	return 0;
}

/* Send what nvdio_batch_send_ring() has left, from @i on. Return: as that. */
static noinline int batch_ring_rest(struct nvdio_batch_run *run, u32 i)
{
	int ret;

	while (i < run->nr) {
		ret = batch_wait(run, i, false);
		if (ret)
			return ret;
		i = batch_hold_one(run, i + 1, true);
	}
	return 0;
}

/**
 * nvdio_batch_send_ring() - send a chunk of a ring
 * @run: from nvdio_batch_begin_ring(), with a chunk without registered memory
 *
 * Context: may sleep.
 * Return: 0, and all of it was sent or has failed; or -ENODEV, if nothing has been
 * sent since nvdio_batch_begin_ring().
 */
int nvdio_batch_send_ring(struct nvdio_batch_run *run)
{
	const u32 i = batch_hold_one(run, 0, true);

	return likely(i == run->nr) ? 0 : batch_ring_rest(run, i);
}

/**
 * nvdio_batch_sent() - all chunks of a batch were sent
 * @run: batch
 *
 * Unless something of it was not sent, it may have ended: nothing of it is touched
 * then.
 *
 * Context: task.
 * Return: true if it has ended without a call of @end; it is the caller's again, and
 * @kept_q is set.
 */
bool nvdio_batch_sent(struct nvdio_batch_run *run)
{
	const u32 rest = run->bad + run->done;
	struct nvdio_batch_op *op = run->op;
	struct nvdio_queue *q = run->q;
	bool ended;

	if (likely(!rest))
		return false;
	spin_lock_irq(&q->cq_lock);
	op->bad += run->bad;
	op->left -= rest;
	ended = !op->left;
	spin_unlock_irq(&q->cq_lock);
	if (ended)
		op->kept_q = q;
	return ended;
}
