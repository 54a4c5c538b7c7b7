#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Ranges of namespaces (NVDIO_IOC_RANGE) and exclusive use (O_EXCL): every way to do
# I/O through one, rights, edges; processes that get one, or die; resets, unbind, and
# namespaces that change.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
blocks4k=logical_block_size=4096,physical_block_size=4096
guest "latest, strict IOMMU, 4096-byte blocks" --kernel latest --iommu strict --modargs poll_queues=1 \
	--nvme '' --ns size=64M,$blocks4k --run "tests/guest/io $bin /dev/nvdio0n1 range rangemany rangelife"
guest "6.12, a namespace that changes, few tags" --kernel 6.12 --append page_poison=1 --modargs io_queue_depth=17 --vfu '' \
	--run "tests/guest/io $bin /dev/nvdio0n1 'range -t edges -t rights -t ways_copy' 'rangemany -t edges -t random_runs -t claims' rangesize"
if full; then
	guest "6.12" --kernel 6.12 --append page_poison=1 --nvme '' --ns size=64M \
		--run "tests/guest/io $bin /dev/nvdio0n1 range rangemany rangelife"
	guest "latest, a namespace that changes" --kernel latest --vfu '' \
		--run "tests/guest/io $bin /dev/nvdio0n1 rangesize"
	# There are no maps, no batches and no rings.
	guest "6.12, 4096-byte blocks, all DMA bounces" --kernel 6.12 --append swiotlb=force \
		--nvme '' --ns size=64M,$blocks4k --run "tests/guest/io $bin /dev/nvdio0n1 \
			'range -t narrower -t bytes -t position -t blocks -t queries -t compat -t structure' \
			'rangelife -t cycles -t exclusive -t killed -t races -t resets'"
	guest "debug" --kernel debug --append kmemleak=on --timeout 3000 --modargs poll_queues=1 --nvme '' --ns size=64M \
		--run "tests/guest/io $bin /dev/nvdio0n1 range rangemany rangelife"
fi
tap_end
