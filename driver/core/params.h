/* SPDX-License-Identifier: GPL-2.0 */
/* Module parameters. */
#ifndef NVDIO_PARAMS_H
#define NVDIO_PARAMS_H

#include <linux/jiffies.h>
#include <linux/minmax.h>
#include <linux/types.h>

/* Longer timeouts, in jiffies, would look as if they had expired. */
#define NVDIO_TIMEOUT_MAX	(U32_MAX / 4)

extern unsigned int nvdio_io_timeout;
extern unsigned int nvdio_admin_timeout;
extern unsigned int nvdio_max_retries;
extern unsigned int nvdio_sgl_threshold;
extern unsigned int nvdio_io_queue_depth;
extern unsigned int nvdio_poll_queues;
extern unsigned int nvdio_bounce_buffers;
extern bool nvdio_shadow_doorbells;
extern unsigned int nvdio_map_order;
extern bool nvdio_dma_shortcut;
extern unsigned int nvdio_max_host_mem_size_mb;
extern unsigned int nvdio_ps_max_latency_us;

void nvdio_params_init(void);
unsigned int nvdio_max_queues(void);

/**
 * nvdio_timeout() - convert a timeout parameter to jiffies
 * @seconds: value of the parameter
 *
 * Context: any.
 * Return: jiffies, at least one second and at most NVDIO_TIMEOUT_MAX.
 */
static inline u32 nvdio_timeout(unsigned int seconds)
{
	return clamp_t(u64, (u64)seconds * HZ, HZ, NVDIO_TIMEOUT_MAX);
}

#endif /* NVDIO_PARAMS_H */
