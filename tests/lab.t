#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The lab itself: it waits for locks of apt, starts a machine once more that dies at
# boot, and ends one that stands still.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

tap "$top/lab/sh" sh tests/unit/apt_lock
tap_ok "$tap_status" "apt_lock ended well ($tap_new tests)"

# vm STATUS TEXT OPTIONS...: lab/vm returns STATUS; what it said is in $tap_dir/vm.
vm() {
	want=$1 text=$2
	shift 2
	"$top/lab/vm" --no-module --nvme '' --ns size=1M "$@" >"$tap_dir/vm" 2>&1
	status=$?
	[ $status = "$want" ]
	tap_ok $? "$text (status $status)" || sed 's/^/#   /' "$tap_dir/vm" | tail -n 30
}

# said NUMBER PATTERN TEXT: there are so many lines of PATTERN.
said() {
	lines=$(grep -c -e "$2" "$tap_dir/vm")
	[ "$lines" = "$1" ]
	tap_ok $? "$3" || sed 's/^/#   /' "$tap_dir/vm" | tail -n 30
}

# What can be said without the lab's root is said before it is downloaded.
NVDIO_LAB=$tap_dir/none "$top/lab/vm" --help >"$tap_dir/vm" 2>&1
tap_ok $? "lab/vm --help needs no root"
said 1 '^controllers and namespaces:' "and is the whole text"
NVDIO_LAB=$tap_dir/none "$top/lab/vm" --nonsense >"$tap_dir/vm" 2>&1
[ $? = 2 ] || ! command -v python3 >/dev/null
tap_ok $? "nor does a wrong option"
if command -v python3 >/dev/null; then
	NVDIO_LAB=$tap_dir/none timeout 60 "$top/lab/vm" --share "$tap_dir/nowhere" --run true >"$tap_dir/vm" 2>&1
	tap_ok $(($? - 125)) "nor a directory to share that is not there"
	said 1 'nowhere: not a directory' "which is named"
fi
# Nor on a host without python3, as a minimal Debian is.
mkdir "$tap_dir/bin"
for program in awk cat cut dirname grep sed setpriv sh sha256sum; do
	ln -s "$(command -v "$program")" "$tap_dir/bin"
done
bare() {
	NVDIO_LAB=$tap_dir/none PATH=$tap_dir/bin sh "$top/lab/vm" "$@" >"$tap_dir/vm" 2>&1
}
bare --help
tap_ok $? "nor does --help need python3"
sed -n 's/^    a("\(--[a-z-]*\)".*/\1/p' "$top/lab/options.py" | while read -r option; do
	grep -q -e "^  $option\( \|\$\)" "$tap_dir/vm" || echo "$option"
done >"$tap_dir/missing"
diff /dev/null "$tap_dir/missing" >&2
tap_ok $? "which lists all options"
bare --share="$tap_dir" --nonsense --run true
tap_ok $(($? - 2)) "nor does a wrong option"
bare --share "$tap_dir" --share="$tap_dir/nowhere" --run true
tap_ok $(($? - 125)) "nor a directory that is not there"
made=$(find "$tap_dir/none" 2>/dev/null | wc -l)
tap_ok "$made" "nothing was made in the cache"

# --share, with a fio job of the user's; the directory need not be one that the lab knows.
mkdir -p "$tap_dir/jobs" "$tap_dir/b"
printf '[job]\nfilename=/share/b/x\nsize=64k\nrw=write\n' >"$tap_dir/jobs/own.fio"
vm 0 "--share: a job of the host runs" --share "$tap_dir/jobs" --share "$tap_dir/b" \
	--run 'fio /share/jobs/own.fio'
[ "$(stat -c %s "$tap_dir/b/x")" = 65536 ]
tap_ok $? "--share: the host has what it wrote"
vm 125 "--share: what is not there is refused" --share "$tap_dir/none" --run true
said 1 'none: not a directory' "and named"

# No /init: the kernel panics before anything of ours runs.
vm 125 "E: a machine that dies at every boot fails" --append rdinit=/nothing --run true
said 1 'started once more: it ended at boot' "E: after it was started once more, which is said"
vm 3 "E: a command that fails is not run again" --run 'echo once; exit 3'
said 1 once "E: it ran once"
vm 124 "E: a command that hangs is ended" --quiet-limit 8 --timeout 200 --run 'echo once; sleep 1000'
said 1 'stood still for 8 s' "E: because the machine stood still"
said 1 once "E: and is not run again"
said 1 'lab: time is up' "E: the log says who waits"
# shellcheck disable=SC2016
vm 0 "E: one that computes in silence is not ended" --quiet-limit 8 \
	--run 'end=$(($(date +%s) + 20)); while [ $(date +%s) -lt $end ]; do :; done'
# shellcheck disable=SC2016
vm 124 "E: unless it does so for long" --silent-limit 8 --timeout 200 --run 'echo once; while :; do :; done'
said 1 'nothing said for 8 s of processor time' "E: because it said nothing"
said 1 'backtraces of all CPUs' "E: the log says what it does"
# shellcheck disable=SC2016
vm 0 "E: nor one that says something now and then" --quiet-limit 8 \
	--run 'for i in 1 2 3 4; do echo $i; sleep 4; done'
tap_end
