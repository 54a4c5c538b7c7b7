/* SPDX-License-Identifier: GPL-2.0 */
/* The states of a controller, and which may follow which; pure logic. */
#ifndef NVDIO_CTRL_STATE_H
#define NVDIO_CTRL_STATE_H

#include "pure/pure.h"

/* In this order: from DELETING on nothing is sent any more. */
enum nvdio_ctrl_state {
	NVDIO_CTRL_NEW,		/* being brought up */
	NVDIO_CTRL_LIVE,
	NVDIO_CTRL_RESETTING,	/* disabled, or on the way there or back */
	NVDIO_CTRL_DELETING,	/* unbinding, or the machine goes down */
	NVDIO_CTRL_DEAD,	/* given up; nothing but unbinding is left */
};

/**
 * nvdio_ctrl_may_become() - may a controller change its state so?
 * @from: state that it is in
 * @to: state that it shall be in
 *
 * DELETING and DEAD are final. Only what was reset becomes LIVE again.
 */
static inline bool nvdio_ctrl_may_become(enum nvdio_ctrl_state from,
					 enum nvdio_ctrl_state to)
{
	switch (from) {
	case NVDIO_CTRL_NEW:
		return to == NVDIO_CTRL_LIVE || to >= NVDIO_CTRL_DELETING;
	case NVDIO_CTRL_LIVE:
		return to == NVDIO_CTRL_RESETTING || to == NVDIO_CTRL_DELETING;
	case NVDIO_CTRL_RESETTING:
		return to == NVDIO_CTRL_LIVE || to >= NVDIO_CTRL_DELETING;
	default:
		return false;
	}
}

#endif /* NVDIO_CTRL_STATE_H */
