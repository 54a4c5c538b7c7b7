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

/* Iterate over the claims that overlap with @claim. */
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

/* Resume the owners on @list; each may free its claim at once. */
static void claims_resume(struct list_head *list)
{
	struct nvdio_claim *claim, *next;

	list_for_each_entry_safe(claim, next, list, link)
		claim->resume(claim);
}

/**
 * nvdio_claim_init() - initialise the claims of a new namespace
 * @ns: namespace
 *
 * Context: any.
 */
void nvdio_claim_init(struct nvdio_ns *ns)
{
	spin_lock_init(&ns->claim_lock);
	ns->claims = RB_ROOT_CACHED;
	INIT_LIST_HEAD(&ns->draining);
}

/**
 * nvdio_claim_set() - set the blocks of a claim
 * @claim: claim that is not in use
 * @slba: first block
 * @nlb: number of blocks, more than 0
 * @exclusive: for a read-modify-write
 *
 * Context: any.
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

/* Count the claims that @claim has to wait for; claim_lock held. */
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
 * nvdio_claim_take() - claim blocks
 * @ns: namespace
 * @claim: set by nvdio_claim_set(), with @resume
 *
 * The claim is made in any case, and nvdio_claim_release() ends it.
 *
 * Context: any.
 * Return: true if the claim is held. Otherwise @resume is called when it is
 * granted, possibly before this function returns, so the caller must not touch
 * anything that @resume may free.
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
 * nvdio_claim_try() - claim blocks if they are free
 * @ns: namespace
 * @claim: set by nvdio_claim_set()
 *
 * Context: any.
 * Return: true if the claim is held; otherwise no claim was made.
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
 * nvdio_claim_release() - release a claim, and grant those that waited for it
 * @ns: namespace
 * @claim: claim that is held
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
		/* Earlier claims never waited for this one. */
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
 * nvdio_claim_covers() - does an exclusive claim overlap with a range of
 * blocks?
 * @ns: namespace
 * @slba: first block
 * @nlb: number of blocks
 *
 * Context: any; takes claim_lock, which nests inside sq_lock.
 * Return: true if such a claim is held.
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
 * nvdio_claim_write_ended() - a write marked by nvdio_claim_drain() has ended
 * @ns: namespace
 *
 * Context: the queue's cq_lock held; @resume of claims is called.
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
 * nvdio_claim_wait() - claim blocks, and sleep until the claim is granted
 * @ns: namespace
 * @claim: set by nvdio_claim_set()
 *
 * Context: may sleep. The caller holds neither a bounce buffer nor a tag, and
 * no other claim depends on it to be released (invariant 12).
 */
void nvdio_claim_wait(struct nvdio_ns *ns, struct nvdio_claim *claim)
{
	DECLARE_COMPLETION_ONSTACK(held);

	claim->resume = claim_wake;
	claim->waiter = &held;
	if (!nvdio_claim_take(ns, claim))
		wait_for_completion_io(&held);
}
