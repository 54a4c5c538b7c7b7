#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What happens while I/O is in flight, on a device that takes 400 ms for each.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
for kernel in 6.12 latest; do
	guest "$kernel" --kernel $kernel --nvme '' --ns backend=null,size=1G,latency=400000000 \
		--run "SLOW_MS=400 tests/guest/io $bin /dev/nvdio0n1 slow"
done
tap_end
