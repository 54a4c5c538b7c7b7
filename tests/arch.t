#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Machines other than x86-64: pages of 16 KiB (arm64), big-endian (s390x). The module is
# compiled across, and the test programs run in a guest of that machine. A full run also
# tests arm64 with pages of 4 KiB, an SMMU, mapped memory.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

# machine KERNEL: what it needs, the module, and the programs in $bin and $unit.
machine() {
	place=$("$top/lab/arch" "$1" 2>"$tap_dir/log")
	tap_ok $? "$1: lab/arch has its kernel" || { sed 's/^/#   /' "$tap_dir/log"; return 1; }
	w1=
	! full || w1=--w1
	# shellcheck disable=SC2086
	"$top/lab/build" --kernel "$1" $w1 >"$tap_dir/log" 2>&1 && ! grep -q warning: "$tap_dir/log"
	tap_ok $? "$1: the module compiles" || { sed 's/^/#   /' "$tap_dir/log"; return 1; }
	bin=/build/$id/tests-$1 unit=/build/$id/unit-$1 page=4096
	[ "$1" != arm64-16k ] || page=16384
	# shellcheck disable=SC2016,SC2086
	"$top/lab/sh" flock "/tmp/nvdio-tests-$1.lock" sh -euc '
		place=$1 bin=$2 unit=$3 page=$4 units=$5
		shift 5
		. "$place/machine"
		PATH=$host/usr/bin:$PATH LD_LIBRARY_PATH=$host/usr/lib/x86_64-linux-gnu
		export PATH LD_LIBRARY_PATH
		cc="$cross-gcc --sysroot=$place/root"
		for program; do
			shift
			set -- "$@" "$bin/$program"
		done
		make -s -C tests/src O="$bin" PAGE_BYTES="$page" CC="$cc" "$@"
		make -s -C tests/unit O="$unit" SAN= CC="$cc" $(for t in $units; do echo "$unit/$t"; done)
	' sh "$place" "$bin" "$unit" "$page" "$units" $programs >"$tap_dir/log" 2>&1
	tap_ok $? "$1: the test programs compile" || { sed 's/^/#   /' "$tap_dir/log"; return 1; }
}

# on TEXT OPTIONS...: the unit tests and $run on a device of machine $kernel.
on() {
	text=$1
	shift
	guest "$kernel$text" --kernel "$kernel" --modargs poll_queues=1 --hugepages 2 --nvme '' --ns size=128M "$@" \
		--run "tests/guest/unit $unit $units; tests/guest/io $bin /dev/nvdio0n1 $run"
}

if [ -n "${NVDIO_COVERAGE-}" ]; then
	tap_ok 0 "other machines # SKIP lines are counted on x86-64 only"
	tap_end
fi
# Without looping_test and tags_test, which take a minute here each, unless all is tested.
units="cmb_test cmd_test dptr_test filter_test map_table_test ns_ids_test pfn_index_test range_test"
units="$units ring_test state_test status_test"
programs='iters edges badinput passthru readonly batch'
run=$programs
if full; then
	units="$units looping_test tags_test"
	programs="$programs geometry inflight coherence semantics rings batchrun ownringio map mapio mapbuf mapcmd mapuser"
	run="$run geometry inflight coherence semantics rings batchrun ownringio"
fi
for kernel in arm64-16k s390x; do
	machine $kernel || continue
	on ""
	full || continue
	guest "$kernel, mapped" --kernel $kernel --nvme '' --ns size=256M \
		--nvme '' --ns backend=null,size=1G,latency=200000000 --run "tests/guest/map $bin"
	guest "$kernel, mapped, contents" --kernel $kernel --hugepages 2 --nvme mdts=9 --ns size=64M \
		--run "tests/guest/mapio $bin 5 /dev/nvdio0n1"
done
if full; then
	kernel=arm64-16k
	machine $kernel && on ", strict SMMU" --iommu strict
	kernel=arm64
	machine $kernel && on "" && on ", strict SMMU" --iommu strict
fi
tap_end
