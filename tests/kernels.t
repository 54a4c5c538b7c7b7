#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Kernels on which nvdio is not known to work are refused by the compiler's first
# and only message; those on which it is are not.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$top" || exit 1
# shellcheck disable=SC2016
flags=$(sed -n 's/^ccflags-y += //p' Kbuild | sed 's#\$(src)#/src#g')

# compiles VERSION PATCHLEVEL [OPTION...]: what the compiler says of a file of the module,
# for a kernel that has nothing but its version, and a configuration of these options.
compiles() {
	kernel="$1 $2"
	shift 2
	config=
	for option; do
		config="$config -DCONFIG_$option=1"
	done
	# shellcheck disable=SC2016,SC2086
	"$top/lab/sh" sh -c '
		d=$(mktemp -d) && mkdir "$d/linux" || exit
		echo "#define KERNEL_VERSION(a, b, c) ((a) * 65536 + (b) * 256 + (c))
#define LINUX_VERSION_CODE KERNEL_VERSION($1, $2, 5)" >"$d/linux/version.h"
		shift 2
		gcc -fsyntax-only -nostdinc -I"$d" "$@" -x c /dev/null 2>&1
		rm -r "$d"' sh $kernel $config $flags >"$tap_dir/log"
}

for v in 5.15 6.1 6.11 6.13 6.14 6.15 6.16 6.17 6.18 6.19; do
	compiles "${v%.*}" "${v#*.}" 64BIT
	[ "$(grep -c 'error:' "$tap_dir/log")" = 1 ] &&
		grep -q 'error: #error "nvdio: not known to work on this kernel' "$tap_dir/log"
	tap_ok $? "A8: Linux $v is refused in one line" || sed 's/^/#   /' "$tap_dir/log"
done
for v in 6.12 7.0 7.3 8.0; do
	compiles "${v%.*}" "${v#*.}" 64BIT
	# There is nothing else to be included.
	grep -q 'fatal error: linux/' "$tap_dir/log" && ! grep -q 'nvdio:' "$tap_dir/log"
	tap_ok $? "A8: Linux $v is not refused" || sed 's/^/#   /' "$tap_dir/log"
done

# What the code takes for granted of a machine.
for options in "" "64BIT ARCH_HAS_CPU_CACHE_ALIASING" "64BIT SPARSEMEM"; do
	# shellcheck disable=SC2086
	compiles 6 12 $options
	[ "$(grep -c 'error:' "$tap_dir/log")" = 1 ] &&
		grep -q 'error: #error "nvdio: needs a 64-bit kernel' "$tap_dir/log"
	tap_ok $? "a configuration of '$options' is refused in one line" || sed 's/^/#   /' "$tap_dir/log"
done
compiles 6 12 64BIT SPARSEMEM SPARSEMEM_VMEMMAP
grep -q 'fatal error: linux/' "$tap_dir/log" && ! grep -q 'nvdio:' "$tap_dir/log"
tap_ok $? "with SPARSEMEM_VMEMMAP it is not" || sed 's/^/#   /' "$tap_dir/log"
tap_end
