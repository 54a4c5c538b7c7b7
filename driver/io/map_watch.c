// SPDX-License-Identifier: GPL-2.0
/*
 * Recognising memory of the program's (NVDIO_MAP_USER) by its address.
 *
 * That address X means page P of a map is seen in the page tables once, and holds
 * until the kernel changes the entry: munmap(), mremap(), mprotect(), a copy on
 * write, MADV_DONTNEED, migration. It says so before, by a notifier, and what it
 * says changes @gen of the map, so that nothing that was known of X is used by
 * I/O that begins after the system call has returned. I/O that has begun before
 * moves data to or from P, which the map holds. As the notifier must not
 * wait, it changes numbers and nothing else.
 *
 * Afterwards the page tables may be looked at again, all of the range, since a part
 * is no use to the next I/O. It is done rarely enough to cost little of the time
 * when it is in vain.
 */
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>
#include <linux/pkeys.h>
#include <linux/rculist.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "core/ctrl.h"
#include "core/map.h"
#include "io/map_watch.h"
#include "uapi/nvdio.h"

/* Pages looked at in one call. */
#define WATCH_BATCH	32U

/* How long it is not tried again: from the first to the last in a row. */
#define WATCH_PAUSE_MIN	(HZ / 10)
#define WATCH_PAUSE_MAX	(8 * HZ)

/**
 * struct nvdio_map_watch - addresses of a map in the program
 * @notifier: told of changes; its mm is the address space
 * @map: map
 * @link: entry in @watched of struct nvdio_maps, read under RCU
 * @addr: first address
 * @len: bytes
 * @known: value of @map->gen for which the addresses are the map's pages
 * @next: not tried again before this time, in jiffies
 * @pause: how long after the last failure that was
 * @rcu: frees it
 */
struct nvdio_map_watch {
	struct mmu_interval_notifier notifier;
	struct nvdio_map *map;
	struct list_head link;
	unsigned long addr;
	unsigned long len;
	int known;
	unsigned long next;
	unsigned long pause;
	struct rcu_head rcu;
};

/* Called in any context in which page tables change; must not wait. */
static bool watch_invalidate(struct mmu_interval_notifier *notifier,
			     const struct mmu_notifier_range *range,
			     unsigned long seq)
{
	struct nvdio_map_watch *w = container_of(notifier,
						 struct nvdio_map_watch,
						 notifier);

	mmu_interval_set_seq(notifier, seq);
	/* After @seq; see watch_look(). */
	smp_mb__before_atomic();
	atomic_inc(&w->map->gen);
	atomic_inc(&w->map->ctrl->maps.vmas);
	return true;
}

static const struct mmu_interval_notifier_ops watch_ops = {
	.invalidate = watch_invalidate,
};

/* An insertion, done by a worker. */
struct watch_insertion {
	struct work_struct work;
	struct nvdio_map_watch *watch;
	struct mm_struct *mm;
	int ret;
};

static int watch_insert(struct nvdio_map_watch *w, struct mm_struct *mm)
{
	return mmu_interval_notifier_insert(&w->notifier, mm, w->addr, w->len,
					    &watch_ops);
}

static void watch_insert_work(struct work_struct *work)
{
	struct watch_insertion *in = container_of(work, struct watch_insertion,
						  work);

	in->ret = watch_insert(in->watch, in->mm);
}

/*
 * The first insertion in an address space gives up for a signal of the task's, and
 * takes io_uring's task work for one: a task that has some at all times would never
 * succeed. A worker has no signals.
 */
static int watch_insert_undisturbed(struct nvdio_map_watch *w,
				    struct workqueue_struct *wq)
{
	struct watch_insertion in = { .watch = w, .mm = current->mm };

	INIT_WORK_ONSTACK(&in.work, watch_insert_work);
	queue_work(wq, &in.work);
	flush_work(&in.work);
	destroy_work_on_stack(&in.work);
	return in.ret;
}

/**
 * nvdio_map_watch() - be told when a map's addresses change
 * @map: map with its flags and number of pages, not pinned yet
 * @addr: address of the caller's memory
 * @wq: workqueue for work that waits for a mmap_lock
 *
 * Context: may sleep for the caller's mmap_lock; no lock of maps is held.
 * Return: 0, to be undone with nvdio_map_unwatch(); -EINTR if the caller is being
 * killed; or another -errno.
 */
int nvdio_map_watch(struct nvdio_map *map, unsigned long addr,
		    struct workqueue_struct *wq)
{
	struct nvdio_map_watch *w;
	int ret;

	w = kzalloc(sizeof(*w), GFP_KERNEL_ACCOUNT);
	if (!w)
		return -ENOMEM;
	w->map = map;
	w->addr = addr;
	w->len = (unsigned long)nvdio_map_pages(map) << PAGE_SHIFT;
	w->known = atomic_read(&map->gen) - 1;
	w->next = jiffies;
	w->pause = WATCH_PAUSE_MIN;
	ret = watch_insert(w, current->mm);
	if (ret == -EINTR && !fatal_signal_pending(current))
		ret = watch_insert_undisturbed(w, wq);
	if (ret)
		kfree(w);
	else
		map->watch = w;
	return ret;
}

/**
 * nvdio_map_unwatch() - undo nvdio_map_watch()
 * @map: map that I/O does not find any more; does nothing if it is not watched
 *
 * Context: may sleep, for changes to the address space that are under way;
 * neither the mmap_lock nor the lock of maps is held.
 */
void nvdio_map_unwatch(struct nvdio_map *map)
{
	struct nvdio_map_watch *w = map->watch;

	if (!w)
		return;
	mmu_interval_notifier_remove(&w->notifier);
	map->watch = NULL;
	kfree_rcu(w, rcu);
}

/* Keys of memory protection are the thread's, and nobody tells of them. */
static bool watch_has_key(const struct nvdio_map_watch *w)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	vma_iter_init(&vmi, w->notifier.mm, w->addr);
	for_each_vma_range(vmi, vma, w->addr + w->len)
		if (vma_pkey(vma))
			return true;
	return false;
}

/*
 * Are the addresses the map's pages, and may the program write to them if the
 * controller may? Nothing is faulted in.
 */
static bool watch_same(const struct nvdio_map_watch *w)
{
	const struct nvdio_map *map = w->map;
	const unsigned int flags = map->flags & NVDIO_MAP_READ_ONLY ?
				   0 : FOLL_WRITE;
	const u32 nr = nvdio_map_pages(map);
	struct page *pages[WATCH_BATCH];
	u32 done = 0;

	while (done < nr) {
		const unsigned long addr = w->addr +
					   ((unsigned long)done << PAGE_SHIFT);
		bool same;
		int i, got;

		got = get_user_pages_fast_only(addr, min(nr - done, WATCH_BATCH),
					       flags, pages);
		if (got <= 0)
			return false;
		same = !memcmp(pages, map->pages + done, got * sizeof(*pages));
		for (i = 0; i < got; i++)
			put_page(pages[i]);
		if (!same)
			return false;
		done += got;
		cond_resched();
	}
	return true;
}

/*
 * Look at the page tables of the current address space, which is locked for reading.
 * A change that is under way is waited for; one that begins meanwhile makes the
 * look worthless, and one that begins afterwards has changed @gen.
 * Return: true if the addresses are the map's pages.
 */
static bool watch_look(struct nvdio_map_watch *w)
{
	const int gen = atomic_read(&w->map->gen);
	unsigned long seq;

	/* The interval has been told of @seq before @gen is read again. */
	smp_rmb();
	seq = mmu_interval_read_begin(&w->notifier);
	if (watch_has_key(w) || !watch_same(w) ||
	    mmu_interval_read_retry(&w->notifier, seq)) {
		WRITE_ONCE(w->next, jiffies + w->pause);
		w->pause = min(2 * w->pause, WATCH_PAUSE_MAX);
		return false;
	}
	w->pause = WATCH_PAUSE_MIN;
	WRITE_ONCE(w->next, jiffies + w->pause);
	WRITE_ONCE(w->known, gen);
	return true;
}

/**
 * nvdio_map_watch_first() - learn the addresses of a new map
 * @map: map that I/O does not find yet; its pages are pinned
 *
 * Context: may sleep for the caller's mmap_lock.
 */
void nvdio_map_watch_first(struct nvdio_map *map)
{
	if (!map->watch || mmap_read_lock_killable(current->mm))
		return;
	watch_look(map->watch);
	mmap_read_unlock(current->mm);
}

/**
 * nvdio_map_watch_show() - let I/O find the addresses of a map
 * @map: map; nothing is done if it is not watched
 *
 * Context: the lock of maps is held.
 */
void nvdio_map_watch_show(struct nvdio_map *map)
{
	struct nvdio_maps *maps = &map->ctrl->maps;

	if (!map->watch)
		return;
	list_add_rcu(&map->watch->link, &maps->watched);
	/* Pairs with nvdio_map_learn(): it is seen, or @vmas has changed. */
	smp_mb__before_atomic();
	atomic_inc(&maps->vmas);
}

/**
 * nvdio_map_watch_hide() - undo nvdio_map_watch_show()
 * @map: map; its entries in the caches of queues are purged afterwards
 *
 * Context: the lock of maps is held.
 */
void nvdio_map_watch_hide(struct nvdio_map *map)
{
	if (map->watch)
		list_del_rcu(&map->watch->link);
}

/* Is @addr one of the current address space's that are watched? */
static bool watch_covers(const struct nvdio_map_watch *w, unsigned long addr)
{
	return w->notifier.mm == current->mm && addr - w->addr < w->len;
}

static bool watch_known(const struct nvdio_map_watch *w, int *gen)
{
	*gen = READ_ONCE(w->known);
	return *gen == atomic_read(&w->map->gen);
}

/**
 * nvdio_map_watch_find() - find memory of the program's by its address
 * @maps: the controller's maps
 * @addr: address in the current address space
 * @cached: filled in for NVDIO_MAP_HIT; for NVDIO_MAP_NONE @start and @len are set to
 *	the range around @addr for which that holds, @len to 0 if not for long
 *
 * Context: RCU read side.
 * Return: NVDIO_MAP_HIT; NVDIO_MAP_NONE; NVDIO_MAP_UNKNOWN: it is time for
 * nvdio_map_watch_again().
 */
enum nvdio_map_found nvdio_map_watch_find(struct nvdio_maps *maps,
					  unsigned long addr,
					  struct nvdio_map_cached *cached)
{
	enum nvdio_map_found ret = NVDIO_MAP_NONE;
	unsigned long start = 0, end = ULONG_MAX;
	const struct nvdio_map_watch *w;
	bool covered = false;

	list_for_each_entry_rcu(w, &maps->watched, link) {
		if (watch_covers(w, addr)) {
			covered = true;
			if (watch_known(w, &cached->gen)) {
				cached->map = w->map;
				cached->start = w->addr;
				cached->len = w->len;
				cached->offset = 0;
				cached->source = true;
				cached->dest = !(w->map->flags &
						 NVDIO_MAP_READ_ONLY);
				return NVDIO_MAP_HIT;
			}
			if (time_after_eq(jiffies, READ_ONCE(w->next)))
				ret = NVDIO_MAP_UNKNOWN;
		} else if (w->notifier.mm == current->mm && w->addr > addr) {
			end = min(end, w->addr);
		} else if (w->notifier.mm == current->mm) {
			start = max(start, w->addr + w->len);
		}
	}
	cached->start = start;
	cached->len = covered ? 0 : end - start;
	return ret;
}

/**
 * nvdio_map_watch_again() - learn addresses of the program's that have changed
 * @maps: the controller's maps
 * @addr: address in the current address space
 *
 * A map may be ended at any moment but under the lock of maps, so this is
 * left for later where somebody holds it.
 *
 * Context: may sleep for the caller's mmap_lock.
 * Return: true if nvdio_map_watch_find() knows it now.
 */
bool nvdio_map_watch_again(struct nvdio_maps *maps, unsigned long addr)
{
	struct nvdio_map_watch *w;
	bool ret = false;
	int gen;

	if (mmap_read_lock_killable(current->mm))
		return false;
	if (mutex_trylock(&maps->lock)) {
		list_for_each_entry(w, &maps->watched, link) {
			if (!watch_covers(w, addr))
				continue;
			ret = watch_known(w, &gen) ||
			      (time_after_eq(jiffies, w->next) &&
			       watch_look(w));
			if (ret)
				break;
		}
		mutex_unlock(&maps->lock);
	}
	mmap_read_unlock(current->mm);
	return ret;
}
