#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Controllers that misbehave as QEMU's cannot: lab/vm --vfu, tests/guest/vfu.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
for kernel in 6.12 latest; do
	# Memory that is free is poisoned, so that stray DMA is seen by the kernel as well.
	guest "$kernel" --kernel $kernel --append page_poison=1 --vfu 'set oacs 0x102' \
		--run "tests/guest/vfu $bin ones stuck dead admin reread shutdown lacks effects"
	guest "$kernel, faults" --kernel $kernel --append page_poison=1 --vfu 'set oacs 0x102' \
		--run "NVDIO_SEED='${NVDIO_SEED-}' tests/guest/vfu $bin completions status link remove events identify fuzz"
	guest "$kernel, strict IOMMU" --kernel $kernel --iommu strict --vfu 'set oacs 0x102' \
		--run "tests/guest/vfu $bin ones stuck link"
	guest "$kernel, MSI" --kernel $kernel --hugepages 16 --vfu 'set pci.msix 0' \
		--run "tests/guest/vfu $bin msi"
	guest "$kernel, queues of two entries" --kernel $kernel --hugepages 16 --may-fail \
		--vfu 'set cap.mqes 0' --run "tests/guest/vfu $bin mqes"
done
tap_end
