// SPDX-License-Identifier: GPL-2.0
/* A controller's I/O queues as a whole. */
#include <linux/interrupt.h>
#include <linux/slab.h>

#include "admin.h"
#include "ctrl.h"
#include "ctrl_queues.h"

/* Let submitters through, hold them, or refuse them, in all I/O queues. */
void nvdio_ctrl_set_queues(struct nvdio_ctrl *ctrl,
			   enum nvdio_queue_state state)
{
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_set_state(ctrl->io[i], state);
}

/**
 * nvdio_ctrl_create_queues() - create the I/O queues in the controller
 * @ctrl: enabled controller; the queues stay frozen
 *
 * Return: 0 or -errno.
 */
int nvdio_ctrl_create_queues(struct nvdio_ctrl *ctrl)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ctrl->nr_io; i++) {
		nvdio_queue_reset(ctrl->io[i]);
		ret = nvdio_admin_create_queue(ctrl, ctrl->io[i]);
		if (ret)
			return ret;
	}
	nvdio_admin_shadow(ctrl);
	return 0;
}

/**
 * nvdio_ctrl_cancel_all() - end all that is in flight in any queue
 * @ctrl: controller that is disabled, or gone (invariant 2)
 * @status: with which status
 *
 * Context: may sleep.
 */
void nvdio_ctrl_cancel_all(struct nvdio_ctrl *ctrl, u16 status)
{
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; i++)
		nvdio_queue_cancel(ctrl->io[i], status);
	if (ctrl->admin)
		nvdio_queue_cancel(ctrl->admin, status);
}

/**
 * nvdio_ctrl_drain() - wait until no I/O is in flight
 * @ctrl: controller whose queues let nobody through
 * @timeout: jiffies
 *
 * Context: may sleep.
 * Return: false if that took too long.
 */
bool nvdio_ctrl_drain(struct nvdio_ctrl *ctrl, unsigned long timeout)
{
	unsigned long end = jiffies + timeout;
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; ) {
		if (!nvdio_queue_in_use(ctrl->io[i], NULL)) {
			i++;
			continue;
		}
		if (time_after(jiffies, end))
			return false;
		schedule_timeout_uninterruptible(1);
	}
	return true;
}

/* Which CPU submits to which queue. */
static int nvdio_ctrl_map_cpus(struct nvdio_ctrl *ctrl)
{
	unsigned int nr_poll = ctrl->nr_io - ctrl->nr_irq;
	unsigned int cpu;

	ctrl->cpu_queue = kcalloc(nr_cpu_ids, sizeof(*ctrl->cpu_queue),
				  GFP_KERNEL);
	ctrl->cpu_poll_queue = kcalloc(nr_cpu_ids,
				       sizeof(*ctrl->cpu_poll_queue),
				       GFP_KERNEL);
	if (!ctrl->cpu_queue || !ctrl->cpu_poll_queue)
		return -ENOMEM;
	for (cpu = 0; cpu < nr_cpu_ids; cpu++) {
		struct nvdio_queue *q = ctrl->io[cpu % ctrl->nr_irq];

		ctrl->cpu_queue[cpu] = q;
		if (nr_poll)
			q = ctrl->io[ctrl->nr_irq + cpu % nr_poll];
		ctrl->cpu_poll_queue[cpu] = q;
	}
	return 0;
}

/**
 * nvdio_ctrl_alloc_queues() - allocate the I/O queues
 * @ctrl: controller whose admin queue is live
 *
 * One for each CPU, as far as the controller and the vectors allow, and the
 * polled ones behind them.
 *
 * Return: 0 or -errno.
 */
int nvdio_ctrl_alloc_queues(struct nvdio_ctrl *ctrl)
{
	unsigned int nr_irq, nr_poll, count, i;
	u16 depth;
	int ret;

	nr_irq = ctrl->nr_vectors > 1 ? ctrl->nr_vectors - 1 : 1;
	nr_irq = min(nr_irq, num_possible_cpus());
	nr_poll = min(nvdio_poll_queues, num_possible_cpus());
	/* Doorbells that the BAR has room for, the admin queue's not counted. */
	count = (ctrl->bar_size - NVME_REG_DBS) / (2 * ctrl->db_stride) - 1;
	count = min(count, nr_irq + nr_poll);
	if (!count)
		return -ENODEV;
	ret = nvdio_admin_queue_count(ctrl, &count);
	if (ret)
		return ret;
	/* If there are too few, interrupts come first. */
	nr_irq = min(nr_irq, count);
	nr_poll = min(nr_poll, count - nr_irq);

	depth = clamp(nvdio_io_queue_depth, 2U, NVDIO_TAGS_MAX + 1);
	depth = min_t(u32, depth, NVME_CAP_MQES(ctrl->cap) + 1);
	ctrl->io_depth = depth;
	ctrl->io = kcalloc(nr_irq + nr_poll, sizeof(*ctrl->io), GFP_KERNEL);
	if (!ctrl->io)
		return -ENOMEM;
	for (i = 0; i < nr_irq + nr_poll; i++) {
		struct nvdio_queue *q;
		int node = i < nr_irq && cpu_possible(i) ? cpu_to_node(i) :
			   dev_to_node(ctrl->dev.parent);

		q = nvdio_queue_alloc(ctrl, i + 1, depth, node);
		if (!q)
			return -ENOMEM;
		ctrl->io[i] = q;
		ctrl->nr_alloc = i + 1;
		q->timeout = nvdio_timeout(nvdio_io_timeout);
		if (i >= nr_irq)
			continue;
		q->vector = ctrl->nr_vectors > 1 ? i + 1 : 0;
		q->irq_shared = ctrl->nr_vectors == 1;
	}
	ctrl->nr_irq = nr_irq;
	ctrl->nr_io = nr_irq + nr_poll;
	return nvdio_ctrl_map_cpus(ctrl);
}

/* Send each queue's interrupt to the CPU that submits to it. */
void nvdio_ctrl_set_affinity(struct nvdio_ctrl *ctrl)
{
	unsigned int i;

	if (ctrl->nr_vectors == 1)
		return;
	/*
	 * Not managed by the irq core, which would shut the interrupt down
	 * with its CPU: other CPUs' submitters may have commands in the queue.
	 */
	for (i = 0; i < ctrl->nr_irq; i++) {
		if (cpu_online(i))
			irq_set_affinity_and_hint(pci_irq_vector(ctrl->pdev,
								 i + 1),
						  cpumask_of(i));
	}
}

/* The queue that a request belongs to. */
struct nvdio_queue *nvdio_ctrl_queue_of(struct nvdio_ctrl *ctrl,
					struct nvdio_request *req)
{
	unsigned int i;

	for (i = 0; i < ctrl->nr_io; i++) {
		struct nvdio_queue *q = ctrl->io[i];

		if (req >= q->reqs && req < q->reqs + q->nr_reqs)
			return q;
	}
	return ctrl->admin;
}

/* Undo nvdio_ctrl_set_affinity(), before the interrupts are freed. */
void nvdio_ctrl_clear_affinity(struct nvdio_ctrl *ctrl)
{
	unsigned int i;

	if (ctrl->nr_vectors == 1)
		return;
	for (i = 0; i < ctrl->nr_irq; i++)
		irq_set_affinity_and_hint(pci_irq_vector(ctrl->pdev, i + 1),
					  NULL);
}
