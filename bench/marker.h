/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The markers between which bench/insn.c and bench/trace.c count: a seven-byte NOP,
 * `nopl MARK_xxx(%rax)`. It does nothing on any processor; the plugin
 * recognises it by its displacement when it translates the block.
 *
 * The number of an interval is sent as eight digits before the start marker,
 * so that the program's result and the plugin's record can be matched.
 */
#ifndef NVDIO_BENCH_MARKER_H
#define NVDIO_BENCH_MARKER_H

#define MARK_MASK	0xffffff00u
#define MARK_BASE	0x4e644f00u	/* "NdO", an operation in the low byte */
#define MARK_DIGIT	(MARK_BASE + 0x00)	/* ..0x0f: shift in one hex digit */
#define MARK_START	(MARK_BASE + 0x10)
#define MARK_STOP	(MARK_BASE + 0x11)
#define MARK_TURN	(MARK_BASE + 0x12)	/* a batch begins; for bench/trace.c */

#if defined(__x86_64__) && !defined(MARK_NO_ASM)

#define mark_op(op) \
	({ asm volatile(".byte 0x0f, 0x1f, 0x80; .long %c0" : : "i"(op) : "memory"); })

static inline void mark_digit(unsigned int d)
{
	switch (d & 15) {
#define MARK_CASE(n) case n: mark_op(MARK_DIGIT + (n)); break
	MARK_CASE(0);
	MARK_CASE(1);
	MARK_CASE(2);
	MARK_CASE(3);
	MARK_CASE(4);
	MARK_CASE(5);
	MARK_CASE(6);
	MARK_CASE(7);
	MARK_CASE(8);
	MARK_CASE(9);
	MARK_CASE(10);
	MARK_CASE(11);
	MARK_CASE(12);
	MARK_CASE(13);
	MARK_CASE(14);
	MARK_CASE(15);
#undef MARK_CASE
	}
}

static inline void mark_start(unsigned int id)
{
	for (int shift = 28; shift >= 0; shift -= 4)
		mark_digit(id >> shift);
	mark_op(MARK_START);
}

static inline void mark_stop(void)
{
	mark_op(MARK_STOP);
}

static inline void mark_turn(void)
{
	mark_op(MARK_TURN);
}

#else	/* no TCG plugin to talk to: timing only */

static inline void mark_start(unsigned int id)
{
	(void)id;
}

static inline void mark_stop(void)
{
}

static inline void mark_turn(void)
{
}

#endif
#endif
