#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Calls of many pages, and memory that is not mapped by mere addition.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
for kernel in $(kernels latest); do
	guest "$kernel, many pages" --kernel "$kernel" \
		--nvme '' --ns backend=null,size=2G --ns size=64M \
		--run "tests/guest/dma $bin /dev/nvdio0n1 zero_pages &&
			tests/guest/dma $bin /dev/nvdio0n2 interrupt"
done

# Calls that are larger than the software IOTLB: 64 MiB, the default; then 16 MiB, with
# poll queues and few commands at a time.
guest "6.12, swiotlb" --kernel 6.12 --append swiotlb=force --modargs sgl_threshold=0 \
	--nvme '' --ns size=256M \
	--run "tests/guest/dma $bin /dev/nvdio0n1 one_call segments threads aio ring killed bounces"
guest "latest, small swiotlb" --kernel latest --append swiotlb=8192,force \
	--modargs 'bounce_buffers=4 poll_queues=1 io_queue_depth=4' \
	--nvme '' --ns size=256M \
	--run "tests/guest/dma $bin /dev/nvdio0n1 one_call segments threads aio ring polled resets removal killed"
guest "6.12, small swiotlb" --kernel 6.12 --append swiotlb=8192,force --modargs bounce_buffers=4 \
	--nvme '' --ns backend=null,size=1G,latency=200000000 \
	--run "tests/guest/dma $bin /dev/nvdio0n1 nowait"
# Behind an IOMMU, scatterlists of an untrusted device are mapped entry by entry, others
# as a whole. A flag in the scatterlist says which, and must not outlive the mapping.
for kernel in 6.12 latest; do
	shim "$kernel" nvdio_untrusted
	guest "$kernel, scatterlists used again" --kernel "$kernel" --iommu strict --modargs sgl_threshold=0 \
		--nvme '' --ns size=64M --run "SHIM=$shim tests/guest/dma $bin /dev/nvdio0n1 reuse"
done
tap_end
