#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The packages, on Debian 13: built, clean for lintian, installed with both kernels, used as
# the manual says over a reboot into another kernel, upgraded with a disk bound and a program
# running, removed and purged.
#
# Installing is done in lab/system on this machine, where the module compiles in a minute; the
# system is booted from what that has written. In a full run a guest compiles the module, too.
# shellcheck source=tests/lib.sh disable=SC2016,SC2317
. "$(dirname "$0")/lib.sh"

cd "$top" || exit 1
lab=${NVDIO_LAB:-${XDG_CACHE_HOME:-$HOME/.cache}/nvdio}
place=/build/$id/deb-test
here=$lab$place
next=0.1.99
end() {
	lab/system --remove "$here"
	rm -rf "$tap_dir"
}
trap end EXIT

# does TEXT COMMAND...: it succeeds; else its output is shown.
does() {
	text=$1
	shift
	"$@" >"$tap_dir/log" 2>&1
	tap_ok $? "$text" || tail -n 60 "$tap_dir/log" | sed 's/^/#   /'
}

# In a system that keeps what is written.
installed() {
	lab/system --upper "$here/system" "$@"
}

# What the packages are and have.
lab/system --remove "$here"
mkdir -p "$here"
system=$(lab/system --path)
tap_ok $? "there is a system" || tap_end
does "make deb" make -s deb "O=$here/debs" || tap_end
version=$(sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' driver/main.c)
[ -e "$here/debs/nvdio-dkms_${version}_all.deb" ]
tap_ok $? "the packages have the module's version ($version)"
# There is no address that a maintainer could be written to.
does "lintian" lab/system lintian --allow-root --suppress-tags bogus-mail-host --fail-on error,warning \
	"$place/debs/nvdio_${version}_amd64.changes"
git ls-files 'driver/*.[ch]' Kbuild LICENSE | sort >"$tap_dir/want"
dpkg-deb --fsys-tarfile "$here/debs/nvdio-dkms_${version}_all.deb" | tar -t |
	sed -n "s,^./usr/src/nvdio-$version/,,p" | grep -v '/$' | grep -vx 'dkms.conf\|' | sort >"$tap_dir/got"
does "nvdio-dkms has all of the module's source" diff "$tap_dir/want" "$tap_dir/got"
does "a package of the next version" lab/deb --version "$next" "$here/next"
if full; then
	does "once more" lab/deb "$here/again"
	for deb in "$here"/debs/*.deb; do
		does "built twice it is the same: ${deb##*/}" cmp "$deb" "$here/again/${deb##*/}"
	done
fi
does "make install" lab/sh make -s install "DESTDIR=$place/root" PREFIX=/usr/local "O=$place/lib"
for f in usr/local/lib/libnvdio.so.0 usr/local/include/nvdio.h usr/local/share/man/man4/nvdio.4 \
	usr/local/share/man/man8/nvdio.8 usr/lib/udev/rules.d/70-nvdio.rules; do
	[ -s "$here/root/$f" ]
	tap_ok $? "make install: $f"
done

# Installed, with one kernel; then there is another.
does "dpkg -i" installed sh -c "dpkg -i $place/debs/*.deb"
does "the module is there for 6.12" installed sh -ec '
	for kernel in /lib/modules/6.12.*; do
		[ "$(modinfo -k "${kernel##*/}" -F version nvdio)" = "$1" ]
	done' sh "$version"
does "the second kernel's package" installed sh -c "dpkg -i $system/kernel/*.deb"
does "the module is there for both kernels" installed sh -ec '
	dkms status
	[ "$(dkms status nvdio/"$1" | grep -c ": installed")" = 2 ]
	for kernel in /lib/modules/*; do
		[ "$(modinfo -k "${kernel##*/}" -F version nvdio)" = "$1" ]
	done' sh "$version"
does "a program finds the library" installed sh -ec \
	'gcc -o /tmp/nvdio-deb-kv.$$ examples/kv.c $(pkg-config --cflags --libs nvdio) -luring; rm /tmp/nvdio-deb-kv.$$'
does "and the manual pages" installed sh -ec '
	for page in nvdio.4 nvdio.8 libnvdio.3 ioctl_nvdio_info.2; do
		zcat /usr/share/man/man${page##*.}/$page.gz | mandoc -T lint -W error
	done'
# depmod reads all modules, and for each kernel more than once; emulated that takes minutes. The
# lab's machines need few.
does "fewer of the kernels' modules" installed sh -ec '
	for kernel in /lib/modules/*; do
		for module in nvme ext4 overlay erofs 9p 9pnet_virtio virtio_blk virtio_console virtio-rng; do
			modprobe -S "${kernel##*/}" -D "$module" | sed -n "s/^insmod \([^ ]*\).*/\1/p"
		done | sort -u >/tmp/nvdio-deb-few.$$
		for dir in "$kernel"/kernel/*/ "$kernel"/kernel/*/*/; do
			[ ! -d "$dir" ] || grep -q "^$dir" /tmp/nvdio-deb-few.$$ || rm -r "$dir"
		done
		rm /tmp/nvdio-deb-few.$$
		depmod "${kernel##*/}"
	done
	ls /lib/modules/*/kernel/drivers/nvme/host/nvme.ko*'
does "their disk" lab/system --disk "$here/disk" --upper "$here/system"

# The next version's package with a module of one file, which compiles in a guest in no time.
mkdir "$here/small"
does "a small next version" lab/system sh -ec '
	dpkg-deb -R "$1/next/nvdio-dkms_$2_all.deb" "$1/small/tree"
	cd "$1/small/tree/usr/src/nvdio-$2"
	rm -r driver
	echo "obj-m := nvdio.o" >Kbuild
	printf "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"nothing\");\nMODULE_VERSION(\"%s\");\n" "$2" >nvdio.c
	rm "$1/small/tree/DEBIAN/md5sums"
	dpkg-deb -Znone -b "$1/small/tree" "$1/small"' sh "$place" "$next"

boot() {
	text=$1 kernel=$2
	shift 2
	guest "$text" --kernel "$kernel" --system "$here/disk" --timeout 1800 --quiet-limit 180 --silent-limit 0 \
		--nvme '' --ns size=256M --nvme '' --ns size=64M --run "tests/guest/deb $*"
}
boot "6.12: first use" 6.12 first
boot "latest: after a reboot" latest again "$place/small/nvdio-dkms_${next}_all.deb"
if full; then
	# As above with nothing left out: all of it in a guest.
	mkdir -p "$here/empty/up"
	does "a fresh disk" lab/system --disk "$here/disk" --upper "$here/empty"
	boot "6.12: packages, bind, the next kernel" 6.12 fresh "$place/debs" "$system/kernel"
	boot "latest: after a reboot" latest again "$place/next/nvdio-dkms_${next}_all.deb"
fi

# Upgraded and purged where it was installed.
if full; then
	does "upgrade" installed sh -c "dpkg -i $place/next/*.deb"
	does "both kernels have the next version, and no other" installed sh -ec '
		[ "$(dkms status nvdio | grep -c installed)" = 2 ]
		[ "$(dkms status nvdio | grep -c "nvdio/$1.*installed")" = 2 ]' sh "$next"
fi
does "purge" installed dpkg --purge nvdio-dkms nvdio-tools libnvdio-dev libnvdio0 libnvdio-arena \
	libnvdio0-dbgsym libnvdio-arena-dbgsym
does "nothing is left" installed sh -ec '
	! find / -xdev -name "*nvdio*" ! -path "/src/*" ! -path "/build*" ! -path "/lab/*" ! -path "/tmp/*" ! -path "/proc/*" \
		! -path "/var/log/*" ! -path "/var/cache/*" ! -path "*nvdio-lab*" | grep .
	! grep -r nvdio /etc /var/lib/dkms | grep .'
tap_end
