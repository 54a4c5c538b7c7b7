/* SPDX-License-Identifier: GPL-2.0 */
/* Controller state, and its effect on queues. */
#ifndef NVDIO_STATE_H
#define NVDIO_STATE_H

#include "pure/ctrl_state.h"
#include "core/ctrl.h"

/*
 * Limits of the shutdown timeout in seconds, whatever RTD3E says; as in nvme.
 */
#define NVDIO_SHUTDOWN_MIN	5U
#define NVDIO_SHUTDOWN_MAX	60U

/* Time for I/O to drain before it is cancelled. */
#define NVDIO_DRAIN_TIMEOUT	(5 * HZ)

bool nvdio_ctrl_set_state(struct nvdio_ctrl *ctrl, enum nvdio_ctrl_state state);
void nvdio_ctrl_set_frozen(struct nvdio_ctrl *ctrl, bool frozen);
void nvdio_ctrl_lock_urgent(struct nvdio_ctrl *ctrl);
bool nvdio_ctrl_drain(struct nvdio_ctrl *ctrl, unsigned long timeout);
void nvdio_ctrl_halt(struct nvdio_ctrl *ctrl, bool shutdown, u16 status);
void nvdio_ctrl_hold(struct nvdio_ctrl *ctrl);
bool nvdio_ctrl_stop(struct nvdio_ctrl *ctrl, bool drain, bool shutdown);
void nvdio_ctrl_kill(struct nvdio_ctrl *ctrl);
void nvdio_ctrl_lost(struct nvdio_ctrl *ctrl, bool drain);
void nvdio_ctrl_want_reset(struct nvdio_ctrl *ctrl, u32 resets);

#endif /* NVDIO_STATE_H */
