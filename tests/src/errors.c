// SPDX-License-Identifier: GPL-2.0
/*
 * Commands that fail: the device has one bad block at BAD_AT (bytes), which can neither
 * be read nor written (QEMU's blkdebug). A call that covers it fails with an errno,
 * wherever in the transfer the block is; nothing leaks, and the blocks around it
 * still work.
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
	       "%s: write after it", path);
	close(fd);
}

#define READS 64
#define READ_LEN (16 * KiB)

struct results {
	int good, failed;
};

static void count(struct results *r, long res)
{
	r->good += res == (long)READ_LEN;
	r->failed += res == MEDIA;
}

static struct results by_uring(int fd, uint64_t first)
{
	struct results r = { };
	struct io_uring_cqe *cqe;
	struct io_uring ring;
	int i;

	if (io_uring_queue_init(READS, &ring, 0))
		bail("io_uring");
	for (i = 0; i < READS; i++)
		io_uring_prep_read(io_uring_get_sqe(&ring), fd, buf + i * READ_LEN, READ_LEN,
				   first + i * READ_LEN);
	io_uring_submit(&ring);
	for (i = 0; i < READS && !io_uring_wait_cqe(&ring, &cqe); i++) {
		count(&r, cqe->res);
		io_uring_cqe_seen(&ring, cqe);
	}
	io_uring_queue_exit(&ring);
	return r;
}

static struct results by_aio(int fd, uint64_t first)
{
	static struct iocb cb[READS], *p[READS];
	static struct io_event ev[READS];
	struct results r = { };
	io_context_t aio = 0;
	int i;

	if (io_setup(READS, &aio))
		bail("io_setup");
	for (i = 0; i < READS; i++) {
		io_prep_pread(&cb[i], fd, buf + i * READ_LEN, READ_LEN, first + i * READ_LEN);
		p[i] = &cb[i];
	}
	if (io_submit(aio, READS, p) != READS ||
	    io_getevents(aio, READS, READS, ev, NULL) != READS)
		bail("libaio");
	for (i = 0; i < READS; i++)
		count(&r, ev[i].res);
	io_destroy(aio);
	return r;
}

/* Many reads in flight, of which one covers the bad block. */
static void in_flight(bool uring, int flags)
{
	int fd = dev_open(O_RDWR | flags);
	uint64_t first = bad - 31 * READ_LEN;
	struct results r = uring ? by_uring(fd, first) : by_aio(fd, first);

	ok(r.good == READS - 1 && r.failed == 1,
	   "%s, %s: of %d in flight one fails (%d good, %d failed)",
	   uring ? "io_uring" : "libaio", path_name(flags), READS, r.good, r.failed);
	close(fd);
}

static void on_path(int flags)
{
	around(flags, 0, 0);
	around(flags, 8 * dev.lba, 7 * dev.lba);
	around(flags, 64 * KiB, 64 * KiB);
	around(flags, 3 * MiB, MiB);
	around(flags, dev.lba, 7 * MiB);
	in_flight(false, flags);
	in_flight(true, flags);
}

static void direct(void)
{
	on_path(O_DIRECT);
}

static void copy(void)
{
	on_path(0);
}

static void parts_of_blocks(void)
{
	int fd = dev_open(O_RDWR);

	is_ret(pwrite(fd, buf, 7, bad + 3), MEDIA, "copy: write of a part of the bad block");
	is_ret(pread(fd, buf, 7, bad + 3), MEDIA, "copy: read of a part");
	is_ret(pwrite(fd, buf, dev.lba, bad - 9), MEDIA,
	       "copy: write that ends in the bad block");
	is_ret(pwrite(fd, buf, 7, bad - 9), 7, "copy: write that ends before it");
	close(fd);
}

static void setup(void)
{
	if (!getenv("BAD_AT"))
		bail("BAD_AT: where the bad block is, in bytes");
	bad = strtoull(getenv("BAD_AT"), NULL, 0);
	buf = pages(8 * MiB);
}

static const struct t_case cases[] = {
	{ "direct", direct },
	{ "copy", copy },
	{ "parts_of_blocks", parts_of_blocks },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
