/* SPDX-License-Identifier: GPL-2.0 */
/* Bounce buffers of passthrough commands. */
#ifndef NVDIO_PASSTHRU_BUF_H
#define NVDIO_PASSTHRU_BUF_H

#include <linux/nvme.h>
#include <linux/uio.h>

#include "pure/filter.h"

struct nvdio_passthru_buf;
struct nvdio_ctrl;

struct nvdio_passthru_buf *
nvdio_passthru_buf_map(struct nvdio_ctrl *ctrl,
		       const struct nvdio_filter *filter,
		       const struct iov_iter *iter, union nvme_data_ptr *dptr,
		       gfp_t gfp);
void nvdio_passthru_buf_unmap(struct nvdio_ctrl *ctrl,
			      struct nvdio_passthru_buf *b);
int nvdio_passthru_buf_copy_out(struct nvdio_passthru_buf *b,
				const struct iov_iter *iter);
void nvdio_passthru_buf_free(struct nvdio_passthru_buf *b);

#endif /* NVDIO_PASSTHRU_BUF_H */
