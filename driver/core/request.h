/* SPDX-License-Identifier: GPL-2.0 */
/* One command in flight, and how its issuer is completed. */
#ifndef NVDIO_REQUEST_H
#define NVDIO_REQUEST_H

#include <linux/cache.h>
#include <linux/fs.h>
#include <linux/llist.h>
#include <linux/types.h>

struct nvdio_ns;
struct nvdio_queue;
struct nvdio_request;
struct page;

/* Status beside those of the controller (15 bits): it is gone, or was reset. */
#define NVDIO_SC_GONE		0x8000
#define NVDIO_SC_RESET		0x8001

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
 * typedef nvdio_end_fn - what is done when a command has ended
 * @req: the request; its tag is given back right after the call, unless the
 *	callee has set its state to NVDIO_REQ_RESERVED
 * @status: the controller's status without the phase bit, or NVDIO_SC_*
 * @done: to be filled if the call returns true
 *
 * Context: under the queue's cq_lock, interrupts off. The controller cannot
 * touch the command's memory any more (invariant 2).
 * Return: true if @done holds a kiocb that shall be completed now.
 */
typedef bool nvdio_end_fn(struct nvdio_request *req, u16 status,
			  struct nvdio_completion *done);

enum nvdio_req_state {
	NVDIO_REQ_IDLE,		/* free, or being prepared by a submitter */
	NVDIO_REQ_IN_FLIGHT,	/* the controller has it */
	NVDIO_REQ_DIRTYING,	/* complete, but its pages are still to be dirtied */
	NVDIO_REQ_RESERVED,	/* ended, and never in the pool: see queue.h */
};

/* Flags of a request. */
#define NVDIO_REQ_WRITE		0x01	/* moves data to the namespace's blocks */
#define NVDIO_REQ_UNMAP		0x02	/* @dma is to be unmapped */
#define NVDIO_REQ_PINNED	0x04	/* @page is pinned, @nr_pages of them */
#define NVDIO_REQ_WATCHED	0x08	/* a claim waits for its end */
#define NVDIO_REQ_BLOCKS	0x10	/* @len counts blocks, not bytes */
#define NVDIO_REQ_ALL		0x20	/* changes who knows which blocks */
#define NVDIO_REQ_NO_TIMEOUT	0x40	/* is never lost, however long it takes */
#define NVDIO_REQ_POLLED	0x80	/* a command of a ring that polls for it */

/**
 * struct nvdio_request - a tag's request; one cache line
 * @iocb: whom to complete, if @end is NULL
 * @owner: whatever @end needs, otherwise
 * @end: NULL for a direct read or write that is one command
 * @dma: mapped address, for NVDIO_REQ_UNMAP
 * @len: bytes that the command moves to or from the namespace, or, with
 *	NVDIO_REQ_BLOCKS, blocks that it changes
 * @cid: command identifier: tag, and a generation above it
 * @state: enum nvdio_req_state, under cq_lock once the command is sent
 * @flags: NVDIO_REQ_*
 * @page: first of the pinned pages, which are contiguous
 * @deadline: jiffies at which the command counts as lost
 * @nr_pages: pinned pages
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
	u32 nr_pages;
	struct nvdio_ns *ns;
	union {
		u64 slba;
		u64 result;
		struct llist_node node;
	};
} ____cacheline_aligned;

/**
 * struct nvdio_sync - stands in for a kiocb whose caller waits
 * @iocb: given to the path below in place of the caller's
 * @task: the caller
 * @done: set when @res is valid
 * @res: result
 */
struct nvdio_sync {
	struct kiocb iocb;
	struct task_struct *task;
	bool done;
	long res;
};

void nvdio_sync_init(struct nvdio_sync *sync, const struct kiocb *caller);
ssize_t nvdio_sync_wait(struct nvdio_sync *sync);

int nvdio_status_to_errno(u16 status);
bool nvdio_direct_end_slow(struct nvdio_request *req, u16 status,
			   struct nvdio_completion *done);
void nvdio_direct_dirty_work(struct work_struct *work);

/**
 * nvdio_completion() - complete a kiocb
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
