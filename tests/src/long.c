// SPDX-License-Identifier: GPL-2.0
/*
 * Passthrough commands up to MDTS are sent, whether the driver knows how much they move
 * or not. 2 MiB is the most that QEMU's controller takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t.h"

enum { ADM_LOG = 2, ADM_GET_FEATURES = 0xa, ADM_VENDOR = 0xc2, INVALID_OPCODE_DNR = 0x4001 };

static const size_t lens[] = { MiB, 2 * MiB - PG, 2 * MiB - 4, 2 * MiB };
static unsigned char *area;
static int ctrl;

static struct nvme_passthru_cmd command(unsigned char opcode, size_t len)
{
	memset(area, 0x5a, 3 * MiB);
	return (struct nvme_passthru_cmd){
		.opcode = opcode, .addr = (uintptr_t)area + 1, .data_len = len,
	};
}

/* The error log, which is empty, and which QEMU returns at any length. */
static void log_pages(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		size_t len = lens[i], dwords = len / 4 - 1;
		struct nvme_passthru_cmd c = command(ADM_LOG, len);

		c.nsid = 0xffffffff;
		c.cdw10 = 1 | (dwords & 0xffff) << 16;
		c.cdw11 = dwords >> 16;
		is_ret(ioctl(ctrl, NVME_IOCTL_ADMIN_CMD, &c), 0, "D: log page of %zu bytes", len);
		ok(area[0] == 0x5a && area[1 + len] == 0x5a && all_zero((char *)area + 1, 64),
		   "D: log page of %zu bytes: its contents, and nothing beyond", len);
	}
}

static void vendor_commands(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		struct nvme_passthru_cmd c = command(ADM_VENDOR, lens[i]);

		is_ret(ioctl(ctrl, NVME_IOCTL_ADMIN_CMD, &c), INVALID_OPCODE_DNR,
		       "D: vendor specific command of %zu bytes: the controller's status",
		       lens[i]);
	}
}

static void vendor_features(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		struct nvme_passthru_cmd c = command(ADM_GET_FEATURES, lens[i]);

		c.cdw10 = 0xc0;
		ok(ioctl(ctrl, NVME_IOCTL_ADMIN_CMD, &c) > 0,
		   "D: vendor specific feature of %zu bytes: the controller's status", lens[i]);
	}
}

static void setup(void)
{
	area = pages(3 * MiB);
	ctrl = ctrl_open(O_RDWR);
}

static const struct t_case cases[] = {
	{ "log_pages", log_pages },
	{ "vendor_commands", vendor_commands },
	{ "vendor_features", vendor_features },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
