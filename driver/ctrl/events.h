/* SPDX-License-Identifier: GPL-2.0 */
/* Asynchronous events. */
#ifndef NVDIO_EVENTS_H
#define NVDIO_EVENTS_H

#include <linux/workqueue.h>

struct nvdio_ctrl;

void nvdio_events_enable(struct nvdio_ctrl *ctrl);
void nvdio_events_work(struct work_struct *work);

#endif /* NVDIO_EVENTS_H */
