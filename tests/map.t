#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Mapped memory: mmap(), MAP_ADD and MAP_DEL, and what programs do to memory.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
guest "6.12" --kernel 6.12 --append page_poison=1 \
	--nvme '' --ns size=256M --nvme '' --ns backend=null,size=1G,latency=200000000 \
	--run "tests/guest/map $bin"
guest "latest, strict IOMMU" --kernel latest --iommu strict \
	--nvme '' --ns size=256M --nvme '' --ns backend=null,size=1G,latency=200000000 \
	--run "tests/guest/map $bin"
# Neither an IOMMU, which makes one run of all, nor addresses by addition.
guest "6.12, 48 address bits, MDTS 2 MiB" --kernel 6.12 --append page_poison=1 \
	--modargs quirks=1b36:0010:dma_address_bits_48 --nvme mdts=9 --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 'map -t long_commands' 'map -t odd_addresses' 'map -t contents'"

# What is moved, with free memory in small pieces, so that PRP lists are used.
step=5
full && step=1
contents() {
	guest "$1, contents" --kernel "$1" --append page_poison=1 --hugepages 4 --nvme mdts=9 --ns size=64M \
		--ns size=64M,logical_block_size=4096,physical_block_size=4096 \
		--run "tests/guest/mapio $bin $step /dev/nvdio0n1 /dev/nvdio0n2"
}
# The IOMMU makes one run of each map; without SGLs it needs PRP lists nevertheless.
contents_iommu() {
	guest "$1, strict IOMMU, no SGLs, contents" --kernel "$1" --iommu strict --hugepages 4 \
		--modargs sgl_threshold=0 --nvme mdts=9 --ns size=64M --run "tests/guest/mapio $bin $step /dev/nvdio0n1"
	full || return 0
	guest "$1, strict IOMMU, contents" --kernel "$1" --iommu strict --hugepages 4 --nvme mdts=9 --ns size=64M \
		--ns size=64M,logical_block_size=4096,physical_block_size=4096 \
		--run "tests/guest/mapio $bin $step /dev/nvdio0n1 /dev/nvdio0n2"
}
# Everything at once, with four CPUs: they have a cache of addresses each. Where commands have to
# wait, there is time for memory to be unmapped; the IOMMU reports what comes after that.
seconds=12
full && seconds=60
storm() {
	text=$1 ns=size=64M$2
	shift 2
	guest "$text, storm" --kernel "${text%%,*}" "$@" --cpus 4 --nvme mdts=9 --ns "$ns" \
		--run "tests/guest/mapstorm $bin $seconds"
}
for kernel in $(kernels 6.12); do
	contents "$kernel"
	storm "$kernel, slow" ,iops=150 --append page_poison=1
done
for kernel in $(kernels latest); do
	contents_iommu "$kernel"
	storm "$kernel, strict IOMMU" '' --iommu strict
done
tap_end
