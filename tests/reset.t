#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Resets of every kind, sleep, and controllers that stop working.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
# What the device is asked is traced, so that a look at an idle one shows.
trace=/build/$id/reset-trace
# One namespace, two controllers.
shared="-device nvme-subsys,id=sub,nqn=sub"
shared="$shared -device nvme,id=left,serial=pair,subsys=sub -device nvme,id=right,serial=pair,subsys=sub"
shared="$shared -blockdev driver=null-co,node-name=both,size=268435456,read-zeroes=on"
shared="$shared -device nvme-ns,bus=left,drive=both,nsid=1,shared=on"
for kernel in $(kernels 6.12); do
	guest "$kernel" --kernel "$kernel" --append iomem=relaxed --modargs poll_queues=1 \
		--nvme '' --nvme '' --ns backend=null,size=1G,latency=800000000 \
		--qemu "$shared -trace pci_nvme_mmio_read -D $trace" \
		--run "tests/guest/reset $bin $trace"
done
# From memory: the file systems of the host do not survive sleep. Nor does the
# clock of an emulated 7.3, which stands still afterwards.
swap="-blockdev driver=raw,node-name=swap,file.driver=file,file.filename=/build/$id/swap"
swap="$swap -device virtio-blk-pci,drive=swap"
"$top/lab/sh" truncate -s 1G "/build/$id/swap"
guest "6.12, sleep" --kernel 6.12 --qemu "$swap -trace pci_nvme_mmio_shutdown_set -D $trace" \
	--run "mkdir -p /tmp/tests/guest && cp tests/guest/lib.sh tests/guest/sleep /tmp/tests/guest &&
		cd /tmp && tests/guest/sleep"
shutdowns=$("$top/lab/sh" grep -c pci_nvme_mmio_shutdown_set "$trace")
tap_ok $((${shutdowns:-0} != 5)) "C6: a shutdown for each sleep, two for hibernation, and one when the machine goes down ($shutdowns)"
# A plug that ends while the I/O queues do not exist. QEMU ignores the doorbell of such a
# queue, but says so; without shadow doorbells each one is a write to a register.
for kernel in $(kernels latest); do
	shim "$kernel" nvdio_plug
	"$top/lab/sh" rm -f "$trace"
	guest "$kernel, plugs" --kernel "$kernel" --modargs shadow_doorbells=0 --nvme '' --ns size=64M \
		--qemu "-trace pci_nvme_mmio_doorbell_sq -trace pci_nvme_ub_db_wr_* -D $trace" \
		--run "tests/guest/plug $bin $shim /dev/nvdio0n1"
	rung=$("$top/lab/sh" grep -c pci_nvme_mmio_doorbell_sq "$trace")
	tap_ok $((${rung:-0} == 0)) "$kernel: QEMU's trace has the doorbells that were rung ($rung)"
	refused=$("$top/lab/sh" grep -c pci_nvme_ub_db_wr "$trace")
	tap_ok "$refused" "C8: $kernel: none of them was of a queue that does not exist ($refused)"
done
tap_end
