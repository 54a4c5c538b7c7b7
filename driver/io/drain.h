/* SPDX-License-Identifier: GPL-2.0 */
/* Waiting for the writes in flight that are older than an exclusive claim. */
#ifndef NVDIO_DRAIN_H
#define NVDIO_DRAIN_H

#include "core/ns.h"
#include "io/claim.h"

/**
 * enum nvdio_drain - are older writes to claimed blocks over?
 * @NVDIO_DRAINED: yes
 * @NVDIO_DRAIN_WAIT: no; @resume is called when it is worth another look
 * @NVDIO_DRAIN_POLL: no, and nothing will say when: look again in a jiffy
 */
enum nvdio_drain {
	NVDIO_DRAINED,
	NVDIO_DRAIN_WAIT,
	NVDIO_DRAIN_POLL,
};

enum nvdio_drain nvdio_claim_drain(struct nvdio_ns *ns,
				   struct nvdio_claim *claim);

#endif /* NVDIO_DRAIN_H */
