// SPDX-License-Identifier: GPL-2.0
/*
 * QEMU TCG plugin: writes down what kernel code does between two markers (marker.h)
 * that a count of instructions does not show: each access to memory, and each locked
 * instruction, fence and access to an MSR.
 *
 *   -plugin trace.so,out=FILE
 *
 * FILE is a sequence of struct record, one stream for each vCPU of an interval; what
 * they mean is decided by bench/traced.py. The first interval has no records: only its
 * marker makes the plugin look at kernel code, so that the guest boots fast. Addresses
 * are virtual, and user code is left out but for its markers.
 */
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define MARK_NO_ASM
#include "marker.h"
#include "plugin.h"
#include "x86.h"

EXPORT int qemu_plugin_version = 3;

#define MAX_VCPUS	64
#define MAX_RECORDS	(32u << 20)	/* of a vCPU: 512 MiB */

/* Of these it matters that they are executed, whatever they access. */
#define EXECUTED	(X86_LOCKED | X86_FENCE | X86_MSR | X86_IRET | X86_POP_RSP)

/* bench/traced.py has the same numbers. */
enum kind { INTERVAL, VCPU, INSN, TARGET, ACCESS, EXEC, TURN, LOST, END };
enum { FLAG_STORE = 1, FLAG_IO = 2 };

/*
 * INTERVAL and END: @number is the interval's. VCPU: @number is its index; the records up
 * to the next are its stream. INSN: @number is an instruction's, @address where it is,
 * @flags X86_...; TARGET follows if it is a direct call. ACCESS: by instruction @number, of
 * @size bytes. EXEC: instruction @number, which is one of EXECUTED. LOST: there were more
 * records than fit.
 */
struct record {
	uint64_t address;
	uint32_t number;
	uint8_t kind;
	uint8_t flags;
	uint16_t size;
};

/* One for each translation of an instruction. Never freed: old translations may run. */
struct insn {
	uint64_t ip, target;
	uint32_t number;
	uint8_t flags;
	bool written;
};

struct stream {
	struct record *records;
	struct insn **insns;	/* of the same index */
	size_t used, room;
	bool lost;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct stream streams[MAX_VCPUS];
static uint32_t interval_id, ninsns;
static uint64_t self;
static bool running, armed;
static FILE *out;

static void write_record(enum kind kind, uint64_t address, uint32_t number, uint8_t flags)
{
	struct record r = {
		.address = address, .number = number, .kind = kind, .flags = flags,
	};

	fwrite(&r, sizeof(r), 1, out);
}

/* Only the vCPU itself adds to its stream. */
static void add(unsigned int vcpu, struct record r, struct insn *insn)
{
	struct stream *s = &streams[vcpu % MAX_VCPUS];

	if (s->used == s->room) {
		if (s->room == MAX_RECORDS) {
			s->lost = true;
			return;
		}
		s->room = s->room ? s->room * 2 : 1u << 16;
		s->records = realloc(s->records, s->room * sizeof(*s->records));
		s->insns = realloc(s->insns, s->room * sizeof(*s->insns));
		if (!s->records || !s->insns)
			abort();
	}
	s->insns[s->used] = insn;
	s->records[s->used++] = r;
}

static void write_stream(unsigned int vcpu)
{
	struct stream *s = &streams[vcpu];

	write_record(VCPU, 0, vcpu, 0);
	for (size_t i = 0; i < s->used; i++) {
		struct insn *insn = s->insns[i];

		if (insn && !insn->written) {
			write_record(INSN, insn->ip, insn->number, insn->flags);
			if (insn->target)
				write_record(TARGET, insn->target, insn->number, 0);
			insn->written = true;
		}
		fwrite(&s->records[i], sizeof(s->records[i]), 1, out);
	}
	if (s->lost)
		write_record(LOST, 0, vcpu, 0);
}

static void start(void)
{
	for (unsigned int i = 0; i < MAX_VCPUS; i++) {
		streams[i].used = 0;
		streams[i].lost = false;
	}
	__atomic_store_n(&running, true, __ATOMIC_RELEASE);
}

/* The loop's other threads have ended their part (loop.c), so hardly anything is added now. */
static void stop(void)
{
	int n = qemu_plugin_num_vcpus();

	if (!running)
		return;
	__atomic_store_n(&running, false, __ATOMIC_RELEASE);
	write_record(INTERVAL, 0, interval_id, 0);
	for (int i = 0; i < n && i < MAX_VCPUS; i++)
		write_stream(i);
	write_record(END, 0, interval_id, 0);
	fflush(out);
}

static void on_memory(unsigned int vcpu, uint32_t info, uint64_t vaddr, void *data)
{
	struct insn *insn = data;
	struct record r = {
		.address = vaddr, .number = insn->number, .kind = ACCESS,
		.size = 1u << qemu_plugin_mem_size_shift(info),
	};
	struct qemu_plugin_hwaddr *hw;

	if (!__atomic_load_n(&running, __ATOMIC_ACQUIRE))
		return;
	hw = qemu_plugin_get_hwaddr(info, vaddr);
	if (qemu_plugin_mem_is_store(info))
		r.flags |= FLAG_STORE;
	if (hw && qemu_plugin_hwaddr_is_io(hw))
		r.flags |= FLAG_IO;
	add(vcpu, r, insn);
}

static void on_exec(unsigned int vcpu, void *data)
{
	struct insn *insn = data;

	if (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
		add(vcpu, (struct record){ .number = insn->number, .kind = EXEC }, insn);
}

static void on_kernel_insn(struct qemu_plugin_insn *insn)
{
	size_t size = qemu_plugin_insn_size(insn);
	struct insn *known = calloc(1, sizeof(*known));
	uint8_t b[15];

	if (!known || size > sizeof(b))
		abort();
	qemu_plugin_insn_data(insn, b, size);
	known->ip = qemu_plugin_insn_vaddr(insn);
	known->flags = x86_classify(b, size);
	known->target = x86_call_target(b, size, known->ip);
	known->number = __atomic_fetch_add(&ninsns, 1, __ATOMIC_RELAXED);
	qemu_plugin_register_vcpu_mem_cb(insn, on_memory, QEMU_PLUGIN_CB_NO_REGS,
					 QEMU_PLUGIN_MEM_RW, known);
	if (known->flags & EXECUTED)
		qemu_plugin_register_vcpu_insn_exec_cb(insn, on_exec, QEMU_PLUGIN_CB_NO_REGS,
						       known);
}

static void on_marker(unsigned int vcpu, void *data);

static void on_translate(uint64_t id, struct qemu_plugin_tb *tb)
{
	bool kernel = qemu_plugin_tb_vaddr(tb) >> 63;
	size_t n = qemu_plugin_tb_n_insns(tb);

	(void)id;
	if (kernel && !armed)
		return;
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint32_t op;

		if (kernel) {
			on_kernel_insn(insn);
			continue;
		}
		op = marker_of(insn);
		if (op)
			qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker,
							       QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(uintptr_t)op);
	}
}

/* All translations are gone, and no vCPU runs. */
static void on_reset(uint64_t id)
{
	armed = true;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
}

static void on_marker(unsigned int vcpu, void *data)
{
	static bool asked;
	uint32_t op = (uintptr_t)data;

	if (op == MARK_TURN) {
		if (__atomic_load_n(&running, __ATOMIC_ACQUIRE))
			add(vcpu, (struct record){ .kind = TURN }, NULL);
		return;
	}
	pthread_mutex_lock(&lock);
	if (!asked) {
		asked = true;
		qemu_plugin_reset(self, on_reset);
	}
	if (op == MARK_START)
		start();
	else if (op == MARK_STOP)
		stop();
	else
		interval_id = interval_id << 4 | (op - MARK_DIGIT);
	pthread_mutex_unlock(&lock);
}

EXPORT int qemu_plugin_install(uint64_t id, const struct qemu_info *info, int argc, char **argv)
{
	(void)info;
	for (int i = 0; i < argc; i++)
		if (!strncmp(argv[i], "out=", 4))
			out = fopen(argv[i] + 4, "w");
	if (!out) {
		fprintf(stderr, "trace: out=FILE is missing or cannot be written\n");
		return -1;
	}
	self = id;
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
	return 0;
}
