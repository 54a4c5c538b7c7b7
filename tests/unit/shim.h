/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What driver/pure.h takes from the kernel, in user space: just enough for the units
 * under test.
 */
#ifndef NVDIO_UNIT_SHIM_H
#define NVDIO_UNIT_SHIM_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef uint8_t __u8;
typedef uint16_t __le16;
typedef uint32_t __le32;
typedef uint64_t __le64;
typedef uint64_t dma_addr_t;

#define cpu_to_le16(x) htole16(x)
#define cpu_to_le32(x) htole32(x)
#define cpu_to_le64(x) htole64(x)
#define le16_to_cpu(x) le16toh(x)
#define le32_to_cpu(x) le32toh(x)
#define le64_to_cpu(x) le64toh(x)

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define ____cacheline_aligned_in_smp __attribute__((aligned(64)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1UL << (n))
#define WARN_ON_ONCE(x) ({ bool w_ = (x); assert(!w_); w_; })

#define min(a, b) ({ __auto_type a_ = (a); __auto_type b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b) ({ __auto_type a_ = (a); __auto_type b_ = (b); a_ > b_ ? a_ : b_; })
#define min_t(t, a, b) min((t)(a), (t)(b))
#define max_t(t, a, b) max((t)(a), (t)(b))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN(x, a) ALIGN_DOWN((x) + (a) - 1, a)
#define IS_ALIGNED(x, a) (!((x) & ((__typeof__(x))(a) - 1)))

/* Atomics as strong as the kernel's or weaker, and visible to ThreadSanitizer. */
#define READ_ONCE(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELAXED)
#define xchg(p, v) __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define try_cmpxchg(p, old, v) \
	__atomic_compare_exchange_n(p, old, v, false, __ATOMIC_SEQ_CST, \
				    __ATOMIC_SEQ_CST)

/*
 * A mapped scatterlist: an array whose last entry may be marked. As in the kernel,
 * sg_next() of an entry without a mark reads the next entry.
 */
struct scatterlist {
	dma_addr_t dma_address;
	unsigned int dma_length;
	bool last;
	struct scatterlist *chain;
};

#define sg_dma_address(sg) ((sg)->dma_address)
#define sg_dma_len(sg) ((sg)->dma_length)

static inline struct scatterlist *sg_next(struct scatterlist *sg)
{
	if (sg->last)
		return NULL;
	sg++;
	return sg->chain ?: sg;
}

/* NVMe Base 2.0, figure 211 (Commands Supported and Effects). */
enum {
	NVME_CMD_EFFECTS_CSUPP = 1 << 0,
	NVME_CMD_EFFECTS_LBCC = 1 << 1,
	NVME_CMD_EFFECTS_NCC = 1 << 2,
	NVME_CMD_EFFECTS_NIC = 1 << 3,
	NVME_CMD_EFFECTS_CCC = 1 << 4,
	NVME_CMD_EFFECTS_CSER_MASK = 3 << 14,
	NVME_CMD_EFFECTS_CSE_MASK = 7 << 16,
	NVME_CMD_EFFECTS_UUID_SEL = 1 << 19,
};

#define NVME_CMD_EFFECTS_SCOPE_MASK 0xfff00000U

/* NVMe Base 2.0, figures 122 (SGL descriptor) and 106 (DPTR). */
enum {
	NVME_SGL_FMT_DATA_DESC = 0x00,
	NVME_SGL_FMT_SEG_DESC = 0x02,
	NVME_SGL_FMT_LAST_SEG_DESC = 0x03,
};

struct nvme_sgl_desc {
	__le64 addr;
	__le32 length;
	__u8 rsvd[3];
	__u8 type;
};

union nvme_data_ptr {
	struct {
		__le64 prp1;
		__le64 prp2;
	};
	struct nvme_sgl_desc sgl;
};

#endif
