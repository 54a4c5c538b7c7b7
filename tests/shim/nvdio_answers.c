// SPDX-License-Identifier: GPL-2.0
/*
 * Changes what nvdio is told by Identify, for tests: QEMU's namespaces neither
 * change their size nor their identifiers, and Identify never fails there.
 *
 * Parameters, all 0 for no change:
 *	blocks	NSZE of all namespaces
 *	lbads	LBADS of all formats of all namespaces
 *	ident	added to the first byte of each identifier in the descriptor list
 *	status	status with which Identify fails, if its CNS is @cns
 *	cns	see there
 */
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/nvme.h>

static ulong blocks;
module_param(blocks, ulong, 0644);
static uint lbads;
module_param(lbads, uint, 0644);
static uint ident;
module_param(ident, uint, 0644);
static uint status;
module_param(status, uint, 0644);
static uint cns;
module_param(cns, uint, 0644);

struct call {
	void *data;
	u8 cns;
};

/* nvdio_admin_identify(ctrl, nsid, cns, data) */
static int entry(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct call *call = (struct call *)ri->data;

	call->cns = regs_get_kernel_argument(regs, 2);
	call->data = (void *)regs_get_kernel_argument(regs, 3);
	return 0;
}

static void change_list(u8 *desc, u8 *end)
{
	for (; desc + 4 < end && desc[1]; desc += 4 + desc[1]) {
		if (desc[0] != NVME_NIDT_CSI)
			desc[4] += ident;
	}
}

static int leave(struct kretprobe_instance *ri, struct pt_regs *regs)
{
	struct call *call = (struct call *)ri->data;
	struct nvme_id_ns *id = call->data;
	unsigned int i;

	if (status && call->cns == cns) {
		regs_set_return_value(regs, status);
		return 0;
	}
	if (regs_return_value(regs))
		return 0;
	switch (call->cns) {
	case NVME_ID_CNS_NS:
		if (blocks)
			id->nsze = cpu_to_le64(blocks);
		for (i = 0; lbads && i < ARRAY_SIZE(id->lbaf); i++)
			id->lbaf[i].ds = lbads;
		break;
	case NVME_ID_CNS_NS_DESC_LIST:
		change_list(call->data, call->data + NVME_IDENTIFY_DATA_SIZE);
		break;
	}
	return 0;
}

static struct kretprobe probe = {
	.kp.symbol_name = "nvdio_admin_identify",
	.entry_handler = entry,
	.handler = leave,
	.data_size = sizeof(struct call),
};

static int __init answers_init(void)
{
	return register_kretprobe(&probe);
}

static void __exit answers_exit(void)
{
	unregister_kretprobe(&probe);
}

module_init(answers_init);
module_exit(answers_exit);
MODULE_DESCRIPTION("Changes what nvdio is told by Identify, for tests");
MODULE_LICENSE("GPL");
