// SPDX-License-Identifier: GPL-2.0
/*
 * The set of I/O queues of a controller: allocation, mapping of CPUs to queues,
 * and interrupt affinity.
 */
#include <linux/cpuhotplug.h>
#include <linux/interrupt.h>
#include <linux/nodemask.h>
#include <linux/slab.h>

#include "pure/tags.h"
#include "core/compat.h"
#include "core/ctrl.h"
#include "core/params.h"
#include "core/quirks.h"
#include "hw/queue.h"
#include "io/xfer_pool.h"
#include "ctrl/admin.h"
#include "ctrl/queues.h"

/**
 * nvdio_ctrl_create_queues() - create the I/O queues in the controller
 * @ctrl: enabled controller, its lock held; the queues stay frozen
 *
 * Context: may sleep.
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
	nvdio_admin_dbbuf(ctrl);
	return 0;
}

/* Map the CPUs of each group to one of the @nr queues from @io on. */
static void ctrl_map_group(struct nvdio_queue **map,
			   struct nvdio_queue **io,
			   const struct cpumask *groups, unsigned int nr)
{
	unsigned int cpu, i;

	for (cpu = 0; cpu < nr_cpu_ids; cpu++)
		map[cpu] = io[0];
	for (i = 0; i < nr; i++) {
		for_each_cpu(cpu, &groups[i])
			map[cpu] = io[i];
	}
}

/*
 * Allocate a queue on the node of its submitters. The DMA API only knows the
 * device's node, which is therefore changed for a moment.
 */
static struct nvdio_queue *ctrl_alloc_queue(struct nvdio_ctrl *ctrl,
					    const struct cpumask *cpus)
{
	struct device *dev = ctrl->dev.parent;
	int home = dev_to_node(dev), node = home;
	struct nvdio_queue *q;

	if (cpus && !cpumask_empty(cpus))
		node = cpu_to_node(cpumask_first(cpus));
	if (node == NUMA_NO_NODE || !node_online(node))
		node = home;
	set_dev_node(dev, node);
	q = nvdio_queue_alloc(ctrl, ctrl->nr_alloc + 1, ctrl->io_depth, node);
	if (q) {
		ctrl->io[ctrl->nr_alloc++] = q;
		q->timeout = nvdio_timeout(nvdio_io_timeout);
		if (nvdio_xfer_pool_alloc(q, node))
			q = NULL;
	}
	set_dev_node(dev, home);
	return q;
}

/* Allocate the queues with interrupts, and map CPUs to them. */
static int ctrl_alloc_irq(struct nvdio_ctrl *ctrl, unsigned int nr)
{
	struct nvdio_queue *q;
	unsigned int i;

	ctrl->nr_irq_cpus = nr;
	ctrl->irq_cpus = nvdio_group_cpus(&ctrl->nr_irq_cpus);
	ctrl->cpu_queue = kcalloc(nr_cpu_ids, sizeof(*ctrl->cpu_queue),
				  GFP_KERNEL);
	if (!ctrl->irq_cpus || !ctrl->cpu_queue)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		q = ctrl_alloc_queue(ctrl, i < ctrl->nr_irq_cpus ?
					   &ctrl->irq_cpus[i] : NULL);
		if (!q)
			return -ENOMEM;
		q->vector = ctrl->nr_vectors > 1 ? i + 1 : 0;
		q->irq_shared = ctrl->nr_vectors == 1;
	}
	ctrl_map_group(ctrl->cpu_queue, ctrl->io, ctrl->irq_cpus,
		       ctrl->nr_irq_cpus);
	return 0;
}

/* The same for polled queues. If there are none, polling uses the others. */
static int ctrl_alloc_poll(struct nvdio_ctrl *ctrl, unsigned int nr)
{
	unsigned int nr_groups = nr, i;
	struct cpumask *groups;
	int ret = -ENOMEM;

	ctrl->cpu_poll_queue = kcalloc(nr_cpu_ids,
				       sizeof(*ctrl->cpu_poll_queue),
				       GFP_KERNEL);
	if (!ctrl->cpu_poll_queue)
		return -ENOMEM;
	if (!nr) {
		memcpy(ctrl->cpu_poll_queue, ctrl->cpu_queue,
		       nr_cpu_ids * sizeof(*ctrl->cpu_queue));
		return 0;
	}
	groups = nvdio_group_cpus(&nr_groups);
	if (!groups)
		return -ENOMEM;
	for (i = 0; i < nr; i++) {
		if (!ctrl_alloc_queue(ctrl, i < nr_groups ? &groups[i] :
							    NULL))
			goto free;
	}
	ctrl_map_group(ctrl->cpu_poll_queue, ctrl->io + ctrl->nr_irq,
		       groups, nr_groups);
	ret = 0;
free:
	kfree(groups);
	return ret;
}

/**
 * nvdio_ctrl_alloc_queues() - allocate the I/O queues
 * @ctrl: controller whose admin queue is live, its lock held
 *
 * One per CPU, as far as the controller and the vectors allow, followed by the
 * polled queues.
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_ctrl_alloc_queues(struct nvdio_ctrl *ctrl)
{
	unsigned int nr_irq, nr_poll, count;
	u16 depth;
	int ret;

	nr_irq = ctrl->nr_vectors > 1 ? ctrl->nr_vectors - 1 : 1;
	nr_irq = min(nr_irq, nvdio_max_queues());
	nr_poll = min(nvdio_poll_queues, nvdio_max_queues());
	/*
	 * Queue pairs whose doorbells fit into the BAR, not counting the admin
	 * queue.
	 */
	count = (ctrl->bar_size - NVME_REG_DBS) / (2 * ctrl->db_stride) - 1;
	count = min(count, nr_irq + nr_poll);
	if (!count)
		return -ENODEV;
	ret = nvdio_admin_queue_count(ctrl, &count);
	if (ret)
		return ret;
	/* If there are too few, queues with interrupts have precedence. */
	nr_irq = min(nr_irq, count);
	nr_poll = min(nr_poll, count - nr_irq);

	depth = clamp(nvdio_io_queue_depth, 2U, NVDIO_TAGS_MAX + 1);
	depth = min_t(u32, depth, NVME_CAP_MQES(ctrl->cap) + 1);
	if (ctrl->quirks & NVDIO_QUIRK_QDEPTH_ONE)
		depth = 2;
	ctrl->io_depth = depth;
	ctrl->io = kcalloc(nr_irq + nr_poll, sizeof(*ctrl->io), GFP_KERNEL);
	if (!ctrl->io)
		return -ENOMEM;
	ret = ctrl_alloc_irq(ctrl, nr_irq);
	if (ret)
		return ret;
	ctrl->nr_irq = nr_irq;
	ret = ctrl_alloc_poll(ctrl, nr_poll);
	if (ret)
		return ret;
	ctrl->nr_io = nr_irq + nr_poll;
	return 0;
}

static enum cpuhp_state nvdio_cpuhp_state;

/* Direct the interrupt of a queue to the CPUs that submit to it. */
static void ctrl_send_irq(struct nvdio_ctrl *ctrl, unsigned int i)
{
	const struct cpumask *cpus = &ctrl->irq_cpus[i];

	if (cpumask_intersects(cpus, cpu_online_mask))
		irq_set_affinity_and_hint(pci_irq_vector(ctrl->pdev, i + 1),
					  cpus);
}

/*
 * When the last of these CPUs went offline, the irq core moved the interrupt to
 * another CPU; it does not move it back.
 */
static int ctrl_cpu_online(unsigned int cpu, struct hlist_node *node)
{
	struct nvdio_ctrl *ctrl = hlist_entry(node, struct nvdio_ctrl, cpuhp);
	unsigned int i;

	for (i = 0; i < ctrl->nr_irq_cpus; i++) {
		if (cpumask_test_cpu(cpu, &ctrl->irq_cpus[i]))
			ctrl_send_irq(ctrl, i);
	}
	return 0;
}

/**
 * nvdio_ctrl_set_affinity() - direct interrupts to the submitting CPUs
 * @ctrl: controller whose I/O queues have their interrupts
 *
 * The affinity is not managed by the irq core, which would shut down an
 * interrupt when the last of its CPUs goes offline: tasks that have moved to
 * other CPUs may still have commands in the queue.
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_ctrl_set_affinity(struct nvdio_ctrl *ctrl)
{
	unsigned int i;
	int ret;

	if (ctrl->nr_vectors == 1)
		return 0;
	ret = cpuhp_state_add_instance_nocalls(nvdio_cpuhp_state, &ctrl->cpuhp);
	if (ret)
		return ret;
	ctrl->cpuhp_on = true;
	for (i = 0; i < ctrl->nr_irq_cpus; i++)
		ctrl_send_irq(ctrl, i);
	return 0;
}

/**
 * nvdio_ctrl_clear_affinity() - undo nvdio_ctrl_set_affinity()
 * @ctrl: controller whose interrupts are not freed yet
 *
 * Context: may sleep.
 */
void nvdio_ctrl_clear_affinity(struct nvdio_ctrl *ctrl)
{
	unsigned int i;

	if (ctrl->cpuhp_on) {
		cpuhp_state_remove_instance_nocalls(nvdio_cpuhp_state,
						    &ctrl->cpuhp);
		ctrl->cpuhp_on = false;
		for (i = 0; i < ctrl->nr_irq_cpus; i++)
			irq_update_affinity_hint(pci_irq_vector(ctrl->pdev,
								i + 1), NULL);
	}
	kfree(ctrl->irq_cpus);
	ctrl->irq_cpus = NULL;
}

/**
 * nvdio_ctrl_cpuhp_init() - set up the CPU hotplug state, at module load
 *
 * Context: may sleep.
 * Return: 0 or -errno.
 */
int nvdio_ctrl_cpuhp_init(void)
{
	int ret = cpuhp_setup_state_multi(CPUHP_AP_ONLINE_DYN, "nvdio:online",
					  ctrl_cpu_online, NULL);

	if (ret < 0)
		return ret;
	nvdio_cpuhp_state = ret;
	return 0;
}

/**
 * nvdio_ctrl_cpuhp_exit() - remove the CPU hotplug state, at module unload
 *
 * Context: may sleep.
 */
void nvdio_ctrl_cpuhp_exit(void)
{
	cpuhp_remove_multi_state(nvdio_cpuhp_state);
}
