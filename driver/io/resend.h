/* SPDX-License-Identifier: GPL-2.0 */
/* Sending commands again that nvdio_retry() has kept. */
#ifndef NVDIO_RESEND_H
#define NVDIO_RESEND_H

#include <linux/workqueue.h>

void nvdio_resend_work(struct work_struct *work);

#endif /* NVDIO_RESEND_H */
