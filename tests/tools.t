#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The command nvdio: what it lists, what it refuses to bind, what a reboot keeps, and
# numbers beside fio's.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

mdadm=$("$top/lab/extra" mdadm) && udev=$("$top/lab/extra" udev)
tap_ok $? "mdadm and udev are there"
# tools KERNEL PART...
tools() {
	kernel=$1
	shift
	guest "$kernel" --kernel "$kernel" --timeout 1500 --nvme '' --ns size=64M --nvme '' --ns size=64M \
		--run "MDADM=$mdadm UDEV=$udev tests/guest/tools $*"
}

if full; then
	tools 6.12 list bind refuse persist args stat
	tools latest list bind refuse persist args stat
else
	tools 6.12 list refuse persist
	tools latest bind args stat
fi
tap_end
