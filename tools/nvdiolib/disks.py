# SPDX-License-Identifier: GPL-2.0
"""NVMe controllers of this machine and their namespaces, as sysfs shows them."""

import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from .errors import NoDevice

# The tests have trees of their own.
SYS = Path("/sys")
DEV = Path("/dev")

ADDRESS = re.compile(r"(?:([0-9a-f]{4,}):)?([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])", re.ASCII | re.IGNORECASE)


@dataclass
class Disk:
    """A namespace that has a node."""

    name: str
    """nvdio0n1, nvme0n1"""
    nsid: int
    size: int
    """bytes"""
    block_size: int
    blocks: list[str] = field(default_factory=list)
    """block devices through which the same namespace is reached, and their partitions"""
    chars: list[str] = field(default_factory=list)
    """character devices of the same"""

    @property
    def stock(self) -> bool:
        """Is it a disk of the nvme driver?"""
        return not self.name.startswith("nvdio")

    def same_as(self) -> list[str]:
        """Nodes of the same namespace, by other controllers, where this or that one is nvdio's: two
        drivers, of which neither knows what the other one writes."""
        whole = [] if self.stock else [b for b in self.blocks if not is_partition(b)]
        return whole + [c for c in self.chars if c.startswith("nvdio") and c != self.name]


@dataclass
class Controller:
    """A PCI device that is an NVMe controller."""

    address: str
    driver: str
    """or "" """
    override: str
    """the driver that may bind it, or "": any that knows it"""
    numa_node: int
    """or -1"""
    name: str = ""
    """nvdio0, nvme0, or "" without a driver that shows one"""
    model: str = ""
    serial: str = ""
    firmware: str = ""
    disks: list[Disk] = field(default_factory=list)

    def nodes(self) -> list[str]:
        """Of its namespaces."""
        return [f"/dev/{disk.name}" for disk in self.disks]


def value(path: Path, default: str = "") -> str:
    """The content of an attribute."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return default


def words(path: Path) -> str:
    """What a controller says of itself, as nvdio prints it: the nvme driver passes on all bytes."""
    try:
        raw = path.read_bytes().removesuffix(b"\n")
    except OSError:
        return ""
    return "".join(chr(c) if 0x20 <= c <= 0x7e else "?" for c in raw.rstrip(b" \0")).strip()


def clean(text: str) -> str:
    """What others have chosen, for a terminal, and for one line."""
    return "".join(c if c.isprintable() else "?" for c in text)


def number(path: Path, default: int = 0) -> int:
    """The same, a number."""
    try:
        return int(value(path), 0)
    except ValueError:
        return default


def pci(address: str) -> Path:
    """Its directory."""
    return SYS / "bus/pci/devices" / address


def driver_of(address: str) -> str:
    """The driver that has a PCI device, or ""."""
    link = pci(address) / "driver"
    return link.resolve().name if link.is_symlink() else ""


def children(path: Path, pattern: str) -> list[Path]:
    """Directories whose whole name matches, in the order of their numbers."""
    try:
        found = [p for p in path.iterdir() if re.fullmatch(pattern, p.name)]
    except OSError:
        # It may just have gone.
        return []
    return sorted(found, key=lambda p: [int(n) for n in re.findall(r"\d+", p.name)])


def is_partition(name: str) -> bool:
    """Of a block device."""
    return (SYS / "class/block" / name / "partition").exists()


def with_partitions(name: str) -> list[str]:
    """A block device and its partitions."""
    place = SYS / "class/block" / name
    if not place.is_dir():
        return []
    return [name] + sorted(p.name for p in children(place, ".*") if is_partition(p.name))


@dataclass(frozen=True)
class Identity:
    """What a namespace is known by."""

    wwid: str
    """UUID, NGUID or EUI-64, which both drivers write in the same way; or what nvme makes up of the rest"""
    rest: str
    """serial number and model of the controller, and number of the namespace"""

    def trusted(self) -> bool:
        """Has it an identifier that is its own?"""
        return bool(self.wwid) and not self.wwid.startswith("nvme.")

    def same(self, other: "Identity") -> bool:
        """One namespace? Which identifiers are bogus is for each driver to know."""
        if self.wwid and self.wwid == other.wwid:
            return True
        return bool(self.rest) and self.rest == other.rest and not (self.trusted() and other.trusted())


def identity(path: Path) -> Identity:
    """Of a namespace's directory: above it there is the controller, or the subsystem."""
    above = path.resolve().parent
    serial = words(above / "serial")
    return Identity(value(path / "wwid"),
                    f"{serial} {words(above / 'model')} {number(path / 'nsid')}" if serial else "")


def identities() -> dict[str, Identity]:
    """By name, of all namespaces of nvme and nvdio."""
    return {p.name: identity(p) for p in [*children(SYS / "class/block", r"nvme\d+n\d+"),
                                          *children(SYS / "class/nvdio", r"nvdio\d+n\d+")]}


def same_namespace(name: str, known: dict[str, Identity]) -> tuple[list[str], list[str]]:
    """All block devices and all character devices of one namespace: of this controller and of
    others that share it."""
    own = known.get(name, Identity("", ""))
    every = {name: None} | {n: None for n, other in known.items() if own.same(other)}
    blocks = [b for n in every if not n.startswith("nvdio") for b in with_partitions(n)]
    generic = [b.replace("nvme", "ng", 1) for b in blocks]
    return blocks, [*(n for n in generic if (SYS / "class/nvme-generic" / n).exists()),
                    *(n for n in every if n.startswith("nvdio"))]


def block_disk(path: Path, known: dict[str, Identity]) -> Disk:
    """A namespace of the nvme driver. One that is reached by several controllers has a block
    device of its own, nvme0n1 for the path nvme0c1n1, which is not a child of any of them."""
    name = re.sub(r"c\d+", "", path.name)
    place = SYS / "class/block" / name
    return Disk(name, number(place / "nsid") or number(path / "nsid"), number(place / "size") * 512,
                number(place / "queue/logical_block_size", 512), *same_namespace(name, known))


def nvdio_disk(path: Path, known: dict[str, Identity]) -> Disk:
    """A namespace of the nvdio driver."""
    return Disk(path.name, number(path / "nsid"), number(path / "size") * 512,
                number(path / "lba_size", 512), *same_namespace(path.name, known))


def controller(address: str) -> Controller:
    """All about one controller."""
    place = pci(address)
    override = value(place / "driver_override")
    found = Controller(address, driver_of(address), "" if override == "(null)" else override,
                       number(place / "numa_node", -1))
    for kind in "nvdio", "nvme":
        for char in children(place / kind, kind + r"\d+"):
            found.name = char.name
            found.model = words(char / "model")
            found.serial = words(char / "serial")
            found.firmware = words(char / "firmware_rev")
            namespaces = children(char, kind + r"\d+(c\d+)?n\d+")
            known = identities()
            found.disks = [(block_disk if kind == "nvme" else nvdio_disk)(p, known) for p in namespaces]
    return found


def controllers() -> list[Controller]:
    """All of the machine, by address."""
    places = sorted((SYS / "bus/pci/devices").glob("*"))
    return [controller(p.name) for p in places
            if value(p / "class").startswith("0x0108") or driver_of(p.name) in ("nvme", "nvdio")]


def is_named(candidate: Controller, name: str) -> bool:
    """Is this the controller, or has it the namespace, of node /dev/name?"""
    names = [d.name for d in candidate.disks]
    return name in [candidate.name, *names, *(n.replace("nvme", "ng", 1) for n in names)]


def full_address(text: str) -> str:
    """An address with its domain, or "" if it is none."""
    match = ADDRESS.fullmatch(text)
    return f"{match[1] or '0000'}:{match[2]}".lower() if match else ""


def node_name(path: str) -> str:
    """What the kernel calls a device file, whatever its name is."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise NoDevice(f"{path}: {error.strerror}") from None
    if not stat.S_ISBLK(found.st_mode) and not stat.S_ISCHR(found.st_mode):
        raise NoDevice(f"{path}: not a device")
    kind = "block" if stat.S_ISBLK(found.st_mode) else "char"
    return (SYS / "dev" / kind / f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}").resolve().name


def by_serial(everything: list[Controller], serial: str) -> list[Controller]:
    """One without a serial number is nobody's."""
    return [c for c in everything if serial and c.serial == serial]


def find(device: str) -> Controller:
    """The controller that the user means: by address, node or serial number."""
    everything = controllers()
    address = full_address(device)
    if address:
        found = [c for c in everything if c.address == address]
        if not found and pci(address).is_dir():
            raise NoDevice(f"{address}: not an NVMe controller")
    elif "/" in device and (os.path.exists(device) or not by_serial(everything, device)):
        name = node_name(device)
        if is_partition(name):
            raise NoDevice(f"{device}: a partition; only whole controllers are bound")
        found = [c for c in everything if is_named(c, name)]
    else:
        found = by_serial(everything, device)
    if not found:
        raise NoDevice(f"{device}: no NVMe controller with this address, node or serial number")
    if len(found) > 1:
        raise NoDevice(f"{device}: several controllers: give one of the addresses "
                       + ", ".join(c.address for c in found))
    return found[0]
