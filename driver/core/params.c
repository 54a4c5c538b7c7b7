// SPDX-License-Identifier: GPL-2.0
/* Module parameters. */
#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/minmax.h>
#include <linux/module.h>

#include "core/params.h"

/* Names, units and defaults follow the nvme driver where it has the same. */
unsigned int nvdio_io_timeout = 30;
module_param_named(io_timeout, nvdio_io_timeout, uint, 0644);
MODULE_PARM_DESC(io_timeout, "I/O command timeout in seconds");

unsigned int nvdio_admin_timeout = 60;
module_param_named(admin_timeout, nvdio_admin_timeout, uint, 0644);
MODULE_PARM_DESC(admin_timeout, "admin command timeout in seconds");

unsigned int nvdio_max_retries = 5;
module_param_named(max_retries, nvdio_max_retries, uint, 0644);
MODULE_PARM_DESC(max_retries,
		 "how often to send a failed read or write again, 0 to 15");

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

unsigned int nvdio_map_order = 21 - PAGE_SHIFT;
module_param_named(map_order, nvdio_map_order, uint, 0644);
MODULE_PARM_DESC(map_order,
		 "log2 of the most pages that are allocated at once for mapped memory");

bool nvdio_dma_shortcut = true;
module_param_named(dma_shortcut, nvdio_dma_shortcut, bool, 0644);
MODULE_PARM_DESC(dma_shortcut,
		 "without an IOMMU, compute bus addresses instead of calling the DMA API");

unsigned int nvdio_max_host_mem_size_mb = 128;
module_param_named(max_host_mem_size_mb, nvdio_max_host_mem_size_mb, uint, 0644);
MODULE_PARM_DESC(max_host_mem_size_mb,
		 "maximum host memory buffer per controller in MiB; 0: none");

unsigned int nvdio_ps_max_latency_us = 100000;
module_param_named(default_ps_max_latency_us, nvdio_ps_max_latency_us, uint,
		   0644);
MODULE_PARM_DESC(default_ps_max_latency_us,
		 "maximum exit latency of the power states that a controller enters when idle; 0: none");

/* What a kernel that runs after a crash, in little memory, can do with. */
#define NVDIO_CRASH_DEPTH	64U
#define NVDIO_CRASH_BUFFERS	8U

/**
 * nvdio_params_init() - adjust the parameters to the kernel, at module load
 *
 * With "reset_devices" it is one that saves the memory of a crashed kernel.
 *
 * Context: any.
 */
void nvdio_params_init(void)
{
	if (!reset_devices)
		return;
	nvdio_io_queue_depth = min(nvdio_io_queue_depth, NVDIO_CRASH_DEPTH);
	nvdio_bounce_buffers = min(nvdio_bounce_buffers, NVDIO_CRASH_BUFFERS);
	nvdio_poll_queues = 0;
}

/**
 * nvdio_max_queues() - how many I/O queues of a kind a controller may have
 *
 * Context: any.
 * Return: number of CPUs; 1 after a crash.
 */
unsigned int nvdio_max_queues(void)
{
	return reset_devices ? 1 : num_possible_cpus();
}
