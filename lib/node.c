// SPDX-License-Identifier: GPL-2.0
/*
 * The node whose memory is served.
 *
 * Its descriptor is the program's as well: it may close it with all others, and use the
 * number for something else. So it is looked at before each use. Memory outlives it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../driver/uapi/nvdio.h"
#include "arena.h"

#define NODES		64	/* of which the first is looked for */
#define NAMESPACES	32

static char node_path[4096];
static int node_fd = -1;
static dev_t node_dev;
static bool node_searched;	/* none was named */

void *arena_sys_mmap(void *addr, size_t len, int prot, int flags, int fd, long offset)
{
	return (void *)syscall(SYS_mmap, addr, len, prot, flags, fd, offset);
}

int arena_sys_munmap(void *addr, size_t len)
{
	return syscall(SYS_munmap, addr, len);
}

void *arena_sys_mremap(void *old, size_t old_len, size_t len, int flags, void *to)
{
	return (void *)syscall(SYS_mremap, old, old_len, len, flags, to);
}

int arena_high_fd(int fd)
{
	int high = fcntl(fd, F_DUPFD_CLOEXEC, 1000);

	if (high < 0)
		high = fcntl(fd, F_DUPFD_CLOEXEC, 200);
	if (high < 0)
		return fd;
	close(fd);
	return high;
}

/* Opens @path if it has mapped memory, else returns -1 and errno. */
static int node_try(const char *path)
{
	struct nvdio_info info = { };
	struct stat st;
	int fd = syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -1;
	if (!syscall(SYS_fstat, fd, &st) && S_ISCHR(st.st_mode) &&
	    !syscall(SYS_ioctl, fd, NVDIO_IOC_INFO, &info) &&
	    info.features & NVDIO_FEATURE_MAPS) {
		node_fd = arena_high_fd(fd);
		node_dev = st.st_rdev;
		return 0;
	}
	close(fd);
	errno = ENOTSUP;
	return -1;
}

static bool node_find(void)
{
	for (int i = 0; i < NODES; i++) {
		snprintf(node_path, sizeof(node_path), "/dev/nvdio%d", i);
		if (!node_try(node_path))
			return true;
		if (errno == ENOENT)
			continue;
		for (int nr = 1; nr <= NAMESPACES; nr++) {
			snprintf(node_path, sizeof(node_path), "/dev/nvdio%dn%d", i, nr);
			if (!node_try(node_path))
				return true;
		}
	}
	return false;
}

bool arena_node_open(const char *path)
{
	node_searched = !path;
	if (!path)
		return node_find();
	/* The program may change its directory before the node is opened again. */
	if (node_try(path) || !realpath(path, node_path)) {
		arena_say(2, "%.200s: %s; nothing is served", path, errno == ENOTSUP ?
			  "no node with mapped memory" : strerrordesc_np(errno));
		return false;
	}
	return true;
}

const char *arena_node_path(void)
{
	return node_path;
}

static bool node_is_open(void)
{
	struct stat st;

	return node_fd >= 0 && !syscall(SYS_fstat, node_fd, &st) &&
		S_ISCHR(st.st_mode) && st.st_rdev == node_dev;
}

void *arena_node_map(void *hint, size_t len, int flags)
{
	void *p;

	/* If it is not ours it is not ours to close. */
	if (!node_is_open() && node_try(node_path) && !(node_searched && node_find()))
		return MAP_FAILED;
	p = arena_sys_mmap(hint, len, PROT_READ | PROT_WRITE, MAP_SHARED | flags, node_fd,
			   NVDIO_MMAP_ALLOC);
	/* It may come back, with another number if it is still in use. */
	if (p == MAP_FAILED && errno == ENODEV && node_is_open()) {
		close(node_fd);
		node_fd = -1;
		errno = ENODEV;
		return MAP_FAILED;
	}
	/* Another thread may have put a file in its place meanwhile. */
	if (p != MAP_FAILED && !node_is_open()) {
		arena_sys_munmap(p, len);
		errno = EBADF;
		return MAP_FAILED;
	}
	return p;
}
