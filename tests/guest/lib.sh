# SPDX-License-Identifier: GPL-2.0
# Sourced by the scripts that run in the guest: TAP, and what must hold after
# every test. Test numbers and the plan are added on the host (tests/lib.sh).
# shellcheck shell=sh

guest_tests=0
guest_failed=0

# ok STATUS TEXT: one test, passes if STATUS is 0.
ok() {
	guest_tests=$((guest_tests + 1))
	if [ "$1" = 0 ]; then
		shift
		echo "ok - $*"
	else
		shift
		guest_failed=$((guest_failed + 1))
		echo "not ok - $*"
		return 1
	fi
}

# is GOT WANT TEXT
is() {
	got=$1 want=$2
	shift 2
	[ "$got" = "$want" ] && ok 0 "$@" && return
	ok 1 "$@"
	echo "#   got '$got', wanted '$want'"
	return 1
}

note() {
	echo "# $*"
}

# Waits up to $1 seconds until the rest, a command, succeeds.
wait_for() {
	tries=$(($1 * 10))
	shift
	until "$@"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

# A counter of the kernel: vmstat NAME
vmstat() {
	sed -n "s/^$1 //p" /proc/vmstat
}

# Counters are per processor; reading stat_refresh folds them.
pins_balanced() {
	cat /proc/sys/vm/stat_refresh
	[ "$(vmstat nr_foll_pin_acquired)" = "$(vmstat nr_foll_pin_released)" ]
}

# Leak counters of all nodes that are not 0. Finding no counter at all is an error, too.
leaks() {
	asked=0
	for f in /sys/class/nvdio/*/leaks/*; do
		[ -e "$f" ] || continue
		v=$(cat "$f" 2>/dev/null) || continue
		asked=$((asked + 1))
		[ "$v" = 0 ] || echo "${f#/sys/class/nvdio/}=$v"
	done
	[ $asked -gt 0 ] || echo "no counter to ask"
}

no_leaks() {
	[ -z "$(leaks)" ]
}

# Slots of the software IOTLB in use. With swiotlb=force every mapping takes some,
# so one that is never unmapped shows here, whatever the driver's counters say.
swiotlb_used() {
	cat /sys/kernel/debug/swiotlb/io_tlb_used
}
swiotlb_base=
if grep -q "swiotlb=[^ ]*force" /proc/cmdline; then
	swiotlb_base=$(swiotlb_used)
fi
swiotlb_back() {
	[ "$(swiotlb_used)" = "$swiotlb_base" ]
}

# Two tests: after $1 nothing is pinned and no leak counter is set. Some cleanup runs
# after the last close (io_uring's exit work, for one), so this waits for a while.
clean_after() {
	wait_for 10 pins_balanced
	is "$(vmstat nr_foll_pin_acquired)" "$(vmstat nr_foll_pin_released)" \
		"$1: every page that was pinned is unpinned"
	if [ -z "${NVDIO_REFERENCE-}" ]; then
		wait_for 10 no_leaks
		is "$(leaks)" "" "$1: the leak counters are 0"
	fi
	if [ -n "$swiotlb_base" ]; then
		wait_for 5 swiotlb_back
		is "$(swiotlb_used)" "$swiotlb_base" "$1: every mapping is undone"
	fi
}

# The debug kernel's fault injection (docs/lab.md): fault KIND NAME VALUE is a setting of
# failslab, fail_page_alloc or fail_usercopy.
fault() {
	echo "$3" >"/sys/kernel/debug/$1/$2"
}
fault_times=1000000000
# The slab caches that always have memory. Those of the checks that the debug kernel makes, which
# turn themselves off without (radix_tree_node: DMA API debugging). And two of the kernel's code
# for interrupts, from when nvdio is bound:
# maple_node: when there is none for irq_insert_desc() it warns and goes on, and the caller of
# irq_domain_alloc_descs() crashes, since the new interrupt is not found;
# proc_dir_entry: register_irq_proc() ignores that it could not make a file of /proc/irq/N, and
# unregister_irq_proc() warns that it is not there.
faults_spare="kmemleak_object kmemleak_scan_area debug_objects_cache radix_tree_node maple_node proc_dir_entry"
# failslab fails for all slab caches but these. They must not be merged with others: KASAN and
# "slab_nomerge" see to that.
faults_in_caches() {
	for file in /sys/kernel/slab/*/failslab; do
		cache=${file%/failslab}
		case " $faults_spare " in
		*" ${cache##*/} "*) [ ! -h "$cache" ] || return ;;
		# Other names of one cache are refused.
		*) { echo 1 >"$file"; } 2>/dev/null ;;
		esac
	done
	[ -d /sys/kernel/slab/maple_node ] && [ -d /sys/kernel/slab/proc_dir_entry ] &&
		fault failslab cache-filter Y
}
# faults_below require|reject FUNCTION KIND...: only what FUNCTION calls fails, or it does not.
faults_below() {
	which=$1
	range=$(sort /proc/kallsyms | grep -A1 " [tT] $2\>" | head -n 2 | cut -d' ' -f1 | xargs)
	shift 2
	[ "${range#* }" != "$range" ] || return
	for kind; do
		fault "$kind" "$which-start" "0x${range% *}" &&
			fault "$kind" "$which-end" "0x${range#* }" || return
	done
}
# faults_in_driver KIND...: what nvdio calls, or is called for it, may fail; so far nothing does.
faults_in_driver() {
	text=$(cat /sys/module/nvdio/sections/.text)
	size=$(sed -n 's/^nvdio \([0-9]*\) .*/\1/p' /proc/modules)
	# More than the shell's numbers hold.
	end=$(python3 -c "print(hex($text + $size))")
	for kind; do
		if [ "$kind" != fail_usercopy ]; then
			fault "$kind" ignore-gfp-wait N || return
		fi
		[ "$kind" != failslab ] || faults_in_caches || return
		fault "$kind" require-start "$text" && fault "$kind" require-end "$end" &&
			fault "$kind" stacktrace-depth 32 && fault "$kind" verbose 0 || return
	done
}
# faults_on PERCENT KIND...: what nvdio calls, or is called for it, fails so often.
faults_on() {
	percent=$1
	shift
	faults_in_driver "$@" || return
	for kind; do
		fault "$kind" times $fault_times && fault "$kind" interval 1 &&
			fault "$kind" probability "$percent" || return
	done
}
# faults_off LEAST KIND TEXT: one test; so many have failed, at least.
faults_off() {
	fault "$2" probability 0
	failed=$((fault_times - $(cat "/sys/kernel/debug/$2/times")))
	[ $failed -ge "$1" ]
	ok $? "$3: $failed failures by $2"
}

# Where run() keeps a program's output.
run_out=/tmp/run.out

# run TEXT PROGRAM ARGUMENTS...: runs a test program and passes its TAP on, with TEXT
# in front of each test. The program must print its plan, have numbered its tests by
# it, and exit with the status that fits them.
run() {
	text=$1
	shift
	"$@" >"$run_out" 2>&1 </dev/null
	status=$?
	sed "/^1\.\.[0-9]*\$/d
		s#^\(ok\|not ok\) [0-9]* - #\1 - $text: #
		s#^ok [0-9]* \# SKIP #ok - $text \# SKIP #" "$run_out"
	good=$(grep -c '^ok ' "$run_out")
	bad=$(grep -c '^not ok ' "$run_out")
	guest_tests=$((guest_tests + good + bad))
	guest_failed=$((guest_failed + bad))
	awk '/^(not )?ok / { number = $1 == "ok" ? $2 : $3; wrong += number != ++n }
		/^1\.\.[0-9]+$/ { plans++; wrong += $0 != "1.." n }
		END { exit wrong || !n || plans != 1 }' "$run_out"
	planned=$?
	[ "$bad" = 0 ] || want=1
	[ "$bad" != 0 ] || want=0
	[ $planned = 0 ] && [ $status = "$want" ]
	ok $? "$text: the program ran to its end (status $status)"
}

# What removed namespaces had leaked. A node that came back has new counters, which
# do not show it.
leak_reports() {
	dmesg | sed -n 's/.*nvdio: leak: //p'
}

# With the debug kernel and kmemleak=on: what was allocated for nvdio, and nothing refers to
# once the module is gone. What others have leaked before does not count.
kmemleak=/sys/kernel/debug/kmemleak
kmemleak_on() {
	grep -q 'kmemleak=on' /proc/cmdline
}
no_lost_memory() {
	kmemleak_on || return 0
	rmmod nvdio
	ok $? "kmemleak: the module is unloaded"
	# An object counts as lost when two scans have not found it, and it is 5 s old.
	for _ in 1 2; do
		sleep 6
		echo scan >$kmemleak
	done
	cat $kmemleak >/tmp/kmemleak
	grep -q nvdio /tmp/kmemleak
	ok $((! $?)) "kmemleak: nothing that nvdio has allocated is lost" || sed 's/^/#   /' /tmp/kmemleak
}

# The last line of each guest script: the number of tests. A guest that ended early
# does not print it.
guest_end() {
	no_lost_memory
	is "$(leak_reports)" "" "no removed namespace had leaked anything"
	echo "# guest: $guest_tests tests"
	[ $guest_failed = 0 ]
}
