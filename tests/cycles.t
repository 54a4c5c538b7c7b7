#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Resets, unbinds and binds, many times and under load.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
resets=100 binds=20
full && resets=10000 binds=1000
for kernel in $(kernels 6.12); do
	guest "$kernel, cycles" --kernel "$kernel" --cpus 4 --timeout 6000 --nvme '' --ns size=256M \
		--run "tests/guest/cycles $bin $resets $binds"
done
tap_end
