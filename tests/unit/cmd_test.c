// SPDX-License-Identifier: GPL-2.0
/*
 * Reads and Writes, byte by byte, and the data pointers that need no list of
 * their own (driver/pure/cmd.h), walked by the words of NVMe Base 2.0 (4.1).
 *
 * NVDIO_SEED=N repeats a run.
 */
#include "pure/cmd.h"
#include "unit.h"

#define MPS 4096ULL
#define ROUNDS 200000

static u64 le(const u8 *at, unsigned int bytes)
{
	u64 v = 0;

	while (bytes--)
		v = v << 8 | at[bytes];
	return v;
}

/* Every field of an SQE but command identifier and data pointer. */
static bool fields_are(const struct nvme_command *cmd, bool write, u32 nsid, u64 slba,
		       u64 cdw2, u64 cdw12, u64 cdw14)
{
	const u8 *sqe = (const u8 *)cmd;

	return sqe[0] == (write ? 0x01 : 0x02) && le(sqe + 4, 4) == nsid &&
	       le(sqe + 8, 8) == cdw2 && le(sqe + 16, 8) == 0 && le(sqe + 40, 8) == slba &&
	       le(sqe + 48, 8) == cdw12 && le(sqe + 56, 8) == cdw14;
}

static void fields(void)
{
	bool good = true;

	for (int i = 0; i < ROUNDS && good; i++) {
		u64 slba = rnd(&t_seed), cdw2 = rnd(&t_seed), cdw12 = rnd(&t_seed);
		u64 cdw14 = rnd(&t_seed);
		bool write = below(&t_seed, 2);
		struct nvme_command cmd;
		u32 nsid = rnd(&t_seed);

		memset(&cmd, 0xa5, sizeof(cmd));
		nvdio_cmd_rw(&cmd, write, nsid, slba, cdw2, cdw12, cdw14);
		good = fields_are(&cmd, write, nsid, slba, cdw2, cdw12, cdw14) &&
		       cmd.common.command_id == 0xa5a5;
	}
	ok(good, "a Read or Write: every field, and not the command identifier");
	ok(nvdio_rw_cdw12(1, 0) == 0 && nvdio_rw_cdw12(65536, 0) == 0xffff,
	   "the number of blocks is one more than NLB says");
	ok(nvdio_rw_cdw12(8, NVME_RW_FUA) == (1U << 30 | 7), "FUA is bit 30");
}

/* Contiguous memory: does the data pointer describe it, and nothing else? */
static bool run_is(const struct nvme_command *cmd, u64 dma, u32 len)
{
	const u8 *sqe = (const u8 *)cmd;
	u64 first = MPS - dma % MPS;

	if (sqe[1] >> 6) {
		/* PSDT 01b: the data are one Data Block descriptor, type 0. */
		return sqe[1] == 0x40 && le(sqe + 24, 8) == dma && le(sqe + 32, 4) == len &&
		       le(sqe + 36, 4) == 0;
	}
	if (sqe[1] || le(sqe + 24, 8) != dma || len > first + MPS)
		return false;
	return le(sqe + 32, 8) == (len > first ? dma + first : 0);
}

static void runs(void)
{
	unsigned int sgls = 0, pairs = 0;
	bool good = true;

	for (int i = 0; i < ROUNDS && good; i++) {
		u64 dma = (rnd(&t_seed) >> 4) & ~3ULL;
		u32 len = below(&t_seed, 4) ? 4 + 4 * below(&t_seed, 3 * MPS / 4) :
					     4 + 4 * below(&t_seed, 1 << 20);
		struct nvme_command cmd;

		memset(&cmd, 0xa5, sizeof(cmd));
		nvdio_cmd_dptr_run(&cmd, dma, len);
		good = run_is(&cmd, dma, len);
		/* PRPs where they do: every controller has them. */
		if (good && len <= 2 * MPS - dma % MPS)
			good = !cmd.common.flags;
		sgls += !!cmd.common.flags;
		pairs += !cmd.common.flags && cmd.common.dptr.prp2;
	}
	ok(good, "contiguous memory: PRPs within two pages, else one SGL descriptor");
	ok(sgls > 1000 && pairs > 1000, "both were seen (%u SGLs, %u pairs of PRPs)", sgls, pairs);
}

/* Any part of memory that has a standing list of its pages. */
static void lists(void)
{
	enum { PAGES = 32 };
	const u64 dma = 0x123456000ULL, prps_dma = 0x7ff8000ULL;
	unsigned int used = 0;
	u64 prps[PAGES];
	bool good = true;

	for (int i = 0; i < PAGES; i++)
		prps[i] = dma + i * MPS;
	for (int i = 0; i < ROUNDS && good; i++) {
		u32 offset = 4 * below(&t_seed, PAGES * MPS / 4);
		u32 len = 4 + 4 * below(&t_seed, (PAGES * MPS - offset) / 4);
		u64 at = dma + offset, left = len;
		struct nvme_command cmd;
		u64 part, prp2;

		memset(&cmd, 0xa5, sizeof(cmd));
		nvdio_cmd_dptr_prps(&cmd, dma, prps_dma, offset, len);
		good = !cmd.common.flags && le64_to_cpu(cmd.common.dptr.prp1) == at;
		prp2 = le64_to_cpu(cmd.common.dptr.prp2);
		part = MPS - at % MPS < left ? MPS - at % MPS : left;
		at += part;
		left -= part;
		if (left && left <= MPS) {
			good = good && prp2 == at;
		} else if (left) {
			/* A list, of which the controller reads as many as it needs. */
			u64 entry = (prp2 - prps_dma) / 8;

			used++;
			for (; left && good; entry++, at += MPS) {
				good = prp2 >= prps_dma && entry < PAGES && prps[entry] == at;
				left -= left < MPS ? left : MPS;
			}
		}
	}
	ok(good, "any part of memory with a list of its pages");
	ok(used > 1000, "the list was used (%u times)", used);
}

static const struct t_case cases[] = {
	{ "fields", fields },
	{ "runs", runs },
	{ "lists", lists },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
