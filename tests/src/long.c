// SPDX-License-Identifier: GPL-2.0
/*
 * Commands as long as MDTS permits go through, be their length known or not:
 * 2 MiB, which is what QEMU can do.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t.h"

int main(int argc, char **argv)
{
	static const size_t lens[] = { MiB, 2 * MiB - PG, 2 * MiB - 4, 2 * MiB };
	unsigned char *area;
	int ctrl;

	t_begin(argc, argv);
	ctrl = open("/dev/nvdio0", O_RDWR);
	if (ctrl < 0)
		bail("open /dev/nvdio0");
	area = pages(3 * MiB);
	for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
		size_t len = lens[i];
		/* The error log, which is empty and has no end to QEMU. */
		struct nvme_passthru_cmd c = {
			.opcode = 2, .nsid = 0xffffffff, .addr = (uintptr_t)area + 1, .data_len = len,
			.cdw10 = 1 | ((len / 4 - 1) & 0xffff) << 16, .cdw11 = (len / 4 - 1) >> 16,
		};
		struct nvme_passthru_cmd v = { .opcode = 0xc2, .addr = (uintptr_t)area + 1, .data_len = len };
		struct nvme_passthru_cmd f = { .opcode = 0xa, .addr = (uintptr_t)area + 1, .data_len = len, .cdw10 = 0xc0 };

		memset(area, 0x5a, 3 * MiB);
		is_ret(ioctl(ctrl, NVME_IOCTL_ADMIN_CMD, &c), 0, "D: log page of %zu bytes", len);
		ok(area[0] == 0x5a && area[1 + len] == 0x5a && all_zero((char *)area + 1, 64), "D: log page of %zu bytes: what is there, and no more", len);
		is_ret(ioctl(ctrl, NVME_IOCTL_ADMIN_CMD, &v), 0x4001, "D: vendor's command of %zu bytes: the controller's status", len);
		ok(ioctl(ctrl, NVME_IOCTL_ADMIN_CMD, &f) > 0, "D: vendor's feature of %zu bytes: the controller's status", len);
	}
	close(ctrl);
	return t_end();
}
