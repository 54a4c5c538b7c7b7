// SPDX-License-Identifier: GPL-2.0
/* Flush (NVMe Base 2.0, 7.1). */
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/stats.h"
#include "io/flush.h"
#include "io/submit_sync.h"

/**
 * nvdio_flush() - make completed writes durable
 * @ns: namespace
 *
 * A no-op if the controller has no volatile write cache.
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_flush(struct nvdio_ns *ns)
{
	struct nvme_command cmd = {};
	int ret;

	if (nvdio_ns_gone(ns))
		return -ENODEV;
	if (!(ns->ctrl->vwc & 1))
		return 0;
	cmd.common.opcode = nvme_cmd_flush;
	cmd.common.nsid = cpu_to_le32(ns->nsid);
	this_cpu_inc(ns->stats->flush);
	ret = nvdio_submit_sync_cmd(ns, &cmd, 0, 0, false);
	return ret > 0 ? nvdio_status_to_errno(ret) : ret;
}
