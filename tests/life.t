#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Load, bind, unbind, unload in any order, with files open and I/O in flight.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
full && guest "6.12" --kernel 6.12 \
	--nvme '' --nvme '' --ns backend=null,size=1G,latency=200000000 \
	--run "tests/guest/life $bin"
guest "latest, strict IOMMU" --kernel latest --iommu strict \
	--nvme '' --nvme '' --ns backend=null,size=1G,latency=200000000 \
	--run "tests/guest/life $bin"
tap_end
