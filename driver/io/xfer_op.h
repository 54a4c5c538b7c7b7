/* SPDX-License-Identifier: GPL-2.0 */
/*
 * struct nvdio_xfer: a transfer, that is, a zero-copy read or write with a
 * scatterlist and one or more commands.
 */
#ifndef NVDIO_XFER_OP_H
#define NVDIO_XFER_OP_H

#include <linux/atomic.h>
#include <linux/scatterlist.h>
#include <linux/workqueue.h>

#include "pure/dptr.h"
#include "core/ns.h"
#include "hw/queue.h"
#include "io/sg.h"

/* Pages of a preallocated transfer: 128 KiB at any offset. */
#define NVDIO_XFER_PAGES		33
/*
 * Descriptor memory of a preallocated transfer: 64 PRPs or 32 SGL descriptors.
 */
#define NVDIO_XFER_LIST_BYTES	512

struct nvdio_desc_page;

/**
 * enum nvdio_xfer_step - what the work item of a transfer does
 * @NVDIO_XFER_SEND: submits the rest of the window
 * @NVDIO_XFER_NEXT: maps the next window and submits it
 * @NVDIO_XFER_ENDED: unmaps the window, whose commands have ended
 */
enum nvdio_xfer_step {
	NVDIO_XFER_SEND,
	NVDIO_XFER_NEXT,
	NVDIO_XFER_ENDED,
};

/**
 * struct nvdio_xfer - a transfer
 * @iocb: kiocb to complete
 * @ns: namespace
 * @limits: limits of its commands
 * @pool_queue: queue whose pool it belongs to; NULL if allocated
 * @poll_queue: queue for all commands of a polled kiocb; otherwise NULL
 * @pending: commands in flight, plus one for the submitter while it submits
 * @error: first error, or 0
 * @write: write, not read
 * @fua: commands carry FUA
 * @pinned: @pages are pinned
 * @pinned_once: no page is pinned twice, so @sg suffices for unpinning
 * @dirty: pages have to be dirtied
 * @need_unmap: @sgt is mapped, and unmapping is not a no-op
 * @sleeps: ending the window has to be left to @work
 * @inline_desc_used: @inline_desc is in use
 * @one: its only command has @dptr, and there is no @sg (io/prps.c)
 * @sgl: for @one: @dptr is an SGL
 * @step: enum nvdio_xfer_step, for @work
 * @pages: pages of user or kernel memory; unused for bvecs
 * @nr_pages: number of pages
 * @max_pages: entries in @pages
 * @dptr: for @one: data pointer
 * @sg: scatterlist
 * @sgt: the window, the part of @sg that is mapped, for the DMA API
 * @cur: start of the next command's data in the window
 * @next: start of the data after the window, by the CPU lengths in @sg
 * @pos: byte offset in the namespace of the next command's data
 * @left: bytes of the window that have yet to be submitted
 * @rest: bytes after the window
 * @window: desired size of the next window in bytes
 * @len: total bytes
 * @inline_desc: descriptor memory of a preallocated transfer
 * @lists: further descriptor memory, freed at the end
 * @work: submits what had to wait, or does the part of the end that may sleep
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
	bool one;
	bool sgl;
	u8 step;
	struct page **pages;
	unsigned int nr_pages;
	unsigned int max_pages;
	union nvme_data_ptr dptr;
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
