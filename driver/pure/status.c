// SPDX-License-Identifier: GPL-2.0
/* What the status of a command means: its errno, and whether to send it again. */
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

/* Delay before a command is sent again whose status does not name one. */
#define NVDIO_RETRY_MS		10
/* The most that a controller can ask for: somebody waits for the command. */
#define NVDIO_RETRY_MS_MAX	60000U

/**
 * nvdio_status_may_retry() - may sending the command again help?
 * @status: the controller's, or NVDIO_SC_*
 *
 * Context: any.
 * Return: true if the command was lost in a reset, or failed without Do Not
 * Retry.
 */
bool nvdio_status_may_retry(u16 status)
{
	if (status == NVDIO_SC_RESET)
		return true;
	return status && status < NVDIO_SC_GONE && !(status & NVDIO_SC_DNR);
}

/**
 * nvdio_status_retry_ms() - when to send a command again
 * @status: for which nvdio_status_may_retry() holds
 * @nr: how often the command was sent again before
 * @crdt: Command Retry Delay Times 1 to 3 (NVMe Base 2.0, figure 275), in
 *	units of 100 ms
 *
 * CRD in the status chooses one of them. Without it, the time doubles with each
 * attempt, so that a condition which takes a moment to pass is given it.
 *
 * Context: any.
 * Return: milliseconds; 0 after a reset.
 */
u32 nvdio_status_retry_ms(u16 status, unsigned int nr, const u16 *crdt)
{
	if (status == NVDIO_SC_RESET)
		return 0;
	if (NVDIO_SC_CRD(status) && crdt[NVDIO_SC_CRD(status) - 1])
		return min(crdt[NVDIO_SC_CRD(status) - 1] * 100U,
			   NVDIO_RETRY_MS_MAX);
	return NVDIO_RETRY_MS << min(nr, 10U);
}
