/* SPDX-License-Identifier: GPL-2.0 */
/* Reaping of CQs: from interrupts, by polling, and at teardown. */
#ifndef NVDIO_COMPLETE_H
#define NVDIO_COMPLETE_H

#include <linux/interrupt.h>

#include "hw/queue.h"

irqreturn_t nvdio_complete_irq(int irq, void *data);
unsigned int nvdio_queue_reap_some(struct nvdio_queue *q);
unsigned int nvdio_queue_poll_for(struct nvdio_queue *q, const void *poller,
				  void **ended);
unsigned int nvdio_queue_poll_all(struct nvdio_queue *q);
enum nvdio_timeout nvdio_queue_timed_out(struct nvdio_queue *q, u16 *cid);
void nvdio_queue_end_retrying(struct nvdio_queue *q, struct nvdio_request *req,
			      u16 status);
void nvdio_queue_cancel(struct nvdio_queue *q, u16 status);

/**
 * nvdio_queue_poll() - reap one batch
 * @q: queue
 *
 * Context: task.
 * Return: number of CQEs; 0 also if another context is reaping.
 */
static inline unsigned int nvdio_queue_poll(struct nvdio_queue *q)
{
	void *ended;

	return nvdio_queue_poll_for(q, NULL, &ended);
}

#endif /* NVDIO_COMPLETE_H */
