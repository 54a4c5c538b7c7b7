#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Batches of I/Os (NVDIO_URING_BATCH): contents, results, wrong descriptors, rings of every
# kind, long random runs, what fails or ends meanwhile, and what is on the disk then.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
seconds=4
full && seconds=60
guest "6.12" --kernel 6.12 --cpus 1 --append page_poison=1 --modargs poll_queues=1 --nvme '' --ns size=256M \
	--run "SECONDS=$seconds tests/guest/io $bin /dev/nvdio0n1 batch batchrun"
guest "latest, strict IOMMU, 4 CPUs" --kernel latest --iommu strict --cpus 4 --nvme '' --ns size=256M \
	--run "SECONDS=$seconds tests/guest/io $bin /dev/nvdio0n1 batch batchrun"
# Failures one after the other, then a completion that is lost, which takes its time.
guest "6.12, failures" --kernel 6.12 --vfu 'ns 1 size=64M' \
	--run "tests/guest/io $bin /dev/nvdio0n1 'batchfail -t refused -t statuses -t retried -t resets -t memory_goes -t dies -t unbound'"
for polling in 0 1; do
	guest "6.12, who polls, poll queues: $polling" --kernel 6.12 --modargs "poll_queues=$polling" --vfu 'ns 1 size=64M' \
		--run "tests/guest/io $bin /dev/nvdio0n1 'batchfail -t dies_polling -t polled_by_child'"
done
guest "6.12, failures on rings of each kind" --kernel 6.12 --modargs poll_queues=1 --vfu 'ns 1 size=64M' \
	--run "tests/guest/io $bin /dev/nvdio0n1 'batchfail -t each_failure'"
# Writes that wait for tags, or for claims of others: with one CPU, and so few tags.
guest "6.12, writes that wait, are refused, or are atomic" --kernel 6.12 --cpus 1 \
	--modargs 'poll_queues=1 io_queue_depth=33' --vfu 'ns 1 size=64M nawupf=15 nabspf=31' \
	--run "tests/guest/io $bin /dev/nvdio0n1 writers"
guest "6.12, a lost completion" --kernel 6.12 --modargs io_timeout=1 --vfu 'ns 1 size=64M' \
	--run "tests/guest/io $bin /dev/nvdio0n1 'batchfail -t lost'"
if full; then
	for polling in 0 1; do
		guest "6.12, failures on rings of each kind, poll queues: $polling" --kernel 6.12 --timeout 900 \
			--modargs "poll_queues=$polling" --vfu 'ns 1 size=64M' \
			--run "tests/guest/io $bin /dev/nvdio0n1 'batchfail -t each_failure -t each_end'"
		guest "6.12, lost completions on rings of each kind, poll queues: $polling" --kernel 6.12 --timeout 900 \
			--modargs "poll_queues=$polling io_timeout=1" --vfu 'ns 1 size=64M' \
			--run "tests/guest/io $bin /dev/nvdio0n1 'batchfail -t each_lost'"
	done
	# Both kernels, off and strict, 1 and 4 CPUs.
	for kernel in 6.12 latest; do
		for iommu in off strict; do
			for cpus in 1 4; do
				guest "$kernel, IOMMU $iommu, $cpus CPUs, contents" --kernel "$kernel" --iommu "$iommu" \
					--cpus "$cpus" --silent-limit 0 --nvme mdts=7 --ns size=256M \
					--ns size=256M,logical_block_size=4096,physical_block_size=4096 \
					--run "SECONDS=$seconds tests/guest/io $bin '/dev/nvdio0n1 /dev/nvdio0n2' 'batchrun -t random_runs'"
			done
		done
	done
	guest "6.12, strict IOMMU, 4 CPUs, few tags" --kernel 6.12 --iommu strict --cpus 4 --modargs io_queue_depth=33 \
		--nvme '' --ns size=256M --run "SECONDS=$seconds tests/guest/io $bin /dev/nvdio0n1 'batch -t crowd' batchrun"
	guest "debug" --kernel debug --cpus 4 --timeout 3000 --nvme '' --ns size=256M \
		--run "SECONDS=$((3 * seconds)) tests/guest/io $bin /dev/nvdio0n1 batch batchrun"
fi
tap_end
