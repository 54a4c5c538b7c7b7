/* SPDX-License-Identifier: GPL-2.0 */
/* The PCI driver, for main.c. */
#ifndef NVDIO_PCI_H
#define NVDIO_PCI_H

extern struct pci_driver nvdio_pci_driver;

#endif /* NVDIO_PCI_H */
