// SPDX-License-Identifier: GPL-2.0
/* Tag allocator: setup, and the slow path of taking tags; see tags.h. */
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
		WRITE_ONCE(tags->free, tags->next[tag]);
		return tag;
	}
	tag = tags->fresh;
	if (tag >= tags->depth)
		return NVDIO_TAG_NONE;
	WRITE_ONCE(tags->fresh, tag + 1);
	return tag;
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
		WRITE_ONCE(tags->free, tag);
		tag = next;
	}
	for (tag = tags->free; tag != NVDIO_TAG_NONE; tag = tags->next[tag])
		in_use--;
	return in_use;
}
