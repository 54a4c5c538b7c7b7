#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What happens while I/O is in flight, on a device that takes 400 ms for each.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
for kernel in 6.12 latest; do
	guest "$kernel" --kernel $kernel --peer \
		--nvme '' --ns backend=null,size=1G,latency=400000000 \
		--run "mkfs.ext4 -q /dev/nvme0n1 128M && mount /dev/nvme0n1 /mnt &&
			SLOW_MS=400 SLOW_DIR=/mnt tests/guest/io $bin /dev/nvdio0n1 slow"
done
tap_end
