// SPDX-License-Identifier: GPL-2.0
/* What bench/trace.c takes instructions for (bench/x86.h). The bytes are GNU as's. */
#include "../../bench/x86.h"
#include "unit.h"

#define INSN(text, what, ...) { text, what, sizeof((uint8_t[]){ __VA_ARGS__ }), { __VA_ARGS__ } }

static const struct {
	const char *text;
	unsigned int what;
	size_t len;
	uint8_t bytes[15];
} table[] = {
	INSN("lock incl (%rax)", X86_LOCKED, 0xf0, 0xff, 0x00),
	INSN("lock cmpxchg %ecx,(%rdi)", X86_LOCKED, 0xf0, 0x0f, 0xb1, 0x0f),
	INSN("lock xadd %rax,%gs:8(%rbx)", X86_LOCKED, 0x65, 0xf0, 0x48, 0x0f, 0xc1, 0x43, 0x08),
	INSN("lock addl $0,-4(%rsp)", X86_LOCKED, 0xf0, 0x83, 0x44, 0x24, 0xfc, 0x00),
	INSN("lock cmpxchg16b (%rdi)", X86_LOCKED, 0xf0, 0x48, 0x0f, 0xc7, 0x0f),
	INSN("incl (%rax)", 0, 0xff, 0x00),
	INSN("%ds incl (%rax), a lock prefix that was patched", 0, 0x3e, 0xff, 0x00),
	INSN("cmpxchg %ecx,(%rdi)", 0, 0x0f, 0xb1, 0x0f),
	INSN("xchg %eax,(%rdi)", X86_LOCKED, 0x87, 0x07),
	INSN("xchg %r8b,3(%rdi)", X86_LOCKED, 0x44, 0x86, 0x47, 0x03),
	INSN("xchg %eax,%edi", 0, 0x87, 0xc7),
	INSN("xchg %rax,%rdi", 0, 0x48, 0x97),
	INSN("mov $0xf0,%al", 0, 0xb0, 0xf0),
	INSN("lfence", X86_FENCE, 0x0f, 0xae, 0xe8),
	INSN("mfence", X86_FENCE, 0x0f, 0xae, 0xf0),
	INSN("sfence", X86_FENCE, 0x0f, 0xae, 0xf8),
	INSN("serialize", X86_FENCE, 0x0f, 0x01, 0xe8),
	INSN("setssbsy", 0, 0xf3, 0x0f, 0x01, 0xe8),
	INSN("incsspq %rax", 0, 0xf3, 0x48, 0x0f, 0xae, 0xe8),
	INSN("tpause %eax", 0, 0x66, 0x0f, 0xae, 0xf0),
	INSN("clflush (%rdi)", 0, 0x0f, 0xae, 0x3f),
	INSN("fxsave64 (%rdi)", 0, 0x48, 0x0f, 0xae, 0x07),
	INSN("rdgsbase %rax", 0, 0xf3, 0x48, 0x0f, 0xae, 0xc8),
	INSN("wrmsr", X86_MSR, 0x0f, 0x30),
	INSN("%ds %ds wrmsr", X86_MSR, 0x3e, 0x3e, 0x0f, 0x30),
	INSN("rdmsr", X86_MSR, 0x0f, 0x32),
	INSN("wrmsrns", X86_MSR, 0x0f, 0x01, 0xc6),
	INSN("rdtsc", 0, 0x0f, 0x31),
	INSN("call near", X86_CALL, 0xe8, 0xfb, 0xff, 0xff, 0xff),
	INSN("%cs call near", X86_CALL, 0x2e, 0xe8, 0x00, 0x00, 0x00, 0x00),
	INSN("call *%rax", X86_CALL, 0xff, 0xd0),
	INSN("%cs call *%r11", X86_CALL, 0x2e, 0x41, 0xff, 0xd3),
	INSN("call *8(%rdi)", X86_CALL, 0xff, 0x57, 0x08),
	INSN("jmp *%rax", 0, 0xff, 0xe0),
	INSN("push (%rax)", 0, 0xff, 0x30),
	INSN("jmp near", 0, 0xe9, 0x00, 0x00, 0x00, 0x00),
	INSN("ret", X86_RET, 0xc3),
	INSN("repz ret", X86_RET, 0xf3, 0xc3),
	INSN("ret $8", X86_RET, 0xc2, 0x08, 0x00),
	INSN("iretq", X86_IRET, 0x48, 0xcf),
	INSN("vpxor %xmm0,%xmm0,%xmm0", 0, 0xc5, 0xf9, 0xef, 0xc0),
	INSN("push %rbp", 0, 0x55),
	INSN("pop %rsp", X86_POP_RSP, 0x5c),
	INSN("pop %r12", 0, 0x41, 0x5c),
	INSN("pop %rbx", 0, 0x5b),
	INSN("push %r12", 0, 0x41, 0x54),
	INSN("nopl 0(%rax)", 0, 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00),
};

static void kinds(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		unsigned int what = x86_classify(table[i].bytes, table[i].len);

		ok(what == table[i].what, "%s: %#x", table[i].text, what);
	}
}

/* Nothing is read behind the end; ASan looks on. */
static void cut(void)
{
	unsigned int bad = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		for (size_t n = 0; n < table[i].len; n++) {
			uint8_t *b = malloc(n + !n);

			memcpy(b, table[i].bytes, n);
			bad += x86_classify(b, n) > 0x7f;
			bad += x86_call_target(b, n, 1) != 0;
			free(b);
		}
	}
	ok(!bad, "instructions that are cut off");
	ok(!x86_classify((uint8_t[]){ 0xf0, 0xf0, 0x48 }, 3), "prefixes alone");
}

static void targets(void)
{
	static const uint8_t back[] = { 0xe8, 0xfb, 0xff, 0xff, 0xff };
	static const uint8_t on[] = { 0x2e, 0xe8, 0x00, 0x01, 0x00, 0x00 };
	static const uint8_t indirect[] = { 0xff, 0x15, 0x00, 0x01, 0x00, 0x00 };

	ok(x86_call_target(back, sizeof(back), 0xffffffff81000000) == 0xffffffff81000000,
	   "a call of itself");
	ok(x86_call_target(on, sizeof(on), 0x1000) == 0x1106, "a call behind a prefix");
	ok(!x86_call_target(indirect, sizeof(indirect), 0x1000), "an indirect call goes anywhere");
}

static const struct t_case cases[] = {
	{ "kinds", kinds },
	{ "cut", cut },
	{ "targets", targets },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
