// SPDX-License-Identifier: GPL-2.0
/*
 * Commands that take longer than io_timeout, which is 2 s here: the device
 * answers after 40 s, its second namespace after 8 s. Who has CAP_SYS_ADMIN may
 * wait for as long as he likes, and is no hung task meanwhile; for others the
 * command is lost.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/klog.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "t.h"

/* How often the kernel's log says something. */
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
	struct nvme_passthru_cmd c = { .opcode = 2, .addr = (uintptr_t)pages(PG), .data_len = 4096, .cdw12 = 4096 / dev.lba - 1, .timeout_ms = timeout_ms };
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

int main(int argc, char **argv)
{
	static const char two[] = "/dev/nvdio0n2";
	int lost, status;
	double start;

	t_begin(argc, argv);
	lost = said("timed out");
	set("/proc/sys/kernel/hung_task_timeout_secs", "15");
	start = now();
	is(patient_read(dev.path, 0xffffffff), 0, "B8: root waits for a command of 40 s");
	note("  it took %.0f s", now() - start);
	is(said("blocked for more than"), 0, "B8: and is not taken for a hung task");
	is(patient_read(two, 600000), 0, "A4: root has more time than io_timeout");
	is(said("timed out"), lost, "A4: and nothing is lost");

	chmod(two, 0666);
	fflush(stdout);
	if (!fork()) {
		if (setgid(65534) || setuid(65534))
			_exit(2);
		_exit(patient_read(two, 0xffffffff) ? 0 : 1);
	}
	wait(&status);
	chmod(two, 0600);
	is(said("timed out"), lost + 1, "A4: nobody has no more time than io_timeout");
	is(WEXITSTATUS(status), 0, "A4: and is told that the command is lost");
	is(patient_read(two, 600000), 0, "the device goes on");
	return t_end();
}
