/* SPDX-License-Identifier: GPL-2.0 */
/* Reads and writes by the identifier of a map. */
#ifndef NVDIO_MAP_RW_H
#define NVDIO_MAP_RW_H

#include <linux/types.h>

struct file;
struct nvdio_ns;
struct nvdio_rw;
struct nvdio_span;

int nvdio_map_rw(struct nvdio_ns *ns, const struct nvdio_span *span,
		 struct file *file, const struct nvdio_rw *rw);

#endif /* NVDIO_MAP_RW_H */
