/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What driver/uapi/nvdio.h means to a compiler: the same for 32-bit programs as for
 * others, and no padding. tests/man.t compiles this for both.
 */
#ifndef NVDIO_ABI_H
#define NVDIO_ABI_H

#pragma GCC diagnostic error "-Wpadded"
#include "../../driver/uapi/nvdio.h"
#pragma GCC diagnostic ignored "-Wpadded"

#define AT_OFFSET(type, member, offset) \
	_Static_assert(__builtin_offsetof(struct type, member) == (offset), #type "." #member)

AT_OFFSET(nvdio_info, lba_size, 4);
AT_OFFSET(nvdio_info, features, 8);
AT_OFFSET(nvdio_info, size, 16);
AT_OFFSET(nvdio_info, dma_align, 24);
AT_OFFSET(nvdio_info, io_max, 28);
AT_OFFSET(nvdio_info, map_io_max, 32);
AT_OFFSET(nvdio_info, maps_max, 36);
AT_OFFSET(nvdio_info, map_bytes_max, 40);
AT_OFFSET(nvdio_info, batch_max, 48);
AT_OFFSET(nvdio_info, batch_len_max, 52);
AT_OFFSET(nvdio_info, atomic_max, 56);
AT_OFFSET(nvdio_info, atomic_boundary, 60);

AT_OFFSET(nvdio_map_add, len, 8);
AT_OFFSET(nvdio_map_add, flags, 16);
AT_OFFSET(nvdio_map_add, dmabuf_fd, 20);
AT_OFFSET(nvdio_map_add, id, 24);
AT_OFFSET(nvdio_map_add, resv, 28);
AT_OFFSET(nvdio_map_add, mmap_offset, 32);

AT_OFFSET(nvdio_rw, flags, 4);
AT_OFFSET(nvdio_rw, map_offset, 8);
AT_OFFSET(nvdio_rw, offset, 16);
AT_OFFSET(nvdio_rw, len, 24);

AT_OFFSET(nvdio_range, len, 8);
AT_OFFSET(nvdio_range, flags, 16);
AT_OFFSET(nvdio_range, resv, 20);

AT_OFFSET(nvdio_io, addr, 8);
AT_OFFSET(nvdio_io, len, 16);
AT_OFFSET(nvdio_io, map, 20);
AT_OFFSET(nvdio_io, op, 22);
AT_OFFSET(nvdio_io, flags, 23);
AT_OFFSET(nvdio_io, stream, 24);
AT_OFFSET(nvdio_io, resv, 26);
AT_OFFSET(nvdio_io, cookie, 28);

AT_OFFSET(nvdio_result, status, 4);
AT_OFFSET(nvdio_result, resv, 6);

AT_OFFSET(nvdio_batch, nr, 8);
AT_OFFSET(nvdio_batch, io_size, 10);
AT_OFFSET(nvdio_batch, flags, 11);
AT_OFFSET(nvdio_batch, resv, 12);

AT_OFFSET(nvdio_ring_create, cq_entries, 4);
AT_OFFSET(nvdio_ring_create, flags, 8);
AT_OFFSET(nvdio_ring_create, sq_off, 12);
AT_OFFSET(nvdio_ring_create, cq_off, 16);
AT_OFFSET(nvdio_ring_create, bytes, 20);

AT_OFFSET(nvdio_ring_head, timeout, 8);
AT_OFFSET(nvdio_ring_head, sq_head, 64);
AT_OFFSET(nvdio_ring_head, cq_head, 128);
AT_OFFSET(nvdio_ring_head, cq_tail, 192);
_Static_assert(sizeof(struct nvdio_ring_head) == 256, "head");

AT_OFFSET(nvdio_ring_cqe, res, 4);
AT_OFFSET(nvdio_ring_cqe, status, 8);
AT_OFFSET(nvdio_ring_cqe, resv, 12);
_Static_assert(sizeof(struct nvdio_ring_cqe) == 16, "cqe");

/* The numbers have the sizes in them: 64, 40, 4, 32, 24, 16, 24 and 0 bytes. */
_Static_assert(NVDIO_IOC_INFO == 0x80404eb0, "INFO");
_Static_assert(NVDIO_IOC_MAP_ADD == 0xc0284eb1, "MAP_ADD");
_Static_assert(NVDIO_IOC_MAP_DEL == 0x40044eb2, "MAP_DEL");
_Static_assert(NVDIO_IOC_RW == 0x40204eb3, "RW");
_Static_assert(NVDIO_IOC_RANGE == 0x40184eb4, "RANGE");
_Static_assert(NVDIO_URING_BATCH == 0xc0104eb8, "BATCH");
_Static_assert(NVDIO_IOC_RING_CREATE == 0xc0184eb9, "RING_CREATE");
_Static_assert(NVDIO_IOC_RING_ENTER == 0x4eba, "RING_ENTER");

#endif
