#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# What a reviewer's tools say: the module compiles without a warning (W=1,
# sparse) for every kernel of the lab, in kernel style, and scripts are clean. Python
# is typed and linted.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

# quiet TEXT COMMAND...: it succeeds and says nothing on stderr that is a complaint.
quiet() {
	text=$1
	shift
	"$@" >"$tap_dir/log" 2>&1
	status=$?
	grep -E 'warning|error|WARNING|ERROR|CHECK:' "$tap_dir/log" >"$tap_dir/bad"
	complaints=$(wc -l <"$tap_dir/bad")
	tap_ok $((status + complaints)) "$text (status $status, $complaints complaints)" ||
		sed 's/^/#   /' "$tap_dir/log" | tail -n 40
}

cd "$top" || exit 1
for kernel in 6.12 latest; do
	quiet "nvdio.ko for $kernel: W=1, sparse" lab/build --kernel "$kernel" --w1 --sparse
done
# Of what was built just now.
quiet "includes and calls go one way" lab/sh tests/rooms \
	"$(dirname "$(lab/build --kernel 6.12 --root-path 2>/dev/null)")"
quiet "one read: nine files, none entered twice" lab/sh tests/walk \
	"$(lab/build --kernel 6.12 --root-path 2>/dev/null)"
checkpatch='lab/sh /usr/lib/nvdio-lab/scripts/checkpatch.pl --strict --no-tree --no-summary --terse'
# shellcheck disable=SC2046,SC2086
quiet "checkpatch --strict" $checkpatch -f \
	$(git ls-files 'driver/*.[ch]' | grep -v '^driver/core/compat.h$' | grep -v '^driver/core/trace.h$')
# The one file that has to know kernel versions.
# shellcheck disable=SC2086
quiet "checkpatch --strict, compat.h" $checkpatch \
	--ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON -f driver/core/compat.h
# The form of tracepoints is that of the kernel's own, which is not C.
# shellcheck disable=SC2086
quiet "checkpatch --strict, trace.h" $checkpatch \
	--ignore OPEN_ENDED_LINE,COMPLEX_MACRO,MACRO_ARG_REUSE,PARENTHESIS_ALIGNMENT,LONG_LINE_STRING,MULTILINE_DEREFERENCE -f driver/core/trace.h
# User space has neither the kernel's types nor its macros; PRIu64 and KiB are camel
# case; a test's name is often also a word of its text; vfio-user has positive errnos.
user=USE_NEGATIVE_ERRNO,ENOSYS,BIT_MACRO,PREFER_KERNEL_TYPES,PREFER_DEFINED_ATTRIBUTE_MACRO,CAMELCASE,EMBEDDED_FUNCTION_NAME,MACRO_ARG_REUSE
# shellcheck disable=SC2046,SC2086
quiet "checkpatch --strict, user space" $checkpatch --ignore $user -f \
	$(git ls-files 'tests/*.[ch]' 'bench/*.[ch]' 'lab/*.[ch]' 'lib/*.[ch]' | grep -v '^bench/insn.c$')
# It declares QEMU's plugin interface, for which Debian has no header.
# shellcheck disable=SC2086
quiet "checkpatch --strict, insn.c" $checkpatch --ignore $user,AVOID_EXTERNS,NEW_TYPEDEFS -f bench/insn.c

# shellcheck disable=SC2016,SC2046
quiet "kernel-doc -Wall" lab/sh sh -c \
	'"/lib/modules/$(cat /usr/lib/nvdio-lab/kernel/6.12)/build/scripts/kernel-doc" -none -Wall "$@"' \
	sh $(git ls-files 'driver/*.[ch]')

# checkpatch leaves this where there is no git.
rm -f .checkpatch-camelcase.git.

# A function fits on a page: 60 lines at most, its head included.
# shellcheck disable=SC2046
awk '/^[^ \t#\/*}].*\(/ && !/;$/ { head = FNR }
	/^}$/ && head { if (FNR - head >= 60) print FILENAME ":" head ": " FNR - head + 1 " lines"; head = 0 }
	FNR == 1 { head = 0 }' $(git ls-files '*.[ch]') >"$tap_dir/long"
tap_ok "$(wc -l <"$tap_dir/long")" "no function in C has more than 60 lines" ||
	sed 's/^/#   /' "$tap_dir/long"

# Every C file of ours says under what licence it is.
for f in $(git ls-files '*.c' '*.h' '*.py' '*.sh' 'lab/*' 'tests/guest/*' 'tests/*.t' 'fio-jobs/*' bench Kbuild Makefile | sort -u); do
	head -n 3 "$f" | grep -q 'SPDX-License-Identifier: GPL-2.0' || echo "$f"
done >"$tap_dir/unlicensed"
tap_ok "$(wc -l <"$tap_dir/unlicensed")" "every file has its SPDX line" ||
	sed 's/^/#   /' "$tap_dir/unlicensed"

# Python: types, style (both by setup.cfg), and functions that fit on a page.
python=$(git ls-files '*.py'; git grep -lE '^#!.*python' -- ':!*.py')
# shellcheck disable=SC2086
quiet "mypy --strict" lab/sh mypy --no-error-summary "--cache-dir=/build/$id/mypy" $python
# shellcheck disable=SC2086
quiet "flake8" lab/sh flake8 $python
# shellcheck disable=SC2086
quiet "Python functions of at most 60 lines" lab/sh python3 -B tests/function_lengths.py 60 $python

# shellcheck disable=SC2046
quiet "shellcheck" lab/sh shellcheck -x -P SCRIPTDIR \
	$(git grep -lE '^#!/bin/(ba)?sh|^# shellcheck shell=' -- lab tests fio-jobs bench .ci | grep -v '\.py$')

quiet "the examples compile without a warning" lab/sh make -B -s -C examples "O=/build/$id/examples"
quiet "lib compiles without a warning" lab/sh make -B -s -C lib "O=/build/$id/lib-build"
# What README.md shows is examples/read.c, without its first two lines.
# shellcheck disable=SC2016
sed -n '/^```c$/,/^```$/{/^```/!p;}' README.md >"$tap_dir/shown"
tail -n +3 examples/read.c | cmp -s - "$tap_dir/shown"
tap_ok $? "README.md shows examples/read.c"
# The module says which version it is; the two documents that name it agree.
version=$(git grep -h '^MODULE_VERSION(' -- driver | sed 's/^[^"]*"//; s/".*//')
[ -n "$version" ] && grep -qF "Version $version;" README.md &&
	[ "$(sed -n 's/^## \[\([0-9][^]]*\)\].*/\1/p' CHANGELOG.md | head -n 1)" = "$version" ]
tap_ok $? "README.md and CHANGELOG.md name the module's version ($version)"
tap_end
