// SPDX-License-Identifier: GPL-2.0
/* What user space is told of a status (driver/pure/status.c). */
#include "pure/status.h"
#include "unit.h"

static const struct {
	const char *name;
	u16 status;
	int ret;
} table[] = {
	{ "success", 0, 0 },
	{ "gone", NVDIO_SC_GONE, -ENODEV },
	{ "reset", NVDIO_SC_RESET, -EIO },
	{ "invalid opcode", NVME_SC_INVALID_OPCODE, -EOPNOTSUPP },
	{ "invalid field, DNR", NVME_SC_INVALID_FIELD | 0x4000, -EOPNOTSUPP },
	{ "invalid namespace", NVME_SC_INVALID_NS, -EOPNOTSUPP },
	{ "LBA out of range", NVME_SC_LBA_RANGE, -EREMOTEIO },
	{ "capacity exceeded", NVME_SC_CAP_EXCEEDED, -ENOSPC },
	{ "namespace not ready, CRD 1", NVME_SC_NS_NOT_READY | 0x800, -EREMOTEIO },
	{ "command interrupted", NVME_SC_CMD_INTERRUPTED, -EREMOTEIO },
	{ "reservation conflict", NVME_SC_RESERVATION_CONFLICT, -EBADE },
	{ "attempted write to read only range", NVME_SC_READ_ONLY, -ENODATA },
	{ "write fault", NVME_SC_WRITE_FAULT, -ENODATA },
	{ "unrecovered read error", NVME_SC_READ_ERROR, -ENODATA },
	{ "unrecovered read error, More, DNR", NVME_SC_READ_ERROR | 0x6000, -ENODATA },
	{ "guard check", NVME_SC_GUARD_CHECK, -EILSEQ },
	{ "compare failure", NVME_SC_COMPARE_FAILED, -ENODATA },
	{ "internal error", 0x006, -EIO },
	{ "vendor specific", 0x7c0, -EIO },
};

static void errnos(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(table); i++)
		ok(nvdio_status_to_errno(table[i].status) == table[i].ret, "%s: %d",
		   table[i].name, table[i].ret);
}

/* Whatever the controller says. */
static void all_statuses(void)
{
	bool bad = false;

	for (unsigned int status = 0; status < 0x8000; status++) {
		int ret = nvdio_status_to_errno(status);

		bad |= ret == -EAGAIN || ret > 0 || (!ret && status);
	}
	ok(!bad, "never -EAGAIN (invariant 5), never a success");
}

static const struct t_case cases[] = {
	{ "errnos", errnos },
	{ "all_statuses", all_statuses },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
