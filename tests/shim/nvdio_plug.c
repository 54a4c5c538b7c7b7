// SPDX-License-Identifier: GPL-2.0
/*
 * Makes a plug end in the middle of a reset, for tests. The first task that returns
 * from a read with a callback in its plug is held there: the controller has not been
 * told of its command yet. It is released when a reset returns from the function
 * @until, and the reset is released when the plug has ended.
 *
 * Both are held in a busy loop, because a task that goes to sleep ends its plug.
 *
 * Parameters:
 *	until	name of a function of nvdio that the reset calls
 *	seconds	most to wait for each other
 *	stage	read only, see enum
 */
#include <linux/atomic.h>
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>

enum {
	STAGE_IDLE,
	STAGE_HELD,		/* a task with a plug is held */
	STAGE_OPEN,		/* the reset has come to @until */
	STAGE_ENDED,		/* the plug has ended, and the reset goes on */
	STAGE_TIMED_OUT,
};

static char *until;
module_param(until, charp, 0444);
static uint seconds = 60;
module_param(seconds, uint, 0444);

static atomic_t stage = ATOMIC_INIT(STAGE_IDLE);
static struct task_struct *plugged;

static int stage_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%d\n", atomic_read(&stage));
}

static const struct kernel_param_ops stage_ops = { .get = stage_get };
module_param_cb(stage, &stage_ops, NULL, 0444);

/* Wait, without going to sleep, until the stage is not @now any more. */
static void hold(int now)
{
	unsigned int left = seconds * 1000;

	while (atomic_read(&stage) == now && left--)
		mdelay(1);
	atomic_cmpxchg(&stage, now, STAGE_TIMED_OUT);
}

static int read_left(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (!current->plug || list_empty(&current->plug->cb_list))
		return 0;
	if (cmpxchg(&plugged, NULL, current))
		return 0;
	atomic_set(&stage, STAGE_HELD);
	hold(STAGE_HELD);
	return 0;
}

static int until_left(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (atomic_cmpxchg(&stage, STAGE_HELD, STAGE_OPEN) == STAGE_HELD)
		hold(STAGE_OPEN);
	return 0;
}

static int unplug_left(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (current == plugged)
		atomic_cmpxchg(&stage, STAGE_OPEN, STAGE_ENDED);
	return 0;
}

static struct kretprobe read_probe = {
	.kp.symbol_name = "nvdio:ns_read_iter",
	.handler = read_left,
};

static struct kretprobe unplug_probe = {
	.kp.symbol_name = "nvdio:queue_unplug",
	.handler = unplug_left,
};

static struct kretprobe until_probe = {
	.handler = until_left,
};

static struct kretprobe *probes[] = {
	&read_probe, &unplug_probe, &until_probe,
};

static int __init plug_init(void)
{
	if (!until)
		return -EINVAL;
	until_probe.kp.symbol_name = until;
	return register_kretprobes(probes, ARRAY_SIZE(probes));
}

static void __exit plug_exit(void)
{
	unregister_kretprobes(probes, ARRAY_SIZE(probes));
}

module_init(plug_init);
module_exit(plug_exit);
MODULE_DESCRIPTION("Makes a plug end in the middle of a reset of nvdio, for tests");
MODULE_LICENSE("GPL");
