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

#define GUARD (4 * PG)		/* before and behind what is used of the map */

static int fd;
static unsigned int ring_flags;	/* of the rings that begin() makes */
static struct io_uring ring;
static uint32_t map_id;
static char *area, *map;	/* the map, and what is used of it */
static struct nvdio_io ios[256];
static struct nvdio_result res[256];
static uint64_t serial;		/* of the batch that was submitted last */

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
	memset(area, 0xaa, NR * PG + 2 * GUARD);
	for (unsigned int i = 0; i < ARRAY_SIZE(ios); i++) {
		ios[i] = (struct nvdio_io){ .op = op, .off = i * PG, .len = PG,
					    .addr = i * PG + GUARD, .map = map_id };
		res[i] = (struct nvdio_result){ .res = BAD };
	}
}

/* Wait for the next CQE; returns its user_data, and sets what it says. */
static uint64_t next_cqe(int *result)
{
	struct io_uring_cqe *cqe;
	uint64_t ret;

	while (io_uring_wait_cqe(&ring, &cqe))
		;
	ret = cqe->user_data;
	*result = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

/*
 * Wait for the batch that was submitted last, of which there is one CQE, and no other
 * one before that of what is submitted then.
 */
static int landed(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);
	int ret, nop;

	if (next_cqe(&ret) != serial)
		ok(false, "the CQE is the batch's");
	io_uring_prep_nop(sqe);
	sqe->user_data = ++serial;
	io_uring_submit(&ring);
	if (next_cqe(&nop) != serial || io_uring_cq_ready(&ring))
		ok(false, "a batch has one CQE");
	return ret;
}

static void prep(struct nvdio_result *results, unsigned int flags)
{
	prep_batch(&ring, fd, ios, NR, results, flags, 0)->user_data = ++serial;
}

static int carried_out(struct nvdio_result *results, unsigned int flags)
{
	prep(results, flags);
	io_uring_submit(&ring);
	return landed();
}

/* Open anew, with a map and a ring: the namespace may have got a new node. */
static void begin(void)
{
	struct nvdio_map_add add = { .len = NR * PG + 2 * GUARD, .flags = NVDIO_MAP_ALLOC };
	char *data = pages(NR * PG);

	fd = dev_open(O_RDWR | O_DIRECT);
	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &add) || io_uring_queue_init(64, &ring, ring_flags))
		bail("no map, or no ring: %s", strerror(errno));
	map_id = add.id;
	area = mmap(NULL, add.len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)add.mmap_offset);
	if (area == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	map = area + GUARD;
	fill(data, NR * PG, 3, 0);
	put(fd, data, NR * PG, 0);
	munmap(data, NR * PG);
}

static void done(void)
{
	tell("clear");
	io_uring_queue_exit(&ring);
	munmap(area, NR * PG + 2 * GUARD);
	close(fd);
}

/* Nothing was written here. */
static bool untouched(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] != (char)0xaa)
			return false;
	return true;
}

/* Were the results, and the memory, of a descriptor touched only as far as it succeeded? */
static bool as_it_was(unsigned int i, bool failed)
{
	if (i >= NR)
		return res[i].res == BAD && !res[i].status;
	if (ios[i].op != NVDIO_IO_READ)
		return true;
	return failed ? untouched(map + i * PG, PG) : differs(map + i * PG, PG, 3, i * PG) < 0;
}

/*
 * Each descriptor has the result @want and the status @status if it is one of those
 * that @step and @first choose, else none, and its contents.
 */
static void some_failed(unsigned int first, unsigned int step, int want, unsigned int status,
			const char *what)
{
	unsigned int wrong = 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(res); i++) {
		const bool failed = i < NR && i >= first && (i - first) % step == 0;

		if (res[i].res == (failed ? want : BAD) &&
		    res[i].status == (failed ? status : 0) && as_it_was(i, failed))
			continue;
		if (wrong++ < 3)
			note("%u: %d, status %#x", i, res[i].res, res[i].status);
	}
	if (!untouched(area, GUARD) || !untouched(map + NR * PG, GUARD))
		ok(false, "%s: what is around is as it was", what);
	is(wrong, 0, "%s: results and contents", what);
}

/* All of the disk was written but block @nr; the disk is as begin() made it then. */
static void write_failed(unsigned int nr)
{
	char *data = pages(NR * PG);
	unsigned int wrong = 0;

	get(fd, data, NR * PG, 0);
	for (unsigned int i = 0; i < NR; i++)
		wrong += differs(data + i * PG, PG, i == nr ? 3 : 4, i * PG) >= 0;
	is(wrong, 0, "all others have reached the disk");
	fill(data, NR * PG, 3, 0);
	put(fd, data, NR * PG, 0);
	munmap(data, NR * PG);
}

/* Each kind of descriptor that is refused, among others. */
static void refused(void)
{
	static const struct { struct nvdio_io add; int want; } wrong[] = {
		{ { .off = 256 }, -EINVAL }, { { .len = 100 }, -EINVAL },
		{ { .map = 77 }, -ENOENT }, { { .addr = 1UL << 32 }, -EINVAL },
		{ { .addr = 2 }, -EINVAL }, { { .off = 1ULL << 60 }, -ENOSPC },
		{ { .op = 80 }, -EOPNOTSUPP }, { { .flags = NVDIO_IO_FUA }, -EINVAL },
		{ { .stream = 1 }, -EINVAL }, { { .resv = 1 }, -EINVAL },
	};

	begin();
	for (unsigned int i = 0; i < ARRAY_SIZE(wrong); i++) {
		const unsigned int at[] = { 0, 17, NR - 1 };
		struct nvdio_io *io = &ios[at[i % 3]];

		compose(NVDIO_IO_READ);
		io->off += wrong[i].add.off;
		io->len += wrong[i].add.len;
		io->map += wrong[i].add.map;
		io->addr += wrong[i].add.addr;
		io->op += wrong[i].add.op;
		io->flags = wrong[i].add.flags;
		io->stream = wrong[i].add.stream;
		io->resv = wrong[i].add.resv;
		is(carried_out(res, 0), NR - 1, "refused %u", i);
		io->op = NVDIO_IO_READ;
		some_failed(at[i % 3], NR, wrong[i].want, 0, "it alone");
	}
	compose(NVDIO_IO_READ);
	for (unsigned int i = 0; i < NR; i++)
		ios[i].map += 77;
	is(carried_out(res, 0), 0, "all are refused");
	some_failed(0, 1, -ENOENT, 0, "all of them");
	done();
}

static void statuses(void)
{
	uint64_t errors = counter("stats/errors");

	begin();
	tell("status read sc=0x281 dnr=1 skip=35 count=1");
	compose(NVDIO_IO_READ);
	is(carried_out(res, 0), NR - 1, "a read in the second chunk fails");
	some_failed(35, NR, -ENODATA, 0x4281, "it alone");
	tell("status read sc=0x286 dnr=1 every=3 count=all");
	compose(NVDIO_IO_READ);
	is(carried_out(res, 0), NR - (NR + 2) / 3, "each third fails");
	tell("clear");
	tell("status write sc=0x280 dnr=1 skip=1 count=1");
	compose(NVDIO_IO_WRITE);
	fill(map, NR * PG, 4, 0);
	is(carried_out(res, 0), NR - 1, "a write fails");
	some_failed(1, NR, -ENODATA, 0x4280, "it alone");
	write_failed(1);
	tell("status read sc=0x281 dnr=1 count=all");
	compose(NVDIO_IO_READ);
	is(carried_out(res, NVDIO_BATCH_ALL_RESULTS), 0, "all of them fail");
	some_failed(0, 1, -ENODATA, 0x4281, "all");
	is(carried_out(NULL, 0), 0, "without results");
	is(carried_out((void *)16, 0), 0, "results nowhere");
	tell("clear");
	ok(counter("stats/errors") - errors > 3 * NR, "errors are counted");
	compose(NVDIO_IO_READ);
	is(carried_out(res, 0), NR, "afterwards all is well");
	some_failed(NR, 1, 0, 0, "afterwards");
	done();
}

static void retried(void)
{
	uint64_t before = counter("stats/retries");

	begin();
	tell("status read sc=0x281 every=4 count=8");
	compose(NVDIO_IO_READ);
	is(carried_out(res, 0), NR, "what may be sent again is");
	some_failed(NR, 1, 0, 0, "sent again");
	ok(counter("stats/retries") - before >= 8, "that was counted");
	tell("clear");
	tell("status read sc=0x281 skip=2 count=1");
	parameter("max_retries", 0);
	compose(NVDIO_IO_READ);
	is(carried_out(res, 0), NR - 1, "not with max_retries=0");
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
	is(carried_out(res, 0), NR, "a completion is lost");
	some_failed(NR, 1, 0, 0, "a lost completion");
	done();
}

static void submit_held_for(struct nvdio_result *results, unsigned int flags)
{
	tell("hold read count=all");
	compose(NVDIO_IO_READ);
	prep(results, flags);
	is(io_uring_submit(&ring), 1, "a batch");
	ok(holds_back(NR), "is in flight");
}

static void submit_held(void)
{
	submit_held_for(res, 0);
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
	prep(gone, 0);
	is(io_uring_submit(&ring), 1, "a batch");
	ok(holds_back(NR), "is in flight");
	munmap(gone, PG);
	memset(ios, 0xff, sizeof(ios));
	if (mmap(area, NR * PG + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
		 0) == MAP_FAILED)
		bail("mmap: %s", strerror(errno));
	tell("clear");
	tell("release");
	is(landed(), NR / 2, "the batch ends");
	done();
}

/* A task's parent has seen that the controller holds its commands. */
static void wait_for_parent(int told)
{
	char c;

	if (read(told, &c, 1) != 1)
		_exit(1);
}

/* Tell it, and give it time to die. */
static void seen_held(const int *tell_it, unsigned int nr)
{
	ok(holds_back(nr), "its I/Os are in flight");
	if (write(tell_it[1], "", 1) != 1)
		bail("write: %s", strerror(errno));
	close(tell_it[0]);
	close(tell_it[1]);
	usleep(500 * 1000);
}

static void exit_held(int told)
{
	begin();
	tell("hold read count=all");
	compose(NVDIO_IO_READ);
	for (int i = 0; i < 3; i++)
		prep(res, 0);
	io_uring_submit(&ring);
	wait_for_parent(told);
}

/* A task that ends with batches in flight, which then fail. */
static void dies(void)
{
	for (int how = 0; how < 3; how++) {
		int status, tell_it[2];
		pid_t pid;

		if (pipe(tell_it))
			bail("pipe: %s", strerror(errno));
		pid = fork();
		if (!pid) {
			exit_held(tell_it[0]);
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
		seen_held(tell_it, 3 * NR);
		if (how < 2)
			tell("status read sc=0x281 dnr=1 count=all");
		tell("release");
		tell("clear");
		tell("release");
		is(waitpid(pid, &status, 0), pid, "it is gone (%d)", how);
	}
	begin();
	compose(NVDIO_IO_READ);
	is(carried_out(res, 0), NR, "afterwards all is well");
	done();
}

/* What a ring carries that its task leaves behind. */
enum load { A_BATCH, COMMANDS, VECTORS };

/*
 * A read by NVME_URING_CMD_IO, which is completed as a batch is. Vectors never take the fast
 * path.
 */
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
	int status, ret = 0, tell_it[2];
	pid_t pid;

	if (pipe(tell_it))
		bail("pipe: %s", strerror(errno));
	pid = fork();
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
			prep(res, 0);
		for (unsigned int i = 0; load != A_BATCH && i < NR; i++)
			prep_passthrough(i, load);
		io_uring_submit(&ring);
		wait_for_parent(tell_it[0]);
		kill(getpid(), SIGKILL);
	}
	seen_held(tell_it, NR);
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
	is(carried_out(res, 0), NR, "afterwards all is well");
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
	prep(res, 0);
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
	is(carried_out(res, 0), -ENODEV, "another batch");
	io_uring_queue_exit(&ring);
	munmap(area, NR * PG + 2 * GUARD);
	close(fd);
	tell("clear");
	if (system("echo $NVDIO_PCI >/sys/bus/pci/drivers/nvdio/bind"))
		bail("bind");
}

/* Some fail while their results cannot be written: all that says so is the CQE. */
static void results_unwritable(void)
{
	struct nvdio_result *there = pages(PG);
	unsigned int good = 0;

	begin();
	tell("status read sc=0x281 dnr=1 every=2 count=all");
	submit_held_for(there, NVDIO_BATCH_ALL_RESULTS);
	mprotect(there, PG, PROT_READ);
	tell("clear");
	tell("release");
	is(landed(), NR / 2, "half of them fail, and their results cannot be written");
	for (unsigned int i = 0; i < NR; i++)
		good += there[i].res == (int)PG;
	ok(good != NR / 2, "%u results of success, which are not as many", good);
	munmap(there, PG);
	done();
}

/* All of it on rings of each kind: others find completions, or other tasks. */
static void each_kind(void (*const *fns)(void), unsigned int nr)
{
	static const struct { unsigned int flags; const char *name; } kinds[] = {
		{ IORING_SETUP_IOPOLL, "IOPOLL" },
		{ IORING_SETUP_IOPOLL | IORING_SETUP_SQPOLL, "IOPOLL, SQPOLL" },
		{ IORING_SETUP_IOPOLL | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
		  "IOPOLL, DEFER_TASKRUN" },
		{ IORING_SETUP_SQPOLL, "SQPOLL" },
		{ IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, "DEFER_TASKRUN" },
		{ IORING_SETUP_COOP_TASKRUN, "COOP_TASKRUN" },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(kinds); i++) {
		note("%s", kinds[i].name);
		ring_flags = kinds[i].flags;
		/* Each has as much time as a program. */
		alarm(400);
		for (unsigned int j = 0; j < nr; j++)
			fns[j]();
	}
	ring_flags = 0;
}

static void each_failure(void)
{
	static void (*const fns[])(void) = {
		refused, statuses, retried, memory_goes, results_unwritable,
	};

	each_kind(fns, ARRAY_SIZE(fns));
}

static void each_end(void)
{
	static void (*const fns[])(void) = { resets, dies, unbound };

	each_kind(fns, ARRAY_SIZE(fns));
}

static void each_lost(void)
{
	static void (*const fns[])(void) = { lost };

	each_kind(fns, ARRAY_SIZE(fns));
}

static const struct t_case cases[] = {
	{ "refused", refused },
	{ "statuses", statuses },
	{ "retried", retried },
	{ "lost", lost },
	{ "resets", resets },
	{ "memory_goes", memory_goes },
	{ "dies", dies },
	{ "dies_polling", dies_polling },
	{ "polled_by_child", polled_by_child },
	{ "unbound", unbound },
	{ "results_unwritable", results_unwritable },
	{ "each_failure", each_failure },
	{ "each_end", each_end },
	{ "each_lost", each_lost },
};

int main(int argc, char **argv)
{
	return t_run(argc, argv, cases, ARRAY_SIZE(cases));
}
