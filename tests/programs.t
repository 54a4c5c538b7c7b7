#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# fio, nvme-cli, qemu-img, qemu-io, dd, cmp, ddrescue, ioping and badblocks, unmodified.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

guest "6.12, poll queues" --kernel 6.12 --timeout 500 --modargs poll_queues=1 --nvme '' --ns size=256M \
	--run "tests/guest/programs $(full && echo 60 || echo 15) nvme fio qemu tools mixed"
guest "latest, strict IOMMU" --kernel latest --iommu strict --timeout 500 --nvme '' --ns size=256M \
	--run "tests/guest/programs 15 nvme $(full && echo fio) qemu tools $(full && echo mixed)"
tap_end
