# SPDX-License-Identifier: GPL-2.0
# Sourced by tests/*.t: builds the test programs, runs guests and passes their
# TAP on. Sets top (the checkout) and bin (the programs, as the guest sees them).
# shellcheck shell=sh

top=$(cd "$(dirname "$0")/.." && pwd -P)
# What this checkout's files in the build cache are under (as lab/build does it).
id=$(printf %s "$top" | sha256sum | cut -c 1-8)
tap_dir=$(mktemp -d)
trap 'rm -rf "$tap_dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
tap_tests=0 tap_failed=0 tap_guests=0
# Of QEMU's processor time; lab/vm --silent-limit. What runs for long says little.
silent_limit=600
# Of wall time, for a guest with a debug kernel: eight times what the longest takes.
# shellcheck disable=SC2034
debug_limit=1500
# shellcheck disable=SC2034
[ -z "${NVDIO_FULL-}" ] || { silent_limit=0 debug_limit=6000; }
# What tests/guest/io runs on a whole device.
# shellcheck disable=SC2034
all_programs="iters geometry edges badinput inflight coherence kvec"

# "make check-full" (tests/run --full) runs everything; "make check" leaves out what would
# show nothing new: docs/testing.md says what.
full() {
	[ -n "${NVDIO_FULL-}" ]
}

# kernels K: both in a full run, else K, where the kernels differ in nothing that is tested.
kernels() {
	if full; then echo 6.12 latest; else echo "$1"; fi
}

# One test: tap_ok STATUS TEXT
tap_ok() {
	tap_tests=$((tap_tests + 1))
	if [ "$1" = 0 ]; then
		echo "ok $tap_tests - $2"
	else
		tap_failed=$((tap_failed + 1))
		echo "not ok $tap_tests - $2"
		return 1
	fi
}

# The last line of each .t: the plan. Exits with 1 if a test failed.
tap_end() {
	echo "1..$tap_tests"
	[ $tap_failed = 0 ] || exit 1
	exit 0
}

# tap COMMAND...: runs it, renumbers its tests, passes everything else on as
# comments. A plan of its own ("1..N") must match its tests. Sets tap_status to its
# status (70 if it was 0 and the plan is wrong), tap_new to its number of tests.
tap() {
	{ "$@" 2>&1; echo $? >"$tap_dir/status"; } | awk -v n="$tap_tests" -v dir="$tap_dir" '
		BEGIN      { first = since = n; plan = -1 }
		/^ok /     { sub(/^ok ([0-9]+( |$))?/, "ok " ++n " "); print; fflush(); next }
		/^not ok / { sub(/^not ok ([0-9]+( |$))?/, "not ok " ++n " "); failed++; print; fflush(); next }
		/^1\.\.[0-9]+$/ { plan = substr($0, 4); next }
		/^# guest: [0-9]+ tests$/ { said += $3 }
		# Those of a machine that QEMU has lost count as well.
		/^lab\/vm: started once more/ { said += n - since; since = n }
		/^#/       { print; fflush(); next }
		           { print "# " $0; fflush() }
		END        {
			print n > (dir "/tests")
			print said + 0 > (dir "/said")
			print failed + 0 > (dir "/failed")
			wrong = plan >= 0 && plan != n - first
			if (wrong)
				print "# the plan says " plan " tests, there were " n - first
			print wrong + 0 > (dir "/wrong")
		}
	'
	tap_status=$(cat "$tap_dir/status")
	[ "$tap_status" != 0 ] || [ "$(cat "$tap_dir/wrong")" = 0 ] || tap_status=70
	tap_new=$(($(cat "$tap_dir/tests") - tap_tests))
	tap_tests=$(cat "$tap_dir/tests")
	tap_said=$(cat "$tap_dir/said")
	tap_failed=$((tap_failed + $(cat "$tap_dir/failed")))
}

# guest TEXT [lab/vm options] --run COMMAND: the tests of one guest, and two more:
# it ran to its end, and neither it nor its kernel's log had complaints.
guest() {
	text=$1
	shift
	echo "# $text: lab/vm $*"
	tap_guests=$((tap_guests + 1))
	began=$(date +%s)
	# The timeout is only there for hangs; long, because the host may be busy.
	tap "$top/lab/vm" --timeout 900 --silent-limit "$silent_limit" --times \
		${NVDIO_TAP_LOGS:+--keep-log "$NVDIO_TAP_LOGS/$(basename "$0" .t)-$tap_guests.log"} "$@"
	echo "# guest: $(($(date +%s) - began)) s: $text"
	[ "$tap_new" -gt 0 ] && [ "$tap_new" = "$tap_said" ]
	tap_ok $? "$text: all its tests arrived ($tap_new)"
	tap_ok "$tap_status" "$text: the guest and its kernel's log are clean (status $tap_status)"
}

# Builds tests/src, in the lab's root.
programs() {
	bin=/build/$id/tests
	"$top/lab/sh" flock "/tmp/nvdio-tests.lock" make -s -C tests/src "O=$bin" >&2 || {
		tap_ok 1 "the test programs compile"
		tap_end
	}
}

# soaks TEXT KERNEL [SECONDS]: tests/guest/soak in three machines. With SECONDS, each
# goes through the whole matrix of parameters in a third of that time; else through a
# few settings, chosen so that all pairs of values of two parameters occur.
soaks() {
	if [ -n "${3-}" ]; then
		each=$(($3 / 36)) all='2,1,0 2,1,2 2,2,0 2,2,2 2,64,0 2,64,2 64,1,0 64,1,2 64,2,0 64,2,2 64,64,0 64,64,2'
		[ $each -gt 0 ] || each=1
		off=$all strict=$all swiotlb=$all
	else
		each=6 off='2,1,0 64,64,2' strict='64,2,0 2,64,2' swiotlb='64,1,2 2,2,0'
	fi
	soak_guest "$1soak" "$off" --kernel "$2"
	soak_guest "$1soak, strict IOMMU" "$strict" --kernel "$2" --iommu strict
	soak_guest "$1soak, swiotlb" "$swiotlb" --kernel "$2" --append swiotlb=force
}

soak_guest() {
	text=$1 settings=$2
	shift 2
	guest "$text" "$@" --cpus 4 --mem 2G --timeout $((1500 + 12 * each * 10)) \
		--silent-limit $((silent_limit ? silent_limit + 10 * each : 0)) \
		--nvme '' --ns size=256M --ns size=256M --run "tests/guest/soak $bin $each $settings"
}

# Builds module $2 of tests/shim for kernel $1; sets shim.
# shellcheck disable=SC2016,SC2034
shim() {
	own=
	[ -z "${NVDIO_COVERAGE-}" ] || own=$("$top/lab/kernel-debug" --path kcsan)
	shim=$("$top/lab/sh" sh -euc '
		v=$(cat "/usr/lib/nvdio-lab/kernel/$1")
		[ -z "$4" ] || v=$(cat "$4/version")
		dir=/build/$2/shim-$v
		mkdir -p "$dir"
		exec 9>"$dir/.lock"
		flock 9
		cp /src/tests/shim/* "$dir"
		headers=/lib/modules/$v/build
		[ -z "$4" ] || headers=$4/kbuild
		make -s -C "$headers" M="$dir" KCSAN_SANITIZE=n modules >&2
		echo "$dir/$3.ko"
	' sh "$1" "$id" "$2" "$own")
	tap_ok $? "tests/shim compiles for $1"
}
