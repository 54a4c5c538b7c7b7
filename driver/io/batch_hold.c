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

/* Which sum of bytes is whose. */
#define BATCH_WRITE	0U
#define BATCH_READ	1U

static_assert(NVDIO_IO_READ - NVDIO_IO_WRITE == BATCH_READ - BATCH_WRITE);

/* What in nvdio_desc_what() is the operation, other than flags and memory. */
#define BATCH_WHAT_OP	NVDIO_DESC_WHAT(0, 0xff)

/**
 * struct batch_kind - what is the same for usual descriptors, as the latest one was
 * @size: bytes that they may reach without a closer look: 0 before the first of them;
 *	for writes 0 also if there are claims: one that is made now waits for this hold,
 *	and finds the writes in flight (io/claim.h)
 * @head: first word of their SQEs, but for the command identifier
 * @terms: of their requests
 * @what: nvdio_desc_what() of them: without flags, for the memory that was looked up
 *	last; 0, of a flush, until then
 * @nr: BATCH_WRITE or BATCH_READ
 * @bytes: their sum, since another kind was before them
 * @sums: of those before, by BATCH_WRITE and BATCH_READ
 */
struct batch_kind {
	u64 size;
	u64 head;
	struct nvdio_req_terms terms;
	u32 what;
	u32 nr;
	u64 bytes;
	u64 sums[2];
};

/**
 * struct batch_hold - what is found out once for a hold of sq_lock
 * @kind: apart, so that the rest can be in registers
 * @ns: namespace
 * @owner: batch, or ring
 * @start: first block of what is reached
 * @lba_mask: LBA size minus 1
 * @lba_shift: log2 of the LBA size
 * @deadline: of all
 * @map: the memory that was looked up last, a map, which stays while sq_lock is held;
 *	NULL: registered memory, or none
 * @map_bytes: size of @map; 0: there is none
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
	struct batch_kind *kind;
	struct nvdio_ns *ns;
	void *owner;
	u64 start;
	u64 lba_mask;
	u8 lba_shift;
	u32 deadline;
	struct nvdio_map *map;
	u64 map_bytes;
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
					     struct batch_kind *kind)
{
	struct nvdio_queue *q = run->q;
	struct nvdio_ns *ns = run->ns;

	/* What is like a flush reaches nothing in this way. */
	kind->size = 0;
	kind->what = 0;
	kind->nr = BATCH_READ;
	kind->bytes = 0;
	kind->sums[BATCH_READ] = 0;
	kind->sums[BATCH_WRITE] = 0;
	/* It is to be in memory: it would take the registers of what is used more. */
	barrier_data(kind);
	hold->kind = kind;
	hold->ns = ns;
	hold->owner = run->owner;
	hold->start = 0;
	hold->lba_mask = ns->lba_mask;
	hold->lba_shift = ns->lba_shift;
	hold->deadline = (u32)jiffies + q->timeout;
	hold->map = NULL;
	hold->map_bytes = 0;
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
	struct batch_kind *kind = hold->kind;
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
	kind->sums[kind->nr] += kind->bytes;
	this_cpu_add(stats->read_bytes, kind->sums[BATCH_READ]);
	if (kind->sums[BATCH_WRITE]) {
		this_cpu_add(stats->write_bytes, kind->sums[BATCH_WRITE]);
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

/* How many bytes may usual descriptors reach at this moment? */
static __always_inline u64 batch_size(const struct nvdio_batch_run *run,
				      struct batch_hold *hold, const bool write)
{
	const struct nvdio_ns *ns = hold->ns;
	u64 size = 0;

	if (write) {
		if (run->mode & FMODE_WRITE && likely(!READ_ONCE(ns->claims_held)))
			size = READ_ONCE(ns->write_size);
	} else if (likely(run->mode & FMODE_READ)) {
		size = nvdio_ns_size(ns);
	}
	if (unlikely(run->span)) {
		size = nvdio_span_size(run->span, size);
		hold->start = nvdio_ns_lba(ns, run->span->start);
	}
	return size;
}

/*
 * Look up the memory of descriptors that are usual otherwise. @id: by its identifier.
 * Return: false if there is none such; @hold is as it was.
 */
static __always_inline bool batch_memory(const struct nvdio_batch_run *run,
					 struct batch_hold *hold, const u32 id,
					 const bool ring)
{
	struct nvdio_map *map = NULL;
	u64 bytes = 0;

	if (ring || id != NVDIO_MAP_RING_BUF) {
		map = nvdio_map_find(run->q, id);
		if (!map || map->flags & NVDIO_MAP_READ_ONLY ||
		    hold->ns->map_max < NVDIO_MPS ||
		    !nvdio_batch_is_own(run, map))
			return false;
		bytes = (u64)nvdio_map_pages(map) << PAGE_SHIFT;
	} else if (!run->registered || !run->q->linear ||
		   hold->ns->single_max < NVDIO_MPS) {
		return false;
	}
	hold->map = map;
	hold->map_bytes = bytes;
	return true;
}

/*
 * Descriptors with this @what are usual ones from here on, if they can be.
 * Return: false if they cannot; @hold is as it was.
 */
static __always_inline bool batch_look(const struct nvdio_batch_run *run,
				       struct batch_hold *hold, const u32 what,
				       const bool ring)
{
	struct batch_kind *const kind = hold->kind;
	/* Operation, and flags above it. */
	const u32 opcode = what >> 16;
	const bool write = opcode == NVDIO_IO_WRITE;

	if (!write && opcode != NVDIO_IO_READ)
		return false;
	/* If only the operation is another one, the memory is known. */
	if ((!kind->what || (what ^ kind->what) & ~BATCH_WHAT_OP) &&
	    !batch_memory(run, hold, what & 0xffff, ring))
		return false;
	kind->sums[kind->nr] += kind->bytes;
	kind->bytes = 0;
	kind->what = what;
	kind->nr = write ? BATCH_WRITE : BATCH_READ;
	kind->size = batch_size(run, hold, write);
	kind->head = (u64)hold->ns->nsid << 32 | opcode;
	kind->terms = (struct nvdio_req_terms){
		.deadline = hold->deadline,
		.flags = run->flags | (hold->map ? NVDIO_REQ_MAPPED : 0) |
			 (write ? NVDIO_REQ_WRITE : 0),
		.qid = run->q->qid,
	};
	return true;
}

/**
 * struct batch_one - a usual descriptor
 * @io: descriptor
 * @off: its @off
 * @len: its @len
 * @place: its place in the batch
 * @req: its request
 */
struct batch_one {
	const struct nvdio_io *io;
	u64 off;
	u64 len;
	u32 place;
	struct nvdio_request *req;
};

/* Send a usual descriptor, whose data are at @dptr. @at: from batch_where(). */
static __always_inline void batch_write(struct batch_hold *hold,
					const struct batch_one *one,
					const struct nvdio_cmd_dptr *dptr,
					u64 at, const bool ring)
{
	struct batch_kind *kind = hold->kind;
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
 * Send a usual descriptor whose data are not in one page of the map that was looked up;
 * @one has no @req yet.
 * Return: as batch_usual().
 */
static __always_inline bool batch_elsewhere(const struct nvdio_batch_run *run,
					    struct batch_hold *hold,
					    struct batch_one *one,
					    const bool ring)
{
	const struct nvdio_batch_mem *mem = NULL;
	struct nvdio_cmd_dptr dptr = { };
	u64 at = one->io->addr;

	one->req = &hold->reqs[hold->free];
	if (at < hold->map_bytes) {
		if (at & NVDIO_DMA_MASK || at + one->len > hold->map_bytes)
			return false;
		at = array_index_nospec(at, hold->map_bytes);
		return batch_large(hold, one, NULL, at, ring);
	}
	if (ring || hold->map)
		return false;
	mem = &run->mem[one->io - run->io];
	if (mem->err || mem->pieces)
		return false;
	at = mem->phys + run->q->dma_offset;
	if ((at & NVDIO_MPS_MASK) + one->len > NVDIO_MPS)
		return batch_large(hold, one, mem, at, ring);
	dptr.prp1 = cpu_to_le64(at);
	hold->registered++;
	batch_write(hold, one, &dptr, at, ring);
	return true;
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
	const struct batch_kind *kind = hold->kind;
	struct nvdio_cmd_dptr dptr = { };
	struct batch_one one;
	u64 at = io->addr;

	if (unlikely(nvdio_desc_what(io) != kind->what) &&
	    !batch_look(run, hold, nvdio_desc_what(io), ring))
		return false;
	one = (struct batch_one){
		.io = io,
		.off = off,
		.len = len,
		.place = place,
	};
	/* An end that has wrapped around is before its start, as is one of nothing. */
	if (unlikely(io->stream || io->resv || (off | len) & hold->lba_mask ||
		     end <= off || end > kind->size))
		return false;
	if (unlikely(at & NVDIO_DMA_MASK || at >= hold->map_bytes))
		return batch_elsewhere(run, hold, &one, ring);
	at = array_index_nospec(at, hold->map_bytes);
	/* Maps are whole pages. */
	if (unlikely((at & NVDIO_MPS_MASK) + len > NVDIO_MPS))
		return batch_elsewhere(run, hold, &one, ring);
	dptr.prp1 = nvdio_map_table_dma(&hold->map->table, at);
	one.req = &hold->reqs[hold->free];
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
	struct batch_kind kind __uninitialized;
	struct batch_hold hold __uninitialized;

	spin_lock(&q->sq_lock);
	if (unlikely(q->state != NVDIO_QUEUE_LIVE || run->ns->dead ||
		     (!ring && !nvdio_tags_have(&q->tags, run->want))))
		goto unlock;
	if (!ring)
		run->want = 0;
	batch_hold_begin(run, &hold, &kind);
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
		WRITE_ONCE(req->deadline, hold.deadline);
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
