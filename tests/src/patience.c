// SPDX-License-Identifier: GPL-2.0
/*
 * Commands that take longer than io_timeout, which is 2 s here: the device answers after
 * 40 s, the controller's second namespace after 8 s. A caller with CAP_SYS_ADMIN may set
 * any timeout, and is not reported as a hung task while it waits; the commands of others
 * time out.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <unistd.h>

#include "t.h"

/* How often @what is in the kernel's log. */
static int said(const char *what)
{
	static char log[MiB];
	int n = klogctl(3, log, sizeof(log) - 1), count = 0;

	if (n < 0)
		bail("klogctl");
	log[n] = '\0';
	for (const char *p = log; (p = strstr(p, what)); p++)
		count++;
	return count;
}

static long patient_read(const char *path, uint32_t timeout_ms)
{
	struct nvme_passthru_cmd c = {
		.opcode = 2, .addr = (uintptr_t)pages(PG), .data_len = 4096,
		.cdw12 = 4096 / dev.lba - 1, .timeout_ms = timeout_ms,
	};
	int fd = open(path, O_RDONLY);
	long ret;

	if (fd < 0)
		bail("open %s", path);
	c.nsid = ioctl(fd, NVME_IOCTL_ID);
	ret = reterr(ioctl(fd, NVME_IOCTL_IO_CMD, &c));
	close(fd);
	return ret;
}

static void set(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		bail("%s", path);
	close(fd);
}

static const char *second;	/* the namespace that answers after 8 s */

static void root_waits(void)
{
	int lost = said("timed out");
	double start = now();

	set("/proc/sys/kernel/hung_task_timeout_secs", "15");
	is(patient_read(dev.path, 0xffffffff), 0, "B8: root waits for a command of 40 s");
	note("  it took %.0f s", now() - start);
	is(said("blocked for more than"), 0, "B8: and is not reported as a hung task");
	is(patient_read(second, 600000), 0, "A4: root may wait for longer than io_timeout");
	is(said("timed out"), lost, "A4: and nothing times out");
}

static void impatient_read(void)
{
	ok(patient_read(second, 0xffffffff), "A4: and its caller is told");
}

static void nobody_times_out(void)
{
	int lost = said("timed out, resetting");

	chmod(second, 0666);
	is(as_nobody(impatient_read), 0, "A4: all tests passed as nobody");
	chmod(second, 0600);
	is(said("timed out, resetting"), lost + 1,
	   "A4: for nobody, io_timeout holds: the command times out");
	is(patient_read(second, 600000), 0, "the device works after that");
}

static void setup(void)
{
	second = sibling_path(2);
	if (!second)
		bail("no second namespace");
}

static const struct t_case cases[] = {
	{ "root_waits", root_waits },
	{ "nobody_times_out", nobody_times_out },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
