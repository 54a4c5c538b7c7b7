#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The command nvdio: what it lists, what it refuses to bind, what a reboot keeps, and
# numbers beside fio's.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/lib.sh"

mdadm=$("$top/lab/extra" mdadm) && udev=$("$top/lab/extra" udev)
tap_ok $? "mdadm and udev are there"
# completed WORD...: what bash offers for the last of them.
# shellcheck disable=SC2016
completed() {
	"$top/lab/sh" bash -c '. tools/completion/nvdio; COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)); _nvdio; echo "${COMPREPLY[*]}"' bash "$@"
}
if [ "$(completed nvdio un) $(completed nvdio bind --w)" = "unbind --wipe-ok" ]; then right=0; else right=1; fi
tap_ok $right "completion of commands and options"
# The serial number is a word of the disk's own choice.
# shellcheck disable=SC2016
said=$("$top/lab/sh" bash -c '. tools/completion/nvdio; _nvdio_devices() { printf "%s\n" "\$(echo ran >&2)" "My disk"; }
	COMP_WORDS=(nvdio bind "$1") COMP_CWORD=2; _nvdio; printf "<%s>" "${COMPREPLY[@]}"' bash M 2>&1)
[ "$said" = '<My\ disk>' ]
tap_ok $? "completion: serial numbers with blanks are one word, and no commands" || echo "#   $said"

# tools KERNEL PART...
tools() {
	kernel=$1
	shift
	guest "$kernel" --kernel "$kernel" --timeout 1500 --nvme '' --ns size=64M --nvme '' --ns size=64M \
		--run "MDADM=$mdadm UDEV=$udev tests/guest/tools $*"
}

if full; then
	tools 6.12 list bind refuse persist args stat
	tools latest list bind refuse persist args stat
else
	tools 6.12 list refuse persist
	tools latest bind args stat
fi
tap_end
