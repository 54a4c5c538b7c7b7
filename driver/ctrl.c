// SPDX-License-Identifier: GPL-2.0
/* A controller's life: enabling, resetting, removing. */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/dmapool.h>
#include <linux/io-64-nonatomic-lo-hi.h>
#include <linux/slab.h>

#include "admin.h"
#include "ctrl.h"
#include "ctrl_queues.h"
#include "events.h"
#include "file.h"
#include "node.h"
#include "ns.h"
#include "pool.h"

#define NVDIO_ADMIN_DEPTH	32
/* How long unbind waits for I/O to end by itself before it stops it. */
#define NVDIO_DRAIN_TIMEOUT	(5 * HZ)

static DEFINE_IDA(nvdio_ctrl_ida);

static void nvdio_ctrl_set_state(struct nvdio_ctrl *ctrl,
				 enum nvdio_ctrl_state state)
{
	spin_lock(&ctrl->state_lock);
	ctrl->state = state;
	spin_unlock(&ctrl->state_lock);
	wake_up_all(&ctrl->state_wait);
}

/*
 * Wait until CSTS has @value under @mask.
 * Return: 0, -ENODEV if the device is gone, -EIO, or -ETIMEDOUT.
 */
static int nvdio_ctrl_wait(struct nvdio_ctrl *ctrl, u32 mask, u32 value,
			   unsigned long timeout)
{
	unsigned long end = jiffies + timeout;

	for (;;) {
		u32 csts = readl(ctrl->bar + NVME_REG_CSTS);

		if (csts == ~0U)
			return -ENODEV;
		if ((csts & mask) == value)
			return 0;
		if (value && (csts & NVME_CSTS_CFS))
			return -EIO;
		if (time_after(jiffies, end))
			return -ETIMEDOUT;
		usleep_range(200, 1000);
	}
}

/* CAP.TO: worst case for CSTS.RDY to follow CC.EN. */
static unsigned long ready_timeout(struct nvdio_ctrl *ctrl)
{
	return (NVME_CAP_TIMEOUT(ctrl->cap) + 1) * HZ / 2;
}

/*
 * Make sure that the controller touches memory no more (NVMe Base 2.0, 3.5.3,
 * 3.6.1): CC.EN = 0 and CSTS.RDY = 0; if it does not come to that, it loses
 * the right to be bus master (invariant 2).
 */
static void nvdio_ctrl_disable(struct nvdio_ctrl *ctrl, bool shutdown)
{
	int ret;

	if (readl(ctrl->bar + NVME_REG_CSTS) == ~0U)
		return;
	if (shutdown && (ctrl->cc & NVME_CC_ENABLE)) {
		/* Normal shutdown first, so that a volatile cache is saved. */
		ctrl->cc &= ~NVME_CC_SHN_MASK;
		ctrl->cc |= NVME_CC_SHN_NORMAL;
		writel(ctrl->cc, ctrl->bar + NVME_REG_CC);
		ret = nvdio_ctrl_wait(ctrl, NVME_CSTS_SHST_MASK,
				      NVME_CSTS_SHST_CMPLT, 5 * HZ);
		if (ret)
			dev_warn(&ctrl->dev, "shutdown did not complete: %d\n",
				 ret);
	}
	ctrl->cc &= ~(NVME_CC_SHN_MASK | NVME_CC_ENABLE);
	writel(ctrl->cc, ctrl->bar + NVME_REG_CC);
	ret = nvdio_ctrl_wait(ctrl, NVME_CSTS_RDY, 0, ready_timeout(ctrl));
	if (ret && ret != -ENODEV) {
		dev_err(&ctrl->dev, "controller does not stop: %d\n", ret);
		pci_clear_master(ctrl->pdev);
	}
}

/* Reset the registers and bring up the admin queue (NVMe Base 2.0, 3.5.1). */
static int nvdio_ctrl_enable(struct nvdio_ctrl *ctrl)
{
	u32 aqa = NVDIO_ADMIN_DEPTH - 1;
	int ret;

	pci_set_master(ctrl->pdev);
	ctrl->cc = readl(ctrl->bar + NVME_REG_CC);
	nvdio_ctrl_disable(ctrl, false);
	ret = nvdio_ctrl_wait(ctrl, NVME_CSTS_RDY, 0, 0);
	if (ret)
		return ret;

	nvdio_queue_reset(ctrl->admin);
	writel(aqa | aqa << 16, ctrl->bar + NVME_REG_AQA);
	lo_hi_writeq(ctrl->admin->sq_dma, ctrl->bar + NVME_REG_ASQ);
	lo_hi_writeq(ctrl->admin->cq_dma, ctrl->bar + NVME_REG_ACQ);

	ctrl->cc = NVME_CC_CSS_NVM |
		   (NVDIO_MPS_SHIFT - 12) << NVME_CC_MPS_SHIFT |
		   NVME_CC_AMS_RR | NVME_CC_SHN_NONE |
		   NVME_CC_IOSQES | NVME_CC_IOCQES | NVME_CC_ENABLE;
	writel(ctrl->cc, ctrl->bar + NVME_REG_CC);
	ret = nvdio_ctrl_wait(ctrl, NVME_CSTS_RDY, NVME_CSTS_RDY,
			      ready_timeout(ctrl));
	if (ret) {
		dev_err(&ctrl->dev, "controller does not get ready: %d\n", ret);
		return ret;
	}
	nvdio_queue_set_state(ctrl->admin, NVDIO_QUEUE_LIVE);
	return 0;
}

/**
 * nvdio_ctrl_lost() - give up a controller that does not answer
 * @ctrl: controller
 *
 * All that is in flight ends with an error, all that comes fails with -ENODEV.
 * Unbinding is all that can be done with the controller then.
 *
 * Context: may sleep; called by whoever waits for an admin command.
 */
void nvdio_ctrl_lost(struct nvdio_ctrl *ctrl)
{
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_DEAD);
	nvdio_queue_set_state(ctrl->admin, NVDIO_QUEUE_DEAD);
	nvdio_ctrl_set_queues(ctrl, NVDIO_QUEUE_DEAD);
	nvdio_ctrl_disable(ctrl, false);
	nvdio_ctrl_cancel_all(ctrl, NVDIO_SC_GONE);
}

static int nvdio_ctrl_do_reset(struct nvdio_ctrl *ctrl, bool drain)
{
	int ret;

	mutex_lock(&ctrl->lock);
	if (ctrl->state != NVDIO_CTRL_LIVE) {
		ret = ctrl->state == NVDIO_CTRL_DEAD ? -ENODEV : -EBUSY;
		goto unlock;
	}
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_RESETTING);
	nvdio_ctrl_set_queues(ctrl, NVDIO_QUEUE_FROZEN);
	if (drain)
		nvdio_ctrl_drain(ctrl, NVDIO_DRAIN_TIMEOUT);
	nvdio_queue_set_state(ctrl->admin, NVDIO_QUEUE_FROZEN);
	nvdio_ctrl_disable(ctrl, false);
	nvdio_ctrl_cancel_all(ctrl, NVDIO_SC_RESET);

	ret = nvdio_ctrl_enable(ctrl);
	if (!ret) {
		unsigned int count = ctrl->nr_io;

		ret = nvdio_admin_queue_count(ctrl, &count);
		if (!ret && count < ctrl->nr_io)
			ret = -EIO;
	}
	if (!ret)
		ret = nvdio_ctrl_create_queues(ctrl);
	if (ret) {
		dev_err(&ctrl->dev, "reset failed: %d\n", ret);
		nvdio_ctrl_lost(ctrl);
		goto unlock;
	}
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_LIVE);
	if (!ctrl->frozen)
		nvdio_ctrl_set_queues(ctrl, NVDIO_QUEUE_LIVE);
	nvdio_events_enable(ctrl);
unlock:
	mutex_unlock(&ctrl->lock);
	return ret;
}

/**
 * nvdio_ctrl_reset() - reset a controller at a user's wish
 * @ctrl: controller
 *
 * I/O in flight is let end first, I/O that comes meanwhile waits.
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_ctrl_reset(struct nvdio_ctrl *ctrl)
{
	return nvdio_ctrl_do_reset(ctrl, true);
}

/**
 * nvdio_ctrl_freeze() - let all I/O end, and hold what comes
 * @ctrl: controller
 *
 * A read-modify-write of the copy path is not cut in two either. Admin commands
 * go on, and resets too, which do not end the freeze.
 *
 * Context: may sleep, for as long as I/O commands take.
 * Return: 0, and nvdio_ctrl_unfreeze() has to follow; -ENODEV; -EBUSY if
 * commands do not end.
 */
int nvdio_ctrl_freeze(struct nvdio_ctrl *ctrl)
{
	int ret;

	mutex_lock(&ctrl->freeze_lock);
	/* Claims come first: who holds one may need to send to give it up. */
	ret = nvdio_ns_claim_all(ctrl);
	if (ret) {
		mutex_unlock(&ctrl->freeze_lock);
		return ret;
	}
	mutex_lock(&ctrl->lock);
	ctrl->frozen = true;
	if (ctrl->state == NVDIO_CTRL_LIVE)
		nvdio_ctrl_set_queues(ctrl, NVDIO_QUEUE_FROZEN);
	mutex_unlock(&ctrl->lock);
	if (nvdio_ctrl_gone(ctrl)) {
		nvdio_ctrl_unfreeze(ctrl);
		return -ENODEV;
	}
	if (!nvdio_ctrl_drain(ctrl, nvdio_io_timeout * HZ)) {
		nvdio_ctrl_unfreeze(ctrl);
		return -EBUSY;
	}
	return 0;
}

/* Let I/O go on. */
void nvdio_ctrl_unfreeze(struct nvdio_ctrl *ctrl)
{
	mutex_lock(&ctrl->lock);
	ctrl->frozen = false;
	if (ctrl->state == NVDIO_CTRL_LIVE)
		nvdio_ctrl_set_queues(ctrl, NVDIO_QUEUE_LIVE);
	mutex_unlock(&ctrl->lock);
	nvdio_ns_release_all(ctrl);
	mutex_unlock(&ctrl->freeze_lock);
}

static void nvdio_ctrl_reset_work(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(work, struct nvdio_ctrl,
					       reset_work);

	nvdio_ctrl_do_reset(ctrl, false);
}

/*
 * Once a second: is a command overdue, or the controller in a fatal state? No
 * timer is armed for each command (invariant 4). A lost interrupt is made up
 * for by polling; everything else is a case for a reset.
 */
static void nvdio_ctrl_watchdog(struct work_struct *work)
{
	struct nvdio_ctrl *ctrl = container_of(to_delayed_work(work),
					       struct nvdio_ctrl, watchdog);
	u32 csts = readl(ctrl->bar + NVME_REG_CSTS);
	bool bad = csts == ~0U || (csts & NVME_CSTS_CFS);
	unsigned int i;

	/* The admin queue last: it has user space's commands. */
	for (i = 0; i <= ctrl->nr_io && !bad; i++) {
		struct nvdio_queue *q = i < ctrl->nr_io ? ctrl->io[i] :
							  ctrl->admin;

		if (!nvdio_queue_timed_out(q))
			continue;
		dev_warn(&ctrl->dev, "queue %u: command timed out, resetting\n",
			 q->qid);
		bad = true;
	}
	if (bad)
		queue_work(ctrl->reset_wq, &ctrl->reset_work);
	queue_delayed_work(ctrl->reset_wq, &ctrl->watchdog, HZ);
}

static void nvdio_ctrl_users_gone(struct percpu_ref *ref)
{
	complete(&container_of(ref, struct nvdio_ctrl, users)->users_gone);
}

static void nvdio_ctrl_release(struct device *dev)
{
	struct nvdio_ctrl *ctrl = container_of(dev, struct nvdio_ctrl, dev);
	unsigned int i;

	for (i = 0; i < ctrl->nr_alloc; i++)
		nvdio_queue_free(ctrl->io[i]);
	if (ctrl->admin)
		nvdio_queue_free(ctrl->admin);
	kfree(ctrl->effects);
	kfree(ctrl->io);
	kfree(ctrl->cpu_queue);
	kfree(ctrl->cpu_poll_queue);
	percpu_ref_exit(&ctrl->users);
	pci_dev_put(ctrl->pdev);
	ida_free(&nvdio_ctrl_ida, ctrl->instance);
	kfree(ctrl);
}

/**
 * nvdio_ctrl_alloc() - allocate a controller
 * @pdev: its device
 *
 * Return: the controller with one reference to its device; or ERR_PTR().
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
	ret = percpu_ref_init(&ctrl->users, nvdio_ctrl_users_gone, 0,
			      GFP_KERNEL);
	if (ret)
		goto free_ida;
	init_completion(&ctrl->users_gone);
	spin_lock_init(&ctrl->state_lock);
	init_waitqueue_head(&ctrl->state_wait);
	init_waitqueue_head(&ctrl->map_wait);
	mutex_init(&ctrl->lock);
	mutex_init(&ctrl->freeze_lock);
	INIT_LIST_HEAD(&ctrl->namespaces);
	INIT_LIST_HEAD(&ctrl->frozen_ns);
	init_llist_head(&ctrl->dirty);
	INIT_WORK(&ctrl->dirty_work, nvdio_dirty_work);
	INIT_WORK(&ctrl->reset_work, nvdio_ctrl_reset_work);
	INIT_WORK(&ctrl->event_work, nvdio_events_work);
	INIT_DELAYED_WORK(&ctrl->watchdog, nvdio_ctrl_watchdog);
	ctrl->pdev = pci_dev_get(pdev);
	nvdio_node_init(&ctrl->dev, &pdev->dev, nvdio_ctrl_release);
	dev_set_name(&ctrl->dev, "nvdio%d", ctrl->instance);
	return ctrl;

free_ida:
	ida_free(&nvdio_ctrl_ida, ctrl->instance);
free:
	kfree(ctrl);
	return ERR_PTR(ret);
}

/**
 * nvdio_ctrl_start() - bring up a controller whose BAR and vectors are there
 * @ctrl: controller
 *
 * Return: 0 or -errno; on error nvdio_ctrl_remove() cleans up.
 */
int nvdio_ctrl_start(struct nvdio_ctrl *ctrl)
{
	struct device *dev = ctrl->dev.parent;
	unsigned int i;
	int ret;

	ctrl->cap = lo_hi_readq(ctrl->bar + NVME_REG_CAP);
	ctrl->vs = readl(ctrl->bar + NVME_REG_VS);
	ctrl->db_stride = 4U << NVME_CAP_STRIDE(ctrl->cap);
	if (ctrl->cap == ~0ULL)
		return -ENODEV;
	if (NVME_CAP_MPSMIN(ctrl->cap) > NVDIO_MPS_SHIFT - 12 ||
	    !(ctrl->cap >> 37 & 1)) {
		dev_err(dev, "no 4 KiB pages, or no NVM command set (CAP %#llx)\n",
			ctrl->cap);
		return -ENODEV;
	}
	if (ctrl->bar_size < NVME_REG_DBS + 4 * ctrl->db_stride) {
		dev_err(dev, "BAR 0 has no room for doorbells\n");
		return -ENODEV;
	}

	/*
	 * One for each thing that its work may wait for, so that nothing stands
	 * in a queue behind what waits for it (invariant 12). Unbound, since
	 * copying takes its time.
	 */
	ctrl->copy_wq = alloc_workqueue("nvdio%d-copy",
					WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					ctrl->instance);
	ctrl->fault_wq = alloc_workqueue("nvdio%d-fault", WQ_UNBOUND,
					 WQ_MAX_ACTIVE, ctrl->instance);
	ctrl->send_wq = alloc_workqueue("nvdio%d-send",
					WQ_UNBOUND | WQ_MEM_RECLAIM, 0,
					ctrl->instance);
	/* Those who wait for room must not keep others from giving some. */
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
	ctrl->lists = dma_pool_create("nvdio lists", dev, NVDIO_MPS, NVDIO_MPS,
				      0);
	ctrl->admin = nvdio_queue_alloc(ctrl, 0, NVDIO_ADMIN_DEPTH,
					dev_to_node(dev));
	if (!ctrl->copy_wq || !ctrl->fault_wq || !ctrl->send_wq ||
	    !ctrl->finish_wq || !ctrl->reset_wq || !ctrl->lists ||
	    !ctrl->admin || (!ctrl->linear && !ctrl->map_wq))
		return -ENOMEM;
	ctrl->admin->vector = 0;
	ctrl->admin->irq_shared = ctrl->nr_vectors == 1;
	ctrl->admin->timeout = nvdio_admin_timeout * HZ;
	ret = nvdio_queue_request_irq(ctrl->admin);
	if (ret)
		return ret;

	ret = nvdio_ctrl_enable(ctrl);
	if (ret)
		return ret;
	ret = nvdio_admin_identify_ctrl(ctrl);
	if (ret)
		return ret;
	ret = nvdio_ctrl_alloc_queues(ctrl);
	if (ret)
		return ret;
	for (i = 0; i < ctrl->nr_io; i++) {
		ret = nvdio_queue_request_irq(ctrl->io[i]);
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
	nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_LIVE);
	nvdio_ctrl_set_queues(ctrl, NVDIO_QUEUE_LIVE);

	ret = nvdio_node_add(&ctrl->dev, &ctrl->cdev, &nvdio_ctrl_fops);
	if (ret)
		return ret;
	mutex_lock(&ctrl->lock);
	nvdio_events_enable(ctrl);
	ret = nvdio_ns_scan(ctrl);
	mutex_unlock(&ctrl->lock);
	if (ret)
		return ret;
	queue_delayed_work(ctrl->reset_wq, &ctrl->watchdog, HZ);
	return 0;
}

/**
 * nvdio_ctrl_remove() - undo nvdio_ctrl_start(), however far it came
 * @ctrl: controller; open files may still refer to it afterwards
 *
 * New calls are refused, those under way get some seconds, then the controller
 * is stopped and what is left ends with -ENODEV (invariants 2 and 10).
 *
 * Context: may sleep.
 */
void nvdio_ctrl_remove(struct nvdio_ctrl *ctrl)
{
	struct device *dev = ctrl->dev.parent;
	bool present = pci_device_is_present(ctrl->pdev);
	unsigned int i;

	mutex_lock(&ctrl->lock);
	if (ctrl->state != NVDIO_CTRL_DEAD)
		nvdio_ctrl_set_state(ctrl, NVDIO_CTRL_DELETING);
	mutex_unlock(&ctrl->lock);
	cancel_delayed_work_sync(&ctrl->watchdog);
	cancel_work_sync(&ctrl->event_work);
	cancel_work_sync(&ctrl->reset_work);

	mutex_lock(&ctrl->lock);
	nvdio_ns_remove_all(ctrl);
	mutex_unlock(&ctrl->lock);
	nvdio_node_remove(&ctrl->dev, &ctrl->cdev);

	nvdio_ctrl_set_queues(ctrl, NVDIO_QUEUE_DEAD);
	percpu_ref_kill(&ctrl->users);
	if (present)
		nvdio_ctrl_drain(ctrl, NVDIO_DRAIN_TIMEOUT);
	if (ctrl->admin)
		nvdio_queue_set_state(ctrl->admin, NVDIO_QUEUE_DEAD);
	nvdio_ctrl_disable(ctrl, true);
	nvdio_ctrl_cancel_all(ctrl, NVDIO_SC_GONE);

	wait_for_completion(&ctrl->users_gone);
	if (ctrl->fault_wq)
		destroy_workqueue(ctrl->fault_wq);
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
	/* What is left are requests between two states, which take no time. */
	nvdio_ctrl_drain(ctrl, MAX_SCHEDULE_TIMEOUT / 2);

	nvdio_ctrl_clear_affinity(ctrl);
	for (i = 0; i < ctrl->nr_alloc; i++) {
		nvdio_queue_free_irq(ctrl->io[i]);
		nvdio_queue_free_dma(ctrl->io[i]);
	}
	if (ctrl->admin) {
		nvdio_queue_free_irq(ctrl->admin);
		nvdio_queue_free_dma(ctrl->admin);
	}
	nvdio_bounce_pool_free(ctrl);
	dma_pool_destroy(ctrl->lists);
	ctrl->lists = NULL;
	if (ctrl->shadow)
		dma_free_coherent(dev, NVDIO_MPS, ctrl->shadow,
				  ctrl->shadow_dma);
	if (ctrl->event)
		dma_free_coherent(dev, NVDIO_MPS, ctrl->event, ctrl->event_dma);
}

/**
 * nvdio_ctrl_shutdown() - the machine goes down: let the controller save
 * @ctrl: controller
 */
void nvdio_ctrl_shutdown(struct nvdio_ctrl *ctrl)
{
	cancel_delayed_work_sync(&ctrl->watchdog);
	cancel_work_sync(&ctrl->reset_work);
	nvdio_ctrl_set_queues(ctrl, NVDIO_QUEUE_DEAD);
	nvdio_ctrl_drain(ctrl, NVDIO_DRAIN_TIMEOUT);
	nvdio_queue_set_state(ctrl->admin, NVDIO_QUEUE_DEAD);
	nvdio_ctrl_disable(ctrl, true);
	nvdio_ctrl_cancel_all(ctrl, NVDIO_SC_GONE);
}
