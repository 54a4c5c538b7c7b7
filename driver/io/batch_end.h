/* SPDX-License-Identifier: GPL-2.0 */
/* Batches (batch.h) in flight, and their end. */
#ifndef NVDIO_BATCH_END_H
#define NVDIO_BATCH_END_H

#include <linux/types.h>

#include "core/request.h"

struct nvdio_queue;

/* Most I/Os of a batch: the place of each has 8 bits in its request. */
#define NVDIO_BATCH_MAX		256U

struct nvdio_batch_op;

/**
 * typedef nvdio_batch_end_fn - all I/Os of a batch have ended
 * @op: batch; it is the caller's again
 *
 * Context: cq_lock of the queue held, interrupts off.
 */
typedef void nvdio_batch_end_fn(struct nvdio_batch_op *op);

/**
 * struct nvdio_batch_failures - the statuses of I/Os of a batch, once one has failed
 * @results: what struct nvdio_batch_op had in its place
 * @status: by the I/O's place in the batch: the controller's, or NVDIO_SC_*; 0: it
 *	has not failed
 */
struct nvdio_batch_failures {
	u64 results;
	u16 status[NVDIO_BATCH_MAX];
};

/**
 * struct nvdio_batch_op - a batch while it is carried out
 * @queue: queue; to be used as the caller likes from @end on
 * @end: called when the last I/O has ended
 * @results: the caller's
 * @failures: if @failed: allocated when the first command has failed
 * @left: number of I/Os that have not ended; under cq_lock from when the first is
 *	sent
 * @bad: number of those that have failed; likewise
 * @last: number of I/Os, minus 1
 * @failed: there is @failures in place of @results; likewise
 * @lost: some have failed, and there was no memory to keep in mind which; likewise
 *
 * As small as the memory that io_uring has for its user.
 */
struct nvdio_batch_op {
	struct nvdio_queue *queue;
	nvdio_batch_end_fn *end;
	union {
		u64 results;
		struct nvdio_batch_failures *failures;
	};
	u16 left;
	u16 bad;
	u8 last;
	bool failed;
	bool lost;
};

enum nvdio_end nvdio_batch_end(struct nvdio_request *req, u16 status);
void nvdio_batch_failed(struct nvdio_batch_op *op,
			void (*fn)(u64 results, unsigned int place, u16 status));

#endif /* NVDIO_BATCH_END_H */
