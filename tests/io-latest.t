#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The same on the newest kernel, behind an IOMMU in strict mode: whatever the
# controller touches outside what is mapped at that moment is a fault in the log.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
guest "latest, strict IOMMU" --kernel latest --iommu strict --hugepages 16 \
	--nvme '' --ns size=256M --ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin '/dev/nvdio0n1 /dev/nvdio0n2' $all_programs"
tap_end
