#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Several controllers and namespaces, some of which nvdio has to leave alone.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

for kernel in $(kernels latest); do
	guest "$kernel" --kernel "$kernel" \
		--nvme '' --ns size=16M \
		--ns size=24M,logical_block_size=4096,physical_block_size=4096 \
		--ns size=16M,ms=8 --ns size=16M,ms=8,pi=1 \
		--nvme mdts=1 --ns size=32M \
		--nvme '' --ns none \
		--run tests/guest/topology
done
# The kernel that saves the memory of one that has crashed.
guest "latest, reset_devices" --kernel latest --cpus 4 --append reset_devices \
	--modargs 'poll_queues=2' --vfu 'set hmpre 256' --run tests/guest/reset_devices
tap_end
