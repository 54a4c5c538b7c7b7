/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tags: which requests of a queue are free.
 *
 * One side takes, under the queue's submission lock; the other side gives
 * back, from interrupts and polls, without any lock. Taking is a pop from a
 * stack that only the taker touches. Giving back links any number of tags into
 * a chain and publishes it in one atomic operation. The taker collects what
 * was published when its stack runs dry, so a queue with N requests in flight
 * keeps using the same N or so tags, and their cache lines stay warm.
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
 * @free: top of the taker's stack, or NVDIO_TAG_NONE
 * @fresh: tags from here to @depth were never taken
 * @depth: number of tags
 * @next: for each tag that is in a list, the tag below it
 * @returned: head of the chain given back and not yet collected
 */
struct nvdio_tags {
	u32 free;
	u32 fresh;
	u32 depth;
	u16 *next;
	u32 returned ____cacheline_aligned_in_smp;
};

/**
 * struct nvdio_tag_chain - tags on their way back
 * @first: newest link, or @below while the chain is empty
 * @below: what its oldest link is linked to: the head of what was given back
 *	when the chain was begun
 */
struct nvdio_tag_chain {
	u32 first;
	u32 below;
};

void nvdio_tags_init(struct nvdio_tags *tags, u16 *next, u32 depth);
u32 nvdio_tags_refill(struct nvdio_tags *tags);
u32 nvdio_tags_in_use(struct nvdio_tags *tags);

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
	tags->free = tags->next[tag];
	return tag;
}

/**
 * nvdio_tag_chain_init() - begin a chain
 * @tags: the queue's tags
 * @chain: the caller's chain
 */
static inline void nvdio_tag_chain_init(struct nvdio_tags *tags,
					struct nvdio_tag_chain *chain)
{
	chain->below = READ_ONCE(tags->returned);
	chain->first = chain->below;
}

/**
 * nvdio_tag_chain_add() - link a tag that is no longer used into a chain
 * @tags: the queue's tags
 * @chain: the caller's chain
 * @tag: the tag; the caller owns it and must not use it afterwards
 */
static inline void nvdio_tag_chain_add(struct nvdio_tags *tags,
				       struct nvdio_tag_chain *chain, u32 tag)
{
	tags->next[tag] = chain->first;
	chain->first = tag;
}

void nvdio_tags_relink_chain(struct nvdio_tags *tags,
			     const struct nvdio_tag_chain *chain, u32 nr);

/**
 * nvdio_tags_put_chain() - give back every tag of a chain
 * @tags: the queue's tags
 * @chain: at least one tag, none of them in use any more
 * @nr: how many tags
 *
 * Context: any, without a lock, at the same time as takers and other givers.
 * A full barrier: a caller that looks for waiters afterwards sees those who
 * found no tag before.
 */
static inline void nvdio_tags_put_chain(struct nvdio_tags *tags,
					const struct nvdio_tag_chain *chain,
					u32 nr)
{
	u32 below = chain->below;

	/*
	 * If the head is still what the chain was linked to, so is its oldest
	 * link: a head that left and came back is a head all the same.
	 */
	if (unlikely(!try_cmpxchg(&tags->returned, &below, chain->first)))
		nvdio_tags_relink_chain(tags, chain, nr);
}

/**
 * nvdio_tags_put() - give back one tag
 * @tags: the queue's tags
 * @tag: the tag
 *
 * Context: as nvdio_tags_put_chain().
 */
static inline void nvdio_tags_put(struct nvdio_tags *tags, u32 tag)
{
	struct nvdio_tag_chain chain;

	nvdio_tag_chain_init(tags, &chain);
	nvdio_tag_chain_add(tags, &chain, tag);
	nvdio_tags_put_chain(tags, &chain, 1);
}

#endif /* NVDIO_TAGS_H */
