// SPDX-License-Identifier: GPL-2.0
/*
 * A batch of zero-copy reads through libaio. One io_submit() is one plug: the
 * driver writes the doorbell once for all of them.
 *
 * usage: aio DEVICE READS
 *
 * Reads the first READS * 4096 bytes of the device, at most 256 reads, and
 * prints the sum of their 64-bit words.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <error.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libaio.h>
#include <stdio.h>
#include <stdlib.h>

#define LEN	4096	/* a multiple of the block size, as O_DIRECT requires */
#define MAX	256

static struct iocb iocbs[MAX], *list[MAX];
static struct io_event events[MAX];

int main(int argc, char **argv)
{
	unsigned long reads = argc == 3 ? strtoul(argv[2], NULL, 0) : 0;
	io_context_t ctx = NULL;
	uint64_t sum = 0;
	char *bufs;
	int fd, ret;

	if (!reads || reads > MAX)
		error(2, 0, "usage: aio DEVICE READS (1 to %d)", MAX);
	fd = open(argv[1], O_RDONLY | O_DIRECT);
	bufs = aligned_alloc(LEN, reads * LEN);
	if (fd < 0 || !bufs)
		error(1, errno, "%s", argv[1]);
	/* libaio's functions return -errno. */
	ret = io_setup(reads, &ctx);
	if (ret)
		error(1, -ret, "io_setup");

	for (unsigned long i = 0; i < reads; i++) {
		io_prep_pread(&iocbs[i], fd, bufs + i * LEN, LEN, i * LEN);
		list[i] = &iocbs[i];
	}
	/* It may take fewer; the caller submits the rest. */
	for (unsigned long sent = 0; sent < reads; sent += ret) {
		ret = io_submit(ctx, reads - sent, list + sent);
		if (ret <= 0)
			error(1, -ret, "io_submit");
	}
	for (unsigned long done = 0; done < reads; done += ret) {
		ret = io_getevents(ctx, 1, reads - done, events, NULL);
		if (ret <= 0)
			error(1, -ret, "io_getevents");
		for (int i = 0; i < ret; i++) {
			long res = events[i].res;
			uint64_t *words = events[i].obj->u.c.buf;

			if (res != LEN)
				error(1, res < 0 ? -res : 0, "incomplete read");
			for (size_t w = 0; w < LEN / sizeof(*words); w++)
				sum += words[w];
		}
	}
	printf("%lu reads, sum %016" PRIx64 "\n", reads, sum);
	io_destroy(ctx);
	return 0;
}
