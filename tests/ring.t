#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Rings without io_uring: NVDIO_IOC_RING_CREATE and _ENTER.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
ios=3000 seconds=3
full && ios=60000 seconds=60
rules() {
	guest "$1, rules" --kernel "$1" --append page_poison=1 --nvme '' --ns size=64M \
		--run "tests/guest/ownring $bin rules"
}
# Small and large blocks; what is scattered, and what an IOMMU makes one run of.
contents() {
	text=$1
	shift
	guest "$text, contents" --kernel "${text%%,*}" "$@" --append page_poison=1 --nvme mdts=7 --ns size=64M \
		--ns size=64M,logical_block_size=4096,physical_block_size=4096 \
		--run "OWNRING_IOS=$ios tests/guest/io $bin '/dev/nvdio0n1 /dev/nvdio0n2' ownringio"
}
bad() {
	text=$1
	shift
	guest "$text, bad programs" --kernel "${text%%,*}" "$@" --cpus 2 --nvme '' --ns size=64M --ns size=64M \
		--run "tests/guest/ownring $bin bad $seconds"
}
vfu() {
	guest "$1, I/O that does not end" --kernel "$1" --vfu 'set vwc 1' \
		--run "tests/guest/ownring $bin vfu"
}

for kernel in $(kernels latest); do
	rules "$kernel"
done
for kernel in $(kernels 6.12); do
	contents "$kernel, 4 CPUs" --cpus 4
	bad "$kernel, strict IOMMU" --iommu strict
	vfu "$kernel"
done
if full; then
	for kernel in 6.12 latest; do
		contents "$kernel, strict IOMMU, 4 CPUs" --cpus 4 --iommu strict
		contents "$kernel, one CPU" --cpus 1
		contents "$kernel, strict IOMMU, one CPU" --cpus 1 --iommu strict
	done
fi
tap_end
