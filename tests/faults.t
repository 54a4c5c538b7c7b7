#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# A part of the table of faults (tests/faults; make faults has all of it).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
# Its zeros mean something.
tap "$top/lab/sh" "$bin/faultload" -s
ended=1
[ "$tap_new" = 0 ] || ended=$tap_status
tap_ok "$ended" "faultload -s ended well (status $tap_status, $tap_new tests)"
# As tests/faults does it.
vfu='set oacs 0x102; set mdts 4; set cap.to 6'
faults() {
	text=$1 more=$2
	shift 2
	guest "$text" --quiet-limit 300 --modargs 'io_timeout=3 admin_timeout=3' "$@" \
		--run "tests/guest/run_faults $bin --short $more"
}
for kernel in $(kernels latest); do
	faults "$kernel" "" --kernel "$kernel" --append page_poison=1 --vfu "$vfu"
	faults "$kernel, strict IOMMU" --strict --kernel "$kernel" --iommu strict --vfu "$vfu; ns 1 lbads=12"
done
tap_end
