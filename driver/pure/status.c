// SPDX-License-Identifier: GPL-2.0
/* Translation of command status to errno values. */
#include "pure/status.h"

/**
 * nvdio_status_to_errno() - translate a status
 * @status: Status Field without the phase bit (NVMe Base 2.0, 3.3.3.2.1), or
 *	NVDIO_SC_*
 *
 * The result is what a block device returns for the same status, and never
 * -EAGAIN (invariant 5).
 *
 * Context: any.
 * Return: 0 or -errno.
 */
int nvdio_status_to_errno(u16 status)
{
	if (likely(!status))
		return 0;
	if (status == NVDIO_SC_GONE)
		return -ENODEV;
	if (status == NVDIO_SC_RESET)
		return -EIO;
	switch (status & 0x7ff) {
	case NVME_SC_CAP_EXCEEDED:
		return -ENOSPC;
	case NVME_SC_LBA_RANGE:
	case NVME_SC_CMD_INTERRUPTED:
	case NVME_SC_NS_NOT_READY:
		return -EREMOTEIO;
	case NVME_SC_BAD_ATTRIBUTES:
	case NVME_SC_INVALID_OPCODE:
	case NVME_SC_INVALID_FIELD:
	case NVME_SC_INVALID_NS:
		return -EOPNOTSUPP;
	case NVME_SC_WRITE_FAULT:
	case NVME_SC_READ_ERROR:
	case NVME_SC_UNWRITTEN_BLOCK:
	case NVME_SC_ACCESS_DENIED:
	case NVME_SC_READ_ONLY:
	case NVME_SC_COMPARE_FAILED:
		return -ENODATA;
	case NVME_SC_GUARD_CHECK:
	case NVME_SC_APPTAG_CHECK:
	case NVME_SC_REFTAG_CHECK:
	case NVME_SC_INVALID_PI:
		return -EILSEQ;
	case NVME_SC_RESERVATION_CONFLICT:
		return -EBADE;
	default:
		return -EIO;
	}
}
