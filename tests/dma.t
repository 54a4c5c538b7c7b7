#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Calls of many pages, and memory that is not mapped by mere addition.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
for kernel in 6.12 latest; do
	guest "$kernel, many pages" --kernel $kernel \
		--nvme '' --ns backend=null,size=2G --ns size=64M \
		--run "tests/guest/dma $bin /dev/nvdio0n1 zero_pages &&
			tests/guest/dma $bin /dev/nvdio0n2 interrupt"
done
tap_end
