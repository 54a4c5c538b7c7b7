// SPDX-License-Identifier: GPL-2.0
/*
 * The index of mapped pages (driver/pure/pfn_index.c) against an array with an
 * entry for each page, and with readers in other threads.
 *
 * NVDIO_SEED=N repeats a run.
 */
#include <pthread.h>
#include <sched.h>

#include "pure/pfn_index.h"
#include "unit.h"

#ifndef ROUNDS
#define ROUNDS 2000
#endif

#define FRAMES 160
#define FRAME NVDIO_PFN_FRAME_PAGES
#define RUNS_MAX 24
#define MAPS 40

struct nvdio_map {
	u32 slot;
	u32 nr_runs;
	struct nvdio_pfn_run runs[RUNS_MAX];
	bool ended;
};

static struct nvdio_pfn_index *idx;
static struct nvdio_map *maps[MAPS], *by_slot[NVDIO_MAPS_MAX + 1];
static unsigned long frame_pfn[FRAMES];
static u64 model[FRAMES][FRAME];
static long tables;
static unsigned int grown, unwound;

/* ---- readers, each with a lock as that of a queue ---- */

enum { READERS = 2 };

static struct reader {
	pthread_mutex_t lock;
	const struct nvdio_pfn_index *idx;
	pthread_t thread;
	u64 seed, found, missed, bad;
} readers[READERS];

static bool quit;

/* Give each reader the index, and wait until none is left from before. */
static void publish(void)
{
	for (int i = 0; i < READERS; i++) {
		pthread_mutex_lock(&readers[i].lock);
		readers[i].idx = idx;
		pthread_mutex_unlock(&readers[i].lock);
	}
}

/* ---- the writer ---- */

static void grow(void)
{
	u32 frames = nvdio_pfn_frames(idx);
	struct nvdio_pfn_index *old = idx, *new = calloc(1, nvdio_pfn_index_bytes(frames));

	nvdio_pfn_init(new, frames);
	if (old)
		nvdio_pfn_copy(new, old);
	idx = new;
	publish();
	free(old);
	grown++;
}

static void reap(void)
{
	u32 at = 0;
	u64 *table;

	publish();
	while ((table = nvdio_pfn_reap(idx, &at))) {
		/* Nobody else may look: scribble over it, then free it. */
		memset(table, 0xff, NVDIO_PFN_TABLE_BYTES);
		free(table);
		tables--;
	}
}

static void model_add(u32 slot, const struct nvdio_pfn_run *run)
{
	for (u32 f = 0; f < FRAMES; f++) {
		if (run->pfn >= frame_pfn[f] + FRAME || run->pfn + run->nr <= frame_pfn[f])
			continue;
		for (u32 i = 0; i < FRAME; i++) {
			unsigned long n = frame_pfn[f] + i - run->pfn;

			if (n < run->nr && !model[f][i])
				model[f][i] = (u64)slot << 32 | (run->page + n);
		}
	}
}

static void model_del(u32 slot)
{
	for (u32 f = 0; f < FRAMES; f++)
		for (u32 i = 0; i < FRAME; i++)
			if (model[f][i] >> 32 == slot)
				model[f][i] = 0;
}

/* Pages within the space, of all kinds: single, any, whole frames and more. */
static void choose(struct nvdio_map *map)
{
	u32 page = below(&t_seed, 3) ? 0 : below(&t_seed, 1UL << 31);

	map->nr_runs = 1 + below(&t_seed, RUNS_MAX);
	for (u32 r = 0; r < map->nr_runs; r++) {
		struct nvdio_pfn_run *run = &map->runs[r];
		u32 f = below(&t_seed, FRAMES), kind = below(&t_seed, 8);
		u32 first = below(&t_seed, FRAME);

		/* Frames are in groups of 16 side by side. */
		run->nr = 1;
		if (kind < 2)
			run->nr = 1 + below(&t_seed, FRAME - first);
		else if (kind < 4 && f % 16 < 14)
			run->nr = 1 + below(&t_seed, 2 * FRAME);
		else if (kind == 4 && f % 16 < 13)
			run->nr = (1 + below(&t_seed, 3)) * FRAME;
		if (run->nr % FRAME == 0)
			first = 0;
		run->pfn = frame_pfn[f] + first;
		run->page = page;
		page += run->nr;
	}
}

static void del(struct nvdio_map *map)
{
	nvdio_pfn_hide(idx, map->slot);
	for (u32 r = 0; r < map->nr_runs; r++)
		nvdio_pfn_del(idx, map->slot, &map->runs[r]);
	publish();
	/* No reader may find it from here on. */
	WRITE_ONCE(map->ended, true);
	if (below(&t_seed, 4))
		reap();
	model_del(map->slot);
	free(map);
}

/* A slot whose map is NULL. */
static u32 free_slot(void)
{
	u32 slot = 1;

	while (idx->maps[slot])
		slot++;
	return slot;
}

/* Add a map; sometimes there is no memory half way. */
static struct nvdio_map *add(void)
{
	struct nvdio_map *map = calloc(1, sizeof(*map));
	u32 lack = below(&t_seed, 8) ? ~0U : below(&t_seed, 16);
	u64 *table = NULL;

	if (!idx)
		grow();
	choose(map);
	map->slot = free_slot();
	for (u32 r = 0; r < map->nr_runs; r++) {
		struct nvdio_pfn_run run = map->runs[r];
		int err;

		while ((err = nvdio_pfn_add(idx, map->slot, &run, &table))) {
			if (!lack--)
				break;
			if (err == -ENOSPC) {
				grow();
				continue;
			}
			table = calloc(1, NVDIO_PFN_TABLE_BYTES);
			tables++;
		}
		if (err) {
			unwound++;
			del(map);
			map = NULL;
			break;
		}
		model_add(map->slot, &map->runs[r]);
	}
	if (table) {
		free(table);
		tables--;
	}
	if (map) {
		nvdio_pfn_show(idx, map->slot, map);
		by_slot[map->slot] = map;
	}
	return map;
}

static bool page_is(unsigned long pfn, u64 entry)
{
	struct nvdio_map *map;
	u32 page;

	if (!nvdio_pfn_find(idx, pfn, &map, &page))
		return !entry;
	return entry && page == (u32)entry && map == by_slot[entry >> 32];
}

/* Several pages at once; the group of the frame ends at a frame of the model. */
static bool run_is(u32 f, u32 i, u32 nr)
{
	u64 entry = model[f][i];
	struct nvdio_map *map;
	bool side = entry;
	u32 page;

	for (u32 n = 0; n < nr && side; n++)
		side = model[f + (i + n) / FRAME][(i + n) % FRAME] == entry + n;
	if (nvdio_pfn_find_run(idx, frame_pfn[f] + i, nr, &map, &page) != side)
		return false;
	return !side || (page == (u32)entry && map == by_slot[entry >> 32]);
}

static bool all_as_modelled(void)
{
	for (u32 f = 0; f < FRAMES; f++)
		for (u32 i = 0; i < FRAME; i++)
			if (!page_is(frame_pfn[f] + i, model[f][i])) {
				note("page %u of frame %lx: not %" PRIx64, i,
				     frame_pfn[f], model[f][i]);
				return false;
			}
	for (u32 n = 0; n < 1000; n++) {
		u32 f = below(&t_seed, FRAMES), i = below(&t_seed, FRAME);
		u32 room = (16 - f % 16) * FRAME - i;

		if (!run_is(f, i, 1 + below(&t_seed, n % 2 ? min(room, 8U) : room)))
			return false;
		/* Pages that no map ever has. */
		if (!page_is((1UL << 51) + (rnd(&t_seed) >> 14), 0))
			return false;
	}
	return true;
}

static void space(void)
{
	/* From 0, adjacent, far apart, and up to the last of a large machine. */
	static const unsigned long groups[FRAMES / 16] = {
		0, 16, 1 << 10, 1 << 20, (1 << 20) + 32, 12345678, 1UL << 30,
		(1UL << 30) + 16, 0x2aaaaaaaa, (1UL << 40) - 16,
	};

	for (u32 f = 0; f < FRAMES; f++)
		frame_pfn[f] = (groups[f / 16] + f % 16) * FRAME;
	memset(model, 0, sizeof(model));
	grown = 0;
	unwound = 0;
}

/* End all maps: nothing may be left. */
static bool empty(void)
{
	for (u32 m = 0; m < MAPS; m++) {
		if (maps[m])
			del(maps[m]);
		maps[m] = NULL;
	}
	reap();
	return !idx->live && !tables;
}

static void finish(void)
{
	struct nvdio_pfn_index *old = idx;

	idx = NULL;
	publish();
	free(old);
}

static void turn(void)
{
	u32 m = below(&t_seed, MAPS);

	if (maps[m]) {
		del(maps[m]);
		maps[m] = NULL;
	} else {
		maps[m] = add();
	}
	/* A smaller or larger index at any time. */
	if (idx && !below(&t_seed, 50))
		grow();
}

static void against_model(void)
{
	bool good = true;

	space();
	for (int i = 0; i < ROUNDS && good; i++) {
		turn();
		if (i % 10 == 0)
			good = all_as_modelled();
	}
	ok(good, "maps come and go as in the model");
	ok(grown > 5 && unwound > 5, "with %u new indexes, %u additions that failed", grown,
	   unwound);
	good = empty() && all_as_modelled();
	ok(good, "all maps ended: the index is empty, %ld tables left", tables);
	finish();
}

static bool has(const struct nvdio_map *map, unsigned long pfn, u32 page)
{
	for (u32 r = 0; r < map->nr_runs; r++)
		if (pfn - map->runs[r].pfn < map->runs[r].nr &&
		    page - map->runs[r].page == pfn - map->runs[r].pfn)
			return true;
	return false;
}

static void *reads(void *arg)
{
	struct reader *r = arg;

	while (!READ_ONCE(quit)) {
		pthread_mutex_lock(&r->lock);
		for (int i = 0; i < 100 && r->idx; i++) {
			unsigned long pfn = frame_pfn[below(&r->seed, FRAMES)] +
					    below(&r->seed, FRAME);
			struct nvdio_map *map;
			u32 page;

			if (!nvdio_pfn_find(r->idx, pfn, &map, &page)) {
				r->missed++;
				continue;
			}
			r->found++;
			r->bad += READ_ONCE(map->ended) || !has(map, pfn, page);
		}
		pthread_mutex_unlock(&r->lock);
		sched_yield();
	}
	return NULL;
}

static bool all_have_found(void)
{
	bool found = true;

	for (int i = 0; i < READERS; i++) {
		pthread_mutex_lock(&readers[i].lock);
		found = found && readers[i].found && readers[i].missed;
		pthread_mutex_unlock(&readers[i].lock);
	}
	return found;
}

static void with_readers(void)
{
	u64 found = 0, missed = 0, bad = 0;
	bool good;

	space();
	quit = false;
	for (int i = 0; i < READERS; i++) {
		readers[i].seed = rnd(&t_seed);
		if (pthread_create(&readers[i].thread, NULL, reads, &readers[i]))
			bail("no thread");
	}
	for (int i = 0; i < ROUNDS || (i < 1000 * ROUNDS && !all_have_found()); i++) {
		turn();
		sched_yield();
	}
	good = empty();
	ok(good, "maps come and go while others look: %ld tables left", tables);
	finish();
	WRITE_ONCE(quit, true);
	for (int i = 0; i < READERS; i++) {
		pthread_join(readers[i].thread, NULL);
		found += readers[i].found;
		missed += readers[i].missed;
		bad += readers[i].bad;
	}
	ok(found && missed, "they found pages, %" PRIu64 " times, and missed some", found);
	ok(!bad, "each in the right place of a map that had not ended (%" PRIu64 ")", bad);
}

/* Frames that a lookup goes past, on average, where many are in use. */
static double passed(u32 nr, unsigned long first, unsigned long step)
{
	const size_t size = sizeof(struct nvdio_pfn_frame);
	struct nvdio_pfn_run run;
	u64 *table = NULL, sum = 0;
	double mean;

	for (u32 f = 0; f < nr; f++) {
		run = (struct nvdio_pfn_run){ (first + f * step) * FRAME, FRAME, f * FRAME };
		while (!idx || nvdio_pfn_add(idx, 1, &run, &table))
			grow();
	}
	for (u32 i = 0; i <= idx->mask / size; i++)
		if (idx->frames[i].key)
			sum += (i - nvdio_pfn_first(idx, idx->frames[i].key) / size) &
			       (idx->mask / size);
	mean = (double)sum / idx->keys;
	finish();
	return mean;
}

static void spread(void)
{
	double worst = 0, mean;
	u32 at_nr = 0, at_step = 0;

	for (u32 nr = 16; nr <= 4096; nr *= 2)
		for (u32 s = 0; s <= 16; s++) {
			mean = passed(nr, below(&t_seed, 1 << 24), 1UL << s);
			if (mean > worst) {
				worst = mean;
				at_nr = nr;
				at_step = s;
			}
		}
	ok(worst < 1, "a lookup passes few frames: %.2f on average at worst (%u, 2^%u apart)",
	   worst, at_nr, at_step);
}

/* Frames whose search begins at the last place and goes on at the first. */
static void wrap(void)
{
	enum { NR = 8 };
	struct nvdio_pfn_run runs[NR], run;
	struct nvdio_map map = { .slot = 1 };
	struct nvdio_map *found;
	u64 *table = NULL;
	bool good = true;
	u32 nr = 0, page;

	grow();
	for (unsigned long f = 1; nr < NR; f++) {
		run = (struct nvdio_pfn_run){ f * FRAME, FRAME, nr * FRAME };
		if (nvdio_pfn_first(idx, run.pfn | NVDIO_PFN_FRAME_MASK) != idx->mask)
			continue;
		runs[nr++] = run;
		good = good && !nvdio_pfn_add(idx, map.slot, &run, &table);
	}
	nvdio_pfn_show(idx, map.slot, &map);
	for (u32 n = 0; n < NR; n++)
		good = good && nvdio_pfn_find(idx, runs[n].pfn + 5, &found, &page) &&
		       found == &map && page == runs[n].page + 5;
	ok(good, "a search goes on at the start of the index");
	nvdio_pfn_hide(idx, map.slot);
	for (u32 n = 0; n < NR; n++)
		nvdio_pfn_del(idx, map.slot, &runs[n]);
	ok(!idx->live && nvdio_pfn_frames(idx) == idx->mask / sizeof(idx->frames[0]) + 1,
	   "it is empty again, and as large as an empty one is");
	finish();
}

static const struct t_case cases[] = {
	{ "model", against_model },
	{ "readers", with_readers },
	{ "spread", spread },
	{ "wrap", wrap },
};

int main(int argc, char **argv)
{
	for (int i = 0; i < READERS; i++)
		pthread_mutex_init(&readers[i].lock, NULL);
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
