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
if [ "$said" = '<My\ disk>' ]; then right=0; else right=1; fi
tap_ok $right "completion: serial numbers with blanks are one word, and no commands" || echo "#   $said"

# Three namespaces of two controllers.
"$top/lab/sh" truncate -s 64M "/build/$id/tools-shared"
shared="-device nvme-subsys,id=sub,nqn=sub"
shared="$shared -device nvme,id=left,serial=pair,subsys=sub -device nvme,id=right,serial=pair,subsys=sub"
shared="$shared -blockdev driver=file,node-name=both1,filename=/build/$id/tools-shared"
shared="$shared -device nvme-ns,bus=left,drive=both1,nsid=1,shared=on,uuid=6cb7a2b8-1bd4-4f4c-8a5b-4a9b4a3c1d01"
for n in 2 3; do
	shared="$shared -blockdev driver=null-co,node-name=both$n,size=67108864,read-zeroes=on"
done
shared="$shared -device nvme-ns,bus=left,drive=both2,nsid=2,shared=on,nguid=112233445566778899aabbccddeeff02"
shared="$shared -device nvme-ns,bus=left,drive=both3,nsid=3,shared=on,eui64=0x1122334455667703"

# tools KERNEL PART...
tools() {
	kernel=$1
	shift
	guest "$kernel" --kernel "$kernel" --timeout 1500 --nvme '' --ns size=64M --nvme '' --ns size=64M \
		--run "MDADM=$mdadm UDEV=$udev tests/guest/tools $*"
}

# Here they are the first ones by address.
for kernel in $(kernels latest); do
	guest "$kernel, shared namespaces" --kernel "$kernel" --nvme '' --ns size=64M --qemu "$shared" --run "tests/guest/tools shared"
done
if full; then
	tools 6.12 list bind refuse persist args stat
	tools latest list bind refuse persist args stat
else
	tools 6.12 list refuse persist
	tools latest bind args stat
fi
tap_end
