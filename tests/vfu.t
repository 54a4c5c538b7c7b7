#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Controllers that misbehave as QEMU's cannot: lab/vm --vfu, tests/guest/vfu.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
# In a short run each part on one of the kernels.
for kernel in $(kernels latest); do
	# Memory that is free is poisoned, so that stray DMA is seen by the kernel as well.
	guest "$kernel" --kernel "$kernel" --append page_poison=1 --vfu 'set oacs 0x102' \
		--run "tests/guest/vfu $bin ones stuck takeover dead admin reread shutdown lacks effects"
done
for kernel in $(kernels 6.12); do
	guest "$kernel, faults" --kernel "$kernel" --append page_poison=1 --vfu 'set oacs 0x102' \
		--run "NVDIO_SEED='${NVDIO_SEED-}' tests/guest/vfu $bin completions status link silent remove events identify fuzz"
done
for kernel in $(kernels latest); do
	guest "$kernel, sent again" --kernel "$kernel" --append page_poison=1 --vfu 'set oacs 0x102' \
		--run "tests/guest/vfu $bin retry abort resend maps held"
	guest "$kernel, strict IOMMU" --kernel "$kernel" --iommu strict --vfu 'set oacs 0x102' \
		--run "tests/guest/vfu $bin ones stuck link resend"
done
for kernel in $(kernels 6.12); do
	# The PCI core waits for a device for up to a minute.
	guest "$kernel, no port" --kernel "$kernel" --append page_poison=1 --no-ports --vfu '' --quiet-limit 300 \
		--run "tests/guest/vfu $bin silent_root"
	guest "$kernel, MSI" --kernel "$kernel" --hugepages 16 --vfu 'set pci.msix 0' \
		--run "tests/guest/vfu $bin msi"
done
for kernel in $(kernels latest); do
	guest "$kernel, queues of two entries" --kernel "$kernel" --hugepages 16 --may-fail \
		--vfu 'set cap.mqes 0' --run "tests/guest/vfu $bin mqes"
done
tap_end
