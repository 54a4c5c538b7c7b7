#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Kernels on which nvdio is not known to work are refused by the compiler's first
# and only message; those on which it is are not.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$top" || exit 1
# shellcheck disable=SC2016
flags=$(sed -n 's/^ccflags-y += //p' Kbuild | sed 's#\$(src)#/src#g')

# compiles VERSION PATCHLEVEL: what the compiler says of a file of the module, for
# a kernel that has nothing but its version.
compiles() {
	# shellcheck disable=SC2016,SC2086
	"$top/lab/sh" sh -c '
		d=$(mktemp -d) && mkdir "$d/linux" || exit
		echo "#define KERNEL_VERSION(a, b, c) ((a) * 65536 + (b) * 256 + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION($1, $2, 5)" >"$d/linux/version.h"
		shift 2
		gcc -fsyntax-only -nostdinc -I"$d" "$@" -x c /dev/null 2>&1
		rm -r "$d"' sh "$1" "$2" $flags >"$tap_dir/log"
}

for v in 5.15 6.1 6.11 6.13 6.14 6.15 6.16 6.17 6.18 6.19; do
	compiles "${v%.*}" "${v#*.}"
	[ "$(grep -c 'error:' "$tap_dir/log")" = 1 ] &&
		grep -q 'error: #error "nvdio: not known to work on this kernel' "$tap_dir/log"
	tap_ok $? "A8: Linux $v is refused in one line" || sed 's/^/#   /' "$tap_dir/log"
done
for v in 6.12 7.0 7.3 8.0; do
	compiles "${v%.*}" "${v#*.}"
	# There is nothing else to be included.
	grep -q 'fatal error: linux/' "$tap_dir/log" && ! grep -q 'nvdio:' "$tap_dir/log"
	tap_ok $? "A8: Linux $v is not refused" || sed 's/^/#   /' "$tap_dir/log"
done
tap_end
