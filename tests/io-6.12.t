#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The test programs on 512-byte blocks (and 4096, check-full), Debian's 6.12 kernel.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
devices=/dev/nvdio0n1
full && devices="$devices /dev/nvdio0n2"
guest "6.12" --kernel 6.12 --hugepages 16 \
	--nvme '' --ns size=256M --ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin '$devices' $all_programs"
tap_end
