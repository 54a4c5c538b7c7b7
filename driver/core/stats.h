/* SPDX-License-Identifier: GPL-2.0 */
/* Per-CPU counters of a namespace; sysfs.c shows them. */
#ifndef NVDIO_STATS_H
#define NVDIO_STATS_H

#include <linux/cpumask.h>
#include <linux/percpu.h>
#include <linux/types.h>


/**
 * struct nvdio_stats - one CPU's share of a namespace's counters
 * @direct: reads and writes sent by the zero-copy path
 * @copy: reads and writes sent by the copy path
 * @polled: commands whose completion was found by polling
 * @nowait_eagain: calls refused with -EAGAIN under IOCB_NOWAIT
 * @read_bytes: bytes read by both paths
 * @write_bytes: bytes written by both paths
 * @errors: reads and writes that ended with an error from the controller
 * @flush: Flush commands sent
 * @discard: Dataset Management commands sent
 * @write_zeroes: Write Zeroes commands sent
 * @passthrough: commands sent for passthrough
 * @pages_pinned: user pages pinned, less those unpinned
 * @segments_mapped: DMA mappings made, less those undone
 * @bounce_buffers: bounce buffers taken, less those given back
 *
 * Each is meaningful only as the sum over all CPUs.
 */
struct nvdio_stats {
	u64 direct;
	u64 read_bytes;
	u64 write_bytes;
	u64 pages_pinned;
	u64 segments_mapped;
	u64 copy;
	u64 polled;
	u64 nowait_eagain;
	u64 errors;
	u64 flush;
	u64 discard;
	u64 write_zeroes;
	u64 passthrough;
	u64 bounce_buffers;
};

/* Count @bytes on the side that they move to; taken back if negative. */
static __always_inline void
nvdio_stats_bytes(struct nvdio_stats __percpu *stats, bool write, s64 bytes)
{
	if (write)
		this_cpu_add(stats->write_bytes, bytes);
	else
		this_cpu_add(stats->read_bytes, bytes);
}

/* Sum of the counter that is @offset bytes into struct nvdio_stats. */
static inline u64 nvdio_stats_sum(struct nvdio_stats __percpu *stats,
				  size_t offset)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += *(u64 *)((void *)per_cpu_ptr(stats, cpu) + offset);
	return sum;
}

#endif /* NVDIO_STATS_H */
