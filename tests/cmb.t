#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Registers and memory buffer of a controller in programs (docs/mapped.md, Device memory).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
for kernel in 6.12 latest; do
	guest "$kernel" --kernel "$kernel" --append "page_poison=1 iomem=relaxed" --nvme cmb_size_mb=16 \
		--ns size=256M --run "tests/guest/cmb $bin with"
done
for kernel in $(kernels latest); do
	guest "$kernel, no buffer" --kernel "$kernel" --append iomem=relaxed --ns size=256M \
		--run "tests/guest/cmb $bin without"
	! full || guest "$kernel, as before NVMe 1.4" --kernel "$kernel" --append iomem=relaxed \
		--nvme cmb_size_mb=16,legacy-cmb=on --ns size=256M --run "tests/guest/cmb $bin with"
	guest "$kernel, strict IOMMU" --kernel "$kernel" --iommu strict --append page_poison=1 \
		--nvme cmb_size_mb=16 --ns size=256M --run "tests/guest/cmb $bin io"
	guest "$kernel, two that do not reach each other" --kernel "$kernel" --nvme cmb_size_mb=16 --ns size=256M \
		--nvme cmb_size_mb=16 --ns size=256M --run "tests/guest/cmb $bin apart"
	# The kernel trusts any host bridge of this processor's.
	guest "$kernel, two that do" --kernel "$kernel" --tcg --qemu '-cpu EPYC' --nvme cmb_size_mb=16 --ns size=256M \
		--nvme cmb_size_mb=16 --ns size=256M --run "tests/guest/cmb $bin peers"
done
for kernel in $(kernels 6.12); do
	guest "$kernel, what the controller says is wrong" --kernel "$kernel" \
		--vfu 'set pci.cmb 1; set vs 0x10200' --run "tests/guest/cmb $bin lies"
	guest "$kernel, MSI-X table in the buffer" --kernel "$kernel" \
		--vfu 'set pci.cmb 1; set vs 0x10200; set cmbloc 2; set cmbsz 0x1218; set pci.msix-table 2' \
		--run "tests/guest/cmb $bin table"
	guest "$kernel, MSI-X table among the registers" --kernel "$kernel" \
		--vfu 'set pci.msix-table 0x800' --run "tests/guest/cmb $bin hidden"
done
tap_end
