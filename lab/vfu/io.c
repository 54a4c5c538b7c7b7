// SPDX-License-Identifier: GPL-2.0
/* I/O commands of the NVM command set, on namespaces in memory. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "vfu.h"

#define OP_FLUSH	0x00
#define OP_WRITE	0x01
#define OP_READ		0x02
#define OP_COMPARE	0x05
#define OP_ZEROES	0x08
#define OP_DSM		0x09

static uint64_t slba_of(const struct cmd *cmd)
{
	return cmd->sqe.cdw10 | (uint64_t)cmd->sqe.cdw11 << 32;
}

static uint64_t nlb_of(const struct cmd *cmd)
{
	return (cmd->sqe.cdw12 & 0xffff) + 1ULL;
}

static bool in_range(const struct ns *ns, uint64_t slba, uint64_t nlb)
{
	return slba < ns_blocks(ns) && nlb <= ns_blocks(ns) - slba;
}

static void was_written(struct ns *ns, uint64_t slba, uint64_t nlb)
{
	uint64_t i, end = (slba + nlb) << ns->lbads >> 9;

	for (i = slba << ns->lbads >> 9; i < end; i++)
		if (ns->writes[i] < UINT16_MAX)
			ns->writes[i]++;
}

static uint16_t compare(struct cmd *cmd, const uint8_t *data, uint64_t len)
{
	uint8_t *other = malloc(len);
	uint16_t status;

	if (!other)
		err(1, "memory");
	status = dptr_transfer(cmd, other, len, false);
	if (!status && memcmp(data, other, len))
		status = SC_COMPARE | SC_DNR;
	free(other);
	return status;
}

static uint16_t transfer(struct cmd *cmd, struct ns *ns)
{
	uint64_t slba = slba_of(cmd), nlb = nlb_of(cmd), len = nlb << ns->lbads;
	uint8_t *data = ns->data + (slba << ns->lbads);
	uint16_t status;

	if (ident.mdts && len > 4096ULL << ident.mdts)
		return SC_INVALID_FIELD | SC_DNR;
	if (cmd->sqe.opcode == OP_COMPARE)
		return compare(cmd, data, len);
	status = dptr_transfer(cmd, data, len, cmd->sqe.opcode == OP_READ);
	if (!status && cmd->sqe.opcode == OP_WRITE) {
		was_written(ns, slba, nlb);
		stamps_written(cmd->sqe.nsid, ns, slba, nlb, cmd->faults & F_AFTER);
	}
	return status;
}

static uint16_t deallocate(struct cmd *cmd, struct ns *ns)
{
	struct { uint32_t attributes, nlb; uint64_t slba; } range[256];
	unsigned int i, n = (cmd->sqe.cdw10 & 0xff) + 1;
	uint16_t status = dptr_transfer(cmd, range, n * sizeof(range[0]), false);

	if (status || !(cmd->sqe.cdw11 & 4))
		return status;
	for (i = 0; i < n; i++)
		if (range[i].nlb && !in_range(ns, range[i].slba, range[i].nlb))
			return SC_LBA_RANGE | SC_DNR;
	for (i = 0; i < n; i++)
		memset(ns->data + (range[i].slba << ns->lbads), 0,
		       (uint64_t)range[i].nlb << ns->lbads);
	return 0;
}

static bool changes(uint8_t opcode)
{
	return opcode == OP_WRITE || opcode == OP_ZEROES || opcode == OP_DSM;
}

static uint16_t execute(struct cmd *cmd)
{
	struct ns *ns = ns_find(cmd->sqe.nsid);
	uint8_t op = cmd->sqe.opcode;

	if (op == OP_FLUSH)
		return ns || cmd->sqe.nsid == ~0U ? 0 : SC_INVALID_NS | SC_DNR;
	if (!ns)
		return SC_INVALID_NS | SC_DNR;
	if (ns->readonly && changes(op))
		return SC_WRITE_PROTECTED;
	if (op == OP_DSM)
		return ident.oncs & 4 ? deallocate(cmd, ns) : SC_INVALID_OPCODE | SC_DNR;
	if (op != OP_READ && op != OP_WRITE && op != OP_ZEROES && op != OP_COMPARE)
		return SC_INVALID_OPCODE | SC_DNR;
	if (!in_range(ns, slba_of(cmd), nlb_of(cmd)))
		return SC_LBA_RANGE | SC_DNR;
	if (cmd->sqe.cdw12 >> 30 & 1)
		count(C_FUA);
	if (op != OP_ZEROES)
		return transfer(cmd, ns);
	if (!(ident.oncs & 8))
		return SC_INVALID_OPCODE | SC_DNR;
	memset(ns->data + (slba_of(cmd) << ns->lbads), 0, nlb_of(cmd) << ns->lbads);
	was_written(ns, slba_of(cmd), nlb_of(cmd));
	return 0;
}

void io_execute(struct cmd *cmd)
{
	cmd->status = execute(cmd);
}

uint64_t io_length(const struct cmd *cmd, bool *to_host)
{
	const struct ns *ns = ns_find(cmd->sqe.nsid);

	*to_host = cmd->sqe.opcode == OP_READ;
	if (!ns || (cmd->sqe.opcode != OP_READ && cmd->sqe.opcode != OP_WRITE))
		return 0;
	return in_range(ns, slba_of(cmd), nlb_of(cmd)) ? nlb_of(cmd) << ns->lbads : 0;
}

bool io_crc(uint32_t nsid, uint64_t slba, uint64_t nlb, uint32_t *crc)
{
	const struct ns *ns = ns_find(nsid);
	const uint8_t *p, *end;
	int bit;

	if (!ns || !in_range(ns, slba, nlb))
		return false;
	p = ns->data + (slba << ns->lbads);
	end = p + (nlb << ns->lbads);
	for (*crc = ~0U; p < end; p++) {
		*crc ^= *p;
		for (bit = 0; bit < 8; bit++)
			*crc = *crc >> 1 ^ (*crc & 1 ? 0xedb88320 : 0);
	}
	*crc = ~*crc;
	return true;
}

bool io_written(uint32_t nsid, uint64_t slba, uint64_t nlb, unsigned int *min, unsigned int *max)
{
	const struct ns *ns = ns_find(nsid);
	uint64_t i, end;

	if (!ns || !in_range(ns, slba, nlb))
		return false;
	*min = UINT16_MAX;
	*max = 0;
	end = (slba + nlb) << ns->lbads >> 9;
	for (i = slba << ns->lbads >> 9; i < end; i++) {
		if (ns->writes[i] < *min)
			*min = ns->writes[i];
		if (ns->writes[i] > *max)
			*max = ns->writes[i];
	}
	return true;
}
