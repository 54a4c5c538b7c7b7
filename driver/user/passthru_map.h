/* SPDX-License-Identifier: GPL-2.0 */
/* Passthrough commands for mapped memory. */
#ifndef NVDIO_PASSTHRU_MAP_H
#define NVDIO_PASSTHRU_MAP_H

#include <linux/types.h>
#include <linux/uio.h>

struct nvdio_filter;
struct nvdio_mapped;
struct nvdio_ns;
struct nvdio_queue;
struct nvdio_request;

bool nvdio_passthru_map_possible(struct nvdio_ns *ns,
				 const struct nvdio_filter *filter,
				 const struct iov_iter *iter);
struct nvdio_request *
nvdio_passthru_map_req(struct nvdio_queue *q, struct nvdio_ns *ns,
		       const struct nvdio_filter *filter,
		       const struct iov_iter *iter, u64 slba, u64 nlb,
		       bool nowait, struct nvdio_mapped *mapped);

#endif /* NVDIO_PASSTHRU_MAP_H */
