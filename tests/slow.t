#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What happens while I/O is in flight, on a device that takes 800 ms for each; and
# what happens when a command fails, on one with a bad block; and what happens
# before the data come, on one that lets two commands a second through.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
bad="-blockdev driver=blkdebug,node-name=bad,image.driver=null-co,image.size=268435456,image.read-zeroes=on"
bad="$bad,inject-error.0.event=none,inject-error.0.errno=5,inject-error.0.sector=65536,inject-error.0.once=off"
late="-object throttle-group,id=two,x-iops-total=2"
late="$late -blockdev driver=throttle,node-name=late,throttle-group=two,file.driver=null-co,file.size=268435456,file.read-zeroes=on"
for kernel in $(kernels 6.12); do
	guest "$kernel" --kernel "$kernel" --peer \
		--nvme '' --ns backend=null,size=1G,latency=800000000 \
		--qemu "$bad -device nvme-ns,bus=nvdio0,drive=bad,nsid=2" \
		--qemu "$late -device nvme-ns,bus=nvdio0,drive=late,nsid=3" \
		--run "mkfs.ext4 -q /dev/nvme0n1 128M && mount /dev/nvme0n1 /mnt &&
			SLOW_MS=800 tests/guest/io $bin /dev/nvdio0n1 slow &&
			BAD_AT=33554432 tests/guest/io $bin /dev/nvdio0n2 errors &&
			LATE_DIR=/mnt tests/guest/io $bin /dev/nvdio0n3 late"
done
tap_end
