/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tag allocator: which requests of a queue are free. This is the side that takes
 * tags; tag_chain.h is the side that returns them.
 *
 * Tags are taken under the queue's submission lock. Taking a tag pops a stack
 * that only the taker touches. The taker collects what was returned when its
 * stack runs dry, so a queue with N requests in flight keeps using about N tags,
 * and their cache lines stay warm.
 *
 * Step 4 of a read (docs/driver.md, "One read"), called by admit.h.
 */
#ifndef NVDIO_TAGS_H
#define NVDIO_TAGS_H

#include "pure/pure.h"

#define NVDIO_TAG_BITS	12
#define NVDIO_TAG_MASK	((1U << NVDIO_TAG_BITS) - 1)
#define NVDIO_TAG_NONE	0xffffU
/* One less than the encoding allows, so that NVDIO_TAG_NONE is never a tag. */
#define NVDIO_TAGS_MAX	NVDIO_TAG_MASK

/**
 * struct nvdio_tags - the free tags of one queue
 * @free: top of the taker's stack of free tags, or NVDIO_TAG_NONE
 * @fresh: lowest tag that was never taken
 * @depth: number of tags
 * @next: for each tag in a list, the tag below it
 * @returned: head of the tags returned but not yet collected
 */
struct nvdio_tags {
	u32 free;
	u32 fresh;
	u32 depth;
	u16 *next;
	u32 returned ____cacheline_aligned_in_smp;
};

void nvdio_tags_init(struct nvdio_tags *tags, u16 *next, u32 depth);
u32 nvdio_tags_refill(struct nvdio_tags *tags);
u32 nvdio_tags_in_use(struct nvdio_tags *tags);
bool nvdio_tags_have_returned(const struct nvdio_tags *tags, u32 nr);

/**
 * nvdio_tags_get() - take a tag
 * @tags: the queue's tags
 *
 * Context: any; the caller holds the lock that serialises takers.
 * Return: a tag below @tags->depth, or NVDIO_TAG_NONE if all are in use.
 */
static inline u32 nvdio_tags_get(struct nvdio_tags *tags)
{
	u32 tag = tags->free;

	if (unlikely(tag == NVDIO_TAG_NONE))
		return nvdio_tags_refill(tags);
	/* Others look, without the lock, whether there is one. */
	WRITE_ONCE(tags->free, tags->next[tag]);
	return tag;
}

/**
 * nvdio_tags_unget() - take back nvdio_tags_get()
 * @tags: the queue's tags
 * @tag: the tag that was taken last; it is the next that is taken
 *
 * Context: as nvdio_tags_get(), and the lock was held since.
 */
static inline void nvdio_tags_unget(struct nvdio_tags *tags, u32 tag)
{
	tags->next[tag] = tags->free;
	WRITE_ONCE(tags->free, tag);
}

/**
 * nvdio_tags_have() - are there so many free tags?
 * @tags: the queue's tags
 * @nr: number
 *
 * Context: any; the caller holds the lock that serialises takers, and while it does
 * they stay free.
 * Return: true if nvdio_tags_get() will succeed so many times.
 */
static inline bool nvdio_tags_have(const struct nvdio_tags *tags, u32 nr)
{
	return likely(tags->depth - tags->fresh >= nr) ||
	       nvdio_tags_have_returned(tags, nr - (tags->depth - tags->fresh));
}

#endif /* NVDIO_TAGS_H */
