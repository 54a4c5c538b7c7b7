// SPDX-License-Identifier: GPL-2.0
/*
 * Fragments free memory into pieces of less than 128 KiB and keeps it so until it is
 * killed: of nearly all memory every 32nd page is pinned, and the others are freed.
 *
 * usage: fragment READY    creates the file READY when it is done
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef PG
#define PG		4096UL
#endif
#define STEP		(32 * PG)
#define SPARE		(48UL << 20)	/* for the other programs */
#define BUFFERS		16384		/* the most that a ring takes */

static unsigned long mem_free(void)
{
	unsigned long kib = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "r");

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "MemFree: %lu", &kib) == 1)
			break;
	}
	return kib << 10;
}

int main(int argc, char **argv)
{
	static struct iovec v[BUFFERS];
	unsigned long len, at;
	struct io_uring ring;
	unsigned int nr = 0;
	char *p;

	if (argc != 2 || argv[1][0] == '-') {
		fprintf(stderr, "usage: fragment READY\n");
		return 2;
	}
	len = mem_free();
	if (len < 2 * SPARE)
		return 2;
	len = (len - SPARE) & ~(STEP - 1);
	if (len / STEP > BUFFERS)
		len = BUFFERS * STEP;
	p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED || madvise(p, len, MADV_NOHUGEPAGE))
		return 2;
	for (at = 0; at < len; at += PG)
		p[at] = 1;
	for (at = 0; at < len; at += STEP)
		v[nr++] = (struct iovec){ p + at, PG };
	if (io_uring_queue_init(4, &ring, 0) ||
	    io_uring_register_buffers(&ring, v, nr))
		return 2;
	for (at = 0; at < len; at += STEP) {
		if (madvise(p + at + PG, STEP - PG, MADV_DONTNEED))
			return 2;
	}
	close(open(argv[1], O_CREAT | O_WRONLY, 0600));
	pause();
	return 0;
}
