/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * What programs need to know of nvdio's nodes beyond read(), write() and the
 * ioctls of nvme and of block devices. docs/mapped.md has the text to it.
 *
 * All structures are the same for 32-bit programs. Their last members may be
 * missed by old programs and unknown to old drivers: the driver takes those
 * that are not passed for 0, and returns E2BIG for a member that it does not
 * know and that is not 0.
 */
#ifndef NVDIO_UAPI_H
#define NVDIO_UAPI_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define NVDIO_ABI	1

/* Bits of nvdio_info.features */
#define NVDIO_FEATURE_MAPS	0x1ULL	/* mapped memory is possible */
#define NVDIO_FEATURE_SGLS	0x2ULL	/* the controller takes SGLs */
#define NVDIO_FEATURE_DMABUF	0x4ULL	/* so are maps of dma-bufs */
#define NVDIO_FEATURE_CMB_IO	0x8ULL	/* O_DIRECT can use NVDIO_MMAP_CMB */
#define NVDIO_FEATURE_BATCH	0x10ULL	/* NVDIO_URING_BATCH is possible */
#define NVDIO_FEATURE_RING	0x20ULL	/* so is NVDIO_IOC_RING_CREATE */

/**
 * struct nvdio_info - NVDIO_IOC_INFO: what a node can do
 * @abi: NVDIO_ABI of the driver
 * @lba_size: bytes per block; 0 for the node of a controller
 * @features: NVDIO_FEATURE_*
 * @size: bytes of the namespace; 0 for the node of a controller
 * @dma_align: alignment of memory for O_DIRECT, in bytes
 * @io_max: most bytes of one command
 * @map_io_max: most bytes of one command for mapped memory that is scattered
 * @maps_max: most maps of a controller
 * @map_bytes_max: most bytes of one map
 * @batch_max: most I/Os of one batch; 0: there are no batches
 * @batch_len_max: most bytes of one I/O of a batch
 * @atomic_max: most bytes that are written all or not at all, whatever happens
 *	(NVDIO_IO_ATOMIC); 0: the controller promises nothing
 * @atomic_boundary: such a write may not cross a multiple of so many bytes; 0: it
 *	may
 */
struct nvdio_info {
	__u32 abi;
	__u32 lba_size;
	__u64 features;
	__u64 size;
	__u32 dma_align;
	__u32 io_max;
	__u32 map_io_max;
	__u32 maps_max;
	__u64 map_bytes_max;
	__u32 batch_max;
	__u32 batch_len_max;
	__u32 atomic_max;
	__u32 atomic_boundary;
};

/* Flags of struct nvdio_map_add */
#define NVDIO_MAP_ALLOC		0x01U	/* memory of the driver's */
#define NVDIO_MAP_USER		0x02U	/* memory of the caller's */
#define NVDIO_MAP_DMABUF	0x04U	/* a dma-buf */
#define NVDIO_MAP_READ_ONLY	0x08U	/* only for writes to the disk */
#define NVDIO_MAP_SHARED	0x10U	/* any process may use the id */

/**
 * struct nvdio_map_add - NVDIO_IOC_MAP_ADD: map memory for the controller
 * @addr: address of the memory, page aligned (USER), else 0
 * @len: its bytes, a multiple of the page size; of a dma-buf, the first ones
 * @flags: NVDIO_MAP_*: one of ALLOC, USER and DMABUF, and others
 * @dmabuf_fd: descriptor, open for writing unless READ_ONLY (DMABUF), else 0
 * @id: set to the map's id, 1 or more
 * @resv: 0
 * @mmap_offset: set to the offset for mmap() (ALLOC)
 */
struct nvdio_map_add {
	__u64 addr;
	__u64 len;
	__u32 flags;
	__s32 dmabuf_fd;
	__u32 id;
	__u32 resv;
	__u64 mmap_offset;
};

/* Flags of struct nvdio_rw */
#define NVDIO_RW_WRITE		0x1U	/* write to the disk, else read from it */
#define NVDIO_RW_DSYNC		0x2U	/* a write that is on the medium then */

/**
 * struct nvdio_rw - NVDIO_IOC_RW: read or write by the id of a map
 * @id: the map's id
 * @flags: NVDIO_RW_*
 * @map_offset: where the data are in the map, a multiple of 4
 * @offset: where they are on the disk, a multiple of the block size
 * @len: bytes, a multiple of the block size, at most 0x7ffff000
 *
 * On nodes of namespaces. ioctl() returns the number of bytes, as pread() and
 * pwrite() do.
 */
struct nvdio_rw {
	__u32 id;
	__u32 flags;
	__u64 map_offset;
	__u64 offset;
	__u64 len;
};

/* Flags of struct nvdio_range */
#define NVDIO_RANGE_READ_ONLY	0x1U	/* not for writing */

/**
 * struct nvdio_range - NVDIO_IOC_RANGE: a descriptor for some blocks
 * @start: first byte, a multiple of the block size
 * @len: bytes, a multiple of the block size, more than 0
 * @flags: NVDIO_RANGE_*
 * @resv: 0
 *
 * On nodes of namespaces, and on such descriptors. ioctl() returns a new
 * descriptor that reaches nothing else: its offset 0 is @start.
 */
struct nvdio_range {
	__u64 start;
	__u64 len;
	__u32 flags;
	__u32 resv;
};

#define NVDIO_IOC_INFO		_IOR('N', 0xb0, struct nvdio_info)
#define NVDIO_IOC_MAP_ADD	_IOWR('N', 0xb1, struct nvdio_map_add)
#define NVDIO_IOC_MAP_DEL	_IOW('N', 0xb2, __u32)
#define NVDIO_IOC_RW		_IOW('N', 0xb3, struct nvdio_rw)
#define NVDIO_IOC_RANGE		_IOW('N', 0xb4, struct nvdio_range)

/* Memory of struct nvdio_io: the ring's registered buffer, not a map */
#define NVDIO_MAP_RING_BUF	0xffffU

/* Operations of struct nvdio_io: NVMe's opcodes */
#define NVDIO_IO_FLUSH		0x00U
#define NVDIO_IO_WRITE		0x01U
#define NVDIO_IO_READ		0x02U

/* Flags of struct nvdio_io, of writes */
#define NVDIO_IO_FUA		0x01U	/* on the medium when it ends */
#define NVDIO_IO_ATOMIC		0x02U	/* as a whole, or not at all */

/**
 * struct nvdio_io - one I/O of a batch, or of a ring
 * @off: where on the disk, or in the range, in bytes, a multiple of the block size
 * @addr: bytes from the start of the map; or, with NVDIO_MAP_RING_BUF, an address in
 *	the registered buffer; a multiple of 4
 * @len: bytes, a multiple of the block size
 * @map: identifier of a map, or NVDIO_MAP_RING_BUF
 * @op: NVDIO_IO_READ, _WRITE or _FLUSH; of a flush all else is 0
 * @flags: NVDIO_IO_FUA, _ATOMIC
 * @stream: 0
 * @resv: 0
 * @cookie: of the program: comes back in the completion of a ring; a batch does not
 *	look at it
 */
struct nvdio_io {
	__u64 off;
	__u64 addr;
	__u32 len;
	__u16 map;
	__u8 op;
	__u8 flags;
	__u16 stream;
	__u16 resv;
	__u32 cookie;
};

/**
 * struct nvdio_result - what became of an I/O
 * @res: bytes that were moved, which are all of them, or -errno
 * @status: NVMe status, without the phase bit; 0 if the controller gave none
 * @resv: 0
 */
struct nvdio_result {
	__s32 res;
	__u16 status;
	__u16 resv;
};

/* Flags of struct nvdio_batch */
#define NVDIO_BATCH_ALL_RESULTS	0x1U	/* not only those of I/Os that failed */

/**
 * struct nvdio_batch - NVDIO_URING_BATCH: many I/Os
 * @results: address of an array of @nr struct nvdio_result, or 0. If some have failed
 *	and there is no memory to note which, all results are EIO, and none succeeded
 * @nr: number of I/Os, 1 to nvdio_info.batch_max
 * @io_size: sizeof(struct nvdio_io)
 * @flags: NVDIO_BATCH_*
 * @resv: 0
 *
 * In the cmd of an SQE of IORING_OP_URING_CMD, whose addr is the address of an array
 * of @nr struct nvdio_io. The CQE has the number of those that succeeded; or
 * -errno, and nothing was done.
 *
 * A result that cannot be written is lost, without an error: what was at its place
 * stays. With ALL_RESULTS that may be a success, which is written before the I/O is
 * known to have failed. The number in the CQE is right in any case: if as many
 * results say so, they are.
 */
struct nvdio_batch {
	__u64 results;
	__u16 nr;
	__u8 io_size;
	__u8 flags;
	__u32 resv;
};

#define NVDIO_URING_BATCH	_IOWR('N', 0xb8, struct nvdio_batch)

/* Most entries of the arrays of a ring */
#define NVDIO_RING_SQ_MAX	8192U
#define NVDIO_RING_CQ_MAX	32768U

/**
 * struct nvdio_ring_create - NVDIO_IOC_RING_CREATE: make a ring
 * @sq_entries: entries of the submission array, 1 to NVDIO_RING_SQ_MAX; set to how
 *	many there are, the next power of two
 * @cq_entries: those of the completion array, likewise, not fewer than these, and at
 *	most NVDIO_RING_CQ_MAX; 0: twice as many
 * @flags: 0
 * @sq_off: set to where the submission array begins, in bytes from the start of the
 *	ring's memory
 * @cq_off: set to where the completion array begins
 * @bytes: set to the size of the memory, for mmap() at offset 0
 *
 * On nodes of namespaces, and on ranges of them. ioctl() returns a descriptor,
 * close-on-exec, which has the rights to read and write of the one it is made from.
 */
struct nvdio_ring_create {
	__u32 sq_entries;
	__u32 cq_entries;
	__u32 flags;
	__u32 sq_off;
	__u32 cq_off;
	__u32 bytes;
};

/**
 * struct nvdio_ring_head - the start of a ring's memory
 * @sq_tail: the program's: number of struct nvdio_io that it has filled in so far,
 *	modulo 2^32; the next is entry @sq_tail modulo sq_entries
 * @resv: 0
 * @timeout: the program's: nanoseconds that NVDIO_IOC_RING_ENTER waits at most; 0:
 *	no limit
 * @sq_head: the driver's: number of those that it has taken, whose entries may be
 *	filled in again
 * @pad0: 0
 * @pad1: 0
 * @pad2: 0
 * @pad3: 0
 * @cq_head: the program's: number of completions that it has seen, whose entries the
 *	driver may use again
 * @cq_tail: the driver's: number of completions so far
 *
 * In a new ring all four are the same, but not 0. An index is to be written after the
 * entries that it is about, and read before them: store-release and load-acquire.
 */
struct nvdio_ring_head {
	__u32 sq_tail;
	__u32 resv;
	__u64 timeout;
	__u32 pad0[12];
	__u32 sq_head;
	__u32 pad1[15];
	__u32 cq_head;
	__u32 pad2[15];
	__u32 cq_tail;
	__u32 pad3[15];
};

/**
 * struct nvdio_ring_cqe - a completion
 * @cookie: that of the I/O
 * @res: bytes that were moved, which are all of them, or -errno
 * @status: NVMe status, without the phase bit; 0 if the controller gave none
 * @resv: 0
 */
struct nvdio_ring_cqe {
	__u32 cookie;
	__s32 res;
	__u32 status;
	__u32 resv;
};

#define NVDIO_IOC_RING_CREATE	_IOWR('N', 0xb9, struct nvdio_ring_create)

/*
 * On a ring: take @submit I/Os from the submission array; if these were all taken, wait
 * until there are @wait completions that the program has not seen. Each is 65535 at
 * most. ioctl() returns how many were taken. The argument is a long, as ioctl() reads it:
 * of an int the upper half may be anything, and is a copy of the sign on riscv64.
 */
#define NVDIO_IOC_RING_ENTER	_IO('N', 0xba)
#define NVDIO_RING_ENTER(submit, wait)	((unsigned long)(__u32)(submit) | \
					 (unsigned long)(__u32)(wait) << 16)

/*
 * Offsets for mmap(). Each call with NVDIO_MMAP_ALLOC maps new memory; so does
 * offset 0 on the node of a controller, for programs that cannot pass another
 * one.
 */
#define NVDIO_MMAP_ALLOC	0x10000000000ULL
#define NVDIO_MMAP_ID(id)	(((__u64)(id) + 1) << 40)

/*
 * The same up to 1 GiB from its start, for 32-bit programs: their offsets have 44
 * bits. MAP_ADD tells each program the one that it can use.
 */
#define NVDIO_MMAP_ID32(id)	((__u64)(id) << 30)

/*
 * The registers of a controller, one page, read-only: on its own node, with
 * CAP_SYS_RAWIO. Its memory buffer, of the size that cmb_bytes in sysfs says:
 * on any of its nodes.
 */
#define NVDIO_MMAP_REGS		0x4000000000000000ULL
#define NVDIO_MMAP_CMB		0x4000010000000000ULL

#endif /* NVDIO_UAPI_H */
