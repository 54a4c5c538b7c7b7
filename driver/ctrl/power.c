// SPDX-License-Identifier: GPL-2.0
/*
 * Power states (NVMe Base 2.0, 8.15): those that the controller enters by itself
 * when idle (Autonomous Power State Transition), and the one that root sets.
 */
#include <linux/math.h>
#include <linux/slab.h>

#include "core/ctrl.h"
#include "core/params.h"
#include "core/quirks.h"
#include "ctrl/admin.h"
#include "ctrl/power.h"

/*
 * Idle time before a state is entered, as a multiple of the time that entering
 * and leaving it takes: at worst, 2 % of the time is lost to transitions.
 */
#define NVDIO_APST_IDLE		50

/* Idle Time Prior to Transition has 24 bits and is in milliseconds. */
#define NVDIO_APST_IDLE_MAX	((1U << 24) - 1)

/* Is @state one to enter when idle? */
static bool power_useful(struct nvdio_ctrl *ctrl, unsigned int state,
			 u32 max_latency_us)
{
	const struct nvme_id_power_state *psd = &ctrl->id->psd[state];

	if (state == ctrl->id->npss &&
	    ctrl->quirks & NVDIO_QUIRK_NO_DEEPEST_PS)
		return false;
	return psd->flags & NVME_PS_FLAGS_NON_OP_STATE &&
	       le32_to_cpu(psd->exit_lat) <= max_latency_us;
}

/* The entry for the states that precede @state. */
static __le64 power_entry(struct nvdio_ctrl *ctrl, unsigned int state)
{
	const struct nvme_id_power_state *psd = &ctrl->id->psd[state];
	u64 us = (u64)le32_to_cpu(psd->entry_lat) + le32_to_cpu(psd->exit_lat);
	u64 idle_ms = DIV_ROUND_UP_ULL(us * NVDIO_APST_IDLE, 1000);

	/* ITPS in bits 7:3, ITPT in bits 31:8; an ITPT of 0 would mean never. */
	idle_ms = clamp_t(u64, idle_ms, 1, NVDIO_APST_IDLE_MAX);
	return cpu_to_le64(state << 3 | idle_ms << 8);
}

/*
 * Fill the table: each state has the next useful one behind it as its target.
 * Return: there is one.
 */
static bool power_table(struct nvdio_ctrl *ctrl,
			struct nvme_feat_auto_pst *table, u32 max_latency_us)
{
	__le64 target = 0;
	bool any = false;
	int state;

	for (state = ctrl->id->npss; state >= 0; state--) {
		table->entries[state] = target;
		if (power_useful(ctrl, state, max_latency_us)) {
			target = power_entry(ctrl, state);
			any = true;
		}
	}
	return any;
}

/* Autonomous transitions; turned off explicitly if there are to be none. */
static void power_apst(struct nvdio_ctrl *ctrl)
{
	u32 max_latency_us = READ_ONCE(nvdio_ps_max_latency_us);
	struct nvme_feat_auto_pst *table;
	bool on = false;
	int ret;

	if (ctrl->vs < NVME_VS(1, 1, 0) || !(ctrl->id->apsta & 1))
		return;
	if (ctrl->id->npss >= ARRAY_SIZE(table->entries)) {
		dev_warn(&ctrl->dev,
			 "power states not used (NPSS %u)\n", ctrl->id->npss);
		return;
	}
	table = kzalloc(sizeof(*table), GFP_KERNEL);
	if (!table)
		return;
	if (max_latency_us && !(ctrl->quirks & NVDIO_QUIRK_NO_APST))
		on = power_table(ctrl, table, max_latency_us);
	ret = nvdio_admin_set_features(ctrl, NVME_FEAT_AUTO_PST, on, table,
				       sizeof(*table));
	if (ret)
		dev_warn(&ctrl->dev,
			 "autonomous power state transitions not %s (status %#x)\n",
			 on ? "enabled" : "disabled", ret);
	kfree(table);
}

/**
 * nvdio_power_setup() - set up power states
 * @ctrl: controller that was just enabled and identified, its lock held
 *
 * Repeated after each reset, which turns autonomous transitions off and selects
 * state 0. Failures are logged.
 *
 * Context: may sleep.
 */
void nvdio_power_setup(struct nvdio_ctrl *ctrl)
{
	int ret;

	power_apst(ctrl);
	if (!ctrl->ps_wanted || ctrl->ps > ctrl->id->npss)
		return;
	ret = nvdio_admin_set_features(ctrl, NVME_FEAT_POWER_MGMT, ctrl->ps,
				       NULL, 0);
	if (ret)
		dev_warn(&ctrl->dev,
			 "power state %u not set again (status %#x)\n",
			 ctrl->ps, ret);
}

/**
 * nvdio_power_get() - read the current power state
 * @ctrl: controller
 * @state: set to it
 *
 * Context: may sleep.
 * Return: 0; -EIO if the controller refuses, or see nvdio_admin_lock().
 */
int nvdio_power_get(struct nvdio_ctrl *ctrl, u32 *state)
{
	int ret = nvdio_admin_lock(ctrl);

	if (ret)
		return ret;
	ret = nvdio_admin_get_features(ctrl, NVME_FEAT_POWER_MGMT, state);
	mutex_unlock(&ctrl->lock);
	/* PS; the workload hint is above it. */
	*state &= 0x1f;
	return ret > 0 ? -EIO : ret;
}

/**
 * nvdio_power_set() - set the power state
 * @ctrl: controller
 * @state: power state
 *
 * A non-operational state lasts until the next I/O. An operational one is set
 * again after resets.
 *
 * Context: may sleep.
 * Return: 0; -EINVAL if the controller has no such state; -EIO if it refuses; or
 * see nvdio_admin_lock().
 */
int nvdio_power_set(struct nvdio_ctrl *ctrl, u32 state)
{
	int ret = nvdio_admin_lock(ctrl);

	if (ret)
		return ret;
	if (state > ctrl->id->npss || state >= ARRAY_SIZE(ctrl->id->psd)) {
		ret = -EINVAL;
		goto unlock;
	}
	ret = nvdio_admin_set_features(ctrl, NVME_FEAT_POWER_MGMT, state, NULL,
				       0);
	if (!ret && !(ctrl->id->psd[state].flags &
		      NVME_PS_FLAGS_NON_OP_STATE)) {
		ctrl->ps = state;
		ctrl->ps_wanted = true;
	}
unlock:
	mutex_unlock(&ctrl->lock);
	return ret > 0 ? -EIO : ret;
}
