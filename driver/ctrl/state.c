// SPDX-License-Identifier: GPL-2.0
/*
 * Controller state, and its effect on queues and users. One function, here,
 * changes the state, under the controller's lock.
 */
#include "pure/ctrl_state.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/trace.h"
#include "hw/queue.h"
#include "hw/regs.h"
#include "io/complete.h"
#include "ctrl/state.h"

/* Set the state of each queue from the state of the controller. */
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

/*
 * Hold submitters back on every queue before the first of them gets -ENODEV:
 * a caller that has seen it on one queue must not succeed on another.
 */
static void state_hold(struct nvdio_ctrl *ctrl)
{
	unsigned int i;

	if (ctrl->admin)
		nvdio_queue_set_state(ctrl->admin, NVDIO_QUEUE_FROZEN);
	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_set_state(ctrl->io[i], NVDIO_QUEUE_FROZEN);
}

/*
 * Send again what was in flight when the controller was stopped. That does not
 * wait for I/O that is held back: whoever holds it back waits for this.
 */
static void state_resend(struct nvdio_ctrl *ctrl)
{
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_hook(ctrl->io[i]);
	mod_delayed_work(ctrl->reset_wq, &ctrl->resend_work, 0);
}

/**
 * nvdio_ctrl_set_state() - change the state of a controller
 * @ctrl: controller, its lock held
 * @state: new state
 *
 * The only place where it changes; pure/ctrl_state.h has the rules. On return
 * no submitter that saw the old state is still submitting. From DELETING on,
 * nvdio_ctrl_enter() fails.
 *
 * Context: may sleep.
 * Return: false, with nothing changed, if the transition is not permitted.
 */
bool nvdio_ctrl_set_state(struct nvdio_ctrl *ctrl, enum nvdio_ctrl_state state)
{
	lockdep_assert_held(&ctrl->lock);
	if (!nvdio_ctrl_may_become(ctrl->state, state))
		return false;
	if (state >= NVDIO_CTRL_DELETING)
		state_hold(ctrl);
	trace_nvdio_state(ctrl->instance, ctrl->state, state);
	WRITE_ONCE(ctrl->state, state);
	/* Reached only once: DELETING and DEAD are final. */
	if (state >= NVDIO_CTRL_DELETING)
		percpu_ref_kill(&ctrl->users);
	state_apply(ctrl);
	if (state == NVDIO_CTRL_LIVE)
		state_resend(ctrl);
	else if (state >= NVDIO_CTRL_DELETING)
		wake_up_all(&ctrl->state_wait);
	return true;
}

/**
 * nvdio_ctrl_set_frozen() - hold I/O back, or let it continue
 * @ctrl: controller, its lock held
 * @frozen: hold it back, across resets too
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
 * A holder that waits for an admin command gives up soon (nvdio_admin_cmd()).
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
 * @ctrl: controller whose I/O queues admit no submitters
 * @timeout: jiffies
 *
 * Polled queues are polled here, since their pollers may be waiting for
 * something else, or not be running.
 *
 * Context: may sleep.
 * Return: false on timeout.
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

/* From now on nothing writes doorbells. */
static void state_unhook(struct nvdio_ctrl *ctrl)
{
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_unhook(ctrl->io[i]);
	if (ctrl->admin)
		nvdio_queue_unhook(ctrl->admin);
}

/**
 * nvdio_ctrl_halt() - disable the controller and end all commands
 * @ctrl: controller whose queues admit no submitters
 * @shutdown: it may lose power afterwards
 * @status: status of commands that have no CQE; those that have one end with
 *	the controller's status (invariant 2)
 *
 * Context: may sleep.
 */
void nvdio_ctrl_halt(struct nvdio_ctrl *ctrl, bool shutdown, u16 status)
{
	unsigned int i;

	state_unhook(ctrl);
	nvdio_regs_disable(ctrl, shutdown);
	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_cancel(ctrl->io[i], status);
	if (ctrl->admin)
		nvdio_queue_cancel(ctrl->admin, status);
}

/**
 * nvdio_ctrl_hold() - hold I/O back without a word to the controller
 * @ctrl: LIVE or CONNECTING controller, its lock held
 *
 * It becomes RESETTING. Commands stay in flight; nvdio_ctrl_halt() ends them.
 *
 * Context: may sleep.
 */
void nvdio_ctrl_hold(struct nvdio_ctrl *ctrl)
{
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_RESETTING);
	WRITE_ONCE(ctrl->resets, ctrl->resets + 1);
	state_unhook(ctrl);
}

/**
 * nvdio_ctrl_stop() - the first half of a reset
 * @ctrl: controller, its lock held
 * @drain: give I/O some time to end before it is cancelled
 * @shutdown: the controller may lose power
 *
 * Submitters are held back, the controller is disabled. Commands in flight end,
 * or wait to be sent again (io/retry.h).
 *
 * Context: may sleep.
 * Return: false, with nothing done, if the controller is not LIVE.
 */
bool nvdio_ctrl_stop(struct nvdio_ctrl *ctrl, bool drain, bool shutdown)
{
	if (ctrl->state != NVDIO_CTRL_LIVE)
		return false;
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_RESETTING);
	WRITE_ONCE(ctrl->resets, ctrl->resets + 1);
	if (drain)
		nvdio_ctrl_drain(ctrl, NVDIO_DRAIN_TIMEOUT);
	nvdio_ctrl_halt(ctrl, shutdown, NVDIO_SC_RESET);
	return true;
}

/**
 * nvdio_ctrl_kill() - declare a controller DEAD
 * @ctrl: controller, its lock held
 *
 * Commands in flight and new calls get -ENODEV.
 *
 * Context: may sleep.
 */
void nvdio_ctrl_kill(struct nvdio_ctrl *ctrl)
{
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_DEAD);
	nvdio_ctrl_halt(ctrl, false, NVDIO_SC_GONE);
	/* It may be between CC.EN = 1 and CSTS.RDY = 1. */
	pci_clear_master(ctrl->pdev);
}

/**
 * nvdio_ctrl_lost() - handle an admin command that was lost
 * @ctrl: controller, its lock held
 * @drain: give I/O some time to end; only the admin queue may be stuck
 *
 * A live controller is stopped here and restarted by a work item. One that is
 * being brought up or reset is declared DEAD: it can only be unbound. Either
 * way, nothing is in flight on return. One whose PCI channel is frozen is left
 * to error recovery.
 *
 * Context: may sleep.
 */
void nvdio_ctrl_lost(struct nvdio_ctrl *ctrl, bool drain)
{
	if (ctrl->state == NVDIO_CTRL_CONNECTING && nvdio_ctrl_frozen(ctrl)) {
		nvdio_ctrl_hold(ctrl);
		nvdio_ctrl_halt(ctrl, false, NVDIO_SC_RESET);
		return;
	}
	if (nvdio_ctrl_stop(ctrl, drain, false))
		queue_work(ctrl->reset_wq, &ctrl->reset_work);
	else
		nvdio_ctrl_kill(ctrl);
}

/**
 * nvdio_ctrl_want_reset() - schedule a reset of a failed controller
 * @ctrl: controller
 * @resets: its @resets, sampled before the failure was detected: nothing is
 *	done if it has been reset since
 *
 * Context: any task.
 */
void nvdio_ctrl_want_reset(struct nvdio_ctrl *ctrl, u32 resets)
{
	WRITE_ONCE(ctrl->reset_wanted, resets);
	queue_work(ctrl->reset_wq, &ctrl->reset_work);
}
