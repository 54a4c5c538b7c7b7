/* SPDX-License-Identifier: GPL-2.0 */
/* Bounce buffers of passthrough commands. */
#ifndef NVDIO_BOUNCED_H
#define NVDIO_BOUNCED_H

#include <linux/nvme.h>
#include <linux/uio.h>

#include "filter.h"

struct nvdio_bounced;
struct nvdio_ctrl;

struct nvdio_bounced *nvdio_bounced_map(struct nvdio_ctrl *ctrl,
					const struct nvdio_filter *filter,
					const struct iov_iter *iter,
					union nvme_data_ptr *dptr, gfp_t gfp);
void nvdio_bounced_unmap(struct nvdio_ctrl *ctrl, struct nvdio_bounced *b);
int nvdio_bounced_copy_out(struct nvdio_bounced *b,
			   const struct iov_iter *iter);
void nvdio_bounced_free(struct nvdio_bounced *b);

#endif /* NVDIO_BOUNCED_H */
