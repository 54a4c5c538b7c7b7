// SPDX-License-Identifier: GPL-2.0
/*
 * Passthrough commands for mapped memory (core/map.h), on their slow path: neither
 * pinned nor mapped. As on the direct path, it is found under the sq_lock under
 * which the command is then submitted, and the request names the map, which stays
 * until no request does (io/map.c).
 *
 * Only commands of known data size: for all others the data pointer is one that
 * never ends (looping.h, invariant 9), and they have a bounce buffer.
 */
#include <linux/err.h>

#include "pure/filter.h"
#include "core/ns.h"
#include "core/request.h"
#include "hw/queue.h"
#include "io/admit.h"
#include "io/map_find.h"
#include "io/map_watch.h"
#include "user/passthru_map.h"

/* Is user memory one range of addresses? @addr is set to its first one. */
static bool mem_range(const struct iov_iter *iter, size_t len,
		      unsigned long *addr)
{
	const struct iovec *iov;
	size_t skip = iter->iov_offset, have = 0;

	if (iter_is_ubuf(iter)) {
		*addr = (unsigned long)iter->ubuf + skip;
		return true;
	}
	if (!iter_is_iovec(iter))
		return false;
	for (iov = iter_iov(iter); have < len; iov++) {
		const unsigned long base = (unsigned long)iov->iov_base + skip;
		const size_t seg = iov->iov_len - skip;

		skip = 0;
		if (!seg)
			continue;
		if (!have)
			*addr = base;
		else if (base != *addr + have)
			return false;
		have += seg;
	}
	return true;
}

/* Under sq_lock. */
static enum nvdio_map_found mem_find(const struct nvdio_queue *q,
				     const struct iov_iter *iter,
				     unsigned long addr, size_t len, bool dest,
				     struct nvdio_mapped *mapped)
{
	if (!iov_iter_is_bvec(iter))
		return nvdio_map_find_user(q, addr, len, dest, mapped);
	return q->pfns && nvdio_map_find_bvec(q, iter, len, dest, mapped) ?
	       NVDIO_MAP_HIT : NVDIO_MAP_NONE;
}

/**
 * nvdio_passthru_map_possible() - may the memory of a command be mapped?
 * @ns: its namespace
 * @filter: what the command will do; it moves data
 * @iter: its memory, dword aligned, @filter->bytes of it
 *
 * Context: any.
 * Return: true if it is worth calling nvdio_passthru_map_req().
 */
bool nvdio_passthru_map_possible(struct nvdio_ns *ns,
				 const struct nvdio_filter *filter,
				 const struct iov_iter *iter)
{
	unsigned long addr;

	return READ_ONCE(nvdio_ns_queue(ns, false)->pfns) && filter->exact &&
	       !(filter->bytes & NVDIO_DMA_MASK) &&
	       filter->bytes <= ns->map_max &&
	       (iov_iter_is_bvec(iter) ||
		mem_range(iter, filter->bytes, &addr));
}

/**
 * nvdio_passthru_map_req() - get a request for a command, if its memory is mapped
 * @q: queue
 * @ns: namespace
 * @filter: what the command will do
 * @iter: its memory, for which nvdio_passthru_map_possible() was true
 * @slba: first block that the command changes
 * @nlb: number of blocks that it changes
 * @nowait: do not sleep
 * @mapped: set
 *
 * Context: may sleep; under @nowait only for the caller's mmap_lock, as pinning
 * would. The task that has the memory.
 * Return: a request, with sq_lock held until nvdio_queue_unlock(); or ERR_PTR(),
 * with nothing held: -ENOENT if the memory is not mapped as a whole, or not for
 * this direction; or as nvdio_req_get().
 */
struct nvdio_request *
nvdio_passthru_map_req(struct nvdio_queue *q, struct nvdio_ns *ns,
		       const struct nvdio_filter *filter,
		       const struct iov_iter *iter, u64 slba, u64 nlb,
		       bool nowait, struct nvdio_mapped *mapped)
{
	const bool dest = filter->dir == NVDIO_FILTER_FROM_CTRL;
	unsigned long addr = 0;
	bool learnt = false;

	mem_range(iter, filter->bytes, &addr);
	for (;;) {
		struct nvdio_request *req = nvdio_req_get(q, ns, slba, nlb,
							  nowait);
		enum nvdio_map_found found;

		if (IS_ERR(req))
			return req;
		found = mem_find(q, iter, addr, filter->bytes, dest, mapped);
		if (found == NVDIO_MAP_HIT)
			return req;
		nvdio_req_abandon(q, req);
		if (found == NVDIO_MAP_NONE || learnt ||
		    !nvdio_map_learn(q, addr))
			return ERR_PTR(-ENOENT);
		learnt = true;
	}
}
