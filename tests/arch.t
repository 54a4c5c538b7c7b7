#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Machines other than x86-64: arm64 with pages of 4 and of 16 KiB, s390x, which is big-endian,
# riscv64.
# The module is compiled across, and the test programs run in guests of that machine: unit
# tests, I/O, passthrough, mapped memory, batches, rings, libnvdio. A full run also tests
# an SMMU, and more programs.
#
# usage: tests/arch.t [KERNEL...]       of those that lab/arch knows; default: all that are tested
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
		make -s -C tests/src O="$bin" PAGE_BYTES="$page" CC="$cc" AR="$cross-ar" "$@"
		make -s -C tests/unit O="$unit" SAN= CC="$cc" $(for t in $units; do echo "$unit/$t"; done)
	' sh "$place" "$bin" "$unit" "$page" "$units" $programs >"$tap_dir/log" 2>&1
	tap_ok $? "$1: the test programs compile" || { sed 's/^/#   /' "$tap_dir/log"; return 1; }
}

# on TEXT OPTIONS...: the unit tests and $run on a device of machine $kernel. On s390x, where each
# mapping leaves the machine, passthru takes 15 times as long as elsewhere: so on a busy host
# there are limits of its own.
on() {
	text=$1
	shift
	command="tests/guest/unit $unit $units; unit=\$?; SECONDS=$seconds OWNRING_IOS=$ios NVDIO_ALARM=1500"
	guest "$kernel$text" --timeout 2400 --kernel "$kernel" --modargs poll_queues=1 --hugepages 2 \
		--nvme cmb_size_mb=16 --ns size=128M "$@" \
		--run "$command tests/guest/io $bin /dev/nvdio0n1 $run && exit \$unit"
}

# What programs share with the driver and the controller: PRP lists of mapped memory, rings.
mapped() {
	guest "$kernel, mapped" --timeout 2400 --kernel "$kernel" --nvme '' --ns size=256M \
		--nvme '' --ns backend=null,size=1G,latency=200000000 --run "tests/guest/map $bin"
	guest "$kernel, mapped, contents" --kernel "$kernel" --hugepages 2 --nvme mdts=9 --ns size=64M \
		--run "tests/guest/mapio $bin $step /dev/nvdio0n1"
	guest "$kernel, rings' rules" --kernel "$kernel" --nvme '' --ns size=64M --run "tests/guest/ownring $bin rules"
}

# all KERNEL: its tests. The last line of them is in the summary of tests/run.
all() {
	kernel=$1
	before=$tap_tests began_all=$(date +%s)
	if machine "$kernel"; then
		on ""
		mapped
		case $kernel in arm64*) ! full || on ", strict SMMU" --iommu strict ;; esac
	fi
	echo "# machine: $kernel: $((tap_tests - before)) tests, $(($(date +%s) - began_all)) s"
}

if [ -n "${NVDIO_COVERAGE-}" ]; then
	tap_ok 0 "other machines # SKIP lines are counted on x86-64 only"
	tap_end
fi
# Without looping_test and tags_test, which take a minute here each, unless all is tested.
units="cmb_test cmd_test desc_test dptr_test filter_test hist_test map_table_test ns_ids_test pfn_index_test"
units="$units range_test ring_test state_test status_test"
run="iters edges badinput passthru readonly geometry batch batchrun ownringio"
seconds=1 ios=500 step=40
if full; then
	units="$units looping_test tags_test"
	run="$run inflight coherence semantics rings"
	seconds=4 ios=3000 step=5
fi
programs="$run cmb queues map mapio mapbuf mapcmd mapuser ownring fragment"
# Last, since it unbinds the controller; without what needs lab/vm --vfu.
queues='queues -t contents -t threads -t errors -t opens -t full -t closes -t undisturbed'
run="$run 'cmb -t regs_anywhere' '$queues -t wrong_thread -t forbidden -t gone'"
[ $# -gt 0 ] || set -- arm64 arm64-16k s390x riscv64
for name; do
	all "$name"
done
tap_end
