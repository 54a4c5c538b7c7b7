#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The same on 4096-byte blocks (and 512, check-full) and the newest kernel, behind an IOMMU in strict mode: whatever the
# controller touches outside what is mapped at that moment is a fault in the log.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
devices=/dev/nvdio0n2
full && devices="/dev/nvdio0n1 $devices"
guest "latest, strict IOMMU" --kernel latest --iommu strict --hugepages 16 \
	--nvme '' --ns size=256M --ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin '$devices' $all_programs"
tap_end
