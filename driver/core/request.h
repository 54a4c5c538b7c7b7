/* SPDX-License-Identifier: GPL-2.0 */
/* One command in flight, and what its end leaves to be done. */
#ifndef NVDIO_REQUEST_H
#define NVDIO_REQUEST_H

#include <linux/cache.h>
#include <linux/fs.h>
#include <linux/llist.h>
#include <linux/types.h>

struct nvdio_ns;
struct nvdio_request;
struct page;

/**
 * struct nvdio_completion - a kiocb that is ready to be completed
 * @iocb: the kiocb; nothing of the driver refers to it any more
 * @res: what ki_complete is to be told
 */
struct nvdio_completion {
	struct kiocb *iocb;
	long res;
};

/**
 * enum nvdio_end - what the end of a command leaves to be done
 * @NVDIO_END_NONE: nothing; the tag is free
 * @NVDIO_END_KIOCB: there is a kiocb to be completed; the tag is free
 * @NVDIO_END_LATER: the request is still somebody's, who gives back the tag
 */
enum nvdio_end {
	NVDIO_END_NONE,
	NVDIO_END_KIOCB,
	NVDIO_END_LATER,
};

/**
 * typedef nvdio_end_fn - what is done when a command has ended
 * @req: the request, in the state IDLE
 * @status: the controller's status without the phase bit, or NVDIO_SC_*
 * @done: to be filled for NVDIO_END_KIOCB
 *
 * Context: under the queue's cq_lock, interrupts off. The controller cannot
 * touch the command's memory any more (invariant 2).
 * Return: enum nvdio_end; the reap loop acts on it (io/complete.c).
 */
typedef enum nvdio_end nvdio_end_fn(struct nvdio_request *req, u16 status,
				    struct nvdio_completion *done);

/**
 * enum nvdio_req_state - who a request belongs to
 * @NVDIO_REQ_IDLE: nobody, or a submitter that fills it
 * @NVDIO_REQ_IN_FLIGHT: the controller
 * @NVDIO_REQ_DIRTYING: complete, but its pages are still to be dirtied
 * @NVDIO_REQ_RESERVED: ended, and never in the pool (enum nvdio_reserved)
 */
enum nvdio_req_state {
	NVDIO_REQ_IDLE,
	NVDIO_REQ_IN_FLIGHT,
	NVDIO_REQ_DIRTYING,
	NVDIO_REQ_RESERVED,
};

/* Flags of a request. */
#define NVDIO_REQ_WRITE		0x01	/* changes blocks of the namespace */
#define NVDIO_REQ_UNMAP		0x02	/* @dma is to be unmapped */
#define NVDIO_REQ_PINNED	0x04	/* @page is pinned, @nr_pages of them */
#define NVDIO_REQ_WATCHED	0x08	/* a claim waits for its end */
#define NVDIO_REQ_BLOCKS	0x10	/* @len counts blocks, not bytes */
#define NVDIO_REQ_ALL		0x20	/* changes blocks that are not known */
#define NVDIO_REQ_NO_TIMEOUT	0x40	/* may take forever */
#define NVDIO_REQ_POLLED	0x80	/* of a ring that polls for it */

/**
 * struct nvdio_request - a tag's request; one cache line
 * @iocb: kiocb to complete, if @end is NULL
 * @owner: whatever @end needs, otherwise
 * @end: NULL for a direct read or write that is one command
 * @dma: mapped address, for NVDIO_REQ_UNMAP
 * @len: bytes that the command moves to or from the namespace, or, with
 *	NVDIO_REQ_BLOCKS, blocks that it changes
 * @cid: command identifier: tag, and a generation above it
 * @state: enum nvdio_req_state, under cq_lock once the command is submitted
 * @flags: NVDIO_REQ_*
 * @page: first of the pinned pages, which are contiguous
 * @deadline: jiffies at which the command counts as lost
 * @nr_pages: pinned pages
 * @qid: queue that the request belongs to; does not change
 * @ns: namespace, NULL for an admin command
 * @slba: first LBA, for the writes that an exclusive claim must wait for
 * @result: Dword 0 and 1 of the CQE, set before @end is called
 * @node: link in the controller's list of requests with pages to dirty
 */
struct nvdio_request {
	union {
		struct kiocb *iocb;
		void *owner;
	};
	nvdio_end_fn *end;
	dma_addr_t dma;
	u32 len;
	u16 cid;
	u8 state;
	u8 flags;
	struct page *page;
	u32 deadline;
	u16 nr_pages;
	u16 qid;
	struct nvdio_ns *ns;
	union {
		u64 slba;
		u64 result;
		struct llist_node node;
	};
} ____cacheline_aligned;

/**
 * nvdio_complete() - complete a kiocb
 * @done: which, and with what
 *
 * Context: any. The kiocb, its file and the file's references may be gone on
 * return.
 */
static inline void nvdio_complete(const struct nvdio_completion *done)
{
	if (likely(done->res > 0))
		done->iocb->ki_pos += done->res;
	done->iocb->ki_complete(done->iocb, done->res);
}

#endif /* NVDIO_REQUEST_H */
