#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Who waits for a tag, a bounce buffer or a claim gets its turn: with the usual
# pools, with the smallest, with poll queues, with more CPUs than queues.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
guest "6.12" --kernel 6.12 --cpus 4 --nvme '' --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 waits"
guest "latest, one tag, one buffer" --kernel latest --cpus 4 \
	--modargs 'io_queue_depth=2 bounce_buffers=1' --nvme max_ioqpairs=2 --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 waits"
guest "6.12, poll queues, few tags, swiotlb" --kernel 6.12 --cpus 4 --append swiotlb=force \
	--modargs 'io_queue_depth=8 bounce_buffers=2 poll_queues=2' --nvme '' \
	--ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin /dev/nvdio0n1 waits"
# Who was told to wait is delayed: whatever it still did with what is not its own
# any more would hit another owner.
for kernel in 6.12 latest; do
	shim $kernel nvdio_delays
	guest "$kernel, delays" --kernel $kernel --cpus 4 --modargs 'bounce_buffers=32' --nvme '' --ns size=256M \
		--run "insmod $shim functions=nvdio_bounce_get,nvdio_claim_take,nvdio_claim_drain &&
			NVDIO_CASE=B13 tests/guest/io $bin /dev/nvdio0n1 waits"
done
tap_end
