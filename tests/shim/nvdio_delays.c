// SPDX-License-Identifier: GPL-2.0
/*
 * Delays who comes out of nvdio's functions with NULL or false, for tests: who was
 * told to wait is not the owner of what waits any more. If it uses that all the
 * same, a delay makes it show.
 *
 * Parameters:
 *	functions	names, separated by commas; one that is not there is left out
 *	ms		milliseconds
 */
#include <linux/delay.h>
#include <linux/kprobes.h>
#include <linux/module.h>

#define MOST 8

static char *functions[MOST];
static unsigned int nr_functions;
module_param_array(functions, charp, &nr_functions, 0444);
static uint ms = 4;
module_param(ms, uint, 0644);

static struct kretprobe probes[MOST];

static int leave(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	if (!regs_return_value(regs))
		mdelay(ms);
	return 0;
}

static int __init delays_init(void)
{
	unsigned int i, found = 0;

	for (i = 0; i < nr_functions; i++) {
		probes[i].kp.symbol_name = functions[i];
		probes[i].handler = leave;
		/* Many come out at once. */
		probes[i].maxactive = 64;
		if (register_kretprobe(&probes[i]))
			probes[i].handler = NULL;
		else
			found++;
	}
	return found ? 0 : -ENOENT;
}

static void __exit delays_exit(void)
{
	unsigned int i;

	for (i = 0; i < nr_functions; i++) {
		if (probes[i].handler)
			unregister_kretprobe(&probes[i]);
	}
}

module_init(delays_init);
module_exit(delays_exit);
MODULE_DESCRIPTION("Delays who comes out of nvdio's functions, for tests");
MODULE_LICENSE("GPL");
