// SPDX-License-Identifier: GPL-2.0
/* Setup and slow paths of the tag allocator; see tags.h. */
#include "pure/tags.h"

/**
 * nvdio_tags_init() - initialise with all tags free
 * @tags: tag allocator
 * @next: memory for @depth entries, owned by the caller, outlives @tags
 * @depth: number of tags, 1 to NVDIO_TAGS_MAX
 *
 * Context: any.
 */
void nvdio_tags_init(struct nvdio_tags *tags, u16 *next, u32 depth)
{
	tags->free = NVDIO_TAG_NONE;
	tags->fresh = 0;
	tags->depth = depth;
	tags->next = next;
	tags->returned = NVDIO_TAG_NONE;
}

/**
 * nvdio_tags_refill() - take a tag when the stack is empty
 * @tags: the queue's tags, with an empty stack
 *
 * Returned tags are preferred to fresh ones: their cache lines are warm.
 *
 * Context: any; the caller holds the lock that serialises takers.
 * Return: a tag, or NVDIO_TAG_NONE if all are in use.
 */
u32 nvdio_tags_refill(struct nvdio_tags *tags)
{
	u32 tag = READ_ONCE(tags->returned);

	if (tag != NVDIO_TAG_NONE) {
		tag = xchg(&tags->returned, NVDIO_TAG_NONE);
		tags->free = tags->next[tag];
		return tag;
	}
	if (tags->fresh < tags->depth)
		return tags->fresh++;
	return NVDIO_TAG_NONE;
}

/**
 * nvdio_tags_relink_chain() - slow path of nvdio_tags_put_chain()
 * @tags: the queue's tags
 * @chain: the chain
 * @nr: number of tags in it
 *
 * Taken if the head has moved since the chain was begun: others returned tags,
 * or the taker collected them.
 *
 * Context: as nvdio_tags_put_chain().
 */
void nvdio_tags_relink_chain(struct nvdio_tags *tags,
			     const struct nvdio_tag_chain *chain, u32 nr)
{
	u32 old = READ_ONCE(tags->returned);
	u32 last = chain->first;

	/* Count links: the tag below the chain may be part of it by now. */
	while (--nr)
		last = tags->next[last];
	do {
		WRITE_ONCE(tags->next[last], old);
	} while (!try_cmpxchg(&tags->returned, &old, chain->first));
}

/**
 * nvdio_tags_in_use() - count the tags that are taken
 * @tags: the queue's tags
 *
 * Context: any; the caller holds the lock that serialises takers.
 * Return: number of tags taken and not yet given back.
 */
u32 nvdio_tags_in_use(struct nvdio_tags *tags)
{
	u32 in_use = tags->fresh;
	u32 tag = xchg(&tags->returned, NVDIO_TAG_NONE);

	while (tag != NVDIO_TAG_NONE) {
		u32 next = tags->next[tag];

		tags->next[tag] = tags->free;
		tags->free = tag;
		tag = next;
	}
	for (tag = tags->free; tag != NVDIO_TAG_NONE; tag = tags->next[tag])
		in_use--;
	return in_use;
}
