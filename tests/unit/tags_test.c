// SPDX-License-Identifier: GPL-2.0
/*
 * The tag allocator: each tag has one owner and none is lost, at any depth; and the same
 * with takers and givers in several threads (also built with ThreadSanitizer).
 */
#include <pthread.h>
#include <sched.h>

#include "unit.h"

#include "pure/tag_chain.h"
#include "pure/tags.h"

#define DEPTH_MAX 4095

static u16 next[DEPTH_MAX];
static struct nvdio_tags tags;
static u64 state;

/* ---- against a model, one thread ---- */

static bool owned[DEPTH_MAX];
static u32 in_use;

/* Take a tag; false when it is not what the model says. */
static bool take(u32 depth)
{
	u32 t = nvdio_tags_get(&tags);

	if (in_use == depth)
		return t == NVDIO_TAG_NONE;
	if (t >= depth || owned[t])
		return false;
	owned[t] = true;
	in_use++;
	return true;
}

/* Return up to 5 tags, singly or as a chain. */
static void give(u32 depth)
{
	u32 n = 1 + below(&state, 5), k, nr = 0;
	struct nvdio_tag_chain c;

	nvdio_tag_chain_init(&tags, &c);
	for (k = below(&state, depth); n && in_use; k = (k + 1) % depth) {
		if (!owned[k])
			continue;
		owned[k] = false;
		in_use--;
		n--;
		if (below(&state, 4)) {
			nvdio_tag_chain_add(&tags, &c, k);
			nr++;
		} else {
			nvdio_tags_put(&tags, k);
		}
	}
	if (nr)
		nvdio_tags_put_chain(&tags, &c, nr);
}

/* As many can be taken as are free, and not one more; nothing is taken by asking. */
static bool have(u32 depth)
{
	const u32 left = depth - in_use, some = below(&state, left + 1);

	return nvdio_tags_have(&tags, left) && nvdio_tags_have(&tags, some) &&
	       !nvdio_tags_have(&tags, left + 1) && !nvdio_tags_have(&tags, left + 1 + some);
}

/* A tag that is taken back is the next one that is taken. */
static bool unget(u32 depth)
{
	u32 t = nvdio_tags_get(&tags);

	if (in_use == depth)
		return t == NVDIO_TAG_NONE;
	nvdio_tags_unget(&tags, t);
	if (!have(depth) || nvdio_tags_get(&tags) != t)
		return false;
	nvdio_tags_unget(&tags, t);
	return true;
}

static bool random_depth(u32 depth)
{
	memset(owned, 0, sizeof(owned));
	in_use = 0;
	nvdio_tags_init(&tags, next, depth);
	for (u32 i = 0; i < 4 * depth + 1000; i++) {
		/* Alternate between mostly taking and mostly returning. */
		if (below(&state, 8) >= ((i / (depth + 64)) & 1 ? 2 : 6))
			give(depth);
		else if (!take(depth))
			return false;
		if (!below(&state, 16) && !(have(depth) && unget(depth)))
			return false;
		if (!below(&state, 64) && nvdio_tags_in_use(&tags) != in_use)
			return false;
	}
	return nvdio_tags_in_use(&tags) == in_use;
}

static void against_model(void)
{
	static const u32 depths[] = { 1, 2, 3, 31, 32, 33, 127, 1023, 4095 };

	state = t_seed;
	for (u32 i = 0; i < ARRAY_SIZE(depths); i++)
		ok(random_depth(depths[i]),
		   "depth %u: random takes and returns agree with the model", depths[i]);
}

/* The same tags are used again, so that their memory stays in the cache. */
static void reuse(void)
{
	u32 i;

	nvdio_tags_init(&tags, next, 1000);
	for (i = 0; i < 5000; i++) {
		u32 a = nvdio_tags_get(&tags), b = nvdio_tags_get(&tags);

		if (a > 3 || b > 3 || a == b)
			break;
		nvdio_tags_put(&tags, a);
		nvdio_tags_put(&tags, b);
	}
	ok(i == 5000, "two in flight never need more than four of 1000 tags");
}

/* The tag on top when the chain was begun is taken, completes, and joins the chain. */
static void chain_of_its_top(void)
{
	struct nvdio_tag_chain c;
	u32 a, b, d;

	nvdio_tags_init(&tags, next, 3);
	a = nvdio_tags_get(&tags);
	b = nvdio_tags_get(&tags);
	nvdio_tags_put(&tags, a);
	nvdio_tag_chain_init(&tags, &c);
	nvdio_tag_chain_add(&tags, &c, b);
	d = nvdio_tags_get(&tags);
	nvdio_tag_chain_add(&tags, &c, d);
	nvdio_tags_put_chain(&tags, &c, 2);
	ok(a == d && !nvdio_tags_in_use(&tags) &&
	   nvdio_tags_get(&tags) != nvdio_tags_get(&tags) &&
	   nvdio_tags_get(&tags) == 2 && nvdio_tags_get(&tags) == NVDIO_TAG_NONE,
	   "a chain may hold the tag that it was begun on");
}

static void all_in_use(void)
{
	u32 k;

	nvdio_tags_init(&tags, next, DEPTH_MAX);
	for (k = 0; nvdio_tags_get(&tags) != NVDIO_TAG_NONE; k++)
		;
	ok(k == DEPTH_MAX && nvdio_tags_in_use(&tags) == DEPTH_MAX,
	   "all %u tags can be in use", DEPTH_MAX);
}

/* ---- threads ---- */

#define TAKERS 2
#define GIVERS 3
#ifndef TURNS
#define TURNS 100000
#endif

/* As in a queue: takers have a lock, givers have none; a mailbox is between them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static u32 owner[DEPTH_MAX];		/* 0: free; by atomic exchange only */
static u32 box[8192];			/* tag + 1 */
static u32 wrong, taken, given;

/*
 * Take @n tags, all or none: what was there stays there while others only give back. What
 * orders the look at it is an address that depends on another, which TSan does not know of.
 */
static bool take_all(u32 *t, u32 n)
{
	bool there = true;

	pthread_mutex_lock(&lock);
#ifndef __SANITIZE_THREAD__
	there = nvdio_tags_have(&tags, n);
#endif
	for (u32 i = 0; there && i < n; i++) {
		t[i] = nvdio_tags_get(&tags);
		if (t[i] == NVDIO_TAG_NONE)
			break;
		nvdio_tags_unget(&tags, t[i]);
		if (nvdio_tags_get(&tags) != t[i])
			__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&lock);
	return there;
}

static void into_box(u32 t, u64 *s)
{
	u32 none;

	if (t >= tags.depth || xchg(&owner[t], 1))
		__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
	do {
		none = 0;
	} while (!try_cmpxchg(&box[below(s, ARRAY_SIZE(box))], &none, t + 1));
	__atomic_add_fetch(&taken, 1, __ATOMIC_RELAXED);
}

static void *taker(void *v)
{
#ifdef __SANITIZE_THREAD__
	const u32 most = 1;
#else
	const u32 most = 6;
#endif
	u64 s = (uintptr_t)v;
	u32 t[6], i, n, k;

	for (i = 0; i < TURNS; i += k) {
		n = min_t(u32, 1 + below(&s, most), TURNS - i);
		k = 0;
		if (!take_all(t, n) || t[0] == NVDIO_TAG_NONE) {
			sched_yield();
			continue;
		}
		for (; k < n; k++)
			into_box(t[k], &s);
	}
	return NULL;
}

static void *giver(void *v)
{
	u64 s = (uintptr_t)v;

	while (__atomic_load_n(&given, __ATOMIC_RELAXED) < TAKERS * TURNS) {
		u32 n = 1 + below(&s, 4), i, got = 0;
		u32 from = below(&s, ARRAY_SIZE(box));
		struct nvdio_tag_chain c;

		nvdio_tag_chain_init(&tags, &c);
		for (i = 0; i < 256 && got < n; i++) {
			u32 t = xchg(&box[(from + i) % ARRAY_SIZE(box)], 0);

			if (!t)
				continue;
			if (xchg(&owner[t - 1], 0) != 1)
				__atomic_add_fetch(&wrong, 1, __ATOMIC_RELAXED);
			nvdio_tag_chain_add(&tags, &c, t - 1);
			got++;
		}
		if (!got) {
			sched_yield();
			continue;
		}
		nvdio_tags_put_chain(&tags, &c, got);
		__atomic_add_fetch(&given, got, __ATOMIC_RELAXED);
	}
	return NULL;
}

static void together(u32 depth)
{
	pthread_t id[TAKERS + GIVERS];
	unsigned int i;

	memset(owner, 0, sizeof(owner));
	memset(box, 0, sizeof(box));
	wrong = 0;
	taken = 0;
	given = 0;
	nvdio_tags_init(&tags, next, depth);
	for (i = 0; i < TAKERS + GIVERS; i++)
		if (pthread_create(&id[i], NULL, i < TAKERS ? taker : giver,
				   (void *)(uintptr_t)(rnd(&state) | 1)))
			abort();
	for (i = 0; i < TAKERS + GIVERS; i++)
		pthread_join(id[i], NULL);
	ok(!wrong, "depth %u: %u takers, %u givers, no tag had two owners",
	   depth, TAKERS, GIVERS);
	ok(taken == TAKERS * TURNS && given == taken && !nvdio_tags_in_use(&tags),
	   "depth %u: %u taken, %u given back, none in use", depth, taken, given);
}

static void threads(void)
{
	state = t_seed;
	together(7);
	together(127);
	together(1023);
}

static const struct t_case cases[] = {
	{ "against_model", against_model },
	{ "reuse", reuse },
	{ "chain_of_its_top", chain_of_its_top },
	{ "all_in_use", all_in_use },
	{ "threads", threads },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
