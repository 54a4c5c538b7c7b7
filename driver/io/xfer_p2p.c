// SPDX-License-Identifier: GPL-2.0
/*
 * Transfers of memory of PCI devices (PCI_P2PDMA): the controller's own memory
 * buffer, or another device's. A program has it in its address space, and passes it
 * to read() and write() as any memory.
 *
 * Nothing is asked before: pages of this kind cannot be pinned unless the caller says
 * that it can cope with them. So what fails with -EREMOTEIO elsewhere comes here, and
 * ordinary memory pays nothing.
 */
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/uio.h>

#include "core/compat.h"
#include "core/ctrl.h"
#include "core/ns.h"
#include "core/stats.h"
#include "io/dma.h"
#include "io/pages.h"
#include "io/sg.h"
#include "io/xfer_op.h"
#include "io/xfer_p2p.h"
#include "io/xfer_pool.h"

/* Most attempts to fault in memory that is absent again when it is to be pinned. */
#define P2P_FAULTS	8

/*
 * Pin all pages, and build the scatterlist.
 * Return: 0; -EFAULT if a page is not present; or another -errno. What is in @xfer
 * is pinned.
 */
static int p2p_extract(struct nvdio_xfer *xfer, struct iov_iter *iter)
{
	size_t left = xfer->len;

	while (left) {
		struct page **pages = xfer->pages + xfer->nr_pages;
		unsigned int nr;
		size_t offset;
		ssize_t bytes;

		if (xfer->nr_pages == xfer->max_pages)
			return -EINVAL;
		bytes = iov_iter_extract_pages(iter, &pages, left,
					       xfer->max_pages - xfer->nr_pages,
					       ITER_ALLOW_P2PDMA, &offset);
		if (bytes <= 0)
			return nvdio_pages_errno(bytes);
		nvdio_sg_add_pages(&xfer->sg, pages, offset, bytes);
		nr = DIV_ROUND_UP(offset + bytes, PAGE_SIZE);
		this_cpu_add(xfer->ns->stats->pages_pinned, nr);
		xfer->nr_pages += nr;
		left -= bytes;
	}
	return 0;
}

static void p2p_unpin(struct nvdio_xfer *xfer)
{
	nvdio_pages_unpin(xfer->ns, xfer->pages, xfer->nr_pages);
	xfer->nr_pages = 0;
	xfer->sg.nents = 0;
	xfer->sg.gaps = false;
}

/*
 * Pin all pages. To fault one in may take forever, and unbinding the device that the
 * others are of waits until they are unpinned. So pages are faulted in while none is
 * pinned, and pinned without faults.
 * Return: 0; or -errno with nothing pinned.
 */
static int p2p_pin(struct nvdio_xfer *xfer, struct iov_iter *iter)
{
	const size_t before = iov_iter_count(iter);
	unsigned int i;
	int ret;

	for (i = 0;; i++) {
		iter->nofault = true;
		ret = p2p_extract(xfer, iter);
		iter->nofault = false;
		if (!ret)
			return 0;
		p2p_unpin(xfer);
		iov_iter_revert(iter, before - iov_iter_count(iter));
		if (ret != -EFAULT || i == P2P_FAULTS ||
		    fatal_signal_pending(current))
			return ret;
		if (xfer->write ? fault_in_iov_iter_readable(iter, xfer->len) :
				  fault_in_iov_iter_writeable(iter, xfer->len))
			return ret;
	}
}

/*
 * Are all pages of one range of a device's memory? Others in between would be mapped
 * in another way; and data of a command that are partly in the controller's own buffer
 * are what few controllers take (NVMe Base 2.0, 3.1.3.11, CDMMMS).
 */
static bool p2p_one_range(const struct nvdio_xfer *xfer)
{
	const struct dev_pagemap *range = NULL;
	unsigned int i;

	for (i = 0; i < xfer->nr_pages; i++) {
		const struct page *page = xfer->pages[i];

		if (!is_pci_p2pdma_page(page))
			return false;
		if (!range)
			range = nvdio_page_pgmap(page);
		else if (nvdio_page_pgmap(page) != range)
			return false;
	}
	return true;
}

/**
 * nvdio_xfer_prepare_p2p() - pin and map memory of a device
 * @ns: namespace; on success nvdio_ctrl_enter() has been called
 * @iter: UBUF or IOVEC, dword aligned; advanced, on error possibly in part
 * @len: bytes, more than 0, at most what @iter has
 * @write: the controller will read the memory
 * @nowait: sleep only to fault in user pages
 *
 * Device memory is neither dirty nor clean; there is nothing to be written back.
 *
 * Context: may sleep.
 * Return: as nvdio_xfer_prepare(), with the limits of reads and writes of such
 * memory; or ERR_PTR(): -EREMOTEIO if it cannot be mapped for this controller;
 * -EINVAL if it is of several devices, or of none in part, or if commands cannot
 * describe it; or another -errno.
 */
struct nvdio_xfer *nvdio_xfer_prepare_p2p(struct nvdio_ns *ns,
					  struct iov_iter *iter, size_t len,
					  bool write, bool nowait)
{
	struct nvdio_xfer *xfer;
	int ret;

	if (!ns->ctrl->p2pdma || !user_backed_iter(iter))
		return ERR_PTR(-EREMOTEIO);
	xfer = nvdio_xfer_get(ns, iov_iter_npages(iter, INT_MAX), true,
			      nowait ? GFP_NOWAIT | __GFP_NOWARN : GFP_KERNEL);
	if (!xfer)
		return ERR_PTR(-ENOMEM);
	nvdio_xfer_set(xfer, ns, len, write, &ns->p2p_limits);
	xfer->dirty = false;
	xfer->pinned = true;
	xfer->pinned_once = iter_is_ubuf(iter);

	/* User memory first, as in nvdio_xfer_prepare(). */
	ret = p2p_pin(xfer, iter);
	if (ret)
		goto put;
	ret = -EINVAL;
	if (!p2p_one_range(xfer))
		goto unpin;
	ret = -ENODEV;
	if (!nvdio_ctrl_enter(ns->ctrl))
		goto unpin;
	ret = nvdio_dma_map_p2p(xfer, nowait);
	if (!ret)
		return xfer;
	nvdio_ctrl_exit(ns->ctrl);
unpin:
	p2p_unpin(xfer);
put:
	nvdio_xfer_put(xfer);
	return ERR_PTR(ret);
}
