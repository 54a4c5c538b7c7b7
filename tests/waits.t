#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Waiters for a tag, a bounce buffer or a claim get their turn: with the default pools,
# with the smallest, with poll queues, with more CPUs than queues.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
# All but those that depend on the machine.
waits="waits -t B1 -t B2 -t B13 -t B3 -t B4 -t B6 -t B9 -t B10 -t B11"
guest "6.12" --kernel 6.12 --cpus 4 --nvme '' --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 '$waits -t B6_refused'"
guest "latest, one tag, one buffer" --kernel latest --cpus 4 \
	--modargs 'io_queue_depth=2 bounce_buffers=1' --nvme max_ioqpairs=2 --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 '$waits'"
guest "6.12, poll queues, few tags, swiotlb" --kernel 6.12 --cpus 4 --append swiotlb=force \
	--modargs 'io_queue_depth=8 bounce_buffers=2 poll_queues=2' --nvme '' \
	--ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin /dev/nvdio0n1 '$waits -t A4'"
# A command fails while others of its call are still to be sent: three tags for
# eight commands, of which the first fails at once, and the others take 800 ms.
bad="-blockdev driver=blkdebug,node-name=bad,image.driver=null-co,image.size=268435456,image.read-zeroes=on"
bad="$bad,image.latency-ns=800000000"
bad="$bad,inject-error.0.event=none,inject-error.0.errno=5,inject-error.0.sector=65536,inject-error.0.once=off"
guest "6.12, a bad sector" --kernel 6.12 --modargs io_queue_depth=4 --nvme max_ioqpairs=1 --ns size=64M \
	--qemu "$bad -device nvme-ns,bus=nvdio0,drive=bad,nsid=2" \
	--run "BAD_AT=33554432 tests/guest/io $bin /dev/nvdio0n2 'waits -t cut'"
# More large writes wait for a claim with their rest than a workqueue runs at a time.
guest "6.12, rests of writes" --kernel 6.12 --nvme mdts=4 --ns backend=null,size=64M,latency=5000000000 \
	--run "LATENCY=5 tests/guest/io $bin /dev/nvdio0n1 rests"
for kernel in $(kernels latest); do
	guest "$kernel, memory that never comes" --kernel "$kernel" --nvme '' --ns size=64M --run "tests/guest/absent $bin"
done
# Waiters are delayed after they were queued: if one still used what it no longer owns,
# that would hit another owner.
for kernel in $(kernels 6.12); do
	shim "$kernel" nvdio_delays
	guest "$kernel, delays" --kernel "$kernel" --cpus 4 --modargs 'bounce_buffers=32' --nvme '' --ns size=256M \
		--run "insmod $shim functions=nvdio_bounce_get,nvdio_claim_take,nvdio_claim_drain &&
			tests/guest/io $bin /dev/nvdio0n1 'waits -t B13'"
done
tap_end
