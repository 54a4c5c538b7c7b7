/* SPDX-License-Identifier: GPL-2.0 */
/* Status of a command: the controller's, and the driver's own beside it. */
#ifndef NVDIO_STATUS_H
#define NVDIO_STATUS_H

#include "pure/pure.h"

/* Beside the 15 bits of the Status Field: the controller is gone, or was reset. */
#define NVDIO_SC_GONE		0x8000
#define NVDIO_SC_RESET		0x8001

int nvdio_status_to_errno(u16 status);

#endif /* NVDIO_STATUS_H */
