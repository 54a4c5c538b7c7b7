// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to make and to end mapped memory (docs/mapped.md), beside what
 * a program does in its place. Each line of stdin is a job:
 *
 *   ID METHOD BYTES
 *
 * ID and ID + 1 are the numbers of two intervals (marker.h): making it, and ending
 * it. One line of JSON is printed per job. Under the lab's QEMU bench/insn.c counts
 * the instructions; on real hardware the times and the memory are of use.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../driver/uapi/nvdio.h"
#include "marker.h"

#define HUGE_SIZE	(2ul << 20)
/* As much as io_uring takes in one buffer. */
#define BUFFER_MAX	(1ul << 30)

static const char *node;
static int fd;
static struct io_uring ring;
static struct nvdio_map_add add;

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	fprintf(stderr, "mapcost: ");
	vfprintf(stderr, fmt, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Free memory: that of all zones, and what their CPUs have for themselves. */
static int64_t free_bytes(void)
{
	FILE *f = fopen("/proc/zoneinfo", "r");
	int64_t pages = 0, nr;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " pages free %ld", &nr) == 1 ||
		    sscanf(line, " count: %ld", &nr) == 1)
			pages += nr;
	if (f)
		fclose(f);
	return pages * 4096;
}

/* Maps that there are, by sysfs: /dev/nvdio0n1 is one of nvdio0. */
static unsigned int maps(void)
{
	char path[64];
	unsigned int nr = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/class/nvdio/nvdio%d/maps",
		 atoi(node + strlen("/dev/nvdio")));
	f = fopen(path, "r");
	if (!f || fscanf(f, "%u", &nr) != 1)
		die("%s: %s", path, strerror(errno));
	fclose(f);
	return nr;
}

static void touch(char *p, size_t len)
{
	for (size_t i = 0; i < len; i += 4096)
		p[i] = 1;
}

/* A program's own memory, in huge or in single pages that are not neighbours. */
static char *own_memory(size_t len, int advice)
{
	char *p = mmap(NULL, len + HUGE_SIZE, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t nr = len / 4096, step;

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	p = (char *)(((uintptr_t)p + HUGE_SIZE - 1) & ~(HUGE_SIZE - 1));
	if (madvise(p, len, advice))
		die("madvise: %s", strerror(errno));
	/* Every 65th page, from each of the first 65 on. */
	for (step = 0; step < 65; step++)
		for (size_t i = step; i < nr; i += 65)
			p[i * 4096] = 1;
	return p;
}

static void add_map(__u32 flags, void *addr, size_t len)
{
	add = (struct nvdio_map_add){ .flags = flags, .len = len, .addr = (uintptr_t)addr };
	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add))
		die("MAP_ADD: %s", strerror(errno));
}

static void del_map(void)
{
	if (ioctl(fd, NVDIO_IOC_MAP_DEL, &add.id))
		die("MAP_DEL: %s", strerror(errno));
}

static void *node_memory(size_t len, bool touched)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		       NVDIO_MMAP_ALLOC);

	if (p == MAP_FAILED)
		die("mmap of the node: %s", strerror(errno));
	if (touched)
		touch(p, len);
	return p;
}

static void *anonymous_memory(size_t len)
{
	char *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap: %s", strerror(errno));
	madvise(p, len, MADV_NOHUGEPAGE);
	touch(p, len);
	return p;
}

static void register_memory(char *p, size_t len)
{
	struct iovec iov[64];
	unsigned int nr = 0;

	for (; len && nr < 64; nr++) {
		iov[nr].iov_base = p;
		iov[nr].iov_len = len < BUFFER_MAX ? len : BUFFER_MAX;
		p += iov[nr].iov_len;
		len -= iov[nr].iov_len;
	}
	if (io_uring_register_buffers(&ring, iov, nr))
		die("register buffers");
}

/* Ends in the background: until then there is a map more. */
static void end_node_memory(void *p, size_t len)
{
	munmap(p, len);
	while (maps())
		usleep(1000);
}

struct job {
	char method[32];
	size_t len;
	char *own;		/* the program's memory that is used */
	void *made;
};

static void make(struct job *j)
{
	if (!strncmp(j->method, "mmap", 4))
		j->made = node_memory(j->len, strstr(j->method, "touch"));
	else if (!strcmp(j->method, "anonymous"))
		j->made = anonymous_memory(j->len);
	else if (!strcmp(j->method, "alloc"))
		add_map(NVDIO_MAP_ALLOC, NULL, j->len);
	else if (!strncmp(j->method, "user", 4))
		add_map(NVDIO_MAP_USER, j->own, j->len);
	else
		register_memory(j->own, j->len);
}

static void end(struct job *j)
{
	if (!strncmp(j->method, "mmap", 4))
		end_node_memory(j->made, j->len);
	else if (!strcmp(j->method, "anonymous"))
		munmap(j->made, j->len);
	else if (!strncmp(j->method, "ring", 4))
		io_uring_unregister_buffers(&ring);
	else
		del_map();
}

static bool known(const char *method)
{
	static const char * const names[] = {
		"alloc", "mmap", "mmap-touch", "user", "user-huge", "anonymous",
		"ring", "ring-huge", NULL,
	};

	for (const char * const *name = names; *name; name++)
		if (!strcmp(method, *name))
			return true;
	return false;
}

static void run(unsigned int id, struct job *j)
{
	const bool own = strstr(j->method, "user") || strstr(j->method, "ring");
	const bool huge = strstr(j->method, "huge");
	int64_t had, taken;
	uint64_t t0, t1, t2;

	if (!known(j->method) || !j->len || j->len % HUGE_SIZE)
		die("job %u: %s %zu", id, j->method, j->len);
	if (own)
		j->own = own_memory(j->len, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	had = free_bytes();
	t0 = now_ns();
	mark_start(id);
	make(j);
	mark_stop();
	t1 = now_ns();
	taken = had - free_bytes();
	mark_start(id + 1);
	end(j);
	mark_stop();
	t2 = now_ns();
	if (own)
		munmap(j->own, j->len);
	printf("{\"id\": %u, \"method\": \"%s\", \"bytes\": %zu, \"taken\": %lld, ",
	       id, j->method, j->len, (long long)taken);
	printf("\"make_ns\": %llu, \"end_ns\": %llu}\n", (unsigned long long)(t1 - t0),
	       (unsigned long long)(t2 - t1));
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	unsigned int id;
	int ret;

	if (argc != 2 || strncmp(argv[1], "/dev/nvdio", 10)) {
		fprintf(stderr, "usage: mapcost /dev/nvdioXnY <JOBS\n");
		return 2;
	}
	node = argv[1];
	fd = open(node, O_RDWR);
	if (fd < 0)
		die("%s: %s", node, strerror(errno));
	setrlimit(RLIMIT_MEMLOCK, &all);
	ret = io_uring_queue_init(1, &ring, 0);
	if (ret)
		die("io_uring_setup: %s", strerror(-ret));
	for (;;) {
		struct job j = {};

		if (scanf("%u %31s %zu", &id, j.method, &j.len) != 3)
			break;
		run(id, &j);
	}
	return 0;
}
