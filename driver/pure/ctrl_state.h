/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The states of a controller, which may follow which, and what they mean for
 * its queues; pure logic. docs/driver.md has the picture.
 */
#ifndef NVDIO_CTRL_STATE_H
#define NVDIO_CTRL_STATE_H

#include "pure/pure.h"

/**
 * enum nvdio_ctrl_state - a controller's life
 * @NVDIO_CTRL_NEW: not enabled yet
 * @NVDIO_CTRL_CONNECTING: enabled; it is being identified, its queues created
 * @NVDIO_CTRL_LIVE: I/O goes
 * @NVDIO_CTRL_RESETTING: disabled, or about to be
 * @NVDIO_CTRL_DELETING: unbinding, or the machine goes down
 * @NVDIO_CTRL_DEAD: given up; nothing but unbinding is left
 *
 * In this order: from DELETING on nothing is submitted any more.
 */
enum nvdio_ctrl_state {
	NVDIO_CTRL_NEW,
	NVDIO_CTRL_CONNECTING,
	NVDIO_CTRL_LIVE,
	NVDIO_CTRL_RESETTING,
	NVDIO_CTRL_DELETING,
	NVDIO_CTRL_DEAD,
};

/**
 * enum nvdio_queue_state - what a queue does with submitters
 * @NVDIO_QUEUE_LIVE: lets them through
 * @NVDIO_QUEUE_FROZEN: makes them wait
 * @NVDIO_QUEUE_DEAD: refuses them, with -ENODEV
 */
enum nvdio_queue_state {
	NVDIO_QUEUE_LIVE,
	NVDIO_QUEUE_FROZEN,
	NVDIO_QUEUE_DEAD,
};

/**
 * nvdio_ctrl_may_become() - may a controller change its state so?
 * @from: state that it is in
 * @to: state that it shall be in
 *
 * DELETING and DEAD are final. A controller becomes LIVE only by CONNECTING.
 */
static inline bool nvdio_ctrl_may_become(enum nvdio_ctrl_state from,
					 enum nvdio_ctrl_state to)
{
	switch (from) {
	case NVDIO_CTRL_NEW:
	case NVDIO_CTRL_RESETTING:
		return to == NVDIO_CTRL_CONNECTING || to >= NVDIO_CTRL_DELETING;
	case NVDIO_CTRL_CONNECTING:
		return to == NVDIO_CTRL_LIVE || to >= NVDIO_CTRL_DELETING;
	case NVDIO_CTRL_LIVE:
		return to == NVDIO_CTRL_RESETTING || to == NVDIO_CTRL_DELETING;
	default:
		return false;
	}
}

/**
 * nvdio_ctrl_admin_state() - what the admin queue does
 * @state: the controller's
 */
static inline enum nvdio_queue_state
nvdio_ctrl_admin_state(enum nvdio_ctrl_state state)
{
	if (state >= NVDIO_CTRL_DELETING)
		return NVDIO_QUEUE_DEAD;
	if (state == NVDIO_CTRL_CONNECTING || state == NVDIO_CTRL_LIVE)
		return NVDIO_QUEUE_LIVE;
	return NVDIO_QUEUE_FROZEN;
}

/**
 * nvdio_ctrl_io_state() - what the I/O queues do
 * @state: the controller's
 * @frozen: I/O is held, for a command that tolerates none beside it
 */
static inline enum nvdio_queue_state
nvdio_ctrl_io_state(enum nvdio_ctrl_state state, bool frozen)
{
	if (state >= NVDIO_CTRL_DELETING)
		return NVDIO_QUEUE_DEAD;
	if (state == NVDIO_CTRL_LIVE && !frozen)
		return NVDIO_QUEUE_LIVE;
	return NVDIO_QUEUE_FROZEN;
}

#endif /* NVDIO_CTRL_STATE_H */
