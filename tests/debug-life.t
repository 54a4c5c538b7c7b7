#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# As debug.t, the second half: life, soak, and what fails: allocations, mappings, accesses to
# user memory.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
guest "debug, life" --kernel debug --timeout "$debug_limit" \
	--nvme '' --nvme '' --ns backend=null,size=1G,latency=200000000 \
	--run "tests/guest/life $bin"
if full; then
	soaks "debug, " debug
else
	each=6
	soak_guest "debug, soak, strict IOMMU" '2,2,0 64,64,2' --kernel debug --iommu strict
fi
# On one CPU: reports of DMA API debugging (two reads into the same memory) are told apart only then.
guest "debug, mapped memory" --kernel debug --cpus 1 --timeout "$debug_limit" --nvme mdts=9 --ns size=64M,iops=300 \
	--run "tests/guest/mapstorm $bin 20"
# Here the IOMMU reports what comes too late.
! full || guest "debug, mapped memory, strict IOMMU" --kernel debug --iommu strict --cpus 1 --timeout "$debug_limit" \
	--nvme mdts=9 --ns size=64M --run "tests/guest/mapstorm $bin 20"
# One in ten of the driver's allocations fails; of DMA API debugging's own, too.
guest "debug, soak, failing allocations" --kernel debug --append slab_nomerge --cpus 4 --mem 2G --timeout "$debug_limit" \
	--allow-log 'DMA-API: cacheline tracking ENOMEM' \
	--nvme '' --ns size=256M --ns size=256M \
	--run "SOAK_FAULTS=1 tests/guest/soak $bin 20 64,64,1 64,2,0"
# Allocations and accesses to user memory fail while calls of every kind are made, and while
# the controller is reset and bound anew. Every failure is an errno, or is waited for. Without
# shadow doorbells: where the vectors of MSI-X cannot be allocated the controller has INTx, and
# QEMU then asserts it for ever for entries whose head it had not been told before by a doorbell
# register; it keeps count of them over resets.
no_shadow=shadow_doorbells=0
qemu_irq='irq [0-9]+: nobody cared'
guest "debug, fuzz, failures" --kernel debug --append 'kmemleak=on slab_nomerge' --cpus 4 --timeout "$debug_limit" \
	--allow-log 'DMA-API: cacheline tracking ENOMEM' \
	--allow-log "$qemu_irq" --modargs "poll_queues=1 io_queue_depth=64 bounce_buffers=8 $no_shadow" --nvme '' --ns size=256M \
	--run "NVDIO_SEED='${NVDIO_SEED-}' tests/guest/fuzz $bin ${FUZZ_TIME:-20} failslab fail_page_alloc fail_usercopy"
# The same, one by one: the first, the second, ... of a call, of a reset, of probe.
sweeps="'failslab direct' 'fail_usercopy identify' 'failslab map_user' 'fail_usercopy map_user' 'failslab map_dmabuf' 'fail_usercopy batch' 'failslab ring' 'fail_usercopy ring' 'failslab reset' 'failslab bind'"
full && sweeps=
guest "debug, each allocation fails" --kernel debug --append 'kmemleak=on slab_nomerge' --cpus 1 --timeout "$debug_limit" \
	--allow-log "$qemu_irq" --modargs "poll_queues=1 io_queue_depth=32 bounce_buffers=2 $no_shadow" --nvme '' --ns size=256M \
	--run "tests/guest/failnth $bin $sweeps"
tap_end
