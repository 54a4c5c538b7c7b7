/* SPDX-License-Identifier: GPL-2.0 */
/* Latency histograms of a namespace, shown by ctrl/latency.c. */
#ifndef NVDIO_HIST_H
#define NVDIO_HIST_H

#include <linux/nvme.h>
#include <linux/percpu.h>
#include <linux/types.h>

#include "pure/hist.h"

/**
 * enum nvdio_stage - parts of the time that a command takes
 * @NVDIO_STAGE_TAG: waiting for a tag; only commands that had to
 * @NVDIO_STAGE_SUBMIT: from the first command behind a doorbell to that doorbell
 * @NVDIO_STAGE_DEVICE: from the doorbell until its CQE is found
 * @NVDIO_STAGE_COMPLETION: from then until callers are told
 * @NVDIO_STAGES: number of stages
 *
 * User space knows the values (docs/tracing.md).
 */
enum nvdio_stage {
	NVDIO_STAGE_TAG,
	NVDIO_STAGE_SUBMIT,
	NVDIO_STAGE_DEVICE,
	NVDIO_STAGE_COMPLETION,
	NVDIO_STAGES,
};

/* Directions: Read, Write, everything else. */
#define NVDIO_HIST_DIRS		3

/**
 * struct nvdio_hist - latencies of a stage, of commands of a direction
 * @sum: of all, in ns
 * @count: number of commands, by nvdio_hist_bucket()
 */
struct nvdio_hist {
	u64 sum;
	u64 count[NVDIO_HIST_BUCKETS];
};

/**
 * struct nvdio_hists - histograms of a namespace, as counted by one CPU
 * @of: by stage and direction
 */
struct nvdio_hists {
	struct nvdio_hist of[NVDIO_STAGES][NVDIO_HIST_DIRS];
};

/**
 * nvdio_hist_dir() - direction of an I/O command
 * @opcode: its opcode
 *
 * Context: any.
 * Return: index into @of of struct nvdio_hists.
 */
static __always_inline unsigned int nvdio_hist_dir(u8 opcode)
{
	return opcode == nvme_cmd_read ? 0 : opcode == nvme_cmd_write ? 1 : 2;
}

/**
 * nvdio_hist_add() - count commands that took the same time
 * @hist: the first stage's histogram of their direction, of struct nvdio_hists
 * @stage: enum nvdio_stage
 * @ns: nanoseconds that the stage took
 * @nr: number of commands
 *
 * No locked instruction, no memory that CPUs share.
 *
 * Context: any.
 */
static __always_inline void nvdio_hist_add(struct nvdio_hist __percpu *hist,
					   enum nvdio_stage stage, u64 ns,
					   unsigned int nr)
{
	hist += stage * NVDIO_HIST_DIRS;
	this_cpu_add(hist->sum, ns * nr);
	this_cpu_add(hist->count[nvdio_hist_bucket(ns)], nr);
}

#endif /* NVDIO_HIST_H */
