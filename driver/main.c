// SPDX-License-Identifier: GPL-2.0
/* nvdio: direct I/O on NVMe controllers through character devices. */
#include <linux/module.h>
#include <linux/pci.h>
#include <linux/rcupdate.h>

#include "ctrl.h"
#include "ctrl_queues.h"
#include "node.h"
#include "pci.h"

/* Names, units and defaults are those of the kernel's nvme driver. */
unsigned int nvdio_io_timeout = 30;
module_param_named(io_timeout, nvdio_io_timeout, uint, 0644);
MODULE_PARM_DESC(io_timeout, "seconds until an I/O command counts as lost");

unsigned int nvdio_admin_timeout = 60;
module_param_named(admin_timeout, nvdio_admin_timeout, uint, 0644);
MODULE_PARM_DESC(admin_timeout, "seconds until an admin command counts as lost");

unsigned int nvdio_io_queue_depth = 1024;
module_param_named(io_queue_depth, nvdio_io_queue_depth, uint, 0444);
MODULE_PARM_DESC(io_queue_depth, "entries of each I/O queue, 2 to 4096");

unsigned int nvdio_sgl_threshold = 32768;
module_param_named(sgl_threshold, nvdio_sgl_threshold, uint, 0644);
MODULE_PARM_DESC(sgl_threshold,
		 "average bytes per segment from which SGLs are preferred to PRPs; 0: no SGLs");

unsigned int nvdio_poll_queues;
module_param_named(poll_queues, nvdio_poll_queues, uint, 0644);
MODULE_PARM_DESC(poll_queues, "queues without interrupt, for polled I/O");

unsigned int nvdio_bounce_buffers = 64;
module_param_named(bounce_buffers, nvdio_bounce_buffers, uint, 0644);
MODULE_PARM_DESC(bounce_buffers,
		 "buffers of 128 KiB for I/O without O_DIRECT, per controller");

bool nvdio_shadow_doorbells = true;
module_param_named(shadow_doorbells, nvdio_shadow_doorbells, bool, 0644);
MODULE_PARM_DESC(shadow_doorbells,
		 "use shadow doorbells if the controller has them");

static int __init nvdio_init(void)
{
	int ret;

	ret = nvdio_node_class_init();
	if (ret)
		return ret;
	ret = nvdio_ctrl_cpuhp_init();
	if (ret)
		goto class;
	ret = pci_register_driver(&nvdio_pci_driver);
	if (ret)
		goto cpuhp;
	return 0;

cpuhp:
	nvdio_ctrl_cpuhp_exit();
class:
	nvdio_node_class_exit();
	return ret;
}

static void __exit nvdio_exit(void)
{
	pci_unregister_driver(&nvdio_pci_driver);
	/*
	 * A task may still be in the last instructions of
	 * nvdio_queue_unplug(), which no reference covers.
	 */
	synchronize_rcu_tasks();
	nvdio_ctrl_cpuhp_exit();
	nvdio_node_class_exit();
}

module_init(nvdio_init);
module_exit(nvdio_exit);
MODULE_AUTHOR("nvdio developers");
MODULE_DESCRIPTION("Direct I/O on NVMe controllers through character devices");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
