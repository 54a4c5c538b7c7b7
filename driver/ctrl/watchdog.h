/* SPDX-License-Identifier: GPL-2.0 */
/* The search for commands that the controller has lost. */
#ifndef NVDIO_WATCHDOG_H
#define NVDIO_WATCHDOG_H

#include <linux/workqueue.h>

void nvdio_watchdog_work(struct work_struct *work);

#endif /* NVDIO_WATCHDOG_H */
