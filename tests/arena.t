#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# libnvdio-arena.so: what programs may expect of memory, on the host without a node, and with
# one that tests/arena/node.c makes up; in guests with nvdio's, where they do I/O.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

programs
out=/build/$id/lib
lib=$out/libnvdio-arena.so
"$top/lab/sh" sh -c "flock /tmp/nvdio-lib.lock make -s -C lib O=$out && make -s -C tests/arena O=$bin" >"$tap_dir/log" 2>&1
tap_ok $? "the library compiles"
sed 's/^/# /' "$tap_dir/log"

# on_host TEXT MAPS NAME=VALUE... -- CASE...: cases of tests/src/arena.c, where /proc/self/maps
# shows MAPS for memory that is served.
on_host() {
	text=$1 maps=$2
	shift 2
	settings=
	while [ "$1" != -- ]; do
		settings="$settings $1"
		shift
	done
	shift
	cases=
	for name; do
		cases="$cases -t $name"
	done
	# shellcheck disable=SC2086
	tap "$top/lab/sh" env NVDIO_ARENA_PRIVATE=1 NVDIO_ARENA_MALLOC=1 $settings "$bin/arena" $cases "$maps"
	[ "$tap_new" -gt 0 ] && [ "$tap_status" = 0 ]
	tap_ok $? "$text: ended well (status $tap_status, $tap_new tests)"
}
usual="sizes errors zero alignments storm storm_fork forks commands flags fixed partial remap protection advice descriptors locks stacks"
fake="LD_PRELOAD=$bin/node.so:$lib NVDIO_ARENA=/dev/null"
# shellcheck disable=SC2086
{
	# What the tests want is what ordinary memory does.
	on_host "without the library" - -- $usual many most
	on_host "no node" - "LD_PRELOAD=$lib" -- $usual many most
	on_host "node" memfd: $fake -- $usual
	on_host "node, NVDIO_ARENA_MAX" memfd: $fake NVDIO_ARENA_MAX=64M -- most
	# Whether something is served is anybody's guess here.
	on_host "node that often fails" any $fake NVDIO_TEST_FAIL=3 -- $usual
	on_host "node with three maps" any $fake NVDIO_TEST_MAPS=3 -- $usual
	on_host "all that is a page or more" any $fake NVDIO_ARENA_MIN=4K -- $usual
}

for kernel in $(kernels 6.12); do
	guest "$kernel" --kernel "$kernel" --append page_poison=1 --nvme '' --ns size=256M \
		--run "tests/guest/arena $bin $lib own fio tools qemu vm python limits gone"
done
# A database that is not in the lab's root.
if full; then
	extra=$("$top/lab/extra" mariadb-server-core)
	guest "6.12, MariaDB" --kernel 6.12 --mem 2G --quiet-limit 300 --nvme '' --ns size=128M \
		--run "EXTRA=$extra tests/guest/arena $bin $lib mariadb"
fi
full && parts="own fio tools qemu python gone" || parts="fio tools gone"
guest "latest, strict IOMMU" --kernel latest --iommu strict --nvme '' --ns size=256M \
	--run "tests/guest/arena $bin $lib $parts"
tap_end
