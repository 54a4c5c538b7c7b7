#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# libnvdio: what is made, installed and exported; its manual pages; its queues of both
# kinds, in guests (tests/src/queues.c).
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$top" || exit 1
programs

# check TEXT COMMAND...: it succeeds; what it says is shown if not.
check() {
	text=$1
	shift
	"$@" >"$tap_dir/log" 2>&1
	tap_ok $? "$text" || sed 's/^/#   /' "$tap_dir/log"
}

out=/build/$id/lib inst=/build/$id/lib-installed
check "make lib" lab/sh flock /tmp/nvdio-lib.lock make -s lib "O=$out"
check "make install" lab/sh sh -c "rm -rf $inst && make -s -C lib/nvdio O=$out PREFIX=/usr DESTDIR=$inst install"
sed -n 's/^.*\<\(nvdio_[a-z_]*\)(.*/\1/p' lib/nvdio/libnvdio.h | sort -u >"$tap_dir/functions"
lab/sh nm -D --defined-only "$out/libnvdio.so.0" | sed -n 's/.* [A-Z] \([a-z].*\)@@NVDIO_0$/\1/p' |
	sort >"$tap_dir/exported"
[ -s "$tap_dir/functions" ] && diff "$tap_dir/functions" "$tap_dir/exported" >"$tap_dir/log"
tap_ok $? "what the header declares is exported, and nothing else" || sed 's/^/#   /' "$tap_dir/log"
check "soname" sh -c "lab/sh readelf -d $out/libnvdio.so.0 | grep -F 'soname: [libnvdio.so.0]'"

# As a program that knows only what is installed.
pkgconf=$(lab/extra pkgconf 2>"$tap_dir/log")
tap_ok $? "pkgconf" || sed 's/^/#   /' "$tap_dir/log"
# shellcheck disable=SC2086
flags() {
	lab/sh env PKG_CONFIG_LIBDIR="$inst/usr/lib/pkgconfig:/usr/lib/x86_64-linux-gnu/pkgconfig" \
		LD_LIBRARY_PATH="$pkgconf/usr/lib/x86_64-linux-gnu" "$pkgconf/usr/bin/pkgconf" \
		--define-variable=prefix=$inst/usr --define-variable=libdir=$inst/usr/lib $1 nvdio
}
strict='-std=gnu99 -Wall -Wextra -Werror'
# shellcheck disable=SC2046,SC2086
{
	check "a program with the shared library" lab/sh gcc $strict -o "/build/$id/kv-shared" \
		examples/kv.c $(flags '--cflags --libs')
	check "a program with the static library" lab/sh gcc $strict -static -o "/build/$id/kv-static" \
		examples/kv.c $(flags '--static --cflags --libs')
}
check "the header in an ordinary C program" lab/sh gcc -std=c99 -Wall -Wextra -Wpedantic -Werror -fsyntax-only \
	"-I$inst/usr/include" -x c -include libnvdio.h /dev/null

mandoc=$(lab/extra mandoc 2>"$tap_dir/log")/usr/bin/mandoc
check "mandoc -T lint" lab/sh "$mandoc" -T lint -W warning docs/man/*.3
missing=$(while read -r name; do grep -q "^\.\(Fo\|Fn\) $name\>" docs/man/*.3 || echo "$name"; done <"$tap_dir/functions")
tap_ok "$(echo "$missing" | wc -w)" "all functions are in a page" || echo "#   $missing"
missing=$(sed -n 's/^\.Xr \([a-z_]*nvdio[a-z_]*\) \([23]\).*/\1.\2/p' docs/man/*.3 | sort -u |
	while read -r page; do [ -e "docs/man/$page" ] || echo "$page"; done)
tap_ok "$(echo "$missing" | wc -w)" "pages that pages refer to are there" || echo "#   $missing"
for name in nvdio_mem nvdio_done; do
	sed -n "/^struct $name {/,/^}/p" lib/nvdio/libnvdio.h | tr -s ' \t' ' ' >"$tap_dir/header"
	cat docs/man/*.3 | sed -n "/^struct $name {/,/^}/p" | tr -s ' \t' ' ' >"$tap_dir/page"
	[ -s "$tap_dir/page" ] && cmp -s "$tap_dir/header" "$tap_dir/page"
	tap_ok $? "struct $name is in a page as in the header"
done

all='queues -t contents -t threads -t errors -t opens -t by_range -t full -t closes -t undisturbed -t wrong_thread -t forbidden -t gone'
# On one CPU: what io_uring does when it is closed
# comes while something else waits.
for kernel in $(kernels 6.12); do
	guest "$kernel, one CPU" --kernel "$kernel" --cpus 1 --vfu '' \
		--run "tests/guest/lib $bin $inst/usr/lib /build/$id/kv"
done
guest "latest, strict IOMMU" --kernel latest --cpus 4 --iommu strict --nvme '' \
	--ns size=64M,logical_block_size=4096,physical_block_size=4096 \
	--run "tests/guest/io $bin /dev/nvdio0n1 '$all'"
if full; then
	guest "6.12, four CPUs" --kernel 6.12 --cpus 4 --nvme '' --ns size=64M \
		--run "tests/guest/io $bin /dev/nvdio0n1 '$all' '$all'"
	guest "debug" --kernel debug --cpus 4 --iommu strict --nvme '' --ns size=64M \
		--run "tests/guest/io $bin /dev/nvdio0n1 '$all'"
fi
tap_end
