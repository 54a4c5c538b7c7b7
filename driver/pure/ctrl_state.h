/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The states of a controller, the permitted transitions, and what each state
 * means for the queues. docs/driver.md has the state diagram.
 */
#ifndef NVDIO_CTRL_STATE_H
#define NVDIO_CTRL_STATE_H

#include "pure/pure.h"

/**
 * enum nvdio_ctrl_state - life cycle of a controller
 * @NVDIO_CTRL_NEW: not enabled yet
 * @NVDIO_CTRL_CONNECTING: enabled; being identified, queues being created
 * @NVDIO_CTRL_LIVE: I/O is possible
 * @NVDIO_CTRL_RESETTING: disabled, or about to be
 * @NVDIO_CTRL_DELETING: unbinding or system shutdown
 * @NVDIO_CTRL_DEAD: failed for good; it can only be unbound
 *
 * The order matters: from DELETING on, nothing is submitted.
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
 * enum nvdio_queue_state - how a queue treats submitters
 * @NVDIO_QUEUE_LIVE: commands are accepted
 * @NVDIO_QUEUE_FROZEN: submitters wait
 * @NVDIO_QUEUE_DEAD: submitters get -ENODEV
 */
enum nvdio_queue_state {
	NVDIO_QUEUE_LIVE,
	NVDIO_QUEUE_FROZEN,
	NVDIO_QUEUE_DEAD,
};

/**
 * nvdio_ctrl_may_become() - is a state transition permitted?
 * @from: current state
 * @to: new state
 *
 * DELETING and DEAD are final. A controller becomes LIVE only from CONNECTING.
 * From there to RESETTING it only gets if its PCI channel freezes.
 *
 * Context: any.
 * Return: true if it is.
 */
static inline bool nvdio_ctrl_may_become(enum nvdio_ctrl_state from,
					 enum nvdio_ctrl_state to)
{
	switch (from) {
	case NVDIO_CTRL_NEW:
	case NVDIO_CTRL_RESETTING:
		return to == NVDIO_CTRL_CONNECTING || to >= NVDIO_CTRL_DELETING;
	case NVDIO_CTRL_CONNECTING:
		return to == NVDIO_CTRL_LIVE || to == NVDIO_CTRL_RESETTING ||
		       to >= NVDIO_CTRL_DELETING;
	case NVDIO_CTRL_LIVE:
		return to == NVDIO_CTRL_RESETTING || to == NVDIO_CTRL_DELETING;
	default:
		return false;
	}
}

/**
 * nvdio_ctrl_admin_state() - state of the admin queue
 * @state: state of the controller
 *
 * Context: any.
 * Return: the queue state that follows from it.
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
 * nvdio_ctrl_io_state() - state of the I/O queues
 * @state: state of the controller
 * @frozen: I/O is held back for a command that must run alone
 *
 * Context: any.
 * Return: the queue state that follows from these.
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
