// SPDX-License-Identifier: GPL-2.0
/*
 * Blocks that a program has stamped (stamp.h), as they arrive: is each one whole,
 * where it belongs, newer than what was there? In the area of "stamps", every
 * Write has to bring such blocks.
 */
#include <err.h>
#include <stdlib.h>

#include "stamp.h"
#include "vfu.h"

static struct {
	uint32_t nsid;			/* 0: no area */
	uint64_t slba, nlb;
	uint64_t *generations;		/* of each block, the newest that came */
} area;

void stamps_off(void)
{
	free(area.generations);
	area.generations = NULL;
	area.nsid = 0;
}

bool stamps_on(uint32_t nsid, uint64_t slba, uint64_t nlb)
{
	const struct ns *ns = ns_find(nsid);

	if (!ns || !nlb || slba >= ns_blocks(ns) || nlb > ns_blocks(ns) - slba)
		return false;
	stamps_off();
	area.generations = calloc(nlb, sizeof(*area.generations));
	if (!area.generations)
		err(1, "memory");
	area.nsid = nsid;
	area.slba = slba;
	area.nlb = nlb;
	return true;
}

static enum counter judge(const uint8_t *block, uint32_t len, uint64_t at, uint64_t *newest)
{
	struct stamp s;

	if (!stamp_whole(block, len, &s) || s.at != at)
		return C_STAMPS_BAD;
	if (s.generation < *newest)
		return C_STAMPS_BACK;
	if (s.generation == *newest)
		return C_STAMPS_AGAIN;
	*newest = s.generation;
	return C_STAMPS_GOOD;
}

void stamps_written(uint32_t nsid, const struct ns *ns, uint64_t slba, uint64_t nlb, bool torn)
{
	uint64_t lba;

	if (nsid != area.nsid)
		return;
	for (lba = slba; lba < slba + nlb; lba++) {
		enum counter c;

		if (lba < area.slba || lba - area.slba >= area.nlb)
			continue;
		c = judge(ns->data + (lba << ns->lbads), 1U << ns->lbads, lba << ns->lbads,
			  &area.generations[lba - area.slba]);
		if (c == C_STAMPS_BAD && torn)
			continue;
		count(c);
		if (c == C_STAMPS_BAD || c == C_STAMPS_BACK)
			log_event("block %lu: %s", lba, c == C_STAMPS_BAD ? "not what was meant" :
							"older than what was there");
	}
}
