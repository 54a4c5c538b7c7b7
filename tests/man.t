#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The manual pages of nvdio's ioctls and of mmap(): that they are well formed, that
# their errors are those that can be had, that programs compiled for 32 bits get the
# same structures, and that what they do with them is right.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

cd "$top" || exit 1
mandoc=$(lab/extra mandoc 2>"$tap_dir/log")/usr/bin/mandoc
tap_ok $? "mandoc" || sed 's/^/#   /' "$tap_dir/log"
lab/sh "$mandoc" -T lint -W warning docs/man/*.[2-8] >"$tap_dir/log" 2>&1
tap_ok $? "mandoc -T lint" || sed 's/^/#   /' "$tap_dir/log"
# Parts of nvdio(4) are sections of other documents.
docs/man/fill docs/man/nvdio.4.in >"$tap_dir/nvdio.4" 2>"$tap_dir/log" &&
	lab/sh "$mandoc" -T lint -W warning <"$tap_dir/nvdio.4" >"$tap_dir/log" 2>&1
tap_ok $? "nvdio(4): mandoc -T lint" || sed 's/^/#   /' "$tap_dir/log"
# tells WHAT NAME...: nvdio(4) has an entry for each.
tells() {
	what=$1
	shift
	[ $# -gt 0 ] || tap_ok 1 "there are $what"
	missing=$(for name; do
		sed 's/\\-/-/g; s/\\f[BR]/ /g' "$tap_dir/nvdio.4" | grep -qwF -- "$name" || echo "$name"
	done)
	tap_ok "$(echo "$missing" | wc -w)" "nvdio(4) has all $what" || echo "#   $missing"
}
# shellcheck disable=SC2046
tells "module parameters" $(sed -n 's/^module_param\(_named\|_cb\)\{0,1\}(\([a-z_]*\),.*/\2/p' driver/*/*.c)
# shellcheck disable=SC2046
tells "attributes" $(sed -n 's/^\(static DEVICE_ATTR_[A-Z_]*\|CTRL_ATTR\|STAT_ATTR\)(\([a-z_]*\)[,)].*/\2/p' driver/*/*.c | grep -vx name)
# shellcheck disable=SC2046
tells "ioctls" $(sed -n 's/^#define \(NVDIO_IOC_[A-Z_]*\|NVDIO_URING_BATCH\)[[:space:]]*_IO.*/\1/p' driver/uapi/nvdio.h)
# nvdio(8) has what the command says of itself.
if [ -x tools/nvdio ]; then
	for command in '' list bind unbind restore stat latency regs; do
		lab/sh tools/nvdio $command --help
	done >"$tap_dir/help" 2>&1
	tap_ok $? "nvdio --help"
	missing=$(grep -oE -- '--[a-z][a-z-]+' "$tap_dir/help" | sort -u | while read -r option; do
		grep -qE -- "Fl .*-?${option#-}( |\$)|\\| ${option#-}" docs/man/nvdio.8 || echo "$option"
	done)
	tap_ok "$(echo "$missing" | wc -w)" "nvdio(8) has all options of the command" || echo "#   $missing"
fi
# deb.t does what README says, line by line; nvdio(8) installs and removes in the same way.
sed -n 's/^    make deb && //p; s/^    \(nvdio unbind .*\)/\1/p; s/^    \(apt .*\)/\1/p' README.md |
	sed 's/ *#.*//; s,\./deb/,./,g; s/SERIAL/0000:03:00.0/' >"$tap_dir/readme"
sed -n '/^\.Bd /,/^\.Ed/p' docs/man/nvdio.8 | sed ':a; /\\e$/{N; s/ *\\e\n */ /; ta}' | grep '^apt \|^nvdio unbind' >"$tap_dir/page"
[ "$(wc -l <"$tap_dir/readme")" = 3 ] && diff "$tap_dir/readme" "$tap_dir/page" >"$tap_dir/log"
tap_ok $? "nvdio(8) installs and removes as README does" || sed 's/^/#   /' "$tap_dir/log"
# The structures are those of the header, comments left out.
for name in nvdio_info nvdio_map_add nvdio_range nvdio_rw; do
	sed -n "/^struct $name {/,/^}/p" driver/uapi/nvdio.h | tr -s ' \t' ' ' >"$tap_dir/header"
	sed -n "/^struct $name {/,/^}/p" "docs/man/ioctl_$name.2" | tr -s ' \t' ' ' >"$tap_dir/page"
	[ -s "$tap_dir/page" ] && cmp -s "$tap_dir/header" "$tap_dir/page"
	tap_ok $? "ioctl_$name(2) has struct $name as the header"
done
# same STRUCTURE PAGE
same() {
	sed -n "/^struct $1 {/,/^}/p" driver/uapi/nvdio.h | tr -s ' \t' ' ' >"$tap_dir/header"
	sed -n "/^struct $1 {/,/^}/p" "docs/man/$2.2" | tr -s ' \t' ' ' >"$tap_dir/page"
	[ -s "$tap_dir/page" ] && cmp -s "$tap_dir/header" "$tap_dir/page"
	tap_ok $? "$2(2) has struct $1 as the header"
}
for name in nvdio_batch nvdio_io nvdio_result; do
	same $name nvdio_uring_batch
done
for name in nvdio_ring_create nvdio_ring_head nvdio_ring_cqe; do
	same $name ioctl_nvdio_ring_create
done
same nvdio_io ioctl_nvdio_ring_enter
# All that the header defines, and a page is about, is in some page.
missing=$(sed -n 's/^#define \(NVDIO_[A-Z0-9_]*\).*/\1/p' driver/uapi/nvdio.h | grep -vx NVDIO_UAPI_H |
	while read -r name; do grep -qw "$name" docs/man/*.2 || echo "$name"; done)
tap_ok "$(echo "$missing" | wc -w)" "all names of the header are in a page" || echo "#   $missing"
# A page that another one names is there, or is of the system.
missing=$(sed -n 's/^\.Xr \([a-z_]*nvdio[a-z_]*\) 2.*/\1/p' docs/man/*.2 | sort -u |
	while read -r name; do [ -e "docs/man/$name.2" ] || echo "$name"; done)
tap_ok "$(echo "$missing" | wc -w)" "pages that pages refer to are there" || echo "#   $missing"
for bits in 32 64; do
	lab/sh gcc -m$bits -fsyntax-only -Wall -Werror -x c tests/src/abi.h >"$tap_dir/log" 2>&1
	tap_ok $? "structures and numbers, $bits bits" || sed 's/^/#   /' "$tap_dir/log"
done

programs
seen=/build/$id/seen-errors
"$top/lab/sh" sh -c ": >$seen"
guest "6.12" --kernel 6.12 --append page_poison=1 --nvme '' --ns size=64M \
	--run "NVDIO_SEEN=$seen tests/guest/io $bin /dev/nvdio0n1 mapcompat \
	'maperrors -t info -t map_add -t map_add_dmabuf -t rights -t map_del -t read_write -t range -t by_mmap -t many -t unbound'"
guest "6.12, rings" --kernel 6.12 --nvme '' --ns size=64M \
	--run "NVDIO_SEEN=$seen tests/guest/ownring $bin rules"
guest "latest, strict IOMMU" --kernel latest --iommu strict --nvme '' --ns size=64M \
	--run "tests/guest/io $bin /dev/nvdio0n1 mapcompat \
	'maperrors -t info -t map_add -t map_add_dmabuf -t rights -t map_del -t read_write -t range -t by_mmap -t many -t unbound'"
guest "6.12, all DMA bounces" --kernel 6.12 --append swiotlb=force --nvme '' --ns size=64M \
	--run "NVDIO_SEEN=$seen tests/guest/io $bin /dev/nvdio0n1 'maperrors -t bounces' 'ownring -t bounces'"

# errors CALL PAGE: those that were seen, and no others, are in the section ERRORS.
errors() {
	"$top/lab/sh" cat "$seen" | sed -n "s/^$1 //p" | sort -u >"$tap_dir/seen"
	sed -n 's/^\.It Bq Er //p' "docs/man/$2.2" | sort >"$tap_dir/page"
	[ -s "$tap_dir/page" ] && diff "$tap_dir/seen" "$tap_dir/page" >"$tap_dir/log"
	tap_ok $? "$2(2) lists the errors that were seen" || {
		sed -n 's/^</#   seen, and not there:/p; s/^>/#   there, and not seen:/p' "$tap_dir/log"
	}
}
errors INFO ioctl_nvdio_info
errors MAP_ADD ioctl_nvdio_map_add
errors MAP_DEL ioctl_nvdio_map_del
errors RW ioctl_nvdio_rw
errors RANGE ioctl_nvdio_range
errors RING_CREATE ioctl_nvdio_ring_create
errors RING_ENTER ioctl_nvdio_ring_enter
errors mmap mmap_nvdio
tap_end
