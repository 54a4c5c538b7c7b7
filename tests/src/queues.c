// SPDX-License-Identifier: GPL-2.0
/*
 * libnvdio: queues of either kind give the same answers. Contents of long random runs, also
 * of threads with a queue each; each error among I/Os that succeed. queues_wait.c has the rest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "queues.h"

#define IOS		3000U
#define THREADS		6U
#define THREAD_IOS	600U

const unsigned int types[2] = { NVDIO_QUEUE_BATCH, NVDIO_QUEUE_RING };
int fd;

const char *type_name(unsigned int type)
{
	return type == NVDIO_QUEUE_BATCH ? "batch" : "ring";
}

struct nvdio_queue *queue(unsigned int depth, unsigned int type)
{
	struct nvdio_queue *q;
	int ret = nvdio_queue_open(&q, fd, depth, type);

	if (ret)
		bail("nvdio_queue_open: %d", ret);
	return q;
}

struct nvdio_mem memory(size_t len)
{
	struct nvdio_mem mem;
	int ret = nvdio_mem_alloc(fd, len, 0, &mem);

	if (ret)
		bail("nvdio_mem_alloc: %d", ret);
	return mem;
}

void release(struct nvdio_mem *mem)
{
	is(nvdio_mem_free(fd, mem), 0, "memory is freed");
}

/* One I/O and its result. */
struct nvdio_done result(struct nvdio_queue *q, int prepared)
{
	struct nvdio_done done = { .res = prepared };

	if (!prepared && nvdio_wait(q, &done, 1, 1, NULL) != 1)
		done.res = -ECANCELED;
	return done;
}

/* ---- contents ---- */

static void load_init(struct load *l, unsigned int place)
{
	const uint32_t most = nvdio_queue_info(l->q)->batch_len_max;

	l->most = (most < CELL ? most : CELL) / dev.lba * dev.lba;
	l->base = place * AREA;
	l->model = pages(AREA);
	get(fd, l->model, AREA, l->base);
	l->seed = rnd(&t_seed) | 1;
	l->why[0] = 0;
}

/* Huge pages: registered memory has to be contiguous. NULL: this machine has none. */
static void *huge_pages(void)
{
	void *p = mmap(NULL, LOAD_MEM, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);

	if (p == MAP_FAILED && errno == ENOENT)
		return NULL;
	if (p == MAP_FAILED)
		bail("no huge pages");
	return p;
}

/* Memory of all kinds that the queue knows. */
static unsigned int memories(struct nvdio_queue *q, struct nvdio_mem *mem)
{
	void *own = pages(LOAD_MEM), *arena = huge_pages();
	int ret;

	mem[0] = memory(LOAD_MEM);
	ret = nvdio_mem_add(fd, own, LOAD_MEM, 0, &mem[1]);
	if (ret)
		bail("nvdio_mem_add: %d", ret);
	if (!arena) {
		note("this machine has no huge pages: no arena");
		return 2;
	}
	ret = nvdio_mem_arena(q, arena, LOAD_MEM, &mem[2]);
	if (nvdio_queue_type(q) == NVDIO_QUEUE_RING) {
		is(ret, -EOPNOTSUPP, "a ring has no arena");
		munmap(arena, LOAD_MEM);
		return 2;
	}
	is(ret, 0, "arena");
	return 3;
}

static void forget(struct nvdio_mem *mem, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (mem[i].id != NVDIO_MAP_RING_BUF)
			release(&mem[i]);
		if (!(mem[i].flags & NVDIO_MAP_ALLOC))
			munmap(mem[i].addr, LOAD_MEM);
	}
}

static void contents_of(unsigned int type)
{
	struct nvdio_mem mem[3];
	struct load l = { .q = queue(LOAD_DEPTH, type), .mem = mem, .ios = IOS };
	struct paths p;
	char *there;
	bool good;

	is(nvdio_queue_type(l.q), type, "%s: type", type_name(type));
	l.nr_mem = memories(l.q, mem);
	load_init(&l, 0);
	p = path_start();
	good = load_run(&l);
	ok(good, "%s: %u random I/Os: %s", type_name(type), IOS,
	   good ? "as they should be" : l.why);
	went_by(p, O_DIRECT, 0, type_name(type));
	nvdio_queue_close(l.q);
	there = pages(AREA);
	get(fd, there, AREA, 0);
	ok(!memcmp(there, l.model, AREA), "%s: the device holds what was written",
	   type_name(type));
	munmap(there, AREA);
	munmap(l.model, AREA);
	forget(mem, l.nr_mem);
}

static void contents(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		contents_of(types[i]);
}

static void *thread(void *arg)
{
	struct load *l = arg;

	return load_run(l) ? NULL : l;
}

/* Made and closed by one thread, used by another. */
static void threads_of(unsigned int type)
{
	struct load l[THREADS];
	struct nvdio_mem mem[THREADS];
	pthread_t id[THREADS];
	void *bad;

	for (unsigned int i = 0; i < THREADS; i++) {
		mem[i] = memory(LOAD_MEM);
		l[i] = (struct load){
			.q = queue(LOAD_DEPTH, type), .mem = &mem[i], .nr_mem = 1,
			.ios = THREAD_IOS,
		};
		load_init(&l[i], i);
		if (pthread_create(&id[i], NULL, thread, &l[i]))
			bail("pthread_create");
	}
	for (unsigned int i = 0; i < THREADS; i++) {
		pthread_join(id[i], &bad);
		ok(!bad, "%s: thread %u: %s", type_name(type), i, bad ? l[i].why : "contents");
		nvdio_queue_close(l[i].q);
		munmap(l[i].model, AREA);
		release(&mem[i]);
	}
}

static void threads(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		threads_of(types[i]);
}

/* ---- errors ---- */

struct bad {
	const char *what;
	int err;
	unsigned int op;
	long place;		/* bytes from the start of the memory */
	uint64_t off;
	uint32_t len;
	uint32_t id;		/* in place of the memory's, if not 0 */
	unsigned int flags;
};

static int prep_bad(struct nvdio_queue *q, const struct nvdio_mem *mem, const struct bad *b,
		    unsigned int at)
{
	struct nvdio_mem other = *mem;
	char *buf = (char *)mem->addr + b->place;

	if (b->id)
		other.id = b->id;
	if (b->op == NVDIO_IO_READ)
		return nvdio_prep_read(q, &other, buf, b->len, b->off, at);
	return nvdio_prep_write(q, &other, buf, b->len, b->off, b->flags, at);
}

/* Among ten reads, which are not impressed; it is number @at. */
static void bad_one(struct nvdio_queue *q, const struct nvdio_mem *mem, const struct bad *b,
		    unsigned int at)
{
	const char *name = type_name(nvdio_queue_type(q));
	struct nvdio_done done[11];
	unsigned int seen = 0, good = 0;
	int ret, err = 1;

	memset(mem->addr, 0, 12 * PG);
	for (unsigned int i = 0; i < 11; i++) {
		if (i == at)
			ret = prep_bad(q, mem, b, at);
		else
			ret = nvdio_prep_read(q, mem, (char *)mem->addr + i * PG, PG, i * PG, i);
		if (ret)
			bail("cannot be prepared: %d", ret);
	}
	is(nvdio_wait(q, done, 11, 11, NULL), 11, "%s: %s: all are answered", name, b->what);
	for (unsigned int i = 0; i < 11; i++) {
		seen |= 1U << done[i].data;
		if (done[i].data == at)
			err = done[i].res;
		else
			good += done[i].res == (int)PG &&
				differs((char *)mem->addr + done[i].data * PG, PG, 7,
					done[i].data * PG) < 0;
	}
	is(seen, 0x7ff, "%s: %s: each once", name, b->what);
	is(good, 10, "%s: %s: the others are read", name, b->what);
	is(err, b->err, "%s: %s: its result", name, b->what);
	ok(all_zero((char *)mem->addr + 11 * PG, PG), "%s: %s: its memory", name, b->what);
}

static void errors_of(unsigned int type, const char *written)
{
	const struct bad bad[] = {
		{ "no bytes", -EINVAL, NVDIO_IO_READ, 11 * PG, 0, 0, 0, 0 },
		{ "part of a block", -EINVAL, NVDIO_IO_READ, 11 * PG, 0, dev.lba - 4, 0, 0 },
		{ "odd offset", -EINVAL, NVDIO_IO_READ, 11 * PG, 4, PG, 0, 0 },
		{ "odd memory", -EINVAL, NVDIO_IO_READ, 11 * PG + 2, 0, PG, 0, 0 },
		{ "behind the end", -ENOSPC, NVDIO_IO_READ, 11 * PG, dev.size, PG, 0, 0 },
		{ "over the end", -ENOSPC, NVDIO_IO_WRITE, 11 * PG, dev.size - dev.lba,
		  2 * dev.lba, 0, 0 },
		{ "too long", -EINVAL, NVDIO_IO_READ, 11 * PG, 0, 1U << 30, 0, 0 },
		{ "no such map", -ENOENT, NVDIO_IO_READ, 11 * PG, 0, PG, 999, 0 },
		{ "behind the map", -EINVAL, NVDIO_IO_READ, 16 * PG, 0, PG, 0, 0 },
		{ "before the map", -EINVAL, NVDIO_IO_READ, -(long)PG, 0, PG, 0, 0 },
		{ "unknown flag", -EINVAL, NVDIO_IO_WRITE, 11 * PG, 0, PG, 0, 0x40 },
	};
	struct nvdio_mem mem = memory(16 * PG);
	struct nvdio_queue *q = queue(11, type);
	char *now = pages(16 * PG);

	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		bad_one(q, &mem, &bad[i], i * 3 % 11);
	get(fd, now, 16 * PG, 0);
	ok(!memcmp(now, written, 16 * PG), "%s: nothing was written", type_name(type));
	munmap(now, 16 * PG);
	nvdio_queue_close(q);
	release(&mem);
}

/* What the descriptor, and the memory, are not for. */
static void rights_of(unsigned int type)
{
	const char *name = type_name(type);
	char *own = pages(PG);
	struct nvdio_mem mem, ro;
	struct nvdio_queue *q;
	int other = dev_open(O_RDONLY);

	is(nvdio_queue_open(&q, other, 4, type), 0, "%s: on a file that is open for reading", name);
	is(nvdio_mem_alloc(other, PG, 0, &mem), 0, "%s: memory by that file", name);
	is(result(q, nvdio_prep_read(q, &mem, mem.addr, PG, PG, 0)).res, PG, "%s: reads", name);
	holds(mem.addr, PG, 7, PG, "%s: what was read can be seen", name);
	is(nvdio_mem_free(other, &mem), 0, "%s: freed", name);
	close(other);
	mem = memory(PG);
	is(result(q, nvdio_prep_read(q, &mem, mem.addr, PG, 0, 0)).res, PG,
	   "%s: it can be read, and the file be closed", name);
	is(result(q, nvdio_prep_write(q, &mem, mem.addr, PG, 0, 0, 0)).res, -EBADF,
	   "%s: and not be written", name);
	nvdio_queue_close(q);
	q = queue(4, type);
	is(nvdio_mem_add(fd, own, PG, NVDIO_MAP_READ_ONLY, &ro), 0, "memory not to be written to");
	is(result(q, nvdio_prep_read(q, &ro, own, PG, 0, 0)).res, -EACCES, "%s: read", name);
	is(result(q, nvdio_prep_write(q, &ro, own, PG, 0, 0, 0)).res, PG, "%s: write", name);
	is(result(q, nvdio_prep_flush(q, 0)).res, 0, "%s: flush", name);
	nvdio_queue_close(q);
	release(&ro);
	release(&mem);
	munmap(own, PG);
}

static void errors(void)
{
	char *p = pages(16 * PG);

	fill(p, 16 * PG, 7, 0);
	put(fd, p, 16 * PG, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		errors_of(types[i], p);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		rights_of(types[i]);
	munmap(p, 16 * PG);
}

void open_fails(int on, unsigned int depth, unsigned int flags, int err, const char *what)
{
	struct nvdio_queue *q = (void *)1;

	is(nvdio_queue_open(&q, on, depth, flags), err, "open: %s", what);
	ok(!q, "open: %s: no queue", what);
}

static void opens(void)
{
	const int ctrl = ctrl_open(O_RDWR), null = open("/dev/null", O_RDWR);
	struct nvdio_queue *q = queue(NVDIO_QUEUE_DEPTH_MAX, 0);
	struct nvdio_mem mem;

	is(nvdio_queue_type(q), NVDIO_QUEUE_RING, "a ring, if none is asked for");
	is(nvdio_queue_info(q)->lba_size, dev.lba, "info");
	is(nvdio_queue_room(q), NVDIO_QUEUE_DEPTH_MAX, "room");
	nvdio_queue_close(q);
	nvdio_queue_close(queue(NVDIO_QUEUE_DEPTH_MAX, NVDIO_QUEUE_BATCH));
	nvdio_queue_close(NULL);
	open_fails(fd, 0, 0, -EINVAL, "no I/Os");
	open_fails(fd, NVDIO_QUEUE_DEPTH_MAX + 1, 0, -EINVAL, "too many");
	open_fails(fd, 1, 4, -EINVAL, "unknown flag");
	open_fails(fd, 1, 3, -EINVAL, "both");
	open_fails(ctrl, 1, 0, -ENOTTY, "a controller");
	open_fails(null, 1, 0, -ENOTTY, "another device");
	open_fails(-1, 1, 0, -EBADF, "no file");
	is(nvdio_mem_add(fd, (void *)1, PG, 0, &mem), -EINVAL, "memory: odd address");
	is(nvdio_mem_alloc(fd, PG, 0x80, &mem), -EINVAL, "memory: unknown flag");
	is(nvdio_mem_dmabuf(fd, null, PG, 0, &mem), -EINVAL, "memory: no dma-buf");
	mem = (struct nvdio_mem){ .id = 999 };
	is(nvdio_mem_free(fd, &mem), -ENOENT, "memory: no such map");
	mem.id = NVDIO_MAP_RING_BUF;
	is(nvdio_mem_free(fd, &mem), -EINVAL, "memory: an arena");
	close(ctrl);
	close(null);
}

static void by_read_only(unsigned int type)
{
	const char *name = type_name(type);
	struct nvdio_queue *q = queue(4, type);
	struct nvdio_mem mem = memory(PG);

	is(result(q, nvdio_prep_read(q, &mem, mem.addr, PG, PG, 0)).res, PG, "%s: read", name);
	holds(mem.addr, PG, 7, PG, "%s: what was read", name);
	is(result(q, nvdio_prep_write(q, &mem, mem.addr, PG, 0, 0, 0)).res, -EBADF,
	   "%s: it is not written", name);
	nvdio_queue_close(q);
	release(&mem);
}

/* The same by a range, whose end is that of a device. */
static void by_range(void)
{
	struct nvdio_range r = { .start = 2 * AREA, .len = AREA };
	const uint64_t size = dev.size;
	const int node = fd;
	char *p = pages(16 * PG);

	fd = ioctl(node, NVDIO_IOC_RANGE, &r);
	dev.size = AREA;
	contents();
	fill(p, 16 * PG, 7, 0);
	put(fd, p, 16 * PG, 0);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		errors_of(types[i], p);
	close(fd);
	r.flags = NVDIO_RANGE_READ_ONLY;
	fd = ioctl(node, NVDIO_IOC_RANGE, &r);
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		by_read_only(types[i]);
	close(fd);
	fd = node;
	dev.size = size;
	munmap(p, 16 * PG);
}

static void setup(void)
{
	fd = dev_open(O_RDWR);
}

static const struct t_case cases[] = {
	{ "contents", contents },
	{ "threads", threads },
	{ "errors", errors },
	{ "opens", opens },
	{ "by_range", by_range },
	{ "full", queues_full },
	{ "closes", queues_closes },
	{ "undisturbed", queues_undisturbed },
	{ "wrong_thread", queues_wrong_thread },
	{ "forbidden", queues_forbidden },
	{ "held", queues_held },
	{ "overtaken", queues_overtaken },
	{ "status", queues_status },
	{ "gone", queues_gone },
};

int main(int argc, char **argv)
{
	return t_run_setup(argc, argv, setup, cases, ARRAY_SIZE(cases));
}
