// SPDX-License-Identifier: GPL-2.0
/*
 * libnvdio: queues that are full or closed, waits, and what comes from outside: commands that
 * are held or fail (lab/vm --vfu), io_uring that is forbidden, a controller that is gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "queues.h"

/* ---- full queues, and waits ---- */

/* Each I/O is answered once, whatever is sent and taken at once. */
static void storm_of(unsigned int depth, unsigned int type)
{
	struct nvdio_queue *q = queue(depth, type);
	struct nvdio_mem mem = memory(PG);
	struct nvdio_done done[100];
	bool out[100] = {};
	unsigned int in_flight = 0, bad = 0, next = 0;

	for (unsigned int turn = 0; turn < 1500; turn++) {
		for (unsigned int n = below(&t_seed, depth + 2); n && in_flight < depth; n--) {
			while (out[next])
				next = (next + 1) % depth;
			bad += !!nvdio_prep_read(q, &mem, mem.addr, dev.lba, 0, next);
			out[next] = true;
			in_flight++;
		}
		if (in_flight == depth)
			bad += nvdio_prep_flush(q, 0) != -EBUSY;
		bad += nvdio_queue_room(q) != depth - in_flight;
		if (below(&t_seed, 2))
			bad += nvdio_submit(q) < 0;

		const unsigned int max = below(&t_seed, depth + 1);
		const int n = nvdio_wait(q, done, max, below(&t_seed, max + 1), NULL);

		bad += n < 0;
		for (int i = 0; i < n; i++) {
			bad += !out[done[i].data] || done[i].res != (int)dev.lba;
			out[done[i].data] = false;
			in_flight--;
		}
	}
	is(bad, 0, "%s: %u at once: each is answered once", type_name(type), depth);
	nvdio_queue_close(q);
	release(&mem);
}

static void full_of(unsigned int type)
{
	const char *name = type_name(type);
	struct nvdio_queue *q = queue(70, type);
	struct nvdio_mem mem = memory(PG);
	struct nvdio_done done[70];

	is(nvdio_wait(q, done, 70, 70, NULL), 0, "%s: nothing to wait for", name);
	is(nvdio_wait(q, done, 1, 2, NULL), -EINVAL, "%s: more than at most", name);
	is(nvdio_submit(q), 0, "%s: nothing to send", name);
	for (unsigned int i = 0; i < 70; i++) {
		if (nvdio_prep_read(q, &mem, mem.addr, dev.lba, 0, i))
			bail("%s: no room for %u", name, i);
	}
	is(nvdio_prep_read(q, &mem, mem.addr, dev.lba, 0, 70), -EBUSY, "%s: full", name);
	is(nvdio_queue_room(q), 0, "%s: no room", name);
	is(nvdio_submit(q), 70, "%s: sent", name);
	is(nvdio_prep_flush(q, 70), -EBUSY, "%s: full, and sent", name);
	is(nvdio_wait(q, done, 1, 1, NULL), 1, "%s: one result", name);
	is(nvdio_prep_flush(q, 70), 0, "%s: room for one more", name);
	is(nvdio_prep_flush(q, 71), -EBUSY, "%s: and no more", name);
	is(nvdio_wait(q, done, 70, 70, NULL), 70, "%s: the others", name);
	is(nvdio_queue_room(q), 70, "%s: empty", name);
	nvdio_queue_close(q);
	release(&mem);
}

void queues_full(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		full_of(types[i]);
		storm_of(1, types[i]);
		storm_of(7, types[i]);
		storm_of(100, types[i]);
	}
}

/* Closed with I/O in flight, which ends before that returns. */
void queues_closes(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		struct nvdio_queue *q = queue(64, types[i]);
		struct nvdio_mem mem = memory(64 * PG);
		char *now = pages(64 * PG);

		fill(mem.addr, 64 * PG, 11 + i, 0);
		for (unsigned int n = 0; n < 64; n++)
			nvdio_prep_write(q, &mem, (char *)mem.addr + n * PG, PG, n * PG, 0, n);
		if (i)
			is(nvdio_submit(q), 64, "%s: sent", type_name(types[i]));
		nvdio_queue_close(q);
		memset(mem.addr, 0, 64 * PG);
		get(fd, now, 64 * PG, 0);
		holds(now, 64 * PG, 11 + i, 0, "%s: closed when all is written",
		      type_name(types[i]));
		munmap(now, 64 * PG);
		release(&mem);
	}
}

/* Closing io_uring queues work for the task some time later, which is no signal. */
void queues_undisturbed(void)
{
	struct nvdio_queue *ring = queue(1, NVDIO_QUEUE_RING), *q;
	struct nvdio_mem mem = memory(PG);
	unsigned int bad = 0;

	for (unsigned int i = 0; i < 2000; i++) {
		if (i % 10 == 0) {
			q = queue(4, NVDIO_QUEUE_BATCH);
			bad += result(q, nvdio_prep_flush(q, 0)).res;
			nvdio_queue_close(q);
		}
		bad += result(ring, nvdio_prep_read(ring, &mem, mem.addr, PG, 0, 0)).res != PG;
	}
	is(bad, 0, "ring: no wait ends early because a queue of batches was closed");
	nvdio_queue_close(ring);
	release(&mem);
}

static void *other_thread(void *q)
{
	return (void *)(long)nvdio_submit(q);
}

void queues_wrong_thread(void)
{
	struct nvdio_queue *q = queue(4, NVDIO_QUEUE_BATCH);
	struct nvdio_mem mem = memory(PG);
	pthread_t id;
	void *ret;

	is(result(q, nvdio_prep_read(q, &mem, mem.addr, PG, 0, 0)).res, PG, "batch: its thread");
	is(nvdio_prep_read(q, &mem, mem.addr, PG, 0, 1), 0, "batch: prepared");
	if (pthread_create(&id, NULL, other_thread, q))
		bail("pthread_create");
	pthread_join(id, &ret);
	is((long)ret, -EEXIST, "batch: another thread cannot send it");
	is(result(q, 0).data, 1, "batch: its thread can");
	nvdio_queue_close(q);
	release(&mem);
}

/* ---- the system ---- */

static void write_to(const char *path, const char *text)
{
	int f = open(path, O_WRONLY);

	if (f < 0 || write(f, text, strlen(text)) < 0)
		bail("%s", path);
	close(f);
}

void queues_forbidden(void)
{
	struct nvdio_queue *q;

	write_to("/proc/sys/kernel/io_uring_disabled", "2");
	open_fails(fd, 4, NVDIO_QUEUE_BATCH, -EPERM, "io_uring is forbidden");
	q = queue(4, 0);
	is(nvdio_queue_type(q), NVDIO_QUEUE_RING, "a ring where io_uring is forbidden");
	is(result(q, nvdio_prep_flush(q, 0)).res, 0, "it works");
	nvdio_queue_close(q);
	write_to("/proc/sys/kernel/io_uring_disabled", "0");
}

/* Commands that end when they are told to: with lab/vm --vfu. */
static void vfu(const char *line)
{
	char command[100];

	snprintf(command, sizeof(command), "vfu '%s' >/dev/null", line);
	is(system(command), 0, "vfu %s", line);
}

static void signalled(int signal)
{
	(void)signal;
}

static void held_of(unsigned int type)
{
	const struct itimerval soon = { .it_value.tv_usec = 200000 };
	const struct timespec ts = { .tv_nsec = 100000000 };
	const struct sigaction action = { .sa_handler = signalled };
	struct nvdio_queue *q = queue(8, type);
	struct nvdio_mem mem = memory(8 * PG);
	struct pollfd poller = { .fd = nvdio_queue_fd(q), .events = POLLIN };
	const char *name = type_name(type);
	struct nvdio_done done[8];

	vfu("hold read count=all");
	for (unsigned int i = 0; i < 8; i++)
		nvdio_prep_read(q, &mem, (char *)mem.addr + i * PG, PG, i * PG, i);
	is(nvdio_wait(q, done, 8, 8, &ts), 0, "%s: nothing came in time", name);
	is(nvdio_wait(q, done, 8, 0, NULL), 0, "%s: nothing is there", name);
	is(poll(&poller, 1, 0), 0, "%s: poll: nothing", name);
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	is(nvdio_wait(q, done, 8, 8, NULL), -EINTR, "%s: a signal", name);
	vfu("clear");
	vfu("release");
	is(poll(&poller, 1, 10000), 1, "%s: poll: something came", name);
	is(poller.revents & POLLIN, POLLIN, "%s: poll: results", name);
	is(nvdio_wait(q, done, 8, 8, NULL), 8, "%s: all came", name);
	nvdio_queue_close(q);
	release(&mem);
}

/* A read that ends when 200 others, one after the other, have ended. */
static void overtaken_of(unsigned int type)
{
	const char *name = type_name(type);
	struct nvdio_queue *q = queue(8, type);
	struct nvdio_mem mem = memory(2 * PG);
	struct nvdio_done done;
	unsigned int good = 0;

	vfu("hold read count=1");
	nvdio_prep_read(q, &mem, mem.addr, PG, 5 * PG, 5);
	is(nvdio_submit(q), 1, "%s: one that is held", name);
	for (unsigned int i = 0; i < 200; i++) {
		char *buf = (char *)mem.addr + PG;

		done = result(q, nvdio_prep_read(q, &mem, buf, PG, i % 16 * PG, 1000 + i));
		good += done.data == 1000 + i && done.res == (int)PG &&
			differs(buf, PG, 9, i % 16 * PG) < 0;
	}
	is(good, 200, "%s: others overtake it", name);
	is(nvdio_queue_room(q), 7, "%s: it is in flight", name);
	vfu("release");
	done = result(q, 0);
	is(done.data, 5, "%s: its result", name);
	is(done.res, PG, "%s: its bytes", name);
	holds(mem.addr, PG, 9, 5 * PG, "%s: its data", name);
	nvdio_queue_close(q);
	release(&mem);
}

/* Unrecovered Read Error for one of 40. */
static void status_of(unsigned int type)
{
	const char *name = type_name(type);
	struct nvdio_queue *q = queue(40, type);
	struct nvdio_mem mem = memory(40 * PG);
	unsigned int good = 0, bad = 0, status = 0;
	struct nvdio_done done[40];
	int err = 0;

	vfu("status read sc=0x281 dnr=1 skip=17");
	for (unsigned int i = 0; i < 40; i++)
		nvdio_prep_read(q, &mem, (char *)mem.addr + i * PG, PG, i * PG, i);
	is(nvdio_wait(q, done, 40, 40, NULL), 40, "%s: all are answered", name);
	for (unsigned int i = 0; i < 40; i++) {
		if (done[i].res == (int)PG && !done[i].status) {
			good++;
		} else {
			bad++;
			err = done[i].res;
			status = done[i].status;
		}
	}
	is(good, 39, "%s: 39 are read", name);
	is(bad, 1, "%s: one is not", name);
	is(err, -ENODATA, "%s: its errno", name);
	is(status & 0x7ff, 0x281, "%s: its NVMe status", name);
	vfu("clear");
	is(result(q, nvdio_prep_read(q, &mem, mem.addr, PG, 0, 0)).res, PG, "%s: again", name);
	nvdio_queue_close(q);
	release(&mem);
}

void queues_held(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		held_of(types[i]);
}

void queues_overtaken(void)
{
	char *p = pages(16 * PG);

	fill(p, 16 * PG, 9, 0);
	put(fd, p, 16 * PG, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		overtaken_of(types[i]);
	munmap(p, 16 * PG);
}

void queues_status(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		status_of(types[i]);
}

/* Each I/O is answered, with -ENODEV. */
void queues_gone(void)
{
	const char *pci = getenv("NVDIO_PCI");
	struct nvdio_queue *q[] = { queue(8, types[0]), queue(8, types[1]) };
	struct nvdio_mem mem = memory(PG);
	struct nvdio_done done[8];

	if (!pci)
		bail("NVDIO_PCI is not set");
	for (unsigned int i = 0; i < 2; i++)
		is(result(q[i], nvdio_prep_flush(q[i], 0)).res, 0, "%s: works",
		   type_name(types[i]));
	write_to("/sys/bus/pci/drivers/nvdio/unbind", pci);
	for (unsigned int i = 0; i < 2; i++) {
		const char *name = type_name(types[i]);
		unsigned int seen = 0;

		for (unsigned int n = 0; n < 8; n++)
			is(nvdio_prep_read(q[i], &mem, mem.addr, PG, 0, n), 0, "%s: prepared",
			   name);
		is(nvdio_submit(q[i]), 8, "%s: sent", name);
		is(nvdio_wait(q[i], done, 8, 8, NULL), 8, "%s: answered", name);
		for (unsigned int n = 0; n < 8; n++)
			seen |= done[n].res == -ENODEV ? 1U << done[n].data : 0;
		is(seen, 0xff, "%s: each with ENODEV", name);
		is(nvdio_wait(q[i], done, 8, 8, NULL), 0, "%s: nothing to wait for", name);
		nvdio_queue_close(q[i]);
	}
	is(nvdio_mem_free(fd, &mem), -ENODEV, "memory: ENODEV");
	close(fd);
	write_to("/sys/bus/pci/drivers/nvdio/bind", pci);
	ok(node_is_back(pci), "bound again");
}
