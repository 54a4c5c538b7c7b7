#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# fio writes and verifies by either path and across them, and by the engine of lib/fio.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

fio=$("$top/lab/fio" 2>"$tap_dir/log")
tap_ok $? "lab/fio" || sed 's/^/#   /' "$tap_dir/log"
"$top/lab/sh" make -s -C lib/fio "FIO=$fio" "O=/build/$id/fio" >"$tap_dir/log" 2>&1
tap_ok $? "the engine compiles" || sed 's/^/#   /' "$tap_dir/log"
engine="NVDIO_FIO=$fio/fio NVDIO_ENGINE=/build/$id/fio/fio-nvdio.so"

guest "6.12, 4096-byte blocks" --kernel 6.12 --nvme '' \
	--ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "$engine tests/guest/fio /dev/nvdio0n1"
full && guest "6.12" --kernel 6.12 --nvme '' --ns size=256M --run "$engine tests/guest/fio /dev/nvdio0n1"
guest "latest, strict IOMMU" --kernel latest --iommu strict --nvme '' --ns size=256M \
	--run "$engine tests/guest/fio /dev/nvdio0n1"
tap_end
