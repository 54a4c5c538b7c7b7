#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What real disks ask for and report: host memory buffer, power states, health,
# events, quirks, versions of the specification. lab/vm --vfu, tests/guest/disks.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

# Memory that is free is poisoned, so that stray DMA is seen by the kernel as well.
guest 6.12 --kernel 6.12 --append page_poison=1 --vfu '' \
	--run "tests/guest/disks hmb hmb_removal power hwmon sizes firmware quirks versions"
guest "6.12, events" --kernel 6.12 --append slub_debug=P --vfu '' \
	--run "tests/guest/disks event_unbind events event_names storm errors"
guest "latest, strict IOMMU" --kernel latest --iommu strict --append page_poison=1 --vfu '' \
	--run "tests/guest/disks hmb_removal power hwmon events firmware"
guest "latest, an id of the table" --kernel latest --may-fail \
	--vfu 'set pci.vendor 0x106b; set pci.device 0x2005; set pci.msix 0' --run "tests/guest/disks apple"
tap_end
