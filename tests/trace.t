#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tracepoints and latency histograms (docs/tracing.md): each command of each path is there once; turned on
# and off under load; the scripts of tools/bpf. Commands that are counted together (tests/src/hist.c).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

loop=/build/$id/trace/loop
"$top/lab/sh" sh -euc "mkdir -p '${loop%/*}'; gcc -O2 -Idriver/uapi -o '$loop' bench/loop.c lib/nvdio/*.c -luring -laio -lpthread" >&2
tap_ok $? "bench/loop.c compiles"
# The scripts take their time: LLVM compiles them.
seconds=3 bpf=
if full; then
	seconds=20
	bpf=$("$top/lab/extra" bpftrace)
	tap_ok $? "lab/extra bpftrace"
fi
trace() {
	text=$1
	shift
	guest "$text" "$@" --cpus 2 --modargs 'io_queue_depth=9 bounce_buffers=1' --nvme '' --ns size=64M \
		--run "tests/guest/trace $loop $seconds $bpf"
}
for kernel in $(kernels 6.12); do
	trace "$kernel" --kernel "$kernel"
done
# What is counted together, to the command; one processor: all that is released is found at once.
runs() {
	guest "$1, counted together" --kernel "$1" --cpus 1 --modargs io_queue_depth=65 \
		--vfu 'ns 1 size=64M;ns 2 size=64M lbads=12' --run "tests/guest/io $bin /dev/nvdio0n1 hist"
}
programs
for kernel in $(kernels 6.12); do
	runs "$kernel"
done
if full; then
	bpf=
	trace "debug" --kernel debug --timeout 3000
	runs debug
fi
tap_end
