/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bench/trace.c has to know of an x86-64 instruction: whether it locks the bus,
 * is a fence, accesses an MSR, calls or returns. Intel SDM volume 2, chapter 2 (format)
 * and the opcode maps of its appendix A.
 */
#ifndef NVDIO_BENCH_X86_H
#define NVDIO_BENCH_X86_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define X86_LOCKED	0x01	/* LOCK, or XCHG with memory, which implies it */
#define X86_FENCE	0x02	/* LFENCE, MFENCE, SFENCE, SERIALIZE */
#define X86_MSR		0x04	/* RDMSR, WRMSR, WRMSRNS */
#define X86_CALL	0x08	/* near: stores the return address */
#define X86_RET		0x10	/* near: loads it */
#define X86_IRET	0x20
#define X86_POP_RSP	0x40	/* back from another stack */

struct x86_prefixes {
	size_t len;	/* of all of them, REX included */
	int lock;
	int rex;	/* the prefix, or 0 */
	int other;	/* 66, F2 or F3: another instruction where there are several */
};

/* The prefixes of @b. A REX prefix only counts right before the opcode. */
static inline struct x86_prefixes x86_prefixes(const uint8_t *b, size_t n)
{
	struct x86_prefixes p = { 0 };

	for (; p.len < n; p.len++) {
		switch (b[p.len]) {
		case 0xf0:
			p.lock = 1;
			break;
		case 0x66:
		case 0xf2:
		case 0xf3:
			p.other = 1;
			break;
		case 0x26:
		case 0x2e:
		case 0x36:
		case 0x3e:
		case 0x64:
		case 0x65:
		case 0x67:
			break;
		default:
			if ((b[p.len] & 0xf0) == 0x40)
				p.rex = b[p.len++];
			return p;
		}
	}
	return p;
}

/* Of an opcode that begins with 0F; @b is what follows it. */
static inline unsigned int x86_classify_0f(const uint8_t *b, size_t n, int other)
{
	if (b[0] == 0x30 || b[0] == 0x32)
		return X86_MSR;
	if (n < 2)
		return 0;
	if (b[0] == 0x01 && b[1] == 0xc6)
		return X86_MSR;
	if (b[0] == 0x01 && b[1] == 0xe8 && !other)
		return X86_FENCE;
	/* With memory, or with a prefix: FXSAVE and CLFLUSH, INCSSP and TPAUSE. */
	if (b[0] == 0xae && b[1] >= 0xe8 && !other)
		return X86_FENCE;
	return 0;
}

/**
 * x86_classify() - what kind of instruction this is
 * @b: its bytes
 * @n: how many
 *
 * Return: a sum of X86_...; 0 for all that is of no interest, and for what is too short.
 */
static inline unsigned int x86_classify(const uint8_t *b, size_t n)
{
	struct x86_prefixes p = x86_prefixes(b, n);
	unsigned int what = p.lock ? X86_LOCKED : 0;

	b += p.len;
	n -= p.len;
	if (!n)
		return 0;
	if (b[0] == 0xc2 || b[0] == 0xc3)
		return what | X86_RET;
	if (b[0] == 0xcf)
		return what | X86_IRET;
	if (b[0] == 0x5c && !(p.rex & 1))
		return what | X86_POP_RSP;
	if (b[0] == 0xe8)
		return what | X86_CALL;
	if (n < 2)
		return what;
	if (b[0] == 0x0f)
		return what | x86_classify_0f(b + 1, n - 1, p.other);
	if ((b[0] == 0x86 || b[0] == 0x87) && b[1] < 0xc0)
		return what | X86_LOCKED;
	if (b[0] == 0xff && (b[1] >> 3 & 7) == 2)
		return what | X86_CALL;
	return what;
}

/* Where a direct call at @ip goes; 0 if it is none. */
static inline uint64_t x86_call_target(const uint8_t *b, size_t n, uint64_t ip)
{
	size_t at = x86_prefixes(b, n).len;
	int32_t distance;

	if (n < at + 5 || b[at] != 0xe8)
		return 0;
	memcpy(&distance, b + at + 1, sizeof(distance));
	return ip + n + distance;
}

#endif
