# SPDX-License-Identifier: GPL-2.0
"""What QEMU boots: the kernel without its compression, and an initramfs with the
modules that the guest needs to mount its root. Both are kept in the cache."""

import hashlib
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable

import arch

# The kernels that lab/kernel-debug makes; lab/vm says where each is, if it is.
OWN_KERNELS = ("debug", "kcsan")

# crc32c_generic: libcrc32c needs it, but modules.dep does not say so; not in every kernel.
MODULES = ("virtio_blk", "crc32c_generic", "erofs", "9pnet_virtio", "9p", "overlay")
# What a system's changes are on (lab/vm --system).
SYSTEM_MODULES = ("ext4",)
# And besides, unless they are built in, on machines other than x86-64.
MODULES_ARCH = ("virtio_pci", "virtio_console", "virtio-rng")

CACHE = "/lab/initramfs"

# (name, mode, content), or (name, mode, (major, minor)) for a device node.
Entry = tuple[str, int, bytes | tuple[int, int]]


def read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def read_bytes(path: str) -> bytes:
    with open(path, "rb") as f:
        return f.read()


def hash_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:10]


def write_whole(path: str, data: bytes) -> None:
    """Writes a cache file so that a reader sees all of it or nothing."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # Not the pid: another call, in a pid namespace of its own, may have the same.
    fd, temp = tempfile.mkstemp(prefix=f"{os.path.basename(path)}.", dir=os.path.dirname(path))
    with open(fd, "wb") as f:
        f.write(data)
    os.rename(temp, path)


def cpio(entries: Iterable[Entry]) -> bytes:
    """A "newc" archive, padded so that another one may follow it."""
    out = bytearray()

    def add(number: int, name: bytes, mode: int, data: bytes,
            device: tuple[int, int] = (0, 0)) -> None:
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name) + 1, 0)
        out.extend(b"070701" + b"".join(b"%08X" % f for f in fields) + name + b"\0")
        out.extend(b"\0" * (-len(out) % 4))
        out.extend(data)
        out.extend(b"\0" * (-len(out) % 4))

    for number, (name, mode, data) in enumerate(entries, 1):
        if isinstance(data, tuple):
            add(number, name.encode(), mode, b"", data)
        else:
            add(number, name.encode(), mode, data)
    add(0, b"TRAILER!!!", 0, b"")
    out.extend(b"\0" * (-len(out) % 512))
    return bytes(out)


def own_kernel(name: str) -> str:
    """Where lab/kernel-debug has put kernel @name, or would put it."""
    return os.environ[f"LAB_KERNEL_{name}"]


def place_of(version: str) -> str:
    """Where the kernel @version is, if it is of lab/kernel-debug or lab/arch, else ""."""
    name = version.rpartition("-nvdio-")[2]
    return own_kernel(name) if name in OWN_KERNELS else arch.place()


def modules_of(version: str) -> str:
    """The directory of a kernel's modules; those of our own kernels are not in the root."""
    place = place_of(version)
    return f"{place}/modules/{version}" if place else f"/lib/modules/{version}"


def in_order(modules_dep: str, wanted: Iterable[str]) -> list[str]:
    """Files of the wanted modules and of what they depend on, each after its
    dependencies. modules_dep: the text of modules.dep, which does not list built-in
    modules, so these are left out."""
    depends = {}
    for line in modules_dep.splitlines():
        name, rest = line.split(":")
        depends[name] = rest.split()
    order: list[str] = []

    def visit(name: str) -> None:
        for d in reversed(depends[name]):
            visit(d)
        if name not in order:
            order.append(name)

    for module in wanted:
        for name in depends:
            if re.search(rf"/{module}\.ko(\.\w+)?$", name):
                visit(name)
    return order


def module_content(path: str) -> bytes:
    tool = {".xz": "xz", ".zst": "zstd"}.get(os.path.splitext(path)[1])
    if not tool:
        return read_bytes(path)
    return subprocess.run([tool, "-dc", path], check=True, stdout=subprocess.PIPE).stdout


def base_initramfs(version: str, system: bool) -> str:
    """The part of the initramfs that is the same for all machines with this kernel, or for
    all systems."""
    script = read_bytes("/src/lab/guest-initramfs")
    modules: tuple[str, ...] = MODULES_ARCH + MODULES if arch.place() else MODULES
    if system:
        modules += SYSTEM_MODULES
    tag = hash_of(script + repr((modules, place_of(version))).encode())
    path = f"{CACHE}/{version}-{os.environ['LAB_ROOT_NAME']}-{tag}.cpio"
    if os.path.exists(path):
        return path
    entries: list[Entry] = [
        ("dev", 0o40755, b""), ("dev/console", 0o20600, (5, 1)),
        ("bin", 0o40755, b""), ("modules", 0o40755, b""),
        ("bin/busybox", 0o100755, read_bytes(f"{arch.root()}/bin/busybox")),
        ("init", 0o100755, script)]
    order = []
    for name in in_order(read(f"{modules_of(version)}/modules.dep"), modules):
        short = os.path.basename(name).split(".")[0] + ".ko"
        entries.append((f"modules/{short}", 0o100644, module_content(f"{modules_of(version)}/{name}")))
        order.append(short + "\n")
    entries.append(("modules/order", 0o100644, "".join(order).encode()))
    write_whole(path, cpio(entries))
    return path


def kernel_image(version: str) -> str:
    """The kernel without its compression, which costs a second under TCG; it is
    entered by its PVH note. If it has none, and on other machines, the file as packaged."""
    place = place_of(version)
    if arch.place():
        return f"{place}/boot/{arch.IMAGES.get(arch.variable('arch'), 'vmlinuz')}-{version}"
    if place:
        return f"{place}/vmlinux"
    packaged = f"/boot/vmlinuz-{version}"
    path = f"{CACHE}/{version}-{os.environ['LAB_ROOT_NAME']}.vmlinux"
    if os.path.exists(path):
        return path
    data = read_bytes(packaged)
    start = data.find(b"\x28\xb5\x2f\xfd")
    if start < 0 or not re.search(r"^CONFIG_PVH=y$", read(f"/boot/config-{version}"), re.M):
        return packaged
    # zstd complains about what follows the compressed part, hence no check.
    elf = subprocess.run(["zstd", "-dcq"], input=data[start:], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, check=False).stdout
    if not elf.startswith(b"\x7fELF"):
        return packaged
    write_whole(path, elf)
    return path


def tsc_khz() -> int:
    """The rate of the time stamp counter, which is the host's under TCG. On a busy host
    the guest would calibrate it wrongly, and its clock would run several times too fast."""
    source = "/src/lab/tsc-khz.c"
    path = f"{CACHE}/tsc-khz-{hash_of(read_bytes(source))}"
    if not os.path.exists(path):
        os.makedirs(CACHE, exist_ok=True)
        fd, temp = tempfile.mkstemp(dir=CACHE)
        os.close(fd)
        subprocess.run(["gcc", "-O2", "-o", temp, source], check=True)
        os.rename(temp, path)
    return int(subprocess.run([path], check=True, stdout=subprocess.PIPE).stdout)
