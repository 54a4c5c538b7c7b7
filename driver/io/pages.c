// SPDX-License-Identifier: GPL-2.0
/*
 * Pinning and unpinning user pages.
 *
 * Pages are pinned in the context of the submitter, with FOLL_WRITE only if the
 * controller will write to them, so that write(2) from a read-only mapping
 * works. They stay pinned until the controller can no longer access them
 * (invariant 2).
 */
#include <linux/pagemap.h>

#include "core/ns.h"
#include "core/stats.h"
#include "io/pages.h"
#include "io/sg.h"

/**
 * nvdio_pages_extract() - get the pages of an iterator
 * @ns: for the leak counter
 * @iter: UBUF, IOVEC or KVEC; advanced by the bytes returned
 * @len: bytes wanted
 * @pages: filled in
 * @max_pages: entries in @pages, at least 1
 * @offset: set to the offset of the data in the first page
 *
 * Handles at most one segment of an IOVEC per call. User pages are pinned,
 * kernel pages are not.
 *
 * Context: may sleep.
 * Return: bytes, more than 0 but possibly fewer than @len; or -errno.
 */
ssize_t nvdio_pages_extract(struct nvdio_ns *ns, struct iov_iter *iter,
			    size_t len, struct page **pages,
			    unsigned int max_pages, size_t *offset)
{
	ssize_t bytes;

	bytes = iov_iter_extract_pages(iter, &pages, len, max_pages, 0, offset);
	if (bytes <= 0)
		return nvdio_pages_errno(bytes);
	if (user_backed_iter(iter))
		this_cpu_add(ns->stats->pages_pinned,
			     DIV_ROUND_UP(*offset + bytes, PAGE_SIZE));
	return bytes;
}

/**
 * nvdio_pages_unpin() - unpin pages
 * @ns: for the leak counter
 * @pages: pages that nvdio_pages_extract(), nvdio_pages_pin() or
 *	nvdio_pages_pin_two() pinned
 * @nr: number of pages; with 0 there is nothing to look at
 *
 * Context: any.
 */
void nvdio_pages_unpin(struct nvdio_ns *ns, struct page **pages,
		       unsigned int nr)
{
	unsigned int i;

	this_cpu_sub(ns->stats->pages_pinned, nr);
	/* It looks for pages of one folio, of which there are none as a rule. */
	if (nr && PageCompound(pages[0])) {
		unpin_user_pages(pages, nr);
		return;
	}
	for (i = 0; i < nr; i++)
		unpin_user_page(pages[i]);
}

/**
 * nvdio_pages_pin() - pin the pages of a range
 * @ns: for the leak counter
 * @addr: user address
 * @nr: number of pages that the range touches
 * @dest: the controller will write to the pages
 * @pages: filled in
 *
 * Context: may sleep.
 * Return: 0; or -EFAULT or another -errno, with nothing pinned.
 */
int nvdio_pages_pin(struct nvdio_ns *ns, unsigned long addr, unsigned int nr,
		    bool dest, struct page **pages)
{
	unsigned int done = 0;
	int ret;

	do {
		ret = pin_user_pages_fast(addr + done * PAGE_SIZE, nr - done,
					  dest ? FOLL_WRITE : 0, pages + done);
		if (unlikely(ret <= 0)) {
			unpin_user_pages(pages, done);
			return nvdio_pages_errno(ret);
		}
		done += ret;
	} while (unlikely(done < nr));
	this_cpu_add(ns->stats->pages_pinned, nr);
	return 0;
}

/**
 * nvdio_pages_dirty() - dirty the folios of pages that are clean
 * @pages: pinned pages
 * @nr: number of pages
 *
 * Context: may sleep.
 */
void nvdio_pages_dirty(struct page **pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (unlikely(!folio_test_dirty(page_folio(pages[i]))))
			set_page_dirty_lock(pages[i]);
}

/**
 * nvdio_pages_are_dirty() - are the folios of all pages dirty?
 * @pages: pinned pages
 * @nr: number of pages
 *
 * Context: any.
 * Return: true if nothing has to be dirtied.
 */
bool nvdio_pages_are_dirty(struct page **pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (unlikely(!folio_test_dirty(page_folio(pages[i]))))
			return false;
	return true;
}

/* The first page after a folio. */
static struct page *folio_end(struct folio *folio)
{
	return folio_page(folio, 0) + folio_nr_pages(folio);
}

static struct page *sg_end(struct scatterlist *entry)
{
	return sg_page(entry) + DIV_ROUND_UP(entry->offset + entry->length,
					     PAGE_SIZE);
}

/**
 * nvdio_pages_unpin_sg() - unpin pages, a folio at a time
 * @ns: for the leak counter
 * @sg: scatterlist of pages that were pinned once each
 * @nr: number of pages
 *
 * Context: any.
 */
void nvdio_pages_unpin_sg(struct nvdio_ns *ns, const struct nvdio_sg *sg,
			  unsigned int nr)
{
	unsigned int i;

	this_cpu_sub(ns->stats->pages_pinned, nr);
	for (i = 0; i < sg->nents; i++) {
		struct scatterlist *entry = &sg->sgl[i];
		struct page *page = sg_page(entry);
		unsigned long pages = sg_end(entry) - page;

		if (pages == 1)
			unpin_user_page(page);
		else
			unpin_user_page_range_dirty_lock(page, pages, false);
	}
}

/**
 * nvdio_pages_dirty_sg() - dirty the folios that are clean
 * @sg: scatterlist of pinned pages
 *
 * Context: may sleep.
 */
void nvdio_pages_dirty_sg(const struct nvdio_sg *sg)
{
	unsigned int i;

	for (i = 0; i < sg->nents; i++) {
		struct scatterlist *entry = &sg->sgl[i];
		struct page *page, *end = sg_end(entry);
		struct folio *folio;

		for (page = sg_page(entry); page < end;
		     page = folio_end(folio)) {
			folio = page_folio(page);
			if (!folio_test_dirty(folio))
				set_page_dirty_lock(page);
		}
	}
}

/**
 * nvdio_pages_sg_is_dirty() - are all folios dirty?
 * @sg: scatterlist of pinned pages
 *
 * Context: any.
 * Return: true if nothing has to be dirtied.
 */
bool nvdio_pages_sg_is_dirty(const struct nvdio_sg *sg)
{
	unsigned int i;

	for (i = 0; i < sg->nents; i++) {
		struct scatterlist *entry = &sg->sgl[i];
		struct page *page, *end = sg_end(entry);
		struct folio *folio;

		for (page = sg_page(entry); page < end;
		     page = folio_end(folio)) {
			folio = page_folio(page);
			if (!folio_test_dirty(folio))
				return false;
		}
	}
	return true;
}

/**
 * nvdio_pages_dirty_run() - dirty those of contiguous pages that are clean
 * @page: first page
 * @nr: 1 or 2
 *
 * Context: may sleep.
 */
void nvdio_pages_dirty_run(struct page *page, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		struct page *p = page + i;

		if (!folio_test_dirty(page_folio(p)))
			set_page_dirty_lock(p);
	}
}
