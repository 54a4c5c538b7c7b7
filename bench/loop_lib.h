/* SPDX-License-Identifier: GPL-2.0 */
/* The same I/O through libnvdio (lib/nvdio), for loop.c. */
#ifndef LOOP_LIB_H
#define LOOP_LIB_H

#include "../lib/nvdio/libnvdio.h"

struct lib_queue {
	struct nvdio_queue *queue;
	struct nvdio_mem mem;
};

/* Memory of the node; NULL when there is none, with what nvdio_mem_alloc() returned. */
static inline char *lib_buffers(struct lib_queue *l, int node, size_t size, int *err)
{
	*err = nvdio_mem_alloc(node, size, 0, &l->mem);
	return *err ? NULL : l->mem.addr;
}

/* Prepare the I/O whose data is @i. Returns 0 or -errno. */
static inline int lib_prep(struct lib_queue *l, bool write, char *buf, uint32_t len,
			   uint64_t off, unsigned int i)
{
	if (write)
		return nvdio_prep_write(l->queue, &l->mem, buf, len, off, 0, i);
	return nvdio_prep_read(l->queue, &l->mem, buf, len, off, i);
}

#endif
