/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Watching commands: tracepoints (trace.h) and latency histograms (hist.h). While
 * neither is used, all of it is a nop here and there: one static key for both.
 *
 * Times are kept beside the queues, by tag, so that requests do not grow. They
 * count only in the epoch in which they were taken: what was on its way when the
 * key was off for a while is not measured.
 */
#ifndef NVDIO_WATCH_H
#define NVDIO_WATCH_H

#include <linux/jump_label.h>
#include <linux/types.h>

#include "core/path.h"
#include "core/request.h"

struct nvdio_ctrl;
struct nvdio_ns;
struct nvme_command;

/* Most CQEs of a struct nvdio_watch_reap. */
#define NVDIO_WATCH_REAP	32

/**
 * struct nvdio_watch_tag - times of the command that has a tag
 * @ns: when its doorbell was written; 0: not known
 * @behind: for how long the first command behind that doorbell waited for it, in ns
 * @cid: its command identifier
 * @epoch: in which @ns was taken, in the bits above nvdio_hist_dir()
 *
 * Written under sq_lock before the doorbell, and under cq_lock.
 */
struct nvdio_watch_tag {
	u64 ns;
	u32 behind;
	u16 cid;
	u16 epoch;
};

/**
 * struct nvdio_watch - what watching needs to know of a queue
 * @ctrl: controller
 * @reqs: requests of the queue, by tag
 * @sqes: its SQ
 * @tags: times, by tag; NULL unless there were histograms since it was made
 * @first: when the first command behind the next doorbell was queued, or 0; it and
 *	what follows under sq_lock
 * @wait: how long the next command waited for its tag, or 0
 * @epoch: in which @first and @wait were set
 * @depth: entries of the SQ
 */
struct nvdio_watch {
	struct nvdio_ctrl *ctrl;
	const struct nvdio_request *reqs;
	const struct nvme_command *sqes;
	struct nvdio_watch_tag *tags;
	u64 first;
	u64 wait;
	u16 epoch;
	u16 depth;
};

/**
 * struct nvdio_watch_reap - a batch of CQEs while it is reaped
 * @now: when that began
 * @nr: number of callers that will be told
 * @dir: direction of their commands; one more is that of the last command
 * @ns: and namespaces
 */
struct nvdio_watch_reap {
	u64 now;
	unsigned int nr;
	u8 dir[NVDIO_WATCH_REAP + 1];
	struct nvdio_ns *ns[NVDIO_WATCH_REAP + 1];
};

DECLARE_STATIC_KEY_FALSE(nvdio_watching);

void nvdio_watch_path(nvdio_end_fn *end, enum nvdio_path path);
int nvdio_watch_alloc(struct nvdio_watch *watch);
void nvdio_watch_free(struct nvdio_watch *watch);
void nvdio_watch_waited(struct nvdio_watch *watch, u64 ns);
void nvdio_watch_queued(struct nvdio_watch *watch,
			const struct nvdio_request *req,
			const struct nvme_command *cmd);
void nvdio_watch_filled(struct nvdio_watch *watch, u16 from, u16 to);
void nvdio_watch_rung(struct nvdio_watch *watch, u16 from, u16 to);
void nvdio_watch_ended(struct nvdio_watch *watch,
		       const struct nvdio_request *req, u16 status,
		       struct nvdio_watch_reap *reap);
void nvdio_watch_reap_begin(struct nvdio_watch_reap *reap);
void nvdio_watch_reap_end(struct nvdio_watch_reap *reap);

#endif /* NVDIO_WATCH_H */
