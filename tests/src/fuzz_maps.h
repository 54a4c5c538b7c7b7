/* SPDX-License-Identifier: GPL-2.0 */
/* Those of fuzz.c's calls that are about mapped memory; and what they take from fuzz_calls.c. */
#ifndef NVDIO_FUZZ_MAPS_H
#define NVDIO_FUZZ_MAPS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Where their memory is in a child, behind all else. */
#define FUZZ_MAPS (32 * MiB)
#define FUZZ_MAPS_LEN (2 * MiB)

/* Change addresses: mmap() of nodes, munmap(), mremap(), mprotect(), fork(), ... */
void fuzz_maps_memory(void);

/* NVDIO_IOC_*, with identifiers that there are, and with others. */
void fuzz_maps_ioctl(void);

/* Put memory of a node, or else ordinary memory, at the start of FUZZ_MAPS. */
void fuzz_maps_fill(size_t len);

/* An identifier of this process, or one that is none; @which is what is printed. */
uint32_t fuzz_map_id(unsigned int which);

/* Memory of the driver's, by file @f; its identifier is number @slot. */
void fuzz_maps_alloc(int f, unsigned int slot);

/* ---- of fuzz_calls.c ---- */

/* For descriptors, of which it holds 256. */
#define FUZZ_DESCRIPTORS (15 * MiB + 32 * KiB)

extern char *const fuzz_base;

uint64_t fuzz_any(uint64_t n);
uint64_t fuzz_offset(void);
uint64_t fuzz_length(void);
/* Descriptor of the file with number @f, which fuzz_file() chooses. */
int fuzz_fd(int f);
int fuzz_file(void);
bool fuzz_doing(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void fuzz_did(long long ret);

#endif
