// SPDX-License-Identifier: GPL-2.0
/*
 * Marks a PCI device as untrusted, or trusted again, for tests. Behind an IOMMU the
 * DMA API maps the scatterlists of an untrusted device entry by entry, since parts
 * of pages have to be bounced.
 *
 * Parameters:
 *	device		its address, as in 0000:01:00.0
 *	untrusted	may be changed at any time
 */
#include <linux/module.h>
#include <linux/pci.h>

static char *device;
module_param(device, charp, 0444);

static struct pci_dev *pdev;
static bool was_untrusted;
static bool untrusted;

static int untrusted_set(const char *value, const struct kernel_param *kp)
{
	int ret = param_set_bool(value, kp);

	if (!ret && pdev)
		pdev->untrusted = untrusted;
	return ret;
}

static const struct kernel_param_ops untrusted_ops = {
	.set = untrusted_set,
	.get = param_get_bool,
};
module_param_cb(untrusted, &untrusted_ops, &untrusted, 0644);

static int __init untrusted_init(void)
{
	unsigned int domain, bus, slot, func;

	if (!device || sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot,
			      &func) != 4)
		return -EINVAL;
	pdev = pci_get_domain_bus_and_slot(domain, bus, PCI_DEVFN(slot, func));
	if (!pdev)
		return -ENODEV;
	was_untrusted = pdev->untrusted;
	pdev->untrusted = untrusted;
	return 0;
}

static void __exit untrusted_exit(void)
{
	pdev->untrusted = was_untrusted;
	pci_dev_put(pdev);
}

module_init(untrusted_init);
module_exit(untrusted_exit);
MODULE_DESCRIPTION("Marks a PCI device as untrusted, for tests");
MODULE_LICENSE("GPL");
