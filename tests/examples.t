#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The programs of examples/: what they print, and by the counters which path
# they take, on both kernels and with 512- and 4096-byte blocks.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

bin=/build/$id/examples
"$top/lab/sh" make -s -C examples "O=$bin" >&2
tap_ok $? "the examples compile"
full && guest "6.12" --kernel 6.12 --modargs poll_queues=1 --nvme '' --ns size=64M \
	--run "tests/guest/examples $bin"
guest "latest, 4096-byte blocks" --kernel latest --modargs poll_queues=1 \
	--nvme cmb_size_mb=16 --ns size=64M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/examples $bin"
tap_end
