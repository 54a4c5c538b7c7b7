// SPDX-License-Identifier: GPL-2.0
/*
 * Life cycle of a controller: bringing it up, resetting, suspending, freezing
 * and removing it.
 */
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/slab.h>

#include "pure/ctrl_state.h"
#include "pure/dptr.h"
#include "pure/status.h"
#include "core/ctrl.h"
#include "core/params.h"
#include "hw/cmb.h"
#include "hw/mmio.h"
#include "hw/queue.h"
#include "hw/regs.h"
#include "io/bounce.h"
#include "io/complete.h"
#include "io/direct_end.h"
#include "io/map.h"
#include "io/resend.h"
#include "io/xfer_pool.h"
#include "ctrl/admin.h"
#include "ctrl/ctrl.h"
#include "ctrl/events.h"
#include "ctrl/hmb.h"
#include "ctrl/hwmon.h"
#include "ctrl/identify.h"
#include "ctrl/node.h"
#include "ctrl/ns.h"
#include "ctrl/power.h"
#include "ctrl/queues.h"
#include "ctrl/state.h"
#include "ctrl/watchdog.h"

static DEFINE_IDA(nvdio_ctrl_ida);

/* Enable the controller and identify it; its lock is held. */
static int ctrl_connect(struct nvdio_ctrl *ctrl)
{
	int ret;

	ret = nvdio_regs_enable(ctrl);
	if (ret)
		return ret;
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_CONNECTING);
	ret = nvdio_identify_ctrl(ctrl);
	if (ret)
		return ret;
	nvdio_identify_retry_delays(ctrl);
	nvdio_cmb_setup(ctrl);
	nvdio_hmb_enable(ctrl);
	nvdio_power_setup(ctrl);
	return 0;
}

/*
 * Read again what else may have changed with a reset, before I/O continues. A
 * namespace that is not found unchanged loses its node.
 */
static int ctrl_reread(struct nvdio_ctrl *ctrl)
{
	unsigned int count = ctrl->nr_io;
	int ret;

	ret = nvdio_admin_queue_count(ctrl, &count);
	if (ret)
		return ret;
	if (count < ctrl->nr_io) {
		dev_err(&ctrl->dev, "%u I/O queues after reset, %u before\n",
			count, ctrl->nr_io);
		return -EIO;
	}
	ret = nvdio_ctrl_create_queues(ctrl);
	if (ret)
		return ret;
	/* Its last command may be one that is optional, but was lost. */
	if (nvdio_ctrl_gone(ctrl))
		return -ENODEV;
	nvdio_ns_doubt(ctrl, NVME_NSID_ALL);
	ret = nvdio_ns_scan(ctrl);
	if (ret)
		dev_err(&ctrl->dev, "namespace scan failed: %d\n", ret);
	nvdio_ns_drop_doubtful(ctrl);
	nvdio_events_enable(ctrl);
	return 0;
}

/*
 * The second half of a reset. The controller is RESETTING and stopped; its lock
 * is held.
 */
static int ctrl_restart(struct nvdio_ctrl *ctrl)
{
	int ret;

	ret = ctrl_connect(ctrl);
	if (!ret)
		ret = ctrl_reread(ctrl);
	/* A lost admin command may have made it DEAD. */
	if (!ret && !nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_LIVE))
		ret = -EIO;
	/* Error recovery of the PCI core restarts it (ctrl/recovery.c). */
	if (ret && ctrl->state == NVDIO_CTRL_RESETTING &&
	    nvdio_ctrl_frozen(ctrl))
		return ret;
	if (ret) {
		dev_err(&ctrl->dev, "reset failed: %d\n", ret);
		nvdio_ctrl_kill(ctrl);
		return ret;
	}
	return 0;
}

/**
 * nvdio_ctrl_reset() - reset a controller on request
 * @ctrl: controller
 *
 * I/O in flight drains first; new I/O waits.
 *
 * Context: may sleep.
 * Return: 0 or -errno; -EBUSY while the controller is suspended or being reset
 * by the PCI core.
 */
int nvdio_ctrl_reset(struct nvdio_ctrl *ctrl)
{
	int ret;

	nvdio_ctrl_lock_urgent(ctrl);
	nvdio_ctrl_stop(ctrl, true, false);
	if (ctrl->state == NVDIO_CTRL_RESETTING)
		ret = ctrl->held ? -EBUSY : ctrl_restart(ctrl);
	else
		ret = -ENODEV;
	mutex_unlock(&ctrl->lock);
	return ret;
}

/**
 * nvdio_ctrl_suspend() - stop a controller for a suspend or an external reset
 * @ctrl: controller
 * @shutdown: it may lose power
 *
 * I/O in flight drains first; new I/O waits until nvdio_ctrl_resume(). No
 * register is accessed in between.
 *
 * Context: may sleep.
 * Return: 0.
 */
int nvdio_ctrl_suspend(struct nvdio_ctrl *ctrl, bool shutdown)
{
	WRITE_ONCE(ctrl->core_waits, true);
	nvdio_ctrl_lock_urgent(ctrl);
	ctrl->suspended = true;
	ctrl->held = true;
	nvdio_ctrl_stop(ctrl, true, shutdown);
	WRITE_ONCE(ctrl->core_waits, false);
	if (shutdown)
		nvdio_hmb_outdate(ctrl);
	mutex_unlock(&ctrl->lock);
	cancel_delayed_work_sync(&ctrl->watchdog);
	return 0;
}

/**
 * nvdio_ctrl_let_go() - restart a controller that is held no longer
 * @ctrl: controller, its lock held
 *
 * Context: may sleep.
 * Return: 0; or -errno, and the controller is DEAD.
 */
int nvdio_ctrl_let_go(struct nvdio_ctrl *ctrl)
{
	int ret = 0;

	ctrl->held = ctrl->suspended || ctrl->recovering;
	if (ctrl->state == NVDIO_CTRL_RESETTING && !ctrl->held)
		ret = ctrl_restart(ctrl);
	if (ctrl->state == NVDIO_CTRL_LIVE)
		queue_delayed_work(ctrl->reset_wq, &ctrl->watchdog, HZ);
	return ret;
}

/**
 * nvdio_ctrl_resume() - restart a controller after nvdio_ctrl_suspend()
 * @ctrl: controller, powered, its configuration space restored
 *
 * Context: may sleep.
 * Return: 0; or -errno, and the controller is DEAD.
 */
int nvdio_ctrl_resume(struct nvdio_ctrl *ctrl)
{
	int ret;

	mutex_lock(&ctrl->lock);
	ctrl->suspended = false;
	/* Not if error recovery has begun meanwhile: its end restarts it. */
	ret = nvdio_ctrl_let_go(ctrl);
	mutex_unlock(&ctrl->lock);
	return ret;
}

/**
 * nvdio_ctrl_freeze() - drain all I/O, and hold new I/O back
 * @ctrl: controller; the caller has called nvdio_ctrl_enter()
 *
 * A read-modify-write of the copy path is not split either. Admin commands
 * continue, and so do resets, which do not end the freeze.
 *
 * Context: may sleep, for as long as I/O commands take.
 * Return: 0, to be undone with nvdio_ctrl_unfreeze(); -ENODEV; -EBUSY if I/O
 * does not drain; -ENOMEM.
 */
int nvdio_ctrl_freeze(struct nvdio_ctrl *ctrl)
{
	int ret;

	mutex_lock(&ctrl->freeze_lock);
	/*
	 * Claims first: their holders may need to submit in order to release
	 * them.
	 */
	ret = nvdio_ns_claim_all(ctrl);
	if (ret) {
		mutex_unlock(&ctrl->freeze_lock);
		return ret;
	}
	mutex_lock(&ctrl->lock);
	nvdio_ctrl_set_frozen(ctrl, true);
	mutex_unlock(&ctrl->lock);
	if (nvdio_ctrl_gone(ctrl)) {
		nvdio_ctrl_unfreeze(ctrl);
		return -ENODEV;
	}
	if (!nvdio_ctrl_drain(ctrl, nvdio_timeout(nvdio_io_timeout))) {
		nvdio_ctrl_unfreeze(ctrl);
		return -EBUSY;
	}
	return 0;
}

/**
 * nvdio_ctrl_unfreeze() - undo nvdio_ctrl_freeze()
 * @ctrl: controller
 *
 * Also handles an event that arrived during the freeze.
 *
 * Context: may sleep.
 */
void nvdio_ctrl_unfreeze(struct nvdio_ctrl *ctrl)
{
	mutex_lock(&ctrl->lock);
	nvdio_ctrl_set_frozen(ctrl, false);
	if (ctrl->state == NVDIO_CTRL_LIVE && ctrl->event_pending)
		queue_delayed_work(ctrl->reset_wq, &ctrl->event_work, 0);
	ctrl->event_pending = false;
	mutex_unlock(&ctrl->lock);
	nvdio_ns_release_all(ctrl);
	mutex_unlock(&ctrl->freeze_lock);
}

/* Reset a LIVE controller that has failed, or restart one that was stopped. */
static void ctrl_reset_work(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(work, struct nvdio_ctrl,
					       reset_work);

	nvdio_ctrl_lock_urgent(ctrl);
	if (nvdio_ctrl_frozen(ctrl))
		goto unlock;
	if (ctrl->resets == READ_ONCE(ctrl->reset_wanted))
		nvdio_ctrl_stop(ctrl, false, false);
	if (ctrl->state == NVDIO_CTRL_RESETTING && !ctrl->held)
		ctrl_restart(ctrl);
unlock:
	mutex_unlock(&ctrl->lock);
}

static void ctrl_users_gone(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct nvdio_ctrl, users)->users_gone);
}

static void ctrl_release(struct device *dev)
{
	struct nvdio_ctrl *ctrl = container_of(dev, struct nvdio_ctrl, dev);
	unsigned int i;

	for (i = 0; i < ctrl->nr_alloc; i++) {
		nvdio_xfer_pool_free(ctrl->io[i]);
		nvdio_queue_free(ctrl->io[i]);
	}
	if (ctrl->admin)
		nvdio_queue_free(ctrl->admin);
	kfree(ctrl->effects);
	kfree(ctrl->smart);
	kfree(ctrl->id);
	kfree(ctrl->io);
	kfree(ctrl->cpu_queue);
	kfree(ctrl->cpu_poll_queue);
	percpu_ref_exit(&ctrl->users);
	nvdio_mmio_free(ctrl);
	pci_dev_put(ctrl->pdev);
	ida_free(&nvdio_ctrl_ida, ctrl->instance);
	kfree(ctrl);
}

/**
 * nvdio_ctrl_alloc() - allocate a controller
 * @pdev: PCI function
 *
 * Context: may sleep.
 * Return: the controller, with one reference to its device; or ERR_PTR().
 */
struct nvdio_ctrl *nvdio_ctrl_alloc(struct pci_dev *pdev)
{
	struct nvdio_ctrl *ctrl;
	int ret;

	ctrl = kzalloc_node(sizeof(*ctrl), GFP_KERNEL, dev_to_node(&pdev->dev));
	if (!ctrl)
		return ERR_PTR(-ENOMEM);
	ret = ida_alloc(&nvdio_ctrl_ida, GFP_KERNEL);
	if (ret < 0)
		goto free;
	ctrl->instance = ret;
	ret = percpu_ref_init(&ctrl->users, ctrl_users_gone, 0,
			      GFP_KERNEL);
	if (ret)
		goto free_ida;
	init_completion(&ctrl->users_gone);
	init_waitqueue_head(&ctrl->state_wait);
	init_waitqueue_head(&ctrl->map_wait);
	nvdio_maps_init(ctrl);
	ctrl->shutdown_timeout = NVDIO_SHUTDOWN_MIN * HZ;
	mutex_init(&ctrl->lock);
	mutex_init(&ctrl->freeze_lock);
	INIT_LIST_HEAD(&ctrl->namespaces);
	INIT_LIST_HEAD(&ctrl->frozen_ns);
	init_llist_head(&ctrl->dirty);
	INIT_WORK(&ctrl->dirty_work, nvdio_direct_dirty_work);
	INIT_WORK(&ctrl->reset_work, ctrl_reset_work);
	INIT_DELAYED_WORK(&ctrl->event_work, nvdio_events_work);
	ratelimit_state_init(&ctrl->event_limit, DEFAULT_RATELIMIT_INTERVAL,
			     DEFAULT_RATELIMIT_BURST);
	ratelimit_set_flags(&ctrl->event_limit, RATELIMIT_MSG_ON_RELEASE);
	INIT_DELAYED_WORK(&ctrl->resend_work, nvdio_resend_work);
	INIT_DELAYED_WORK(&ctrl->watchdog, nvdio_watchdog_work);
	ctrl->pdev = pci_dev_get(pdev);
	nvdio_node_init(&ctrl->dev, &pdev->dev, ctrl_release);
	ret = dev_set_name(&ctrl->dev, "nvdio%d", ctrl->instance);
	if (!ret)
		ret = nvdio_mmio_alloc(ctrl);
	if (ret) {
		put_device(&ctrl->dev);
		return ERR_PTR(ret);
	}
	return ctrl;

free_ida:
	ida_free(&nvdio_ctrl_ida, ctrl->instance);
free:
	kfree(ctrl);
	return ERR_PTR(ret);
}

/* The part of nvdio_ctrl_start() that accesses the controller; lock held. */
static int ctrl_bring_up(struct nvdio_ctrl *ctrl)
{
	unsigned int i;
	int ret;

	ret = ctrl_connect(ctrl);
	if (ret)
		return ret;
	ret = nvdio_ctrl_alloc_queues(ctrl);
	if (ret)
		return ret;
	for (i = 0; i < ctrl->nr_io; i++) {
		ret = nvdio_queue_irq_on(ctrl->io[i], nvdio_complete_irq);
		if (ret)
			return ret;
	}
	ret = nvdio_ctrl_set_affinity(ctrl);
	if (ret)
		return ret;
	ret = nvdio_ctrl_create_queues(ctrl);
	if (ret)
		return ret;
	ret = nvdio_bounce_pool_alloc(ctrl, max(nvdio_bounce_buffers, 1U));
	if (ret)
		return ret;
	if (!nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_LIVE))
		return -EIO;

	ret = nvdio_node_add(&ctrl->dev, &ctrl->cdev, NVDIO_NODE_CTRL);
	if (ret)
		return ret;
	nvdio_events_enable(ctrl);
	return nvdio_ns_scan(ctrl);
}

/**
 * nvdio_ctrl_start() - bring up a controller
 * @ctrl: controller with its BAR mapped and interrupt vectors allocated
 *
 * Context: may sleep.
 * Return: 0 or -errno; on error nvdio_ctrl_remove() cleans up.
 */
int nvdio_ctrl_start(struct nvdio_ctrl *ctrl)
{
	struct device *dev = ctrl->dev.parent;
	int ret;

	ret = nvdio_regs_read_caps(ctrl);
	if (ret)
		return ret;

	/*
	 * One workqueue for each thing that work may wait for, so that no work
	 * queues behind work that waits for something else (invariant 12).
	 * Unbound, since copying is CPU intensive.
	 */
	ctrl->copy_wq = alloc_workqueue("nvdio%d-copy",
					WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					ctrl->instance);
	ctrl->send_wq = alloc_workqueue("nvdio%d-send",
					WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					ctrl->instance);
	/*
	 * Work that waits for mapping space must not block work that frees
	 * some.
	 */
	if (!ctrl->linear)
		ctrl->map_wq = alloc_workqueue("nvdio%d-map",
					       WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					       ctrl->instance);
	ctrl->finish_wq = alloc_workqueue("nvdio%d-finish",
					  WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					  ctrl->instance);
	ctrl->reset_wq = alloc_workqueue("nvdio%d-reset",
					 WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					 ctrl->instance);
	ctrl->desc_pages = dma_pool_create("nvdio lists", dev, NVDIO_MPS,
					   NVDIO_MPS, 0);
	ctrl->admin = nvdio_queue_alloc(ctrl, 0, NVDIO_ADMIN_DEPTH,
					dev_to_node(dev));
	if (!ctrl->copy_wq || !ctrl->send_wq ||
	    !ctrl->finish_wq || !ctrl->reset_wq || !ctrl->desc_pages ||
	    !ctrl->admin || (!ctrl->linear && !ctrl->map_wq))
		return -ENOMEM;
	ctrl->admin->vector = 0;
	ctrl->admin->irq_shared = ctrl->nr_vectors == 1;
	ctrl->admin->timeout = nvdio_timeout(nvdio_admin_timeout);
	ret = nvdio_queue_irq_on(ctrl->admin, nvdio_complete_irq);
	if (ret)
		return ret;

	mutex_lock(&ctrl->lock);
	ret = ctrl_bring_up(ctrl);
	mutex_unlock(&ctrl->lock);
	if (ret)
		return ret;
	queue_delayed_work(ctrl->reset_wq, &ctrl->watchdog, HZ);
	nvdio_hwmon_add(ctrl);
	return 0;
}

/*
 * Make the holder of the lock give up waiting, and admit nothing new. Work
 * items that are still running notice the state.
 */
static void ctrl_leave(struct nvdio_ctrl *ctrl)
{
	WRITE_ONCE(ctrl->leaving, true);
	nvdio_ctrl_lock_urgent(ctrl);
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_DELETING);
	mutex_unlock(&ctrl->lock);
	/* The controller may report an event as long as it is enabled. */
	disable_delayed_work_sync(&ctrl->watchdog);
	disable_delayed_work_sync(&ctrl->recovery_work);
	disable_delayed_work_sync(&ctrl->event_work);
	disable_work_sync(&ctrl->reset_work);
}

/* Shut the controller down for good. @drain: let I/O end first. */
static void ctrl_finish(struct nvdio_ctrl *ctrl, bool drain)
{
	if (drain)
		nvdio_ctrl_drain(ctrl, NVDIO_DRAIN_TIMEOUT);
	nvdio_ctrl_halt(ctrl, true, NVDIO_SC_GONE);
}

/**
 * nvdio_ctrl_remove() - undo nvdio_ctrl_start(), even if it failed halfway
 * @ctrl: controller; open files may still refer to it afterwards
 *
 * New calls are refused, those in progress get a few seconds, then the
 * controller is shut down and the remaining I/O ends with -ENODEV (invariants 2
 * and 10).
 *
 * Context: may sleep.
 */
void nvdio_ctrl_remove(struct nvdio_ctrl *ctrl)
{
	struct device *dev = ctrl->dev.parent;
	bool present = pci_device_is_present(ctrl->pdev);
	unsigned int i;

	ctrl_leave(ctrl);
	mutex_lock(&ctrl->lock);
	nvdio_ns_remove_all(ctrl);
	mutex_unlock(&ctrl->lock);
	nvdio_hwmon_remove(ctrl);
	nvdio_node_remove(&ctrl->dev, &ctrl->cdev);

	ctrl_finish(ctrl, present);
	/* Nothing is left to send. */
	disable_delayed_work_sync(&ctrl->resend_work);

	wait_for_completion(&ctrl->users_gone);
	if (ctrl->copy_wq)
		destroy_workqueue(ctrl->copy_wq);
	if (ctrl->map_wq)
		destroy_workqueue(ctrl->map_wq);
	if (ctrl->send_wq)
		destroy_workqueue(ctrl->send_wq);
	if (ctrl->finish_wq)
		destroy_workqueue(ctrl->finish_wq);
	if (ctrl->reset_wq)
		destroy_workqueue(ctrl->reset_wq);
	/* Only requests between two states are left; they need no time. */
	nvdio_ctrl_drain(ctrl, MAX_SCHEDULE_TIMEOUT / 2);
	nvdio_maps_unbind(ctrl);
	nvdio_mmio_end(ctrl);
	nvdio_cmb_free(ctrl);

	nvdio_ctrl_clear_affinity(ctrl);
	for (i = 0; i < ctrl->nr_alloc; i++) {
		nvdio_queue_irq_off(ctrl->io[i]);
		nvdio_xfer_pool_free_dma(ctrl->io[i]);
		nvdio_queue_free_dma(ctrl->io[i]);
	}
	if (ctrl->admin) {
		nvdio_queue_irq_off(ctrl->admin);
		nvdio_queue_free_dma(ctrl->admin);
	}
	nvdio_bounce_pool_free(ctrl);
	nvdio_hmb_free(ctrl);
	dma_pool_destroy(ctrl->desc_pages);
	ctrl->desc_pages = NULL;
	if (ctrl->dbbuf_dbs)
		dma_free_coherent(dev, NVDIO_MPS, ctrl->dbbuf_dbs,
				  ctrl->dbbuf_dbs_dma);
	if (ctrl->dbbuf_eis)
		dma_free_coherent(dev, NVDIO_MPS, ctrl->dbbuf_eis,
				  ctrl->dbbuf_eis_dma);
}

/**
 * nvdio_ctrl_shutdown() - system shutdown: flush caches and shut down
 * @ctrl: controller
 *
 * Context: may sleep.
 */
void nvdio_ctrl_shutdown(struct nvdio_ctrl *ctrl)
{
	ctrl_leave(ctrl);
	mutex_lock(&ctrl->lock);
	ctrl_finish(ctrl, true);
	mutex_unlock(&ctrl->lock);
}
