/* SPDX-License-Identifier: GPL-2.0 */
/* Pinning and unpinning user pages. */
#ifndef NVDIO_PAGES_H
#define NVDIO_PAGES_H

#include <linux/mm.h>
#include <linux/uio.h>

#include "core/ns.h"
#include "core/stats.h"
#include "io/sg.h"

void nvdio_pages_dirty_run(struct page *page, unsigned int nr);
void nvdio_pages_dirty_sg(const struct nvdio_sg *sg);
bool nvdio_pages_sg_is_dirty(const struct nvdio_sg *sg);
void nvdio_pages_unpin_sg(struct nvdio_ns *ns, const struct nvdio_sg *sg,
			  unsigned int nr);
void nvdio_pages_unpin(struct nvdio_ns *ns, struct page **pages,
		       unsigned int nr);
int nvdio_pages_pin(struct nvdio_ns *ns, unsigned long addr, unsigned int nr,
		    bool dest, struct page **pages);
void nvdio_pages_dirty(struct page **pages, unsigned int nr);
bool nvdio_pages_are_dirty(struct page **pages, unsigned int nr);
ssize_t nvdio_pages_extract(struct nvdio_ns *ns, struct iov_iter *iter,
			    size_t len, struct page **pages,
			    unsigned int max_pages, size_t *offset);

/**
 * nvdio_pages_errno() - what to return if pages cannot be pinned
 * @ret: what the kernel returned, 0 or -errno. -EOVERFLOW is of a range beyond the last
 *	address, which import_ubuf() and others let pass where user space has all
 *	addresses (s390).
 *
 * Context: any.
 * Return: -errno; -EFAULT for what is no memory.
 */
static inline int nvdio_pages_errno(int ret)
{
	return ret && ret != -EOVERFLOW ? ret : -EFAULT;
}

/**
 * nvdio_pages_pin_two() - pin one page or two
 * @ns: for the leak counter
 * @addr: user address
 * @len: bytes; the range touches at most two pages
 * @dest: the controller will write to the pages
 * @pages: filled in
 *
 * Context: may sleep.
 * Return: number of pages pinned; -EFAULT or another -errno if one cannot be
 * pinned, with nothing pinned.
 */
static __always_inline int
nvdio_pages_pin_two(struct nvdio_ns *ns, unsigned long addr, size_t len,
		    bool dest, struct page *pages[2])
{
	unsigned int nr = (offset_in_page(addr) + len + PAGE_SIZE - 1) >>
			  PAGE_SHIFT;
	int pinned;

	pinned = pin_user_pages_fast(addr, nr, dest ? FOLL_WRITE : 0, pages);
	if (unlikely(pinned != nr)) {
		if (pinned > 0)
			unpin_user_page(pages[0]);
		return nvdio_pages_errno(min(pinned, 0));
	}
	this_cpu_add(ns->stats->pages_pinned, nr);
	return nr;
}

/**
 * nvdio_pages_pin_run() - pin one page, or two that are contiguous
 * @ns: for the leak counter
 * @addr: user address
 * @len: bytes; the range touches at most two pages
 * @dest: the controller will write to the pages
 * @page: set to the first page
 *
 * Context: may sleep.
 * Return: number of pages pinned; 0 if there are two that are not contiguous,
 * with nothing pinned; -EFAULT or another -errno if a page cannot be pinned.
 */
static inline int nvdio_pages_pin_run(struct nvdio_ns *ns, unsigned long addr,
				      size_t len, bool dest, struct page **page)
{
	struct page *pages[2] __uninitialized;
	int nr = nvdio_pages_pin_two(ns, addr, len, dest, pages);

	if (nr > 1 && pages[1] != pages[0] + 1) {
		nvdio_pages_unpin(ns, pages, nr);
		return 0;
	}
	*page = pages[0];
	return nr;
}

/**
 * nvdio_pages_unpin_run() - undo nvdio_pages_pin_run()
 * @ns: for the leak counter
 * @page: first page
 * @nr: number of pages
 *
 * Context: any.
 */
static inline void nvdio_pages_unpin_run(struct nvdio_ns *ns,
					 struct page *page, unsigned int nr)
{
	this_cpu_sub(ns->stats->pages_pinned, nr);
	if (likely(nr == 1))
		unpin_user_page(page);
	else
		unpin_user_page_range_dirty_lock(page, nr, false);
}

/**
 * nvdio_pages_run_is_dirty() - are all pages of a run dirty?
 * @page: first page
 * @nr: 1 or 2
 *
 * Context: any.
 * Return: true if nothing has to be dirtied.
 */
static __always_inline bool
nvdio_pages_run_is_dirty(struct page *page, unsigned int nr)
{
	return folio_test_dirty(page_folio(page)) &&
	       (nr == 1 || folio_test_dirty(page_folio(page + 1)));
}

#endif /* NVDIO_PAGES_H */
