// SPDX-License-Identifier: GPL-2.0
/*
 * The same scatterlist entries used again and again: the DMA API maps them as a
 * whole, then entry by entry, then as a whole again, and must unmap them likewise.
 *
 * usage: reuse [-t CASE]... DEVICE FILE
 *   FILE is written "1" and "0" to choose between both
 *   (/sys/module/nvdio_untrusted/parameters/untrusted)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "t.h"

/* For a preallocated struct nvdio_xfer, and too many for the fast path. */
#define SEGS	16
#define LEN	(SEGS * PG)
/* All get the same one: the queue prefers the one that was used last. */
#define CALLS	8

static struct iovec iov[SEGS];

static void choose(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) != (ssize_t)strlen(value))
		bail("%s cannot be written", path);
	close(fd);
}

/* Write and read CALLS times. Memory is every second page, so that none merge. */
static void calls(int fd, char *buf, const char *how)
{
	struct paths p = path_start();
	int i, j, moved = 0, whole = 0;

	for (i = 0; i < CALLS; i++) {
		for (j = 0; j < SEGS; j++)
			fill(iov[j].iov_base, PG, t_seed + i, j * PG);
		moved += pwritev(fd, iov, SEGS, i * LEN) == (ssize_t)LEN;
		memset(buf, 0xaa, 2 * LEN);
		moved += preadv(fd, iov, SEGS, i * LEN) == (ssize_t)LEN;
		for (j = 0; j < SEGS; j++) {
			if (differs(iov[j].iov_base, PG, t_seed + i,
				    j * PG) >= 0)
				break;
		}
		whole += j == SEGS;
	}
	is(moved, 2 * CALLS, "C10: mapped %s: writes and reads", how);
	is(whole, CALLS, "C10: mapped %s: what was read was written", how);
	went(p, 2 * CALLS, 0, "C10: mapped %s: zero-copy", how);
}

static void mixed_mappings(void)
{
	char *buf = pages(2 * LEN);
	int fd, i;

	if (!t_args[0])
		bail("no FILE given, see --help");
	one_queue();
	for (i = 0; i < SEGS; i++)
		iov[i] = (struct iovec){ buf + 2 * i * PG, PG };
	fd = dev_open(O_RDWR | O_DIRECT);
	calls(fd, buf, "as a whole");
	choose(t_args[0], "1");
	calls(fd, buf, "entry by entry");
	choose(t_args[0], "0");
	calls(fd, buf, "as a whole again");
}

static const struct t_case cases[] = {
	{ "C10", mixed_mappings },
};

int main(int argc, char **argv)
{
	t_args_usage = "FILE";
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
