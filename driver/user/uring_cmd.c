// SPDX-License-Identifier: GPL-2.0
/*
 * IORING_OP_URING_CMD on the nodes: passthrough commands, and discards.
 *
 * Reads and Writes of contiguous or mapped memory have a fast path like the one
 * in direct.c: nothing is allocated, and the command is submitted in one hold of
 * one lock. All other commands go through uring_passthru.c.
 *
 * An io_uring command cannot be completed in an interrupt. It is completed by
 * task work, which also unpins its pages; that of a ring that polls (IORING_SETUP_IOPOLL) by
 * its ring's polling, whoever has found it.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/uaccess.h>
#include <uapi/linux/blkdev.h>

#include "pure/cmd.h"
#include "core/compat.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "core/watch.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/complete.h"
#include "io/discard.h"
#include "io/map_find.h"
#include "io/pages.h"
#include "user/passthru.h"
#include "user/uring_batch.h"
#include "user/uring_cmd.h"
#include "user/uring_passthru.h"
#include "uapi/nvdio.h"

/* Of a request of uring_rw_end(): its ring polls (IORING_SETUP_IOPOLL). */
#define URING_POLLED	NVDIO_REQ_PRIVATE

static void uring_rw_done(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct nvdio_uring_pdu *pdu = nvdio_uring_pdu(ioucmd);

	if (pdu->nr_pinned) {
		struct nvdio_ns *ns = ioucmd->file->private_data;

		if (!pdu->write &&
		    unlikely(!nvdio_pages_run_is_dirty(pdu->page,
						       pdu->nr_pinned)))
			nvdio_pages_dirty_run(pdu->page, pdu->nr_pinned);
		nvdio_pages_unpin_run(ns, pdu->page, pdu->nr_pinned);
	}
	nvdio_uring_done32(ioucmd, likely(!pdu->status) ? 0 :
			   nvdio_passthru_result(pdu->status),
			   pdu->result, issue_flags);
}

NVDIO_URING_TASK_WORK(uring_rw_work, uring_rw_done);

static enum nvdio_end uring_rw_end(struct nvdio_request *req, u16 status,
				   struct nvdio_completion *done)
{
	struct io_uring_cmd *ioucmd = req->owner;
	struct nvdio_uring_pdu *pdu = nvdio_uring_pdu(ioucmd);

	pdu->status = status;
	pdu->result = done->result;
	if (unlikely(req->flags & URING_POLLED)) {
		struct nvdio_queue *q = pdu->queue;

		if (q->poller == nvdio_uring_ring(ioucmd)) {
			pdu->next = q->ended;
			q->ended = ioucmd;
			return NVDIO_END_NONE;
		}
		/* As in batch_end_polled(). */
		smp_store_release(&pdu->queue, NVDIO_URING_RW_ENDED);
		return NVDIO_END_NONE;
	}
	io_uring_cmd_do_in_task_lazy(ioucmd, uring_rw_work);
	return NVDIO_END_NONE;
}

/**
 * nvdio_uring_cmd_watch() - make its commands known to the tracepoints
 *
 * Context: module load.
 */
void nvdio_uring_cmd_watch(void)
{
	nvdio_watch_path(uring_rw_end, NVDIO_PATH_PASSTHRU);
}

/*
 * Load two dwords at once, the first in the low half. User space may change
 * them.
 */
static __always_inline u64 uring_dwords(const u32 *first)
{
	u64 dwords = READ_ONCE(*(const u64 *)first);

	return IS_ENABLED(CONFIG_CPU_BIG_ENDIAN) ? dwords << 32 | dwords >> 32 :
						   dwords;
}

/*
 * Is a Read or Write one for the fast path: for this namespace, without
 * metadata, of at most @max bytes, and open to the caller?
 */
static __always_inline bool uring_rw_is_usual(const struct nvdio_ns *ns,
					      struct io_uring_cmd *ioucmd,
					      const struct nvme_uring_cmd *ucmd,
					      u64 len, u32 max,
					      const bool write)
{
	const u64 lens = uring_dwords(&ucmd->metadata_len);
	const struct nvdio_ctrl *ctrl = ns->ctrl;
	bool unpriv;

	if (unlikely(READ_ONCE(ucmd->nsid) != ns->nsid || (u32)lens ||
		     len > max || len > lens >> 32))
		return false;
	if (write)
		unpriv = ctrl->unpriv_write &&
			 ioucmd->file->f_mode & FMODE_WRITE;
	else
		unpriv = ctrl->unpriv_read;
	return likely(unpriv) || capable(CAP_SYS_ADMIN);
}

/* Fill in @req, and its SQE but for the data pointer. sq_lock is held. */
static __always_inline struct nvme_command *
uring_rw_fill(struct nvdio_ns *ns, struct nvdio_queue *q,
	      struct nvdio_request *req, struct io_uring_cmd *ioucmd,
	      const struct nvme_uring_cmd *ucmd, size_t len, u64 slba,
	      u64 cdw12, const bool write, unsigned int flags)
{
	struct nvme_command *cmd;

	nvdio_req_fill(req, ioucmd, uring_rw_end, ns, slba, len, flags);
	cmd = nvdio_queue_sqe(q);
	nvdio_cmd_rw(cmd, write, ns->nsid, slba, uring_dwords(&ucmd->cdw2),
		     cdw12, uring_dwords(&ucmd->cdw14));
	return cmd;
}

/* Submit @req, whose SQE is @cmd. sq_lock is held, and is released on return. */
static __always_inline int
uring_rw_send(struct nvdio_ns *ns, struct nvdio_queue *q,
	      struct nvdio_request *req, struct nvme_command *cmd,
	      const struct nvme_uring_cmd *ucmd, const bool write)
{
	const u32 timeout_ms = READ_ONCE(ucmd->timeout_ms);

	this_cpu_inc(ns->stats->passthrough);
	nvdio_queue_submit_sqe(q, req, cmd, q->sq_tail, write);
	if (unlikely(timeout_ms))
		nvdio_passthru_extend(q, req,
				      nvdio_passthru_timeout(timeout_ms));
	nvdio_queue_unlock(q);
	return -EIOCBQUEUED;
}

/*
 * Submit a Read or Write for mapped memory, which is that of @req. sq_lock is held
 * since @req was taken, and is released on return.
 * Return: -EIOCBQUEUED.
 */
static noinline int uring_rw_send_mapped(struct nvdio_queue *q,
					 struct nvdio_request *req,
					 struct io_uring_cmd *ioucmd,
					 size_t len, u64 slba, u64 cdw12,
					 bool write, unsigned int issue_flags)
{
	const struct nvme_uring_cmd *ucmd = nvdio_uring_cmd_of(ioucmd);
	struct nvdio_ns *ns = ioucmd->file->private_data;
	unsigned int flags = NVDIO_REQ_MAPPED |
			     (write ? NVDIO_REQ_WRITE : 0);
	struct nvme_command *cmd;

	if (issue_flags & IO_URING_F_IOPOLL) {
		flags |= URING_POLLED;
		nvdio_uring_pdu(ioucmd)->queue = q;
	}
	cmd = uring_rw_fill(ns, q, req, ioucmd, ucmd, len, slba, cdw12, write,
			    flags);
	nvdio_cmd_dptr_map(cmd, &req->map->table, req->offset, len);
	this_cpu_inc(ns->stats->passthrough_mapped);
	return uring_rw_send(ns, q, req, cmd, ucmd, write);
}

/* Is contiguous memory mapped? Then @req is for it. sq_lock is held. */
static noinline bool uring_rw_find(const struct nvdio_queue *q,
				   struct nvdio_request *req,
				   struct page *page, size_t offset,
				   size_t len, bool write)
{
	struct nvdio_mapped mapped;

	if (!nvdio_map_find_run(q, page, offset, len, !write, &mapped))
		return false;
	req->map = mapped.map;
	req->offset = mapped.offset;
	return true;
}

/*
 * Map the memory of a Read or Write and submit it as @req. sq_lock is held
 * since @req was taken, and is released on return.
 * Return: -EIOCBQUEUED; or -ENOENT if there is no mapping space, with @req
 * returned.
 */
static __always_inline int
uring_rw_submit(struct nvdio_ns *ns, struct nvdio_queue *q,
		struct nvdio_request *req, struct io_uring_cmd *ioucmd,
		const struct nvme_uring_cmd *ucmd, struct page *page,
		size_t offset, size_t len, u64 slba, u64 cdw12,
		const bool write, unsigned int issue_flags)
{
	const enum dma_data_direction dir = write ? DMA_TO_DEVICE :
						    DMA_FROM_DEVICE;
	unsigned int flags = write ? NVDIO_REQ_WRITE : 0;
	struct nvme_command *cmd;
	dma_addr_t dma;

	if (unlikely(issue_flags & IO_URING_F_IOPOLL)) {
		flags |= URING_POLLED;
		nvdio_uring_pdu(ioucmd)->queue = q;
	}
	if (likely(q->linear)) {
		dma = page_to_phys(page) + offset + q->dma_offset;
	} else {
		/* To look for mapped memory costs less than the DMA API. */
		if (q->pfns && len <= ns->map_max &&
		    uring_rw_find(q, req, page, offset, len, write))
			return uring_rw_send_mapped(q, req, ioucmd, len, slba,
						    cdw12, write, issue_flags);
		dma = nvdio_dma_map_one(q, page, offset, len, dir, &flags);
		if (unlikely(dma == DMA_MAPPING_ERROR)) {
			nvdio_req_abandon(q, req);
			return -ENOENT;
		}
	}
	req->dma = dma;
	cmd = uring_rw_fill(ns, q, req, ioucmd, ucmd, len, slba, cdw12, write,
			    flags);
	nvdio_cmd_dptr_run(cmd, dma, len);
	if (unlikely(flags & NVDIO_REQ_UNMAP))
		this_cpu_inc(ns->stats->segments_mapped);
	return uring_rw_send(ns, q, req, cmd, ucmd, write);
}

/*
 * Import registered memory for which there is no iterator yet.
 * Return: 0; -ENOENT if it cannot be mapped memory; or another -errno.
 */
static int uring_rw_import(struct io_uring_cmd *ioucmd, u64 addr, u32 len,
			   bool write, unsigned int issue_flags,
			   struct iov_iter *iter)
{
	int ret = nvdio_uring_import(ioucmd, addr, len,
				     write ? ITER_SOURCE : ITER_DEST, iter,
				     issue_flags);

	return ret ?: iov_iter_is_bvec(iter) ? 0 : -ENOENT;
}

/*
 * Is the memory of a Read or Write what uring_rw_look() can look for: dword
 * aligned, and at least @len bytes? What was imported before may be less than what
 * is asked for now. An address comes as it is from the SQE; one that is not in user
 * space is left to the slow path, which refuses it.
 */
static __always_inline bool uring_rw_may_look(const struct iov_iter *iter,
					      u64 addr, u64 len)
{
	if (!iter)
		return !(addr & NVDIO_DMA_MASK) &&
		       access_ok(u64_to_user_ptr(addr), len);
	return !((iter->bvec->bv_offset + iter->iov_offset) & NVDIO_DMA_MASK) &&
	       len <= iter->count;
}

/* Look for the memory of a Read or Write, by @iter or else by @addr; sq_lock is held. */
static __always_inline enum nvdio_map_found
uring_rw_look(const struct nvdio_queue *q, const struct iov_iter *iter,
	      u64 addr, u32 len, bool write, struct nvdio_mapped *mapped)
{
	if (!iter)
		return nvdio_map_find_user(q, addr, len, !write, mapped);
	return q->pfns && nvdio_map_find_bvec(q, iter, len, !write, mapped) ?
	       NVDIO_MAP_HIT : NVDIO_MAP_NONE;
}

/*
 * Submit a Read or Write, whose opcode and flags have been checked, if its memory
 * is mapped (core/map.h), in however many pages. Each member of the command is
 * loaded again, once. @iter: registered memory, if that was imported already.
 * Return: as nvdio_ns_uring_cmd(); -ENOENT if it is not mapped as a whole.
 */
static noinline int uring_rw_some_mapped(struct nvdio_ns *ns,
					 struct io_uring_cmd *ioucmd,
					 const struct iov_iter *iter,
					 bool write, unsigned int issue_flags)
{
	struct nvdio_queue *q = nvdio_ns_queue(ns, issue_flags &
						   IO_URING_F_IOPOLL);
	const struct nvme_uring_cmd *ucmd = nvdio_uring_cmd_of(ioucmd);
	const u64 addr = READ_ONCE(ucmd->addr);
	const u64 slba = uring_dwords(&ucmd->cdw10);
	const u64 cdw12 = uring_dwords(&ucmd->cdw12);
	const u32 nlb = (cdw12 & 0xffff) + 1;
	const u64 len = (u64)nlb << ns->lba_shift;
	struct iov_iter imported __uninitialized;
	struct nvdio_mapped mapped;
	bool learnt = false;
	int ret;

	if ((write && nvdio_ns_read_only(ns)) ||
	    !uring_rw_is_usual(ns, ioucmd, ucmd, len, ns->map_max, write))
		return -ENOENT;
	if (!iter && ioucmd->flags & IORING_URING_CMD_FIXED) {
		ret = uring_rw_import(ioucmd, addr, len, write, issue_flags,
				      &imported);
		if (ret)
			return ret;
		iter = &imported;
	}
	if (!uring_rw_may_look(iter, addr, len))
		return -ENOENT;
	for (;;) {
		enum nvdio_map_found found;
		struct nvdio_request *req;

		req = nvdio_req_try_get(q, ns, slba, write ? nlb : 0);
		if (unlikely(!req))
			req = nvdio_req_get(q, ns, slba, write ? nlb : 0,
					    issue_flags &
					    IO_URING_F_NONBLOCK);
		if (IS_ERR(req))
			return PTR_ERR(req);
		found = uring_rw_look(q, iter, addr, len, write, &mapped);
		if (likely(found == NVDIO_MAP_HIT)) {
			nvdio_uring_pdu(ioucmd)->nr_pinned = 0;
			req->map = mapped.map;
			req->offset = mapped.offset;
			return uring_rw_send_mapped(q, req, ioucmd, len, slba,
						    cdw12, write, issue_flags);
		}
		nvdio_req_abandon(q, req);
		if (found == NVDIO_MAP_NONE || learnt ||
		    !nvdio_map_learn(q, addr))
			return -ENOENT;
		learnt = true;
	}
}

/* The same, at less cost where nothing is mapped. */
static noinline int uring_rw_mapped(struct nvdio_ns *ns,
				    struct io_uring_cmd *ioucmd,
				    const struct iov_iter *iter, bool write,
				    unsigned int issue_flags)
{
	if (likely(!READ_ONCE(nvdio_ns_queue(ns, false)->pfns)))
		return -ENOENT;
	return uring_rw_some_mapped(ns, ioucmd, iter, write, issue_flags);
}

/*
 * Find the queue and the contiguous memory of a Read or Write, and pin it if
 * necessary.
 * Return: its offset in @page, which is pinned if pdu->nr_pinned is set;
 * -EIOCBQUEUED if it is mapped memory, and the command was submitted; -ENOENT if
 * the slow path has to be taken; or another -errno.
 */
static __always_inline long uring_rw_span(struct nvdio_ns *ns,
					  struct io_uring_cmd *ioucmd, u64 addr,
					  u32 len, const bool write,
					  unsigned int issue_flags,
					  struct nvdio_queue **q,
					  struct page **page)
{
	struct nvdio_uring_pdu *pdu = nvdio_uring_pdu(ioucmd);
	int ret;

	if (ioucmd->flags & IORING_URING_CMD_FIXED) {
		struct iov_iter iter __uninitialized;
		const struct bio_vec *bv;
		u32 offset;

		ret = nvdio_uring_import(ioucmd, addr, len,
					 write ? ITER_SOURCE : ITER_DEST, &iter,
					 issue_flags);
		if (unlikely(ret))
			return ret;
		if (unlikely(!iov_iter_is_bvec(&iter)))
			return -ENOENT;
		bv = iter.bvec;
		offset = bv->bv_offset + iter.iov_offset;
		if (bv->bv_len < iter.iov_offset + len ||
		    offset & NVDIO_DMA_MASK)
			return uring_rw_mapped(ns, ioucmd, &iter, write,
					       issue_flags);
		pdu->nr_pinned = 0;
		*q = nvdio_ns_queue(ns, issue_flags & IO_URING_F_IOPOLL);
		*page = bv->bv_page;
		return offset;
	}
	*q = nvdio_ns_queue(ns, issue_flags & IO_URING_F_IOPOLL);
	if (unlikely(READ_ONCE((*q)->pfns))) {
		ret = uring_rw_some_mapped(ns, ioucmd, NULL, write,
					   issue_flags);
		if (ret != -ENOENT)
			return ret;
	}
	if (unlikely(addr & NVDIO_DMA_MASK) ||
	    offset_in_page(addr) + len > 2 * PAGE_SIZE)
		return -ENOENT;
	ret = nvdio_pages_pin_run(ns, addr, len, !write, page);
	if (unlikely(ret <= 0))
		return ret ?: -ENOENT;
	pdu->page = *page;
	pdu->nr_pinned = ret;
	pdu->write = write;
	if (!write && unlikely(!nvdio_pages_run_is_dirty(*page, ret)))
		nvdio_pages_dirty_run(*page, ret);
	return offset_in_page(addr);
}

/*
 * The fast path of Reads and Writes, whose opcode and flags have been checked.
 * Each member of the command is loaded once. Its dwords are laid out as in an
 * SQE, so most of them are just passed on.
 * Return: as nvdio_ns_uring_cmd(); -ENOENT if the slow path has to be taken.
 */
static __always_inline int uring_rw(struct nvdio_ns *ns,
				    struct io_uring_cmd *ioucmd,
				    const struct nvme_uring_cmd *ucmd,
				    const bool write, unsigned int issue_flags)
{
	struct nvdio_uring_pdu *pdu = nvdio_uring_pdu(ioucmd);
	const u64 slba = uring_dwords(&ucmd->cdw10);
	const u64 cdw12 = uring_dwords(&ucmd->cdw12);
	const u32 nlb = (cdw12 & 0xffff) + 1;
	const u64 len = (u64)nlb << ns->lba_shift;
	struct nvdio_request *req;
	struct nvdio_queue *q;
	struct page *page;
	long offset;
	int ret;

	/* Leave everything unusual to the filter, on the slow path. */
	if (unlikely(!uring_rw_is_usual(ns, ioucmd, ucmd, len,
					write ? ns->write_max : ns->single_max,
					write)))
		return uring_rw_mapped(ns, ioucmd, NULL, write, issue_flags);
	offset = uring_rw_span(ns, ioucmd, READ_ONCE(ucmd->addr), len, write,
			       issue_flags, &q, &page);
	if (unlikely(offset < 0))
		return offset;
	req = nvdio_req_try_get(q, ns, slba, write ? nlb : 0);
	if (unlikely(!req)) {
		req = nvdio_req_get(q, ns, slba, write ? nlb : 0,
				    issue_flags & IO_URING_F_NONBLOCK);
		ret = PTR_ERR(req);
		if (IS_ERR(req))
			goto unpin;
	}
	ret = uring_rw_submit(ns, q, req, ioucmd, ucmd, page, offset, len, slba,
			      cdw12, write, issue_flags);
	if (likely(ret == -EIOCBQUEUED))
		return ret;
unpin:
	if (pdu->nr_pinned)
		nvdio_pages_unpin_run(ns, page, pdu->nr_pinned);
	return ret;
}

/* Discards, and commands that take the slow path. */
static noinline int uring_other(struct nvdio_ns *ns,
				struct io_uring_cmd *ioucmd,
				unsigned int issue_flags)
{
	switch (ioucmd->cmd_op) {
	case BLOCK_URING_CMD_DISCARD:
		if (!(ioucmd->file->f_mode & FMODE_WRITE))
			return -EBADF;
		return nvdio_discard_uring(ns, NULL, ioucmd, issue_flags);
	case NVME_URING_CMD_IO:
	case NVME_URING_CMD_IO_VEC:
		return nvdio_ns_uring_passthru(ns, ioucmd, issue_flags);
	default:
		return -ENOTTY;
	}
}

/**
 * nvdio_ns_uring_cmd() - ->uring_cmd() of namespace nodes
 * @ioucmd: command: NVME_URING_CMD_IO, NVME_URING_CMD_IO_VEC,
 *	NVDIO_URING_BATCH or BLOCK_URING_CMD_DISCARD
 * @issue_flags: from io_uring
 *
 * Context: may sleep, unless @issue_flags forbid it.
 * Return: -EIOCBQUEUED, a result, -EAGAIN only if it must not sleep, or -errno.
 */
int nvdio_ns_uring_cmd(struct io_uring_cmd *ioucmd, unsigned int issue_flags)
{
	struct nvdio_ns *ns = ioucmd->file->private_data;
	int ret = -ENOENT;

	if (likely(ioucmd->cmd_op == NVME_URING_CMD_IO &&
		   (issue_flags & (NVDIO_URING_BIG | IO_URING_F_COMPAT)) ==
		   NVDIO_URING_BIG)) {
		const struct nvme_uring_cmd *ucmd = nvdio_uring_cmd_of(ioucmd);
		/* Opcode, and above it the flags, which must be 0. */
		u16 op = le16_to_cpu(READ_ONCE(*(const __le16 *)ucmd));

		if (op == nvme_cmd_read)
			ret = uring_rw(ns, ioucmd, ucmd, false, issue_flags);
		else if (op == nvme_cmd_write)
			ret = uring_rw(ns, ioucmd, ucmd, true, issue_flags);
	} else if (ioucmd->cmd_op == NVDIO_URING_BATCH) {
		ret = nvdio_uring_batch(ns, NULL, ioucmd, issue_flags);
	}
	if (likely(ret == -EIOCBQUEUED))
		return ret;
	/* The slow path starts over, whatever was read here. */
	if (ret == -ENOENT)
		ret = uring_other(ns, ioucmd, issue_flags);
	if (ret == -EAGAIN) {
		this_cpu_inc(ns->stats->nowait_eagain);
		nvdio_uring_keep_sqe(ioucmd, issue_flags);
	}
	return ret;
}

/*
 * Does a command belong to a task that lives and whose memory current does not have? A
 * child may have the ring, too; but what goes to memory, the task's own poll completes.
 */
static bool uring_is_others(struct io_uring_cmd *ioucmd)
{
	const struct task_struct *task = io_uring_cmd_get_task(ioucmd);
	const struct mm_struct *mm = READ_ONCE(task->mm);

	return mm != current->mm && mm && current->mm &&
	       !(task->flags & PF_EXITING);
}

/**
 * nvdio_ns_uring_cmd_iopoll() - ->uring_cmd_iopoll() of namespace nodes and ranges
 * @ioucmd: command for which ->uring_cmd() returned -EIOCBQUEUED
 * @iob: unused
 * @poll_flags: BLK_POLL_*
 *
 * Commands of the polling ring are completed here, under its lock; so are those that
 * others have found. Those of rings that do not poll are left to task work. A task of
 * another address space completes nothing.
 *
 * Context: task, with the ring's uring_lock held.
 * Return: number of CQEs reaped.
 */
int nvdio_ns_uring_cmd_iopoll(struct io_uring_cmd *ioucmd,
			      struct io_comp_batch *iob,
			      unsigned int poll_flags)
{
	struct io_uring_cmd *next;
	struct nvdio_queue *q;
	void *ended;
	int found;

	if (unlikely(uring_is_others(ioucmd)))
		return 0;
	/* Pairs with the ends of commands. */
	q = smp_load_acquire(&nvdio_uring_pdu(ioucmd)->queue);
	if (unlikely(q == NVDIO_URING_PT_ENDED)) {
		nvdio_uring_passthru_polled(ioucmd);
		return 1;
	}
	if (unlikely(q == NVDIO_URING_RW_ENDED)) {
		if (ioucmd->cmd_op == NVDIO_URING_BATCH)
			nvdio_uring_batch_polled(ioucmd);
		else
			uring_rw_done(ioucmd, 0);
		return 1;
	}
	found = nvdio_queue_poll_for(q, nvdio_uring_ring(ioucmd), &ended);
	for (ioucmd = ended; ioucmd; ioucmd = next) {
		if (ioucmd->cmd_op == NVDIO_URING_BATCH) {
			next = nvdio_uring_batch_polled(ioucmd);
			continue;
		}
		/* The command may be reused once it is completed. */
		next = nvdio_uring_pdu(ioucmd)->next;
		uring_rw_done(ioucmd, 0);
	}
	return found;
}
