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
	quiet "nvdio.ko for $kernel: W=1" lab/build --kernel "$kernel" --w1
	quiet "nvdio.ko for $kernel: sparse" lab/build --kernel "$kernel" --sparse
done
checkpatch='lab/sh /usr/lib/nvdio-lab/scripts/checkpatch.pl --strict --no-tree --no-summary --terse'
# shellcheck disable=SC2046,SC2086
quiet "checkpatch --strict" $checkpatch -f \
	$(git ls-files 'driver/*.[ch]' 'driver/uapi/*.h' | grep -v '^driver/compat.h$')
# The one file that has to know kernel versions.
# shellcheck disable=SC2086
quiet "checkpatch --strict, compat.h" $checkpatch \
	--ignore LINUX_VERSION_CODE,CONSTANT_COMPARISON -f driver/compat.h

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
tap_end
