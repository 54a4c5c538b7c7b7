#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The command nvdio: what it lists, what it refuses to bind, what a reboot keeps, and
# numbers beside fio's.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

mdadm=$("$top/lab/extra" mdadm) && udev=$("$top/lab/extra" udev)
tap_ok $? "mdadm and udev are there"
disks="--timeout 1500 --nvme '' --ns size=64M --nvme '' --ns size=64M"
tools() {
	text=$1 kernel=$2
	shift 2
	# shellcheck disable=SC2086
	eval guest '"$text"' --kernel '"$kernel"' $disks --run "'MDADM=$mdadm UDEV=$udev tests/guest/tools $*'"
}

tools "6.12" 6.12 list refuse persist "$(full && echo bind args stat)"
tools "latest" latest bind args stat "$(full && echo list refuse persist)"
tap_end
