#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# fio writes and verifies by either path and across them.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

guest "6.12, 4096-byte blocks" --kernel 6.12 --nvme '' \
	--ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/fio /dev/nvdio0n1"
full && guest "6.12" --kernel 6.12 --nvme '' --ns size=256M --run "tests/guest/fio /dev/nvdio0n1"
guest "latest, strict IOMMU" --kernel latest --iommu strict --nvme '' --ns size=256M \
	--run "tests/guest/fio /dev/nvdio0n1"
tap_end
