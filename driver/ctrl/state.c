// SPDX-License-Identifier: GPL-2.0
/*
 * A controller's state, and what follows from it for its queues and users. The
 * state is changed here, by one function, under the controller's lock.
 */
#include "pure/ctrl_state.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "hw/queue.h"
#include "hw/regs.h"
#include "io/complete.h"
#include "ctrl/state.h"

/* Submitters are let through, held or refused, by the controller's state. */
static void state_apply(struct nvdio_ctrl *ctrl)
{
	enum nvdio_queue_state io = nvdio_ctrl_io_state(ctrl->state,
							ctrl->frozen);
	unsigned int i;

	if (ctrl->admin)
		nvdio_queue_set_state(ctrl->admin,
				      nvdio_ctrl_admin_state(ctrl->state));
	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_set_state(ctrl->io[i], io);
}

/**
 * nvdio_ctrl_set_state() - change a controller's state
 * @ctrl: controller, its lock held
 * @state: new state
 *
 * The one place in which it changes (pure/ctrl_state.h has the rules). When
 * this returns, no submitter that saw the old state is still submitting; from
 * DELETING on nvdio_ctrl_enter() fails.
 *
 * Context: may sleep.
 * Return: false, and nothing is changed, if it must not become @state.
 */
bool nvdio_ctrl_set_state(struct nvdio_ctrl *ctrl, enum nvdio_ctrl_state state)
{
	lockdep_assert_held(&ctrl->lock);
	if (!nvdio_ctrl_may_become(ctrl->state, state))
		return false;
	WRITE_ONCE(ctrl->state, state);
	/* Once: DELETING and DEAD are final. */
	if (state >= NVDIO_CTRL_DELETING)
		percpu_ref_kill(&ctrl->users);
	state_apply(ctrl);
	return true;
}

/**
 * nvdio_ctrl_set_frozen() - hold I/O, or let it go on
 * @ctrl: controller, its lock held
 * @frozen: hold it, whatever resets happen meanwhile
 *
 * Context: may sleep.
 */
void nvdio_ctrl_set_frozen(struct nvdio_ctrl *ctrl, bool frozen)
{
	lockdep_assert_held(&ctrl->lock);
	ctrl->frozen = frozen;
	state_apply(ctrl);
}

/**
 * nvdio_ctrl_lock_urgent() - take the lock in order to stop the controller
 * @ctrl: controller
 *
 * A task that holds it and waits for an admin command gives that up soon
 * (nvdio_admin_cmd()).
 *
 * Context: may sleep.
 */
void nvdio_ctrl_lock_urgent(struct nvdio_ctrl *ctrl)
{
	atomic_inc(&ctrl->urgent);
	wake_up_all(&ctrl->state_wait);
	mutex_lock(&ctrl->lock);
	atomic_dec(&ctrl->urgent);
}

/**
 * nvdio_ctrl_drain() - wait until no I/O is in flight
 * @ctrl: controller whose I/O queues let nothing through
 * @timeout: jiffies
 *
 * Polled queues are polled: those who should do it may wait for something else,
 * or not run at all.
 *
 * Context: may sleep.
 * Return: false if that took too long.
 */
bool nvdio_ctrl_drain(struct nvdio_ctrl *ctrl, unsigned long timeout)
{
	unsigned long end = jiffies + timeout;
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; ) {
		if (ctrl->io[i]->vector < 0)
			nvdio_queue_poll_all(ctrl->io[i]);
		if (!nvdio_queue_in_use(ctrl->io[i])) {
			i++;
			continue;
		}
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

/**
 * nvdio_ctrl_halt() - take the controller away from its queues
 * @ctrl: controller whose queues let nothing through
 * @shutdown: it may lose its power afterwards
 * @status: what the commands end with that are still in flight; those that the
 *	controller has completed end with its status (invariant 2)
 *
 * Context: may sleep.
 */
void nvdio_ctrl_halt(struct nvdio_ctrl *ctrl, bool shutdown, u16 status)
{
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_unhook(ctrl->io[i]);
	if (ctrl->admin)
		nvdio_queue_unhook(ctrl->admin);
	nvdio_regs_disable(ctrl, shutdown);
	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_cancel(ctrl->io[i], status);
	if (ctrl->admin)
		nvdio_queue_cancel(ctrl->admin, status);
}

/**
 * nvdio_ctrl_stop() - the first half of a reset
 * @ctrl: controller, its lock held
 * @drain: let I/O end for a while before it is cancelled
 * @shutdown: the controller may lose its power
 *
 * Submitters are held, the controller is disabled, what is in flight ends.
 *
 * Context: may sleep.
 * Return: false, and nothing was done, if the controller is not LIVE.
 */
bool nvdio_ctrl_stop(struct nvdio_ctrl *ctrl, bool drain, bool shutdown)
{
	if (!nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_RESETTING))
		return false;
	WRITE_ONCE(ctrl->resets, ctrl->resets + 1);
	if (drain)
		nvdio_ctrl_drain(ctrl, NVDIO_DRAIN_TIMEOUT);
	nvdio_ctrl_halt(ctrl, shutdown, NVDIO_SC_RESET);
	return true;
}

/**
 * nvdio_ctrl_kill() - give a controller up
 * @ctrl: controller, its lock held
 *
 * What is in flight, and what comes, gets -ENODEV.
 *
 * Context: may sleep.
 */
void nvdio_ctrl_kill(struct nvdio_ctrl *ctrl)
{
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_DEAD);
	nvdio_ctrl_halt(ctrl, false, NVDIO_SC_GONE);
	/* It may be half way between CC.EN = 1 and CSTS.RDY = 1. */
	pci_clear_master(ctrl->pdev);
}

/**
 * nvdio_ctrl_lost() - an admin command of the driver does not come back
 * @ctrl: controller, its lock held
 * @drain: let I/O end for a while: it may be that only the admin queue stands
 *
 * A live controller is stopped now and restarted by a work item. One that is
 * being brought up or reset is given up: unbinding is all that is left.
 *
 * Context: may sleep. On return nothing is in flight.
 */
void nvdio_ctrl_lost(struct nvdio_ctrl *ctrl, bool drain)
{
	if (nvdio_ctrl_stop(ctrl, drain, false))
		queue_work(ctrl->reset_wq, &ctrl->reset_work);
	else
		nvdio_ctrl_kill(ctrl);
}

/**
 * nvdio_ctrl_want_reset() - have a controller reset that does not work
 * @ctrl: controller
 * @resets: its @resets, read before that was noticed: if it was reset since
 *	then, nothing is done
 *
 * Context: any task.
 */
void nvdio_ctrl_want_reset(struct nvdio_ctrl *ctrl, u32 resets)
{
	WRITE_ONCE(ctrl->reset_wanted, resets);
	queue_work(ctrl->reset_wq, &ctrl->reset_work);
}
