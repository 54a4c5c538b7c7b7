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
#include "io/batch_fill.h"
#include "io/batch_hold.h"
#include "io/batch_run.h"
#include "io/claim.h"
#include "io/map_find.h"

/**
 * struct batch_kind - what is the same for usual descriptors that write, or that read
 * @size: bytes that they may reach without a closer look: 0 until batch_look() has
 *	found memory; for writes 0 also if there are claims: one that is made now waits
 *	for this hold, and finds the writes in flight (io/claim.h)
 * @head: first word of their SQEs, but for the command identifier
 * @terms: of their requests
 * @bytes: their sum
 */
struct batch_kind {
	u64 size;
	u64 head;
	struct nvdio_req_terms terms;
	u64 bytes;
};

/* Indices of @kinds of struct batch_hold. */
#define BATCH_WRITE	0U
#define BATCH_READ	1U

static_assert(NVDIO_IO_READ - NVDIO_IO_WRITE == BATCH_READ - BATCH_WRITE);

/* By how much nvdio_desc_what() of a read exceeds that of a write. */
#define BATCH_WHAT_READ	NVDIO_DESC_WHAT(0, BATCH_READ)

/**
 * struct batch_hold - what is found out once for a hold of sq_lock
 * @kinds: writes and reads: an array apart, so that the rest can be in registers
 * @ns: namespace
 * @owner: batch, or ring
 * @start: first block of what is reached
 * @lba_mask: LBA size minus 1
 * @lba_shift: log2 of the LBA size
 * @what: nvdio_desc_what() of a write without flags for the memory that was looked
 *	up last; 0, of a flush, until then
 * @map: this memory, a map, which stays while sq_lock is held; NULL: registered
 *	memory, or none
 * @map_bytes: size of @map; 0: there is none
 * @map_bits: bits that no offset of dwords in @map has
 * @reqs: requests of the queue
 * @links: of its tags
 * @free: its top free tag, in place of that in struct nvdio_tags
 * @cmd: next SQE
 * @first: the SQ
 * @stop: its end
 * @registered: number of commands for registered memory
 * @unusual: number of commands that were counted already
 *
 * Only inline functions have its address: most of it is in registers.
 */
struct batch_hold {
	struct batch_kind *kinds;
	struct nvdio_ns *ns;
	void *owner;
	u64 start;
	u64 lba_mask;
	u8 lba_shift;
	u32 what;
	struct nvdio_map *map;
	u64 map_bytes;
	u64 map_bits;
	struct nvdio_request *reqs;
	u16 *links;
	unsigned long free;
	struct nvme_command *cmd;
	struct nvme_command *first;
	struct nvme_command *stop;
	u32 registered;
	u32 unusual;
};

static __always_inline void batch_hold_begin(const struct nvdio_batch_run *run,
					     struct batch_hold *hold,
					     struct batch_kind *kinds)
{
	struct nvdio_queue *q = run->q;
	struct nvdio_ns *ns = run->ns;
	const u64 head = (u64)ns->nsid << 32;
	const struct nvdio_req_terms terms = {
		.deadline = (u32)jiffies + q->timeout,
		.flags = run->flags,
		.qid = q->qid,
	};

	kinds[BATCH_READ] = (struct batch_kind){
		.head = head | NVDIO_IO_READ,
		.terms = terms,
	};
	kinds[BATCH_WRITE] = (struct batch_kind){
		.head = head | NVDIO_IO_WRITE,
		.terms = terms,
	};
	hold->kinds = kinds;
	hold->ns = ns;
	hold->owner = run->owner;
	hold->start = 0;
	hold->lba_mask = ns->lba_mask;
	hold->lba_shift = ns->lba_shift;
	hold->what = 0;
	hold->map = NULL;
	hold->map_bytes = 0;
	hold->map_bits = ~0ULL;
	hold->reqs = q->reqs;
	hold->links = q->tags.next;
	hold->free = q->tags.free;
	hold->cmd = &q->sqes[q->sq_tail];
	hold->first = q->sqes;
	hold->stop = &q->sqes[q->depth];
	hold->registered = 0;
	hold->unusual = 0;
}

/* Before sq_lock is released: count, and write the doorbell. */
static __always_inline void batch_hold_end(struct nvdio_batch_run *run,
					   const struct batch_hold *hold)
{
	struct nvdio_stats __percpu *stats = hold->ns->stats;
	const u64 written = hold->kinds[BATCH_WRITE].bytes;
	struct nvdio_queue *q = run->q;
	const u32 tail = hold->cmd - hold->first;
	u32 sent = tail - q->sq_tail;

	WRITE_ONCE(q->tags.free, hold->free);
	if (unlikely(!sent)) {
		/* A waiter may have looked while batch_refill() had all tags. */
		if (wq_has_sleeper(&q->wait))
			wake_up(&q->wait);
		return;
	}
	if (unlikely((s32)sent < 0))
		sent += q->depth;
	run->sent += sent;
	this_cpu_add(stats->direct_mapped,
		     sent - hold->registered - hold->unusual);
	if (hold->registered)
		this_cpu_add(stats->direct, hold->registered);
	this_cpu_add(stats->read_bytes, hold->kinds[BATCH_READ].bytes);
	if (written) {
		this_cpu_add(stats->write_bytes, written);
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
				       struct nvdio_request *req)
{
	const unsigned long tag = hold->free;

	/* Publishes the request; pairs with nvdio_queue_expired(). */
	smp_store_release(&req->state, NVDIO_REQ_IN_FLIGHT);
	hold->free = hold->links[tag];
	if (unlikely(++hold->cmd == hold->stop))
		hold->cmd = hold->first;
}

/* Find out what descriptors may reach at this moment. */
static __always_inline void batch_sizes(const struct nvdio_batch_run *run,
					struct batch_hold *hold)
{
	const struct nvdio_ns *ns = hold->ns;
	u64 readable = 0, writable = 0;

	if (likely(run->mode & FMODE_READ))
		readable = nvdio_ns_size(ns);
	if (run->mode & FMODE_WRITE && likely(!READ_ONCE(ns->claims_held)))
		writable = READ_ONCE(ns->write_size);
	if (unlikely(run->span)) {
		readable = nvdio_span_size(run->span, readable);
		writable = nvdio_span_size(run->span, writable);
		hold->start = nvdio_ns_lba(ns, run->span->start);
	}
	hold->kinds[BATCH_READ].size = readable;
	hold->kinds[BATCH_WRITE].size = writable;
}

/*
 * Look up the memory of descriptors that are usual otherwise.
 * Return: false if there is none such; @hold is as it was.
 */
static __always_inline bool batch_look(const struct nvdio_batch_run *run,
				       struct batch_hold *hold, const u32 what,
				       const bool ring)
{
	const u32 id = what & 0xffff;
	struct nvdio_map *map = NULL;
	unsigned int flags = run->flags;
	u64 bytes = 0;

	/* Operation, and flags above it. */
	if ((what >> 16) - NVDIO_IO_WRITE > NVDIO_IO_READ - NVDIO_IO_WRITE)
		return false;
	if (ring || id != NVDIO_MAP_RING_BUF) {
		map = nvdio_map_find(run->q, id);
		if (!map || map->flags & NVDIO_MAP_READ_ONLY ||
		    hold->ns->map_max < NVDIO_MPS ||
		    !nvdio_batch_is_own(run, map))
			return false;
		bytes = (u64)nvdio_map_pages(map) << PAGE_SHIFT;
		flags |= NVDIO_REQ_MAPPED;
	} else if (!run->registered || !run->q->linear ||
		   hold->ns->single_max < NVDIO_MPS) {
		return false;
	}
	hold->map = map;
	hold->map_bytes = bytes;
	/* All of them where there is no map. */
	hold->map_bits = bytes ? ~0ULL << fls64(bytes) | NVDIO_DMA_MASK : ~0ULL;
	hold->what = NVDIO_DESC_WHAT(id, NVDIO_IO_WRITE);
	hold->kinds[BATCH_READ].terms.flags = flags;
	hold->kinds[BATCH_WRITE].terms.flags = flags | NVDIO_REQ_WRITE;
	batch_sizes(run, hold);
	return true;
}

/**
 * struct batch_one - a usual descriptor
 * @io: descriptor
 * @off: its @off
 * @len: its @len
 * @place: its place in the batch
 * @kind: what is the same for others
 * @req: its request
 */
struct batch_one {
	const struct nvdio_io *io;
	u64 off;
	u64 len;
	u32 place;
	struct batch_kind *kind;
	struct nvdio_request *req;
};

/* Send a usual descriptor, whose data are at @dptr. @at: from batch_where(). */
static __always_inline void batch_write(struct batch_hold *hold,
					const struct batch_one *one,
					const struct nvdio_cmd_dptr *dptr,
					u64 at, const bool ring)
{
	struct batch_kind *kind = one->kind;
	struct nvdio_request *req = one->req;
	const u64 slba = (one->off >> hold->lba_shift) + hold->start;
	u64 head;

	kind->bytes += one->len;
	/* For registered memory, @dma, and no @page. */
	static_assert(offsetof(typeof(*req), offset) ==
		      offsetof(typeof(*req), dma));
	req->offset = at;
	req->map = hold->map;
	req->owner = hold->owner;
	if (ring)
		req->cookie = one->io->cookie;
	else
		req->nr_pages = one->place;
	req->len = one->len;
	req->slba = slba;
	/* The watchdog and the leak counters look at requests of others. */
	WRITE_ONCE(req->ns, hold->ns);
	WRITE_ONCE(req->terms, kind->terms);
	/* A new generation: a stray CQE from the previous use is detected. */
	req->cid += 1 << NVDIO_TAG_BITS;
	head = kind->head | dptr->flags | (u32)req->cid << 16;
	nvdio_cmd_rw_whole(hold->cmd, head, slba,
			   nvdio_rw_cdw12(one->len >> hold->lba_shift, 0),
			   dptr);
	batch_sent(hold, req);
}

/*
 * Send a usual descriptor whose data are in more than one page, or in a map that is
 * contiguous on the bus. @mem: registered memory, or NULL: @at is an offset in the
 * map.
 * Return: as batch_usual().
 */
static __always_inline bool batch_large(struct batch_hold *hold,
					const struct batch_one *one,
					const struct nvdio_batch_mem *mem,
					u64 at, const bool ring)
{
	struct nvdio_cmd_dptr dptr;

	if (mem) {
		if (one->len > hold->ns->single_max)
			return false;
		nvdio_cmd_dptr_of_run(&dptr, at, one->len);
		hold->registered++;
	} else {
		if (one->len > hold->ns->map_max)
			return false;
		nvdio_cmd_dptr_of_map(&dptr, &hold->map->table, at, one->len);
	}
	batch_write(hold, one, &dptr, at, ring);
	return true;
}

/*
 * Where the data of a usual descriptor are: an offset in the map that was looked up; or
 * the bus address of registered memory, if that is contiguous and bus addresses are
 * computed.
 * Return: true; false if there are none such.
 */
static __always_inline bool batch_where(const struct nvdio_batch_run *run,
					const struct batch_hold *hold,
					const struct nvdio_io *io, u64 len,
					const struct nvdio_batch_mem **mem,
					u64 *at, const bool ring)
{
	*mem = NULL;
	*at = io->addr;
	if (likely(!(*at & hold->map_bits) &&
		   *at + len <= hold->map_bytes)) {
		*at = array_index_nospec(*at, hold->map_bytes);
		return true;
	}
	if (ring || hold->map)
		return false;
	*mem = &run->mem[io - run->io];
	*at = (*mem)->phys + run->q->dma_offset;
	return !(*mem)->err && !(*mem)->pieces;
}

/*
 * Send a descriptor that is a read or write without flags, with the tag that is free, if
 * nvdio_desc_check() would find it to be valid. @place: its place in the batch.
 * Return: false: nothing was done, batch_unusual() does it.
 */
static __always_inline bool batch_usual(const struct nvdio_batch_run *run,
					struct batch_hold *hold,
					const struct nvdio_io *io, u32 place,
					const bool ring)
{
	const u64 off = io->off, len = io->len, end = off + len;
	struct nvdio_cmd_dptr dptr = { };
	const struct nvdio_batch_mem *mem;
	struct batch_one one;
	u32 what;
	u64 at;

	if (unlikely((nvdio_desc_what(io) - hold->what) & ~BATCH_WHAT_READ) &&
	    !batch_look(run, hold, nvdio_desc_what(io), ring))
		return false;
	what = nvdio_desc_what(io) - hold->what;
	one = (struct batch_one){
		.io = io,
		.off = off,
		.len = len,
		.place = place,
		/* Also where it is speculated that this is a usual one. */
		.kind = &hold->kinds[what / BATCH_WHAT_READ & 1],
		.req = &hold->reqs[hold->free],
	};
	/* An end that has wrapped around is before its start, as is one of nothing. */
	if (unlikely(io->stream || io->resv || (off | len) & hold->lba_mask ||
		     end <= off || end > one.kind->size))
		return false;
	if (!batch_where(run, hold, io, len, &mem, &at, ring))
		return false;
	if (unlikely((at & NVDIO_MPS_MASK) + len > NVDIO_MPS))
		return batch_large(hold, &one, mem, at, ring);
	dptr.prp1 = cpu_to_le64(at);
	if (mem)
		hold->registered++;
	else
		dptr.prp1 = nvdio_map_table_dma(&hold->map->table, at);
	batch_write(hold, &one, &dptr, at, ring);
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
	    nvdio_claim_stops(run->ns, nvdio_batch_slba(run, io),
			      nvdio_ns_lba(run->ns, io->len)))
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
	struct nvdio_request *req;
	u32 place = run->base + i;
	enum batch_did did;
	struct batch_kind kinds[2] __uninitialized;
	struct batch_hold hold __uninitialized;

	spin_lock(&q->sq_lock);
	if (unlikely(q->state != NVDIO_QUEUE_LIVE || run->ns->dead ||
		     !nvdio_tags_have(&q->tags, run->want)))
		goto unlock;
	run->want = 0;
	batch_hold_begin(run, &hold, kinds);
	for (; io < end; io++, place++) {
		if (unlikely(hold.free == NVDIO_TAG_NONE)) {
			hold.free = batch_refill(&q->tags);
			if (hold.free == NVDIO_TAG_NONE)
				break;
		}
		if (likely(batch_usual(run, &hold, io, place, ring)))
			continue;
		did = batch_unusual(run, io - run->io, hold.free, hold.cmd);
		if (did == BATCH_STOP)
			break;
		if (did != BATCH_SENT)
			continue;
		hold.unusual++;
		req = &hold.reqs[hold.free];
		WRITE_ONCE(req->deadline, hold.kinds[0].terms.deadline);
		batch_sent(&hold, req);
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
