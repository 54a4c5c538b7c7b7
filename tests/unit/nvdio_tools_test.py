# SPDX-License-Identifier: GPL-2.0
"""tools/nvdio: a machine made of files, with a disk of each kind."""

import contextlib
import functools
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

from tap import equal, finish, ok

TOOLS = Path(__file__).resolve().parents[2] / "tools"
sys.path.insert(0, str(TOOLS))

from nvdiolib import binding, disks, errors, hist, latency, listing, persist, regs, stat, uses  # noqa: E402


def put(path: Path, **attributes: object) -> Path:
    """A directory with these files."""
    path.mkdir(parents=True, exist_ok=True)
    for name, content in attributes.items():
        (path / name).write_text(f"{content}\n")
    return path


def machine(top: Path) -> None:
    """Two controllers that share a namespace, of nvme; one of nvdio; one without a driver."""
    pci = top / "sys/bus/pci/devices"
    for address in "0000:01:00.0", "0000:02:00.0", "0000:03:00.0", "0000:04:00.0":
        put(pci / address, **{"class": "0x010802", "driver_override": "(null)", "numa_node": -1})
    put(pci / "0000:00:00.0", **{"class": "0x060000"})
    block = top / "sys/class/block"
    for i, driver in enumerate(("nvme", "nvme", "nvdio")):
        address = f"0000:0{i + 1}:00.0"
        put(top / "sys/bus/pci/drivers" / driver)
        (pci / address / "driver").symlink_to(top / "sys/bus/pci/drivers" / driver)
    for i in 0, 1:
        char = put(pci / f"0000:0{i + 1}:00.0/nvme/nvme{i}", model="M", serial="shared", firmware_rev="1")
        put(char / f"nvme0c{i}n1")
        put(char / "hwmon3")
    put(block / "nvme0n1", size=2048, nsid=1, wwid="eui.1", dev="259:0")
    put(block / "nvme0n1/queue", logical_block_size=4096)
    put(block / "nvme0n1/nvme0n1p1", partition=1)
    put(block / "nvme0n1p1", partition=1, dev="259:1")
    put(block / "nvme9n1", size=2048, nsid=1, wwid="eui.1", dev="259:9")
    put(top / "sys/class/nvme-generic/ng0n1", dev="241:0")
    for n in 1, 2, 10:
        put(pci / f"0000:03:00.0/nvdio/nvdio0/nvdio0n{n}", size=8, lba_size=512, nsid=n)
    put(pci / "0000:03:00.0/nvdio/nvdio0", model="N", serial="own", firmware_rev="2")
    put(top / "proc", swaps="Filename Type Size Used Priority\n/dev/nvme0n1p1 partition 1 0 -2")
    put(top / "proc/self/ns", mnt="")
    put(top / "proc/self", mountinfo="22 1 259:0 / /with\\040space rw - ext4 /dev/nvme0n1 rw\n"
        "23 1 0:44 / /b rw shared:1 - btrfs /dev/nvme9n1 rw\n24 1 0:5 / /dev rw - devtmpfs udev rw")
    put(block / "nvme0n1p1/holders/dm-3")
    put(block / "dm-3/dm", name="vg-lv", uuid="LVM-x")


def test_disks() -> None:
    found = disks.controllers()
    equal([(c.address, c.driver, c.name, c.serial) for c in found],
          [("0000:01:00.0", "nvme", "nvme0", "shared"), ("0000:02:00.0", "nvme", "nvme1", "shared"),
           ("0000:03:00.0", "nvdio", "nvdio0", "own"), ("0000:04:00.0", "", "", "")], "controllers")
    equal([d.name for d in found[2].disks], ["nvdio0n1", "nvdio0n2", "nvdio0n10"], "namespaces, by number")
    for c in found[:2]:
        equal((c.disks[0].name, c.disks[0].size, c.disks[0].block_size), ("nvme0n1", 1 << 20, 4096),
              f"{c.name}: the head of a namespace that is shared")
        equal((c.disks[0].blocks, c.disks[0].chars), (["nvme0n1", "nvme0n1p1", "nvme9n1"], ["ng0n1"]),
              f"{c.name}: all nodes of it")


def found_by(device: str) -> str:
    """Address, or the message."""
    try:
        return disks.find(device).address
    except errors.NoDevice as error:
        return str(error)


def test_find() -> None:
    equal([found_by(d) for d in ("0000:03:00.0", "03:00.0", "own")], ["0000:03:00.0"] * 3, "address, serial")
    ok("several controllers" in found_by("shared"), "a serial number of two")
    ok("no NVMe controller" in found_by("nothing"), "none with this serial number")
    ok("not an NVMe controller" in found_by("00:00.0"), "another device")


def test_uses() -> None:
    found = uses.in_use(disks.find("01:00.0"))
    equal([(u.kind, u.node, u.detail) for u in found],
          [("mount", "nvme0n1", "/with space"), ("mount", "nvme9n1", "/b"), ("swap", "nvme0n1p1", "swap"),
           ("holder", "nvme0n1p1", "dm-3 (LVM vg-lv)")], "mounts, swap, holders, of a path that is shared")
    equal(uses.in_use(disks.find("03:00.0")), [], "another disk is free")
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(io.StringIO()):
        listing.command(True)
    have = json.loads(text.getvalue())["controllers"]
    equal([u["kind"] for u in have[0]["disks"][0]["used_by"]][:4], ["mount", "mount", "swap", "holder"],
          "JSON")
    equal((have[3]["driver"], have[3]["disks"], have[2]["persistent"]), (None, [], True), "JSON: no driver")


def test_names_of_others() -> None:
    """Any user can mount something in a namespace of his own."""
    table = uses.PROC / "self/mountinfo"
    before = table.read_bytes()
    bad = "".join(f"9 1 0:{i} / /tmp/a{c}b rw - tmpfs none rw\n"
                  for i, c in enumerate("\f\r\x1c\x85\u2028\x1b")).encode()
    table.write_bytes(bad + b"9 1 0:9 / /\xff rw - tmpfs none rw\nnonsense\n\n" + before)
    equal([u.kind for u in uses.in_use(disks.find("01:00.0"))], ["mount", "mount", "swap", "holder"],
          "names with any characters")
    table.write_bytes(before)
    equal(disks.clean("a\x1b[2Jb\nc"), "a?[2Jb?c", "what is printed")


def test_persist() -> None:
    persist.keep("0000:03:00.0", "own", "N")
    equal((persist.kept(), persist.serial_of("0000:03:00.0")), (["0000:03:00.0"], "own"), "kept")


class Kernel:
    """One controller that can be bound, without a driver, and what the kernel does with it."""

    ADDRESS = "0000:05:00.0"

    def __init__(self, top: Path) -> None:
        self.probes: list[str] = []
        put(top / "sys/bus/pci/drivers/nvdio")
        put(top / "sys/bus/pci/drivers/nvme")
        self.place = put(top / "sys/bus/pci/devices" / self.ADDRESS,
                         **{"class": "0x010802", "driver_override": "(null)", "numa_node": -1})
        put(top / "sys/class/block/nvme5n1", size=8, nsid=1)
        put(self.place / "of-nvme/nvme5/nvme5n1")
        for nsid in 1, 2:
            put(self.place / f"of-nvdio/nvdio5/nvdio5n{nsid}", nsid=nsid, size=8)
            (put(top / "dev") / f"nvdio5n{nsid}").write_bytes(bytes(4096))
        (top / "dev/nvme5n1").write_bytes(bytes(4096))
        for driver in "nvme", "nvdio":
            put(self.place / f"of-{driver}/{driver}5", serial="S", model="M")
        put(top / "proc/self/ns", mnt="")
        put(top / "proc/self", mountinfo="")

    def write(self, path: Path, text: str) -> None:
        """Instead of binding.write()."""
        if path.name == "driver_override":
            path.write_text(text.strip() or "(null)")
        elif path.name == "unbind":
            driver = disks.driver_of(text)
            (self.place / "driver").unlink()
            (self.place / driver).unlink()
        elif not disks.driver_of(text):
            driver = disks.controller(text).override or "nvme"
            self.probes.append(driver)
            (self.place / "driver").symlink_to(disks.SYS / "bus/pci/drivers" / driver)
            (self.place / driver).symlink_to(self.place / f"of-{driver}")

    def state(self) -> tuple[str, str]:
        """Driver and override."""
        now = disks.controller(self.ADDRESS)
        return now.driver, now.override


@contextlib.contextmanager
def kernel(*, driver: str = "nvme", written: str = "") -> Iterator[Kernel]:
    """With a driver that has the controller, and the disk on which there is something."""
    with contextlib.ExitStack() as stack:
        top = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        one = Kernel(top)
        for module, name, what in (
                (disks, "SYS", top / "sys"), (disks, "DEV", top / "dev"), (uses, "PROC", top / "proc"),
                (persist, "PLACE", top / "etc"), (binding, "PATIENCE", 0.1), (binding, "write", one.write),
                (binding, "need_root", lambda: None), (persist, "need_rule", lambda: None),
                (uses, "signatures",
                 lambda name, path: [uses.Use("signature", name, "x")] * (name == written))):
            stack.enter_context(mock.patch.object(module, name, what))
        if driver:
            put(top / "sys/bus/pci/drivers" / driver)
            binding.set_override(one.ADDRESS, driver if driver != "nvme" else "")
            binding.probe(one.ADDRESS)
        yield one


def ends(call: Callable[..., object], *args: object) -> tuple[int, str]:
    """Exit status, and all that it says."""
    text = io.StringIO()
    with contextlib.redirect_stdout(text), contextlib.redirect_stderr(text):
        try:
            return int(str(call(*args) or 0)), text.getvalue()
        except errors.Failure as failure:
            return failure.status, "\n".join(failure.lines)


def test_bind_unseen() -> None:
    with kernel(written="nvdio5n1") as k:
        equal((ends(binding.bind, "S", False, None)[0], k.state()), (0, ("nvdio", "nvdio")),
              "bind: nvme has shown it, and it was looked at")
        ends(binding.unbind, "S", False, False)
        equal(k.state(), ("nvme", ""), "unbind")
    with kernel(written="nvdio5n2") as k:
        status, said = ends(binding.bind, "S", False, None)
        equal((status, k.state()), (3, ("nvme", "")), "bind: not with data on a disk that nvme does not show")
        ok("/dev/nvdio5n2 has x" in said and "--wipe-ok S" in said, "bind: which disk it is")
        equal(ends(binding.bind, "S", False, "S")[0], 0, "bind: with --wipe-ok")
    with kernel(written="nvdio5n1") as k:
        (k.place / "of-nvme/nvme5").rename(k.place / "later")
        equal((ends(binding.bind, k.ADDRESS, False, None)[0], k.state()), (3, ("nvme", "")),
              "bind: not while nvme looks for disks, with data on one")
        equal((ends(binding.bind, k.ADDRESS, False, "other")[0], k.state()), (3, ("nvme", "")),
              "bind: nor with another serial number")


def test_bind_loaded() -> None:
    """Loading binds what has an override."""
    def load(module: str) -> None:
        for address in sorted(p.name for p in (disks.SYS / "bus/pci/devices").iterdir()):
            if disks.controller(address).override == module and not disks.driver_of(address):
                binding.probe(address)

    with kernel(driver="", written="nvdio5n1") as k, mock.patch.object(binding, "load", load):
        binding.set_override(k.ADDRESS, "nvdio")
        equal((ends(binding.bind, k.ADDRESS, False, None)[0], k.state()), (3, ("", "nvdio")),
              "bind: loading has bound it, with data on it")
        put(persist.PLACE, **{k.ADDRESS: "serial=other"})
        ends(binding.load_checked, "0000:06:00.0")
        equal(k.state(), ("nvme", ""), "bind: loading for one binds no other disk than that which is kept")
    with kernel(driver="nvdio") as k:
        put(persist.PLACE, **{k.ADDRESS: "serial=other"})
        (k.place / "of-nvdio/nvdio5").rename(k.place / "later")
        # The probe ends while restore waits.
        later = threading.Timer(0.3, lambda: (k.place / "later").rename(k.place / "of-nvdio/nvdio5"))
        later.start()
        status = ends(binding.restore, k.ADDRESS)[0]
        later.join()
        equal((status, k.state()), (1, ("nvme", "")), "restore: another disk, that is being bound just now")


def test_bind_interrupted() -> None:
    with kernel() as k:
        def interrupted(path: Path, text: str) -> None:
            k.write(path, text)
            if path.name == "unbind" and not k.probes[1:]:
                os.kill(os.getpid(), signal.SIGTERM)

        with mock.patch.object(binding, "write", interrupted):
            equal((ends(binding.bind, "S", True, None)[0], k.state(), persist.kept()),
                  (130, ("nvme", ""), []), "bind: a signal in the middle")
        with mock.patch.object(binding, "check", side_effect=OSError):
            with contextlib.suppress(OSError):
                ends(binding.bind, "S", False, None)
            equal(k.state(), ("nvme", ""), "bind: whatever else goes wrong")
        with mock.patch.object(persist, "keep", side_effect=errors.Failure("full")):
            equal((ends(binding.bind, "S", True, None)[0], k.state()), (1, ("nvme", "")),
                  "bind --persist: not without the file")


def test_bind_no_serial() -> None:
    with kernel(driver="", written="nvdio5n1") as k:
        equal(ends(binding.bind, "", False, "")[0], 4, "bind: an empty name is nobody's")
        put(k.place / "of-nvdio/nvdio5", serial="")
        equal((ends(binding.bind, k.ADDRESS, False, "x")[0], k.state()), (3, ("", "")),
              "bind: --wipe-ok of a disk without a serial number")
        ok("--wipe-ok 0000:05:00.0 binds" in ends(binding.bind, k.ADDRESS, False, None)[1],
           "bind: what to give")
        equal(ends(binding.bind, k.ADDRESS, False, k.ADDRESS)[0], 0, "bind: its address")
    with kernel() as k:
        numbers = put(disks.SYS / "dev/char")
        equal(ends(binding.bind, str(disks.DEV / "nvme5n1"), False, None),
              (4, f"{disks.DEV}/nvme5n1: not a device"), "bind: a file that is called like a node")
        (numbers / "1:3").symlink_to(k.place / "nvme/nvme5")
        equal(ends(binding.bind, "/dev/null", False, None)[0], 0, "bind: a node by its number")


def test_kept() -> None:
    with kernel(driver="") as k:
        put(persist.PLACE, **{k.ADDRESS: "", "0000:07:00.0": "serial=gone"})
        binding.set_override(k.ADDRESS, "nvdio")
        equal((ends(binding.restore, "05:00.0")[0], k.state()), (1, ("nvme", "")),
              "restore: a file without a serial number keeps no disk from nvme")
        equal((ends(binding.unbind, "07:00.0", False, False)[0], persist.kept()), (0, [k.ADDRESS]),
              "unbind: what is kept and is gone")


def test_without_module() -> None:
    """Udev has kept what is at this address from nvme, and there is no module for this kernel."""
    def load(module: str) -> None:
        raise errors.Failure(f"no module {module}")

    with kernel(driver="") as k, mock.patch.object(binding, "load", load):
        for serial, state in ("other", ("nvme", "")), ("S", ("", "nvdio")):
            put(persist.PLACE, **{k.ADDRESS: f"serial={serial}"})
            if disks.driver_of(k.ADDRESS):
                binding.release(k.ADDRESS)
            binding.set_override(k.ADDRESS, "nvdio")
            status, said = ends(binding.restore, k.ADDRESS)
            equal((status, "no module" in said, k.state()), (1, True, state),
                  f"restore: no module, and the disk has serial number S, not {serial}")
        with mock.patch.object(uses, "in_use", return_value=[uses.Use("mount", "nvme5n1", "/")]):
            equal((ends(binding.restore, k.ADDRESS)[0], k.state()), (1, ("nvme", "")),
                  "restore: no module, and it is mounted at once")
        equal([ends(binding.restore, a)[0] for a in ("06:00.0", "../../passwd")], [1, 4],
              "restore: what is not kept, or no address")


def shared(k: Kernel) -> None:
    """nvme has both namespaces by another controller, too."""
    for nsid in 1, 2:
        head = put(disks.SYS / f"devices/nvme-subsys6/nvme6n{nsid}", size=8, nsid=nsid, wwid=f"eui.{nsid}",
                   dev=f"259:{nsid}")
        (disks.SYS / "class/block" / head.name).symlink_to(head)
        put(k.place / f"of-nvdio/nvdio5/nvdio5n{nsid}", wwid=f"eui.{nsid}", dev=f"240:{nsid}")
        (disks.DEV / f"nvme6n{nsid}").write_bytes(bytes(4096))
        link = put(disks.SYS / "class/nvdio") / f"nvdio5n{nsid}"
        link.symlink_to(k.place / "nvdio/nvdio5" / link.name)


def test_shared() -> None:
    with kernel() as k:
        shared(k)
        (k.place / "nvme/nvme5/nvme5n1").rmdir()
        mounted = uses.Use("mount", "nvme6n2", "/")

        def look(*found: disks.Controller) -> list[uses.Use]:
            return [mounted] if any(mounted.node in uses.names_of(c) for c in found) else []

        with mock.patch.object(uses, "in_use", look):
            equal((ends(binding.bind, "S", False, "S")[0], k.state()), (3, ("nvme", "")),
                  "shared: bind: not what is mounted by another controller, and is seen late")
        status, said = ends(binding.bind, "S", False, None)
        equal((status, said.count("is also /dev/nvme6n1, by another controller")), (0, 1),
              "shared: bind says so")
        equal([d.same_as() for d in disks.controller(k.ADDRESS).disks], [["nvme6n1"], ["nvme6n2"]],
              "shared: the other nodes")
        opened = uses.Use("open", "nvme6n1", "x (process 7)")
        with mock.patch.object(uses, "in_use", return_value=[opened]):
            equal((ends(binding.unbind, "S", False, True)[0], k.state()), (0, ("nvme", "")),
                  "shared: unbind: who has the other node does not matter")
        put(persist.PLACE, **{k.ADDRESS: "serial=S"})
        for users, state in (look, ("nvme", "")), (lambda *_: [], ("nvdio", "nvdio")):
            binding.release(k.ADDRESS)
            with mock.patch.object(uses, "in_use", users):
                status = ends(binding.restore, k.ADDRESS)[0]
            equal((status, k.state()), (3 if state[0] == "nvme" else 0, state),
                  "shared: restore, with and without a mount by the other controller")
        with mock.patch.object(uses, "in_use", look):
            equal((ends(binding.restore, k.ADDRESS)[0], k.state()), (0, ("nvdio", "nvdio")),
                  "shared: restore leaves what is bound")
        for serial, ours, theirs, same in (
                ("S", "", "nvme.1b36-53-4d-00000001", True), ("S", "eui.1", "nvme.1b36-53-4d-00000001", True),
                ("S", "", "eui.1", True), ("S", "uuid.2", "eui.1", False), ("T", "uuid.2", "", False),
                ("", "", "", False)):
            put(disks.SYS / "devices/nvme-subsys6", serial=f"{serial}  ", model="M ")
            (disks.SYS / "class/nvdio/nvdio5n1/wwid").write_text(f"{ours}\n")
            (disks.SYS / "class/block/nvme6n1/wwid").write_text(f"{theirs}\n")
            equal(disks.controller(k.ADDRESS).disks[0].same_as(), ["nvme6n1"] if same else [],
                  f"shared: by serial number, model, and number: {serial} {ours} {theirs}")


def test_handles() -> None:
    """Ranges and rings are of a node, which fdinfo names."""
    with kernel():
        place = put(uses.PROC / "7", comm="x", maps="", mountinfo="")
        put(place / "ns", mnt="")
        for fd, (link, info) in enumerate((
                ("range", "nvdio-range:\tnvdio5n1 0 4096"),
                ("ring", "nvdio-ring:\tnvdio5n10 8 16\nnvdio-range:\tnvdio5n10 0 4096"),
                ("ring", "nvdio-ring:\tnvdio5n1 8 16"), ("range", "nothing"), ("range", "nvdio-range:\t"))):
            put(place / "fdinfo", **{str(fd): f"pos:\t0\nflags:\t02\n{info}"})
            (put(place / "fd") / str(fd)).symlink_to(f"anon_inode:[nvdio-{link}]")
        (place / "fd/9").symlink_to("anon_inode:[nvdio-range]")
        nodes = uses.Nodes(by_path={"/dev/nvdio5n1": "nvdio5n1", "/dev/nvdio5n2": "nvdio5n2"})
        equal([(u.node, u.detail) for u in uses.openers(nodes)],
              [("nvdio5n1", "x (process 7): a range of blocks, a ring")], "ranges and rings: whose they are")
        nodes = uses.Nodes(by_path={"/dev/nvdio5n10": "nvdio5n10"})
        equal([u.detail for u in uses.openers(nodes)], ["x (process 7): a ring"],
              "a ring of a range is a ring")


def test_bind_moment() -> None:
    """Udev's workers have a disk open for a moment."""
    with kernel() as k:
        opened = uses.Use("open", "nvme5n1", "(udev-worker) (process 7)")
        with mock.patch.object(uses, "in_use", side_effect=[[opened], [], []]):
            equal((ends(binding.bind, "S", False, None)[0], k.state()), (0, ("nvdio", "nvdio")),
                  "bind: looks again at what is open for a moment")
    with kernel() as k, mock.patch.object(binding, "MOMENT", 0.2):
        with mock.patch.object(uses, "in_use", return_value=[opened]) as asked:
            equal((ends(binding.bind, "S", False, None)[0], k.state(), asked.call_count > 1),
                  (3, ("nvme", ""), True), "bind: not what stays open")
        mounted = uses.Use("mount", "nvme5n1", "/")
        with mock.patch.object(uses, "in_use", return_value=[opened, mounted]) as asked:
            equal((ends(binding.bind, "S", False, None)[0], asked.call_count), (3, 1),
                  "bind: at once not, what is mounted, too")


def test_bind_two() -> None:
    with kernel() as k, binding.locked(k.ADDRESS), mock.patch.object(binding, "PROBE", 0.1):
        with mock.patch.object(binding, "locked", functools.partial(binding.locked, seconds=0.1)):
            for what in (binding.bind, "S", False, None), (binding.unbind, "S", True, False):
                status, said = ends(*what)
                equal((status, "another nvdio" in said, k.state()), (1, True, ("nvme", "")),
                      f"{what[0].__name__}: another one is moving it")
    with kernel() as k:
        with contextlib.ExitStack() as stack:
            stack.enter_context(binding.locked(k.ADDRESS))
            later = threading.Timer(0.3, stack.close)
            binding.set_override(k.ADDRESS, "nvdio")
            binding.release(k.ADDRESS)
            binding.probe(k.ADDRESS)
            later.start()
            before = len(k.probes)
            equal((ends(binding.bind, k.ADDRESS, False, None)[0], k.state(), len(k.probes)),
                  (0, ("nvdio", "nvdio"), before), "bind: another one has bound it meanwhile")
            later.join()


def killed(k: Kernel, step: int) -> None:
    """A program that is killed after so many writes to sysfs."""
    child = os.fork()
    if not child:
        left = [step]

        def write(path: Path, text: str) -> None:
            k.write(path, text)
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

        with mock.patch.object(binding, "write", write):
            ends(binding.bind, "S", True, None)
        os._exit(1)
    equal(os.waitpid(child, 0)[1], signal.SIGKILL, f"killed after write {step}")


def test_bind_killed() -> None:
    """What the next command does with what one has left that was killed."""
    for step, driver, override in ((1, "nvme", "nvdio"), (2, "", "nvdio"), (3, "nvdio", "nvdio"),
                                   (4, "nvdio", ""), (5, "nvdio", "nvdio")):
        for name, call, args, state in (
                ("bind", binding.bind, (Kernel.ADDRESS, False, None), ("nvdio", "nvdio")),
                ("unbind", binding.unbind, (Kernel.ADDRESS, False, False), ("nvme", "")),
                ("restore", binding.restore, (None,), (driver, override))):
            with kernel() as k:
                killed(k, step)
                equal((k.state(), listing.left_over(disks.controller(k.ADDRESS)), persist.kept()),
                      ((driver, override), step in (1, 2, 4), []), f"killed after {step}: list shows it")
                equal((ends(call, *args)[0], k.state()), (0, state), f"killed after {step}: {name}")
    with kernel(written="nvdio5n1") as k:
        killed(k, 4)
        status, said = ends(binding.bind, k.ADDRESS, False, None)
        equal((status, "nvdio5n1 has x" in said, f"nvdio unbind {k.ADDRESS}" in said, k.state()),
              (3, True, True, ("nvdio", "")), "killed before all was looked at: bind looks now")
        equal((ends(binding.bind, k.ADDRESS, False, "S")[0], k.state()), (0, ("nvdio", "nvdio")),
              "killed before all was looked at: --wipe-ok")


def test_bind_gone() -> None:
    """The disk goes after each step."""
    for step in 1, 2, 3:
        with kernel() as k:
            left = [step]

            def write(path: Path, text: str) -> None:
                if not k.place.exists():
                    raise errors.Failure(f"{path}: No such file or directory")
                k.write(path, text)
                left[0] -= 1
                if not left[0]:
                    shutil.rmtree(k.place)

            with mock.patch.object(binding, "write", write):
                equal(ends(binding.bind, "S", False, None)[0], 4, f"bind: it goes after write {step}")
    with kernel() as k:
        with mock.patch.object(binding, "give_back", lambda address: shutil.rmtree(k.place)):
            binding.set_override(k.ADDRESS, "nvdio")
            binding.release(k.ADDRESS)
            equal(ends(binding.unbind, k.ADDRESS, False, False), (4, f"{k.ADDRESS}: it has gone"),
                  "unbind: it goes meanwhile")
    with kernel() as k:
        (disks.DEV / "nvme5n1").unlink()

        def look(*_: disks.Controller) -> list[uses.Use]:
            shutil.rmtree(k.place)
            return []

        with mock.patch.object(uses, "in_use", look):
            equal(ends(binding.bind, "S", False, None)[0], 4, "bind: it goes while it is looked at")


def test_persist_read_only() -> None:
    with kernel() as k:
        persist.PLACE.write_text("a file")
        probes = len(k.probes)
        status, said = ends(binding.bind, "S", True, None)
        equal((status, k.state(), len(k.probes)), (1, ("nvme", ""), probes),
              "bind --persist: where nothing can be written it does not begin")
        ok("--persist: " in said, "bind --persist: it says why")
        persist.PLACE.unlink()
        put(persist.PLACE, **{f".{k.ADDRESS}.new": "", k.ADDRESS: "serial=S"})
        equal(persist.kept(), [k.ADDRESS], "kept: no half of a file")
        (persist.PLACE / k.ADDRESS).write_bytes(b"serial=\xff")
        equal(ends(binding.restore, k.ADDRESS)[0], 1, "restore: a file that is no text")


def test_serials() -> None:
    """nvdio shows ? for what is not ASCII, nvme the bytes."""
    for raw, shown in ((b"M\xc3\xbcller \xff  \n", "M??ller ?"), (b"a 'b' \"c\"\n", "a 'b' \"c\""),
                       (b"a/b\n", "a/b"), (b"\x1ba\n", "?a"), (b"$(x)\n", "$(x)")):
        with kernel() as k:
            (k.place / "of-nvme/nvme5/serial").write_bytes(raw)
            put(k.place / "of-nvdio/nvdio5", serial=shown)
            equal((ends(binding.bind, shown, True, shown)[0], k.state(), persist.serial_of(k.ADDRESS)),
                  (0, ("nvdio", "nvdio"), shown), f"bind and keep: serial number {shown}")
            ends(binding.unbind, shown, False, True)
            equal((ends(binding.restore, None)[0], k.state()), (0, ("nvdio", "nvdio")), "and restore")


def test_remote_files() -> None:
    """What is on a server is not asked for: it may not answer."""
    with kernel():
        place = put(uses.PROC / "7", comm="x", maps="", mountinfo="30 1 0:50 / /n rw - nfs4 server:/ rw\n"
                    "31 1 0:51 / /f rw - fuse.sshfs /n/x rw\n32 1 0:5 / /dev rw - devtmpfs udev rw")
        put(place / "ns", mnt="")
        for fd, (target, mount) in enumerate((("/n/file", 30), ("/f/file", 31), ("/dev/null", 32),
                                              ("pipe:[1]", 9))):
            put(place / "fdinfo", **{str(fd): f"pos:\t0\nflags:\t02\nmnt_id:\t{mount}"})
            put(place / "fd")
            (place / "fd" / str(fd)).symlink_to(target)
        nodes = uses.Nodes({(False, os.makedev(1, 3)): "ng5n1"}, {"/dev/ng5n1": "ng5n1"})
        asked: list[str] = []
        real = uses.Nodes.of_file

        def watched(this: uses.Nodes, path: Path | str) -> str:
            asked.append(os.readlink(path) if isinstance(path, Path) else path)
            return real(this, path)

        with mock.patch.object(uses.Nodes, "of_file", watched):
            found = list(uses.openers(nodes)), list(uses.mounts(nodes))
        equal((asked, [u.node for u in found[0]]),
              (["/dev/null"], ["ng5n1"]), "descriptors, and sources of mounts")


def test_latency_lost() -> None:
    with tempfile.TemporaryDirectory() as top, mock.patch.multiple(disks, SYS=Path(top)):
        for name, on in ("nvdio0n1", 1), ("nvdio0n2", 0):
            put(hist.place(name), enabled=on)
        equal(latency.lost(["nvdio0n1", "nvdio0n2", "nvdio0n3"]),
              ["nvdio0n2: switched off by another program meanwhile", "nvdio0n3: it has gone meanwhile"],
              "latency: what is not complete")


def test_regs() -> None:
    with tempfile.TemporaryDirectory() as top, \
            mock.patch.multiple(disks, SYS=Path(top) / "sys", DEV=Path(top) / "dev"):
        (put(Path(top) / "dev") / "nvdio0").symlink_to("/dev/null")
        (Path(top) / "dev/nvdio0n1").symlink_to("/dev/zero")
        (Path(top) / "dev/file").write_text("x")
        for name, number in ("nvdio0", "1:3"), ("nvdio0n1", "1:5"):
            put(Path(top) / "sys/class/nvdio" / name)
            (put(Path(top) / "sys/dev/char") / number).symlink_to(Path(top) / "sys/class/nvdio" / name)
        for node in "nvdio0", "nvdio0n1", f"{top}/dev/nvdio0":
            equal(regs.controller_node(node), f"{top}/dev/nvdio0", f"regs {node}: the controller's node")
        for node in "nothing", f"{top}/dev/file", "/dev/full", "file":
            equal(ends(regs.command, node, "text")[0], 4, f"regs {node}: no node of nvdio")


def kernel_file(*counts: tuple[int, int, int]) -> bytes:
    """A histogram file in which (stage and direction, bucket) have some."""
    words = [0] * (12 * 145)
    for which, bucket, n in counts:
        words[which * 145 + 1 + bucket] = n
        words[which * 145] += n * hist.bucket_start(bucket)
    return hist.HEADER.pack(1, 4, 3, 144, 2, 32, 0, 0) + b"".join(w.to_bytes(8, sys.byteorder) for w in words)


def test_hist() -> None:
    equal([hist.bucket_start(i) for i in (0, 3, 4, 7, 8, 9, 12)], [0, 3, 4, 7, 8, 10, 16], "buckets")
    have = hist.parse(kernel_file((6, 40, 90), (6, 60, 10), (1, 5, 7)))
    one = have["device", "read"]
    start = hist.bucket_start(40)
    equal((one.count, one.percentile(50), one.percentile(99)),
          (100, hist.bucket_start(41), hist.bucket_start(61)),
          "percentiles")
    equal(have["tag", "write"].mean, 5, "mean")
    equal((one - hist.parse(kernel_file((6, 40, 80)))["device", "read"]).count, 20, "difference")
    equal((one - hist.parse(kernel_file((6, 40, 200)))["device", "read"]).count, 100, "it was cleared")
    equal(hist.parse(b""), {}, "never on")
    lines = latency.bars(one, "#")
    ok(lines[0].endswith("90.0% " + "#" * 40) and lines[-1].endswith("10.0% #####"), "bars")
    equal(latency.powers(one)[0], (start, 2 * start, 90), "a line for each power of two")
    ok("nvdio0n1: read: device" in latency.as_text({"nvdio0n1": have}, "#"), "text")
    equal(json.loads(latency.as_json({"nvdio0n1": have}, 1))["disks"][0]["stages"]["device"]["read"]["count"],
          100, "JSON")


def test_stat() -> None:
    zero = stat.Sample("nvdio0", dict.fromkeys(stat.COUNTERS, 0), {"CPU0": 5}, 7, 0, 3)
    counts = {**zero.counts, "direct": 100, "read_bytes": 2_000_000}
    later = stat.Sample("nvdio0", counts, {"CPU0": 15}, 32, 1, 4,
                        hist.parse(kernel_file((6, 40, 100), (0, 50, 2))))
    every = stat.difference({"nvdio0n1": later, "nvdio0n2": zero}, {"nvdio0n1": zero})
    row = stat.row(every["nvdio0n1"], every, 2)
    equal((row.direct, row.read_mb, row.doorbells_per_io, row.interrupts_per_io), (50, 1, 0.25, 0.1), "rates")
    equal((row.read_us, row.write_us, row.waits, row.resets),
          (hist.bucket_start(40) / 1000, None, 1, 1), "latency")
    equal(row.depth, 100 * hist.bucket_start(40) / 2e9, "depth")
    text = stat.as_text(every, ["nvdio0n1"], 2).splitlines()
    equal((len(text), len({len(line) for line in text})), (2, 1), "a table")
    again = stat.difference({"nvdio0n1": zero}, {"nvdio0n1": later})
    equal(again["nvdio0n1"].doorbells, 7, "bound again: it began with 0")
    off = stat.Sample("nvdio0", counts, {"CPU1": 900}, 32, 0, 0)
    equal([stat.difference({"n": b}, {"n": a})["n"].interrupts for a, b in ((later, off), (off, later))],
          [{"CPU1": 0}, {"CPU0": 0}], "a processor that goes, and one that comes")


def test_stat_of_controller() -> None:
    """What is the controller's is for the I/Os of all its namespaces, and of those only."""
    with tempfile.TemporaryDirectory() as top, mock.patch.multiple(disks, SYS=Path(top)), \
            mock.patch.object(uses, "PROC", Path(top)):
        put(Path(top), interrupts="      CPU0 CPU1\n 24:  10 30 PCI-MSIX nvdio0q1\n 25: 9 9 nvdio0q0")
        for n in 1, 2:
            put(Path(top) / f"class/nvdio/nvdio0n{n}/stats", direct=0)
        put(Path(top) / "class/nvdio/nvdio0", doorbells=0, resets=0)
        before = stat.sample()
        equal(before["nvdio0n1"].interrupts, {"CPU0": 10, "CPU1": 30}, "interrupts by processor")
        put(Path(top), interrupts="      CPU0 CPU1\n 24:  510 530 PCI-MSIX nvdio0q1")
        for n, ios in (1, 1), (2, 3999):
            put(Path(top) / f"class/nvdio/nvdio0n{n}/stats", direct=ios)
        put(Path(top) / "class/nvdio/nvdio0", doorbells=2000)
        text: list[str] = []
        later = stat.difference(stat.sample(), before)
        equal(stat.names(["nvdio0n1"]), ["nvdio0n1"], "--node")
        for shown in ["nvdio0n1"], ["nvdio0n1", "nvdio0n2"]:
            disk = json.loads(stat.as_json(later, shown, 1))["disks"][0]
            text.append(f"{disk['rates']['doorbells_per_io']} {disk['rates']['interrupts_per_io']}")
        equal(text, ["0.5 0.25"] * 2, "doorbells and interrupts for each I/O: with --node the same")
        put(Path(top) / "class/nvdio/nvdio0n3/stats", direct=4000)
        put(Path(top) / "class/nvdio/nvdio0", doorbells=4000)
        every = stat.difference(stat.sample(), before)
        equal((every["nvdio0n3"].ios, stat.row(every["nvdio0n1"], every, 1).doorbells_per_io), (4000, 0.5),
              "a namespace that has just appeared counts, too")


def test_program() -> None:
    def run(*args: str) -> tuple[int, int]:
        done = subprocess.run([sys.executable, "-B", str(TOOLS / "nvdio"), *args], capture_output=True,
                              text=True, check=False)
        return done.returncode, len(done.stderr.splitlines())

    equal([run(), run("bind"), run("stat", "-1"), run("bind", "/dev/null")], [(2, 1), (2, 1), (2, 1), (4, 1)]
          if os.geteuid() == 0 else [(2, 1), (2, 1), (2, 1), (1, 1)], "errors are one line")
    done = subprocess.run([sys.executable, "-B", str(TOOLS / "nvdio"), "stat", "nvdio0"], capture_output=True,
                          text=True, check=False)
    ok(done.returncode == 2 and "--node" in done.stderr, "stat NODE: how to give it")
    words = (TOOLS / "completion/nvdio").read_text()
    helped = subprocess.run([sys.executable, "-B", str(TOOLS / "nvdio"), "--help"], capture_output=True,
                            text=True, check=False).stdout
    for name in re.findall(r"^    (\w+) ", helped, re.MULTILINE):
        ok(f"\t\t{name}) words=" in words, f"completion knows {name}")


with tempfile.TemporaryDirectory() as directory:
    machine(Path(directory))
    disks.SYS, uses.PROC = Path(directory) / "sys", Path(directory) / "proc"
    persist.PLACE = Path(directory) / "etc"
    test_persist()
    test_bind_unseen()
    test_bind_loaded()
    test_bind_interrupted()
    test_bind_no_serial()
    test_kept()
    test_without_module()
    test_shared()
    test_handles()
    test_bind_moment()
    test_bind_two()
    test_bind_killed()
    test_bind_gone()
    test_persist_read_only()
    test_serials()
    test_remote_files()
    test_latency_lost()
    test_regs()
    test_stat_of_controller()
    test_disks()
    test_find()
    test_uses()
    test_names_of_others()
    test_hist()
    test_stat()
    test_program()
finish()
