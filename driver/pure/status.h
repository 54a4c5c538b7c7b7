/* SPDX-License-Identifier: GPL-2.0 */
/* Status values of commands: the controller's, and the driver's own. */
#ifndef NVDIO_STATUS_H
#define NVDIO_STATUS_H

#include "pure/pure.h"

/* Outside the 15-bit Status Field: the controller is gone, or was reset. */
#define NVDIO_SC_GONE		0x8000
#define NVDIO_SC_RESET		0x8001

/* Status Field without the phase bit (NVMe Base 2.0, 3.3.3.2.1). */
#define NVDIO_SC_CRD(status)	((status) >> 11 & 3)
#define NVDIO_SC_DNR		0x4000

int nvdio_status_to_errno(u16 status);
bool nvdio_status_may_retry(u16 status);
u32 nvdio_status_retry_ms(u16 status, unsigned int nr, const u16 *crdt);

#endif /* NVDIO_STATUS_H */
