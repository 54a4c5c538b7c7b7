#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Programs that mean no good (tests/src/hostile.c), by batches and by rings without io_uring. In
# debug.t as well, with the debug kernel; here for minutes only in a full run.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
hostile() {
	text=$1 seconds=$2
	shift 2
	guest "$text" "$@" --cpus 4 --timeout $((900 + 20 * seconds)) --silent-limit 0 \
		--nvme '' --ns size=64M --ns size=64M \
		--run "SECONDS=$seconds tests/guest/io $bin /dev/nvdio0n1 hostile"
}

hostile "latest, strict IOMMU, a poll queue" 2 --kernel latest --iommu strict --append page_poison=1 --modargs poll_queues=1
if full; then
	# DMA API debugging reports two mappings of the same memory until it gives up.
	hostile "6.12, poll queues, few tags" 60 --kernel 6.12 --append page_poison=1 \
		--modargs 'poll_queues=1 io_queue_depth=33'
	hostile "6.12, no poll queues" 60 --kernel 6.12 --append page_poison=1
	hostile "debug" 300 --kernel debug --append 'kmemleak=on dma_debug=off' --modargs poll_queues=2
	hostile "debug, strict IOMMU" 120 --kernel debug --append 'kmemleak=on dma_debug=off' --iommu strict
fi
tap_end
