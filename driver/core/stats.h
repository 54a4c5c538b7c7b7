/* SPDX-License-Identifier: GPL-2.0 */
/* Per-CPU counters of a namespace, shown by ctrl/sysfs.c. */
#ifndef NVDIO_STATS_H
#define NVDIO_STATS_H

#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/types.h>

/**
 * struct nvdio_stats - a namespace's counters, as counted by one CPU
 * @direct: reads and writes submitted by the zero-copy path, without
 *	@direct_mapped
 * @direct_mapped: reads and writes submitted by the zero-copy path for mapped
 *	memory
 * @passthrough_mapped: those of @passthrough for mapped memory
 * @copy: reads and writes submitted by the copy path
 * @polled: commands whose completion was found by polling
 * @nowait_eagain: calls that returned -EAGAIN under IOCB_NOWAIT
 * @read_bytes: bytes read by both paths
 * @write_bytes: bytes written by both paths
 * @errors: commands of reads and writes that failed for good
 * @retries: commands that were sent again
 * @flush: Flush commands submitted
 * @discard: Dataset Management commands submitted
 * @write_zeroes: Write Zeroes commands submitted
 * @passthrough: passthrough commands submitted
 * @pages_pinned: user pages pinned minus those unpinned
 * @segments_mapped: DMA mappings made minus those undone
 * @bounce_buffers: bounce buffers taken minus those returned
 *
 * Only sums over all CPUs are meaningful.
 */
struct nvdio_stats {
	u64 direct;
	u64 direct_mapped;
	u64 read_bytes;
	u64 write_bytes;
	u64 pages_pinned;
	u64 segments_mapped;
	u64 copy;
	u64 polled;
	u64 nowait_eagain;
	u64 errors;
	u64 retries;
	u64 flush;
	u64 discard;
	u64 write_zeroes;
	u64 passthrough;
	u64 passthrough_mapped;
	u64 bounce_buffers;
};

/**
 * nvdio_stats_bytes() - count bytes read or written
 * @stats: counters
 * @write: written, not read
 * @bytes: bytes; negative to take back what was counted
 *
 * Context: any.
 */
static __always_inline void
nvdio_stats_bytes(struct nvdio_stats __percpu *stats, bool write, s64 bytes)
{
	if (write)
		this_cpu_add(stats->write_bytes, bytes);
	else
		this_cpu_add(stats->read_bytes, bytes);
}

/**
 * nvdio_stats_sum() - sum of a counter over all CPUs
 * @stats: counters
 * @offset: offset of the counter in struct nvdio_stats
 *
 * Context: any.
 * Return: the sum; approximate while counting goes on.
 */
static inline u64 nvdio_stats_sum(struct nvdio_stats __percpu *stats,
				  size_t offset)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(*(u64 *)((void *)per_cpu_ptr(stats, cpu) +
					  offset));
	return sum;
}

#endif /* NVDIO_STATS_H */
