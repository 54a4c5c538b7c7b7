// SPDX-License-Identifier: GPL-2.0
/*
 * Sending the descriptors of a chunk while sq_lock is held once.
 *
 * Instructions count here as in direct.c: what is the same for all descriptors of a
 * chunk is found out once, and what is counted is counted once.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/nospec.h>

#include "pure/cmd.h"
#include "pure/tags.h"
#include "core/ctrl.h"
#include "core/map.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/batch_fill.h"
#include "io/batch_hold.h"
#include "io/batch_run.h"
#include "io/claim.h"
#include "io/map_find.h"

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
 * Return: flags of the request; 0: nvdio_batch_fill() does it, or knows what is wrong.
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

	if (!nvdio_batch_is_valid(run, i))
		return BATCH_NOT_SENT;
	if (io->op == NVDIO_IO_WRITE &&
	    nvdio_claim_stops(run->ns, io->off >> run->ns->lba_shift,
			      io->len >> run->ns->lba_shift))
		return BATCH_STOP;
	req = &run->q->reqs[tag];
	ret = nvdio_batch_fill(run, i, req, cmd);
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

/**
 * nvdio_batch_hold() - send descriptors of a batch in one hold of sq_lock
 * @run: batch
 * @i: the first, by its place in the chunk
 *
 * Context: task; takes sq_lock.
 * Return: the first that was not sent and has not failed, because it has to wait; the
 * number of descriptors if there is none.
 */
u32 nvdio_batch_hold(struct nvdio_batch_run *run, u32 i)
{
	return batch_hold_one(run, i, false);
}

/**
 * nvdio_batch_hold_ring() - the same for descriptors of a ring
 * @run: from nvdio_batch_begin_ring()
 * @i: as for nvdio_batch_hold()
 *
 * Context: as nvdio_batch_hold().
 * Return: likewise.
 */
u32 nvdio_batch_hold_ring(struct nvdio_batch_run *run, u32 i)
{
	return batch_hold_one(run, i, true);
}
