// SPDX-License-Identifier: GPL-2.0
/* Watching commands; see watch.h. */
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/nvme.h>

#include "pure/tags.h"
#include "core/ctrl.h"
#include "core/hist.h"
#include "core/ns.h"
#include "core/path.h"
#include "core/watch.h"
#define CREATE_TRACE_POINTS
#include "core/trace.h"

DEFINE_STATIC_KEY_FALSE(nvdio_watching);
/* How often nvdio_watch_get() was called: 0 is not among them. */
u32 nvdio_watch_epoch __read_mostly;
/* When nvdio_watching was last turned on; not 0 since. */
static u64 watch_since __read_mostly;

static DEFINE_MUTEX(watch_lock);	/* of what is above and below */
static unsigned int watch_users;

/* The words of a tag of a queue that keeps no times. */
static const u64 watch_none[2];

/* What the end functions of commands say of where they came from. */
static struct {
	nvdio_end_fn *end;
	enum nvdio_path path;
} watch_paths[8];
static unsigned int watch_nr_paths;

/**
 * nvdio_watch_path() - say from where commands with an end function come
 * @end: end function
 * @path: path
 *
 * Context: module load.
 */
void nvdio_watch_path(nvdio_end_fn *end, enum nvdio_path path)
{
	if (WARN_ON(watch_nr_paths == ARRAY_SIZE(watch_paths)))
		return;
	watch_paths[watch_nr_paths].end = end;
	watch_paths[watch_nr_paths++].path = path;
}

static enum nvdio_path watch_path_of(const struct nvdio_request *req)
{
	const unsigned int flags = req->flags;
	unsigned int i;

	if (flags & NVDIO_REQ_COUNTED)
		return flags & NVDIO_REQ_END ? NVDIO_PATH_RING :
					       NVDIO_PATH_BATCH;
	if (!(flags & NVDIO_REQ_END))
		return flags & NVDIO_REQ_MAPPED ? NVDIO_PATH_MAPPED :
						  NVDIO_PATH_DIRECT;
	for (i = 0; i < watch_nr_paths; i++)
		if (watch_paths[i].end == req->end)
			return watch_paths[i].path;
	return NVDIO_PATH_OTHER;
}

/**
 * nvdio_watch_get() - begin to watch commands
 *
 * Context: may sleep.
 * Return: 0.
 */
int nvdio_watch_get(void)
{
	mutex_lock(&watch_lock);
	if (!watch_users++) {
		/* Before all times that count, and never the same twice. */
		WRITE_ONCE(watch_since, max(ktime_get_ns(), watch_since + 1));
		static_branch_enable(&nvdio_watching);
	}
	/* What has been noted may not be what the new user wants. */
	WRITE_ONCE(nvdio_watch_epoch, nvdio_watch_epoch + 1 ?: 1);
	mutex_unlock(&watch_lock);
	return 0;
}

/**
 * nvdio_watch_put() - undo nvdio_watch_get()
 *
 * Context: may sleep.
 */
void nvdio_watch_put(void)
{
	mutex_lock(&watch_lock);
	if (!--watch_users)
		static_branch_disable(&nvdio_watching);
	mutex_unlock(&watch_lock);
}

/**
 * nvdio_watch_alloc() - keep the times of a queue's commands from now on
 * @watch: of the queue
 *
 * Context: may sleep; serialised by the caller.
 * Return: 0 or -ENOMEM.
 */
int nvdio_watch_alloc(struct nvdio_watch *watch)
{
	u64 *tags;

	if (watch->tags)
		return 0;
	tags = kvcalloc(2 * (watch->mask + 1), sizeof(*tags), GFP_KERNEL);
	if (!tags)
		return -ENOMEM;
	/* Cleared before others see it. */
	smp_store_release(&watch->tags, tags);
	return 0;
}

/**
 * nvdio_watch_free() - undo nvdio_watch_alloc()
 * @watch: of a queue that is freed
 *
 * Context: may sleep.
 */
void nvdio_watch_free(struct nvdio_watch *watch)
{
	kvfree(watch->tags);
}

/**
 * nvdio_watch_waited() - the next command queued has waited for its tag
 * @watch: of the queue
 * @ns: how long; 0: it will not be queued
 *
 * Context: the queue's sq_lock held.
 */
void nvdio_watch_waited(struct nvdio_watch *watch, u64 ns)
{
	watch->wait = ns;
	watch->wait_since = READ_ONCE(watch_since);
	watch->noted = 0;
}

/* The first stage's histogram of a namespace, which may be NULL, or NULL: none. */
static struct nvdio_hist __percpu *watch_hist(const struct nvdio_ns *ns,
					      u8 opcode)
{
	struct nvdio_hists __percpu *hists = ns ? READ_ONCE(ns->hists) : NULL;

	return hists ? &hists->of[0][nvdio_hist_dir(opcode)] : NULL;
}

/* Not inline, nor are those below: registers to be saved cost who does not trace. */
static noinline void watch_trace_queued(const struct nvdio_watch *watch,
					const struct nvdio_request *req,
					const struct nvme_command *cmd)
{
	const u8 opcode = cmd->common.opcode;
	u64 slba = 0, bytes = 0;

	if (req->ns && nvdio_hist_dir(opcode) < 2) {
		slba = le64_to_cpu(cmd->rw.slba);
		bytes = (le16_to_cpu(cmd->rw.length) + 1ULL) <<
			req->ns->lba_shift;
	}
	trace_nvdio_queued(watch->ctrl->instance, req->qid, req->cid,
			   le32_to_cpu(cmd->common.nsid), opcode,
			   watch_path_of(req), slba, bytes);
}

/**
 * nvdio_watch_queued() - a command is filled in
 * @watch: of the queue
 * @req: its request
 * @cmd: its SQE
 *
 * Context: the queue's sq_lock held.
 */
void nvdio_watch_queued(struct nvdio_watch *watch,
			const struct nvdio_request *req,
			const struct nvme_command *cmd)
{
	const u64 since = READ_ONCE(watch_since);
	struct nvdio_hist __percpu *hist;

	/* Each of them is traced. */
	if (trace_nvdio_queued_enabled())
		watch_trace_queued(watch, req, cmd);
	else
		watch->noted = READ_ONCE(nvdio_watch_epoch);
	/* Without a plug its doorbell is next. */
	if (watch->first < since && current->plug)
		watch->first = ktime_get_ns();
	if (likely(!watch->wait))
		return;
	hist = watch_hist(req->ns, cmd->common.opcode);
	if (hist && watch->wait_since == since)
		nvdio_hist_add(hist, NVDIO_STAGE_TAG, watch->wait, 1);
	watch->wait = 0;
}

/**
 * nvdio_watch_filled() - commands are filled in, and sent at once
 * @watch: of the queue
 * @from: index of the first of their SQEs
 * @to: of the one after the last
 *
 * In place of nvdio_watch_queued().
 *
 * Context: the queue's sq_lock held since they were.
 */
void nvdio_watch_filled(struct nvdio_watch *watch, u16 from, u16 to)
{
	const struct nvme_command *cmd;
	u16 tag;

	if (!trace_nvdio_queued_enabled())
		return;
	for (; from != to; from = from + 1 == watch->depth ? 0 : from + 1) {
		cmd = &watch->sqes[from];
		tag = le16_to_cpu((__force __le16)cmd->common.command_id) &
		      NVDIO_TAG_MASK;
		if (tag < watch->depth)
			watch_trace_queued(watch, &watch->reqs[tag], cmd);
	}
}

static noinline void watch_trace_submitted(const struct nvdio_watch *watch,
					   u16 from, u16 to)
{
	const struct nvme_command *cmd;

	for (; from != to; from = from + 1 == watch->depth ? 0 : from + 1) {
		cmd = &watch->sqes[from];
		trace_nvdio_submitted(watch->ctrl->instance, watch->reqs->qid,
				      le16_to_cpu((__force __le16)
						  cmd->common.command_id),
				      le32_to_cpu(cmd->common.nsid),
				      cmd->common.opcode);
	}
}

/* The words of the tags of SQEs from @cmd on, and before @end; see struct nvdio_watch. */
static __always_inline void watch_mark(u64 *tags, u32 mask,
				       const struct nvme_command *cmd,
				       const struct nvme_command *end,
				       u64 first, u64 second)
{
	u64 *seconds = tags + mask + 1;
	u32 head, tag;

	/* Else gcc adds the difference for each. */
	OPTIMIZER_HIDE_VAR(seconds);
	for (; cmd != end; cmd++) {
		head = le32_to_cpu(READ_ONCE(*(const __le32 *)cmd));
		head = rol32(head, 16);
		tag = (u16)head & mask;
		/* Not WRITE_ONCE(), for which gcc computes the address first. */
		data_race(tags[tag] = first | head);
		/* Likewise. */
		data_race(seconds[tag] = second);
	}
}

/**
 * nvdio_watch_rung() - a doorbell is about to be written
 * @watch: of the queue
 * @from: index of the first SQE that it is for
 * @to: of the one after the last
 *
 * Requests are not looked at: a controller that completes what it was not told of
 * may have ended them.
 *
 * Context: the queue's sq_lock held.
 */
void nvdio_watch_rung(struct nvdio_watch *watch, u16 from, u16 to)
{
	const struct nvme_command *sqes;
	u64 now, first, second;
	u64 *tags;
	u32 mask;

	if (trace_nvdio_submitted_enabled())
		watch_trace_submitted(watch, from, to);
	watch->noted = 0;
	/* Called first, it has few registers to be saved for. */
	now = ktime_get_ns();
	tags = READ_ONCE(watch->tags);
	if (!tags)
		return;
	sqes = watch->sqes;
	mask = watch->mask;
	first = now << 32;
	second = now & ~(u64)U32_MAX;
	if (watch->first >= READ_ONCE(watch_since))
		second |= min(now - watch->first, (u64)U32_MAX);
	watch->first = 0;
	if (unlikely(from > to)) {
		watch_mark(tags, mask, sqes + from, sqes + watch->depth, first,
			   second);
		from = 0;
	}
	watch_mark(tags, mask, sqes + from, sqes + to, first, second);
}

/**
 * nvdio_watch_reap_begin() - begin a batch of CQEs
 * @reap: batch
 * @watch: of the queue
 *
 * Context: the queue's cq_lock held, interrupts off, until after
 *	nvdio_watch_reap_end().
 */
void nvdio_watch_reap_begin(struct nvdio_watch_reap *reap,
			    const struct nvdio_watch *watch)
{
	reap->now = ktime_get_ns();
	/* Pairs with nvdio_watch_alloc(), by the dependency. */
	reap->tags = READ_ONCE(watch->tags);
	reap->mask = watch->mask;
	if (unlikely(!reap->tags)) {
		reap->tags = watch_none;
		reap->mask = 0;
	}
	/* A run of nothing: no opcode is 0xff and sent at 0. */
	reap->same = U32_MAX;
	reap->nr = 0;
	reap->of = NULL;
	reap->hist = NULL;
	reap->took = 0;
	reap->first = 0;
	reap->nr_told = 0;
}

/* The run is over; @told callers will be told of its commands and those before it. */
static __always_inline void watch_run_end(struct nvdio_watch_reap *reap,
					  unsigned int told)
{
	struct nvdio_hist __percpu *hist = reap->hist;
	struct nvdio_watch_told *last;
	const u64 took = reap->took;
	const u32 behind = reap->behind;
	const unsigned int nr = reap->nr;

	if (!hist)
		return;
	told -= reap->first;
	nvdio_hist_add(hist, NVDIO_STAGE_SUBMIT, behind, nr);
	nvdio_hist_add(hist, NVDIO_STAGE_DEVICE, took, nr);
	if (!told)
		return;
	last = &reap->told[reap->nr_told];
	if (reap->nr_told && last[-1].hist == hist) {
		last[-1].nr += told;
		return;
	}
	/* Each has a caller of its own, so there are no more than CQEs. */
	last->hist = hist;
	last->nr = told;
	reap->nr_told++;
}

/* A run begins with the command of @req; @told as for nvdio_watch_ended(). */
static __always_inline void watch_run_begin(struct nvdio_watch_reap *reap,
					    const struct nvdio_request *req,
					    unsigned int told)
{
	const u64 *words = &reap->tags[req->cid & reap->mask];
	const u64 second = READ_ONCE(words[reap->mask + 1]);
	const u64 same = READ_ONCE(words[0]) ^ req->cid;
	const u64 ns = (second & ~(u64)U32_MAX) | same >> 32;

	reap->same = same;
	reap->nr = 1;
	reap->of = req->ns;
	reap->behind = second;
	reap->first = told;
	/* Of another command, or from before. */
	if (unlikely((u16)same || ns < READ_ONCE(watch_since))) {
		reap->hist = NULL;
		reap->took = 0;
		return;
	}
	/* Its doorbell was written after the reaping began. */
	if (unlikely(reap->now < ns))
		reap->now = ktime_get_ns();
	/* One that is still later is of a pair of words that do not fit together. */
	reap->took = reap->now - min(ns, reap->now);
	reap->hist = watch_hist(req->ns, same >> 16);
}

static void watch_trace_ended(const struct nvdio_watch *watch,
			      const struct nvdio_request *req, u16 status,
			      u64 took)
{
	trace_nvdio_completed(watch->ctrl->instance, req->qid, req->cid,
			      req->ns ? req->ns->nsid : 0, status, took);
}

/* nvdio_watch_ended(), traced. */
static noinline void watch_ended_traced(const struct nvdio_watch *watch,
					const struct nvdio_request *req,
					u16 status,
					struct nvdio_watch_reap *reap,
					unsigned int told)
{
	watch_run_end(reap, told);
	watch_run_begin(reap, req, told);
	watch_trace_ended(watch, req, status, reap->took);
}

/**
 * nvdio_watch_ended() - a command has ended
 * @watch: of the queue
 * @req: its request, in flight until now
 * @status: as for nvdio_end_fn
 * @reap: batch of CQEs, fewer than NVDIO_WATCH_REAP before
 * @told: number of commands before it in @reap of which a kiocb will be completed
 *
 * Context: the queue's cq_lock held, interrupts off.
 */
void nvdio_watch_ended(const struct nvdio_watch *watch,
		       const struct nvdio_request *req, u16 status,
		       struct nvdio_watch_reap *reap, unsigned int told)
{
	if (trace_nvdio_completed_enabled()) {
		watch_ended_traced(watch, req, status, reap, told);
		return;
	}
	watch_run_end(reap, told);
	watch_run_begin(reap, req, told);
}

/**
 * nvdio_watch_cancelled() - a command has ended without a CQE
 * @watch: of the queue
 * @req: its request, in flight until now
 * @status: as for nvdio_end_fn
 *
 * Context: the queue's cq_lock held, interrupts off.
 */
void nvdio_watch_cancelled(const struct nvdio_watch *watch,
			   const struct nvdio_request *req, u16 status)
{
	if (trace_nvdio_completed_enabled())
		watch_trace_ended(watch, req, status, 0);
}

/**
 * nvdio_watch_reap_end() - callers will be told now
 * @reap: batch
 * @told: their number
 *
 * Context: cq_lock held since nvdio_watch_reap_begin(), interrupts off.
 */
void nvdio_watch_reap_end(struct nvdio_watch_reap *reap, unsigned int told)
{
	unsigned int i;
	u64 took;

	watch_run_end(reap, told);
	if (!reap->nr_told)
		return;
	took = ktime_get_ns() - reap->now;
	for (i = 0; i < reap->nr_told; i++)
		nvdio_hist_add(reap->told[i].hist, NVDIO_STAGE_COMPLETION, took,
			       reap->told[i].nr);
}
