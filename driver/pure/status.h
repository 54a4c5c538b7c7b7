/* SPDX-License-Identifier: GPL-2.0 */
/* Status values of commands: the controller's, and the driver's own. */
#ifndef NVDIO_STATUS_H
#define NVDIO_STATUS_H

#include "pure/pure.h"

/* Outside the 15-bit Status Field: the controller is gone, or was reset. */
#define NVDIO_SC_GONE		0x8000
#define NVDIO_SC_RESET		0x8001

int nvdio_status_to_errno(u16 status);

#endif /* NVDIO_STATUS_H */
