/* SPDX-License-Identifier: GPL-2.0 */
/*
 * System calls of a 32-bit program: the 32-bit entry (int 0x80), with memory below
 * 4 GiB. Structures of the callers are to have the 32-bit layout. On machines other
 * than x86-64 each call fails, so that NR32_GETPID tells.
 */
#ifndef NVDIO_CALL32_H
#define NVDIO_CALL32_H

#include <errno.h>
#include <stdint.h>

enum {
	NR32_GETPID = 20,
	NR32_IOCTL = 54,
	NR32_READV = 145,
	NR32_PREAD64 = 180,
	NR32_PWRITE64 = 181,
	NR32_MMAP2 = 192,
};

static inline uint32_t low32(const void *p)
{
	return (uint32_t)(uintptr_t)p;
}

#ifdef __x86_64__
/* The sixth argument is in EBP, which the compiler may be using. */
static inline int call32_6(int nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e,
			   uint64_t f)
{
	long ret;

	asm volatile("xchgq %%rbp, %1\n\t"
		     "int $0x80\n\t"
		     "xchgq %%rbp, %1"
		     : "=&a"(ret), "+r"(f)
		     : "0"((long)nr), "b"(a), "c"(b), "d"(c), "S"(d), "D"(e)
		     : "memory", "r8", "r9", "r10", "r11");
	return (int)ret;
}
#else
#define MAP_32BIT 0

static inline int call32_6(int nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e,
			   uint64_t f)
{
	(void)nr, (void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	return -ENOSYS;
}
#endif

static inline int call32(int nr, uint32_t a, uint32_t b, uint32_t c, uint32_t d, uint32_t e)
{
	return call32_6(nr, a, b, c, d, e, 0);
}

static inline int ioctl32(int fd, uint32_t cmd, const void *arg)
{
	return call32(NR32_IOCTL, fd, cmd, low32(arg), 0, 0);
}

#endif
