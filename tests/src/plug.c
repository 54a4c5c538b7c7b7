// SPDX-License-Identifier: GPL-2.0
/*
 * A batch of reads is submitted while the controller is reset, so that its plug ends
 * when the I/O queues do not exist. tests/shim/nvdio_plug.c makes both meet; which
 * doorbells were rung, only the host sees (tests/reset.t).
 *
 * usage: plug [-t CASE]... DEVICE
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "t.h"

#define READS 8
#define STAGE "/sys/module/nvdio_plug/parameters/stage"

/* As in nvdio_plug.c. */
enum { STAGE_IDLE, STAGE_HELD, STAGE_OPEN, STAGE_ENDED };

static int stage(void)
{
	FILE *f = fopen(STAGE, "re");
	int value;

	if (!f || fscanf(f, "%d", &value) != 1)
		bail("%s cannot be read", STAGE);
	fclose(f);
	return value;
}

static int ctrl;
static int reset_errno = -1;
static atomic_bool over;	/* the batch, though nobody was held */

/* Resets the controller as soon as the other thread is held with its plug. */
static void *reset(void *arg)
{
	stay_on(1);
	while (stage() == STAGE_IDLE) {
		if (over)
			return arg;
		usleep(10000);
	}
	reset_errno = ioctl(ctrl, NVME_IOCTL_RESET) ? errno : 0;
	return arg;
}

/* Submits a batch and waits for all of it. Returns how many reads were whole. */
static int read_batch(struct io_uring *ring, int fd, char *buf)
{
	struct io_uring_cqe *cqe;
	int i, whole = 0;

	for (i = 0; i < READS; i++)
		io_uring_prep_read(io_uring_get_sqe(ring), fd, buf + i * PG,
				   PG, i * PG);
	is(io_uring_submit(ring), READS, "C8: a batch of reads is submitted");
	for (i = 0; i < READS && !io_uring_wait_cqe(ring, &cqe); i++) {
		whole += cqe->res == (int)PG;
		io_uring_cqe_seen(ring, cqe);
	}
	return whole;
}

static void plug_ends_in_a_reset(void)
{
	uint64_t retries = counter("stats/retries");
	int fd, whole;
	struct io_uring ring;
	pthread_t resetter;
	char *buf;

	ctrl = ctrl_open(O_RDWR);
	buf = pages(READS * PG);
	fd = dev_open(O_RDWR | O_DIRECT);
	fill(buf, READS * PG, t_seed, 0);
	put(fd, buf, READS * PG, 0);
	memset(buf, 0xaa, READS * PG);
	is(stage(), STAGE_IDLE, "C8: nobody is held yet");
	if (pthread_create(&resetter, NULL, reset, NULL))
		bail("no thread");

	stay_on(0);
	if (io_uring_queue_init(READS, &ring, 0))
		bail("io_uring");
	whole = read_batch(&ring, fd, buf);
	over = true;
	pthread_join(resetter, NULL);
	is(reset_errno, 0, "C8: the controller was reset");
	is(stage(), STAGE_ENDED, "C8: the plug ended in the middle of it");
	/* The one that the controller was not told of. */
	is(counter("stats/retries") - retries, 1, "C8: one read was in flight then");
	is(whole, READS, "C8: it was sent again, the others waited for the end of the reset");

	memset(buf, 0xaa, READS * PG);
	is(read_batch(&ring, fd, buf), READS, "C8: all are read afterwards");
	holds(buf, READS * PG, t_seed, 0, "C8: what was written before");
	io_uring_queue_exit(&ring);
}

static const struct t_case cases[] = {
	{ "C8", plug_ends_in_a_reset },
};

int main(int argc, char **argv)
{
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
