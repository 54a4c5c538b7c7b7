// SPDX-License-Identifier: GPL-2.0
/*
 * Reads and writes by the identifier of a map: the only way to memory that has no
 * address in the program. The commands are those of the direct path, so they
 * complete, time out and are sent again as these.
 */
#include <linux/fs.h>
#include <linux/sched/signal.h>

#include "pure/cmd.h"
#include "pure/range.h"
#include "core/map.h"
#include "core/ns.h"
#include "core/request.h"
#include "core/stats.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/map_find.h"
#include "io/map_rw.h"
#include "io/sync.h"
#include "uapi/nvdio.h"

/* Submit @req as a command for @mapped; the queue's sq_lock is released. */
static void rw_submit(struct nvdio_ns *ns, struct nvdio_queue *q,
		      struct nvdio_request *req, struct kiocb *iocb,
		      const struct nvdio_mapped *mapped, u32 len, bool write)
{
	const u16 control = write && ns->fua && iocb_is_dsync(iocb) ?
			    NVME_RW_FUA : 0;
	const u64 slba = iocb->ki_pos >> ns->lba_shift;
	struct nvme_command *cmd = nvdio_queue_sqe(q);

	req->map = mapped->map;
	req->offset = mapped->offset;
	nvdio_req_fill(req, iocb, NULL, ns, slba, len,
		       NVDIO_REQ_MAPPED | (write ? NVDIO_REQ_WRITE : 0));
	nvdio_cmd_rw(cmd, write, ns->nsid, slba, 0,
		     nvdio_rw_cdw12(len >> ns->lba_shift, control), 0);
	nvdio_cmd_dptr_map(cmd, &mapped->map->table, mapped->offset, len);
	this_cpu_inc(ns->stats->direct_mapped);
	nvdio_stats_bytes(ns->stats, write, len);
	nvdio_queue_submit(q, req);
	nvdio_queue_unlock(q);
}

/*
 * Carry out one command of @len bytes, the first of @left. @own: maps of others that
 * were not added through the same file do not exist.
 * Return: @len or -errno.
 */
static ssize_t rw_one(struct nvdio_ns *ns, const struct kiocb *iocb, u32 id,
		      u64 map_offset, u32 len, u64 left, bool write, bool own)
{
	const u64 slba = iocb->ki_pos >> ns->lba_shift;
	struct nvdio_queue *q = nvdio_ns_queue(ns, false);
	struct nvdio_mapped mapped;
	struct nvdio_request *req;
	struct nvdio_sync sync;
	int ret;

	nvdio_sync_init(&sync, iocb);
	req = nvdio_req_get(q, ns, slba, write ? len >> ns->lba_shift : 0,
			    false);
	if (IS_ERR(req))
		return PTR_ERR(req);
	/* All that is left: nothing is moved if some of it is wrong. */
	ret = nvdio_map_find_id(q, own ? iocb->ki_filp : NULL, id, map_offset,
				left, !write, &mapped);
	if (ret) {
		nvdio_req_abandon(q, req);
		return ret;
	}
	rw_submit(ns, q, req, &sync.iocb, &mapped, len, write);
	return nvdio_sync_wait(&sync);
}

/* The position is at or past the end; the size may be 0. */
static int rw_end(struct nvdio_ns *ns, bool write)
{
	if (nvdio_ns_gone(ns))
		return -ENODEV;
	if (!write)
		return 0;
	return nvdio_ns_read_only(ns) ? -EPERM : -ENOSPC;
}

/**
 * nvdio_map_rw() - read or write by the identifier of a map
 * @ns: namespace
 * @span: what of it @file reaches; NULL: all, as it is a node
 * @file: open node or range; O_DSYNC counts
 * @rw: what; its flags are valid, and len is at most MAX_RW_COUNT
 *
 * Commands are sent one after the other. Each finds the map anew, so that
 * deleting it waits for one of them at most.
 *
 * Context: may sleep, for as long as commands take.
 * Return: bytes, fewer than asked for only at the end of the namespace, or of
 * @span; -EINVAL if something is not aligned; as nvdio_map_find_id(); -ENODEV; -ENOSPC or -EPERM
 * as for write(); -EINTR if the caller is killed; -EOPNOTSUPP if a block is more than
 * a command for mapped memory may have; or as the commands failed.
 */
int nvdio_map_rw(struct nvdio_ns *ns, const struct nvdio_span *span,
		 struct file *file, const struct nvdio_rw *rw)
{
	const bool write = rw->flags & NVDIO_RW_WRITE;
	const u64 size = nvdio_span_size(span,
					 write ? READ_ONCE(ns->write_size) :
						 nvdio_ns_size(ns));
	const u32 most = ns->map_max & ~ns->lba_mask;
	struct kiocb iocb;
	u64 len, done;

	if ((rw->offset | rw->len) & ns->lba_mask)
		return -EINVAL;
	if (!rw->len)
		return 0;
	if (rw->offset >= size)
		return rw_end(ns, write);
	/* Large blocks, of a controller whose SGLs a reset has taken. */
	if (!most)
		return -EOPNOTSUPP;
	len = min(rw->len, size - rw->offset);
	init_sync_kiocb(&iocb, file);
	iocb.ki_pos = rw->offset + (span ? span->start : 0);
	if (rw->flags & NVDIO_RW_DSYNC)
		iocb.ki_flags |= IOCB_DSYNC;
	for (done = 0; done < len; ) {
		const u32 part = min_t(u64, len - done, most);
		ssize_t ret;

		ret = rw_one(ns, &iocb, rw->id, rw->map_offset + done, part,
			     len - done, write, span);
		if (ret < 0)
			return ret;
		done += part;
		iocb.ki_pos += part;
		if (done < len && fatal_signal_pending(current))
			return -EINTR;
	}
	return done;
}
