#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Namespaces that change under open files, and pollers that do not poll.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
for kernel in $(kernels 6.12); do
	shim "$kernel" nvdio_answers
	guest "$kernel" --kernel "$kernel" --modargs "poll_queues=2 io_timeout=1" \
		--nvme '' --ns size=256M,uuid=8a1e66a3-5d2c-4c0e-9a39-6c2f10a7be01 \
		--run "tests/guest/namespaces $bin $shim"
done
# One interrupt for admin and I/O queue: a line that other devices may share, and
# a message of our own.
guest "latest, INTx, polling" --kernel latest --append pci=nomsi --nvme '' --ns size=256M \
	--run "tests/guest/shared-irq $bin"
guest "6.12, one MSI-X vector, polling" --kernel 6.12 --nvme msix_qsize=1,max_ioqpairs=1 \
	--ns size=256M --run "tests/guest/shared-irq $bin"
# Queues and processors: fewer queues than processors, in two nodes of one core
# each; and as many.
numa="-smp 4,sockets=2,cores=1,threads=2"
numa="$numa -object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=512M"
numa="$numa -numa node,nodeid=0,memdev=m0,cpus=0-1 -numa node,nodeid=1,memdev=m1,cpus=2-3"
guest "6.12, 2 queues, 2 nodes of 2 threads" --kernel 6.12 --cpus 4 --qemu "$numa" \
	--nvme max_ioqpairs=2 --ns size=256M --run "tests/guest/affinity together"
guest "latest, 4 queues, 4 processors" --kernel latest --cpus 4 \
	--nvme '' --ns size=256M --run "tests/guest/affinity"
guest "6.12, memory in small pieces" --kernel 6.12 --nvme '' --ns size=256M \
	--run "tests/guest/fragmented $bin"
tap_end
