#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Errors on the PCI bus, recovery from them, hot plug.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
# A port with a switch and two controllers behind it.
rp="-device pcie-root-port,id=rp,bus=pcie.0,chassis=40,addr=0x18"
left="-blockdev driver=raw,node-name=left,file.driver=file,file.filename=/build/$id/left"
switch="$rp $left -device x3130-upstream,id=up,bus=rp"
switch="$switch -device xio3130-downstream,id=down1,bus=up,chassis=41,slot=1"
switch="$switch -device xio3130-downstream,id=down2,bus=up,chassis=42,slot=2"
switch="$switch -blockdev driver=null-co,node-name=right,size=268435456,read-zeroes=on"
switch="$switch -device nvme,id=left,bus=down1,serial=left,drive=left"
switch="$switch -device nvme,id=right,bus=down2,serial=right,drive=right"
# A port with one device that has two functions.
pair="$rp $left -device nvme,id=left,bus=rp,addr=0.0,multifunction=on,serial=left,drive=left"
pair="$pair -device virtio-rng-pci,bus=rp,addr=0.1"
native="-global ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"
"$top/lab/sh" truncate -s 64M "/build/$id/left"
# In a short run each part on one of the kernels.
for kernel in $(kernels latest); do
	guest "$kernel, errors" --kernel "$kernel" --monitor --qemu "$switch" \
		--run "tests/guest/pci $bin aer"
	guest "$kernel, errors without recovery" --kernel "$kernel" --monitor --quiet-limit 0 \
		--qemu "$pair" --run "tests/guest/pci $bin aer_lost"
	guest "$kernel, hot plug by the port" --kernel "$kernel" --monitor --qemu "$native" \
		--ns share-rw=on --run "tests/guest/pci $bin hotplug"
done
for kernel in $(kernels 6.12); do
	guest "$kernel, hot plug by ACPI" --kernel "$kernel" --monitor --ns share-rw=on \
		--run "tests/guest/pci $bin hotplug"
done
tap_end
