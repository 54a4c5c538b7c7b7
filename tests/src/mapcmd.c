// SPDX-License-Identifier: GPL-2.0
/*
 * Passthrough commands and mapped memory (driver/uapi/nvdio.h), besides what they move
 * (mapio.c): which commands use it, and with which right; what munmap(), mprotect() and
 * MAP_FIXED do; and that a map which is deleted waits for its commands. Each is tried by
 * ioctl and by io_uring, with one buffer and with a vector, which go different ways.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/nvme_ioctl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../driver/uapi/nvdio.h"
#include "t.h"

#define AT (8 * MiB)
#define NR 64UL
#define LEN (NR * PG)
#define IO (8 * PG)		/* more than two pages, which might need no map */
#define FLIGHT 8U

enum { COMPARE_FAILURE_DNR = 0x4285 };
enum { OP_FLUSH, OP_WRITE, OP_READ, OP_COMPARE = 5, OP_DSM = 9, OP_VENDOR = 0xc2 };

static int fd;
static unsigned int nsid;
static uint64_t seed;
static struct io_uring ring;
static char *back;
static const int rw = PROT_READ | PROT_WRITE;

/* ---- ways to send a command ---- */

static struct nvme_uring_cmd command(int op, const void *p, size_t len)
{
	const uint64_t slba = AT / dev.lba;

	return (struct nvme_uring_cmd){
		.opcode = op, .nsid = nsid, .addr = (uintptr_t)p, .data_len = len,
		.cdw10 = slba, .cdw11 = slba >> 32, .cdw12 = len / dev.lba - 1,
	};
}

static long by_ioctl(struct nvme_uring_cmd *c)
{
	struct nvme_passthru_cmd p;

	memcpy(&p, c, sizeof(p));
	return reterr(ioctl(fd, NVME_IOCTL_IO_CMD, &p));
}

/* As a vector of three. */
static void three(struct nvme_uring_cmd *c, struct iovec v[3])
{
	char *p = (char *)(uintptr_t)c->addr;

	v[0] = (struct iovec){ p, 4 };
	v[1] = (struct iovec){ p + 4, c->data_len / 2 };
	v[2] = (struct iovec){ p + 4 + c->data_len / 2, c->data_len - c->data_len / 2 - 4 };
	c->addr = (uintptr_t)v;
	c->data_len = 3;
}

static long by_ioctl_vec(struct nvme_uring_cmd *c)
{
	struct nvme_passthru_cmd64 p = {};
	struct iovec v[3];

	three(c, v);
	memcpy(&p, c, sizeof(*c));
	return reterr(ioctl(fd, NVME_IOCTL_IO64_CMD_VEC, &p));
}

static void ring_put(const struct nvme_uring_cmd *c, unsigned int op)
{
	prep_command(io_uring_get_sqe(&ring), fd, op, c);
	if (io_uring_submit(&ring) < 0)
		bail("io_uring_submit");
}

static long ring_get(void)
{
	struct io_uring_cqe *cqe;
	long ret;

	/* A signal to the process, of which another thread's child has ended. */
	do {
		ret = io_uring_wait_cqe(&ring, &cqe);
	} while (ret == -EINTR);
	if (ret)
		bail("io_uring_wait_cqe: %ld", ret);
	ret = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return ret;
}

static long by_ring(struct nvme_uring_cmd *c)
{
	ring_put(c, NVME_URING_CMD_IO);
	return ring_get();
}

static long by_ring_vec(struct nvme_uring_cmd *c)
{
	struct iovec v[3];

	three(c, v);
	ring_put(c, NVME_URING_CMD_IO_VEC);
	return ring_get();
}

static const struct way {
	const char *name;
	long (*send)(struct nvme_uring_cmd *c);
} ways[] = {
	{ "ioctl", by_ioctl },
	{ "ioctl, vector", by_ioctl_vec },
	{ "io_uring", by_ring },
	{ "io_uring, vector", by_ring_vec },
};

static const struct way *way;

static void by_each_way(void (*part)(void))
{
	for (way = ways; way < ways + ARRAY_SIZE(ways); way++)
		part();
}

/* ---- one command ---- */

/* A command of any kind: its result, and whether it was recognised. */
static void sends(struct nvme_uring_cmd c, long want, int recognised, const char *what)
{
	uint64_t before = counter("stats/mapped");
	long got = way->send(&c);

	is(got, want, "%s, %s", way->name, what);
	is(counter("stats/mapped") - before, recognised, "%s, %s: %srecognised", way->name, what,
	   recognised ? "" : "not ");
}

static void disk_fill(void)
{
	fill(back, IO, ++seed, 0);
	put(fd, back, IO, AT);
}

static void reads(char *p, int recognised, const char *what)
{
	disk_fill();
	sends(command(OP_READ, p, IO), 0, recognised, what);
	holds(p, IO, seed, 0, "%s, %s: contents", way->name, what);
}

static void writes(char *p, int recognised, const char *what)
{
	fill(p, IO, ++seed, 0);
	sends(command(OP_WRITE, p, IO), 0, recognised, what);
	get(fd, back, IO, AT);
	holds(back, IO, seed, 0, "%s, %s: contents of the disk", way->name, what);
}

static void fails(int op, char *p, const char *what)
{
	sends(command(op, p, IO), -EFAULT, 0, what);
}

/* ---- memory ---- */

static char *node_memory(size_t len)
{
	char *p = mmap(NULL, len, rw, MAP_SHARED, fd, (off_t)NVDIO_MMAP_ALLOC);

	if (p == MAP_FAILED)
		bail("mmap");
	return p;
}

static uint32_t add(const char *p, uint32_t flags)
{
	struct nvdio_map_add a = {
		.addr = (uintptr_t)p, .len = LEN, .flags = NVDIO_MAP_USER | flags
	};

	if (ioctl(fd, NVDIO_IOC_MAP_ADD, &a))
		bail("MAP_ADD");
	return a.id;
}

static void del(uint32_t id)
{
	if (ioctl(fd, NVDIO_IOC_MAP_DEL, &id))
		bail("MAP_DEL");
}

static void none_left(const char *what)
{
	for (int i = 0; i < 300 && ctrl_counter("maps"); i++)
		usleep(100 * 1000);
	is(ctrl_counter("maps"), 0, "%s: no map is left", what);
}

/* ---- which commands, with which right ---- */

static void kinds_part(void)
{
	char *p = node_memory(LEN);

	writes(p, 1, "a Write");
	reads(p + 3 * PG, 1, "a Read");
	reads(p + LEN - IO, 1, "a Read to the end");
	reads(p + PG + 4, 1, "a Read at an odd place");
	memmove(p, p + PG + 4, IO);
	sends(command(OP_COMPARE, p, IO), 0, 1, "a Compare");
	p[IO - 1]++;
	sends(command(OP_COMPARE, p, IO), COMPARE_FAILURE_DNR, 1, "a Compare that fails");
	munmap(p + LEN - PG, PG);
	fails(OP_READ, p + LEN - IO, "a Read past the end");
	reads(p + LEN - PG - IO, 1, "a Read to the new end");
	munmap(p, LEN - PG);
}

/* What a controller moves for a command of unknown length nobody knows: no map. */
static void unknown_part(void)
{
	char *p = node_memory(LEN);
	uint64_t before;
	struct nvme_uring_cmd c = command(OP_VENDOR, p, IO);

	fill(p, LEN, 5, 0);
	before = counter("stats/mapped");
	ok(way->send(&c) > 0, "%s, an unknown command: a status", way->name);
	is(counter("stats/mapped") - before, 0, "%s, an unknown command: not recognised",
	   way->name);
	holds(p, LEN, 5, 0, "%s, an unknown command: the memory is as it was", way->name);
	c = command(OP_FLUSH, p, 0);
	if (way->send != by_ioctl_vec && way->send != by_ring_vec)
		sends(c, 0, 0, "a Flush");
	munmap(p, LEN);
}

static void ranges(void)
{
	static const uint32_t range[4];		/* of no block */
	char *p = node_memory(LEN);
	struct nvme_uring_cmd c = { .opcode = OP_DSM, .nsid = nsid, .data_len = 16 };

	way = ways;
	memcpy(p + PG - 16, range, sizeof(range));
	c.addr = (uintptr_t)p + PG - 16;
	sends(c, 0, 1, "Dataset Management");
	munmap(p, LEN);
}

static void kinds(void)
{
	by_each_way(kinds_part);
	by_each_way(unknown_part);
	ranges();
	none_left("commands");
}

static void read_only_part(void)
{
	char *p = pages(LEN);
	uint32_t id = add(p, NVDIO_MAP_READ_ONLY);

	writes(p, 1, "registered for writes, a Write");
	reads(p, 0, "registered for writes, a Read");
	sends(command(OP_COMPARE, p, IO), 0, 1, "registered for writes, a Compare");
	del(id);
	writes(p, 0, "no longer registered, a Write");
	reads(p, 0, "no longer registered, a Read");
	munmap(p, LEN);
}

static void read_only(void)
{
	by_each_way(read_only_part);
	none_left("registered for writes");
}

static void in_part_part(void)
{
	char *p = node_memory(LEN), *q = node_memory(LEN), *room;

	room = mmap(NULL, 3 * LEN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mremap(p, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room) != room ||
	    mremap(q, LEN, LEN, MREMAP_MAYMOVE | MREMAP_FIXED, room + LEN) == MAP_FAILED ||
	    mmap(room + 2 * LEN, LEN, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
	    MAP_FAILED)
		bail("mremap");
	reads(room + LEN - PG, 0, "from one map into the next");
	writes(room + LEN - PG, 0, "from one map into the next");
	reads(room + 2 * LEN - PG, 0, "from a map into other memory");
	writes(room + 2 * LEN - PG, 0, "from a map into other memory");
	reads(room + 2 * LEN, 0, "other memory");
	reads(room + LEN, 1, "the second map");
	munmap(room, 3 * LEN);
}

static void in_part(void)
{
	by_each_way(in_part_part);
	none_left("two maps");
}

/* The sum of address and length is 0, or an address below that of the map. */
static void wrapping_part(void)
{
	char *p = node_memory(LEN);

	/* So that the queue knows the map. */
	reads(p, 1, "the map");
	writes(p, 1, "the map");
	fails(OP_READ, (char *)-PG, "a Read across the end of all addresses");
	fails(OP_WRITE, (char *)-PG, "a Write across the end of all addresses");
	fails(OP_READ, (char *)-IO, "a Read up to the end of all addresses");
	fails(OP_WRITE, (char *)-IO, "a Write up to the end of all addresses");
	reads(p, 1, "the map, again");
	munmap(p, LEN);
}

static void wrapping(void)
{
	by_each_way(wrapping_part);
	none_left("wrapping");
}

/* A vector of IO bytes whose pieces are not side by side, or not in this order. */
static void apart_read(const struct iovec *v, bool by_uring, const char *what)
{
	struct nvme_uring_cmd c = command(OP_READ, v, IO);
	struct nvme_passthru_cmd64 p = {};
	uint64_t before = counter("stats/mapped");
	long got;

	c.data_len = 3;
	disk_fill();
	if (by_uring) {
		ring_put(&c, NVME_URING_CMD_IO_VEC);
		got = ring_get();
	} else {
		memcpy(&p, &c, sizeof(c));
		got = reterr(ioctl(fd, NVME_IOCTL_IO64_CMD_VEC, &p));
	}
	is(got, 0, "%s: a Read", what);
	is(counter("stats/mapped") - before, 0, "%s: not recognised", what);
	for (size_t i = 0, from = 0; i < 3; from += v[i++].iov_len)
		holds(v[i].iov_base, v[i].iov_len, seed, from, "%s: contents", what);
}

static void apart(void)
{
	char *p = node_memory(LEN), *q = node_memory(LEN);
	const struct { struct iovec v[3]; const char *what; } t[] = {
		{ { { p, PG }, { p + 2 * PG, 4 * PG }, { p + 6 * PG, 3 * PG } }, "a gap" },
		{ { { p + PG, PG }, { p, PG }, { p + 2 * PG, 6 * PG } }, "another order" },
		{ { { p, PG }, { q + PG, 4 * PG }, { p + 5 * PG, 3 * PG } }, "two maps" },
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(t); i++) {
		apart_read(t[i].v, false, t[i].what);
		apart_read(t[i].v, true, t[i].what);
	}
	munmap(p, LEN);
	munmap(q, LEN);
	none_left("vectors");
}

/* ---- the address space changes ---- */

static void replaced_part(void)
{
	int mem = memfd_create("mapcmd", 0);
	char *p, *other;
	uint32_t id;

	if (mem < 0 || ftruncate(mem, LEN))
		bail("memfd");
	p = mmap(NULL, LEN, rw, MAP_SHARED, mem, 0);
	other = mmap(NULL, LEN, rw, MAP_SHARED, mem, 0);
	if (p == MAP_FAILED || other == MAP_FAILED)
		bail("mmap");
	close(mem);
	memset(p, 1, LEN);
	id = add(p, 0);
	reads(p, 1, "registered");
	writes(p, 1, "registered");
	memset(other, 0x77, LEN);
	if (mmap(p, LEN, rw, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != p)
		bail("mmap");
	reads(p, 0, "replaced");
	writes(p, 0, "replaced");
	munmap(p, LEN);
	fails(OP_READ, p, "unmapped, a Read");
	fails(OP_WRITE, p, "unmapped, a Write");
	ok(other[0] == 0x77 && !memcmp(other, other + 1, LEN - 1),
	   "%s: the old pages are as they were", way->name);
	del(id);
	munmap(other, LEN);
}

static void protected_part(void)
{
	char *p = node_memory(LEN);

	reads(p, 1, "writable");
	if (mprotect(p, LEN, PROT_READ))
		bail("mprotect");
	fails(OP_READ, p, "PROT_READ, a Read");
	sends(command(OP_WRITE, p, IO), 0, 1, "PROT_READ, a Write");
	sends(command(OP_COMPARE, p, IO), 0, 1, "PROT_READ, a Compare");
	if (mprotect(p, LEN, PROT_NONE))
		bail("mprotect");
	fails(OP_READ, p, "PROT_NONE, a Read");
	sends(command(OP_WRITE, p, IO), pins_prot_none() ? 0 : -EFAULT, 0, "PROT_NONE, a Write");
	if (mprotect(p, LEN, rw))
		bail("mprotect");
	holds(p, IO, seed, 0, "%s: none of it changed the memory", way->name);
	reads(p, 1, "writable again");
	munmap(p, LEN);
}

static void changed(void)
{
	by_each_way(replaced_part);
	by_each_way(protected_part);
	none_left("changed");
}

/* A child of a fork is another program: the memory is not its by its identifier. */
static void inherited(void)
{
	char *p = node_memory(LEN), *q = pages(LEN);
	uint32_t id = add(q, 0);
	int status = -1;
	pid_t pid;

	way = ways;
	reads(q, 1, "before fork()");
	fill(q, LEN, 4711, 0);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		struct nvme_uring_cmd c = command(OP_READ, q, IO), d = command(OP_READ, p, IO);
		uint64_t before = counter("stats/mapped");
		long got = by_ioctl(&c);
		bool its_own = counter("stats/mapped") == before &&
			       differs(q, IO, seed, 0) < 0;

		got |= by_ioctl(&d);
		_exit(got || !its_own || counter("stats/mapped") != before + 1);
	}
	ok(waitpid(pid, &status, 0) == pid && !status,
	   "a child: registered memory is a copy, the node's is shared");
	holds(p, IO, seed, 0, "what the child has read into the node's memory");
	holds(q, LEN, 4711, 0, "what the child has read into its own");
	del(id);
	munmap(p, LEN);
	munmap(q, LEN);
	none_left("fork()");
}

/* ---- commands in flight; the device is slow ---- */

static struct iovec segs[FLIGHT][3];

/* FLIGHT reads of IO bytes from @p on, by io_uring. */
static void take_off_ring(char *p, bool vec)
{
	for (unsigned int i = 0; i < FLIGHT; i++) {
		struct nvme_uring_cmd c = command(OP_READ, p + i * IO, IO);

		if (vec)
			three(&c, segs[i]);
		ring_put(&c, vec ? NVME_URING_CMD_IO_VEC : NVME_URING_CMD_IO);
	}
}

static void landed(const char *what)
{
	unsigned int right = 0;

	for (unsigned int i = 0; i < FLIGHT; i++)
		right += !ring_get();
	is(right, FLIGHT, "%s: all commands come back", what);
}

static void deleted_part(bool vec, const char *what)
{
	uint64_t before = counter("stats/mapped");
	char *p = pages(LEN);
	uint32_t id = add(p, 0);

	take_off_ring(p, vec);
	is(counter("stats/mapped") - before, FLIGHT, "%s, MAP_DEL in flight: recognised", what);
	del(id);
	is(counter("leaks/requests"), 0, "%s, MAP_DEL: no command is in flight on return", what);
	is(ctrl_counter("maps"), 0, "%s, MAP_DEL: there is no map on return", what);
	landed(what);
	munmap(p, LEN);
}

static void unmapped_part(bool vec, const char *what)
{
	uint64_t before = counter("stats/mapped"), maps;
	char *p = node_memory(LEN);

	take_off_ring(p, vec);
	is(counter("stats/mapped") - before, FLIGHT, "%s, munmap() in flight: recognised", what);
	munmap(p, LEN);
	maps = ctrl_counter("maps");
	/* On a busy host they may have ended by now. */
	ok(maps || !counter("leaks/requests"),
	   "%s, munmap() in flight: there is a map as long as they are", what);
	landed(what);
	none_left(what);
}

static int dies(bool vec)
{
	if (io_uring_queue_init(16, &ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32))
		return 1;
	take_off_ring(node_memory(LEN), vec);
	kill(getpid(), SIGKILL);
	return 1;
}

static void killed_part(bool vec, const char *what)
{
	int status = 0;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(dies(vec));
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status),
	   "%s: a program is killed with commands in flight", what);
	none_left(what);
	is(counter("leaks/requests"), 0, "%s: nor a command", what);
}

static void cmds_in_flight(void)
{
	for (int vec = 0; vec < 2; vec++) {
		const char *what = vec ? "io_uring, vector" : "io_uring";

		deleted_part(vec, what);
		unmapped_part(vec, what);
		killed_part(vec, what);
	}
}

/* ---- a controller that keeps a command (lab/vfu) ---- */

static void *read_thread(void *p)
{
	struct nvme_uring_cmd c = command(OP_READ, p, IO);

	return (void *)way->send(&c);
}

/*
 * Delete memory of which the controller has a command that another thread waits for.
 * Returns 0 if the command's result is @want.
 */
static int delete_held(long want)
{
	pthread_t thread;
	char *p = pages(LEN);
	uint32_t id = add(p, 0);
	void *got;

	if (io_uring_queue_init(16, &ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32) ||
	    pthread_create(&thread, NULL, read_thread, p))
		return 1;
	for (int i = 0; i < 300 && system("test \"$(vfu held)\" = 1"); i++)
		usleep(100 * 1000);
	if (ioctl(fd, NVDIO_IOC_MAP_DEL, &id))
		return 2;
	if (ctrl_counter("maps"))
		return 3;
	return pthread_join(thread, &got) || (long)got != want ? 4 : 0;
}

static pid_t held_child(long want)
{
	uint64_t before = counter("stats/mapped");
	pid_t pid;

	vfu_tell("hold read count=1");
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(delete_held(want));
	for (int i = 0; i < 300 && system("test \"$(vfu held)\" = 1"); i++)
		usleep(100 * 1000);
	sleep(1);
	is(counter("stats/mapped") - before, 1, "%s, held: recognised", way->name);
	is(ctrl_counter("maps"), 1, "%s, held: the map stays", way->name);
	is(waitpid(pid, NULL, WNOHANG), 0, "%s, held: MAP_DEL waits", way->name);
	return pid;
}

static void held_part(void)
{
	int status = -1, ctrl;
	pid_t pid = held_child(0);

	vfu_tell("release");
	ok(waitpid(pid, &status, 0) == pid && !status,
	   "%s, released: the command ends, and MAP_DEL", way->name);
	none_left("released");
	pid = held_child(0);
	kill(pid, SIGKILL);
	sleep(1);
	is(ctrl_counter("maps"), 1, "%s, killed: the memory stays", way->name);
	vfu_tell("release");
	ok(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status),
	   "%s, killed: the command ends, and the program", way->name);
	none_left("killed");
	pid = held_child(-EINTR);
	ctrl = ctrl_open(O_RDWR);
	is_ret(ioctl(ctrl, NVME_IOCTL_RESET), 0, "%s, a reset", way->name);
	close(ctrl);
	ok(waitpid(pid, &status, 0) == pid && !status,
	   "%s, a reset: the command ends, and MAP_DEL", way->name);
	none_left("reset");
	is(counter("leaks/requests"), 0, "%s: no command is left", way->name);
}

static void held(void)
{
	by_each_way(held_part);
}

static void setup(void)
{
	fd = dev_open(O_RDWR | O_DIRECT);
	nsid = dev_nsid();
	seed = t_seed;
	back = pages(IO);
	if (io_uring_queue_init(16, &ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32))
		bail("io_uring");
	one_queue();
}

static const struct t_case cases[] = {
	{ "kinds", kinds },
	{ "read_only", read_only },
	{ "in_part", in_part },
	{ "wrapping", wrapping },
	{ "apart", apart },
	{ "changed", changed },
	{ "inherited", inherited },
	{ "cmds_in_flight", cmds_in_flight },
	{ "held", held },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
