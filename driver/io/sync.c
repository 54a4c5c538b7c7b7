// SPDX-License-Identifier: GPL-2.0
/* Synchronous callers: waiting for the completion of a read or write. */
#include <linux/sched.h>

#include "hw/queue.h"
#include "io/complete.h"
#include "io/sync.h"

static void sync_complete(struct kiocb *iocb, long res)
{
	struct nvdio_sync *sync = container_of(iocb, struct nvdio_sync, iocb);
	struct task_struct *task = sync->task;

	sync->res = res;
	/*
	 * As soon as the caller sees @woken it may return, and its stack frame,
	 * with @sync, is gone. The task itself stays for an RCU grace period.
	 */
	rcu_read_lock();
	/* Publishes @res; pairs with nvdio_sync_wait(). */
	smp_store_release(&sync->woken, true);
	wake_up_process(task);
	rcu_read_unlock();
}

/**
 * nvdio_sync_init() - prepare to wait for a read or write
 * @sync: on the caller's stack
 * @caller: kiocb without ki_complete
 *
 * The caller then passes on @sync->iocb in place of @caller.
 *
 * Context: task.
 */
void nvdio_sync_init(struct nvdio_sync *sync, const struct kiocb *caller)
{
	sync->iocb.ki_filp = caller->ki_filp;
	sync->iocb.ki_pos = caller->ki_pos;
	sync->iocb.ki_complete = sync_complete;
	sync->iocb.private = NULL;
	sync->iocb.ki_flags = caller->ki_flags;
	sync->task = current;
	sync->woken = false;
}

/**
 * nvdio_sync_wait() - wait for the completion of @sync->iocb
 * @sync: its kiocb was submitted with -EIOCBQUEUED
 *
 * Not interruptible: the controller may be writing to the caller's pages
 * (invariant 2). With IOCB_HIPRI the caller polls its queue.
 *
 * Context: may sleep.
 * Return: bytes or -errno.
 */
ssize_t nvdio_sync_wait(struct nvdio_sync *sync)
{
	struct nvdio_queue *q = sync->iocb.private;

	if (q && sync->iocb.ki_flags & IOCB_HIPRI) {
		/* Pairs with sync_complete(). */
		while (!smp_load_acquire(&sync->woken)) {
			if (!nvdio_queue_poll(q))
				cond_resched();
		}
		return sync->res;
	}
	for (;;) {
		set_current_state(TASK_UNINTERRUPTIBLE);
		/* Pairs with sync_complete(). */
		if (smp_load_acquire(&sync->woken))
			break;
		io_schedule();
	}
	__set_current_state(TASK_RUNNING);
	return sync->res;
}
