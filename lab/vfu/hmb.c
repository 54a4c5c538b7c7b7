// SPDX-License-Identifier: GPL-2.0
/*
 * Host memory buffer (NVMe Base 2.0, 5.27.1.10). While it is enabled, the
 * controller uses a page of it with each I/O command: it checks what it wrote
 * there last, and writes something else. It may be told to write at other times,
 * and after its end (haunt, "hmb poke").
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "vfu.h"

#define HMB_ENABLE	1U
#define HMB_RETURN	2U
#define HMB_MAX_DESCS	65536

static struct {
	bool on;
	unsigned int nr;
	struct seg *segs;	/* what was given last, on or not */
	uint64_t bytes;
	uint64_t *marks;	/* for each page, what was written; 0: nothing */
	uint64_t uses, next;
} hmb;

static uint64_t page_addr(uint64_t page)
{
	unsigned int i;

	for (i = 0; i < hmb.nr; i++) {
		if (page < hmb.segs[i].len / 4096)
			return hmb.segs[i].addr + page * 4096;
		page -= hmb.segs[i].len / 4096;
	}
	return 0;
}

/* One with a stride that gets everywhere. */
static uint64_t next_page(void)
{
	hmb.next = (hmb.next + 4099) % (hmb.bytes / 4096);
	return hmb.next;
}

void hmb_use(void)
{
	uint64_t page, addr, mark = 0;

	if (!hmb.on)
		return;
	page = next_page();
	addr = page_addr(page);
	if (!dma_copy(addr, &mark, sizeof(mark), false))
		return;
	if (hmb.marks[page] && mark != hmb.marks[page]) {
		count(C_HMB_LOST);
		log_event("hmb: page %lu has lost its contents", page);
	}
	mark = ++hmb.uses;
	if (dma_copy(addr, &mark, sizeof(mark), true))
		count(C_HMB_USED);
	hmb.marks[page] = mark;
}

void hmb_poke(uint64_t *done, uint64_t *refused)
{
	uint64_t page, addr;
	uint8_t junk[4096];

	if (!hmb.nr)
		return;
	memset(junk, 0xdb, sizeof(junk));
	page = next_page();
	addr = page_addr(page);
	if (dma_try(addr, junk, sizeof(junk), true) == DMA_DONE) {
		*done += sizeof(junk);
		hmb.marks[page] = 0;
	} else {
		*refused += sizeof(junk);
	}
}

void hmb_haunt(void)
{
	uint64_t done = 0, refused = 0;

	hmb_poke(&done, &refused);
	if (done)
		count(hmb.on ? C_HMB_USED : C_HMB_STRAY);
	if (refused)
		count(C_HMB_REFUSED);
}

void hmb_reset(void)
{
	hmb.on = false;
}

static uint16_t bad(const char *why)
{
	count(C_HMB_BAD);
	log_event("hmb: %s", why);
	return SC_INVALID_FIELD | SC_DNR;
}

/* The descriptors of a command, checked. */
static const char *fetch(const struct cmd *cmd, struct seg *segs, unsigned int nr)
{
	uint64_t list = cmd->sqe.cdw13 | (uint64_t)cmd->sqe.cdw14 << 32, bytes = 0;
	unsigned int i;

	if (list % 16)
		return "the list is not aligned";
	for (i = 0; i < nr; i++) {
		struct { uint64_t addr; uint32_t size, reserved; } desc;

		if (!dma_copy(list + i * sizeof(desc), &desc, sizeof(desc), false))
			return "the list cannot be read";
		if (desc.addr % 4096 || !desc.size || desc.size < ident.hmminds)
			return "a piece is not aligned, or too small";
		if (desc.reserved)
			return "reserved bits";
		segs[i] = (struct seg){ .addr = desc.addr, .len = desc.size * 4096 };
		bytes += segs[i].len;
	}
	if (bytes != cmd->sqe.cdw12 * 4096ULL || bytes < ident.hmmin * 4096ULL)
		return "the size is wrong";
	return NULL;
}

uint16_t hmb_set(struct cmd *cmd)
{
	unsigned int nr = cmd->sqe.cdw15;
	bool back = cmd->sqe.cdw11 & HMB_RETURN;
	const char *error;
	struct seg *segs;

	if (!(cmd->sqe.cdw11 & HMB_ENABLE)) {
		hmb.on = false;
		return 0;
	}
	if (hmb.on)
		return bad("enabled twice");
	if (!ident.hmpre || !nr || nr > HMB_MAX_DESCS || (ident.hmmaxd && nr > ident.hmmaxd))
		return bad("not asked for, or too many pieces");
	segs = calloc(nr, sizeof(*segs));
	if (!segs)
		err(1, "memory");
	error = fetch(cmd, segs, nr);
	if (!error && back && (nr != hmb.nr || memcmp(segs, hmb.segs, nr * sizeof(*segs))))
		error = "other memory is returned than was given";
	if (error) {
		free(segs);
		return bad(error);
	}
	free(hmb.segs);
	hmb.segs = segs;
	hmb.nr = nr;
	hmb.bytes = cmd->sqe.cdw12 * 4096ULL;
	if (!back) {
		free(hmb.marks);
		hmb.marks = calloc(hmb.bytes / 4096, sizeof(*hmb.marks));
		if (!hmb.marks)
			err(1, "memory");
	}
	hmb.on = true;
	count(back ? C_HMB_RETURNED : C_HMB_GIVEN);
	return 0;
}

void hmb_show(FILE *out)
{
	fprintf(out, "on=%d bytes=%lu pieces=%u\n", hmb.on, hmb.on ? hmb.bytes : 0,
		hmb.on ? hmb.nr : 0);
}
