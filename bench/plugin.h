/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of QEMU's plugin API, version 3 and later (QEMU 9.1), that the plugins
 * of bench/ use; declared by hand because Debian packages no header for it. An id of
 * a plugin is 64 bits wide, what is known of a memory access 32.
 */
#ifndef NVDIO_BENCH_PLUGIN_H
#define NVDIO_BENCH_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "marker.h"

#define EXPORT __attribute__((visibility("default")))

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;
struct qemu_plugin_scoreboard;
struct qemu_info;

struct qemu_plugin_u64 {
	struct qemu_plugin_scoreboard *score;
	size_t offset;
};

enum { QEMU_PLUGIN_CB_NO_REGS = 0 };
enum { QEMU_PLUGIN_MEM_R = 1, QEMU_PLUGIN_MEM_W = 2, QEMU_PLUGIN_MEM_RW = 3 };
enum { QEMU_PLUGIN_INLINE_ADD_U64 = 0 };

typedef void translate_fn(uint64_t id, struct qemu_plugin_tb *tb);
typedef void reset_fn(uint64_t id);
typedef void exec_fn(unsigned int vcpu, void *data);
typedef void mem_fn(unsigned int vcpu, uint32_t info, uint64_t vaddr, void *data);

void qemu_plugin_reset(uint64_t id, reset_fn *cb);
void qemu_plugin_register_vcpu_tb_trans_cb(uint64_t id, translate_fn *cb);
void qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(struct qemu_plugin_tb *tb, int op,
						       struct qemu_plugin_u64 entry,
						       uint64_t imm);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, exec_fn *cb,
					    int flags, void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, mem_fn *cb, int flags,
				      int rw, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t idx);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *dest, size_t len);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
bool qemu_plugin_mem_is_store(uint32_t info);
unsigned int qemu_plugin_mem_size_shift(uint32_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(uint32_t info, uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *haddr);
int qemu_plugin_num_vcpus(void);
struct qemu_plugin_scoreboard *qemu_plugin_scoreboard_new(size_t element_size);
void *qemu_plugin_scoreboard_find(struct qemu_plugin_scoreboard *score, unsigned int vcpu_index);

/* The marker (marker.h) that an instruction of a program is, or 0. */
static inline uint32_t marker_of(const struct qemu_plugin_insn *insn)
{
	unsigned char b[7];
	uint32_t disp;

	if (qemu_plugin_insn_size(insn) != sizeof(b))
		return 0;
	qemu_plugin_insn_data(insn, b, sizeof(b));
	if (b[0] != 0x0f || b[1] != 0x1f || b[2] != 0x80)
		return 0;
	memcpy(&disp, b + 3, sizeof(disp));
	return (disp & MARK_MASK) == MARK_BASE ? disp : 0;
}

#endif
