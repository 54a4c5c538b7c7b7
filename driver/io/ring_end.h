/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Rings without io_uring: struct nvdio_ring, and what happens to it when one of its
 * I/Os has ended. io/ring.h has the rest.
 *
 * A command of a ring has NVDIO_REQ_RING and no end function: io/complete.c writes its
 * completion. It takes the ring's lock with the first of a batch of CQEs and keeps it
 * for the others, so that an I/O costs no locked instruction, whatever queues a
 * ring's commands are in.
 *
 * The program can change all of the ring's memory at any time. Nothing is read there
 * that the driver has written, and what the program writes is read once.
 */
#ifndef NVDIO_RING_END_H
#define NVDIO_RING_END_H

#include <linux/ktime.h>
#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "pure/ring.h"
#include "core/request.h"
#include "uapi/nvdio.h"

struct file;
struct mm_struct;
struct nvdio_ns;
struct nvdio_span;
struct task_struct;

/* What waits for a ring; bits of @armed of struct nvdio_ring. */
#define NVDIO_RING_WAIT		0x1	/* a task, for @wait_at */
#define NVDIO_RING_POLL		0x2	/* ->poll(), for any completion */
#define NVDIO_RING_CLOSED	0x4	/* nobody has it open, and it ends */

/**
 * struct nvdio_ring - a ring
 *
 * The first part belongs to completion, under @lock; the second to submission, under
 * @submit; the third does not change.
 */
struct nvdio_ring {
	/** @lock: taken in interrupts, within a queue's cq_lock */
	spinlock_t lock;
	/** @cq_tail: number of completions written */
	u32 cq_tail;
	/** @cq_mask: entries of @cqes, minus 1 */
	u32 cq_mask;
	/** @posted: number of those that the program was told of; read without @lock */
	u32 posted;
	/** @cqes: completion array, in memory of the program's */
	struct nvdio_ring_cqe *cqes;
	/** @head: the program's view of the indices, likewise */
	struct nvdio_ring_head *head;
	/** @wait_at: value of @posted at which tasks in @waiters are woken */
	u32 wait_at;
	/** @armed: NVDIO_RING_WAIT, _POLL, _CLOSED */
	u8 armed;
	/** @again_at: what the wait of @again is for */
	u32 again_at;
	/** @again: task whose wait is about to be made again, or NULL; only compared */
	const struct task_struct *again;
	/** @again_end: when that one ends */
	ktime_t again_end;
	/** @again_until: "about to": no longer than until then */
	ktime_t again_until;
	/** @waiters: tasks in NVDIO_IOC_RING_ENTER */
	wait_queue_head_t waiters;
	/** @pollers: of ->poll() */
	wait_queue_head_t pollers;

	/** @submit: serialises submitters; the holder may wait for tags */
	struct mutex submit ____cacheline_aligned_in_smp;
	/**
	 * @sq_head: number of descriptors taken, each of which has or will have a
	 * completion; read without @submit
	 */
	u32 sq_head;
	/** @sq_mask: entries of @sqes, minus 1 */
	u32 sq_mask;
	/** @sqes: submission array, in memory of the program's */
	const struct nvdio_io *sqes;
	/** @ns: namespace, of @node */
	struct nvdio_ns *ns;
	/** @span: what of @ns @node reaches, of that; NULL: all, as it is a node */
	const struct nvdio_span *span;
	/** @node: the file that it was made from, to which it has a reference */
	struct file *node;
	/** @mm: the only address space that may use the ring, held by mmgrab() */
	struct mm_struct *mm;
	/** @mode: FMODE_READ and FMODE_WRITE of the file that it was made from */
	fmode_t mode;

	/** @bytes: size of the memory that begins with @head, whole pages */
	u32 bytes;
	/** @work: frees it */
	struct work_struct work;
};

int nvdio_ring_wq_init(void);
void nvdio_ring_wq_exit(void);
void nvdio_ring_event(struct nvdio_ring *ring);
void nvdio_ring_post(struct nvdio_ring *ring, u32 cookie, s32 res, u32 status);
enum nvdio_end nvdio_ring_end(struct nvdio_request *req, u16 status);

/**
 * nvdio_ring_write() - write a completion
 * @ring: ring
 * @cookie: of the descriptor
 * @res: bytes, or -errno
 * @status: NVMe status, or 0
 *
 * There is an entry for it (nvdio_ring_room()).
 *
 * Context: @ring's lock held.
 */
static __always_inline void nvdio_ring_write(struct nvdio_ring *ring,
					     u32 cookie, s32 res, u32 status)
{
	const struct nvdio_ring_cqe cqe = {
		.cookie = cookie,
		.res = res,
		.status = status,
	};

	ring->cqes[ring->cq_tail++ & ring->cq_mask] = cqe;
}

/**
 * nvdio_ring_success() - write the completion of a command that has succeeded
 * @cqe: entry for it
 * @req: request, with NVDIO_REQ_RING
 *
 * Context: the ring's lock held.
 */
static __always_inline void nvdio_ring_success(struct nvdio_ring_cqe *cqe,
					       const struct nvdio_request *req)
{
	cqe->cookie = req->cookie;
	cqe->res = req->len;
	cqe->status = 0;
	cqe->resv = 0;
}

/**
 * nvdio_ring_tell() - tell the program of completions that were written
 * @ring: ring
 *
 * Wakes who waits for them.
 *
 * Context: @ring's lock held, interrupts off.
 */
static __always_inline void nvdio_ring_tell(struct nvdio_ring *ring)
{
	const u32 tail = ring->cq_tail;

	/* After the entries; pairs with the program's load-acquire. */
	smp_store_release(&ring->head->cq_tail, tail);
	/* After it, for those who return to the program then. */
	smp_store_release(&ring->posted, tail);
	if (ring->armed && (ring->armed != NVDIO_RING_WAIT ||
			    nvdio_ring_reached(tail, ring->wait_at)))
		nvdio_ring_event(ring);
}

/**
 * nvdio_ring_hold() - take the lock of a ring for a reaper
 * @ring: ring
 *
 * Context: cq_lock of a queue held, interrupts off.
 */
static __always_inline void nvdio_ring_hold(struct nvdio_ring *ring)
{
	spin_lock(&ring->lock);
	/* To sparse: it is the reaper's now. */
	__release(&ring->lock);
}

/**
 * nvdio_ring_drop() - release the lock of the ring that a reaper holds
 * @held: the ring, or NULL; set to NULL
 *
 * Context: cq_lock of a queue held, interrupts off.
 */
static __always_inline void nvdio_ring_drop(struct nvdio_ring **held)
{
	struct nvdio_ring *ring = *held;

	if (!ring)
		return;
	nvdio_ring_tell(ring);
	/* For sparse; see nvdio_ring_hold(). */
	__acquire(&ring->lock);
	spin_unlock(&ring->lock);
	*held = NULL;
}

/**
 * nvdio_ring_ended() - a command of a ring has succeeded
 * @held: ring whose lock the reaper holds, or NULL; set to this command's, which it
 *	holds from now on, until nvdio_ring_drop()
 * @req: request
 *
 * Context: cq_lock of its queue held, interrupts off.
 */
static __always_inline void nvdio_ring_ended(struct nvdio_ring **held,
					     const struct nvdio_request *req)
{
	struct nvdio_ring *ring = req->owner;

	if (unlikely(ring != *held)) {
		nvdio_ring_drop(held);
		nvdio_ring_hold(ring);
		*held = ring;
	}
	nvdio_ring_write(ring, req->cookie, req->len, 0);
}

#endif /* NVDIO_RING_END_H */
