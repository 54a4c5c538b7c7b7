// SPDX-License-Identifier: GPL-2.0
/* Watching commands; see watch.h. */
#include <linux/ktime.h>
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

/* Bits of @epoch of struct nvdio_watch_tag that have the direction. */
#define WATCH_DIR_BITS	2
#define WATCH_DIR_MASK	((1U << WATCH_DIR_BITS) - 1)

DEFINE_STATIC_KEY_FALSE(nvdio_watching);

static DEFINE_MUTEX(watch_lock);	/* of watch_users */
static unsigned int watch_users;
/* Number of times that nvdio_watching was turned on, in the bits above the direction. */
static u16 watch_epoch;

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
		/* Before the first time of this epoch is taken. */
		WRITE_ONCE(watch_epoch, watch_epoch + (1U << WATCH_DIR_BITS));
		static_branch_enable(&nvdio_watching);
	}
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
	struct nvdio_watch_tag *tags;

	if (watch->tags)
		return 0;
	tags = kvcalloc(watch->depth, sizeof(*tags), GFP_KERNEL);
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

/* What was noted in an epoch that is over is forgotten. sq_lock is held. */
static void watch_renew(struct nvdio_watch *watch)
{
	const u16 epoch = READ_ONCE(watch_epoch);

	if (likely(watch->epoch == epoch))
		return;
	watch->epoch = epoch;
	watch->first = 0;
	watch->wait = 0;
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
	watch_renew(watch);
	/* Tracepoints alone do not count it, so it would be kept for another command. */
	watch->wait = READ_ONCE(watch->tags) ? ns : 0;
}

static void watch_trace_queued(const struct nvdio_watch *watch,
			       const struct nvdio_request *req,
			       const struct nvme_command *cmd)
{
	const u8 opcode = cmd->common.opcode;
	u64 slba = 0, bytes = 0;

	if (!trace_nvdio_queued_enabled())
		return;
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
	struct nvdio_hists __percpu *hists;

	watch_trace_queued(watch, req, cmd);
	if (!READ_ONCE(watch->tags))
		return;
	watch_renew(watch);
	if (!watch->first)
		watch->first = ktime_get_ns();
	if (likely(!watch->wait))
		return;
	hists = req->ns ? READ_ONCE(req->ns->hists) : NULL;
	if (hists)
		nvdio_hist_add(hists, NVDIO_STAGE_TAG,
			       nvdio_hist_dir(cmd->common.opcode), watch->wait);
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
	struct nvdio_watch_tag *tags = READ_ONCE(watch->tags);
	const bool traced = trace_nvdio_submitted_enabled();
	u64 behind = 0, now = 0;

	if (tags) {
		now = ktime_get_ns();
		watch_renew(watch);
		if (watch->first)
			behind = min_t(u64, now - watch->first, U32_MAX);
		watch->first = 0;
	}
	for (; from != to; from = from + 1 == watch->depth ? 0 : from + 1) {
		const struct nvme_command *cmd = &watch->sqes[from];
		const u8 opcode = cmd->common.opcode;
		const u16 cid = le16_to_cpu((__force __le16)
					    cmd->common.command_id);
		const u16 tag = cid & NVDIO_TAG_MASK;

		if (traced)
			trace_nvdio_submitted(watch->ctrl->instance,
					      watch->reqs->qid, cid,
					      le32_to_cpu(cmd->common.nsid),
					      opcode);
		if (tags && likely(tag < watch->depth))
			tags[tag] = (struct nvdio_watch_tag){
				.ns = now,
				.behind = behind,
				.cid = cid,
				.epoch = watch->epoch | nvdio_hist_dir(opcode),
			};
	}
}

/*
 * Count a command that has ended, if it is known when it began.
 * Return: how long it took, or 0.
 */
static u64 watch_count(struct nvdio_watch_tag *tag,
		       const struct nvdio_request *req,
		       struct nvdio_watch_reap *reap)
{
	const unsigned int dir = tag->epoch & WATCH_DIR_MASK;
	struct nvdio_hists __percpu *hists;
	const u64 began = tag->ns;
	u64 took;

	if (tag->cid != req->cid || !began ||
	    (tag->epoch ^ READ_ONCE(watch_epoch)) > WATCH_DIR_MASK)
		return 0;
	tag->ns = 0;
	/* Its doorbell was written after the reaping began. */
	if (unlikely(reap->now < began))
		reap->now = ktime_get_ns();
	took = reap->now - began;
	hists = req->ns ? READ_ONCE(req->ns->hists) : NULL;
	if (!hists || dir >= NVDIO_HIST_DIRS)
		return took;
	nvdio_hist_add(hists, NVDIO_STAGE_SUBMIT, dir, tag->behind);
	nvdio_hist_add(hists, NVDIO_STAGE_DEVICE, dir, took);
	reap->dir[reap->nr] = dir;
	reap->ns[reap->nr] = req->ns;
	return took;
}

/**
 * nvdio_watch_ended() - a command has ended
 * @watch: of the queue
 * @req: its request, in flight until now
 * @status: as for nvdio_end_fn
 * @reap: batch of CQEs, fewer than NVDIO_WATCH_REAP before; or NULL: it has no CQE.
 *	The caller increments @reap->nr if it will complete a kiocb for this command.
 *
 * Context: the queue's cq_lock held, interrupts off.
 */
void nvdio_watch_ended(struct nvdio_watch *watch,
		       const struct nvdio_request *req, u16 status,
		       struct nvdio_watch_reap *reap)
{
	struct nvdio_watch_tag *tags = READ_ONCE(watch->tags);
	u64 took = 0;

	if (reap) {
		reap->ns[reap->nr] = NULL;
		if (tags)
			took = watch_count(&tags[req->cid & NVDIO_TAG_MASK],
					   req, reap);
	}
	if (trace_nvdio_completed_enabled())
		trace_nvdio_completed(watch->ctrl->instance, req->qid, req->cid,
				      req->ns ? req->ns->nsid : 0, status,
				      took);
}

/**
 * nvdio_watch_reap_begin() - begin a batch of CQEs
 * @reap: batch
 *
 * Context: any.
 */
void nvdio_watch_reap_begin(struct nvdio_watch_reap *reap)
{
	reap->now = ktime_get_ns();
	reap->nr = 0;
}

/**
 * nvdio_watch_reap_end() - callers will be told now
 * @reap: batch
 *
 * Context: cq_lock held, interrupts off, and no kiocb of the batch is completed, so
 * that the namespaces are there.
 */
void nvdio_watch_reap_end(struct nvdio_watch_reap *reap)
{
	struct nvdio_hists __percpu *hists;
	unsigned int i;
	u64 took;

	if (!reap->nr)
		return;
	took = ktime_get_ns() - reap->now;
	for (i = 0; i < reap->nr; i++) {
		if (!reap->ns[i])
			continue;
		hists = READ_ONCE(reap->ns[i]->hists);
		if (hists)
			nvdio_hist_add(hists, NVDIO_STAGE_COMPLETION,
				       reap->dir[i], took);
	}
}
