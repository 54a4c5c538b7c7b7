// SPDX-License-Identifier: GPL-2.0
/* Module parameters. */
#include <linux/module.h>

#include "core/params.h"

/* Names, units and defaults follow the nvme driver where it has the same. */
unsigned int nvdio_io_timeout = 30;
module_param_named(io_timeout, nvdio_io_timeout, uint, 0644);
MODULE_PARM_DESC(io_timeout, "I/O command timeout in seconds");

unsigned int nvdio_admin_timeout = 60;
module_param_named(admin_timeout, nvdio_admin_timeout, uint, 0644);
MODULE_PARM_DESC(admin_timeout, "admin command timeout in seconds");

unsigned int nvdio_io_queue_depth = 1024;
module_param_named(io_queue_depth, nvdio_io_queue_depth, uint, 0444);
MODULE_PARM_DESC(io_queue_depth, "entries per I/O queue, 2 to 4096");

unsigned int nvdio_sgl_threshold = 32768;
module_param_named(sgl_threshold, nvdio_sgl_threshold, uint, 0644);
MODULE_PARM_DESC(sgl_threshold,
		 "average segment size in bytes from which to use SGLs; 0: never");

unsigned int nvdio_poll_queues;
module_param_named(poll_queues, nvdio_poll_queues, uint, 0644);
MODULE_PARM_DESC(poll_queues,
		 "number of queues without interrupt, for polled I/O");

unsigned int nvdio_bounce_buffers = 64;
module_param_named(bounce_buffers, nvdio_bounce_buffers, uint, 0644);
MODULE_PARM_DESC(bounce_buffers,
		 "128 KiB buffers per controller for I/O without O_DIRECT");

bool nvdio_shadow_doorbells = true;
module_param_named(shadow_doorbells, nvdio_shadow_doorbells, bool, 0644);
MODULE_PARM_DESC(shadow_doorbells,
		 "use shadow doorbells if the controller supports them");
