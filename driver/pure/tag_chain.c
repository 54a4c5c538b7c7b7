// SPDX-License-Identifier: GPL-2.0
/* Slow path of returning tags; see tag_chain.h. */
#include "pure/tag_chain.h"

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
			     struct nvdio_tag_chain chain, u32 nr)
{
	u32 old = READ_ONCE(tags->returned);
	u32 last = chain.first;

	/* Count links: the tag below the chain may be part of it by now. */
	while (--nr)
		last = tags->next[last];
	do {
		WRITE_ONCE(tags->next[last], old);
	} while (!try_cmpxchg(&tags->returned, &old, chain.first));
}
