// SPDX-License-Identifier: GPL-2.0
/*
 * One call whose memory is never populated (userfaultfd); used by tests/guest/absent.
 *
 * usage: absent DEVICE pread|direct|aio|identify
 *
 * Prints "waiting" as user nobody; the call after that does not return.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <linux/nvme_ioctl.h>
#include <linux/userfaultfd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LEN 65536

static void fail(const char *what)
{
	fprintf(stderr, "absent: %s: %s\n", what, strerror(errno));
	exit(2);
}

static void *absent_memory(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg;
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	void *p;

	p = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (fd < 0 || p == MAP_FAILED || ioctl(fd, UFFDIO_API, &api))
		fail("userfaultfd");
	reg = (struct uffdio_register){
		.range = { (uintptr_t)p, LEN }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	if (ioctl(fd, UFFDIO_REGISTER, &reg))
		fail("UFFDIO_REGISTER");
	return p;
}

static void usage(FILE *f)
{
	fprintf(f, "usage: absent DEVICE pread|direct|aio|identify\n"
		"One call as nobody whose memory is never populated: it does not return.\n");
}

static int aio_read(int fd, void *p)
{
	io_context_t aio = NULL;
	struct iocb cb, *list = &cb;

	if (io_setup(1, &aio))
		fail("io_setup");
	io_prep_pread(&cb, fd, p, LEN, 0);
	io_submit(aio, 1, &list);
	return io_getevents(aio, 1, 1, &(struct io_event){}, NULL);
}

static int call(const char *method, int fd, void *p)
{
	struct nvme_admin_cmd identify = {
		.opcode = 6, .cdw10 = 1, .addr = (uintptr_t)p, .data_len = 4096,
	};

	if (!strcmp(method, "identify"))
		return ioctl(fd, NVME_IOCTL_ADMIN_CMD, &identify);
	if (!strcmp(method, "aio"))
		return aio_read(fd, p);
	return pread(fd, p, LEN, 0) != LEN;
}

int main(int argc, char **argv)
{
	const char *method = argc == 3 ? argv[2] : "";
	void *p;
	int fd;

	if (argc == 2 && !strcmp(argv[1], "--help")) {
		usage(stdout);
		return 0;
	}
	if (strcmp(method, "pread") && strcmp(method, "direct") && strcmp(method, "aio") &&
	    strcmp(method, "identify")) {
		usage(stderr);
		return 2;
	}
	fd = open(argv[1], O_RDONLY | (strcmp(method, "direct") ? 0 : O_DIRECT));
	if (fd < 0)
		fail("open");
	p = absent_memory();
	if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
		fail("setresuid");
	printf("waiting\n");
	fflush(stdout);
	return call(method, fd, p);
}
