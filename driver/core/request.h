/* SPDX-License-Identifier: GPL-2.0 */
/* struct nvdio_request: a command in flight, and how it is completed. */
#ifndef NVDIO_REQUEST_H
#define NVDIO_REQUEST_H

#include <linux/cache.h>
#include <linux/fs.h>
#include <linux/llist.h>
#include <linux/nvme.h>
#include <linux/types.h>

struct nvdio_map;
struct nvdio_ns;
struct nvdio_request;
struct page;

/**
 * struct nvdio_completion - a kiocb ready to be completed
 * @iocb: kiocb; the driver holds no other reference to it
 * @res: result for ki_complete()
 * @result: CQE Dwords 0 and 1, for nvdio_end_fn, in place of @res
 */
struct nvdio_completion {
	struct kiocb *iocb;
	union {
		long res;
		u64 result;
	};
};

/**
 * enum nvdio_end - what is left to do when a command has ended
 * @NVDIO_END_NONE: nothing; the tag can be returned
 * @NVDIO_END_KIOCB: complete a kiocb; the tag can be returned
 * @NVDIO_END_LATER: the request is still in use; its user returns the tag
 */
enum nvdio_end {
	NVDIO_END_NONE,
	NVDIO_END_KIOCB,
	NVDIO_END_LATER,
};

/**
 * typedef nvdio_end_fn - end a command
 * @req: request, in state IDLE
 * @status: the controller's status without the phase bit, or NVDIO_SC_*
 * @done: has the result; to be filled in for NVDIO_END_KIOCB
 *
 * A command that is to be sent again is left to nvdio_retry().
 *
 * Context: the queue's cq_lock is held, interrupts are off. The controller can
 * no longer access the memory of the command (invariant 2).
 * Return: enum nvdio_end; the reap loop acts on it (io/complete.c).
 */
typedef enum nvdio_end nvdio_end_fn(struct nvdio_request *req, u16 status,
				    struct nvdio_completion *done);

/**
 * enum nvdio_req_state - owner of a request
 * @NVDIO_REQ_IDLE: none, or a submitter that is filling it in
 * @NVDIO_REQ_IN_FLIGHT: the controller
 * @NVDIO_REQ_DIRTYING: dirty_work: complete, but its pages have yet to be
 *	dirtied
 * @NVDIO_REQ_RETRYING: nobody: it failed, and will be sent again
 *	(io/retry.c); its memory stays pinned and mapped
 * @NVDIO_REQ_RESERVED: ended, and never part of the pool (enum nvdio_reserved)
 */
enum nvdio_req_state {
	NVDIO_REQ_IDLE,
	NVDIO_REQ_IN_FLIGHT,
	NVDIO_REQ_DIRTYING,
	NVDIO_REQ_RETRYING,
	NVDIO_REQ_RESERVED,
};

/* Flags of a request. */
#define NVDIO_REQ_WRITE		0x0001	/* changes blocks of the namespace */
#define NVDIO_REQ_UNMAP		0x0002	/* @dma has to be unmapped */
#define NVDIO_REQ_PINNED	0x0004	/* @nr_pages from @page on are pinned */
#define NVDIO_REQ_WATCHED	0x0008	/* a claim waits for its completion */
#define NVDIO_REQ_BLOCKS	0x0010	/* @len counts blocks, not bytes */
#define NVDIO_REQ_ALL		0x0020	/* changes unknown blocks */
#define NVDIO_REQ_COUNTED	0x0040	/* of a batch (io/batch.h) */
#define NVDIO_REQ_END		0x0080	/* has @end */
#define NVDIO_REQ_PRIVATE	0x0100	/* what it means is known to @end */
#define NVDIO_REQ_ABORTED	0x0200	/* timed out; an Abort was sent */
#define NVDIO_REQ_MAPPED	0x0400	/* for @map, from @offset on */
#define NVDIO_REQ_PRPS		0x0800	/* @dptr: two pages that are apart */
/* How often the command was sent again, in the bits from here on. */
#define NVDIO_REQ_RETRY		0x1000
#define NVDIO_RETRIES_MAX	15U

/* Of a ring (io/ring_end.h): no @end, but a @cookie. */
#define NVDIO_REQ_RING		(NVDIO_REQ_COUNTED | NVDIO_REQ_END)

/**
 * struct nvdio_req_terms - what many requests have in common, as one word
 * @deadline: as in struct nvdio_request
 * @flags: likewise
 * @qid: likewise
 */
struct nvdio_req_terms {
	u32 deadline;
	u16 flags;
	u16 qid;
};

/**
 * struct nvdio_request - the request of a tag; one cache line
 * @iocb: kiocb to complete, of a single-command direct read or write
 * @owner: private data of @end, for NVDIO_REQ_END; the batch, for
 *	NVDIO_REQ_COUNTED; the ring, for NVDIO_REQ_RING
 * @end: called when the command has ended, for NVDIO_REQ_END
 * @cookie: that of the descriptor, for NVDIO_REQ_RING, in place of @end
 * @dma: bus address of direct reads and writes; to unmap, for NVDIO_REQ_UNMAP
 * @page: first of the pinned pages, which are contiguous
 * @offset: for NVDIO_REQ_MAPPED, in place of @dma: offset of the data in @map
 * @map: for NVDIO_REQ_MAPPED, in place of @page: mapped memory; it stays until
 *	no request in use names it (io/map.c)
 * @dptr: data pointer of a command of a transfer, or for NVDIO_REQ_PRPS, in place of
 *	@dma and @page
 * @len: bytes moved to or from the namespace, or, with NVDIO_REQ_BLOCKS, number
 *	of blocks changed
 * @cid: command identifier: the tag, and a generation in the bits above it
 * @state: enum nvdio_req_state, under cq_lock once the command is submitted
 * @nr_pages: number of pinned pages; its place in the batch, for
 *	NVDIO_REQ_COUNTED
 * @deadline: jiffies after which the command is considered lost; for RETRYING,
 *	from which on it may be sent again
 * @flags: NVDIO_REQ_*
 * @qid: identifier of the queue that the request belongs to; constant
 * @terms: @deadline, @flags and @qid
 * @ns: namespace, NULL for an admin command
 * @slba: first LBA
 * @node: entry in the controller's list of requests with pages to dirty
 */
struct nvdio_request {
	union {
		struct kiocb *iocb;
		void *owner;
	};
	union {
		nvdio_end_fn *end;
		u32 cookie;
	};
	union {
		struct {
			dma_addr_t dma;
			struct page *page;
		};
		struct {
			u64 offset;
			struct nvdio_map *map;
		};
		union nvme_data_ptr dptr;
	};
	u32 len;
	u16 cid;
	u8 state;
	u8 nr_pages;
	union {
		struct {
			u32 deadline;
			u16 flags;
			u16 qid;
		};
		struct nvdio_req_terms terms;
	};
	struct nvdio_ns *ns;
	union {
		u64 slba;
		struct llist_node node;
	};
} ____cacheline_aligned;

/**
 * nvdio_complete() - complete a kiocb
 * @done: kiocb and result
 *
 * On return the kiocb, its file, and everything the file refers to may be
 * freed.
 *
 * Context: any, without cq_lock and sq_lock.
 */
static inline void nvdio_complete(const struct nvdio_completion *done)
{
	if (likely(done->res > 0))
		done->iocb->ki_pos += done->res;
	done->iocb->ki_complete(done->iocb, done->res);
}

#endif /* NVDIO_REQUEST_H */
