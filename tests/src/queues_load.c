// SPDX-License-Identifier: GPL-2.0
/*
 * Random reads, writes and flushes by a queue of libnvdio, as many at once as it takes.
 * Every I/O has a cell of the device and a slot of memory to itself while it is in flight, so
 * that all of both is known: what was read, and that nothing around it was touched.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "queues.h"

#define AROUND	0x5a	/* in a slot where no data belong */

enum kind { IDLE, READ, WRITE, FLUSH };

struct op {
	enum kind kind;
	unsigned int cell;
	uint64_t at;		/* in the area */
	uint32_t len;
	char *slot;
	char *buf;
	uint64_t seed;
};

struct state {
	struct load *l;
	struct op op[LOAD_DEPTH];
	bool cell_used[CELLS];
	unsigned int begun;
	unsigned int in_flight;
};

static bool wrong(struct load *l, const struct op *op, const char *what, long long got)
{
	if (!l->why[0])
		snprintf(l->why, sizeof(l->why), "%s: %lld (%s of %u bytes at %llu)", what, got,
			 op->kind == WRITE ? "write" : op->kind == READ ? "read" : "flush",
			 op->len, (unsigned long long)(l->base + op->at));
	return false;
}

static unsigned int free_cell(struct state *s)
{
	unsigned int cell = below(&s->l->seed, CELLS);

	while (s->cell_used[cell])
		cell = (cell + 1) % CELLS;
	return cell;
}

/* Where it reads or writes, and the memory for it. */
static void choose(struct state *s, struct op *op)
{
	struct load *l = s->l;
	const uint64_t blocks = l->most / dev.lba;

	op->cell = free_cell(s);
	s->cell_used[op->cell] = true;
	/* Half of them are short. */
	op->len = (1 + below(&l->seed, rnd(&l->seed) & 1 ? blocks : blocks / 4 + 1)) * dev.lba;
	if (op->len > l->most)
		op->len = l->most;
	op->at = op->cell * CELL +
		 below(&l->seed, (CELL - op->len) / dev.lba + 1) * dev.lba;
	/* Any multiple of 4, often in the middle of a page. */
	op->buf = op->slot + (rnd(&l->seed) & 1 ? below(&l->seed, PG / 4) * 4 : 0);
}

static bool begin(struct state *s, unsigned int nr)
{
	struct load *l = s->l;
	const struct nvdio_mem *mem = &l->mem[below(&l->seed, l->nr_mem)];
	struct op *op = &s->op[nr];
	int ret;

	op->slot = (char *)mem->addr + nr * STRIDE;
	if (!below(&l->seed, 50)) {
		op->kind = FLUSH;
		op->len = 0;
		ret = nvdio_prep_flush(l->q, nr);
	} else if (rnd(&l->seed) & 1) {
		choose(s, op);
		op->kind = READ;
		memset(op->slot, AROUND, SLOT);
		ret = nvdio_prep_read(l->q, mem, op->buf, op->len, l->base + op->at, nr);
	} else {
		choose(s, op);
		op->kind = WRITE;
		op->seed = rnd(&l->seed);
		fill(op->buf, op->len, op->seed, 0);
		ret = nvdio_prep_write(l->q, mem, op->buf, op->len, l->base + op->at,
				       below(&l->seed, 8) ? 0 : NVDIO_IO_FUA, nr);
	}
	s->begun++;
	s->in_flight++;
	return !ret || wrong(l, op, "cannot be prepared", ret);
}

/* Nothing but the data was written to the slot. */
static bool alone(const struct op *op)
{
	const size_t before = op->buf - op->slot;

	for (size_t i = 0; i < SLOT; i++) {
		if (i == before)
			i += op->len;
		if (i < SLOT && op->slot[i] != AROUND)
			return false;
	}
	return true;
}

static bool end(struct state *s, const struct nvdio_done *done)
{
	struct op *op = &s->op[done->data % LOAD_DEPTH];
	struct load *l = s->l;

	if (done->data >= LOAD_DEPTH || op->kind == IDLE)
		return wrong(l, op, "result of nothing", done->data);
	if (done->res != (int32_t)op->len || done->status)
		return wrong(l, op, "result", done->res);
	if (op->kind == READ && memcmp(op->buf, l->model + op->at, op->len))
		return wrong(l, op, "other data were read", 0);
	if (op->kind == READ && !alone(op))
		return wrong(l, op, "memory around it was written to", 0);
	if (op->kind == WRITE)
		fill(l->model + op->at, op->len, op->seed, 0);
	if (op->kind != FLUSH)
		s->cell_used[op->cell] = false;
	op->kind = IDLE;
	s->in_flight--;
	return true;
}

/* Fill up some of the queue, then wait for some. */
static bool turn(struct state *s)
{
	unsigned int more = below(&s->l->seed, LOAD_DEPTH) + 1;
	struct nvdio_done done[LOAD_DEPTH];
	struct load *l = s->l;
	unsigned int min, max;
	int n;

	for (unsigned int i = 0; i < LOAD_DEPTH && more && s->begun < l->ios; i++) {
		if (s->op[i].kind != IDLE)
			continue;
		if (!begin(s, i))
			return false;
		more--;
	}
	max = 1 + below(&l->seed, LOAD_DEPTH);
	min = below(&l->seed, max + 1);
	n = nvdio_wait(l->q, done, max, min, NULL);
	if (n < 0 || (n < (int)min && s->in_flight != (unsigned int)n))
		return wrong(l, &s->op[0], "nvdio_wait()", n);
	for (int i = 0; i < n; i++) {
		if (!end(s, &done[i]))
			return false;
	}
	if (nvdio_queue_room(l->q) != LOAD_DEPTH - s->in_flight)
		return wrong(l, &s->op[0], "room", nvdio_queue_room(l->q));
	return true;
}

bool load_run(struct load *l)
{
	struct state s = { .l = l };

	while (s.begun < l->ios || s.in_flight) {
		if (!turn(&s))
			return false;
	}
	return true;
}
