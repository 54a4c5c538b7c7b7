/* SPDX-License-Identifier: GPL-2.0 */
/* Draining writes that are older than an exclusive claim. */
#ifndef NVDIO_DRAIN_H
#define NVDIO_DRAIN_H

#include "core/ns.h"
#include "io/claim.h"

/**
 * enum nvdio_drain - have older writes to claimed blocks ended?
 * @NVDIO_DRAINED: yes
 * @NVDIO_DRAIN_WAIT: no; @resume is called when it makes sense to check again
 * @NVDIO_DRAIN_POLL: no, and there will be no notification: check again in a
 *	jiffy
 */
enum nvdio_drain {
	NVDIO_DRAINED,
	NVDIO_DRAIN_WAIT,
	NVDIO_DRAIN_POLL,
};

enum nvdio_drain nvdio_claim_drain(struct nvdio_ns *ns,
				   struct nvdio_claim *claim);

#endif /* NVDIO_DRAIN_H */
