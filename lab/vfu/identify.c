// SPDX-License-Identifier: GPL-2.0
/*
 * What the controller says of itself and of its namespaces: Identify and Get
 * Log Page (NVMe Base 2.0, 5.16 and 5.17), as far as the script does not differ.
 */
#include <string.h>
#include <sys/mman.h>

#include "vfu.h"

struct ident ident = {
	.mdts = 7, .vwc = 1, .oncs = 0x0d, .oacs = 0x02, .nn = MAX_NSID, .lpa = 0x02,
	.sgls = 1, .oaes = 0x100, .aerl = MAX_AERS - 1, .effects = 1, .queues = MAX_QID,
	.active_list = 1, .wctemp = 343, .cctemp = 353, .revision = 1,
};

struct health health = { .kelvin = 300, .spare = 100, .used = 3 };

struct ns namespaces[MAX_NSID + 1];
static bool changed[MAX_NSID + 1];

struct ns *ns_find(uint32_t nsid)
{
	return nsid && nsid <= MAX_NSID && namespaces[nsid].exists ? &namespaces[nsid] : NULL;
}

uint64_t ns_blocks(const struct ns *ns)
{
	return ns->bytes >> ns->lbads;
}

void ns_changed(unsigned int nsid)
{
	changed[nsid] = true;
}

bool ns_make(unsigned int nsid, uint64_t bytes, unsigned int lbads)
{
	struct ns *ns = &namespaces[nsid];

	/* The room stays as it was made, so that it can shrink and grow again. */
	if (!ns->data) {
		uint64_t room = bytes > 1ULL << 30 ? bytes : 1ULL << 30;
		int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;

		ns->data = mmap(NULL, room, PROT_READ | PROT_WRITE, flags, -1, 0);
		ns->writes = mmap(NULL, room / 512 * 2, PROT_READ | PROT_WRITE, flags, -1, 0);
		if (ns->data == MAP_FAILED || ns->writes == MAP_FAILED) {
			ns->data = NULL;
			return false;
		}
		ns->max_bytes = room;
		ns->nguid = 0x6e7664696f000000ULL + nsid;
	}
	if (bytes > ns->max_bytes)
		return false;
	ns->bytes = bytes;
	ns->lbads = lbads;
	ns->exists = true;
	return true;
}

void identify_init(void)
{
	ns_make(1, 256ULL << 20, 9);
}

static void put16(uint8_t *p, uint16_t value) { memcpy(p, &value, 2); }
static void put32(uint8_t *p, uint32_t value) { memcpy(p, &value, 4); }
static void put64(uint8_t *p, uint64_t value) { memcpy(p, &value, 8); }

static void text(uint8_t *p, size_t len, const char *value)
{
	memset(p, ' ', len);
	memcpy(p, value, strlen(value));
}

/* Centiwatts, non-operational, and microseconds; the last exit is a slow one. */
static const struct {
	uint16_t power;
	bool idle;
	uint32_t entry, exit;
} power_states[] = {
	{ 800, false, 0, 0 }, { 400, false, 0, 0 }, { 200, false, 0, 0 },
	{ 50, true, 4000, 6000 }, { 5, true, 10000, 40000 }, { 3, true, 50000, 200000 },
};

static void identify_ctrl(uint8_t *id)
{
	char serial[21], revision[16];
	unsigned int i;

	snprintf(serial, sizeof(serial), "vfu%u", ident.serial);
	text(id + 4, 20, serial);
	text(id + 24, 40, "nvdio test controller");
	snprintf(revision, sizeof(revision), "%u.0", ident.revision % 1000);
	text(id + 64, 8, revision);
	id[77] = ident.mdts;
	put16(id + 78, 1);
	put32(id + 80, nvme.regs.vs);
	put32(id + 88, ident.rtd3e);
	put32(id + 92, ident.oaes);
	put16(id + 128, ident.crdt[0]);
	put16(id + 130, ident.crdt[1]);
	put16(id + 132, ident.crdt[2]);
	put16(id + 256, ident.oacs);
	id[258] = 3;
	id[259] = ident.aerl;
	id[260] = 3;
	id[261] = ident.lpa;
	id[263] = ident.npss;
	id[265] = ident.apsta;
	put16(id + 266, ident.wctemp);
	put16(id + 268, ident.cctemp);
	put16(id + 270, ident.mtfa);
	put32(id + 272, ident.hmpre);
	put32(id + 276, ident.hmmin);
	put32(id + 332, ident.hmminds);
	put16(id + 336, ident.hmmaxd);
	id[512] = 0x66;
	id[513] = 0x44;
	put32(id + 516, ident.nn);
	put16(id + 520, ident.oncs);
	id[525] = ident.vwc;
	put16(id + 526, ident.awun);
	put16(id + 528, ident.awupf);
	put32(id + 536, ident.sgls);
	for (i = 0; i < ARRAY_SIZE(power_states); i++) {
		uint8_t *psd = id + 2048 + 32 * i;

		put16(psd, power_states[i].power);
		psd[3] = power_states[i].idle << 1;
		put32(psd + 4, power_states[i].entry);
		put32(psd + 8, power_states[i].exit);
	}
}

static void identify_ns(uint8_t *id, const struct ns *ns)
{
	bool standard = !ns->ms && (ns->lbads == 9 || ns->lbads == 12);

	uint64_t blocks = ns->nsze ? ns->nsze : ns_blocks(ns);

	put64(id, blocks);
	put64(id + 8, blocks);
	put64(id + 16, blocks);
	/* NSFEAT bit 1: the fields from NAWUN to NABSPF count. */
	id[24] = ns->nawun || ns->nawupf || ns->nabsn || ns->nabspf || ns->nabo ? 2 : 0;
	/* Formats: 512 bytes, 4096 bytes, and what the script has set. */
	id[25] = standard ? 1 : 2;
	id[26] = standard ? ns->lbads == 12 : 2;
	id[27] = ns->ms ? 3 : 0;
	id[28] = ns->dps ? 0x1f : 0;
	id[29] = ns->dps;
	put16(id + 34, ns->nawun);
	put16(id + 36, ns->nawupf);
	put16(id + 40, ns->nabsn);
	put16(id + 42, ns->nabo);
	put16(id + 44, ns->nabspf);
	id[99] = ns->readonly;
	put64(id + 104, ns->nguid);
	put64(id + 112, ns->nguid);
	put32(id + 128, 9 << 16);
	put32(id + 132, 12 << 16);
	if (!standard)
		put32(id + 136, ns->lbads << 16 | ns->ms);
}

static void identify_list(uint8_t *id, uint32_t after)
{
	uint32_t nsid;

	for (nsid = 1; nsid <= MAX_NSID; nsid++) {
		if (nsid > after && namespaces[nsid].exists) {
			put32(id, nsid);
			id += 4;
		}
	}
}

uint16_t identify(struct cmd *cmd)
{
	uint8_t id[4096] = {};
	const struct ns *ns = ns_find(cmd->sqe.nsid);

	switch (cmd->sqe.cdw10 & 0xff) {
	case 0x00:
		if (!cmd->sqe.nsid || cmd->sqe.nsid > ident.nn)
			return SC_INVALID_NS | SC_DNR;
		if (ns)
			identify_ns(id, ns);
		break;
	case 0x01:
		identify_ctrl(id);
		break;
	case 0x02:
		if (!ident.active_list)
			return SC_INVALID_FIELD | SC_DNR;
		identify_list(id, cmd->sqe.nsid);
		break;
	case 0x03:
		if (!ns)
			return SC_INVALID_NS | SC_DNR;
		id[0] = 2;
		id[1] = 16;
		put64(id + 4, ns->nguid);
		put64(id + 12, ns->nguid);
		break;
	case 0x06:
		if (!ident.cns6)
			return SC_INVALID_FIELD | SC_DNR;
		id[1] = ident.wzsl;
		put32(id + 4, ident.dmrsl);
		break;
	default:
		return SC_INVALID_FIELD | SC_DNR;
	}
	return dptr_transfer(cmd, id, sizeof(id), true);
}

/* Commands Supported and Effects: Admin, then I/O commands. */
static void effects(uint8_t *log)
{
	static const uint8_t admin[] = { 0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09, 0x0a,
					 0x0c };
	static const uint8_t io[] = { 0x00, 0x02, 0x05 };
	static const uint8_t io_changes[] = { 0x01, 0x08, 0x09 };
	unsigned int i;

	if (ident.effects >= 2) {
		memset(log, 0xff, 4096);
		/* Bits 15:14: what must not run at the same time need not be waited for. */
		for (i = 0; i < 4096 && ident.effects == 3; i += 4)
			log[i + 1] &= 0x3f;
		return;
	}
	for (i = 0; i < sizeof(admin); i++)
		put32(log + 4 * admin[i], 1);
	put32(log + 4 * 0x80, 0x7);
	for (i = 0; i < sizeof(io); i++)
		put32(log + 1024 + 4 * io[i], 1);
	for (i = 0; i < sizeof(io_changes); i++)
		put32(log + 1024 + 4 * io_changes[i], 3);
}

static void smart_log(uint8_t *log)
{
	log[0] = health.warning;
	put16(log + 1, health.kelvin);
	log[3] = health.spare;
	log[4] = 10;
	log[5] = health.used;
	put64(log + 128, 1234);
	put64(log + 160, health.media_errors);
	put16(log + 200, health.sensor1);
	put16(log + 204, health.sensor3);
}

/* The newest error: a read of LBA 4711 that the medium did not give. */
static void error_log(uint8_t *log)
{
	if (!health.errors)
		return;
	put64(log, health.errors);
	put16(log + 8, 1);
	put16(log + 10, 0x1234);
	put16(log + 12, 0x281 << 1);
	put64(log + 16, 4711);
	put32(log + 24, 1);
}

uint16_t get_log(struct cmd *cmd)
{
	uint64_t len = ((cmd->sqe.cdw10 >> 16 | (uint64_t)(cmd->sqe.cdw11 & 0xffff) << 16) + 1) * 4;
	uint8_t log[4096] = {};
	unsigned int nsid, n = 0;

	switch (cmd->sqe.cdw10 & 0xff) {
	case 0x01:
		error_log(log);
		break;
	case 0x02:
		smart_log(log);
		break;
	case 0x03:
		break;
	case 0x04:
		for (nsid = 1; nsid <= MAX_NSID; nsid++) {
			if (changed[nsid])
				put32(log + 4 * n++, nsid);
			changed[nsid] = false;
		}
		break;
	case 0x05:
		if (!ident.effects)
			return SC_INVALID_LOG | SC_DNR;
		effects(log);
		break;
	default:
		return SC_INVALID_LOG | SC_DNR;
	}
	return dptr_transfer(cmd, log, len < sizeof(log) ? len : sizeof(log), true);
}
