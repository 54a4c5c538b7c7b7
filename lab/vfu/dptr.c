// SPDX-License-Identifier: GPL-2.0
/*
 * Access to the guest's memory, and what the data pointer of a command means
 * (NVMe Base 2.0, 4.1): PRPs of 4 KiB pages and SGLs.
 */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "vfu.h"

#define PAGE	4096U

#define SGL_DATA	0x0
#define SGL_SEGMENT	0x2
#define SGL_LAST	0x3

struct sgl {
	uint64_t addr;
	uint32_t len;
	uint8_t reserved[3];
	uint8_t type;		/* type, subtype */
};

enum dma dma_try(uint64_t addr, void *buf, size_t len, bool to_host)
{
	if (nvme.link_off || !config_is_master())
		return DMA_NO_MASTER;
	while (len) {
		size_t part = len;
		void *host = proto_dma(addr, &part, to_host);

		if (!host)
			return DMA_UNMAPPED;
		if (to_host)
			memcpy(host, buf, part);
		else
			memcpy(buf, host, part);
		addr += part;
		buf = (char *)buf + part;
		len -= part;
	}
	return DMA_DONE;
}

bool dma_copy(uint64_t addr, void *buf, size_t len, bool to_host)
{
	enum dma result = dma_try(addr, buf, len, to_host);

	if (result == DMA_DONE)
		return true;
	count(result == DMA_NO_MASTER ? C_DMA_NO_MASTER : C_DMA_UNMAPPED);
	log_event("dma refused: %s (%#lx, %zu bytes)",
		  result == DMA_NO_MASTER ? "no bus master" : "not mapped", addr, len);
	return false;
}

static bool add_seg(struct cmd *cmd, uint64_t addr, uint32_t len)
{
	if (cmd->nr_segs == MAX_SEGS)
		return false;
	/* At 8, 16, 32 ... it is full. */
	if (cmd->nr_segs >= 8 && !(cmd->nr_segs & (cmd->nr_segs - 1))) {
		cmd->segs = realloc(cmd->segs, 2 * cmd->nr_segs * sizeof(*cmd->segs));
		if (!cmd->segs)
			err(1, "memory");
	}
	cmd->segs[cmd->nr_segs++] = (struct seg){ addr, len, proto_map_serial(addr) };
	return true;
}

static uint16_t resolve_prps(struct cmd *cmd, uint64_t len)
{
	uint64_t list[PAGE / 8], at = cmd->sqe.prp2;
	uint32_t part = PAGE - cmd->sqe.prp1 % PAGE;
	unsigned int n, i;

	if (part > len)
		part = len;
	add_seg(cmd, cmd->sqe.prp1, part);
	len -= part;
	if (len && len <= PAGE) {
		/* PRP2 is an entry, and without an offset. */
		return at % PAGE || !add_seg(cmd, at, len) ? SC_INVALID_FIELD | SC_DNR : 0;
	}
	while (len) {
		n = (PAGE - at % PAGE) / 8;
		if (at % 8)
			return SC_INVALID_FIELD | SC_DNR;
		if (!dma_copy(at, list, n * 8, false))
			return SC_DATA_XFER;
		for (i = 0; i < n && len; i++) {
			/* The last entry of a page points to the next page. */
			if (i == n - 1 && len > PAGE) {
				at = list[i];
				break;
			}
			part = len < PAGE ? len : PAGE;
			if (list[i] % PAGE || !add_seg(cmd, list[i], part))
				return SC_INVALID_FIELD | SC_DNR;
			len -= part;
		}
	}
	return 0;
}

static uint16_t resolve_sgls(struct cmd *cmd, uint64_t len)
{
	struct sgl d, list[PAGE / sizeof(d)];
	unsigned int n, i;

	memcpy(&d, &cmd->sqe.prp1, sizeof(d));
	while (len) {
		if (d.type >> 4 == SGL_DATA) {
			uint32_t part = d.len < len ? d.len : len;

			return part < len || !add_seg(cmd, d.addr, part) ? SC_DATA_XFER : 0;
		}
		if ((d.type >> 4 != SGL_SEGMENT && d.type >> 4 != SGL_LAST) || !d.len ||
		    d.len > sizeof(list) || d.len % sizeof(d))
			return SC_SGL_INVALID_TYPE | SC_DNR;
		if (!dma_copy(d.addr, list, d.len, false))
			return SC_DATA_XFER;
		n = d.len / sizeof(d);
		for (i = 0; i < n && len; i++) {
			uint32_t part = list[i].len < len ? list[i].len : len;

			if (list[i].type >> 4 != SGL_DATA)
				break;
			if (part && !add_seg(cmd, list[i].addr, part))
				return SC_DATA_XFER;
			len -= part;
		}
		if (len && i != n - 1)
			return SC_DATA_XFER;
		d = list[n - 1];
	}
	return 0;
}

uint16_t dptr_resolve(struct cmd *cmd, uint64_t len, bool to_host)
{
	if (cmd->segs)
		return cmd->dptr_status;
	cmd->segs = malloc(8 * sizeof(*cmd->segs));
	if (!cmd->segs)
		err(1, "memory");
	cmd->len = len;
	cmd->to_host = to_host;
	if (cmd->sqe.flags >> 6 && !(ident.sgls & 3))
		cmd->dptr_status = SC_INVALID_FIELD | SC_DNR;
	else if (cmd->sqe.flags >> 6)
		cmd->dptr_status = resolve_sgls(cmd, len);
	else
		cmd->dptr_status = resolve_prps(cmd, len);
	return cmd->dptr_status;
}

/* What goes to the host instead of the data. */
static void spoil(const struct cmd *cmd, uint8_t *buf, uint64_t len)
{
	uint64_t i;

	for (i = 0; i < len; i++)
		buf[i] = cmd->faults & F_ZERO ? 0 : faults_random();
}

static uint16_t copy(struct cmd *cmd, uint8_t *p, uint64_t skip, uint64_t len)
{
	uint64_t end = cmd->faults & F_SHORT ? cmd->len / 2 : cmd->len;
	unsigned int i;

	if (skip >= end)
		return 0;
	if (len > end - skip)
		len = end - skip;
	for (i = 0; i < cmd->nr_segs && len; i++) {
		struct seg s = cmd->segs[i];
		uint32_t part;

		if (skip >= s.len) {
			skip -= s.len;
			continue;
		}
		part = s.len - skip < len ? s.len - skip : len;
		if (!dma_copy(s.addr + skip, p, part, cmd->to_host))
			return SC_DATA_XFER;
		p += part;
		len -= part;
		skip = 0;
	}
	return 0;
}

uint16_t dptr_copy(struct cmd *cmd, void *buf, uint64_t skip, uint64_t len)
{
	uint16_t status;
	uint8_t *wrong;

	if (!cmd->to_host || !(cmd->faults & (F_ZERO | F_GARBAGE)))
		return copy(cmd, buf, skip, len);
	wrong = malloc(len);
	if (!wrong)
		err(1, "memory");
	spoil(cmd, wrong, len);
	status = copy(cmd, wrong, skip, len);
	free(wrong);
	return status;
}

uint16_t dptr_transfer(struct cmd *cmd, void *buf, uint64_t len, bool to_host)
{
	uint16_t status = dptr_resolve(cmd, len, to_host);

	return status ? status : dptr_copy(cmd, buf, 0, len);
}
