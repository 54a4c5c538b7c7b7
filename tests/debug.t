#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The guest tests under the lab's debug kernel (lab/kernel-debug): KASAN, lockdep,
# DMA API debugging, UBSAN, kmemleak; and with allocations that fail. Not part of "make
# check", for it takes too long: "make check-debug", which .ci/run calls.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
few="iters badinput inflight coherence"
full && few="$few geometry edges"
devices=/dev/nvdio0n1
full && devices="$devices /dev/nvdio0n2"
guest "debug" --kernel debug --append kmemleak=on --hugepages 16 --timeout "$debug_limit" \
	--nvme '' --ns size=256M --ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin '$devices' $all_programs"
guest "debug, poll queues" --kernel debug --hugepages 24 --timeout "$debug_limit" --modargs 'poll_queues=1 io_queue_depth=32' \
	--nvme '' --ns size=256M --ns backend=null,size=1G,latency=1000000000 \
	--run "tests/guest/io $bin /dev/nvdio0n1 rings semantics passthru &&
		tests/guest/io $bin /dev/nvdio0n2 nowait && tests/guest/io $bin /dev/nvdio0n1 retry"
full && guest "debug, strict IOMMU, one CPU" --kernel debug --iommu strict --cpus 1 --hugepages 16 --timeout "$debug_limit" \
	--nvme '' --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 $few"
guest "debug, no SGLs, MDTS 32 KiB, swiotlb" --kernel debug --append swiotlb=force --hugepages 16 --timeout "$debug_limit" \
	--modargs sgl_threshold=0 --nvme mdts=3 --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 $few"
full && guest "debug, topology" --kernel debug --timeout "$debug_limit" \
	--nvme '' --ns size=16M \
	--ns size=24M,logical_block_size=4096,physical_block_size=4096 \
	--ns size=16M,ms=8 --ns size=16M,ms=8,pi=1 \
	--nvme mdts=1 --ns size=32M --nvme '' --ns none \
	--run tests/guest/topology
full && guest "debug, fio" --kernel debug --timeout "$debug_limit" --nvme '' --ns size=256M \
	--run "tests/guest/fio /dev/nvdio0n1"
# A minute for each interface. All that they do is two mappings of the same memory, which
# DMA API debugging reports until it gives up.
guest "debug, programs that mean no good" --kernel debug --append 'kmemleak=on dma_debug=off' --cpus 4 --timeout "$debug_limit" --silent-limit 0 \
	--modargs poll_queues=1 --nvme '' --ns size=64M --ns size=64M \
	--run "SECONDS=30 tests/guest/io $bin /dev/nvdio0n1 hostile"
guest "debug, a controller that misbehaves" --kernel debug --timeout "$debug_limit" --vfu 'set oacs 0x102' \
	--run "NVDIO_SEED='${NVDIO_SEED-}' tests/guest/vfu $bin $(full &&
		echo ones stuck dead admin reread shutdown lacks effects status link remove events identify fuzz) completions"
tap_end
