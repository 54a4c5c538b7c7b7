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

/* What may be sent again, and when. */
static void retries(void)
{
	static const u16 delays[] = { 1, 20, 65535 }, none[] = { 0, 0, 0 };
	static const struct {
		const char *name;
		u16 status;
		unsigned int nr;
		bool may;
		u32 ms;
	} t[] = {
		{ "success", 0, 0, false, 0 },
		{ "gone", NVDIO_SC_GONE, 0, false, 0 },
		{ "reset", NVDIO_SC_RESET, 3, true, 0 },
		{ "read error", NVME_SC_READ_ERROR, 0, true, 10 },
		{ "read error, fourth time", NVME_SC_READ_ERROR, 3, true, 80 },
		{ "read error, last time", NVME_SC_READ_ERROR, 15, true, 10240 },
		{ "read error, DNR", NVME_SC_READ_ERROR | 0x4000, 0, false, 0 },
		{ "aborted", 0x007, 0, true, 10 },
		{ "not ready, CRD 1", NVME_SC_NS_NOT_READY | 0x0800, 0, true, 100 },
		{ "not ready, CRD 2", NVME_SC_NS_NOT_READY | 0x1000, 2, true, 2000 },
		{ "not ready, CRD 3, two hours", NVME_SC_NS_NOT_READY | 0x1800, 4, true, 60000 },
		{ "CRD and DNR", NVME_SC_NS_NOT_READY | 0x5800, 0, false, 0 },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		ok(nvdio_status_may_retry(t[i].status) == t[i].may,
		   "%s: %sto be sent again", t[i].name, t[i].may ? "" : "not ");
		if (t[i].may)
			ok(nvdio_status_retry_ms(t[i].status, t[i].nr, delays) == t[i].ms,
			   "%s: in %u ms", t[i].name, t[i].ms);
	}
	ok(nvdio_status_retry_ms(NVME_SC_NS_NOT_READY | 0x1000, 1, none) == 20,
	   "not ready, CRD 2, but there is no such delay: in 20 ms");
}

static const struct t_case cases[] = {
	{ "retries", retries },
	{ "errnos", errnos },
	{ "all_statuses", all_statuses },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
