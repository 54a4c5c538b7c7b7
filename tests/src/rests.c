// SPDX-License-Identifier: GPL-2.0
/*
 * Large writes that are stopped by a claim after their first command was sent, more
 * of them than a workqueue has active work items. They must not keep the holder
 * of the claim from releasing it.
 *
 * usage: rests [-t CASE]... DEVICE
 *   LATENCY: seconds that each command takes (environment)
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <libaio.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>

#include "t.h"

#define WRITES	600	/* WQ_DFL_ACTIVE of 6.12 is 256 */
#define LEN	(128 * KiB)	/* two commands */

/* Submit a partial write: it claims the last block, and reads it first. */
static void claim(io_context_t ctx, int fd)
{
	static struct iocb iocb, *list = &iocb;
	static char byte[7] = "claimed";

	io_prep_pwrite(&iocb, fd, byte, sizeof(byte), LEN - 100);
	if (io_submit(ctx, 1, &list) != 1)
		bail("io_submit");
}

/* Returns false if the claim may have been released before all were submitted. */
static bool meet(double latency)
{
	int direct, copy, i, back, whole = 0;
	struct io_uring_cqe *cqe;
	io_context_t ctx = NULL;
	struct io_event event;
	struct io_uring ring;
	double start;
	bool met;
	char *buf;

	buf = pages(LEN);
	direct = dev_open(O_RDWR | O_DIRECT);
	copy = dev_open(O_RDWR);
	if (io_setup(1, &ctx) || io_uring_queue_init(WRITES, &ring, 0))
		bail("no ring");
	for (i = 0; i < WRITES; i++)
		io_uring_prep_write(io_uring_get_sqe(&ring), direct, buf, LEN, 0);
	start = now();
	claim(ctx, copy);
	if (io_uring_submit(&ring) != WRITES)
		bail("io_uring_submit");
	met = now() - start < latency;

	/* lab/vm ends a machine in which these wait for ever. */
	for (back = 0; back < WRITES && !io_uring_wait_cqe(&ring, &cqe); back++) {
		whole += cqe->res == (int)LEN;
		io_uring_cqe_seen(&ring, cqe);
	}
	is(back, WRITES, "B10: large writes that waited for a claim end");
	is(whole, WRITES, "B10: and they are whole");
	is(io_getevents(ctx, 1, 1, &event, NULL), 1,
	   "B10: so does the partial write that had the claim");
	is((long)event.res, 7, "B10: which is whole as well");
	io_uring_queue_exit(&ring);
	io_destroy(ctx);
	return met;
}

static void rests_of_writes(void)
{
	const char *latency = getenv("LATENCY");

	if (!latency)
		bail("LATENCY is not set");
	while (!meet(atof(latency)))
		note("submitted too slowly to meet the claim; once more");
}

static const struct t_case cases[] = {
	{ "B10", rests_of_writes },
};

int main(int argc, char **argv)
{
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
