// SPDX-License-Identifier: GPL-2.0
/* Rings without io_uring: making one, sending I/Os, waiting for them; see ring.h. */
#include <linux/file.h>
#include <linux/hrtimer.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "pure/ring.h"
#include "core/ns.h"
#include "io/admit.h"
#include "io/batch.h"
#include "io/ring.h"

/* Free a ring that nobody has open, and of which nothing is in flight. */
static void ring_free(struct nvdio_ring *ring)
{
	struct file *node = ring->node;

	mmdrop(ring->mm);
	vfree(ring->head);
	kfree(ring);
	fput(node);
}

static void ring_work(struct work_struct *work)
{
	struct nvdio_ring *ring = container_of(work, struct nvdio_ring, work);

	/* Who wrote the last completion may not have left yet. */
	spin_lock_irq(&ring->lock);
	spin_unlock_irq(&ring->lock);
	ring_free(ring);
}

/* The indices of a new ring. */
static void ring_start(struct nvdio_ring *ring)
{
	ring->sq_head = NVDIO_RING_START;
	ring->cq_tail = NVDIO_RING_START;
	ring->posted = NVDIO_RING_START;
	ring->head->sq_tail = NVDIO_RING_START;
	ring->head->sq_head = NVDIO_RING_START;
	ring->head->cq_head = NVDIO_RING_START;
	ring->head->cq_tail = NVDIO_RING_START;
}

/**
 * nvdio_ring_create() - make a ring
 * @ns: namespace
 * @span: what of it @node reaches, stays as long as that; NULL: all, as it is a node
 * @node: open node or range, whose rights its I/Os have. The ring has a reference, so
 *	that an exclusive opener is one until its writes have ended
 * @size: from nvdio_ring_size()
 *
 * It is for the caller's address space.
 *
 * Context: may sleep.
 * Return: the ring, for nvdio_ring_close(); or ERR_PTR(): -EOPNOTSUPP where nothing can
 * be mapped, -ENOMEM.
 */
struct nvdio_ring *nvdio_ring_create(struct nvdio_ns *ns,
				     const struct nvdio_span *span,
				     struct file *node,
				     const struct nvdio_ring_size *size)
{
	struct nvdio_ring *ring;
	void *memory;

	if (!nvdio_batch_most(ns->ctrl))
		return ERR_PTR(-EOPNOTSUPP);
	ring = kzalloc(sizeof(*ring), GFP_KERNEL_ACCOUNT);
	if (!ring)
		return ERR_PTR(-ENOMEM);
	ring->bytes = PAGE_ALIGN(size->bytes);
	memory = __vmalloc(ring->bytes, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!memory) {
		kfree(ring);
		return ERR_PTR(-ENOMEM);
	}
	ring->head = memory;
	ring->sqes = memory + size->sq_off;
	ring->cqes = memory + size->cq_off;
	ring->sq_mask = size->sq_entries - 1;
	ring->cq_mask = size->cq_entries - 1;
	ring_start(ring);
	spin_lock_init(&ring->lock);
	mutex_init(&ring->submit);
	init_waitqueue_head(&ring->waiters);
	init_waitqueue_head(&ring->pollers);
	INIT_WORK(&ring->work, ring_work);
	ring->mode = node->f_mode & (FMODE_READ | FMODE_WRITE);
	ring->mm = current->mm;
	mmgrab(ring->mm);
	ring->ns = ns;
	ring->span = span;
	ring->node = get_file(node);
	return ring;
}

/**
 * nvdio_ring_close() - nobody can reach a ring any more
 * @ring: ring, which is freed once nothing of it is in flight
 *
 * Context: any task; waits for nothing.
 */
void nvdio_ring_close(struct nvdio_ring *ring)
{
	bool idle;

	spin_lock_irq(&ring->lock);
	idle = ring->posted == ring->sq_head;
	if (!idle)
		ring->armed = NVDIO_RING_CLOSED;
	spin_unlock_irq(&ring->lock);
	if (idle)
		ring_free(ring);
}

/**
 * nvdio_ring_page() - a page of a ring's memory
 * @ring: ring
 * @nr: which
 *
 * Context: any.
 * Return: the page, which stays as long as the ring does; or NULL.
 */
struct page *nvdio_ring_page(const struct nvdio_ring *ring, unsigned long nr)
{
	if (nr >= ring->bytes >> PAGE_SHIFT)
		return NULL;
	return vmalloc_to_page((void *)ring->head + (nr << PAGE_SHIFT));
}

/* Complete the descriptors of a chunk for which there is no command. */
static noinline void ring_refused(struct nvdio_ring *ring,
				  struct nvdio_batch_run *run)
{
	local_irq_disable();
	for (; run->failed; run->failed &= run->failed - 1) {
		const u32 i = __ffs(run->failed);

		nvdio_ring_post(ring, run->io[i].cookie, run->err[i], 0);
	}
	local_irq_enable();
}

/* Nothing of a chunk was sent, because of @err, which is of all of them then. */
static noinline void ring_lost(struct nvdio_batch_run *run, int err)
{
	u32 i;

	for (i = 0; i < run->nr; i++)
		if (!(run->failed & 1U << i))
			nvdio_batch_fail(run, i, err);
}

/*
 * Send @nr descriptors, for which there are completions. Inline, which a compiler would
 * not do with so much on the stack.
 */
static __always_inline void ring_send(struct nvdio_ring *ring, u32 nr)
{
	struct nvdio_batch_run run __uninitialized;
	struct nvdio_ns *ns = ring->ns;
	u32 head = ring->sq_head;
	const u32 stop = head + nr;
	int ret;

	nvdio_batch_begin_ring(&run, ns, ring->span, ring->node, ring->mode,
			       nvdio_ns_queue(ns, false), ring);
	do {
		const u32 first = head & ring->sq_mask;

		/* Fewer than the SQ has entries, so that those sent can be counted. */
		run.nr = min(min3(stop - head, NVDIO_BATCH_CHUNK,
				  ring->sq_mask + 1 - first),
			     (u32)run.q->depth - 1);
		/* What the program changes from here on is of no matter. */
		memcpy(run.io, &ring->sqes[first], run.nr * sizeof(run.io[0]));
		barrier();
		head += run.nr;
		/* Before their completions, which others may wait for. */
		WRITE_ONCE(ring->sq_head, head);
		ret = nvdio_batch_send_ring(&run);
		if (unlikely(ret))
			ring_lost(&run, ret);
		if (unlikely(run.failed))
			ring_refused(ring, &run);
	} while (head != stop);
	/* After the entries were read; pairs with the program's load-acquire. */
	smp_store_release(&ring->head->sq_head, head);
}

/*
 * Number of completions posted, as far as the program may know of them, which says it
 * has seen @reaped. nvdio_ring_tell() tells it before @posted is set, under the lock.
 */
static u32 ring_posted(struct nvdio_ring *ring, u32 reaped)
{
	/* Before @sq_head, which it does not exceed; pairs with nvdio_ring_tell(). */
	u32 posted = smp_load_acquire(&ring->posted);

	if (likely(nvdio_ring_reached(posted, reaped)))
		return posted;
	spin_lock_irq(&ring->lock);
	posted = ring->posted;
	spin_unlock_irq(&ring->lock);
	return posted;
}

/**
 * nvdio_ring_submit() - send I/Os
 * @ring: ring of the caller's address space
 * @most: number of descriptors to take at most
 *
 * Context: may sleep, for tags and claims.
 * Return: number of descriptors that were taken, each of which gets a completion:
 * fewer if the program has not filled in so many, or there is no room for their
 * completions; or, and nothing was taken: -EBUSY if there is room for none,
 * -EINVAL if the program's indices make no sense, -ENODEV, -ERESTARTNOHAND.
 */
int nvdio_ring_submit(struct nvdio_ring *ring, u32 most)
{
	struct nvdio_ring_head *head = ring->head;
	u32 tail, filled, reaped, room, nr;
	int ret;

	if (unlikely(nvdio_ns_gone(ring->ns)))
		return -ENODEV;
	/* As in ring_sleep(). */
	if (mutex_lock_interruptible(&ring->submit))
		return -ERESTARTNOHAND;
	/* Before the entries; pairs with the program's store-release. */
	tail = smp_load_acquire(&head->sq_tail);
	/* Before @posted, which it does not exceed; likewise. */
	reaped = smp_load_acquire(&head->cq_head);
	filled = nvdio_ring_between(ring->sq_head, tail, ring->sq_mask + 1);
	room = nvdio_ring_room(ring->sq_head, ring_posted(ring, reaped), reaped,
			       ring->cq_mask + 1);
	nr = min3(most, filled, room);
	ret = nr;
	if (unlikely(filled == NVDIO_RING_BROKEN ||
		     room == NVDIO_RING_BROKEN))
		ret = -EINVAL;
	else if (likely(nr))
		ring_send(ring, nr);
	else if (filled)
		ret = -EBUSY;
	mutex_unlock(&ring->submit);
	return ret;
}

/*
 * Ask to be woken when @at is reached, unless it is.
 * Return: false if it is.
 */
static bool ring_arm(struct nvdio_ring *ring, u32 at)
{
	bool ret;

	spin_lock_irq(&ring->lock);
	ret = !nvdio_ring_reached(ring->posted, at);
	if (ret) {
		/* The nearest of several tasks'. */
		if (!(ring->armed & NVDIO_RING_WAIT) ||
		    nvdio_ring_reached(ring->wait_at, at))
			ring->wait_at = at;
		ring->armed |= NVDIO_RING_WAIT;
	}
	spin_unlock_irq(&ring->lock);
	return ret;
}

/*
 * When does a wait for @at end that begins now? If work for the task has cut it short
 * before, it goes on: else a ring of io_uring's whose timeouts expire often enough would
 * keep it from ending.
 */
static ktime_t ring_wait_end(struct nvdio_ring *ring, u32 at, u64 timeout)
{
	ktime_t end = ktime_add_safe(ktime_get(),
				     min_t(u64, timeout, KTIME_MAX));

	spin_lock_irq(&ring->lock);
	if (ring->again == current) {
		if (ring->again_at == at &&
		    ktime_before(ktime_get(), ring->again_until))
			end = min(end, ring->again_end);
		ring->again = NULL;
	}
	spin_unlock_irq(&ring->lock);
	return end;
}

/*
 * The wait until @end will be made again at once, unless there is a signal; if it is not,
 * the next one of this task has a time of its own.
 */
static void ring_wait_again(struct nvdio_ring *ring, u32 at, ktime_t end)
{
	if (task_sigpending(current))
		return;
	spin_lock_irq(&ring->lock);
	ring->again = current;
	ring->again_at = at;
	ring->again_end = end;
	ring->again_until = ktime_add_ms(ktime_get(), MSEC_PER_SEC);
	spin_unlock_irq(&ring->lock);
}

/* Sleep until @at is reached. @again, Return: as nvdio_ring_wait(). */
static noinline int ring_sleep(struct nvdio_ring *ring, u32 at, bool again)
{
	const u64 timeout = READ_ONCE(ring->head->timeout);
	DEFINE_WAIT(wait);
	ktime_t end = 0;
	int ret = 0;

	if (timeout)
		end = ring_wait_end(ring, at, timeout);
	for (;;) {
		prepare_to_wait(&ring->waiters, &wait, TASK_INTERRUPTIBLE);
		if (!ring_arm(ring, at))
			break;
		/*
		 * If it is no signal but work for the task, as io_uring queues
		 * when a ring is closed, the call is made again.
		 */
		if (signal_pending(current)) {
			if (timeout && again)
				ring_wait_again(ring, at, end);
			ret = -ERESTARTNOHAND;
			break;
		}
		if (!timeout) {
			schedule();
		} else if (!schedule_hrtimeout(&end, HRTIMER_MODE_ABS)) {
			if (!nvdio_ring_reached(READ_ONCE(ring->posted), at))
				ret = -ETIME;
			break;
		}
	}
	finish_wait(&ring->waiters, &wait);
	return ret;
}

/**
 * nvdio_ring_wait() - wait for completions
 * @ring: ring
 * @most: number of completions that the program wants to find, which it has not seen
 * @again: -ERESTARTNOHAND will make the same call again
 *
 * More than there will be without another submission are not waited for.
 *
 * Context: may sleep.
 * Return: 0; -EINVAL if the program's indices make no sense; -ERESTARTNOHAND; -ETIME if the
 * ring's timeout has passed.
 */
int nvdio_ring_wait(struct nvdio_ring *ring, u32 most, bool again)
{
	u32 reaped, posted, sent;

	/* Before @posted, which it does not exceed; pairs with the program's store. */
	reaped = smp_load_acquire(&ring->head->cq_head);
	posted = ring_posted(ring, reaped);
	sent = READ_ONCE(ring->sq_head);
	/*
	 * Any number of completions may have come, and been seen by another task, since
	 * @reaped was read.
	 */
	if (!nvdio_ring_reached(posted, reaped))
		return -EINVAL;
	most = min(most, sent - reaped);
	if (posted - reaped >= most)
		return 0;
	return ring_sleep(ring, reaped + most, again);
}

/**
 * nvdio_ring_arm_poll() - let the next completion wake @pollers
 * @ring: ring
 *
 * Context: task. Called before nvdio_ring_ready().
 */
void nvdio_ring_arm_poll(struct nvdio_ring *ring)
{
	spin_lock_irq(&ring->lock);
	ring->armed |= NVDIO_RING_POLL;
	spin_unlock_irq(&ring->lock);
}

/**
 * nvdio_ring_ready() - what could be done?
 * @ring: ring
 * @in: set to whether there are completions that the program has not seen
 * @out: set to whether there is room for another I/O
 *
 * Indices that make no sense are both: the program will be told.
 *
 * Context: task.
 */
void nvdio_ring_ready(struct nvdio_ring *ring, bool *in, bool *out)
{
	u32 reaped, posted;

	/* As in nvdio_ring_wait(). */
	reaped = smp_load_acquire(&ring->head->cq_head);
	posted = ring_posted(ring, reaped);
	*in = posted != reaped;
	*out = nvdio_ring_room(READ_ONCE(ring->sq_head), posted, reaped,
			       ring->cq_mask + 1);
}
