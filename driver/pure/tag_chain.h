/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tag allocator, the side that returns tags; tags.h is the side that takes them.
 *
 * Tags are returned from interrupts and polls without any lock, and any number
 * of them in one atomic operation: they are linked into a chain, which is then
 * published for the taker to collect.
 *
 * Step 10 of a read (docs/driver.md, "One read"), called by complete.c.
 */
#ifndef NVDIO_TAG_CHAIN_H
#define NVDIO_TAG_CHAIN_H

#include "pure/pure.h"
#include "pure/tags.h"

/**
 * struct nvdio_tag_chain - tags about to be returned
 * @first: newest link, or @below while the chain is empty
 * @below: what the oldest link points to: @returned when the chain was begun
 */
struct nvdio_tag_chain {
	u32 first;
	u32 below;
};

void nvdio_tags_relink_chain(struct nvdio_tags *tags,
			     struct nvdio_tag_chain chain, u32 nr);

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
		nvdio_tags_relink_chain(tags, *chain, nr);
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

#endif /* NVDIO_TAG_CHAIN_H */
