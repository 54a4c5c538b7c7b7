// SPDX-License-Identifier: GPL-2.0
/*
 * Preloaded before libnvdio-arena.so, on a host without a controller: makes /dev/null a node
 * of nvdio with mapped memory, as far as the library can see. It stands in for syscall(),
 * by which the library does all of that.
 *
 * NVDIO_TEST_MAPS=N: mmap() fails with ENOSPC after N of them. NVDIO_TEST_FAIL=N: every Nth fails
 * with ENOMEM.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"

static unsigned long maps;

static long raw(long nr, const long *a)
{
	register long r10 asm("r10") = a[3];
	register long r8 asm("r8") = a[4];
	register long r9 asm("r9") = a[5];
	long ret;

	asm volatile("syscall" : "=a"(ret)
		     : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
		     : "rcx", "r11", "memory");
	return ret;
}

static long limit(const char *name)
{
	const char *s = getenv(name);

	return s ? atol(s) : 0;
}

static long node_mmap(long *a)
{
	const long max = limit("NVDIO_TEST_MAPS"), fail = limit("NVDIO_TEST_FAIL");
	const unsigned long nr = __atomic_add_fetch(&maps, 1, __ATOMIC_RELAXED);
	long ret;

	if (fail && nr % fail == 0)
		return -ENOMEM;
	if (max && nr > (unsigned long)max)
		return -ENOSPC;
	a[4] = memfd_create("nvdio-test", MFD_CLOEXEC);
	a[5] = 0;
	ret = ftruncate(a[4], a[1]) ? -errno : raw(SYS_mmap, a);
	close(a[4]);
	return ret;
}

static int is_node(int fd)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

long syscall(long nr, ...)
{
	long a[6], ret;
	va_list ap;

	va_start(ap, nr);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	if (nr == SYS_ioctl && a[1] == (long)NVDIO_IOC_INFO && is_node(a[0])) {
		((struct nvdio_info *)a[2])->features = NVDIO_FEATURE_MAPS;
		return 0;
	}
	if (nr == SYS_mmap && !(a[3] & MAP_ANONYMOUS) && is_node(a[4]))
		ret = node_mmap(a);
	else
		ret = raw(nr, a);
	if (ret >= 0 || ret < -4095)
		return ret;
	errno = -ret;
	return -1;
}
