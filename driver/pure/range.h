/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Spans of a namespace: what of it a descriptor reaches, in bytes. The namespace may
 * shrink and grow at any time, so its size is an argument, which callers have read
 * once. NULL for a span means all of the namespace.
 */
#ifndef NVDIO_PURE_RANGE_H
#define NVDIO_PURE_RANGE_H

#include "pure/pure.h"

/**
 * struct nvdio_span - some blocks of a namespace, side by side
 * @start: first byte, a multiple of the LBA size
 * @end: byte after the last, more than @start, a multiple of the LBA size
 */
struct nvdio_span {
	u64 start;
	u64 end;
};

/**
 * nvdio_span_size() - how much of a span there is
 * @span: span, or NULL
 * @size: bytes of the namespace
 *
 * Context: any.
 * Return: bytes of the span that are inside of the namespace.
 */
static __always_inline u64 nvdio_span_size(const struct nvdio_span *span,
					   u64 size)
{
	if (!span)
		return size;
	if (size <= span->start)
		return 0;
	return (size < span->end ? size : span->end) - span->start;
}

/**
 * nvdio_span_place() - where bytes of a span are on the namespace
 * @span: span, or NULL
 * @size: bytes of the namespace
 * @start: position in the span, of user space; replaced by that on the namespace
 * @len: bytes, of user space
 *
 * Context: any.
 * Return: true; or false, and @start is as it was, if not all bytes are inside of the
 * span and of the namespace.
 */
static inline bool nvdio_span_place(const struct nvdio_span *span, u64 size,
				    u64 *start, u64 len)
{
	const u64 room = nvdio_span_size(span, size);

	if (*start > room || len > room - *start)
		return false;
	if (span)
		*start += span->start;
	return true;
}

/**
 * nvdio_span_narrow() - a part of a span
 * @span: span, or NULL
 * @size: bytes of the namespace
 * @lba_mask: LBA size minus 1
 * @start: position in @span, of user space
 * @len: bytes, of user space
 * @part: set
 *
 * Context: any.
 * Return: 0; -EINVAL if these are not blocks, or none; -ERANGE if they are not all
 * inside of @span and of the namespace.
 */
static inline int nvdio_span_narrow(const struct nvdio_span *span, u64 size,
				    u32 lba_mask, u64 start, u64 len,
				    struct nvdio_span *part)
{
	if (!len || (start | len) & lba_mask)
		return -EINVAL;
	if (!nvdio_span_place(span, size, &start, len))
		return -ERANGE;
	part->start = start;
	part->end = start + len;
	return 0;
}

#endif /* NVDIO_PURE_RANGE_H */
