/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What driver/pure/pure.h takes from the kernel, in user space: just enough for
 * the files of driver/pure that have unit tests.
 */
#ifndef NVDIO_UNIT_SHIM_H
#define NVDIO_UNIT_SHIM_H

#include <assert.h>
#include <endian.h>
#include <errno.h>
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int32_t s32;
typedef uint64_t dma_addr_t;

#define cpu_to_le16(x) htole16(x)
#define cpu_to_le32(x) htole32(x)
#define cpu_to_le64(x) htole64(x)
#define le16_to_cpu(x) le16toh(x)
#define le32_to_cpu(x) le32toh(x)
#define le64_to_cpu(x) le64toh(x)

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __aligned(n) __attribute__((aligned(n)))
#define ____cacheline_aligned_in_smp __attribute__((aligned(64)))
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define BIT(n) (1UL << (n))
#define WARN_ON_ONCE(x) ({ bool w_ = (x); assert(!w_); w_; })

#define min(a, b) ({ __auto_type a_ = (a); __auto_type b_ = (b); a_ < b_ ? a_ : b_; })
#define max(a, b) ({ __auto_type a_ = (a); __auto_type b_ = (b); a_ > b_ ? a_ : b_; })
#define min_t(t, a, b) min((t)(a), (t)(b))
#define max_t(t, a, b) max((t)(a), (t)(b))
#define div_u64(n, d) ((n) / (d))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))
#define ALIGN_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define ALIGN(x, a) ALIGN_DOWN((x) + (a) - 1, a)
#define IS_ALIGNED(x, a) (!((x) & ((__typeof__(x))(a) - 1)))

/* Atomics as strong as the kernel's or weaker, and visible to ThreadSanitizer. */
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)
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

/* Opcodes of NVM Command Set 1.0, 3.2, and NVMe Base 2.0, 7. */
enum {
	nvme_cmd_flush = 0x00,
	nvme_cmd_write = 0x01,
	nvme_cmd_read = 0x02,
	nvme_cmd_write_uncor = 0x04,
	nvme_cmd_compare = 0x05,
	nvme_cmd_write_zeroes = 0x08,
	nvme_cmd_dsm = 0x09,
	nvme_cmd_verify = 0x0c,
	nvme_cmd_resv_register = 0x0d,
	nvme_cmd_resv_report = 0x0e,
	nvme_cmd_resv_acquire = 0x11,
	nvme_cmd_resv_release = 0x15,
	nvme_cmd_vendor_start = 0x80,
};

/* Opcodes of NVMe Base 2.0, 5 and 6. */
enum {
	nvme_admin_delete_sq = 0x00,
	nvme_admin_create_sq = 0x01,
	nvme_admin_get_log_page = 0x02,
	nvme_admin_delete_cq = 0x04,
	nvme_admin_create_cq = 0x05,
	nvme_admin_identify = 0x06,
	nvme_admin_abort_cmd = 0x08,
	nvme_admin_set_features = 0x09,
	nvme_admin_get_features = 0x0a,
	nvme_admin_async_event = 0x0c,
	nvme_admin_ns_mgmt = 0x0d,
	nvme_admin_activate_fw = 0x10,
	nvme_admin_download_fw = 0x11,
	nvme_admin_dev_self_test = 0x14,
	nvme_admin_ns_attach = 0x15,
	nvme_admin_keep_alive = 0x18,
	nvme_admin_directive_send = 0x19,
	nvme_admin_directive_recv = 0x1a,
	nvme_admin_virtual_mgmt = 0x1c,
	nvme_admin_dbbuf = 0x7c,
	nvme_fabrics_command = 0x7f,
	nvme_admin_format_nvm = 0x80,
	nvme_admin_security_send = 0x81,
	nvme_admin_security_recv = 0x82,
	nvme_admin_sanitize_nvm = 0x84,
};

/* NVMe Base 2.0, 5.17.1 (CNS) and 5.27.1 (features). */
enum {
	NVME_ID_CNS_NS = 0x00,
	NVME_ID_CNS_CTRL = 0x01,
	NVME_ID_CNS_CS_NS = 0x05,
	NVME_ID_CNS_CS_CTRL = 0x06,
	NVME_ID_CNS_NS_CS_INDEP = 0x08,
};

enum {
	NVME_FEAT_NUM_QUEUES = 0x07,
	NVME_FEAT_AUTO_PST = 0x0c,
	NVME_FEAT_HOST_MEM_BUF = 0x0d,
	NVME_FEAT_KATO = 0x0f,
	NVME_FEAT_HOST_BEHAVIOR = 0x16,
	NVME_FEAT_VENDOR_START = 0xc0,
};

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

/* NVM Command Set 1.0, figures 21 and 37 (Read and Write), Dword 0 to 15. */
enum {
	NVME_RW_FUA = 1 << 14,
	NVME_CMD_SGL_METABUF = 1 << 6,
};

struct nvme_command {
	union {
		struct {
			__u8 opcode;
			__u8 flags;
			__le16 command_id;
			__le32 nsid;
			__le32 cdw2[2];
			__le64 metadata;
			union nvme_data_ptr dptr;
			__le32 cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
		} common;
		struct {
			__u8 unused[40];
			__le64 slba;
		} rw;
	};
};

/* NVMe Base 2.0, figures 95 to 97 (Status Code), with the type above. */
enum {
	NVME_SC_INVALID_OPCODE = 0x001,
	NVME_SC_INVALID_FIELD = 0x002,
	NVME_SC_INVALID_NS = 0x00b,
	NVME_SC_CMD_INTERRUPTED = 0x021,
	NVME_SC_LBA_RANGE = 0x080,
	NVME_SC_CAP_EXCEEDED = 0x081,
	NVME_SC_NS_NOT_READY = 0x082,
	NVME_SC_RESERVATION_CONFLICT = 0x083,
	NVME_SC_BAD_ATTRIBUTES = 0x180,
	NVME_SC_INVALID_PI = 0x181,
	NVME_SC_READ_ONLY = 0x182,
	NVME_SC_WRITE_FAULT = 0x280,
	NVME_SC_READ_ERROR = 0x281,
	NVME_SC_GUARD_CHECK = 0x282,
	NVME_SC_APPTAG_CHECK = 0x283,
	NVME_SC_REFTAG_CHECK = 0x284,
	NVME_SC_COMPARE_FAILED = 0x285,
	NVME_SC_ACCESS_DENIED = 0x286,
	NVME_SC_UNWRITTEN_BLOCK = 0x287,
};

#endif
