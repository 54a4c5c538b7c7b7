# SPDX-License-Identifier: GPL-2.0
"""What uses a disk: mounts, swap, device mapper, RAID, programs; and what is written on it."""

import contextlib
import json
import os
import re
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import disks
from .disks import Controller, Disk, children, clean, value

PROC = Path("/proc")
# Whose servers may not answer for hours.
REMOTE = re.compile(r"nfs4?|cifs|smb3|smbfs|ceph|9p|afs|coda|lustre|glusterfs|autofs|fuse.*")
# Files of nvdio's that are not nodes.
HANDLES = {"anon_inode:[nvdio-range]": "a range of blocks", "anon_inode:[nvdio-ring]": "a ring"}
# How messages put it.
WORDS = {"mount": "is mounted on", "swap": "is used for", "holder": "is held by", "open": "is open in",
         "kernel": "is used by", "busy": "is in use exclusively", "signature": "has",
         "unknown": "cannot be checked:"}


@dataclass(frozen=True)
class Use:
    """One reason why a disk is not free."""

    kind: str
    """a key of WORDS"""
    node: str
    """of the disk, or of a partition: nvme0n1p1"""
    detail: str

    def __str__(self) -> str:
        return f"/dev/{self.node} {WORDS[self.kind]} {self.detail}".rstrip()

    def as_json(self) -> dict[str, str]:
        """For programs."""
        return asdict(self)


@dataclass
class Nodes:
    """The devices that are looked for."""

    by_rdev: dict[tuple[bool, int], str] = field(default_factory=dict)
    """name, by whether it is a block device and number"""
    by_path: dict[str, str] = field(default_factory=dict)
    """name, by name in /dev, for where there are only names"""

    def add(self, name: str, block: bool) -> None:
        """One more."""
        place = disks.SYS / "class" / ("block" if block else
                                       "nvdio" if name.startswith("nvdio") else
                                       "nvme-generic" if name.startswith("ng") else "nvme") / name
        major, _, minor = value(place / "dev").partition(":")
        if minor:
            self.by_rdev[block, os.makedev(int(major), int(minor))] = name
            self.by_path[f"/dev/{name}"] = name

    def of_file(self, path: str | Path) -> str:
        """Which of them a file is, or ""."""
        try:
            mode = os.stat(path)
        except OSError:
            return ""
        if stat.S_ISBLK(mode.st_mode) or stat.S_ISCHR(mode.st_mode):
            return self.by_rdev.get((stat.S_ISBLK(mode.st_mode), mode.st_rdev), "")
        return ""

    def of_path(self, path: str) -> str:
        """The same of a name that somebody chose. Other files may be on a server that does not answer."""
        plain_path = os.path.normpath(path)
        local = plain_path.startswith("/dev/") and not plain_path.startswith("/dev/shm/")
        return self.by_path.get(path, "") or (self.of_file(path) if local else "")


def names_of(controller: Controller) -> dict[str, bool]:
    """All nodes through which a controller and its namespaces are reached: are they block devices?"""
    names = {controller.name: False} if controller.name else {}
    for disk in controller.disks:
        names |= dict.fromkeys(disk.blocks, True) | dict.fromkeys(disk.chars, False)
    return names


def nodes_of(*controllers: Controller) -> Nodes:
    """The same of several, for looking at each process once."""
    nodes = Nodes()
    for controller in controllers:
        for name, block in names_of(controller).items():
            nodes.add(name, block)
    return nodes


def plain(text: str) -> str:
    """A name of /proc/mounts or /proc/swaps, where some characters are \\040 and the like."""
    return re.sub(r"\\([0-7]{3})", lambda m: chr(int(m[1], 8)), text)


def processes() -> list[Path]:
    """Of this moment."""
    return [p for p in PROC.iterdir() if p.name.isdigit()]


def program(process: Path) -> str:
    """Name and number, for messages."""
    return f"{clean(value(process / 'comm', '?'))} (process {process.name})"


def mount_tables() -> Iterator[tuple[str, str]]:
    """For each mount namespace of which there is a process: its table, and the program, or "" for
    our own."""
    seen = set()
    for process in [PROC / "self", *processes()]:
        try:
            namespace = os.stat(process / "ns/mnt").st_ino
            if namespace not in seen:
                # Users choose these names: nothing but "\n" is the end of a line.
                table = (process / "mountinfo").read_bytes().decode(errors="backslashreplace")
                seen.add(namespace)
                yield table, "" if process.name == "self" else program(process)
        except OSError:
            continue


def mounts(nodes: Nodes) -> Iterator[Use]:
    """File systems of these nodes, in all mount namespaces: each place once, since most namespaces
    begin as a copy of ours."""
    seen = set()
    for table, who in mount_tables():
        for line in table.split("\n"):
            # NUMBER PARENT MAJOR:MINOR ROOT PLACE OPTIONS [...] - TYPE SOURCE OPTIONS
            before, _, after = line.partition(" - ")
            words, source = before.split(" "), plain("".join(after.split(" ")[1:2]))
            if len(words) < 5 or ":" not in words[2]:
                continue
            major, minor = words[2].split(":")
            # Some file systems (btrfs) have a number of their own.
            name = nodes.by_rdev.get((True, os.makedev(int(major), int(minor))), "") or \
                nodes.of_path(source)
            if name and not name.startswith("ng") and (name, words[4]) not in seen:
                seen.add((name, words[4]))
                yield Use("mount", name, clean(plain(words[4])) + (f" (of {who})" if who else ""))


def swaps(nodes: Nodes) -> Iterator[Use]:
    """Swap on these nodes."""
    for line in value(PROC / "swaps").split("\n")[1:]:
        path = plain(line.split(" ")[0])
        name = nodes.of_file(path) or nodes.by_path.get(path, "")
        if name:
            yield Use("swap", name, "swap")


def holder_name(name: str) -> str:
    """What device mapper or md call it."""
    place = disks.SYS / "class/block" / name
    mapped, kind = value(place / "dm/name"), value(place / "dm/uuid").split("-")[0]
    if mapped:
        return f"{name} ({kind + ' ' if kind else ''}{mapped})"
    level = value(place / "md/level")
    return f"{name} ({level})" if level else name


def holders(nodes: Nodes) -> Iterator[Use]:
    """Block devices on top of these nodes."""
    for name in nodes.by_path.values():
        for holder in children(disks.SYS / "class/block" / name / "holders", ".*"):
            yield Use("holder", name, holder_name(holder.name))


def kernel_openers(nodes: Nodes) -> Iterator[Use]:
    """Loop devices and targets of NVMe over fabrics open a disk without claiming it."""
    targets = disks.SYS / "kernel/config/nvmet/subsystems"
    for backing in [*disks.SYS.glob("block/loop*/loop/backing_file"),
                    *targets.glob("*/namespaces/*/device_path"), *targets.glob("*/passthru/device_path")]:
        name = nodes.of_path(value(backing))
        if name:
            yield Use("kernel", name, backing.parts[-3] if backing.name == "backing_file" else "nvmet")


def remote_mounts(process: Path) -> set[str]:
    """The numbers of the mounts of network file systems, and of those that are programs."""
    found = set()
    for line in (process / "mountinfo").read_bytes().decode(errors="backslashreplace").split("\n"):
        before, _, after = line.partition(" - ")
        if REMOTE.fullmatch(after.split(" ")[0]):
            found.add(before.split(" ")[0])
    return found


def handle_of(path: str, info: str, nodes: Nodes) -> Iterator[tuple[str, str]]:
    """The node of a range or ring, which are files of their own, and what it is."""
    for line in info.splitlines():
        key, _, words = line.partition(":\t")
        name = nodes.by_path.get(f"/dev/{words.split(' ')[0]}", "")
        if name and key in ("nvdio-range", "nvdio-ring"):
            yield name, HANDLES[path]


def files_of(process: Path, nodes: Nodes) -> Iterator[tuple[str, str]]:
    """Which of the nodes a process has open, mapped, or registered with io_uring, and with what: "",
    or a value of HANDLES. A file on a server that does not answer is not looked at: neither is this
    program to wait for it."""
    remote = remote_mounts(process)
    for fd in (process / "fd").iterdir():
        with contextlib.suppress(OSError):
            path = os.readlink(fd)
            if path == "anon_inode:[io_uring]":
                registered = value(process / "fdinfo" / fd.name).split()
                yield from ((nodes.by_path[w], "") for w in registered if w in nodes.by_path)
            if path in HANDLES:
                yield from handle_of(path, value(process / "fdinfo" / fd.name), nodes)
            if not path.startswith("/"):
                continue
            info = value(process / "fdinfo" / fd.name) if remote else ""
            mount = re.search(r"^mnt_id:\s*(\d+)$", info, re.MULTILINE)
            if mount and mount[1] in remote:
                continue
            name = nodes.of_file(fd)
            if name:
                yield name, ""
    for line in value(process / "maps").splitlines():
        mapped = "".join(line.split(None, 5)[5:]).removesuffix(" (deleted)")
        if mapped in nodes.by_path:
            yield nodes.by_path[mapped], ""


def openers(nodes: Nodes) -> Iterator[Use]:
    """Programs that use the nodes. Those of other users are seen by root only; a descriptor that is
    on its way through a socket is seen by nobody."""
    for process in processes():
        if process.name == str(os.getpid()):
            continue
        with contextlib.suppress(OSError):
            found = set(files_of(process, nodes))
            for name in sorted({name for name, _ in found}):
                means = sorted(what for of, what in found if of == name)
                # Who has the node itself has all that there is of it.
                yield Use("open", name, program(process) + (f": {', '.join(means)}" if means[0] else ""))


def wipefs(path: str) -> list[tuple[str, int]]:
    """Type and place of each signature of a file or device. Raises ValueError with a message."""
    try:
        done = subprocess.run(["wipefs", "--json", path], capture_output=True, text=True, check=False,
                              env={**os.environ, "LC_ALL": "C", "PATH": "/usr/sbin:/sbin:/usr/bin:/bin"})
    except OSError as error:
        raise ValueError(f"wipefs: {error.strerror}") from None
    if done.returncode:
        raise ValueError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "wipefs failed")
    if not done.stdout.strip():
        return []
    return [(str(s["type"]), int(str(s["offset"]), 0)) for s in json.loads(done.stdout)["signatures"]]


def signatures(name: str, path: str) -> Iterator[Use]:
    """What is written on a disk: file systems, members of LVM, RAID or ZFS, partition tables."""
    try:
        kinds = wipefs(path)
    except ValueError as error:
        yield Use("unknown", name, str(error))
        return
    for kind in dict.fromkeys(k for k, _ in kinds):
        yield Use("signature", name, f"a signature of {kind}")


def copy_of_ends(name: str, edge: int = 4 << 20) -> int:
    """A file in memory of the size of a node, with what is at both ends of it. Tools that look for
    signatures insist on a block device or on a file."""
    node = os.open(disks.DEV / name, os.O_RDONLY | os.O_CLOEXEC)
    copy = os.memfd_create(name)
    try:
        size = os.lseek(node, 0, os.SEEK_END)
        os.ftruncate(copy, size)
        for start in 0, max(size - edge, edge):
            for at in range(start, min(start + edge, size), 1 << 20):
                os.pwrite(copy, os.pread(node, min(1 << 20, size - at), at), at)
    except OSError:
        os.close(copy)
        raise
    finally:
        os.close(node)
    return copy


def disk_signatures(disk: Disk) -> Iterator[Use]:
    """The signatures of a namespace, of whichever driver."""
    if not disk.size:
        return
    try:
        # wipefs takes what it cannot read for empty.
        copy = copy_of_ends(disk.name, 64 << 10) if disk.stock else copy_of_ends(disk.name)
    except OSError as error:
        yield Use("unknown", disk.name, error.strerror or "cannot be read")
        return
    try:
        if disk.stock:
            yield from signatures(disk.name, str(disks.DEV / disk.name))
            return
        yield from signatures(disk.name, f"/proc/{os.getpid()}/fd/{copy}")
    finally:
        os.close(copy)


def in_use(*controllers: Controller) -> list[Use]:
    """Everything that uses the disks of these controllers now."""
    nodes = nodes_of(*controllers)
    found = [*mounts(nodes), *swaps(nodes), *holders(nodes), *kernel_openers(nodes), *openers(nodes)]
    return list(dict.fromkeys(found))
