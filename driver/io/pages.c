// SPDX-License-Identifier: GPL-2.0
/*
 * Pinning user pages, and letting them go again.
 *
 * Pages are pinned in the submitter's context, with FOLL_WRITE only where the
 * controller will write to them, so that write(2) from a read-only mapping is
 * legal. They stay pinned until the controller cannot touch them any more
 * (invariant 2).
 */
#include <linux/pagemap.h>

#include "core/ns.h"
#include "core/stats.h"
#include "io/pages.h"
#include "io/sg.h"

/**
 * nvdio_pages_extract() - list the pages behind an iterator
 * @ns: for the leak counter
 * @iter: UBUF, IOVEC or KVEC; advanced by what is returned
 * @len: bytes wanted
 * @pages: where to list them
 * @max_pages: room in @pages, at least 1
 * @offset: where in the first page the data begin
 *
 * At most one segment of an IOVEC is done in a call. User pages are pinned,
 * kernel pages are not.
 *
 * Context: may sleep.
 * Return: bytes, more than 0 but perhaps fewer than @len; or -errno.
 */
ssize_t nvdio_pages_extract(struct nvdio_ns *ns, struct iov_iter *iter,
			    size_t len, struct page **pages,
			    unsigned int max_pages, size_t *offset)
{
	ssize_t bytes;

	bytes = iov_iter_extract_pages(iter, &pages, len, max_pages, 0, offset);
	if (bytes == 0)
		return -EFAULT;
	if (bytes > 0 && user_backed_iter(iter))
		this_cpu_add(ns->stats->pages_pinned,
			     DIV_ROUND_UP(*offset + bytes, PAGE_SIZE));
	return bytes;
}

/**
 * nvdio_pages_unpin() - let go of pinned pages
 * @ns: for the leak counter
 * @pages: pages that nvdio_pages_extract() pinned
 * @nr: number of pages
 *
 * Context: any.
 */
void nvdio_pages_unpin(struct nvdio_ns *ns, struct page **pages,
		       unsigned int nr)
{
	this_cpu_sub(ns->stats->pages_pinned, nr);
	unpin_user_pages(pages, nr);
}

/* The page behind those of a folio. */
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
 * nvdio_pages_unpin_sg() - let go of pinned pages, a folio at a time
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
 * nvdio_pages_dirty_sg() - mark folios dirty that are not
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
 * nvdio_pages_sg_is_dirty() - is there nothing to be dirtied?
 * @sg: scatterlist of pinned pages
 *
 * Context: any.
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
 * nvdio_pages_dirty_run() - mark contiguous pages dirty that are not
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
