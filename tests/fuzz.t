#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Nearly valid calls of every kind, by several processes, while the controller is reset,
# unbound, removed, and lies. FUZZ_TIME is how long each part takes, in seconds; "make
# check-full" sets it, and without it this is a short pass. NVDIO_SEED repeats the calls.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
time=${FUZZ_TIME:-30}
# Free memory is poisoned, so that what comes too late is seen.
guest "6.12, fuzz" --kernel 6.12 --append page_poison=1 --timeout $((1200 + 10 * time)) \
	--modargs 'poll_queues=1 io_queue_depth=64 bounce_buffers=8' --nvme '' --ns size=256M \
	--run "NVDIO_SEED='${NVDIO_SEED-}' tests/guest/fuzz $bin $time"
guest "latest, fuzz, a controller with faults" --kernel latest --append page_poison=1 \
	--timeout $((1200 + 10 * time)) --modargs 'poll_queues=1 io_queue_depth=64 bounce_buffers=8' \
	--vfu 'set oacs 0x102' \
	--run "NVDIO_SEED='${NVDIO_SEED-}' tests/guest/fuzz $bin $time"
tap_end
