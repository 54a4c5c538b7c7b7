// SPDX-License-Identifier: GPL-2.0
/* Claims to blocks of a namespace; see claim.h. */
#include <linux/completion.h>
#include <linux/interval_tree_generic.h>

#include "core/ns.h"
#include "io/claim.h"

#define CLAIM_FIRST(claim)	((claim)->first)
#define CLAIM_LAST(claim)	((claim)->last)

INTERVAL_TREE_DEFINE(struct nvdio_claim, rb, u64, subtree_last, CLAIM_FIRST,
		     CLAIM_LAST, static, claim_tree)

/* The claims that have blocks in common with @claim, one after the other. */
static struct nvdio_claim *overlap_first(struct nvdio_ns *ns,
					 const struct nvdio_claim *claim)
{
	return claim_tree_iter_first(&ns->claims, claim->first, claim->last);
}

static struct nvdio_claim *overlap_next(struct nvdio_claim *other,
					const struct nvdio_claim *claim)
{
	return claim_tree_iter_next(other, claim->first, claim->last);
}

static bool claims_conflict(const struct nvdio_claim *a,
			    const struct nvdio_claim *b)
{
	return a->exclusive || b->exclusive;
}

/* Grant a claim that has no blockers; claim_lock held. */
static void claim_grant(struct nvdio_ns *ns, struct nvdio_claim *claim)
{
	claim->held = true;
	if (claim->exclusive)
		WRITE_ONCE(ns->claims_held, ns->claims_held + 1);
}

/* Tell the owners on @list; each may be gone as soon as it was told. */
static void claims_resume(struct list_head *list)
{
	struct nvdio_claim *claim, *next;

	list_for_each_entry_safe(claim, next, list, link)
		claim->resume(claim);
}

/* Prepare a new namespace's claims. */
void nvdio_claim_init(struct nvdio_ns *ns)
{
	spin_lock_init(&ns->claim_lock);
	ns->claims = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&ns->draining);
}

/**
 * nvdio_claim_set() - say which blocks a claim is to
 * @claim: claim that is not in use
 * @slba: first block
 * @nlb: number of blocks, more than 0
 * @exclusive: for a read-modify-write
 */
void nvdio_claim_set(struct nvdio_claim *claim, u64 slba, u64 nlb,
		     bool exclusive)
{
	claim->first = slba;
	claim->last = slba + nlb - 1;
	claim->exclusive = exclusive;
	claim->blockers = 0;
	claim->held = false;
}

/* Count what a claim has to wait for; claim_lock held. */
static void claim_count(struct nvdio_ns *ns, struct nvdio_claim *claim)
{
	struct nvdio_claim *other;

	for (other = overlap_first(ns, claim); other;
	     other = overlap_next(other, claim)) {
		if (claims_conflict(claim, other))
			claim->blockers++;
	}
}

static void claim_insert(struct nvdio_ns *ns, struct nvdio_claim *claim)
{
	claim->seq = ns->claim_seq++;
	claim_tree_insert(claim, &ns->claims);
	if (!claim->blockers)
		claim_grant(ns, claim);
}

/**
 * nvdio_claim_take() - claim blocks, or be told when they are granted
 * @ns: namespace
 * @claim: set by nvdio_claim_set(), with @resume
 *
 * Context: any.
 * Return: true if the claim is held; else @resume is called, perhaps already,
 * when it is, and the caller must not touch what @resume's task may free.
 * nvdio_claim_release() ends it.
 */
bool nvdio_claim_take(struct nvdio_ns *ns, struct nvdio_claim *claim)
{
	unsigned long flags;
	bool held;

	spin_lock_irqsave(&ns->claim_lock, flags);
	claim_count(ns, claim);
	claim_insert(ns, claim);
	held = claim->held;
	spin_unlock_irqrestore(&ns->claim_lock, flags);
	return held;
}

/**
 * nvdio_claim_try() - claim blocks if that takes no waiting
 * @ns: namespace
 * @claim: set by nvdio_claim_set()
 *
 * Context: any.
 * Return: true if the claim is held; else it was not made.
 */
bool nvdio_claim_try(struct nvdio_ns *ns, struct nvdio_claim *claim)
{
	unsigned long flags;

	spin_lock_irqsave(&ns->claim_lock, flags);
	claim_count(ns, claim);
	if (!claim->blockers)
		claim_insert(ns, claim);
	spin_unlock_irqrestore(&ns->claim_lock, flags);
	return claim->held;
}

/**
 * nvdio_claim_release() - give up a claim and grant those that waited for it
 * @ns: namespace
 * @claim: a claim that is held
 *
 * Context: any; @resume of other claims is called.
 */
void nvdio_claim_release(struct nvdio_ns *ns, struct nvdio_claim *claim)
{
	struct nvdio_claim *other;
	unsigned long flags;
	LIST_HEAD(granted);

	spin_lock_irqsave(&ns->claim_lock, flags);
	claim_tree_remove(claim, &ns->claims);
	if (claim->exclusive)
		WRITE_ONCE(ns->claims_held, ns->claims_held - 1);
	for (other = overlap_first(ns, claim); other;
	     other = overlap_next(other, claim)) {
		/* Who came earlier never waited for this one. */
		if (other->seq < claim->seq || !claims_conflict(claim, other))
			continue;
		if (!--other->blockers) {
			claim_grant(ns, other);
			list_add_tail(&other->link, &granted);
		}
	}
	spin_unlock_irqrestore(&ns->claim_lock, flags);
	claims_resume(&granted);
}

/**
 * nvdio_claim_covers() - does an exclusive claim that is held cover blocks?
 * @ns: namespace
 * @slba: first block
 * @nlb: number of blocks
 *
 * Context: any; takes claim_lock, which nests inside of sq_lock.
 */
bool nvdio_claim_covers(struct nvdio_ns *ns, u64 slba, u64 nlb)
{
	const struct nvdio_claim range = {
		.first = slba,
		.last = slba + nlb - 1,
	};
	struct nvdio_claim *other;
	unsigned long flags;
	bool ret = false;

	spin_lock_irqsave(&ns->claim_lock, flags);
	for (other = overlap_first(ns, &range); other;
	     other = overlap_next(other, &range)) {
		if (other->held && other->exclusive) {
			ret = true;
			break;
		}
	}
	spin_unlock_irqrestore(&ns->claim_lock, flags);
	return ret;
}

/**
 * nvdio_claim_write_ended() - a write that nvdio_claim_drain() marked is over
 * @ns: namespace
 *
 * Context: any; under the queue's cq_lock.
 */
void nvdio_claim_write_ended(struct nvdio_ns *ns)
{
	unsigned long flags;
	LIST_HEAD(list);

	spin_lock_irqsave(&ns->claim_lock, flags);
	ns->writes_ended++;
	list_splice_init(&ns->draining, &list);
	spin_unlock_irqrestore(&ns->claim_lock, flags);
	claims_resume(&list);
}

static void claim_wake(struct nvdio_claim *claim)
{
	complete(claim->waiter);
}

/**
 * nvdio_claim_wait() - claim blocks and sleep until they are granted
 * @ns: namespace
 * @claim: set by nvdio_claim_set()
 *
 * Context: may sleep. The caller holds neither a bounce buffer nor a tag, and
 * is not needed to end any other claim (invariant 12).
 */
void nvdio_claim_wait(struct nvdio_ns *ns, struct nvdio_claim *claim)
{
	DECLARE_COMPLETION_ONSTACK(held);

	claim->resume = claim_wake;
	claim->waiter = &held;
	if (!nvdio_claim_take(ns, claim))
		wait_for_completion_io(&held);
}
