// SPDX-License-Identifier: GPL-2.0
/*
 * The passthrough filter against a table written from the specifications and from the
 * rules in docs/commands.md, and random commands against properties that must hold for
 * all of them.
 */
#include <string.h>

#include "pure/filter.h"
#include "unit.h"

#define CSUPP NVME_CMD_EFFECTS_CSUPP
#define LBCC NVME_CMD_EFFECTS_LBCC
#define NCC NVME_CMD_EFFECTS_NCC
#define NIC NVME_CMD_EFFECTS_NIC
#define CSE 0x10000
#define PLAIN CSUPP
#define NO_LOG 0xffffffff	/* the controller has no effects log */

enum { IO, ADM };
enum {
	ALL = NVDIO_FILTER_ALL,
	ROOT = NVDIO_FILTER_ADMIN,
	NEVER = NVDIO_FILTER_REFUSED,
	RO = NVDIO_FILTER_READ_ONLY,
	BAD = NVDIO_FILTER_INVALID,
};

enum { NONE, TO, FROM, BOTH };
enum { RANGE = NVDIO_FILTER_CHANGES_RANGE, ANY = NVDIO_FILTER_CHANGES_ANY };

/* Other results are not checked when the verdict is BAD or NEVER. */
static const struct row {
	const char *text;
	u8 set, op;
	u32 cdw[6];
	u64 len;
	u32 effects;
	bool ro;
	bool protected;		/* the namespace, not the node */
	u8 flags;
	u32 md;
	u32 nsid;		/* 0: the right one */
	u8 verdict, dir;
	u64 bytes;
	bool exact;
	u8 changes;
	u64 slba;
	u32 nlb;
	bool freeze, rescan;
} rows[] = {
	/* Permissions of reads and writes. */
	{ "read", IO, 2, { 8, 1, 7 }, 4096, PLAIN, .verdict = ALL, .dir = FROM, .bytes = 4096,
	  .exact = true },
	{ "read, one block", IO, 2, { 0 }, 512, PLAIN, .verdict = ALL, .dir = FROM,
	  .bytes = 512, .exact = true },
	{ "read, 65536 blocks", IO, 2, { 0, 0, 0xffff }, 65536 * 512, PLAIN, .verdict = ALL,
	  .dir = FROM, .bytes = 65536 * 512, .exact = true },
	{ "read, one byte short", IO, 2, { 0, 0, 7 }, 4095, PLAIN, .verdict = BAD },
	{ "read, no memory", IO, 2, { 0, 0, 7 }, 0, PLAIN, .verdict = BAD },
	{ "read, 65536 blocks, one byte short", IO, 2, { 0, 0, 0xffff }, 65536 * 512 - 1,
	  PLAIN, .verdict = BAD },
	{ "read, more memory", IO, 2, { 0, 0, 7 }, 1 << 20, PLAIN, .verdict = ALL, .dir = FROM,
	  .bytes = 4096, .exact = true },
	{ "read, bits above NLB", IO, 2, { 0, 0, 0xffff0007 }, 4096, PLAIN, .verdict = ALL,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "read, read-only node", IO, 2, { 0, 0, 7 }, 4096, PLAIN, true, .verdict = ALL,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "read, no effects log", IO, 2, { 0, 0, 7 }, 4096, NO_LOG, .verdict = ROOT,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "read, not supported", IO, 2, { 0, 0, 7 }, 4096, 0, .verdict = ROOT, .dir = FROM,
	  .bytes = 4096, .exact = true },
	{ "read, changes namespaces", IO, 2, { 0, 0, 7 }, 4096, CSUPP | NCC, .verdict = ROOT,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "read, needs exclusive execution", IO, 2, { 0, 0, 7 }, 4096, CSUPP | CSE,
	  .verdict = ROOT, .dir = FROM, .bytes = 4096, .exact = true },
	{ "read that changes blocks, read-only node", IO, 2, { 0, 0, 7 }, 4096, CSUPP | LBCC,
	  true, .verdict = ROOT, .dir = FROM, .bytes = 4096, .exact = true },
	{ "write", IO, 1, { 0xfffffff0, 0x12, 7 }, 4096, CSUPP | LBCC, .verdict = ALL,
	  .dir = TO, .bytes = 4096, .exact = true, .changes = RANGE, .slba = 0x12fffffff0,
	  .nlb = 8 },
	{ "write, read-only node", IO, 1, { 0, 0, 7 }, 4096, CSUPP | LBCC, true,
	  .verdict = ROOT, .dir = TO, .bytes = 4096, .exact = true, .changes = RANGE, .nlb = 8 },
	{ "write, 65536 blocks", IO, 1, { 0, 0, 0xffff }, 65536 * 512, CSUPP | LBCC,
	  .verdict = ALL, .dir = TO, .bytes = 65536 * 512, .exact = true, .changes = RANGE,
	  .nlb = 65536 },
	{ "write, short", IO, 1, { 0, 0, 7 }, 2048, CSUPP | LBCC, .verdict = BAD },
	/* Fields that belong to the driver, and data that no namespace has. */
	{ "read, fused", IO, 2, { 0, 0, 7 }, 4096, PLAIN, .flags = 1, .verdict = BAD },
	{ "read, SGL", IO, 2, { 0, 0, 7 }, 4096, PLAIN, .flags = 0x40, .verdict = BAD },
	{ "read, metadata", IO, 2, { 0, 0, 7 }, 4096, PLAIN, .md = 8, .verdict = BAD },
	{ "read, another namespace", IO, 2, { 0, 0, 7 }, 4096, PLAIN, .nsid = 2, .verdict = BAD },
	{ "read, all namespaces", IO, 2, { 0, 0, 7 }, 4096, PLAIN, .nsid = 0xffffffff,
	  .verdict = BAD },
	{ "D: both directions", IO, 0x13, { 0 }, 4096, PLAIN, .verdict = ROOT, .dir = BOTH,
	  .bytes = 4096, .changes = ANY },
	{ "D: both directions, admin", ADM, 0x13, { 0 }, 4096, PLAIN, .verdict = ROOT,
	  .dir = BOTH, .bytes = 4096 },
	{ "D: vendor specific, both directions", ADM, 0xc3, { 0 }, 4096, PLAIN,
	  .verdict = ROOT, .dir = BOTH, .bytes = 4096 },
	{ "D: vendor specific, opcode of a write", ADM, 0xd1, { 0 }, 4096, PLAIN,
	  .verdict = ROOT, .dir = BOTH, .bytes = 4096 },
	{ "D: vendor specific, opcode without data", ADM, 0xd0, { 0 }, 4096, PLAIN,
	  .verdict = ROOT, .dir = BOTH, .bytes = 4096 },
	{ "D: vendor specific I/O, opcode of a write", IO, 0xc1, { 0 }, 512, PLAIN,
	  .verdict = ROOT, .dir = BOTH, .bytes = 512, .changes = ANY },
	{ "identify, SGL", ADM, 6, { 1 }, 4096, PLAIN, .flags = 0x40, .verdict = BAD },
	{ "identify, metadata", ADM, 6, { 1 }, 4096, PLAIN, .md = 4, .verdict = BAD },
	/* Other I/O commands. */
	{ "flush", IO, 0, { 0 }, 0, PLAIN, true, .verdict = ALL, .exact = true },
	{ "flush with data", IO, 0, { 0 }, 4096, PLAIN, .verdict = ALL, .exact = true },
	{ "write uncorrectable", IO, 4, { 5, 0, 1 }, 0, CSUPP | LBCC, .verdict = ALL,
	  .exact = true, .changes = RANGE, .slba = 5, .nlb = 2 },
	{ "write uncorrectable, read-only node", IO, 4, { 5 }, 0, CSUPP, true, .verdict = ROOT,
	  .exact = true, .changes = RANGE, .slba = 5, .nlb = 1 },
	{ "compare", IO, 5, { 0, 0, 1 }, 1024, PLAIN, .verdict = ALL, .dir = TO, .bytes = 1024,
	  .exact = true },
	{ "compare, read-only node", IO, 5, { 0, 0, 1 }, 1024, PLAIN, true, .verdict = ROOT,
	  .dir = TO, .bytes = 1024, .exact = true },
	{ "compare, short", IO, 5, { 0, 0, 2 }, 1024, PLAIN, .verdict = BAD },
	{ "write zeroes", IO, 8, { 3, 0, 9 }, 0, CSUPP | LBCC, .verdict = ALL, .exact = true,
	  .changes = RANGE, .slba = 3, .nlb = 10 },
	{ "write zeroes, read-only node", IO, 8, { 3, 0, 9 }, 0, CSUPP, true, .verdict = ROOT,
	  .exact = true, .changes = RANGE, .slba = 3, .nlb = 10 },
	{ "dsm, 1 range", IO, 9, { 0, 4 }, 16, CSUPP | LBCC, .verdict = ALL, .dir = TO,
	  .bytes = 16, .exact = true, .changes = ANY },
	{ "dsm, 256 ranges", IO, 9, { 255, 4 }, 4096, CSUPP | LBCC, .verdict = ALL, .dir = TO,
	  .bytes = 4096, .exact = true, .changes = ANY },
	{ "dsm, bits above NR", IO, 9, { 0x100, 4 }, 16, CSUPP | LBCC, .verdict = ALL,
	  .dir = TO, .bytes = 16, .exact = true, .changes = ANY },
	{ "dsm, short", IO, 9, { 1, 4 }, 31, CSUPP | LBCC, .verdict = BAD },
	{ "verify", IO, 0xc, { 0, 0, 7 }, 0, PLAIN, true, .verdict = ALL, .exact = true },
	{ "reservation register", IO, 0xd, { 0 }, 16, PLAIN, .verdict = ALL, .dir = TO,
	  .bytes = 16, .exact = true },
	{ "reservation register, short", IO, 0xd, { 0 }, 15, PLAIN, .verdict = BAD },
	{ "reservation report", IO, 0xe, { 15 }, 64, PLAIN, .verdict = ALL, .dir = FROM,
	  .bytes = 64, .exact = true },
	{ "reservation report, short", IO, 0xe, { 16 }, 64, PLAIN, .verdict = BAD },
	{ "reservation report of 16 GiB", IO, 0xe, { 0xffffffff }, 64, PLAIN, .verdict = BAD },
	{ "reservation acquire", IO, 0x11, { 0 }, 16, PLAIN, .verdict = ALL, .dir = TO,
	  .bytes = 16, .exact = true },
	{ "reservation release", IO, 0x15, { 0 }, 8, PLAIN, .verdict = ALL, .dir = TO,
	  .bytes = 8, .exact = true },
	{ "copy, format 0", IO, 0x19, { 0, 0, 1 }, 64, CSUPP | LBCC, .verdict = ALL, .dir = TO,
	  .bytes = 64, .exact = true, .changes = ANY },
	{ "copy, format 1", IO, 0x19, { 0, 0, 0x101 }, 80, CSUPP | LBCC, .verdict = ALL,
	  .dir = TO, .bytes = 80, .exact = true, .changes = ANY },
	{ "copy, format 1, short", IO, 0x19, { 0, 0, 0x101 }, 79, CSUPP | LBCC, .verdict = BAD },
	{ "copy, format 2 (other namespaces)", IO, 0x19, { 0, 0, 0x201 }, 80, CSUPP | LBCC,
	  .verdict = ROOT, .dir = TO, .bytes = 80, .changes = ANY },
	{ "D: I/O management receive", IO, 0x12, { 1, 127 }, 512, PLAIN, true, .verdict = ALL,
	  .dir = FROM, .bytes = 512, .exact = true },
	{ "D: I/O management receive, short", IO, 0x12, { 1, 128 }, 512, PLAIN, .verdict = BAD },
	{ "D: I/O management receive, not in the log", IO, 0x12, { 1, 127 }, 512, 0,
	  .verdict = ROOT, .dir = FROM, .bytes = 512, .exact = true },
	{ "D: I/O management send, nothing", IO, 0x1d, { 0 }, 0, PLAIN, .verdict = ALL,
	  .exact = true },
	{ "D: I/O management send, two identifiers", IO, 0x1d, { 0x10001 }, 4, PLAIN,
	  .verdict = ALL, .dir = TO, .bytes = 4, .exact = true },
	{ "D: I/O management send, short", IO, 0x1d, { 0x20001 }, 4, PLAIN, .verdict = BAD },
	{ "D: I/O management send, read-only node", IO, 0x1d, { 0x10001 }, 4, PLAIN, true,
	  .verdict = ROOT, .dir = TO, .bytes = 4, .exact = true },
	{ "D: I/O management send, another operation", IO, 0x1d, { 2 }, 4, PLAIN,
	  .verdict = ROOT, .dir = TO, .bytes = 4 },
	{ "A10: cancel", IO, 0x18, { 0xffff }, 0, PLAIN, .verdict = ROOT, .exact = true },
	{ "A10: cancel of all", IO, 0x18, { 0x1ffff }, 0, PLAIN, .verdict = ROOT, .exact = true },
	{ "unknown, from the controller", IO, 0x16, { 0 }, 512, PLAIN, .verdict = ROOT,
	  .dir = FROM, .bytes = 512, .changes = ANY },
	/* A read-only namespace. */
	{ "BLKROSET: read", IO, 2, { 0, 0, 7 }, 4096, PLAIN, .protected = true, .verdict = ALL,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "BLKROSET: write", IO, 1, { 0, 0, 7 }, 4096, CSUPP | LBCC, .protected = true,
	  .verdict = RO },
	{ "BLKROSET: write, no effects log", IO, 1, { 0, 0, 7 }, 4096, NO_LOG,
	  .protected = true, .verdict = RO },
	{ "BLKROSET: write that does not fit", IO, 1, { 0, 0, 7 }, 4095, CSUPP | LBCC,
	  .protected = true, .verdict = BAD },
	{ "BLKROSET: write uncorrectable", IO, 4, { 0 }, 0, CSUPP, .protected = true,
	  .verdict = RO },
	{ "BLKROSET: write zeroes", IO, 8, { 0 }, 0, CSUPP, .protected = true, .verdict = RO },
	{ "BLKROSET: dataset management", IO, 9, { 0, 4 }, 16, CSUPP, .protected = true,
	  .verdict = RO },
	{ "BLKROSET: copy", IO, 0x19, { 0, 0, 1 }, 64, CSUPP, .protected = true, .verdict = RO },
	{ "BLKROSET: compare", IO, 5, { 0, 0, 1 }, 1024, PLAIN, .protected = true,
	  .verdict = ALL, .dir = TO, .bytes = 1024, .exact = true },
	{ "BLKROSET: flush", IO, 0, { 0 }, 0, PLAIN, .protected = true, .verdict = ALL,
	  .exact = true },
	{ "BLKROSET: flush, which the log says changes blocks", IO, 0, { 0 }, 0, CSUPP | LBCC,
	  .protected = true, .verdict = ALL, .exact = true },
	{ "BLKROSET: unknown, no data", IO, 0x10, { 0 }, 0, PLAIN, .protected = true,
	  .verdict = RO },
	{ "BLKROSET: vendor specific", IO, 0x81, { 0 }, 512, PLAIN, .protected = true,
	  .verdict = RO },
	{ "unknown, no data", IO, 0x10, { 0 }, 0, PLAIN, .verdict = ALL, .exact = true,
	  .changes = ANY },
	{ "unknown, no data, read-only node", IO, 0x10, { 0 }, 0, PLAIN, true, .verdict = ROOT,
	  .exact = true, .changes = ANY },
	{ "vendor specific, no data", IO, 0x80, { 0 }, 0, PLAIN, .verdict = ROOT,
	  .exact = true, .changes = ANY },
	{ "vendor specific, from the controller", IO, 0x82, { 0 }, 4096, PLAIN,
	  .verdict = ROOT, .dir = FROM, .bytes = 4096, .changes = ANY },
	/* Refused to all callers. */
	{ "delete I/O SQ", ADM, 0, { 1 }, 0, PLAIN, .verdict = NEVER },
	{ "create I/O SQ", ADM, 1, { 1 }, 0, PLAIN, .verdict = NEVER },
	{ "delete I/O CQ", ADM, 4, { 1 }, 0, PLAIN, .verdict = NEVER },
	{ "create I/O CQ", ADM, 5, { 1 }, 0, PLAIN, .verdict = NEVER },
	{ "abort", ADM, 8, { 1 }, 0, PLAIN, .verdict = NEVER },
	{ "asynchronous event request", ADM, 0xc, { 0 }, 0, PLAIN, .verdict = NEVER },
	{ "doorbell buffer config", ADM, 0x7c, { 0 }, 0, PLAIN, .verdict = NEVER },
	{ "A9: controller data queue", ADM, 0x45, { 0 }, 4096, PLAIN, .verdict = NEVER },
	{ "A9: controller data queue, deletion", ADM, 0x45, { 1 }, 0, PLAIN, .verdict = NEVER },
	{ "fabrics", ADM, 0x7f, { 0 }, 0, PLAIN, .verdict = NEVER },
	{ "set features: queues", ADM, 9, { 7 }, 0, PLAIN, .verdict = NEVER },
	{ "set features: queues, saved", ADM, 9, { 0x80000007 }, 0, PLAIN, .verdict = NEVER },
	{ "set features: APST", ADM, 9, { 0xc }, 256, PLAIN, .verdict = NEVER },
	{ "set features: host memory buffer", ADM, 9, { 0xd }, 0, PLAIN, .verdict = NEVER },
	{ "set features: keep alive", ADM, 9, { 0xf }, 0, PLAIN, .verdict = NEVER },
	{ "set features: host behavior", ADM, 9, { 0x16 }, 512, PLAIN, .verdict = NEVER },
	/* Admin commands. */
	{ "set features: temperature", ADM, 9, { 4 }, 0, PLAIN, .verdict = ROOT, .dir = TO },
	{ "get features: queues", ADM, 0xa, { 7 }, 0, PLAIN, .verdict = ROOT, .dir = FROM },
	{ "get features: timestamp", ADM, 0xa, { 0xe }, 8, PLAIN, .verdict = ROOT, .dir = FROM,
	  .bytes = 8 },
	{ "A7: get features: timestamp into 5000", ADM, 0xa, { 0xe }, 5000, PLAIN,
	  .verdict = ROOT, .dir = FROM, .bytes = 4096 },
	{ "A7: set features: timestamp from 4100", ADM, 9, { 0xe }, 4100, PLAIN,
	  .verdict = ROOT, .dir = TO, .bytes = 4096 },
	{ "A7: get features: vendor specific, into 5000", ADM, 0xa, { 0xc0 }, 5000, PLAIN,
	  .verdict = ROOT, .dir = FROM, .bytes = 5000 },
	{ "A7: set features: vendor specific, from 4096", ADM, 9, { 0xc0 }, 4096, PLAIN,
	  .verdict = ROOT, .dir = TO, .bytes = 4096 },
	{ "A7: set features: vendor specific, from 4097", ADM, 9, { 0xc0 }, 4097, PLAIN,
	  .verdict = BAD },
	{ "A7: set features: vendor specific, from 4100", ADM, 9, { 0xc0 }, 4100, PLAIN,
	  .verdict = BAD },
	{ "A7: set features: vendor specific, from 4101", ADM, 9, { 0xc0 }, 4101, PLAIN,
	  .verdict = ROOT, .dir = TO, .bytes = 4101 },
	{ "A7: get features: vendor specific, into 4100", ADM, 0xa, { 0xc0 }, 4100, PLAIN,
	  .verdict = ROOT, .dir = FROM, .bytes = 4100 },
	{ "identify namespace", ADM, 6, { 0 }, 4096, PLAIN, .verdict = ALL, .dir = FROM,
	  .bytes = 4096, .exact = true },
	{ "identify controller", ADM, 6, { 1 }, 4096, 0, true, .verdict = ALL, .dir = FROM,
	  .bytes = 4096, .exact = true },
	{ "identify namespace, by command set", ADM, 6, { 5 }, 4096, PLAIN, .verdict = ALL,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "identify controller, by command set", ADM, 6, { 6 }, 4096, PLAIN, .verdict = ALL,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "identify namespace, independent", ADM, 6, { 8 }, 4096, PLAIN, .verdict = ALL,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "identify, list of namespaces", ADM, 6, { 2 }, 4096, PLAIN, .verdict = ROOT,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "identify, CNTID above CNS", ADM, 6, { 0xffff0012 }, 4096, PLAIN, .verdict = ROOT,
	  .dir = FROM, .bytes = 4096, .exact = true },
	{ "identify, short", ADM, 6, { 1 }, 4095, PLAIN, .verdict = BAD },
	{ "log page", ADM, 2, { 127 << 16 | 2 }, 512, PLAIN, .verdict = ROOT, .dir = FROM,
	  .bytes = 512, .exact = true },
	{ "log page, short", ADM, 2, { 128 << 16 | 2 }, 512, PLAIN, .verdict = BAD },
	{ "log page, NUMDU", ADM, 2, { 2, 1 }, 0x40004, PLAIN, .verdict = ROOT, .dir = FROM,
	  .bytes = 0x40004, .exact = true },
	{ "log page, NUMDU, short", ADM, 2, { 2, 1 }, 0x40000, PLAIN, .verdict = BAD },
	{ "log page of 16 GiB", ADM, 2, { 0xffff0002, 0xffff }, 4096, PLAIN, .verdict = BAD },
	{ "create a namespace", ADM, 0xd, { 0 }, 4096, PLAIN, .verdict = ROOT, .dir = TO,
	  .bytes = 4096, .exact = true, .freeze = true, .rescan = true },
	{ "create a namespace, short", ADM, 0xd, { 0 }, 4092, PLAIN, .verdict = BAD },
	{ "delete a namespace", ADM, 0xd, { 1 }, 0, PLAIN, .verdict = ROOT, .exact = true,
	  .freeze = true, .rescan = true },
	{ "attach a namespace", ADM, 0x15, { 0 }, 4096, PLAIN, .verdict = ROOT, .dir = TO,
	  .bytes = 4096, .exact = true, .freeze = true, .rescan = true },
	{ "format", ADM, 0x80, { 0 }, 0, 0, .verdict = ROOT, .exact = true, .freeze = true,
	  .rescan = true },
	{ "sanitize", ADM, 0x84, { 0 }, 0, 0, .verdict = ROOT, .exact = true, .freeze = true },
	{ "firmware commit", ADM, 0x10, { 0 }, 0, PLAIN, .verdict = ROOT, .exact = true },
	{ "firmware download", ADM, 0x11, { 255 }, 1024, PLAIN, .verdict = ROOT, .dir = TO,
	  .bytes = 1024, .exact = true },
	{ "firmware download, short", ADM, 0x11, { 256 }, 1024, PLAIN, .verdict = BAD },
	{ "self-test", ADM, 0x14, { 1 }, 0, PLAIN, .verdict = ROOT, .exact = true },
	{ "security send", ADM, 0x81, { 0, 100 }, 100, PLAIN, .verdict = ROOT, .dir = TO,
	  .bytes = 100, .exact = true },
	{ "security receive, short", ADM, 0x82, { 0, 101 }, 100, PLAIN, .verdict = BAD },
	{ "security receive, nothing", ADM, 0x82, { 0 }, 0, PLAIN, .verdict = ROOT,
	  .exact = true },
	{ "directive send", ADM, 0x19, { 3 }, 16, PLAIN, .verdict = ROOT, .dir = TO,
	  .bytes = 16, .exact = true },
	{ "directive receive", ADM, 0x1a, { 3 }, 16, PLAIN, .verdict = ROOT, .dir = FROM,
	  .bytes = 16, .exact = true },
	{ "D: directive send, no data", ADM, 0x19, { 0 }, 0, PLAIN, .verdict = ROOT, .dir = TO },
	{ "D: directive receive, no data", ADM, 0x1a, { 0 }, 0, PLAIN, .verdict = ROOT,
	  .dir = FROM },
	{ "D: directive receive, short", ADM, 0x1a, { 4 }, 16, PLAIN, .verdict = BAD },
	{ "firmware download, no data", ADM, 0x11, { 0 }, 0, PLAIN, .verdict = BAD },
	{ "D: security receive of a drive that requires exclusive execution", ADM, 0x82,
	  { 0, 100 }, 100, CSUPP | CSE, .verdict = ROOT, .dir = FROM, .bytes = 100,
	  .exact = true },
	{ "security send, needs exclusive execution", ADM, 0x81, { 0, 100 }, 100, CSUPP | CSE,
	  .verdict = ROOT, .dir = TO, .bytes = 100, .exact = true, .freeze = true },
	{ "D: security send, restriction relaxed", ADM, 0x81, { 0, 100 }, 100,
	  CSUPP | CSE | 1 << 14, .verdict = ROOT, .dir = TO, .bytes = 100, .exact = true },
	{ "format, restriction relaxed", ADM, 0x80, { 0 }, 0, CSUPP | CSE | 1 << 14,
	  .verdict = ROOT, .exact = true, .freeze = true, .rescan = true },
	{ "vendor specific admin", ADM, 0xc2, { 0 }, 64, PLAIN, .verdict = ROOT, .dir = BOTH,
	  .bytes = 64 },
	{ "vendor specific admin, needs exclusive execution", ADM, 0xc0, { 0 }, 0, CSUPP | CSE,
	  .verdict = ROOT, .dir = BOTH, .freeze = true },
	{ "vendor specific admin, changes namespaces", ADM, 0xc0, { 0 }, 0, CSUPP | NIC,
	  .verdict = ROOT, .dir = BOTH, .rescan = true },
	{ "vendor specific admin, changes a namespace", ADM, 0xc0, { 0 }, 0, CSUPP | NCC,
	  .verdict = ROOT, .dir = BOTH, .rescan = true },
};

static __le32 effects[NVDIO_FILTER_OPCODES];

/* A command and how it is sent. */
struct sent {
	struct nvdio_filter_cmd cmd;
	u8 set, lba_shift;
	bool log;		/* there is an effects log */
	bool writable;		/* the node is */
	bool protected;		/* the namespace is */
};

static u8 judge(const struct sent *s, struct nvdio_filter *out)
{
	struct nvdio_filter_env env = {
		.effects = s->log ? effects : NULL,
		.nsid = s->set == IO ? 1 : 0,
		.lba_shift = s->lba_shift,
		.writable = s->writable,
		.read_only = s->protected,
	};

	return s->set == IO ? nvdio_filter_io(&s->cmd, &env, out)
			    : nvdio_filter_admin(&s->cmd, &env, out);
}

static bool as_in_row(const struct row *r, const struct nvdio_filter *f)
{
	return f->dir == r->dir && f->bytes == r->bytes && f->exact == r->exact &&
	       f->changes == r->changes && f->freeze == r->freeze && f->rescan == r->rescan &&
	       (f->changes != RANGE || (f->slba == r->slba && f->nlb == r->nlb));
}

static void one_row(const struct row *r)
{
	struct sent s = {
		.cmd = {
			.opcode = r->op, .flags = r->flags, .nsid = r->nsid ?: 1,
			.data_len = r->len, .metadata_len = r->md,
		},
		.set = r->set, .lba_shift = 9, .log = r->effects != NO_LOG,
		.writable = !r->ro, .protected = r->protected,
	};
	struct nvdio_filter f;
	bool good;
	u8 v;

	memcpy(s.cmd.cdw, r->cdw, sizeof(s.cmd.cdw));
	memset(&f, 0xa5, sizeof(f));
	/* Only this opcode's entry may count. */
	memset(effects, r->effects ? 0 : 0xff, sizeof(effects));
	effects[r->op] = htole32(r->effects);
	v = judge(&s, &f);
	good = v == r->verdict;
	if (good && (v == ALL || v == ROOT))
		good = as_in_row(r, &f);
	if (ok(good, "%s: %s", r->set == IO ? "I/O" : "admin", r->text))
		return;
	note("  verdict %u dir %u bytes %" PRIu64 " exact %d changes %u slba %" PRIx64 " nlb %u",
	     v, f.dir, f.bytes, f.exact, f.changes, f.slba, f.nlb);
	note("  freeze %d rescan %d", f.freeze, f.rescan);
}

static void table(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		one_row(&rows[i]);
}

/* What must hold for a command that is allowed to all callers. */
static const char *broken_for_all(const struct sent *s, const struct nvdio_filter *f)
{
	const u8 op = s->cmd.opcode;

	if (!f->exact)
		return "unknown length, allowed to all";
	if (s->set == ADM)
		return op == 6 ? NULL : "an admin command, allowed to all";
	if (op >= 0x80)
		return "a vendor specific command, allowed to all";
	if (op == 0x18)
		return "Cancel, allowed to all";
	if (!s->writable && (op & 1 || f->changes))
		return "a write to a read-only node";
	if (le32toh(effects[op]) & (NCC | NIC | 7 << 16))
		return "effects on more than blocks, allowed to all";
	if ((op == 1 || op == 2 || op == 5) &&
	    f->bytes != ((u64)(s->cmd.cdw[2] & 0xffff) + 1) << 12)
		return "the length is not that of the blocks";
	return NULL;
}

/* What must hold for all commands; returns what does not, or NULL. */
static const char *broken(const struct sent *s, u8 v, const struct nvdio_filter *f)
{
	static const u8 never[] = { 0, 1, 4, 5, 8, 0xc, 0x45, 0x7c, 0x7f };
	const u8 op = s->cmd.opcode;

	if (s->set == ADM && memchr(never, op, sizeof(never)))
		return v == NEVER ? NULL : "a command that belongs to the driver";
	if (v == NEVER && (s->set == IO || op != 9))
		return "refused without a reason";
	if (v == BAD || v == NEVER || v == RO)
		return NULL;
	if (s->protected && s->set == IO && f->changes)
		return "a read-only namespace is changed";
	if (f->dir == BOTH && f->exact)
		return "bidirectional, and of known length";
	if (s->cmd.flags || s->cmd.metadata_len)
		return "flags or metadata";
	if (f->bytes > s->cmd.data_len)
		return "more bytes than memory";
	if (f->dir != NONE && f->dir != (op >= 0xc0 ? BOTH : op & 3))
		return "the direction is not that of the opcode";
	if (f->dir == NONE && f->exact && f->bytes)
		return "bytes without a direction";
	return v == ALL ? broken_for_all(s, f) : NULL;
}

static void random_effects(uint64_t *seed)
{
	for (int i = 0; i < 256; i++) {
		u32 plain = CSUPP | (u32)below(seed, 2) * LBCC;

		effects[i] = htole32(below(seed, 4) ? plain : (u32)rnd(seed));
	}
}

static u32 random_dword(uint64_t *seed)
{
	static const u32 interesting[] = {
		0, 1, 7, 15, 0xff, 0x100, 0x201, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
		0xffffffff
	};

	if (below(seed, 2))
		return interesting[below(seed, ARRAY_SIZE(interesting))];
	return below(seed, 2) ? below(seed, 64) : rnd(seed);
}

static void random_command(struct sent *s, uint64_t *seed)
{
	struct nvdio_filter_cmd *cmd = &s->cmd;

	*s = (struct sent){
		.cmd = { .opcode = below(seed, 256), .nsid = 1 },
		.set = below(seed, 2), .lba_shift = 12, .log = below(seed, 8),
		.writable = below(seed, 2), .protected = !below(seed, 4),
	};
	if (below(seed, 2))
		cmd->opcode &= 0x1f;
	for (int i = 0; i < 6; i++)
		cmd->cdw[i] = random_dword(seed);
	cmd->data_len = below(seed, 4) ? below(seed, 1 << 20) & ~3ULL : below(seed, 1ULL << 32);
	if (!(cmd->opcode & 3) && below(seed, 8))
		cmd->data_len = 0;
	if (!below(seed, 32))
		cmd->flags = rnd(seed);
	if (!below(seed, 32))
		cmd->metadata_len = below(seed, 64);
}

static void random_commands(void)
{
	unsigned int turn, seen[5] = {};
	const char *what = NULL;
	struct nvdio_filter f;
	struct sent s;
	u8 v;

	for (turn = 0; turn < 2000000 && !what; turn++) {
		if (!(turn % 64))
			random_effects(&t_seed);
		random_command(&s, &t_seed);
		v = judge(&s, &f);
		seen[v]++;
		what = broken(&s, v, &f);
	}
	if (!ok(!what, "%u random commands keep the rules", turn))
		note("  %s: %s %02x, cdw10 %08x %08x %08x, %" PRIu64 " bytes: verdict %u", what,
		     s.set == IO ? "I/O" : "admin", s.cmd.opcode, s.cmd.cdw[0], s.cmd.cdw[1],
		     s.cmd.cdw[2], s.cmd.data_len, v);
	ok(seen[ALL] > 1000 && seen[ROOT] > 1000 && seen[NEVER] > 1000 && seen[RO] > 1000 &&
	   seen[BAD] > 1000, "each verdict occurred often (%u %u %u %u %u)",
	   seen[0], seen[1], seen[2], seen[3], seen[4]);
}

static const struct t_case cases[] = {
	{ "table", table },
	{ "random_commands", random_commands },
};

int main(int argc, char **argv)
{
	return unit_run(argc, argv, cases, ARRAY_SIZE(cases));
}
