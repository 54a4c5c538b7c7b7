/* SPDX-License-Identifier: GPL-2.0 */
/* PCI error recovery, and resets by the PCI core. */
#ifndef NVDIO_RECOVERY_H
#define NVDIO_RECOVERY_H

#include <linux/workqueue.h>

struct pci_error_handlers;

extern const struct pci_error_handlers nvdio_recovery_handlers;

void nvdio_recovery_late(struct work_struct *work);

#endif /* NVDIO_RECOVERY_H */
