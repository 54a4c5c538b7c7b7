#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Data races in the driver, found by KCSAN: the kernel "kcsan" of lab/kernel-debug, which
# instruments the module. Part of "make check-full".
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
# With few bounce buffers, copying pins pages, which "rings" takes for a mistake.
guest "races, io" --kernel kcsan --cpus 4 --hugepages 24 --timeout 3000 \
	--modargs 'poll_queues=2 io_queue_depth=32' \
	--nvme '' --ns size=256M \
	--run "tests/guest/io $bin /dev/nvdio0n1 rings inflight coherence 'waits -t B6 -t B9 -t B13'"
guest "races, resets" --kernel kcsan --cpus 4 --mem 2G --timeout 3000 \
	--modargs 'poll_queues=2 io_queue_depth=32 bounce_buffers=4' --nvme '' --ns size=256M \
	--run "tests/guest/races $bin /dev/nvdio0n1 inflight soak rings"
guest "races, fuzz" --kernel kcsan --cpus 4 --timeout 3000 \
	--modargs 'poll_queues=2 io_queue_depth=32 bounce_buffers=4' --nvme '' --ns size=256M \
	--run "NVDIO_SEED='${NVDIO_SEED-}' tests/guest/fuzz $bin ${FUZZ_TIME:-60}"
guest "races, faults" --kernel kcsan --cpus 4 --timeout 3000 --vfu 'set oacs 0x102' \
	--run "NVDIO_SEED='${NVDIO_SEED-}' tests/guest/vfu $bin completions admin fuzz"
tap_end
