/* SPDX-License-Identifier: GPL-2.0 */
/* A zero-copy read or write that has a scatterlist and one or more commands. */
#ifndef NVDIO_XFER_OP_H
#define NVDIO_XFER_OP_H

#include <linux/atomic.h>
#include <linux/scatterlist.h>
#include <linux/workqueue.h>

#include "pure/dptr.h"
#include "core/ns.h"
#include "hw/queue.h"
#include "io/sg.h"

/* Pages that a preallocated xfer has room for: 128 KiB at any offset. */
#define NVDIO_XFER_PAGES		33
/* And its list memory: 64 PRPs or 32 SGL descriptors. */
#define NVDIO_XFER_LIST_BYTES	512

struct nvdio_desc_page;

/* What a xfer's work item does next. */
enum nvdio_xfer_step {
	NVDIO_XFER_SEND,		/* sends the rest of the window */
	NVDIO_XFER_NEXT,		/* maps the next window and sends it */
	NVDIO_XFER_ENDED,	/* the window's commands are over: unmaps it */
};

/**
 * struct nvdio_xfer - a read or write under way
 * @iocb: whom to complete
 * @ns: namespace
 * @limits: what its commands may look like
 * @pool_queue: the queue whose pool this belongs to, or NULL if it was allocated
 * @poll_queue: the one queue that all commands of a polled kiocb go to, else
 *	NULL
 * @pending: commands in flight, and one for the submitter while it sends
 * @error: first error, or 0
 * @write: write, not read
 * @fua: commands carry FUA
 * @pinned: @pages are pinned
 * @pinned_once: and each of them only once, so that @sg says it all
 * @dirty: and to be dirtied
 * @need_unmap: @sgt is mapped, and unmapping is not for nothing
 * @sleeps: the end of the window's commands is a case for @work
 * @inline_desc_used: @inline_desc is taken
 * @step: what @work does, enum nvdio_xfer_step
 * @pages: pages of user or kernel memory; not used for bvecs
 * @nr_pages: number of them
 * @max_pages: room
 * @sg: scatterlist
 * @sgt: the window: what of it is mapped, for the DMA API
 * @cur: where the next command's data begin, in the window
 * @next: where the data behind the window begin, by the lengths in @sg
 * @pos: where in the namespace the next command's data go, in bytes
 * @left: bytes of the window that are not sent yet
 * @rest: bytes behind the window
 * @window: bytes that the next window shall have
 * @len: bytes in all
 * @inline_desc: list memory of a pooled xfer
 * @lists: further list memory, freed at the end
 * @work: sends what had to wait, or finishes what must sleep
 */
struct nvdio_xfer {
	struct kiocb *iocb;
	struct nvdio_ns *ns;
	const struct nvdio_dptr_limits *limits;
	struct nvdio_queue *pool_queue;
	struct nvdio_queue *poll_queue;
	atomic_t pending;
	int error;
	bool write;
	bool fua;
	bool pinned;
	bool pinned_once;
	bool dirty;
	bool need_unmap;
	bool sleeps;
	bool inline_desc_used;
	u8 step;
	struct page **pages;
	unsigned int nr_pages;
	unsigned int max_pages;
	struct nvdio_sg sg;
	struct sg_table sgt;
	struct nvdio_cursor cur;
	struct nvdio_cursor next;
	u64 pos;
	size_t left;
	size_t rest;
	size_t window;
	size_t len;
	struct nvdio_desc_mem inline_desc;
	struct nvdio_desc_page *lists;
	struct work_struct work;
};

#endif /* NVDIO_XFER_OP_H */
