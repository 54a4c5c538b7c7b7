#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Commands that programs make themselves: what is refused, and to whom; that
# nothing is moved outside of the memory given for it. Behind a strict IOMMU what
# the controller touches outside is a fault in the log, too.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
guest "6.12, 4096-byte blocks" --kernel 6.12 --modargs poll_queues=1 \
	--nvme '' --ns size=64M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin /dev/nvdio0n1 passthru readonly compat"
guest "latest, strict IOMMU" --kernel latest --iommu strict --nvme '' --ns size=64M \
	--run "tests/guest/io $bin /dev/nvdio0n1 passthru readonly compat"
# A command is under way for 40 s, or 8; it is lost after 2.
guest "6.12, a slow device" --kernel 6.12 --quiet-limit 300 --modargs io_timeout=2 --nvme '' \
	--ns backend=null,size=64M,latency=40000000000 --ns backend=null,size=64M,latency=8000000000 \
	--run "tests/guest/io $bin /dev/nvdio0n1 patience"
full && guest "latest, a slow device" --kernel latest --quiet-limit 300 --modargs io_timeout=2 --nvme '' \
	--ns backend=null,size=64M,latency=40000000000 --ns backend=null,size=64M,latency=8000000000 \
	--run "tests/guest/io $bin /dev/nvdio0n1 patience"
guest "6.12, MDTS 2 MiB" --kernel 6.12 --nvme mdts=9 --ns size=64M \
	--run "tests/guest/io $bin /dev/nvdio0n1 long"
tap_end
