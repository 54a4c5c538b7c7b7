#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Namespaces that change under open files, and pollers that do not poll.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

# The module of tests/shim for kernel $1; sets shim.
answers() {
	# shellcheck disable=SC2016
	shim=$("$top/lab/sh" sh -euc '
		v=$(cat "/usr/lib/nvdio-lab/kernel/$1")
		dir=/build/$2/shim-$v
		mkdir -p "$dir"
		exec 9>"$dir/.lock"
		flock 9
		cp /src/tests/shim/* "$dir"
		make -s -C "/lib/modules/$v/build" M="$dir" modules >&2
		echo "$dir/nvdio_answers.ko"
	' sh "$1" "$id")
	tap_ok $? "the shim compiles for $1"
}

programs
for kernel in 6.12 latest; do
	answers $kernel
	guest "$kernel" --kernel $kernel --modargs "poll_queues=2 io_timeout=1" \
		--nvme '' --ns size=256M,uuid=8a1e66a3-5d2c-4c0e-9a39-6c2f10a7be01 \
		--run "tests/guest/namespaces $bin $shim"
done
# One interrupt for admin and I/O queue: a line that other devices may share, and
# a message of our own.
guest "latest, INTx, polling" --kernel latest --append pci=nomsi --nvme '' --ns size=256M \
	--run "tests/guest/shared-irq $bin"
guest "6.12, one MSI-X vector, polling" --kernel 6.12 --nvme msix_qsize=1,max_ioqpairs=1 \
	--ns size=256M --run "tests/guest/shared-irq $bin"
tap_end
