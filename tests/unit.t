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
for t in state_test filter_test looping_test dptr_test tags_test tags_test_tsan ns_ids_test status_test cmd_test map_table_test \
	pfn_index_test cmb_test range_test desc_test ring_test x86_test; do
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
# ends STATUS TEXT COMMANDS: so ends a .t of these commands, which are two tests.
ends() {
	sh -c ". \"\$(dirname \"\$0\")/lib.sh\"; $3; tap_end" "$0" >"$tap_dir/log" 2>&1
	status=$?
	[ $status = "$1" ] && [ "$(tail -n 1 "$tap_dir/log")" = 1..2 ]
	tap_ok $? "tests/lib.sh: $2 (status $status)" || sed 's/^/#   /' "$tap_dir/log"
}
ends 0 "a .t whose tests pass ends with 0" 'tap_ok 0 one; tap echo "ok - two"'
ends 1 "one whose first test fails with 1" 'tap_ok 1 one; tap echo "ok - two"'
ends 1 "so does one if a program's test fails" 'tap echo "not ok - one"; tap_ok 0 two'
tap_end
