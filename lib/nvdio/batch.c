// SPDX-License-Identifier: GPL-2.0
/*
 * Queues of batches: NVDIO_URING_BATCH, through io_uring.
 *
 * Descriptors and results are in arrays, in the order in which they are prepared. A
 * batch is a row of neighbours there. A row ends when it is sent, as long as a
 * batch can be, at the end of the array, and where another one begins that has not
 * ended. So places are found without a search, and if old batches leave holes,
 * batches are smaller for a while.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queue.h"

/* More SQEs are sent in several calls. */
#define SQ_MAX	256U

/**
 * struct batch_queue - queue of batches
 * @q: what all queues have
 * @uring: io_uring
 * @enabled: it is this thread's
 * @arena: it has a registered buffer
 * @places: entries of the arrays
 * @batch_max: most I/Os of one batch
 * @ended: I/Os that have an SQE, which is not sent
 * @longest: I/Os of the longest batch so far
 * @first: place of the first I/O of the batch that is being prepared
 * @nr: its I/Os; 0: there is none
 * @next: where the next one begins if it is free there
 * @done_at: place of the next result of the batch whose results are being taken
 * @done_end: place behind its last one; the same: there is none
 * @done_first: place of its first one
 * @done_res: its CQE's
 * @io: descriptors
 * @result: results; 0 except those that the driver has written
 * @data: data of the caller's
 * @row: I/Os of the batch that begins at a place, until all its results were taken; else 0
 *
 * There are more places than I/Os, since those of a batch are free only when all its
 * results were taken.
 */
struct batch_queue {
	struct nvdio_queue q;
	struct io_uring uring;
	bool enabled;
	bool arena;
	unsigned int places;
	unsigned int batch_max;
	unsigned int ended;
	unsigned int longest;
	unsigned int first;
	unsigned int nr;
	unsigned int next;
	unsigned int done_at;
	unsigned int done_end;
	unsigned int done_first;
	int done_res;
	struct nvdio_io *io;
	struct nvdio_result *result;
	uint64_t *data;
	uint16_t *row;
};

static struct batch_queue *of(struct nvdio_queue *queue)
{
	return (struct batch_queue *)queue;
}

static void batch_free(struct batch_queue *b)
{
	free(b->io);
	free(b->result);
	free(b->data);
	free(b->row);
	free(b);
}

static int batch_uring(struct batch_queue *b, int fd, unsigned int depth)
{
	/* The thread that uses it first is the one that submits. */
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = b->places,
	};
	int ret = io_uring_queue_init_params(depth < SQ_MAX ? depth : SQ_MAX,
					     &b->uring, &params);

	if (ret)
		return ret;
	ret = io_uring_register_files(&b->uring, &fd, 1);
	if (ret)
		io_uring_queue_exit(&b->uring);
	return ret;
}

static int batch_open(struct nvdio_queue **queue, int fd,
		      const struct nvdio_info *info, unsigned int depth)
{
	struct batch_queue *b = calloc(1, sizeof(*b));
	int ret = -ENOMEM;

	if (!b)
		return ret;
	b->batch_max = info->batch_max < depth ? info->batch_max : depth;
	b->longest = 1;
	b->places = depth + b->batch_max;
	b->io = calloc(b->places, sizeof(*b->io));
	b->result = calloc(b->places, sizeof(*b->result));
	b->data = calloc(b->places, sizeof(*b->data));
	/* One more, so that the end needs no test of its own. */
	b->row = calloc(b->places + 1, sizeof(*b->row));
	if (b->io && b->result && b->data && b->row)
		ret = batch_uring(b, fd, depth);
	if (ret) {
		batch_free(b);
		return ret;
	}
	b->row[b->places] = UINT16_MAX;
	*queue = &b->q;
	return 0;
}

static void batch_close(struct nvdio_queue *queue)
{
	io_uring_queue_exit(&of(queue)->uring);
	/* By another thread, for example, it cannot be waited for what is in flight. */
	if (!queue->used)
		batch_free(of(queue));
}

/* This thread is the one that submits. */
static int batch_enable(struct batch_queue *b)
{
	int ret;

	if (b->enabled)
		return 0;
	ret = io_uring_enable_rings(&b->uring);
	b->enabled = !ret;
	return ret;
}

/* Those that io_uring has taken are sent. */
static void batch_sent(struct batch_queue *b)
{
	if (io_uring_sq_ready(&b->uring))
		return;
	b->q.unsent -= b->ended;
	b->ended = 0;
}

/* Send what has an SQE. Return: 0 or -errno. */
static int batch_send(struct batch_queue *b)
{
	int ret;

	do {
		ret = io_uring_submit(&b->uring);
	} while (ret > 0 && io_uring_sq_ready(&b->uring));
	batch_sent(b);
	return ret < 0 ? ret : 0;
}

/* An SQE for the batch that was prepared. Return: 0 or -errno. */
static int batch_end(struct batch_queue *b)
{
	struct nvdio_batch header = {
		.results = (uintptr_t)&b->result[b->first],
		.nr = b->nr,
		.io_size = sizeof(struct nvdio_io),
	};
	struct io_uring_sqe *sqe;
	int ret;

	if (!b->nr)
		return 0;
	sqe = io_uring_get_sqe(&b->uring);
	if (!sqe) {
		ret = batch_enable(b);
		if (!ret)
			ret = batch_send(b);
		if (ret)
			return ret;
		sqe = io_uring_get_sqe(&b->uring);
		if (!sqe)
			return -EAGAIN;
	}
	io_uring_prep_rw(IORING_OP_URING_CMD, sqe, 0, &b->io[b->first], 0, 0);
	sqe->cmd_op = NVDIO_URING_BATCH;
	sqe->flags = IOSQE_FIXED_FILE;
	if (b->arena)
		sqe->uring_cmd_flags = IORING_URING_CMD_FIXED;
	sqe->user_data = b->first;
	memcpy(sqe->cmd, &header, sizeof(header));
	b->row[b->first] = b->nr;
	if (b->longest < b->nr)
		b->longest = b->nr;
	b->ended += b->nr;
	b->next = b->first + b->nr;
	b->nr = 0;
	return 0;
}

/* The first free place from @next on: there is one. */
static unsigned int batch_place(const struct batch_queue *b)
{
	unsigned int place = b->next;

	while (b->row[place])
		place = place == b->places ? 0 : place + b->row[place];
	return place;
}

static struct nvdio_io *batch_prep(struct nvdio_queue *queue, uint64_t data)
{
	struct batch_queue *b = of(queue);
	unsigned int place = b->first + b->nr;

	if (b->nr == b->batch_max || (b->nr && b->row[place])) {
		if (batch_end(b))
			return NULL;
	}
	if (!b->nr) {
		place = batch_place(b);
		b->first = place;
	}
	b->nr++;
	b->data[place] = data;
	return &b->io[place];
}

static int batch_submit(struct nvdio_queue *queue)
{
	struct batch_queue *b = of(queue);
	int ret = batch_enable(b);

	if (!ret)
		ret = batch_end(b);
	return ret ? ret : batch_send(b);
}

/* The result of the I/O at @place; @res is that of its batch. */
static void batch_result(struct batch_queue *b, unsigned int place, int res,
			 struct nvdio_done *done)
{
	struct nvdio_result *result = &b->result[place];

	done->data = b->data[place];
	done->status = 0;
	done->resv = 0;
	if (res < 0) {
		done->res = res;
	} else if (result->res < 0) {
		done->res = result->res;
		done->status = result->status;
		memset(result, 0, sizeof(*result));
	} else {
		done->res = b->io[place].len;
	}
}

/* Begin with the results of the next batch that has ended. */
static bool batch_next(struct batch_queue *b)
{
	struct io_uring_cqe *cqe;

	if (!b->enabled || io_uring_peek_cqe(&b->uring, &cqe))
		return false;
	b->done_first = cqe->user_data;
	b->done_at = b->done_first;
	b->done_end = b->done_first + b->row[b->done_first];
	b->done_res = cqe->res;
	io_uring_cqe_seen(&b->uring, cqe);
	return true;
}

static unsigned int batch_take(struct nvdio_queue *queue, struct nvdio_done *done,
			       unsigned int max)
{
	struct batch_queue *b = of(queue);
	unsigned int n = 0;

	while (n < max) {
		if (b->done_at == b->done_end && !batch_next(b))
			break;
		batch_result(b, b->done_at, b->done_res, &done[n++]);
		if (++b->done_at == b->done_end)
			b->row[b->done_first] = 0;
	}
	queue->used -= n;
	return n;
}

static int batch_sleep(struct nvdio_queue *queue, unsigned int min,
		       const struct timespec *timeout)
{
	struct batch_queue *b = of(queue);
	struct __kernel_timespec ts;
	struct io_uring_cqe *cqe;
	int ret = batch_enable(b);

	if (!ret)
		ret = batch_end(b);
	if (ret)
		return ret;
	if (timeout) {
		ts.tv_sec = timeout->tv_sec;
		ts.tv_nsec = timeout->tv_nsec;
	}
	/* So many batches at least; what is wanted may be in more of them. */
	ret = io_uring_submit_and_wait_timeout(&b->uring, &cqe,
					       (min + b->longest - 1) / b->longest,
					       timeout ? &ts : NULL, NULL);
	batch_sent(b);
	return ret < 0 && ret != -ETIME ? ret : 0;
}

static int batch_fd(const struct nvdio_queue *queue)
{
	return ((const struct batch_queue *)queue)->uring.ring_fd;
}

static int batch_arena(struct nvdio_queue *queue, void *addr, size_t len)
{
	struct iovec iov = { .iov_base = addr, .iov_len = len };
	struct batch_queue *b = of(queue);
	int ret;

	if (b->enabled || b->nr || b->arena)
		return -EBUSY;
	ret = io_uring_register_buffers(&b->uring, &iov, 1);
	b->arena = !ret;
	return ret;
}

const struct backend backend_batch = {
	.type = NVDIO_QUEUE_BATCH,
	.feature = NVDIO_FEATURE_BATCH,
	.open = batch_open,
	.close = batch_close,
	.prep = batch_prep,
	.submit = batch_submit,
	.take = batch_take,
	.sleep = batch_sleep,
	.fd = batch_fd,
	.arena = batch_arena,
};
