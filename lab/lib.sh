# SPDX-License-Identifier: GPL-2.0
# Sourced by the lab's shell scripts. Sets top (the checkout), NVDIO_LAB (the
# cache) and me (the name for messages).
# shellcheck shell=sh

me=lab/${0##*/}
top=$(cd "$(dirname "$0")/.." && pwd -P)
NVDIO_LAB=${NVDIO_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/nvdio}
# An ordinary user's PATH may lack chroot.
PATH=$PATH:/usr/sbin:/sbin
export NVDIO_LAB PATH

die() {
	echo "$me: $*" >&2
	exit 125
}

say() {
	echo "$me: $*" >&2
}

# The comment block at the head of the calling script is its --help.
usage() {
	sed -n '3,/^[^#]/{/^#/{s/^# \{0,1\}//;p;};}' "$0"
	exit 0
}

# The name of the root: another list of packages or another hook makes another root.
root_dir() {
	echo "$NVDIO_LAB/root-$(cat "$top/lab/packages" "$top/lab/root-hook" |
		sha256sum | cut -c 1-12)"
}

# Where lab/kernel-debug keeps kernel $1, as seen in the root and the guest: another root
# (another compiler) or configuration makes another kernel.
own_kernel() {
	echo "/build/kernel-$1-$({
		cat "$top/lab/packages" "$top/lab/root-hook" "$top/lab/kernel-debug.common" "$top/lab/kernel-$1.config"
		echo "${NVDIO_KASAN_ALL-}"
	} | sha256sum | cut -c 1-12)"
}

# Runs "$@" so that it gets signal $1 when this script ends, whatever ended it.
# The command keeps the terminal and stdin.
run_killable() {
	signal=$1
	shift
	exec 8<&0
	setpriv --pdeathsig "$signal" -- "$@" <&8 8<&- &
	child=$!
	exec 8<&-
	trap 'kill -$signal $child 2>/dev/null || :; wait $child 2>/dev/null || :; exit 130' INT
	trap 'kill -$signal $child 2>/dev/null || :; wait $child 2>/dev/null || :; exit 143' TERM HUP
	status=0
	wait $child || status=$?
	trap - INT TERM HUP
	return $status
}

# Runs "$@" in new namespaces, so that its mounts and processes go away with it,
# however it ends. An ordinary user is root there.
in_namespace() {
	set -- --mount --propagation private --pid --fork --kill-child -- "$@"
	[ "$(id -u)" = 0 ] || set -- --user --map-root-user "$@"
	# unshare ignores SIGINT and SIGTERM while it waits, so kill it; that kills
	# its child as well.
	run_killable KILL unshare "$@"
}

# apt_get LOG ARGUMENTS...: apt-get, its output appended to LOG. Waits up to 15 minutes
# while another process holds a lock of apt or dpkg, as the automatic updates of a new
# machine do. (apt itself has a timeout for dpkg's locks, but not for those of its lists
# and archives.)
apt_get() {
	apt_log=$1 apt_tries=90
	shift
	until apt_said=$(LC_ALL=C DEBIAN_FRONTEND=noninteractive apt-get "$@" 2>&1); do
		printf '%s\n' "$apt_said" >>"$apt_log"
		case $apt_said in
		*"Could not get lock"* | *"Unable to lock"* | *"Unable to acquire the dpkg"*) ;;
		*) return 1 ;;
		esac
		apt_tries=$((apt_tries - 1))
		[ $apt_tries -gt 0 ] || return 1
		[ $apt_tries != 89 ] || say "waiting for another package manager to finish ($(printf '%s\n' "$apt_said" |
			sed -n 's/^E: \(Could not get lock.*\)/\1/p' | head -n 1))"
		sleep 10
	done
	printf '%s\n' "$apt_said" >>"$apt_log"
}
