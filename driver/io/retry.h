/* SPDX-License-Identifier: GPL-2.0 */
/* Commands that are sent again: which, how often, and when. */
#ifndef NVDIO_RETRY_H
#define NVDIO_RETRY_H

#include "core/request.h"

bool nvdio_retry(struct nvdio_request *req, u16 status);
bool nvdio_retry_sync(struct nvdio_ns *ns, u16 status, unsigned int *nr);

#endif /* NVDIO_RETRY_H */
