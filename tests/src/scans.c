// SPDX-License-Identifier: GPL-2.0
/*
 * Partial writes before and after many requests of another queue were in use at a
 * time. bench/insn.c counts what they cost: interval 1 is before, 2 after, 3 on
 * the very queue (tests/guest/scans).
 *
 * usage: scans [-t CASE]... DEVICE SLOW
 *   SLOW: another namespace of the same controller, which is slow enough for many
 *   reads to be in flight
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../bench/marker.h"
#include "t.h"

#define WRITES	64
#define BATCH	50
#define READS	2000	/* fewer than a queue has tags */

static void partial_writes(int fd)
{
	int i, whole = 0;

	for (i = 0; i < WRITES; i++)
		whole += pwrite(fd, "partial", 7, 100 + i * PG) == 7;
	if (whole != WRITES)
		bail("%d partial writes failed", WRITES - whole);
}

static void counted(int fd, unsigned int interval)
{
	/* Once before, so that nothing is done for the first time. */
	partial_writes(fd);
	mark_start(interval);
	partial_writes(fd);
	mark_stop();
}

/* Returns how many reads at least were in flight at a time; none is any more. */
static int many_reads(int fd, char *buf)
{
	static struct io_event events[READS];
	static struct iocb iocbs[READS], *list[READS];
	int i, ret, sent = 0, back = 0, most = 0;
	struct timespec none = { 0 };
	io_context_t ctx = NULL;

	if (io_setup(READS, &ctx))
		bail("io_setup");
	for (i = 0; i < READS; i++) {
		io_prep_pread(&iocbs[i], fd, buf, PG, i * PG);
		list[i] = &iocbs[i];
	}
	while (sent < READS) {
		ret = io_submit(ctx, BATCH, list + sent);
		if (ret <= 0)
			bail("io_submit: %s", strerror(-ret));
		sent += ret;
		ret = io_getevents(ctx, 0, READS, events, &none);
		if (ret < 0)
			bail("io_getevents: %s", strerror(-ret));
		back += ret;
		if (sent - back > most)
			most = sent - back;
	}
	while (back < sent) {
		ret = io_getevents(ctx, 1, READS, events, NULL);
		if (ret < 0)
			bail("io_getevents: %s", strerror(-ret));
		back += ret;
	}
	io_destroy(ctx);
	return most;
}

static void partial_writes_among_requests(void)
{
	int fd, slow, most;

	if (!t_args[0])
		bail("no SLOW given, see --help");
	fd = dev_open(O_RDWR);
	slow = open(t_args[0], O_RDONLY | O_DIRECT | O_CLOEXEC);
	if (slow < 0)
		bail("%s: %s", t_args[0], strerror(errno));

	stay_on(1);
	counted(fd, 1);
	stay_on(0);
	most = many_reads(slow, pages(PG));
	/* For tests/guest/scans. */
	note("reads in flight: %d", most);
	note("partial writes: %d", WRITES);
	ok(most >= 500, "C11: many reads were in flight on another queue");
	stay_on(1);
	counted(fd, 2);
	stay_on(0);
	counted(fd, 3);
}

static const struct t_case cases[] = {
	{ "C11", partial_writes_among_requests },
};

int main(int argc, char **argv)
{
	t_args_usage = "SLOW";
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
