// SPDX-License-Identifier: GPL-2.0
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdlib.h>

#include "../../lab/vfu/stamp.h"
#include "fault_area.h"
#include "t.h"

#define SHOWN	10		/* wrong units of which something is said */

static uint64_t first_generation;
static atomic_uint shown;

void area_begin(uint64_t generation)
{
	first_generation = generation;
}

static void *zeroed(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		bail("memory");
	return p;
}

void slice_make(struct slice *s, uint64_t base, uint32_t unit, uint32_t n, uint32_t writer)
{
	*s = (struct slice){
		.base = base, .unit = unit, .n = n, .writer = writer,
		.issued = zeroed(n, sizeof(*s->issued)), .least = zeroed(n, sizeof(*s->least)),
		.torn = zeroed(n, sizeof(*s->torn)), .busy = zeroed(n, sizeof(*s->busy)),
	};
}

struct expect expect_make(uint32_t n)
{
	return (struct expect){ zeroed(n, sizeof(uint32_t)), zeroed(n, sizeof(bool)) };
}

static void raise_least(struct slice *s, uint32_t i, uint32_t generation)
{
	uint32_t old = atomic_load(&s->least[i]);

	while (old < generation && !atomic_compare_exchange_weak(&s->least[i], &old, generation))
		;
}

void slice_write(struct slice *s, uint32_t first, uint32_t n, char *buf)
{
	uint32_t i;

	for (i = first; i < first + n; i++, buf += s->unit) {
		struct stamp st = {
			.at = s->base + (uint64_t)i * s->unit,
			.generation = first_generation + atomic_fetch_add(&s->issued[i], 1) + 1,
			.writer = s->writer, .len = s->unit,
		};

		s->busy[i] = true;
		stamp_fill(buf, &st);
	}
}

void slice_written(struct slice *s, uint32_t first, uint32_t n, bool success)
{
	uint32_t i;

	for (i = first; i < first + n; i++) {
		if (success)
			raise_least(s, i, atomic_load(&s->issued[i]));
		atomic_store(&s->torn[i], !success);
		s->busy[i] = false;
	}
}

bool slice_idle(const struct slice *s, uint32_t first, uint32_t n)
{
	uint32_t i;

	for (i = first; i < first + n; i++)
		if (s->busy[i])
			return false;
	return true;
}

void slice_read(struct slice *s, uint32_t first, uint32_t n, struct expect *e)
{
	uint32_t i;

	for (i = 0; i < n; i++) {
		e->torn[i] = atomic_load(&s->torn[first + i]);
		e->least[i] = atomic_load(&s->least[first + i]);
	}
}

static void show(const char *what, const struct slice *s, uint32_t i, const struct stamp *st,
		 uint32_t least, uint32_t issued)
{
	if (atomic_fetch_add(&shown, 1) < SHOWN)
		fprintf(stderr, "%s: unit %u of writer %u at %" PRIu64 ": at %" PRIu64
			" generation %+" PRId64 " writer %u magic %" PRIx64 "; wanted %u to %u\n",
			what, i, s->writer, s->base + (uint64_t)i * s->unit, st->at,
			(int64_t)(st->generation - first_generation), st->writer, st->magic, least,
			issued);
}

static void check(struct slice *s, uint32_t i, const char *buf, uint32_t least, bool may_be_torn,
		  struct verdict *v)
{
	uint32_t issued = atomic_load(&s->issued[i]);
	struct stamp st;
	int64_t g;

	if (!stamp_whole(buf, s->unit, &st)) {
		v->divided += may_be_torn && s->divided;
		v->torn += may_be_torn && !s->divided;
		v->broken += !may_be_torn;
		if (!may_be_torn)
			show("broken", s, i, &st, least, issued);
		return;
	}
	g = st.generation - first_generation;
	if (st.at != s->base + (uint64_t)i * s->unit) {
		v->misplaced++;
		show("misplaced", s, i, &st, least, issued);
	} else if (g < least) {
		v->stale++;
		show("stale", s, i, &st, least, issued);
	} else if (g > issued) {
		v->future++;
		show("future", s, i, &st, least, issued);
	} else {
		v->good++;
		raise_least(s, i, g);
	}
}

void slice_check(struct slice *s, uint32_t first, uint32_t n, const char *buf,
		 const struct expect *e, struct verdict *v)
{
	uint32_t i;

	for (i = first; i < first + n; i++, buf += s->unit) {
		uint32_t least = e->least[i - first];
		/* A write was in flight at some time of the read, or one had failed. */
		bool may = e->torn[i - first] || atomic_load(&s->issued[i]) > least;

		check(s, i, buf, least, may, v);
	}
}

void slice_check_idle(struct slice *s, const char *buf, struct verdict *v)
{
	uint32_t i;

	for (i = 0; i < s->n; i++)
		check(s, i, buf + (size_t)i * s->unit, atomic_load(&s->least[i]),
		      atomic_load(&s->torn[i]), v);
}
