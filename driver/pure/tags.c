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
 * nvdio_tags_have_returned() - are so many tags free that were used before?
 * @tags: the queue's tags
 * @nr: number, more than 0
 *
 * Context: as nvdio_tags_have().
 * Return: true if there are.
 */
bool nvdio_tags_have_returned(const struct nvdio_tags *tags, u32 nr)
{
	u32 tag;

	for (tag = tags->free; tag != NVDIO_TAG_NONE; tag = tags->next[tag])
		if (!--nr)
			return true;
	/* Others may put new ones on top meanwhile; what is below stays. */
	for (tag = READ_ONCE(tags->returned); tag != NVDIO_TAG_NONE;
	     tag = tags->next[tag])
		if (!--nr)
			return true;
	return false;
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
