/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Watching commands: tracepoints (trace.h) and latency histograms (hist.h). While
 * neither is used, all of it is a nop here and there: one static key for both.
 *
 * Times are kept beside the queues, by tag, so that requests do not grow. They
 * count only if they were taken since the key was last turned on: what was on its
 * way when it was off for a while is not measured.
 *
 * The clock is read once for the first command behind a doorbell, once for the
 * doorbell, and twice for the CQEs that are found at once. So commands that went by
 * one doorbell and are found together, which most are where it matters, have
 * the same latencies, and are counted together: a "run".
 */
#ifndef NVDIO_WATCH_H
#define NVDIO_WATCH_H

#include <linux/compiler.h>
#include <linux/jump_label.h>
#include <linux/tracepoint-defs.h>
#include <linux/types.h>

#include "core/path.h"
#include "core/request.h"

struct nvdio_ctrl;
struct nvdio_hist;
struct nvdio_ns;
struct nvme_command;

DECLARE_TRACEPOINT(nvdio_completed);

/* Most CQEs of a struct nvdio_watch_reap. */
#define NVDIO_WATCH_REAP	32

/**
 * struct nvdio_watch - what watching needs to know of a queue
 * @ctrl: controller
 * @reqs: requests of the queue, by tag
 * @sqes: its SQ
 * @tags: for each tag, of which there may be @mask + 1, two words about the last
 *	command that a doorbell was written for; NULL unless there were histograms since
 *	it was made. The first word: in its lower half, Dword 0 of the SQE with its
 *	halves swapped; in its upper half that of when the doorbell was written, in ns. The
 *	second, which is @mask + 1 further: the upper half of that; in its lower half, for
 *	how long the first command behind that doorbell waited for it. Written under
 *	sq_lock before the doorbell, read under cq_lock. The two meet only if a
 *	controller completes what it was not told of: then they may not fit together.
 * @first: when the first command behind the next doorbell was queued; 0, or before
 *	nvdio_watch_since: not known; it and what follows under sq_lock
 * @wait: how long the next command waited for its tag, or 0
 * @wait_since: nvdio_watch_since when @wait was set
 * @noted: nvdio_watch_epoch if nothing is to be noted of the next command
 * @depth: entries of the SQ
 * @mask: of a tag: what is above is no tag, whatever is speculated; constant
 */
struct nvdio_watch {
	struct nvdio_ctrl *ctrl;
	const struct nvdio_request *reqs;
	const struct nvme_command *sqes;
	u64 *tags;
	u64 first;
	u64 wait;
	u64 wait_since;
	u32 noted;
	u16 depth;
	u16 mask;
};

/**
 * struct nvdio_watch_told - callers that will be told, of one namespace and direction
 * @hist: the first stage's histogram of them
 * @nr: their number
 */
struct nvdio_watch_told {
	struct nvdio_hist __percpu *hist;
	unsigned int nr;
};

/**
 * struct nvdio_watch_reap - a batch of CQEs while it is reaped
 * @now: when that began
 * @tags: of the queue; never NULL
 * @mask: of the queue, or 0
 * @nr: of the run: number of its commands
 * @same: the first word of their tags, less their command identifiers. That it is the
 *	same for two doorbells takes one that comes 2^32 ns after the other to
 *	the ns.
 * @of: their namespace. It is only compared: it may be gone when all have ended.
 * @hist: the first stage's histogram of its namespace and direction; NULL: they
 *	are not counted. As the reaper is in an RCU read-side critical section, the
 *	histograms are there when the namespace is gone.
 * @took: how long the commands took in the device, in ns; 0: not known
 * @behind: for how long the first command behind their doorbell waited for it
 * @first: number of callers that will be told of commands before it
 * @nr_told: number of entries of @told
 * @told: callers that will be told of commands of the runs before it
 */
struct nvdio_watch_reap {
	u64 now;
	const u64 *tags;
	u32 mask;
	unsigned int nr;
	u64 same;
	const struct nvdio_ns *of;
	struct nvdio_hist __percpu *hist;
	u64 took;
	u32 behind;
	unsigned int first;
	unsigned int nr_told;
	struct nvdio_watch_told told[NVDIO_WATCH_REAP];
};

DECLARE_STATIC_KEY_FALSE(nvdio_watching);
extern u32 nvdio_watch_epoch;

void nvdio_watch_path(nvdio_end_fn *end, enum nvdio_path path);
int nvdio_watch_alloc(struct nvdio_watch *watch);
void nvdio_watch_free(struct nvdio_watch *watch);
void nvdio_watch_waited(struct nvdio_watch *watch, u64 ns);
void nvdio_watch_queued(struct nvdio_watch *watch,
			const struct nvdio_request *req,
			const struct nvme_command *cmd);
void nvdio_watch_filled(struct nvdio_watch *watch, u16 from, u16 to);
void nvdio_watch_rung(struct nvdio_watch *watch, u16 from, u16 to);
void nvdio_watch_ended(const struct nvdio_watch *watch,
		       const struct nvdio_request *req, u16 status,
		       struct nvdio_watch_reap *reap, unsigned int told);
void nvdio_watch_cancelled(const struct nvdio_watch *watch,
			   const struct nvdio_request *req, u16 status);
void nvdio_watch_reap_begin(struct nvdio_watch_reap *reap,
			    const struct nvdio_watch *watch);
void nvdio_watch_reap_end(struct nvdio_watch_reap *reap, unsigned int told);

/**
 * nvdio_watch_noted() - is there nothing to be noted of the next command?
 * @watch: of the queue
 *
 * Context: the queue's sq_lock held.
 * Return: whether nvdio_watch_queued() can be left out.
 */
static __always_inline bool nvdio_watch_noted(const struct nvdio_watch *watch)
{
	return likely(watch->noted == READ_ONCE(nvdio_watch_epoch));
}

/**
 * nvdio_watch_same() - is a command that has ended of the run?
 * @reap: batch of CQEs
 * @req: request of the command
 * @cid: its command identifier; with bits above it that are not 0 it is not of the run
 *
 * Context: the queue's cq_lock held, interrupts off.
 * Return: true if nvdio_watch_ended() would do no more than to increment @reap->nr.
 */
static __always_inline bool nvdio_watch_same(const struct nvdio_watch_reap *reap,
					     const struct nvdio_request *req,
					     u32 cid)
{
	/* It is only compared. */
	const u64 word = data_race(reap->tags[cid & reap->mask]);

	return !tracepoint_enabled(nvdio_completed) &&
	       likely((word ^ cid) == reap->same && req->ns == reap->of);
}

#endif /* NVDIO_WATCH_H */
