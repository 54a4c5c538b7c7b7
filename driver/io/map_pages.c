// SPDX-License-Identifier: GPL-2.0
/*
 * The pages of mapped memory: the driver's own, or pinned ones of the caller;
 * and what they count as.
 *
 * Pages of the driver count for the memory cgroup as well. Both kinds count
 * against RLIMIT_MEMLOCK of the user, together with the user's registered
 * buffers of io_uring. That needs no lock, so that it can be undone anywhere:
 * the address space's own count of locked pages needs its mmap_lock.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>

#include "core/ctrl.h"
#include "core/map.h"
#include "core/params.h"
#include "io/map_pages.h"
#include "uapi/nvdio.h"

/* Largest allocation: what can be mapped by one entry of a page middle directory. */
#define PAGES_ORDER_MAX	(21U - PAGE_SHIFT)

/* Pages between two looks at signals and the scheduler. */
#define PAGES_BATCH	512U

/* Refuse what would take very long to fail: the OOM killer is not to help out. */
#define PAGES_GFP	(GFP_KERNEL_ACCOUNT | __GFP_NOWARN)

static int pages_charge(struct nvdio_map *map)
{
	const unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	const unsigned long nr = nvdio_map_pages(map);
	struct user_struct *user = current_user();
	long old, new;

	if (capable(CAP_IPC_LOCK))
		return 0;
	old = atomic_long_read(&user->locked_vm);
	do {
		new = old + nr;
		if (new > limit)
			return -ENOMEM;
	} while (!atomic_long_try_cmpxchg(&user->locked_vm, &old, new));
	map->user = get_uid(user);
	return 0;
}

static void pages_uncharge(struct nvdio_map *map)
{
	if (!map->user)
		return;
	atomic_long_sub(nvdio_map_pages(map), &map->user->locked_vm);
	free_uid(map->user);
	map->user = NULL;
}

static bool pages_have_policy(void)
{
#ifdef CONFIG_NUMA
	return current->mempolicy;
#else
	return false;
#endif
}

/* On the controller's node, unless the caller has a policy of its own. */
static struct folio *pages_folio(const struct nvdio_map *map,
				 unsigned int order)
{
	const gfp_t gfp = PAGES_GFP | __GFP_ZERO |
			  (order ? __GFP_NORETRY : __GFP_RETRY_MAYFAIL);
	const int node = dev_to_node(map->ctrl->dev.parent);

	if (node != NUMA_NO_NODE && !pages_have_policy())
		return __folio_alloc_node(gfp, order, node);
	return folio_alloc(gfp, order);
}

static void pages_free(struct page **pages, u32 nr)
{
	u32 i, step;

	for (i = 0; i < nr; i += step) {
		struct folio *folio = page_folio(pages[i]);

		/* The folio may be gone afterwards. */
		step = folio_nr_pages(folio);
		folio_put(folio);
		cond_resched();
	}
}

/*
 * The largest folios to be had. Each is as far from the start of the map as
 * suits its size, so that it can be mapped as a whole.
 */
static int pages_alloc(struct nvdio_map *map)
{
	unsigned int max = min(READ_ONCE(nvdio_map_order), PAGES_ORDER_MAX);
	const u32 nr = nvdio_map_pages(map);
	u32 done = 0, i;

	if (nr > totalram_pages())
		return -ENOMEM;
	while (done < nr) {
		unsigned int order = min_t(u32, max, ilog2(nr - done));
		struct folio *folio;

		if (done)
			order = min_t(u32, order, __ffs(done));
		folio = pages_folio(map, order);
		if (!folio && order) {
			max = order - 1;
			continue;
		}
		if (!folio || fatal_signal_pending(current)) {
			if (folio)
				folio_put(folio);
			pages_free(map->pages, done);
			return folio ? -EINTR : -ENOMEM;
		}
		for (i = 0; i < 1U << order; i++)
			map->pages[done++] = folio_page(folio, i);
		cond_resched();
	}
	return 0;
}

static int pages_pin(struct nvdio_map *map, unsigned long addr)
{
	const unsigned int flags = FOLL_LONGTERM |
		(map->flags & NVDIO_MAP_READ_ONLY ? 0 : FOLL_WRITE);
	const u32 nr = nvdio_map_pages(map);
	u32 done = 0;
	int ret;

	while (done < nr) {
		ret = pin_user_pages_fast(addr + ((u64)done << PAGE_SHIFT),
					  min(nr - done, PAGES_BATCH), flags,
					  map->pages + done);
		if (ret > 0)
			done += ret;
		if (ret > 0 && fatal_signal_pending(current))
			ret = -EINTR;
		if (ret <= 0) {
			unpin_user_pages(map->pages, done);
			return ret ? ret : -EFAULT;
		}
		cond_resched();
	}
	return 0;
}

/**
 * nvdio_map_pages_get() - allocate or pin the pages of a map
 * @map: map with its flags and number of pages, NVDIO_MAP_ALLOC or
 *	NVDIO_MAP_USER
 * @addr: address of the caller's memory, page aligned, for NVDIO_MAP_USER
 *
 * Context: may sleep, also for as long as user space takes to provide its pages:
 * the caller has not called nvdio_ctrl_enter().
 * Return: 0, to be undone with nvdio_map_pages_put(); -ENOMEM: there is not so
 * much memory, or RLIMIT_MEMLOCK or the memory cgroup do not permit it; -EINTR: the
 * caller is killed; or another -errno from pinning.
 */
int nvdio_map_pages_get(struct nvdio_map *map, unsigned long addr)
{
	int ret;

	ret = pages_charge(map);
	if (ret)
		return ret;
	map->pages = kvmalloc_array(nvdio_map_pages(map), sizeof(*map->pages),
				    PAGES_GFP | __GFP_RETRY_MAYFAIL);
	if (!map->pages)
		ret = -ENOMEM;
	else if (map->flags & NVDIO_MAP_ALLOC)
		ret = pages_alloc(map);
	else
		ret = pages_pin(map, addr);
	if (ret) {
		kvfree(map->pages);
		map->pages = NULL;
		pages_uncharge(map);
	}
	return ret;
}

/**
 * nvdio_map_pages_put() - free or unpin the pages of a map
 * @map: map that is not mapped for DMA; does nothing if it has no pages
 *
 * Pages of the driver's that others still hold, as registered buffers for
 * example, are freed by the last of them.
 *
 * Context: may sleep.
 */
void nvdio_map_pages_put(struct nvdio_map *map)
{
	const u32 nr = nvdio_map_pages(map);
	u32 i;

	if (!map->pages)
		return;
	if (map->flags & NVDIO_MAP_ALLOC)
		pages_free(map->pages, nr);
	else
		for (i = 0; i < nr; i += PAGES_BATCH) {
			unpin_user_pages_dirty_lock(map->pages + i,
						    min(nr - i, PAGES_BATCH),
						    !(map->flags &
						      NVDIO_MAP_READ_ONLY));
			cond_resched();
		}
	kvfree(map->pages);
	map->pages = NULL;
	pages_uncharge(map);
}
