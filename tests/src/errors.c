// SPDX-License-Identifier: GPL-2.0
/*
 * Commands that fail: the device has one bad block at BAD_AT (bytes), which can
 * neither be read nor written (QEMU's blkdebug). A call that meets it gets an
 * errno, wherever in a long transfer it lies; nothing stays behind, and the
 * blocks around it work as before.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "t.h"

static uint64_t bad;
static char *buf;

/* The errno that a block device gives for a media error. */
#define MEDIA (-ENODATA)

static void around(int flags, size_t before, size_t after)
{
	const char *path = path_name(flags);
	int fd = dev_open(O_RDWR | flags);
	size_t len = before + dev.lba + after;
	uint64_t errors = counter("stats/errors");
	uint64_t rd = counter("stats/read_bytes"), wr = counter("stats/write_bytes");

	is_ret(pread(fd, buf, len, bad - before), MEDIA,
	       "%s: read of %zu KiB with the bad block at %zu KiB", path,
	       len / KiB, before / KiB);
	is_ret(pwrite(fd, buf, len, bad - before), MEDIA,
	       "%s: write of it", path);
	if (dev.counted) {
		ok(counter("stats/errors") >= errors + 2,
		   "%s: the errors are counted", path);
		ok(counter("stats/read_bytes") == rd &&
		   counter("stats/write_bytes") == wr,
		   "%s: their bytes are not", path);
	}
	if (before)
		is_ret(pread(fd, buf, before, bad - before), before,
		       "%s: read up to it", path);
	is_ret(pwrite(fd, buf, 4 * dev.lba, bad + dev.lba), 4 * dev.lba,
	       "%s: write behind it", path);
	close(fd);
}

/* Many in flight, of which one meets the bad block. */
static void in_flight(bool uring, int flags)
{
	const char *path = path_name(flags), *what = uring ? "io_uring" : "libaio";
	int fd = dev_open(O_RDWR | flags), i, good = 0, failed = 0;
	size_t step = 16 * KiB;
	uint64_t first = bad - 31 * step;

	if (uring) {
		struct io_uring_cqe *cqe;
		struct io_uring ring;

		if (io_uring_queue_init(64, &ring, 0))
			bail("io_uring");
		for (i = 0; i < 64; i++)
			io_uring_prep_read(io_uring_get_sqe(&ring), fd,
					   buf + i * step, step, first + i * step);
		io_uring_submit(&ring);
		for (i = 0; i < 64 && !io_uring_wait_cqe(&ring, &cqe); i++) {
			good += cqe->res == (int)step;
			failed += cqe->res == MEDIA;
			io_uring_cqe_seen(&ring, cqe);
		}
		io_uring_queue_exit(&ring);
	} else {
		static struct iocb cb[64], *p[64];
		static struct io_event ev[64];
		io_context_t aio = 0;

		if (io_setup(64, &aio))
			bail("io_setup");
		for (i = 0; i < 64; i++) {
			io_prep_pread(&cb[i], fd, buf + i * step, step,
				      first + i * step);
			p[i] = &cb[i];
		}
		if (io_submit(aio, 64, p) != 64 ||
		    io_getevents(aio, 64, 64, ev, NULL) != 64)
			bail("libaio");
		for (i = 0; i < 64; i++) {
			good += ev[i].res == step;
			failed += (long)ev[i].res == MEDIA;
		}
		io_destroy(aio);
	}
	ok(good == 63 && failed == 1,
	   "%s, %s: of 64 in flight one fails (%d good, %d failed)", what, path,
	   good, failed);
	close(fd);
}

int main(int argc, char **argv)
{
	static const int flags[] = { O_DIRECT, 0 };
	unsigned int i;

	t_begin(argc, argv);
	if (!getenv("BAD_AT"))
		bail("BAD_AT: where the bad block is, in bytes");
	bad = strtoull(getenv("BAD_AT"), NULL, 0);
	buf = pages(8 * MiB);
	for (i = 0; i < ARRAY_SIZE(flags); i++) {
		around(flags[i], 0, 0);
		around(flags[i], 8 * dev.lba, 7 * dev.lba);
		around(flags[i], 64 * KiB, 64 * KiB);
		around(flags[i], 3 * MiB, MiB);
		around(flags[i], dev.lba, 7 * MiB);
		in_flight(false, flags[i]);
		in_flight(true, flags[i]);
	}
	/* The copy path meets it in a part of a block, too. */
	{
		int fd = dev_open(O_RDWR);

		is_ret(pwrite(fd, buf, 7, bad + 3), MEDIA,
		       "copy: write of a part of the bad block");
		is_ret(pread(fd, buf, 7, bad + 3), MEDIA, "copy: read of a part");
		is_ret(pwrite(fd, buf, dev.lba, bad - 9), MEDIA,
		       "copy: write that ends in the bad block");
		is_ret(pwrite(fd, buf, 7, bad - 9), 7, "copy: write that does not");
		close(fd);
	}
	return t_end();
}
