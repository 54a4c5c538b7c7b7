/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What a program that checks its data writes to a block, and what the controller
 * therefore expects of it (stamps.c; tests/src/faultload.c): where the block
 * belongs, the generation of its contents, who wrote it, and a checksum of the
 * whole. A block in which two generations meet has a wrong checksum.
 */
#ifndef VFU_STAMP_H
#define VFU_STAMP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define STAMP_MAGIC	0x706d617473766e6fULL

struct stamp {
	uint64_t magic;
	uint64_t at;		/* its first byte's position on the namespace */
	uint64_t generation;	/* larger than that of anything written there before */
	uint32_t writer;
	uint32_t len;		/* bytes, a multiple of 8; this header included */
	uint64_t sum;		/* of everything else */
};

/* The contents behind the header, as 64-bit words. */
static inline uint64_t stamp_word(const struct stamp *s, size_t i)
{
	return (s->at ^ s->generation * 0x9e3779b97f4a7c15ULL) + i * 0xbf58476d1ce4e5b9ULL;
}

static inline uint64_t stamp_add(uint64_t sum, uint64_t word)
{
	return (sum ^ word) * 0x100000001b3ULL;
}

static inline uint64_t stamp_head_sum(const struct stamp *s)
{
	uint64_t sum = stamp_add(STAMP_MAGIC, s->at);

	sum = stamp_add(sum, s->generation);
	return stamp_add(sum, (uint64_t)s->writer << 32 | s->len);
}

/* Fill @s->len bytes of @buf; magic and sum are set here. */
static inline void stamp_fill(void *buf, struct stamp *s)
{
	size_t i, n = (s->len - sizeof(*s)) / 8;
	char *p = (char *)buf + sizeof(*s);
	uint64_t word;

	s->magic = STAMP_MAGIC;
	s->sum = stamp_head_sum(s);
	for (i = 0; i < n; i++) {
		word = stamp_word(s, i);
		memcpy(p + 8 * i, &word, 8);
		s->sum = stamp_add(s->sum, word);
	}
	memcpy(buf, s, sizeof(*s));
}

/* Return: @len bytes of @buf are whole; what their header says is in @s. */
static inline bool stamp_whole(const void *buf, size_t len, struct stamp *s)
{
	const char *p = (const char *)buf + sizeof(*s);
	size_t i, n = (len - sizeof(*s)) / 8;
	uint64_t sum, word;

	memcpy(s, buf, sizeof(*s));
	if (s->magic != STAMP_MAGIC || s->len != len)
		return false;
	sum = stamp_head_sum(s);
	for (i = 0; i < n; i++) {
		memcpy(&word, p + 8 * i, 8);
		sum = stamp_add(sum, word);
	}
	return sum == s->sum;
}

#endif /* VFU_STAMP_H */
