#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The driver's pure logic in user space, under ASan and UBSan (threads: TSan), and the
# Python programs' own.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

out=/build/$id/unit
"$top/lab/sh" flock /tmp/nvdio-unit.lock make -s -C tests/unit "O=$out" >"$tap_dir/log" 2>&1
tap_ok $? "the unit tests compile"
sed 's/^/# /' "$tap_dir/log"
for t in state_test filter_test endless_test dptr_test tags_test tags_test_tsan ns_ids_test; do
	tap "$top/lab/sh" "$out/$t"
	[ "$tap_new" -gt 0 ] && [ "$tap_status" = 0 ]
	tap_ok $? "$t ended well (status $tap_status, $tap_new tests)"
done
for t in "$top"/tests/unit/*_test.py; do
	t=${t##*/}
	tap "$top/lab/sh" python3 -B "tests/unit/$t"
	[ "$tap_new" -gt 0 ] && [ "$tap_status" = 0 ]
	tap_ok $? "$t ended well (status $tap_status, $tap_new tests)"
done
tap_end
