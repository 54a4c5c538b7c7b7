#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What io_uring and a disk's other users can ask for: with poll queues and
# without. The second namespace takes a second for a command, with few tags.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
guest "6.12, poll queues" --kernel 6.12 --hugepages 24 --modargs 'poll_queues=1 io_queue_depth=32' \
	--nvme '' --ns size=256M --ns backend=null,size=1G,latency=1000000000 \
	--run "tests/guest/io $bin /dev/nvdio0n1 rings semantics && tests/guest/io $bin /dev/nvdio0n2 nowait && tests/guest/io $bin /dev/nvdio0n1 retry"
guest "latest, strict IOMMU" --kernel latest --iommu strict --hugepages 24 \
	--nvme '' --ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin /dev/nvdio0n1 rings semantics"
tap_end
