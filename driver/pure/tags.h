/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tag allocator: which requests of a queue are free.
 *
 * Tags are taken under the queue's submission lock and returned from interrupts
 * and polls without any lock. Taking a tag pops a stack that only the taker
 * touches. Returning links any number of tags into a chain and publishes it in
 * one atomic operation. The taker collects what was published when its stack
 * runs dry, so a queue with N requests in flight keeps using about N tags, and
 * their cache lines stay warm.
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

/**
 * struct nvdio_tag_chain - tags about to be returned
 * @first: newest link, or @below while the chain is empty
 * @below: what the oldest link points to: @returned when the chain was begun
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
 * @chain: filled in, empty
 *
 * Context: any.
 */
static inline void nvdio_tag_chain_init(struct nvdio_tags *tags,
					struct nvdio_tag_chain *chain)
{
	chain->below = READ_ONCE(tags->returned);
	chain->first = chain->below;
}

/**
 * nvdio_tag_chain_add() - add a tag to a chain
 * @tags: the queue's tags
 * @chain: chain
 * @tag: tag owned by the caller, which must not use it afterwards
 *
 * Context: any.
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
 * nvdio_tags_put_chain() - return all tags of a chain
 * @tags: the queue's tags
 * @chain: at least one tag, none of them still in use
 * @nr: number of tags
 *
 * A full barrier: a caller that checks for waiters afterwards sees every waiter
 * that found no tag before.
 *
 * Context: any, without a lock, concurrently with takers and other callers.
 */
static inline void nvdio_tags_put_chain(struct nvdio_tags *tags,
					const struct nvdio_tag_chain *chain,
					u32 nr)
{
	u32 below = chain->below;

	/*
	 * If the head still is what the chain was linked to, so is its oldest
	 * link. A head that was taken and has come back (ABA) is just as valid.
	 */
	if (unlikely(!try_cmpxchg(&tags->returned, &below, chain->first)))
		nvdio_tags_relink_chain(tags, chain, nr);
}

/**
 * nvdio_tags_put() - return one tag
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
