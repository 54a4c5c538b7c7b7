#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What must not cost more with the number of requests, counted in instructions.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
out=/build/$id/counts
"$top/lab/sh" mkdir -p "$out" &&
	"$top/lab/sh" gcc -O2 -Wall -Wextra -Werror -fvisibility=hidden -shared -fPIC -o "$out/insn.so" bench/insn.c >&2
tap_ok $? "the plugin compiles"
# A queue for each CPU, as deep as QEMU has them; the slow namespace is there to have many requests in flight.
guest "6.12, partial writes" --kernel 6.12 --tcg --modargs io_queue_depth=2048 \
	--nvme '' --ns backend=null,size=256M --ns backend=null,size=256M,latency=10000000000 \
	--qemu "-plugin $out/insn.so,out=$out/scans" \
	--run "tests/guest/scans $bin $out/scans /dev/nvdio0n1 /dev/nvdio0n2"
tap_end
