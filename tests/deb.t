#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# The packages, on Debian 13: built, clean for lintian, installed with both kernels, used as
# README and nvdio(8) say over the next kernel and a reboot into it, upgraded with a disk bound
# and a program running, purged.
#
# A guest does what a user does, with apt, which compiles the module twice. What it has instead of
# the distribution's archive is two archives: with its own kernel, and with the next one. Other
# packages are installed in lab/system on this machine, and in a full run the module's, too.
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

# In a system that keeps what is written; and in the one that guests start from.
installed() {
	lab/system --upper "$here/system" "$@"
}
fresh() {
	lab/system --upper "$here/fresh" "$@"
}

# What the packages are and have.
lab/system --remove "$here"
mkdir -p "$here"
system=$(lab/system --path)
tap_ok $? "there is a system" || tap_end
does "make deb" make -s deb "O=$here/debs" || tap_end
version=$(sed -n 's/^MODULE_VERSION("\(.*\)");/\1/p' driver/main.c)
does "the packages have the module's version ($version)" test -e "$here/debs/nvdio-dkms_${version}_all.deb"
# There is no address that a maintainer could be written to.
does "lintian" lab/system lintian --allow-root --suppress-tags bogus-mail-host --fail-on error,warning \
	"$place/debs/nvdio_${version}_amd64.changes"
git ls-files 'driver/*.[ch]' Kbuild LICENSE | sort >"$tap_dir/want"
dpkg-deb --fsys-tarfile "$here/debs/nvdio-dkms_${version}_all.deb" | tar -t |
	sed -n "s,^./usr/src/nvdio-$version/,,p" | grep -v '/$' | grep -vx 'dkms.conf\|' | sort >"$tap_dir/got"
does "nvdio-dkms has all of the module's source" diff "$tap_dir/want" "$tap_dir/got"
does "a package of the next version" lab/deb --version "$next" "$here/next"
# As on a Debian system, and in another place. (-d: build-essential has g++, which the lab has not.)
mkdir -p "$here/plain/nvdio"
git ls-files -z Kbuild LICENSE Makefile dkms.conf debian docs driver lib tools udev '*.md' | xargs -0 tar -c | tar -x -C "$here/plain/nvdio" --no-same-owner
does "dpkg-buildpackage -b" lab/system sh -c "cd $place/plain/nvdio && dpkg-buildpackage -d -b -us -uc"
for deb in "$here"/debs/*.deb; do
	does "it makes the same, byte by byte: ${deb##*/}" cmp "$deb" "$here/plain/${deb##*/}"
done

# Without packages.
in_root() {
	lab/sh make -s "$1" "DESTDIR=$place/root" PREFIX=/usr/local "O=$place/lib"
}
does "make install" in_root install
for f in usr/local/lib/libnvdio.so.0 usr/local/include/nvdio.h usr/local/share/man/man4/nvdio.4 \
	usr/local/share/man/man8/nvdio.8 usr/lib/udev/rules.d/70-nvdio.rules; do
	does "make install: $f" test -s "$here/root/$f"
done
does "make install: the tools know their version" grep -qxF "$version" "$here/root/usr/local/share/nvdio/version"
does "make uninstall" in_root uninstall
find "$here/root" ! -type d >"$tap_dir/left"
does "make uninstall: nothing is left" diff /dev/null "$tap_dir/left"

# Installed; then there is another kernel.
debs=$(find "$here/debs" -name '*.deb' -printf "$place/debs/%f\n")
full || debs=$(echo "$debs" | grep -v /nvdio-dkms_)
# shellcheck disable=SC2086
does "dpkg -i" installed dpkg -i $debs
does "a program finds the library" installed sh -ec \
	'gcc -o /tmp/nvdio-deb-kv.$$ examples/kv.c $(pkg-config --cflags --libs nvdio) -luring; rm /tmp/nvdio-deb-kv.$$'
does "and the manual pages" installed sh -ec '
	for page in nvdio.8 libnvdio.3 ioctl_nvdio_info.2; do
		zcat /usr/share/man/man${page##*.}/$page.gz | mandoc -T lint -W error
	done'
does "the second kernel's package" installed sh -c "dpkg -i $system/kernel/*.deb"
if full; then
	does "the module is there for both kernels" installed sh -ec '
		dkms status
		[ "$(dkms status nvdio/"$1" | grep -c ": installed")" = 2 ]
		for kernel in /lib/modules/*; do
			[ "$(modinfo -k "${kernel##*/}" -F version nvdio)" = "$1" ]
		done' sh "$version"
fi

# depmod reads all modules, and for each kernel more than once; emulated that takes minutes. The
# lab's machines need few: the directories of the others.
does "modules that no guest needs" installed sh -ec '
	cd /lib/modules
	for kernel in *; do
		for module in nvme ext4 overlay erofs 9p 9pnet_virtio virtio_blk virtio_console virtio-rng; do
			modprobe -S "$kernel" -D "$module" | sed -n "s/^insmod \([^ ]*\).*/\1/p"
		done | sort -u >/tmp/nvdio-deb-few.$$
		for dir in "$kernel"/kernel/*/ "$kernel"/kernel/*/*/; do
			grep -q "^/lib/modules/$dir" /tmp/nvdio-deb-few.$$ || echo "$dir"
		done
		rm /tmp/nvdio-deb-few.$$
	done >"$1/unneeded"
	grep . "$1/unneeded"' sh "$place"

# Archives: a kernel is a package that depends on it, and so are its headers.
does "archives" lab/system sh -ec '
	mkdir -p "$1/archive" "$1/next-archive"
	cd "$1/archive"
	# meta KERNEL VERSION
	meta() {
		for what in image headers; do
			mkdir -p "/root/$2/$what/DEBIAN"
			printf "%s\n" "Package: linux-$what-amd64" "Version: $2" "Architecture: amd64" "Maintainer: nobody <nobody>" \
				"Provides: linux-$what-generic" "Depends: linux-$what-$1" "Description: the newest kernel" \
				>"/root/$2/$what/DEBIAN/control"
			dpkg-deb -Znone -b "/root/$2/$what" .
		done
	}
	here=$(echo /lib/modules/*)
	meta "${here##*/}" "$(dpkg-query -W -f "\${Version}" "linux-image-${here##*/}")"
	dpkg-scanpackages -m . >Packages
	cp "$2"/kernel/*.deb .
	dpkg-deb -R linux-modules-*.deb /root/modules
	rm linux-modules-*.deb /root/modules/DEBIAN/md5sums
	while read -r dir; do
		rm -rf /root/modules/usr/lib/modules/"$dir" /root/modules/lib/modules/"$dir"
	done <"$1/unneeded"
	dpkg-deb -Znone -b /root/modules .
	new=$(basename linux-image-[0-9]*.deb)
	kernel=${new#linux-image-}
	meta "${kernel%%_*}" "$(dpkg-deb -f "$new" Version)"
	dpkg-scanpackages -m . >../next-archive/Packages' sh "$place" "$system"
does "a system for guests" fresh sh -ec '
	cd /lib/modules
	kernel=$(echo *)
	grep "^$kernel/" "$1/unneeded" | xargs rm -rf
	depmod "$kernel"
	ls "$kernel"/kernel/drivers/nvme/host/nvme.ko*
	dpkg -i "$1"/archive/linux-image-amd64_6.12*.deb
	rm -rf /etc/apt/sources.list /etc/apt/sources.list.d /etc/apt/apt.conf.d/99mmdebstrap
	echo "deb [trusted=yes] file:$1/archive ./" >/etc/apt/sources.list
	apt-get update' sh "$place"
lab/system --disk "$here/disk" --upper "$here/fresh"
tap_ok $? "its disk"
does "nvdio-dkms alone brings headers for the next kernel, and the tools" fresh sh -ec '
	apt-get -s install "$1"/debs/nvdio-dkms_*.deb "$1"/debs/nvdio-tools_*.deb
	apt-get -s install "$1"/debs/nvdio-dkms_*.deb | grep "^Inst linux-headers-amd64 "' sh "$place"

# The next version's package with a module of one file, which compiles in a guest in no time.
mkdir "$here/small"
does "a small next version" lab/system sh -ec '
	dpkg-deb -R "$1/next/nvdio-dkms_$2_all.deb" /root/tree
	cd "/root/tree/usr/src/nvdio-$2"
	rm -r driver
	echo "obj-m := nvdio.o" >Kbuild
	printf "#include <linux/module.h>\nMODULE_LICENSE(\"GPL\");\nMODULE_DESCRIPTION(\"nothing\");\nMODULE_VERSION(\"%s\");\n" "$2" >nvdio.c
	rm /root/tree/DEBIAN/md5sums
	dpkg-deb -Znone -b /root/tree "$1/small"' sh "$place" "$next"
if full; then
	rm "$here"/small/*
	ln "$here/next/nvdio-dkms_${next}_all.deb" "$here/small"
fi

boot() {
	text=$1 kernel=$2
	shift 2
	guest "$text" --kernel "$kernel" --system "$here/disk" --mem 2G --timeout 7200 --quiet-limit 180 --silent-limit 0 \
		--nvme '' --ns size=1G --nvme '' --ns size=64M --run "tests/guest/deb $1 $place"
}
boot "6.12: packages, bind, the next kernel" 6.12 fresh
boot "latest: after a reboot" latest again

# Upgraded and purged where it was installed.
if full; then
	does "upgrade" installed sh -c "dpkg -i $place/next/*.deb"
	does "both kernels have the next version, and no other" installed sh -ec '
		[ "$(dkms status nvdio | grep -c installed)" = 2 ]
		[ "$(dkms status nvdio | grep -c "nvdio/$1.*installed")" = 2 ]' sh "$next"
fi
does "purge" installed sh -c 'dpkg --purge $(dpkg-query -W -f "\${Package}\n" "nvdio-[dt]*" "libnvdio*")'
does "nothing is left" installed sh -ec '
	! find / -xdev -name "*nvdio*" ! -path "/src/*" ! -path "/build*" ! -path "/lab/*" ! -path "/tmp/*" ! -path "/proc/*" \
		! -path "/var/log/*" ! -path "/var/cache/*" ! -path "*nvdio-lab*" | grep .
	! grep -r nvdio /etc /var/lib/dkms | grep .'
tap_end
