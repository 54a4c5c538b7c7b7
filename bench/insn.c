// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU TCG plugin: counts the guest instructions executed between two markers
 * (marker.h), for user and kernel and by 16-byte block of kernel code, and the
 * stores from kernel modules to device memory (doorbells).
 *
 *   -plugin insn.so,out=FILE
 *
 * Each translation block adds its length to one counter of the executing vCPU,
 * inline; nothing is called. A start marker copies the counters, a stop marker
 * writes the differences:
 *
 *   interval ID
 *   vcpu INDEX USER KERNEL SQ_DOORBELLS CQ_DOORBELLS
 *   k ADDRESS COUNT		(all vCPUs; ADDRESS is a multiple of 16)
 *   end
 *
 * A block that is left in the middle (page fault) counts in full; that is rare.
 * Symbols are resolved by the reader, from the guest's /proc/kallsyms: kernel
 * functions are aligned to 16 bytes, so a counter never spans two of them.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARK_NO_ASM
#include "marker.h"
#include "plugin.h"

EXPORT int qemu_plugin_version = 3;

#define NSLOTS		0x40000u	/* 16-byte blocks of kernel code seen */
#define HASH_SIZE	(NSLOTS * 2)
#define MAX_VCPUS	64
/* x86-64: where modules are loaded. readl/writel are inline in them. */
#define MODULES_START	0xffffffffc0000000ull

enum { SLOT_USER, SLOT_SQ, SLOT_CQ, SLOT_OVERFLOW, SLOT_FIRST };

static struct qemu_plugin_scoreboard *score;	/* u64[NSLOTS] per vCPU */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t slot_key[NSLOTS];
static uint32_t hash[HASH_SIZE];
static uint32_t nslots = SLOT_FIRST;
static uint64_t *snap[MAX_VCPUS];
static uint64_t diff[NSLOTS];
static uint32_t interval_id;
static bool running;
static FILE *out;

static uint64_t *counters(int vcpu)
{
	return qemu_plugin_scoreboard_find(score, vcpu);
}

/* Under lock. */
static uint32_t slot_of(uint64_t vaddr)
{
	uint64_t key = vaddr >> 4;
	uint32_t h = (key * 0x9e3779b97f4a7c15ull) >> 45;

	for (;; h++) {
		uint32_t *e = &hash[h % HASH_SIZE];

		if (!*e) {
			if (nslots == NSLOTS)
				return SLOT_OVERFLOW;
			slot_key[nslots] = key;
			*e = nslots++;
			return *e;
		}
		if (slot_key[*e] == key)
			return *e;
	}
}

static void start(void)
{
	int n = qemu_plugin_num_vcpus();

	for (int i = 0; i < n && i < MAX_VCPUS; i++) {
		if (!snap[i])
			snap[i] = malloc(NSLOTS * sizeof(uint64_t));
		if (!snap[i])
			abort();
		/* Slots made later start at zero. */
		memset(snap[i], 0, NSLOTS * sizeof(uint64_t));
		memcpy(snap[i], counters(i), nslots * sizeof(uint64_t));
	}
	running = true;
}

static void stop(void)
{
	int n = qemu_plugin_num_vcpus();

	if (!running)
		return;
	running = false;
	memset(diff, 0, sizeof(diff));
	fprintf(out, "interval %u\n", interval_id);
	for (int i = 0; i < n && i < MAX_VCPUS; i++) {
		uint64_t *now = counters(i), kernel = 0;

		for (uint32_t s = SLOT_OVERFLOW; s < nslots; s++) {
			uint64_t d = now[s] - snap[i][s];

			kernel += d;
			diff[s] += d;
		}
		fprintf(out, "vcpu %d %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
			i, now[SLOT_USER] - snap[i][SLOT_USER], kernel,
			now[SLOT_SQ] - snap[i][SLOT_SQ],
			now[SLOT_CQ] - snap[i][SLOT_CQ]);
	}
	for (uint32_t s = SLOT_OVERFLOW; s < nslots; s++)
		if (diff[s])
			fprintf(out, "k %" PRIx64 " %" PRIu64 "\n",
				slot_key[s] << 4, diff[s]);
	fprintf(out, "end\n");
	fflush(out);
}

static void on_marker(unsigned int vcpu, void *data)
{
	uint32_t op = (uintptr_t)data;

	(void)vcpu;
	pthread_mutex_lock(&lock);
	if (op == MARK_START)
		start();
	else if (op == MARK_STOP)
		stop();
	else
		interval_id = interval_id << 4 | (op - MARK_DIGIT);
	pthread_mutex_unlock(&lock);
}

static void on_store(unsigned int vcpu, uint32_t info,
		     uint64_t vaddr, void *data)
{
	struct qemu_plugin_hwaddr *hw = qemu_plugin_get_hwaddr(info, vaddr);

	(void)data;
	/* With QEMU's doorbell stride of 0, submission and completion queues alternate. */
	if (hw && qemu_plugin_hwaddr_is_io(hw))
		counters(vcpu)[vaddr & 4 ? SLOT_CQ : SLOT_SQ]++;
}

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	uint64_t vaddr = qemu_plugin_tb_vaddr(tb);
	bool kernel = vaddr >> 63, module = vaddr >= MODULES_START;
	uint32_t slot = SLOT_USER;
	struct qemu_plugin_u64 count;

	(void)id;
	if (kernel) {
		pthread_mutex_lock(&lock);
		slot = slot_of(vaddr);
		pthread_mutex_unlock(&lock);
	}
	count = (struct qemu_plugin_u64){ score, slot * sizeof(uint64_t) };
	qemu_plugin_register_vcpu_tb_exec_inline_per_vcpu(tb, QEMU_PLUGIN_INLINE_ADD_U64, count, n);

	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t op;

		if (module)
			qemu_plugin_register_vcpu_mem_cb(insn, on_store, QEMU_PLUGIN_CB_NO_REGS,
							 QEMU_PLUGIN_MEM_W, NULL);
		if (kernel)
			continue;
		op = marker_of(insn);
		if (op && op != MARK_TURN)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker,
							       QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)op);
	}
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info *info,
			       int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	if (!out) {
		fprintf(stderr, "insn: out=FILE is missing or cannot be written\n");
		return -1;
	}
	score = qemu_plugin_scoreboard_new(NSLOTS * sizeof(uint64_t));
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
