/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Slow paths of completing what direct.c submitted, and the end of what is in two
 * pages that are apart; the fast path is direct_end() in complete.c.
 */
#ifndef NVDIO_DIRECT_END_H
#define NVDIO_DIRECT_END_H

#include <linux/workqueue.h>

#include "core/request.h"

enum nvdio_end nvdio_direct_end_slow(struct nvdio_request *req, u16 status,
				     struct nvdio_completion *done);
nvdio_end_fn nvdio_direct_two_end;
void nvdio_direct_dirty_work(struct work_struct *work);

#endif /* NVDIO_DIRECT_END_H */
