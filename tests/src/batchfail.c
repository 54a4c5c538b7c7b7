// SPDX-License-Identifier: GPL-2.0
/*
 * Batches of which commands fail, are lost, or are in flight when something happens:
 * for a controller that does what it is told (lab/vm --vfu).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "batch.h"
#include "t.h"

#define NR 40U			/* more than one chunk */
#define BAD 1111		/* a result that is not written */

static int fd;
static struct io_uring ring;
static uint32_t map_id;
static char *map;
static struct nvdio_io ios[256];
static struct nvdio_result res[256];

static void tell(const char *line)
{
	char command[160];

	snprintf(command, sizeof(command), "vfu '%s' >/dev/null", line);
	if (system(command))
		bail("%s", command);
}

/* Wait until the controller holds @n commands. */
static bool holds_back(unsigned int n)
{
	char command[80];

	snprintf(command, sizeof(command), "test \"$(vfu held)\" = %u", n);
	for (int i = 0; i < 60; i++) {
		if (!system(command))
			return true;
		usleep(20 * 1000);
	}
	return false;
}

static void parameter(const char *name, int value)
{
	char command[80];

	snprintf(command, sizeof(command), "echo %d >/sys/module/nvdio/parameters/%s", value, name);
	if (system(command))
		bail("%s", command);
}

static void compose(unsigned int op)
{
	memset(map, 0xaa, NR * PG);
	for (unsigned int i = 0; i < NR; i++) {
		ios[i] = (struct nvdio_io){ .op = op, .off = i * PG, .len = PG,
					    .addr = i * PG, .map = map_id };
		res[i] = (struct nvdio_result){ .res = BAD };
	}
}

/* Wait for the batch that was submitted last. */
static int landed(void)
{
	struct io_uring_cqe *cqe;
	int ret;

	while (io_uring_wait_cqe(&ring, &cqe))
		;
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

/* Open anew, with a map and a ring: the namespace may have got a new node. */
static void begin(void)
{
	struct nvdio_map_add add = { .len = NR * PG, .flags = NVDIO_MAP_ALLOC };
	char *data = pages(NR * PG);

	fd = dev_open(O_RDWR | O_DIRECT);
	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add) || io_uring_queue_init(64, &ring, 0))
		bail("no map, or no ring: %s", strerror(errno));
	map_id = add.id;
	map = mmap(NULL, NR * PG, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)add.mmap_offset);
	if (map == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	fill(data, NR * PG, 3, 0);
	put(fd, data, NR * PG, 0);
	munmap(data, NR * PG);
}

static void done(void)
{
	tell("clear");
	io_uring_queue_exit(&ring);
	munmap(map, NR * PG);
	close(fd);
}

/*
 * Each descriptor has the result @want and the status @status if it is one of those
 * that @step and @first choose, else none, and its contents.
 */
static void some_failed(unsigned int first, unsigned int step, int want, unsigned int status,
			const char *what)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < NR; i++) {
		const bool failed = i >= first && (i - first) % step == 0;

		if (res[i].res == (failed ? want : BAD) &&
		    res[i].status == (failed ? status : 0) &&
		    (failed || ios[i].op != NVDIO_IO_READ ||
		     differs(map + i * PG, PG, 3, i * PG) < 0))
			continue;
		if (wrong++ < 3)
			note("%u: %d, status %#x", i, res[i].res, res[i].status);
	}
	is(wrong, 0, "%s: results and contents", what);
}

static void statuses(void)
{
	uint64_t errors = counter("stats/errors");

	begin();
	tell("status read sc=0x281 dnr=1 skip=35 count=1");
	compose(NVDIO_IO_READ);
	is(batch(&ring, fd, ios, NR, res, 0, 0), NR - 1, "a read in the second chunk fails");
	some_failed(35, NR, -ENODATA, 0x4281, "it alone");
	tell("status read sc=0x286 dnr=1 every=3 count=all");
	compose(NVDIO_IO_READ);
	is(batch(&ring, fd, ios, NR, res, 0, 0), NR - (NR + 2) / 3, "each third fails");
	tell("clear");
	tell("status write sc=0x280 dnr=1 skip=1 count=1");
	compose(NVDIO_IO_WRITE);
	fill(map, NR * PG, 3, 0);
	is(batch(&ring, fd, ios, NR, res, 0, 0), NR - 1, "a write fails");
	some_failed(1, NR, -ENODATA, 0x4280, "it alone");
	tell("status read sc=0x281 dnr=1 count=all");
	compose(NVDIO_IO_READ);
	is(batch(&ring, fd, ios, NR, res, NVDIO_BATCH_ALL_RESULTS, 0), 0, "all of them fail");
	some_failed(0, 1, -ENODATA, 0x4281, "all");
	is(batch(&ring, fd, ios, NR, NULL, 0, 0), 0, "without results");
	is(batch(&ring, fd, ios, NR, (void *)16, 0, 0), 0, "results nowhere");
	tell("clear");
	ok(counter("stats/errors") - errors > 3 * NR, "errors are counted");
	compose(NVDIO_IO_READ);
	is(batch(&ring, fd, ios, NR, res, 0, 0), NR, "afterwards all is well");
	some_failed(NR, 1, 0, 0, "afterwards");
	done();
}

static void retried(void)
{
	uint64_t before = counter("stats/retries");

	begin();
	tell("status read sc=0x281 every=4 count=8");
	compose(NVDIO_IO_READ);
	is(batch(&ring, fd, ios, NR, res, 0, 0), NR, "what may be sent again is");
	some_failed(NR, 1, 0, 0, "sent again");
	ok(counter("stats/retries") - before >= 8, "that was counted");
	tell("clear");
	tell("status read sc=0x281 skip=2 count=1");
	parameter("max_retries", 0);
	compose(NVDIO_IO_READ);
	is(batch(&ring, fd, ios, NR, res, 0, 0), NR - 1, "not with max_retries=0");
	some_failed(2, NR, -ENODATA, 0x281, "not again");
	parameter("max_retries", 5);
	done();
}

/* A CQE that never comes: Abort, or a reset, and the command is sent again. */
static void lost(void)
{
	begin();
	tell("drop read skip=7 count=1");
	compose(NVDIO_IO_READ);
	is(batch(&ring, fd, ios, NR, res, 0, 0), NR, "a completion is lost");
	some_failed(NR, 1, 0, 0, "a lost completion");
	done();
}

static void submit_held(void)
{
	tell("hold read count=all");
	compose(NVDIO_IO_READ);
	prep_batch(&ring, fd, ios, NR, res, 0, 0);
	is(io_uring_submit(&ring), 1, "a batch");
	ok(holds_back(NR), "is in flight");
}

static void resets(void)
{
	int ctrl = ctrl_open(O_RDWR);

	begin();
	submit_held();
	tell("clear");
	is(ioctl(ctrl, NVME_IOCTL_RESET), 0, "a reset");
	is(landed(), NR, "the batch ends");
	some_failed(NR, 1, 0, 0, "after a reset");
	parameter("max_retries", 0);
	submit_held();
	tell("clear");
	is(ioctl(ctrl, NVME_IOCTL_RESET), 0, "a reset");
	is(landed(), 0, "with max_retries=0 it fails");
	some_failed(0, 1, -EIO, 0, "after a reset with max_retries=0");
	parameter("max_retries", 5);
	done();
	close(ctrl);
}

/* The results are unmapped, the map deleted, meanwhile. */
static void memory_goes(void)
{
	struct nvdio_result *gone = pages(PG);

	begin();
	tell("hold read count=all");
	tell("status read sc=0x281 dnr=1 every=2 count=all");
	compose(NVDIO_IO_READ);
	prep_batch(&ring, fd, ios, NR, gone, 0, 0);
	is(io_uring_submit(&ring), 1, "a batch");
	usleep(100 * 1000);
	munmap(gone, PG);
	memset(ios, 0xff, sizeof(ios));
	munmap(map, NR * PG);
	tell("release");
	tell("clear");
	tell("release");
	ok(landed() <= (int)NR, "ends");
	done();
}

static void exit_held(void)
{
	begin();
	tell("hold read count=all");
	compose(NVDIO_IO_READ);
	for (int i = 0; i < 3; i++)
		prep_batch(&ring, fd, ios, NR, res, 0, 0);
	io_uring_submit(&ring);
	holds_back(3 * NR);
}

/* A task that ends with batches in flight, which then fail. */
static void dies(void)
{
	for (int how = 0; how < 3; how++) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			exit_held();
			if (how == 0)
				_exit(0);
			if (how == 1)
				kill(getpid(), SIGKILL);
			/* Its ring waits for them. */
			if (!fork()) {
				usleep(300 * 1000);
				if (system("vfu clear >/dev/null; vfu release >/dev/null"))
					_exit(1);
				_exit(0);
			}
			io_uring_queue_exit(&ring);
			_exit(0);
		}
		usleep(500 * 1000);
		if (how < 2)
			tell("status read sc=0x281 dnr=1 count=all");
		tell("release");
		tell("clear");
		tell("release");
		is(waitpid(pid, &status, 0), pid, "it is gone (%d)", how);
	}
	begin();
	compose(NVDIO_IO_READ);
	is(batch(&ring, fd, ios, NR, res, 0, 0), NR, "afterwards all is well");
	done();
}

/* A read by NVME_URING_CMD_IO, which is completed as a batch is. */
/* What a ring carries that its task leaves behind. */
enum load { A_BATCH, COMMANDS, VECTORS };

/* Vectors never take the fast path. */
static void prep_passthrough(unsigned int i, enum load load)
{
	static struct iovec iov[NR];
	struct nvme_uring_cmd c = {
		.opcode = 2, .nsid = dev_nsid(), .addr = (uintptr_t)map + i * PG, .data_len = PG,
		.cdw12 = PG / dev.lba - 1,
	};

	if (load == VECTORS) {
		iov[i] = (struct iovec){ map + i * PG, PG };
		c.addr = (uintptr_t)&iov[i];
		c.data_len = 1;
	}
	prep_command(io_uring_get_sqe(&ring), fd,
		     load == VECTORS ? NVME_URING_CMD_IO_VEC : NVME_URING_CMD_IO, &c);
}

/*
 * A task that has a ring with IOPOLL, and is killed with I/O in flight. It can end only when
 * the I/O has, and then it has to.
 */
static void dies_polling_by(unsigned int flags, enum load load)
{
	static const char *const names[] = { "a batch", "commands", "commands with vectors" };
	int status, ret = 0;
	pid_t pid = fork();

	if (!pid) {
		begin();
		io_uring_queue_exit(&ring);
		if (load != A_BATCH)
			flags |= IORING_SETUP_SQE128 | IORING_SETUP_CQE32;
		if (io_uring_queue_init(64, &ring, IORING_SETUP_IOPOLL | flags))
			bail("no ring");
		tell("hold read count=all");
		compose(NVDIO_IO_READ);
		if (load == A_BATCH)
			prep_batch(&ring, fd, ios, NR, res, 0, 0);
		for (unsigned int i = 0; load != A_BATCH && i < NR; i++)
			prep_passthrough(i, load);
		io_uring_submit(&ring);
		holds_back(NR);
		kill(getpid(), SIGKILL);
	}
	usleep(1500 * 1000);
	tell("clear");
	tell("release");
	for (int i = 0; i < 200 && !ret; i++) {
		usleep(100 * 1000);
		ret = waitpid(pid, &status, WNOHANG);
	}
	is(ret, pid, "a task that polls%s has died, with %s in flight",
	   flags & IORING_SETUP_SQPOLL ? ", by SQPOLL," : "", names[load]);
}

static void dies_polling(void)
{
	for (enum load load = A_BATCH; load <= VECTORS; load++) {
		dies_polling_by(0, load);
		dies_polling_by(IORING_SETUP_SQPOLL, load);
	}
	begin();
	compose(NVDIO_IO_READ);
	is(batch(&ring, fd, ios, NR, res, 0, 0), NR, "afterwards all is well");
	done();
}

/*
 * A child polls the ring of its parent, who has submitted a batch of which something fails,
 * and does not run now.
 */
static void polled_by_child(void)
{
	int status, parent = getpid();
	pid_t pid;

	begin();
	io_uring_queue_exit(&ring);
	if (io_uring_queue_init(64, &ring, IORING_SETUP_IOPOLL))
		bail("no ring");
	tell("hold read count=all");
	compose(NVDIO_IO_READ);
	ios[3].resv = 1;
	prep_batch(&ring, fd, ios, NR, res, 0, 0);
	is(io_uring_submit(&ring), 1, "a batch");
	ok(holds_back(NR - 1), "is in flight");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		kill(parent, SIGSTOP);
		if (fork() == 0) {
			usleep(2000 * 1000);
			kill(parent, SIGCONT);
			_exit(0);
		}
		tell("clear");
		tell("release");
		usleep(500 * 1000);
		for (int i = 0; i < 10; i++)
			io_uring_enter(ring.ring_fd, 0, 1, IORING_ENTER_GETEVENTS, NULL);
		_exit(0);
	}
	is(waitpid(pid, &status, 0), pid, "its child has polled");
	is(landed(), NR - 1, "the batch ends");
	is(res[3].res, -EINVAL, "with its results");
	done();
}

static void unbound(void)
{
	begin();
	parameter("max_retries", 5);
	submit_held();
	if (system("echo $NVDIO_PCI >/sys/bus/pci/drivers/nvdio/unbind"))
		bail("unbind");
	is(landed(), 0, "the driver is unbound");
	some_failed(0, 1, -ENODEV, 0, "unbound");
	is(batch(&ring, fd, ios, NR, res, 0, 0), -ENODEV, "another batch");
	io_uring_queue_exit(&ring);
	munmap(map, NR * PG);
	close(fd);
	tell("clear");
	if (system("echo $NVDIO_PCI >/sys/bus/pci/drivers/nvdio/bind"))
		bail("bind");
}

static const struct t_case cases[] = {
	{ "statuses", statuses },
	{ "retried", retried },
	{ "lost", lost },
	{ "resets", resets },
	{ "memory_goes", memory_goes },
	{ "dies", dies },
	{ "dies_polling", dies_polling },
	{ "polled_by_child", polled_by_child },
	{ "unbound", unbound },
};

int main(int argc, char **argv)
{
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
