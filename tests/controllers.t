#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Controllers that can do less: no SGLs, small commands, few queues, no MSI-X.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

few="iters geometry inflight"
# "geometry" takes longest; without it where the shape of commands is that of another guest.
fewer="iters inflight"
full && fewer=$few
programs
# PRPs alone, 32 KiB at most in a command: lists, chains and many splits; fewer queues
# than processors.
guest "6.12, no SGLs, MDTS 32 KiB" --kernel 6.12 --cpus 3 --hugepages 16 --modargs sgl_threshold=0 \
	--nvme mdts=3,max_ioqpairs=2 --ns size=256M --ns size=256M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin '/dev/nvdio0n1 /dev/nvdio0n2' $few coherence &&
		tests/guest/attributes nvdio0 irq_mode msix queue_count 2 mdts_bytes 32768"
# Long commands (QEMU allows no more), every transfer of more than a page an SGL.
guest "latest, SGLs, MDTS 2 MiB" --kernel latest --cpus 4 --hugepages 16 --modargs sgl_threshold=1 \
	--nvme mdts=9 --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 $few &&
		tests/guest/attributes nvdio0 irq_mode msix queue_count 4 mdts_bytes 2097152"
# Without the shortcut around the DMA API.
guest "6.12, dma_shortcut=0" --kernel 6.12 --hugepages 16 --modargs dma_shortcut=0 \
	--nvme '' --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 $few coherence"
# One vector for all queues.
guest "6.12, one MSI-X vector" --kernel 6.12 --hugepages 16 --iommu strict --modargs sgl_threshold=0 \
	--nvme msix_qsize=1,max_ioqpairs=1 --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 $fewer &&
		tests/guest/attributes nvdio0 irq_mode msix queue_count 1"
# No message signalled interrupts at all.
guest "latest, INTx" --kernel latest --hugepages 16 --append pci=nomsi \
	--nvme '' --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 $fewer &&
		tests/guest/attributes nvdio0 irq_mode intx queue_count 1"
# All DMA through the software IOTLB: a mapping that is not undone, or undone too
# late, or synced the wrong way, shows in the data or in its use.
guest "6.12, swiotlb" --kernel 6.12 --hugepages 16 --append swiotlb=force \
	--nvme '' --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 $fewer coherence"
# Its mappings are at most 256 KiB; PRPs bear a cut only on a page boundary.
guest "6.12, swiotlb, no SGLs, MDTS 32 KiB" --kernel 6.12 --hugepages 16 --append swiotlb=force \
	--modargs sgl_threshold=0 --nvme mdts=3 --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 geometry"
tap_end
